//! RFC 3261 §17.1.2.

use std::time::{Duration, Instant};

use bytes::Bytes;
use patchcord::sip::transaction::{Client, Step, Tell, Timers};

const BYE: Bytes = Bytes::from_static(b"BYE");

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn start(reliable: bool) -> (Instant, Client) {
    let now = Instant::now();
    (now, Client::new(now, BYE, reliable, &Timers::default()))
}

fn run(machine: &mut Client, start: Instant, until: Duration) -> Vec<(u128, Step)> {
    let mut done = Vec::new();
    while let Some(at) = machine.poll_timeout().filter(|at| *at <= start + until) {
        let step = machine.handle_timeout(at);
        done.push(((at - start).as_millis(), step));
    }
    done
}

fn sent(done: &[(u128, Step)]) -> Vec<u128> {
    done.iter().filter(|(_, s)| *s == Step::send(BYE)).map(|(at, _)| *at).collect()
}

#[test]
fn a_request_is_repeated_on_udp_with_waits_up_to_t2_until_timer_f() {
    let (t0, mut machine) = start(false);
    let done = run(&mut machine, t0, ms(40_000));
    assert_eq!(sent(&done), [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(done.last(), Some(&(32_000, Step::tell(Tell::TimedOut))));
    assert!(machine.is_terminated());
}

#[test]
fn nothing_is_repeated_on_tcp_and_timer_f_still_ends_it() {
    let (t0, mut machine) = start(true);
    assert_eq!(run(&mut machine, t0, ms(40_000)), [(32_000, Step::tell(Tell::TimedOut))]);
}

#[test]
fn after_a_provisional_response_repetitions_go_on_every_t2_and_timer_f_still_ends_it() {
    let (t0, mut machine) = start(false);
    assert_eq!(machine.handle_response(t0 + ms(100), 100), Step::tell(Tell::Message));
    assert_eq!(machine.handle_response(t0 + ms(200), 182), Step::tell(Tell::Message));
    let done = run(&mut machine, t0, ms(40_000));
    assert_eq!(sent(&done), [500, 4500, 8500, 12500, 16500, 20500, 24500, 28500]);
    assert_eq!(done.last(), Some(&(32_000, Step::tell(Tell::TimedOut))));
}

#[test]
fn a_final_response_is_told_once_and_its_repetitions_are_absorbed_for_timer_k() {
    for provisional in [false, true] {
        let (t0, mut machine) = start(false);
        if provisional {
            machine.handle_response(t0, 100);
        }
        assert_eq!(machine.handle_response(t0, 200), Step::tell(Tell::Message));
        assert_eq!(machine.handle_response(t0 + ms(10), 200), Step::nothing());
        assert_eq!(machine.poll_timeout(), Some(t0 + ms(5000)), "timer K is T4");
        machine.handle_timeout(t0 + ms(5000));
        assert!(machine.is_terminated());
    }
}

#[test]
fn on_tcp_a_final_response_ends_it_at_once() {
    let (t0, mut machine) = start(true);
    assert_eq!(machine.handle_response(t0, 481), Step::tell(Tell::Message));
    assert!(machine.is_terminated());
}

#[test]
fn a_transport_error_is_told_only_while_no_final_response_is_there() {
    let (_, mut machine) = start(false);
    assert_eq!(machine.handle_transport_error(), Step::tell(Tell::TransportFailed));
    assert!(machine.is_terminated());
    let (t0, mut machine) = start(false);
    machine.handle_response(t0, 200);
    assert_eq!(machine.handle_transport_error(), Step::nothing());
}
