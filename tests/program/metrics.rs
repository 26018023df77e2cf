//! The figures of a running gateway, as whoever watches it reads them.

use std::net::{SocketAddr, TcpStream};

use super::house::{Gateway, ask, until};
use super::openmetrics::Page;
use super::phone::Phone;

fn metrics_of(gateway: &mut Gateway) -> SocketAddr {
    let line = gateway.program.out.found("Metrics").expect("the greeting says where the figures are");
    let (_, url) = line.split_once("http://").unwrap();
    url.strip_suffix("/metrics").unwrap().parse().unwrap()
}

fn get(address: SocketAddr) -> String {
    ask(&mut TcpStream::connect(address).unwrap(), address, "/metrics")
}

fn scrape(address: SocketAddr) -> Page {
    let answer = get(address);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    Page::read(body)
}

const NOW: &str = "patchcord_calls{from=\"sip\",to=\"none\"}";
const PACKETS: &str = "patchcord_rtp_packets_total{kind=\"plain\",media=\"audio\",direction=";

#[test]
fn whoever_scrapes_sees_a_call_while_it_goes_and_how_it_went() {
    let mut gateway = Gateway::start("metrics.listen = \"127.0.0.1:0\"\n");
    let metrics = metrics_of(&mut gateway);
    let quiet = scrape(metrics);
    assert_eq!((quiet.find(NOW), quiet.get("patchcord_legs{kind=\"plain\"}")), (None, 0.0));
    assert_eq!(quiet.get(&format!("patchcord_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))), 1.0);

    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    assert_eq!(alice.register(), 200);
    let mut call = alice.call("echo").unwrap();
    alice.talk(&call, 30);
    let during = scrape(metrics);
    assert_eq!((during.get(NOW), during.get("patchcord_legs{kind=\"plain\"}")), (1.0, 1.0));
    let (came, went) = (during.get(&format!("{PACKETS}\"in\"}}")), during.get(&format!("{PACKETS}\"out\"}}")));
    assert!(came >= 30.0 && went >= 30.0, "{came} in, {went} out");
    let octets = "patchcord_rtp_payload_bytes_total{kind=\"plain\",media=\"audio\",direction=\"in\"}";
    assert!(during.get(octets) >= 30.0 * 160.0);
    assert_eq!(during.get("patchcord_bindings{world=\"sip\"}"), 1.0);

    assert_eq!(alice.hang_up(&mut call), 200);
    until("the call has ended", || scrape(metrics).find(NOW).is_none());
    let after = scrape(metrics);
    assert_eq!(after.get("patchcord_calls_ended_total{from=\"sip\",to=\"none\",cause=\"normal\"}"), 1.0);
    assert_eq!(after.get("patchcord_calls_begun_total{from=\"sip\"}"), 1.0);
    assert_eq!(after.get("patchcord_call_answer_seconds_count{from=\"sip\",to=\"none\"}"), 1.0);
    assert_eq!(after.get("patchcord_legs{kind=\"plain\"}"), 0.0);
    assert_eq!(
        (after.get("patchcord_sip_calls_waiting"), after.get("patchcord_sip_calls_turned_away_total")),
        (0.0, 0.0)
    );
    assert_eq!(
        (after.get("patchcord_page_and_im_calls_waiting"), after.get("patchcord_page_and_im_calls_turned_away_total")),
        (0.0, 0.0)
    );
    assert_eq!(after.get("patchcord_leg_mos_count{kind=\"plain\"}"), 1.0);
    assert!(after.get(&format!("{PACKETS}\"in\"}}")) >= came, "a counter never falls");
    assert!(after.get("process_resident_memory_bytes") > 1e6 && after.get("process_open_fds") > 3.0);
    assert!(after.names().all(|name| !name.contains("alice") && !name.contains("127.0.0.1")), "nobody can be told");
}

#[test]
fn figures_are_never_on_the_port_of_the_page_and_by_default_nowhere() {
    let mut gateway = Gateway::start("");
    assert_eq!(gateway.program.out.found("Metrics"), None);
    assert!(get(gateway.page).starts_with("HTTP/1.1 404 "));
}
