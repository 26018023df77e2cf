#![allow(clippy::unwrap_used)]

use super::*;
use crate::base::Dice;

const MS: Duration = Duration::from_millis(1);

fn certificate() -> Certificate {
    Certificate::generate().unwrap()
}

/// Two associations and a network between them, in virtual time.
struct Line {
    now: Instant,
    active: Dtls,
    passive: Dtls,
    /// What is under way: when it arrives, whether at the passive side, and the datagram.
    wire: Vec<(Instant, bool, Vec<u8>)>,
    sent: usize,
}

impl Line {
    fn new() -> Line {
        let (ours, theirs) = (certificate(), certificate());
        let now = Instant::now();
        let active = Dtls::new(&ours, Role::Active, vec![theirs.fingerprint().clone()], now);
        let passive = Dtls::new(&theirs, Role::Passive, vec![ours.fingerprint().clone()], now);
        Line { now, active, passive, wire: Vec::new(), sent: 0 }
    }

    /// Runs until nothing happens any more or `limit` is over. `fate` says of the n-th datagram how long it
    /// travels, `None` that it is lost.
    fn run(&mut self, limit: Duration, fate: impl Fn(usize) -> Option<Duration>) {
        let end = self.now + limit;
        loop {
            for to_passive in [true, false] {
                let from = if to_passive { &mut self.active } else { &mut self.passive };
                while let Some(datagram) = from.poll_transmit() {
                    if let Some(delay) = fate(self.sent) {
                        self.wire.push((self.now + delay, to_passive, datagram));
                    }
                    self.sent += 1;
                }
            }
            let timers = [self.active.poll_timeout(), self.passive.poll_timeout()];
            let next = self.wire.iter().map(|w| w.0).chain(timers.into_iter().flatten()).min();
            let Some(next) = next.filter(|n| *n <= end) else { break };
            self.now = self.now.max(next);
            self.wire.sort_by_key(|w| w.0);
            if self.wire.first().is_some_and(|w| w.0 <= self.now) {
                let (_, to_passive, datagram) = self.wire.remove(0);
                let to = if to_passive { &mut self.passive } else { &mut self.active };
                to.handle_datagram(self.now, &datagram);
            }
            self.active.handle_timeout(self.now);
            self.passive.handle_timeout(self.now);
        }
    }

    fn both_open(&self) -> bool {
        matches!((self.active.state(), self.passive.state()), (State::Open(_), State::Open(_)))
    }

    /// Whether what one protects the other opens, in both directions.
    fn talks(&mut self) -> bool {
        let (a, p) = (self.active.keys_mut().unwrap(), self.passive.keys_mut().unwrap());
        let mut there = [0x80; 100];
        let mut back = there;
        let (n, m) = (a.outward.protect_rtp(&mut there, 60).unwrap(), p.outward.protect_rtp(&mut back, 60).unwrap());
        there[20..] != back[20..]
            && p.inward.unprotect_rtp(&mut there[..n]) == Ok(60)
            && a.inward.unprotect_rtp(&mut back[..m]) == Ok(60)
    }
}

fn why(dtls: &Dtls) -> &str {
    match dtls.state() {
        State::Failed(why) => why,
        State::Handshaking => "handshaking",
        State::Open(_) => "open",
        State::Closed => "closed",
    }
}

#[test]
fn two_sides_agree_on_the_cheapest_transform_and_talk() {
    let mut line = Line::new();
    line.run(Duration::from_secs(5), |_| Some(20 * MS));
    assert!(line.both_open(), "{} {}", why(&line.active), why(&line.passive));
    assert!(line.talks());
    let State::Open(keys) = line.active.state() else { unreachable!() };
    assert_eq!(keys.profile, Profile::AeadAes128Gcm);
    assert_eq!((line.active.poll_timeout(), line.passive.poll_timeout()), (None, None));
}

#[test]
fn any_single_lost_datagram_is_made_good_within_a_second() {
    for lost in 0..12 {
        let mut line = Line::new();
        line.run(Duration::from_secs(1), |n| (n != lost).then_some(10 * MS));
        assert!(line.both_open(), "datagram {lost}: {} {}", why(&line.active), why(&line.passive));
        assert!(line.talks());
    }
}

#[test]
fn a_line_that_loses_a_third_and_shuffles_the_rest_still_opens() {
    for seed in 0..60 {
        let mut line = Line::new();
        let mut dice = Dice::for_test(seed);
        let fates: Vec<_> = (0..1000).map(|_| (dice.below(3) != 0).then(|| MS * dice.below(50))).collect();
        line.run(HANDSHAKE_LIMIT, |n| fates[n]);
        assert!(line.both_open(), "seed {seed}: {} {}", why(&line.active), why(&line.passive));
    }
}

#[test]
fn a_certificate_that_is_not_the_one_described_gives_no_keys() {
    let mut line = Line::new();
    let other = certificate();
    line.passive.set_remote(Role::Passive, vec![other.fingerprint().clone()], line.now);
    line.run(Duration::from_secs(5), |_| Some(MS));
    let told = why(&line.passive);
    assert!(told.contains("sha-256 fingerprint") && told.contains("but its description says"), "{told}");
    assert!(line.passive.keys_mut().is_none());
    assert!(!matches!(line.active.state(), State::Handshaking));
}

#[test]
fn keys_wait_for_the_description() {
    let mut line = Line::new();
    let fingerprints = std::mem::take(&mut line.passive.fingerprints);
    line.run(Duration::from_secs(1), |_| Some(MS));
    assert_eq!(why(&line.passive), "handshaking");
    line.passive.set_remote(Role::Passive, fingerprints, line.now);
    assert!(line.both_open() && line.talks());
}

#[test]
fn the_strongest_fingerprint_decides_and_sha_1_proves_nothing() {
    use sha2::{Digest, Sha256, Sha512};
    let der = b"certificate";
    let print = |algorithm: &str, bytes: Vec<u8>| Fingerprint { algorithm: algorithm.into(), bytes };
    let right = print("SHA-256", Sha256::digest(der).to_vec());
    let strong = print("sha-512", Sha512::digest(der).to_vec());
    let weak = print("sha-1", vec![0; 20]);
    let wrong = print("sha-512", vec![0; 64]);
    assert_eq!(certificate::check(der, &[weak.clone(), right.clone()]), Ok(()));
    assert_eq!(certificate::check(der, &[wrong.clone(), strong]), Ok(()));
    assert!(certificate::check(der, &[wrong, right]).is_err());
    assert!(certificate::check(der, &[weak]).unwrap_err().contains("sha-1"));
}

/// A plaintext record.
fn record(content: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![content, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 9, sequence, 0, body.len() as u8];
    record.extend(body);
    record
}

#[test]
fn forged_datagrams_at_any_moment_do_no_harm() {
    let stranger = {
        let mut other = Dtls::new(&certificate(), Role::Active, Vec::new(), Instant::now());
        other.poll_transmit().unwrap()
    };
    let forged = [
        record(wire::ALERT, 1, &[2, 40]),
        record(wire::ALERT, 2, &[1, 0]),
        record(23, 3, b"data"),
        record(99, 4, b"junk"),
        record(wire::CHANGE_CIPHER_SPEC, 5, &[1]),
        record(wire::CHANGE_CIPHER_SPEC, 5, b"no"),
        record(wire::HANDSHAKE, 6, &[7; 40]),
        record(wire::HANDSHAKE, 7, &[20, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
        vec![0x2e; 60],
        vec![22; 5],
        stranger,
    ];
    for (kind, datagram) in forged.iter().enumerate() {
        for moment in 0..60 {
            let mut line = Line::new();
            line.run(MS * moment, |_| Some(5 * MS));
            line.now += MS;
            let now = line.now;
            line.active.handle_datagram(now, datagram);
            line.passive.handle_datagram(now, datagram);
            line.run(Duration::from_secs(3), |_| Some(5 * MS));
            let told = (why(&line.active), why(&line.passive));
            assert!(line.both_open(), "forgery {kind} after {moment} ms: {told:?}");
            assert!(line.talks());
        }
    }
}

#[test]
fn an_alert_with_nothing_after_it_is_believed_in_the_end() {
    let mut line = Line::new();
    let now = line.now;
    line.active.handle_datagram(now, &record(wire::ALERT, 1, &[2, 40]));
    line.run(Duration::from_secs(6), |_| None);
    assert_eq!(why(&line.active), "the peer refused the DTLS handshake with handshake_failure");
}

#[test]
fn a_peer_that_never_answers_is_given_up() {
    let mut line = Line::new();
    line.run(HANDSHAKE_LIMIT * 2, |_| None);
    assert!(why(&line.active).contains("given up after 30 s"), "{}", why(&line.active));
    assert_eq!(why(&line.passive), "handshaking");
    assert!(line.sent < 30, "{}", line.sent);
}

#[test]
fn a_flight_that_nobody_takes_is_not_repeated() {
    let now = Instant::now();
    let mut dtls = Dtls::new(&certificate(), Role::Active, Vec::new(), now);
    for _ in 0..200 {
        let at = dtls.poll_timeout().unwrap();
        dtls.handle_timeout(at);
    }
    assert_eq!(std::iter::from_fn(|| dtls.poll_transmit()).count(), 1);
}

#[test]
fn closing_is_told_to_the_peer_and_ends_both() {
    let mut line = Line::new();
    line.run(Duration::from_secs(1), |_| Some(MS));
    let now = line.now;
    line.active.close(now);
    line.run(Duration::from_secs(1), |_| Some(MS));
    assert_eq!((why(&line.active), why(&line.passive)), ("closed", "closed"));
}

#[test]
fn a_description_with_another_certificate_begins_a_new_association() {
    let mut line = Line::new();
    line.run(Duration::from_secs(1), |_| Some(MS));
    assert!(line.both_open());
    let fresh = certificate();
    let now = line.now;
    let theirs = line.passive.certificate.fingerprint().clone();
    line.active = Dtls::new(&fresh, Role::Active, vec![theirs], now);
    line.passive.set_remote(Role::Passive, vec![fresh.fingerprint().clone()], now);
    assert_eq!(why(&line.passive), "handshaking");
    line.run(Duration::from_secs(1), |_| Some(MS));
    assert!(line.both_open() && line.talks());
}

#[test]
fn a_repeated_description_changes_nothing() {
    let mut line = Line::new();
    line.run(Duration::from_secs(1), |_| Some(MS));
    let (now, same) = (line.now, line.passive.fingerprints.clone());
    line.passive.set_remote(Role::Passive, same, now);
    assert!(line.both_open() && line.talks());
}
