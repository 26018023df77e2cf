//! Keeping the flow to a carrier alive, and seeing when it is not (RFC 5626 §4.4).
//!
//! ```text
//!   Resting ──due──▶ Pinged ──CRLF──▶ Resting          on streams (§4.4.1)
//!                      └── 10 s ──▶ it has failed
//!   Resting ──due──▶ Asked ──where we are seen──▶ Resting      by UDP (§4.4.2)
//!                      ├── silence, an error, another address than before ──▶ it has failed
//!                      └── 500 ms, 1 s, 2 s … ──▶ Asked again
//! ```

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::base::Dice;
use crate::sip::flow::Flow;
use crate::stun::{self, Class, HEADER};

/// What is said on a stream; a CRLF is its answer (RFC 5626 §3.5.1).
pub const PING: &[u8] = b"\r\n\r\n";
/// How long that may take.
pub const PONG_PATIENCE: Duration = Duration::from_secs(10);
/// The first wait for an answer by UDP; each further one is twice as long (RFC 8489 §6.2.1, RTO).
pub const RTO: Duration = Duration::from_millis(500);
/// How often a question is sent in all (Rc).
pub const SENDINGS: u32 = 7;
/// How long the last one waits, in [`RTO`]s (Rm).
pub const LAST_WAIT: u32 = 16;
/// How long nothing is said on a stream, from and to, where the carrier does not say (RFC 5626 §4.4.1).
const STREAM_MS: (u32, u32) = (95_000, 120_000);
/// The same by UDP (RFC 5626 §4.4.2).
const DATAGRAM_MS: (u32, u32) = (24_000, 29_000);
/// Of a time that the carrier says: from so many of a hundred of it to all (RFC 5626 §4.4).
const LEAST_PERCENT: u32 = 80;

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Send this by the flow.
    Send(Bytes),
    /// The flow has failed.
    Failed(Failure),
}

/// Why a flow counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No CRLF in time.
    NoPong,
    /// No answer to any of the questions.
    NoAnswer,
    /// An error instead of an answer.
    Refused,
    /// We are seen somewhere else than before: what stands on the way has forgotten us in between.
    Moved {
        /// Before.
        from: SocketAddr,
        /// Now.
        to: SocketAddr,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoPong => write!(f, "no CRLF came back within {} s", PONG_PATIENCE.as_secs()),
            Failure::NoAnswer => write!(f, "nothing came back to {SENDINGS} questions by STUN"),
            Failure::Refused => f.write_str("a question by STUN was answered with an error"),
            Failure::Moved { from, to } => write!(f, "we are seen at {to}, and were at {from}"),
        }
    }
}

#[derive(Debug)]
enum Phase {
    Resting { at: Instant },
    Pinged { until: Instant },
    Asked { request: [u8; HEADER], sent: u32, at: Instant },
    Failed,
}

/// One flow that is kept.
#[derive(Debug)]
pub struct KeepAlive {
    flow: Flow,
    timer: Option<Duration>,
    phase: Phase,
    /// Where we were seen first.
    mapped: Option<SocketAddr>,
    is_proven: bool,
}

impl KeepAlive {
    /// A flow by which something was said just now. `timer` is the `Flow-Timer` of the carrier.
    pub fn new(now: Instant, flow: Flow, timer: Option<Duration>, dice: &mut Dice) -> KeepAlive {
        let mut kept = KeepAlive { flow, timer, phase: Phase::Failed, mapped: None, is_proven: false };
        kept.rest(now, dice);
        kept
    }

    /// The flow.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// The carrier says another time, which counts from the next rest on.
    pub fn set_timer(&mut self, timer: Option<Duration>) {
        self.timer = timer;
    }

    /// Whether the peer has ever shown that it is there.
    pub fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// The deadline.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Resting { at } | Phase::Asked { at, .. } => Some(at),
            Phase::Pinged { until } => Some(until),
            Phase::Failed => None,
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, dice: &mut Dice) -> Option<Due> {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return None;
        }
        match self.phase {
            Phase::Resting { .. } if self.flow.transport.is_reliable() => {
                self.phase = Phase::Pinged { until: now + PONG_PATIENCE };
                Some(Due::Send(Bytes::from_static(PING)))
            }
            Phase::Resting { .. } => {
                let mut transaction = [0; 12];
                dice.fill(&mut transaction);
                Some(self.ask(now, stun::binding_request(transaction), 0))
            }
            Phase::Asked { request, sent, .. } if sent < SENDINGS => Some(self.ask(now, request, sent)),
            Phase::Asked { .. } => Some(self.fail(Failure::NoAnswer)),
            Phase::Pinged { .. } => Some(self.fail(Failure::NoPong)),
            Phase::Failed => None,
        }
    }

    /// A CRLF came by the flow.
    pub fn handle_pong(&mut self, now: Instant, dice: &mut Dice) {
        if matches!(self.phase, Phase::Pinged { .. }) {
            self.is_proven = true;
            self.rest(now, dice);
        }
    }

    /// A response of STUN came by the flow.
    pub fn handle_stun(&mut self, now: Instant, response: &stun::Message<'_>, dice: &mut Dice) -> Option<Due> {
        let Phase::Asked { request, .. } = &self.phase else { return None };
        if request.get(8..) != Some(&response.transaction()) || response.method() != stun::BINDING {
            return None;
        }
        match response.class() {
            Class::Request | Class::Indication => return None,
            Class::Error => return Some(self.fail(Failure::Refused)),
            Class::Success => {}
        }
        self.is_proven = true;
        let seen = stun::mapped_address(response);
        match (self.mapped, seen) {
            (Some(from), Some(to)) if from != to => return Some(self.fail(Failure::Moved { from, to })),
            (None, Some(first)) => self.mapped = Some(first),
            _ => {}
        }
        self.rest(now, dice);
        None
    }

    fn ask(&mut self, now: Instant, request: [u8; HEADER], sent: u32) -> Due {
        let wait = if sent + 1 < SENDINGS { RTO * (1 << sent) } else { RTO * LAST_WAIT };
        self.phase = Phase::Asked { request, sent: sent + 1, at: now + wait };
        Due::Send(Bytes::copy_from_slice(&request))
    }

    fn fail(&mut self, why: Failure) -> Due {
        self.phase = Phase::Failed;
        Due::Failed(why)
    }

    /// By chance, so that the agents of a carrier that was started anew do not all speak at once.
    fn rest(&mut self, now: Instant, dice: &mut Dice) {
        let usual = if self.flow.transport.is_reliable() { STREAM_MS } else { DATAGRAM_MS };
        let told = self.timer.map(|timer| {
            let most = u32::try_from(timer.as_millis()).unwrap_or(u32::MAX);
            (most / 100 * LEAST_PERCENT, most)
        });
        let (least, most) = told.unwrap_or(usual);
        let wait_ms = least + dice.below(most.saturating_sub(least).saturating_add(1));
        self.phase = Phase::Resting { at: now + Duration::from_millis(wait_ms.into()) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::flow::Transport;

    const SEEN: &str = "203.0.113.7:5060";

    /// A flow that is kept, its clock, and the chance that it uses.
    struct Watch {
        kept: KeepAlive,
        start: Instant,
        now: Instant,
        dice: Dice,
    }

    impl Watch {
        fn new(transport: Transport, timer_s: Option<u64>, seed: u64) -> Watch {
            let (now, mut dice) = (Instant::now(), Dice::for_test(seed));
            let [local, remote] = ["10.0.0.1:5060", "10.0.0.9:5060"].map(|address| address.parse().unwrap());
            let timer = timer_s.map(Duration::from_secs);
            let kept = KeepAlive::new(now, Flow { transport, local, remote }, timer, &mut dice);
            Watch { kept, start: now, now, dice }
        }

        /// The next thing that is due, and after how many milliseconds in all.
        fn next(&mut self) -> Option<(u128, Due)> {
            self.now = self.kept.poll_timeout()?;
            assert_eq!(
                self.kept.handle_timeout(self.now - Duration::from_millis(1), &mut self.dice),
                None,
                "too early"
            );
            let due = self.kept.handle_timeout(self.now, &mut self.dice)?;
            Some(((self.now - self.start).as_millis(), due))
        }

        /// The question that is due next.
        fn asks(&mut self) -> Bytes {
            match self.next() {
                Some((_, Due::Send(request))) => request,
                other => panic!("no question: {other:?}"),
            }
        }

        /// The answer of a server that sees us there.
        fn answer(&mut self, request: &[u8], seen: &str) -> Option<Due> {
            let response = stun::seen_at(request, seen.parse().unwrap()).unwrap();
            self.kept.handle_stun(self.now, &stun::Message::parse(&response).unwrap(), &mut self.dice)
        }

        /// For how long it rests, in milliseconds.
        fn rest(&self) -> u128 {
            (self.kept.poll_timeout().unwrap() - self.now).as_millis()
        }
    }

    #[test]
    fn a_ping_that_nothing_comes_back_to_within_ten_seconds_is_a_flow_that_has_failed() {
        let mut watch = Watch::new(Transport::Tcp, None, 1);
        let (pinged, ping) = watch.next().unwrap();
        assert_eq!(ping, Due::Send(Bytes::from_static(b"\r\n\r\n")));
        watch.kept.handle_pong(watch.now + Duration::from_secs(9), &mut watch.dice);
        assert!(watch.kept.is_proven());
        watch.now += Duration::from_secs(9);
        let (again, _) = watch.next().unwrap();
        assert!((95_000..=120_000).contains(&(again - pinged - 9_000)), "{again}");
        let (failed, due) = watch.next().unwrap();
        assert_eq!((failed - again, due), (10_000, Due::Failed(Failure::NoPong)));
        watch.kept.handle_pong(watch.now, &mut watch.dice);
        assert_eq!(watch.next(), None, "what comes too late does not bring it back");
    }

    #[test]
    fn a_crlf_that_nobody_has_asked_for_changes_nothing() {
        let mut watch = Watch::new(Transport::Tls, None, 2);
        let before = watch.kept.poll_timeout();
        watch.kept.handle_pong(watch.now + Duration::from_secs(1), &mut watch.dice);
        assert_eq!((watch.kept.poll_timeout(), watch.kept.is_proven()), (before, false));
    }

    #[test]
    fn a_question_by_stun_is_repeated_with_growing_waits_and_the_flow_has_failed_when_none_is_answered() {
        let mut watch = Watch::new(Transport::Udp, None, 3);
        let (first, request) = watch.next().unwrap();
        let mut times = Vec::new();
        while let Some((at, due)) = watch.next() {
            times.push(at - first);
            if let Due::Failed(why) = due {
                assert_eq!(why, Failure::NoAnswer);
            } else {
                assert_eq!(due, request, "the same question, of the same transaction");
            }
        }
        assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500, 39_500], "RFC 8489 §6.2.1");
        assert!(!watch.kept.is_proven());
    }

    #[test]
    fn a_question_by_stun_that_is_answered_is_followed_by_another_one_after_a_rest() {
        let mut watch = Watch::new(Transport::Udp, None, 4);
        let first = watch.asks();
        assert_eq!(watch.asks(), first, "repeated");
        assert_eq!(watch.answer(&first, SEEN), None);
        assert!(watch.kept.is_proven() && (24_000..=29_000).contains(&watch.rest()), "{}", watch.rest());
        let second = watch.asks();
        assert_ne!(second, first, "a transaction of its own");
        assert_eq!(watch.answer(&first, "203.0.113.8:1"), None, "a late answer to an earlier question is none");
        assert_eq!(watch.asks(), second);
    }

    #[test]
    fn an_agent_that_is_seen_somewhere_else_than_before_has_lost_its_flow() {
        let mut watch = Watch::new(Transport::Udp, None, 5);
        for _ in 0..3 {
            let request = watch.asks();
            assert_eq!(watch.answer(&request, SEEN), None);
        }
        let (request, to) = (watch.asks(), "203.0.113.7:31000");
        let (from, now) = (SEEN.parse().unwrap(), to.parse().unwrap());
        assert_eq!(watch.answer(&request, to), Some(Due::Failed(Failure::Moved { from, to: now })));
        assert_eq!(watch.next(), None);
    }

    #[test]
    fn an_error_instead_of_an_answer_is_a_flow_that_has_failed_and_a_question_is_no_answer() {
        let mut watch = Watch::new(Transport::Udp, None, 6);
        let request = watch.asks();
        let mut hear = |kind: [u8; 2]| {
            let mut said = request.to_vec();
            said[..2].copy_from_slice(&kind);
            watch.kept.handle_stun(watch.now, &stun::Message::parse(&said).unwrap(), &mut watch.dice)
        };
        for kind in [[0, 1], [0, 0x11], [1, 3]] {
            assert_eq!(hear(kind), None, "{kind:x?}");
        }
        assert_eq!(hear([1, 0x11]), Some(Due::Failed(Failure::Refused)));
    }

    #[test]
    fn a_time_that_the_carrier_tells_is_kept_to_with_room_and_by_chance() {
        for (transport, timer_s) in [(Transport::Udp, 120), (Transport::Tcp, 25), (Transport::Tls, 2)] {
            let most = u128::from(timer_s) * 1000;
            let rests: Vec<u128> = (0..200).map(|seed| Watch::new(transport, Some(timer_s), seed).rest()).collect();
            assert!(rests.iter().all(|rest| (most * 80 / 100..=most).contains(rest)), "{rests:?}");
            assert!(rests.iter().any(|rest| *rest < most * 85 / 100), "{rests:?}");
            assert!(rests.iter().any(|rest| *rest > most * 95 / 100), "{rests:?}");
        }
    }

    #[test]
    fn another_time_that_the_carrier_tells_counts_from_the_next_rest_on() {
        let mut watch = Watch::new(Transport::Udp, Some(100), 7);
        watch.kept.set_timer(Some(Duration::from_secs(10)));
        assert!(watch.rest() >= 80_000);
        let request = watch.asks();
        watch.answer(&request, SEEN);
        assert!((8_000..=10_000).contains(&watch.rest()), "{}", watch.rest());
    }
}
