//! RFC 3261 §17.2.1 and RFC 6026 §7.1.

use std::time::{Duration, Instant};

use bytes::Bytes;
use patchcord::sip::transaction::{ServerInvite, Step, Tell, Timers};

const TRYING: Bytes = Bytes::from_static(b"100");
const RINGING: Bytes = Bytes::from_static(b"180");
const OK: Bytes = Bytes::from_static(b"200");
const BUSY: Bytes = Bytes::from_static(b"486");

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn start(reliable: bool) -> (Instant, ServerInvite) {
    (Instant::now(), ServerInvite::new(reliable, &Timers::default()))
}

fn run(machine: &mut ServerInvite, start: Instant, until: Duration) -> Vec<(u128, Step)> {
    let mut done = Vec::new();
    while let Some(at) = machine.poll_timeout().filter(|at| *at <= start + until) {
        let step = machine.handle_timeout(at);
        done.push(((at - start).as_millis(), step));
    }
    done
}

#[test]
fn a_repeated_invite_gets_the_last_provisional_response_again() {
    let (t0, mut machine) = start(false);
    assert_eq!(machine.handle_retransmission(), Step::nothing());
    assert_eq!(machine.respond(t0, 100, TRYING), Step::send(TRYING));
    assert_eq!(machine.handle_retransmission(), Step::send(TRYING));
    assert_eq!(machine.respond(t0, 180, RINGING), Step::send(RINGING));
    assert_eq!(machine.handle_retransmission(), Step::send(RINGING));
    assert_eq!(machine.poll_timeout(), None);
}

#[test]
fn a_failure_is_repeated_on_udp_with_waits_up_to_t2_until_timer_h() {
    let (t0, mut machine) = start(false);
    assert_eq!(machine.respond(t0, 486, BUSY), Step::send(BUSY));
    assert_eq!(machine.handle_retransmission(), Step::send(BUSY));
    assert_eq!(machine.respond(t0, 200, OK), Step::nothing(), "one final response only");
    let done = run(&mut machine, t0, ms(40_000));
    let sent: Vec<u128> = done.iter().filter(|(_, s)| *s == Step::send(BUSY)).map(|(at, _)| *at).collect();
    assert_eq!(sent, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(done.last(), Some(&(32_000, Step::tell(Tell::TimedOut))));
    assert!(machine.is_terminated());
}

#[test]
fn on_tcp_a_failure_is_not_repeated_and_timer_h_still_waits_for_the_ack() {
    let (t0, mut machine) = start(true);
    machine.respond(t0, 486, BUSY);
    assert_eq!(run(&mut machine, t0, ms(40_000)), [(32_000, Step::tell(Tell::TimedOut))]);
}

#[test]
fn the_ack_of_a_failure_stops_it_and_more_acks_are_absorbed_for_timer_i() {
    let (t0, mut machine) = start(false);
    machine.respond(t0, 486, BUSY);
    assert_eq!(machine.handle_ack(t0 + ms(100)), Step::nothing());
    assert_eq!(machine.handle_ack(t0 + ms(200)), Step::nothing());
    assert_eq!(machine.handle_retransmission(), Step::nothing(), "confirmed: nothing to repeat");
    assert_eq!(machine.poll_timeout(), Some(t0 + ms(5100)), "timer I is T4");
    machine.handle_timeout(t0 + ms(5100));
    assert!(machine.is_terminated());
}

#[test]
fn on_tcp_the_ack_ends_it_at_once() {
    let (t0, mut machine) = start(true);
    machine.respond(t0, 486, BUSY);
    machine.handle_ack(t0);
    assert!(machine.is_terminated());
}

#[test]
fn after_a_2xx_repeated_invites_are_absorbed_and_acks_passed_up_for_timer_l() {
    let (t0, mut machine) = start(false);
    machine.respond(t0, 100, TRYING);
    assert_eq!(machine.respond(t0, 200, OK), Step::send(OK));
    assert!(!machine.is_proceeding());
    assert_eq!(machine.handle_retransmission(), Step::nothing(), "the session repeats its 2xx");
    assert_eq!(machine.handle_ack(t0 + ms(10)), Step::tell(Tell::Message));
    assert_eq!(machine.poll_timeout(), Some(t0 + ms(32_000)), "timer L");
    assert_eq!(machine.handle_timeout(t0 + ms(31_999)), Step::nothing());
    assert!(!machine.is_terminated());
    assert_eq!(machine.handle_timeout(t0 + ms(32_000)), Step::nothing());
    assert!(machine.is_terminated());
}

#[test]
fn a_transport_error_is_told_until_the_invite_is_accepted_or_acknowledged() {
    let (_, mut machine) = start(true);
    assert_eq!(machine.handle_transport_error(), Step::tell(Tell::TransportFailed));
    assert!(machine.is_terminated());
    let (t0, mut machine) = start(false);
    machine.respond(t0, 486, BUSY);
    assert_eq!(machine.handle_transport_error(), Step::tell(Tell::TransportFailed));
    let (t0, mut machine) = start(false);
    machine.respond(t0, 200, OK);
    assert_eq!(machine.handle_transport_error(), Step::nothing());
    assert!(!machine.is_terminated());
}
