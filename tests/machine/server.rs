//! RFC 3261 §17.2.2.

use std::time::{Duration, Instant};

use bytes::Bytes;
use patchcord::sip::transaction::{Server, Step, Tell, Timers};

const TRYING: Bytes = Bytes::from_static(b"100");
const OK: Bytes = Bytes::from_static(b"200");

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn start(reliable: bool) -> (Instant, Server) {
    (Instant::now(), Server::new(reliable, &Timers::default()))
}

#[test]
fn a_repeated_request_gets_the_last_response_again_and_before_one_nothing() {
    let (t0, mut machine) = start(false);
    assert_eq!(machine.handle_retransmission(), Step::nothing());
    assert_eq!(machine.respond(t0, 100, TRYING), Step::send(TRYING));
    assert_eq!(machine.handle_retransmission(), Step::send(TRYING));
    assert_eq!(machine.respond(t0, 200, OK), Step::send(OK));
    assert_eq!(machine.handle_retransmission(), Step::send(OK));
    assert_eq!(machine.respond(t0, 500, TRYING), Step::nothing(), "one final response only");
    assert_eq!(machine.handle_retransmission(), Step::send(OK));
}

#[test]
fn timer_j_ends_it_on_udp() {
    let (t0, mut machine) = start(false);
    assert_eq!(machine.poll_timeout(), None);
    machine.respond(t0, 200, OK);
    assert_eq!(machine.poll_timeout(), Some(t0 + ms(32_000)));
    machine.handle_timeout(t0 + ms(31_999));
    assert!(!machine.is_terminated());
    machine.handle_timeout(t0 + ms(32_000));
    assert!(machine.is_terminated());
    assert_eq!(machine.handle_retransmission(), Step::nothing());
}

#[test]
fn on_tcp_the_final_response_ends_it_at_once() {
    let (t0, mut machine) = start(true);
    assert_eq!(machine.respond(t0, 200, OK), Step::send(OK));
    assert!(machine.is_terminated());
}

#[test]
fn a_transport_error_ends_it_and_is_told_once() {
    let (_, mut machine) = start(false);
    assert_eq!(machine.handle_transport_error(), Step::tell(Tell::TransportFailed));
    assert!(machine.is_terminated());
    assert_eq!(machine.handle_transport_error(), Step::nothing());
}
