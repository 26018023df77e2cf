//! Session timers (RFC 4028): a session that nobody refreshes in time is over, so that a lost BYE leaves nothing behind.
//! Each leg has its own; the other leg learns nothing of a refresh.
//!
//! ```text
//!          2xx with Session-Expires                 half of it is over
//!   Off ─────────────────────────────▶ Running ────────────────────────▶ a refresh is due, if it is ours to make
//!    ▲   2xx without                      │ ▲ 2xx to a refresh, of ours or the peer's
//!    └────────────────────────────────────┘ └─┐
//!                                         │ the whole of it, less min(32 s, a third): the session is over
//! ```

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::sip::message::{BadHeader, Header, Headers, Name, Refresher, Request, Response, SessionExpires};

/// The shortest session that we agree to, in seconds (RFC 4028 §4).
pub const FLOOR_S: u32 = 90;
/// The longest minimum of a peer that we bow to, in seconds.
pub const CEILING_S: u32 = 24 * 60 * 60;
/// How long a session lasts without a refresh where nothing else is configured (RFC 4028 §4 recommends it).
pub const USUAL: Duration = Duration::from_secs(1800);
/// How often a peer may raise the minimum for one request of ours.
pub const RAISES_LIMIT: u8 = 3;
/// How long before its end a session is given up, at most (RFC 4028 §10).
const MARGIN: Duration = Duration::from_secs(32);
/// The least wait before a refresh is tried again that met a passing trouble.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Whether session timers are used with a peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimerMode {
    /// Never: as if we did not know them.
    Off,
    /// Where the peer asks for one.
    Accept,
    /// In every call where the peer can.
    #[default]
    Request,
}

impl TimerMode {
    /// All of them.
    pub const ALL: [TimerMode; 3] = [TimerMode::Off, TimerMode::Accept, TimerMode::Request];

    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            TimerMode::Off => "off",
            TimerMode::Accept => "accept",
            TimerMode::Request => "request",
        }
    }
}

/// What is configured for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerPolicy {
    /// Whether timers are used.
    pub mode: TimerMode,
    /// How long a session may last without a refresh.
    pub expires: Duration,
}

impl Default for TimerPolicy {
    fn default() -> TimerPolicy {
        TimerPolicy { mode: TimerMode::default(), expires: USUAL }
    }
}

impl TimerPolicy {
    fn seconds(self) -> u32 {
        u32::try_from(self.expires.as_secs()).unwrap_or(CEILING_S).clamp(FLOOR_S, CEILING_S)
    }

    /// The 422 for a request that wants a shorter session than we agree to (RFC 4028 §9), or the 400 for one whose
    /// wish cannot be read; or the 420 where they are off and the peer insists. A peer that does not know session timers
    /// would not know the 422 either: what stands in its request is a proxy's.
    pub fn refuse(self, request: &Request) -> Option<Response> {
        if self.mode == TimerMode::Off {
            let refusal = || Response::to(request, 420).with(Header::new(Name::Unsupported, TIMER));
            return request.headers.requires(TIMER).then(refusal);
        }
        match request.headers.session_expires() {
            Ok(Some(wish)) if wish.seconds < FLOOR_S && knows_timers(&request.headers) => {
                let response = Response::to(request, 422).with_reason("Session Interval Too Small");
                Some(response.with(Header::of(Name::MinSe, FLOOR_S)))
            }
            Ok(_) => None,
            Err(BadHeader { name, what }) => {
                Some(Response::to(request, 400).with_reason(format!("Bad Request - {name} {what}")))
            }
        }
    }
}

/// The option tag (RFC 4028 §7.1).
const TIMER: &str = "timer";

fn knows_timers(headers: &Headers) -> bool {
    headers.supports(TIMER) || headers.requires(TIMER)
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A refresh of ours.
    Refresh,
    /// Nobody refreshed the session, which is over.
    Over {
        /// How long it would have lasted.
        interval: Duration,
    },
}

/// The timer of one leg.
#[derive(Debug, Default)]
pub struct SessionTimer {
    policy: TimerPolicy,
    /// The largest minimum that the peer has named, in seconds; 0 before it named one.
    least_s: u32,
    raises: u8,
    running: Option<Running>,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    interval: Duration,
    /// When the next refresh of ours is due; `None` if the peer makes them, or one of ours is under way.
    refresh_at: Option<Instant>,
    ours: bool,
    end_at: Instant,
}

impl SessionTimer {
    /// Before anything is agreed.
    pub fn new(policy: TimerPolicy) -> SessionTimer {
        SessionTimer { policy, ..SessionTimer::default() }
    }

    /// Whether we know session timers, towards this peer.
    pub fn is_known(&self) -> bool {
        self.policy.mode != TimerMode::Off
    }

    /// How a request is refused that wants what is not agreed to.
    pub fn refuse(&self, request: &Request) -> Option<Response> {
        self.policy.refuse(request)
    }

    /// The headers of a request of ours that opens a session, or refreshes one.
    pub fn wishes(&self) -> Vec<Header> {
        let (seconds, refresher) = match (&self.running, self.policy.mode) {
            (Some(running), _) => {
                let refresher = if running.ours { Refresher::Client } else { Refresher::Server };
                (u32::try_from(running.interval.as_secs()).unwrap_or(CEILING_S), Some(refresher))
            }
            (None, TimerMode::Request) => (self.policy.seconds(), None),
            (None, _) => return self.minimum().into_iter().collect(),
        };
        let wish = SessionExpires { seconds: seconds.max(self.least_s), refresher };
        std::iter::once(Header::of(Name::SessionExpires, wish)).chain(self.minimum()).collect()
    }

    /// RFC 4028 §7.4: what the peer has named is said back to it.
    fn minimum(&self) -> Option<Header> {
        (self.least_s > FLOOR_S).then(|| Header::of(Name::MinSe, self.least_s))
    }

    /// A 422 to a request of ours: `true` if it is to be said again, with the longer session that the peer wants.
    pub fn raise(&mut self, response: &Response) -> bool {
        let Some(least) = response.headers.min_se() else { return false };
        self.raises += 1;
        if least <= self.least_s.max(FLOOR_S) || least > CEILING_S || self.raises > RAISES_LIMIT || !self.is_known() {
            return false;
        }
        self.least_s = least;
        true
    }

    /// A 2xx came to a request of ours that opened or refreshed the session (RFC 4028 §7.2).
    pub fn heard(&mut self, now: Instant, headers: &Headers) {
        self.raises = 0;
        let granted = headers.session_expires().ok().flatten().filter(|_| self.is_known());
        self.running = granted.map(|granted| {
            let ours = granted.refresher != Some(Refresher::Server);
            Running::new(now, granted.seconds, ours)
        });
    }

    /// The headers of our 2xx to a request that opens or refreshes the session, which [`TimerPolicy::refuse`] lets
    /// pass; the timer runs anew (RFC 4028 §9, table 2).
    pub fn answer(&mut self, now: Instant, request: &Headers) -> Vec<Header> {
        if !self.is_known() {
            return Vec::new();
        }
        let knows = knows_timers(request);
        let least = request.min_se().unwrap_or_default();
        let asked = request.session_expires().ok().flatten();
        let (seconds, refresher) = match asked {
            // Never longer than asked for, never shorter than the peer's minimum.
            Some(wish) => {
                let own = self.policy.seconds().max(least);
                (wish.seconds.min(own), wish.refresher.unwrap_or(Refresher::Client))
            }
            None if knows && self.policy.mode == TimerMode::Request => {
                (self.policy.seconds().max(least), Refresher::Server)
            }
            None => {
                self.running = None;
                return Vec::new();
            }
        };
        let refresher = if knows { refresher } else { Refresher::Server };
        let seconds = seconds.max(FLOOR_S);
        self.running = Some(Running::new(now, seconds, refresher == Refresher::Server));
        let granted = SessionExpires { seconds, refresher: Some(refresher) };
        let mut headers = vec![Header::of(Name::SessionExpires, granted)];
        if refresher == Refresher::Client {
            headers.push(Header::new(Name::Require, TIMER));
        }
        headers
    }

    /// A refresh of ours met a passing trouble: it is tried again after `wait`, or after a fitting time.
    pub fn retry(&mut self, now: Instant, wait: Option<Duration>) {
        if let Some(running) = self.running.as_mut().filter(|r| r.ours) {
            let left = running.end_at.saturating_duration_since(now);
            running.refresh_at = Some(now + wait.unwrap_or((left / 4).max(RETRY_AFTER)));
        }
    }

    /// When [`SessionTimer::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let running = self.running?;
        Some(running.refresh_at.map_or(running.end_at, |at| at.min(running.end_at)))
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        let running = self.running.as_mut()?;
        if running.end_at <= now {
            let interval = running.interval;
            self.running = None;
            return Some(Due::Over { interval });
        }
        running.refresh_at.take_if(|at| *at <= now).map(|_| Due::Refresh)
    }
}

impl Running {
    fn new(now: Instant, seconds: u32, ours: bool) -> Running {
        let interval = Duration::from_secs(seconds.max(1).into());
        let end_at = now + interval - MARGIN.min(interval / 3);
        Running { interval, refresh_at: ours.then_some(now + interval / 2), ours, end_at }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::message::{Method, Uri};

    fn policy(mode: TimerMode, seconds: u64) -> TimerPolicy {
        TimerPolicy { mode, expires: Duration::from_secs(seconds) }
    }

    fn request(headers: &[(Name, &str)]) -> Request {
        let request = Request::new(Method::INVITE, "sip:us@10.0.0.1".parse::<Uri>().unwrap());
        headers.iter().fold(request, |request, (name, value)| request.with(Header::new(name.clone(), *value)))
    }

    fn words(headers: &[Header]) -> Vec<String> {
        headers.iter().map(|h| format!("{}: {}", h.name, h.value)).collect()
    }

    #[test]
    fn who_answers_chooses_the_refresher_by_the_table_of_the_standard() {
        let now = Instant::now();
        let (se, supported, least) = (Name::SessionExpires, Name::Supported, Name::MinSe);
        type Case<'c> = (&'c [(Name, &'c str)], TimerMode, &'c [&'c str]);
        let cases: &[Case<'_>] = &[
            (&[], TimerMode::Request, &[]),
            (&[(supported.clone(), "timer")], TimerMode::Accept, &[]),
            (&[(supported.clone(), "timer")], TimerMode::Request, &["Session-Expires: 1800;refresher=uas"]),
            (
                &[(supported.clone(), "timer"), (least.clone(), "2000")],
                TimerMode::Request,
                &["Session-Expires: 2000;refresher=uas"],
            ),
            (&[(se.clone(), "600")], TimerMode::Accept, &["Session-Expires: 600;refresher=uas"]),
            (&[(se.clone(), "600;refresher=uac")], TimerMode::Accept, &["Session-Expires: 600;refresher=uas"]),
            (
                &[(se.clone(), "600"), (supported.clone(), "100rel, timer")],
                TimerMode::Accept,
                &["Session-Expires: 600;refresher=uac", "Require: timer"],
            ),
            (
                &[(se.clone(), "600;refresher=uas"), (supported.clone(), "timer")],
                TimerMode::Accept,
                &["Session-Expires: 600;refresher=uas"],
            ),
            (
                &[(se.clone(), "7200;refresher=uac"), (Name::Require, "timer")],
                TimerMode::Accept,
                &["Session-Expires: 1800;refresher=uac", "Require: timer"],
            ),
            (
                &[(se.clone(), "7200"), (least, "3600"), (supported.clone(), "timer")],
                TimerMode::Accept,
                &["Session-Expires: 3600;refresher=uac", "Require: timer"],
            ),
            (&[(se.clone(), "30")], TimerMode::Accept, &["Session-Expires: 90;refresher=uas"]),
            (&[(se, "600"), (supported, "timer")], TimerMode::Off, &[]),
        ];
        for (headers, mode, expected) in cases {
            let mut timer = SessionTimer::new(policy(*mode, 1800));
            assert_eq!(words(&timer.answer(now, &request(headers).headers)), *expected, "{headers:?}");
            assert_eq!(timer.poll_timeout().is_some(), !expected.is_empty());
        }
    }

    #[test]
    fn a_session_that_would_be_too_short_is_refused_with_our_minimum() {
        let refuse = |mode, headers: &[(Name, &str)]| policy(mode, 1800).refuse(&request(headers)).map(|r| r.code());
        let short = [(Name::SessionExpires, "89"), (Name::Supported, "timer")];
        assert_eq!(refuse(TimerMode::Accept, &short), Some(422));
        assert_eq!(refuse(TimerMode::Off, &short), None);
        assert_eq!(refuse(TimerMode::Off, &[(Name::Require, "timer")]), Some(420));
        assert_eq!(refuse(TimerMode::Accept, &short[..1]), None, "a proxy's wish");
        assert_eq!(refuse(TimerMode::Accept, &[(Name::SessionExpires, "90"), (Name::Supported, "timer")]), None);
        assert_eq!(refuse(TimerMode::Accept, &[(Name::SessionExpires, "soon")]), Some(400));
    }

    #[test]
    fn the_refresher_refreshes_at_half_time_and_both_give_up_before_the_end() {
        let start = Instant::now();
        for (granted, half, end) in [
            ("1800;refresher=uac", Some(900), 1768),
            ("90;refresher=uac", Some(45), 60),
            ("90", Some(45), 60),
            ("1800;refresher=uas", None, 1768),
        ] {
            let mut timer = SessionTimer::new(policy(TimerMode::Request, 1800));
            timer.heard(start, &request(&[(Name::SessionExpires, granted)]).headers);
            let mut due = Vec::new();
            while let Some(at) = timer.poll_timeout() {
                due.push(((at - start).as_secs(), timer.handle_timeout(at).unwrap()));
            }
            let expected = half.into_iter().map(|at| (at, Due::Refresh));
            let over = due.pop().unwrap();
            assert_eq!(due, expected.collect::<Vec<_>>(), "{granted}");
            assert!(matches!(over, (at, Due::Over { .. }) if at == end), "{granted}: {over:?}");
        }
    }

    #[test]
    fn a_peer_may_raise_the_minimum_but_not_for_ever() {
        let mut timer = SessionTimer::new(policy(TimerMode::Request, 600));
        let refused = |least: &str| Response::to(&request(&[]), 422).with(Header::new(Name::MinSe, least));
        assert_eq!(words(&timer.wishes()), ["Session-Expires: 600"]);
        assert!(timer.raise(&refused("1200")));
        assert_eq!(words(&timer.wishes()), ["Session-Expires: 1200", "Min-SE: 1200"]);
        assert!(!timer.raise(&refused("1200")), "the same again");
        assert!(!timer.raise(&Response::to(&request(&[]), 422)), "without a word of how long");
        let mut timer = SessionTimer::new(policy(TimerMode::Accept, 600));
        assert!(timer.wishes().is_empty());
        assert!((200..300).map(|n| timer.raise(&refused(&n.to_string()))).filter(|again| *again).count() <= 3);
        assert!(!timer.raise(&refused("4000000000")));
    }
}
