//! RFC 3261 §17.1.1 and RFC 6026 §7.2.

use std::time::{Duration, Instant};

use bytes::Bytes;
use patchcord::sip::transaction::{ClientInvite, Step, Tell, Timers};

const INVITE: Bytes = Bytes::from_static(b"INVITE");
const ACK: Bytes = Bytes::from_static(b"ACK");
const T1: Duration = Duration::from_millis(500);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn start(reliable: bool) -> (Instant, ClientInvite) {
    let now = Instant::now();
    (now, ClientInvite::new(now, INVITE, reliable, &Timers::default()))
}

fn no_ack() -> Bytes {
    panic!("no ACK is made here")
}

/// Runs the machine's deadlines until `until`; gives what it did and when, in milliseconds since `start`.
fn run(machine: &mut ClientInvite, start: Instant, until: Duration) -> Vec<(u128, Step)> {
    let mut done = Vec::new();
    while let Some(at) = machine.poll_timeout().filter(|at| *at <= start + until) {
        let step = machine.handle_timeout(at);
        done.push(((at - start).as_millis(), step));
    }
    done
}

#[test]
fn an_invite_is_repeated_on_udp_after_twice_the_wait_each_time_until_timer_b() {
    let (t0, mut machine) = start(false);
    let done = run(&mut machine, t0, ms(40_000));
    let sent: Vec<u128> = done.iter().filter(|(_, s)| *s == Step::send(INVITE)).map(|(at, _)| *at).collect();
    assert_eq!(sent, [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(done.last(), Some(&(32_000, Step::tell(Tell::TimedOut))));
    assert!(machine.is_terminated());
    assert_eq!(machine.poll_timeout(), None);
}

#[test]
fn nothing_is_repeated_on_tcp_and_timer_b_still_ends_it() {
    let (t0, mut machine) = start(true);
    assert_eq!(run(&mut machine, t0, ms(40_000)), [(32_000, Step::tell(Tell::TimedOut))]);
}

#[test]
fn a_provisional_response_stops_the_repetitions_and_the_patience() {
    let (t0, mut machine) = start(false);
    assert_eq!(machine.handle_response(t0 + T1 / 2, 100, no_ack), Step::tell(Tell::Message));
    assert_eq!(machine.poll_timeout(), None, "an INVITE may ring for ever");
    assert_eq!(machine.handle_response(t0 + ms(90_000), 180, no_ack), Step::tell(Tell::Message));
    assert!(!machine.is_terminated());
}

#[test]
fn a_failure_is_passed_up_once_and_acknowledged_each_time_for_timer_d() {
    let (t0, mut machine) = start(false);
    let step = machine.handle_response(t0, 486, || ACK);
    assert_eq!(step, Step { send: Some(ACK), tell: Some(Tell::Message) });
    assert_eq!(machine.handle_response(t0 + ms(500), 486, no_ack), Step::send(ACK), "repetition: ACK only");
    assert_eq!(machine.handle_response(t0 + ms(600), 180, no_ack), Step::nothing(), "too late");
    assert_eq!(machine.handle_response(t0 + ms(600), 200, no_ack), Step::nothing(), "too late");
    assert_eq!(machine.poll_timeout(), Some(t0 + ms(32_000)), "timer D");
    assert_eq!(machine.handle_timeout(t0 + ms(31_999)), Step::nothing());
    assert!(!machine.is_terminated());
    machine.handle_timeout(t0 + ms(32_000));
    assert!(machine.is_terminated());
}

#[test]
fn on_tcp_a_failure_ends_the_transaction_at_once() {
    let (t0, mut machine) = start(true);
    let step = machine.handle_response(t0, 404, || ACK);
    assert_eq!(step, Step { send: Some(ACK), tell: Some(Tell::Message) });
    assert!(machine.is_terminated());
}

#[test]
fn every_2xx_goes_up_for_timer_m_and_failures_after_it_do_not() {
    let (t0, mut machine) = start(false);
    machine.handle_response(t0, 180, no_ack);
    for at in [0, 500, 1500, 31_999] {
        assert_eq!(machine.handle_response(t0 + ms(at), 200, no_ack), Step::tell(Tell::Message), "{at}");
    }
    assert_eq!(machine.handle_response(t0 + ms(600), 486, no_ack), Step::nothing());
    assert_eq!(machine.handle_response(t0 + ms(600), 180, no_ack), Step::nothing());
    assert_eq!(machine.poll_timeout(), Some(t0 + ms(32_000)), "timer M counts from the first 2xx");
    machine.handle_timeout(t0 + ms(32_000));
    assert!(machine.is_terminated());
    assert_eq!(machine.handle_response(t0 + ms(32_001), 200, no_ack), Step::nothing());
}

#[test]
fn a_transport_error_before_the_final_response_ends_it_and_is_told() {
    for provisional in [false, true] {
        let (t0, mut machine) = start(false);
        if provisional {
            machine.handle_response(t0, 180, no_ack);
        }
        assert_eq!(machine.handle_transport_error(), Step::tell(Tell::TransportFailed));
        assert!(machine.is_terminated());
    }
}

#[test]
fn a_transport_error_after_the_final_response_is_not_told() {
    let (t0, mut machine) = start(false);
    machine.handle_response(t0, 200, no_ack);
    assert_eq!(machine.handle_transport_error(), Step::nothing());
    assert!(!machine.is_terminated(), "other 2xx of a fork may come");
    let (t0, mut machine) = start(false);
    machine.handle_response(t0, 500, || ACK);
    assert_eq!(machine.handle_transport_error(), Step::nothing());
    assert!(machine.is_terminated());
}

#[test]
fn timer_d_is_never_below_32_seconds() {
    let now = Instant::now();
    let quick = Timers { t1: ms(10), t2: ms(40), t4: ms(50) };
    let mut machine = ClientInvite::new(now, INVITE, false, &quick);
    machine.handle_response(now, 486, || ACK);
    assert_eq!(machine.poll_timeout(), Some(now + ms(32_000)));
}
