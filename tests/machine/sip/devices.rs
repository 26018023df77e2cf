//! Devices of a user: which one is meant, which way it is called, and what strangers learn of it.

use patchcord::model::{Signal, Start};
use patchcord::sip::message::{Header, Message, Method, Name, Request, Response};

use super::doors::{home, last, prove, request};
use super::net::{Net, address};

const PHONE: &str = "203.0.113.7:40000";
const OTHER: &str = "203.0.113.8:40000";

fn register(cseq: u32, contact: &str, supported: &str) -> Request {
    let mut register = request("REGISTER", "sip:example.org", cseq);
    register.headers.set(Header::new(Name::To, "<sip:alice@example.org>"));
    register.headers.set(Header::new(Name::CallId, format!("registration of {contact}").replace([' ', '<', '>'], "")));
    register.headers.set(Header::new(Name::Contact, contact));
    register.with(Header::new(Name::Supported, supported))
}

/// Sends it as alice, with a challenge in between; the final response.
fn send(net: &mut Net, from: &str, cseq: u32, change: impl Fn(u32) -> Request) -> Response {
    net.inject(address(from), 0, change(cseq));
    assert_eq!(last(net).1.code(), 401);
    let again = prove(net, &change(cseq + 1), "alice", "wonder");
    net.inject(address(from), 0, again);
    last(net).1
}

/// Bob calls that address: what the call is told, or the status that refuses it.
fn called(net: &mut Net, cseq: u32, uri: &str) -> Result<Start, u16> {
    let invite = |cseq| {
        let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
        request("INVITE", uri, cseq).with_body("application/sdp", body)
    };
    net.take_heard(0);
    net.inject(address(OTHER), 0, invite(cseq));
    let again = prove(net, &invite(cseq + 1), "bob", "builder");
    net.inject(address(OTHER), 0, again);
    match net.take_heard(0).into_iter().next() {
        Some((_, Signal::Start(start))) => Ok(*start),
        _ => Err(last(net).1.code()),
    }
}

fn contacts(response: &Response) -> Vec<String> {
    response.headers.elements(&Name::Contact).map(str::to_owned).collect()
}

#[test]
fn a_device_that_knows_gruus_is_given_one_and_is_meant_by_it_alone() {
    let mut net = home(|_| {});
    let own =
        |n: u32| format!("<sip:x{n}@h{n}.invalid;transport=ws>;+sip.instance=\"<urn:uuid:{n}-5b43>\";expires=600");
    let first = send(&mut net, PHONE, 1, |cseq| register(cseq, &own(1), "path,gruu,outbound"));
    let gruu = |n: u32| format!("sip:alice@example.org;gr=urn:uuid:{n}-5b43");
    assert!(contacts(&first)[0].contains(&format!(";pub-gruu=\"{}\"", gruu(1))), "{:?}", contacts(&first));
    send(&mut net, OTHER, 3, |cseq| register(cseq, &own(2), "gruu"));
    assert_eq!(net.ends[0].bound.len(), 2);
    for (n, from) in [(1, PHONE), (2, OTHER)] {
        let start = called(&mut net, 10 * n, &gruu(n)).unwrap();
        let meant = start.about.device.expect("a device");
        assert!(meant.0.contains(from), "{meant:?}");
        assert!(net.ends[0].bound.iter().any(|binding| binding.contact == meant));
        assert_eq!(start.to.to_string(), "alice");
    }
    assert_eq!(called(&mut net, 50, "sip:alice@example.org").unwrap().about.device, None, "the user is everybody");
    assert_eq!(called(&mut net, 60, &gruu(3)).unwrap_err(), 480, "no such device");
    let plain = send(&mut net, PHONE, 5, |cseq| register(cseq, &own(1), "outbound"));
    assert!(!contacts(&plain).iter().any(|contact| contact.contains("gruu")), "{:?}", contacts(&plain));
}

#[test]
fn a_temporary_gruu_leads_to_the_device_without_naming_anybody_until_it_registers_under_another_call_id() {
    let mut net = home(|_| {});
    let contact = "<sip:x1@h1.invalid;transport=ws>;+sip.instance=\"<urn:uuid:1-5b43>\";expires=600";
    let register_as = |call_id: &'static str| {
        move |cseq| {
            let mut register = register(cseq, contact, "gruu");
            register.headers.set(Header::new(Name::CallId, call_id));
            register
        }
    };
    let temporary = |response: &Response| {
        let all = contacts(response).join(",");
        let gruu = all.split_once(";temp-gruu=\"").expect("a temporary one").1;
        gruu.split_once('"').unwrap().0.to_owned()
    };
    let first = temporary(&send(&mut net, PHONE, 1, register_as("one")));
    let second = temporary(&send(&mut net, PHONE, 3, register_as("one")));
    assert_ne!(first, second, "another one each time");
    for gruu in [&first, &second] {
        assert!(gruu.ends_with("@example.org;gr") && !gruu.contains("alice") && !gruu.contains("5b43"), "{gruu}");
    }
    for (at, gruu) in [&first, &second].into_iter().enumerate() {
        let start = called(&mut net, 10 + 10 * at as u32, gruu).expect("both are good");
        assert_eq!(
            (start.to.to_string().as_str(), start.about.device),
            ("alice", Some(net.ends[0].bound[0].contact.clone()))
        );
    }
    let forged = first.replace("tgruu.", "tgruu.0").replace("0@", "@");
    assert_eq!(called(&mut net, 30, &forged).unwrap_err(), 404);
    let third = temporary(&send(&mut net, PHONE, 5, register_as("two")));
    assert_eq!([&first, &second].map(|gruu| called(&mut net, 40, gruu).unwrap_err()), [404, 404]);
    assert!(called(&mut net, 50, &third).is_ok());
    net.run(std::time::Duration::from_secs(601));
    assert_eq!(called(&mut net, 60, &third).unwrap_err(), 404, "nobody is registered any more");
}

/// A REGISTER of one flow of one device, by an edge that keeps it under that token.
fn by_edge(cseq: u32, reg_id: u32, token: &str) -> Request {
    let contact = format!("<sip:alice@192.168.1.5>;reg-id={reg_id};+sip.instance=\"<urn:uuid:805b434b>\"");
    let mut register = register(cseq, &contact, "path, outbound");
    register.headers.set(Header::new(Name::CallId, "the-one-of-the-device"));
    register.headers.push(Header::new(Name::Via, "SIP/2.0/TCP 10.9.9.9:5060;branch=z9hG4bKinner"));
    register.with(Header::new(Name::Path, format!("<sip:{token}@edge.example.org;lr;ob>")))
}

#[test]
fn of_the_flows_of_a_device_the_latest_is_called_and_when_its_edge_says_that_it_is_gone_the_next() {
    let mut net = home(|_| {});
    for (n, token) in [(1, "first"), (2, "second"), (3, "third")] {
        let response = send(&mut net, PHONE, 2 * n, |cseq| by_edge(cseq, n, token));
        assert_eq!((response.code(), contacts(&response).len()), (200, n as usize));
    }
    let bound = |net: &Net| net.ends[0].bound.iter().map(|b| b.contact.0.clone()).collect::<Vec<_>>();
    assert!(matches!(&bound(&net)[..], [one] if one.contains("third@")), "{:?}", bound(&net));
    let device = net.ends[0].bound[0].contact.clone();
    let leg = net.call_start(0, |start| {
        start.trunk = None;
        start.contact = Some(device);
        start.to = patchcord::model::Address::here("alice");
    });
    let mut numbers = Vec::new();
    for token in ["third", "second", "first"] {
        net.run_ms(20);
        let invite = net.request("INVITE");
        assert!(invite.headers.elements(&Name::Route).next().unwrap().contains(token), "{token}");
        numbers.push(invite.headers.cseq().unwrap().number);
        let failed = Response::to(&invite, 430).with_to_tag("edge");
        net.inject_by(patchcord::sip::Transport::Udp, address(PHONE), 0, failed.to_bytes());
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "each a request of its own: {numbers:?}");
    assert!(bound(&net).is_empty(), "{:?}", bound(&net));
    let heard = net.take_heard(0);
    let ended = heard.iter().find_map(|(l, signal)| match signal {
        Signal::Hangup(hangup) if *l == leg => Some(hangup.cause),
        _ => None,
    });
    assert_eq!(ended, Some(patchcord::model::Cause::Unavailable), "{heard:?}");
    let listed = send(&mut net, PHONE, 20, |cseq| {
        let mut query = by_edge(cseq, 1, "first");
        query.headers.remove(&Name::Contact);
        query
    });
    assert_eq!(contacts(&listed).len(), 0);
}

#[test]
fn a_flow_that_says_nothing_for_four_seconds_is_left_for_the_next_one() {
    let mut net = home(|_| {});
    let contact = |id: u32| format!("<sip:alice@192.168.1.5>;reg-id={id};+sip.instance=\"<urn:uuid:805b434b>\"");
    for (id, from) in [(1, PHONE), (2, OTHER)] {
        send(&mut net, from, 2 * id, |cseq| register(cseq, &contact(id), "path, outbound"));
    }
    let device = net.ends[0].bound[0].contact.clone();
    assert!(net.ends[0].bound.len() == 1 && device.0.contains(OTHER), "{device:?}");
    net.call_start(0, |start| {
        start.trunk = None;
        start.contact = Some(device);
        start.to = patchcord::model::Address::here("alice");
    });
    // What the peers were sent before is the answers to their REGISTERs.
    let asked = |net: &Net| -> Vec<std::net::SocketAddr> {
        let invites = net.mail.iter().filter(|(_, m)| matches!(m, Message::Request(r) if r.method == Method::INVITE));
        invites.map(|(flow, _)| flow.local).collect()
    };
    net.run(std::time::Duration::from_millis(3900));
    assert!(!asked(&net).contains(&address(PHONE)), "{:?}", asked(&net));
    net.run(std::time::Duration::from_millis(300));
    assert!(asked(&net).contains(&address(PHONE)), "{:?}", asked(&net));
}

#[test]
fn how_much_a_device_is_preferred_is_told_with_it_and_a_change_replaces_it() {
    let mut net = home(|_| {});
    let at = |n: u32, q: &str| format!("<sip:alice@192.168.1.{n}>{q}");
    send(&mut net, PHONE, 1, |cseq| register(cseq, &at(1, ";q=0.5"), "path"));
    send(&mut net, PHONE, 3, |cseq| register(cseq, &at(2, ""), "path"));
    let told = |net: &Net| net.ends[0].bound.iter().map(|binding| binding.preference).collect::<Vec<_>>();
    assert_eq!(told(&net), [500, 1000]);
    send(&mut net, PHONE, 5, |cseq| register(cseq, &at(1, ";q=0.8"), "path"));
    let mut sorted = told(&net);
    sorted.sort_unstable();
    assert_eq!(sorted, [800, 1000]);
}

#[test]
fn a_device_behind_proxies_is_called_by_the_path_that_they_have_named() {
    let mut net = home(|_| {});
    let path = "<sip:edge.example.org;lr>,<sip:core.example.org:5070;lr>";
    let response = send(&mut net, PHONE, 1, |cseq| {
        let register = register(cseq, "<sip:alice@192.168.1.5>", "path");
        register.with(Header::new(Name::Path, path)).with(Header::new(Name::Require, "path"))
    });
    let said: Vec<&str> = response.headers.elements(&Name::Path).collect();
    assert_eq!((response.code(), said.join(",")), (200, path.to_owned()));
    let device = net.ends[0].bound[0].contact.clone();
    net.call_start(0, |start| {
        start.trunk = None;
        start.contact = Some(device);
    });
    net.run_ms(20);
    let invite = net.request("INVITE");
    let routes: Vec<&str> = invite.headers.elements(&Name::Route).collect();
    assert_eq!((invite.uri.to_string().as_str(), routes.join(",")), ("sip:alice@192.168.1.5", path.to_owned()));
    let broken = send(&mut net, PHONE, 3, |cseq| {
        register(cseq, "<sip:alice@192.168.1.5>", "path").with(Header::new(Name::Path, "<nonsense"))
    });
    assert_eq!(broken.code(), 400);
}

#[test]
fn a_device_that_is_to_be_called_by_its_flow_but_came_by_a_proxy_without_flows_hears_439() {
    let mut net = home(|_| {});
    let contact = "<sip:alice@192.168.1.5>;reg-id=1;+sip.instance=\"<urn:uuid:805b434b>\"";
    let mut by_proxy = |cseq: u32, path: Option<&str>| {
        let response = send(&mut net, PHONE, cseq, |cseq| {
            let mut register = register(cseq, contact, "path, outbound");
            register.headers.push(Header::new(Name::Via, "SIP/2.0/UDP 10.9.9.9:5060;branch=z9hG4bKinner"));
            match path {
                Some(path) => register.with(Header::new(Name::Path, path)),
                None => register,
            }
        });
        response.code()
    };
    assert_eq!(by_proxy(1, None), 439);
    assert_eq!(by_proxy(3, Some("<sip:edge.example.org;lr>")), 439);
    assert_eq!(by_proxy(5, Some("<sip:token@edge.example.org;lr;ob>")), 200);
}

#[test]
fn a_stranger_hears_the_same_of_users_who_exist_and_of_those_who_do_not() {
    let mut answers = Vec::new();
    for user in ["alice", "nobody"] {
        let mut net = home(|_| {});
        let register = |cseq| {
            let mut register = register(cseq, "<sip:x@192.168.1.5>", "path");
            register.headers.set(Header::new(Name::To, format!("<sip:{user}@example.org>")));
            register.headers.set(Header::new(Name::From, format!("<sip:{user}@example.org>;tag=f")));
            register
        };
        net.inject(address(PHONE), 0, register(1));
        let again = prove(&net, &register(2), user, "wrong");
        net.inject(address(PHONE), 0, again);
        let answer = last(&net).1.to_bytes();
        let lines = String::from_utf8(answer.to_vec()).unwrap();
        // Nonces and tags are chance, and the address is the one that was asked for.
        let fixed = lines.lines().map(|line| line.split_once("nonce=").map_or(line, |(before, _)| before));
        let fixed = fixed.map(|line| line.split_once(";tag=").map_or(line, |(before, _)| before).replace(user, "USER"));
        answers.push(fixed.collect::<Vec<_>>());
    }
    assert!(answers[0].iter().any(|line| line.starts_with("SIP/2.0 401")), "{answers:?}");
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn who_subscribes_to_waiting_messages_or_lamps_is_told_that_there_are_none_such() {
    for event in ["message-summary", "dialog", "presence"] {
        let mut net = home(|_| {});
        let subscribe = request("SUBSCRIBE", "sip:alice@example.org", 1).with(Header::new(Name::Event, event));
        net.inject(address(PHONE), 0, subscribe);
        let answer = last(&net).1;
        let allowed: Vec<&str> = answer.headers.elements(&Name::AllowEvents).collect();
        assert_eq!((answer.code(), allowed), (489, vec!["refer"]));
    }
}
