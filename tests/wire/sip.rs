//! SIP messages: torture tests (RFC 4475), SIP over WebSocket (RFC 7118), what fuzzers and other stacks'
//! test suites send, and what real phones sent.

use bytes::Bytes;
use patchcord::sip::message::{Contacts, Frame, Framer, Message, Method, Name, Request, StatusCode};
use serde_json::Value;

use super::shared;

fn read(bytes: &[u8]) -> Result<Message, Option<u16>> {
    Message::read_datagram(Bytes::copy_from_slice(bytes)).map_err(|wrong| wrong.answer().map(|a| a.code()))
}

fn torture(name: &str) -> Option<Vec<u8>> {
    shared::files("cases/sip/rfc4475").into_iter().find(|(n, _)| n == &format!("{name}.dat")).map(|(_, bytes)| bytes)
}

fn torture_request(name: &str) -> Option<Request> {
    match read(&torture(name)?) {
        Ok(Message::Request(request)) => Some(request),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_message_of_rfc_4475_gets_its_verdict() {
    let files = shared::files("cases/sip/rfc4475");
    let Some((_, expect)) = files.iter().find(|(name, _)| name == "EXPECT.json") else { return };
    let expect: Value = serde_json::from_slice(expect).expect("JSON");
    let cases = expect["cases"].as_object().expect("cases");
    assert!(cases.len() >= 25);
    for (name, case) in cases {
        let answers: Vec<&str> =
            case["acceptable_answers"].as_array().expect("answers").iter().map(|a| a.as_str().expect("text")).collect();
        let verdict = case["verdict"].as_str().expect("a verdict");
        let file = case["file"].as_str().expect("a file");
        let (_, bytes) = files.iter().find(|(name, _)| name == file).expect("the message");
        match read(bytes) {
            // An answer other than 400 is the endpoint's to give, of a message that could be read.
            Ok(_) => assert!(
                verdict.starts_with("valid") || answers.iter().any(|a| a.starts_with("process")),
                "{name} is taken, but is {verdict}"
            ),
            Err(Some(code)) => assert!(
                answers.iter().any(|a| a.starts_with(&code.to_string())),
                "{name} is answered with {code} instead of {answers:?}"
            ),
            Err(None) => assert_eq!(answers, ["discard silently"], "{name} is dropped"),
        }
    }
}

#[test]
fn the_odd_but_legal_invite_is_read_to_its_last_header() {
    let Some(request) = torture_request("wsinv") else { return };
    let headers = &request.headers;
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    assert_eq!(headers.cseq().map(|c| c.number), Ok(9));
    assert_eq!(headers.from().expect("From").display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(headers.from().expect("From").tag(), Some("98asjd8"));
    let vias = headers.vias().expect("Vias");
    assert_eq!(
        vias.iter().map(|v| v.branch()).collect::<Vec<_>>(),
        [Some("390skdjuw"), Some("z9hG4bK9ikj8"), Some("z9hG4bK30239")]
    );
    assert_eq!(vias[0].cookie_branch(), None);
    let unknown = headers.get(&"NewFangledHeader".into()).expect("the unknown header");
    assert_eq!(unknown.as_str(), "newfangled value continued newfangled value");
    assert!(headers.get(&"UnknownHeaderWithUnusualValue".into()).is_some_and(|v| v.starts_with(";;,,;;,;")));
    assert_eq!(
        headers.routes().expect("Route")[0].uri.to_string(),
        "sip:services.example.com;lr;unknownwith=value;unknown-no-value"
    );
    assert_eq!(headers.contacts().expect("Contact").list().len(), 1);
    assert!(request.body.starts_with(b"v=0"));
}

#[test]
fn strange_octets_cut_nothing_off() {
    let Some(request) = torture_request("intmeth") else { return };
    assert_eq!(request.method.as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
    let to = request.headers.to().expect("To");
    assert_eq!(to.display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(to.to_string().parse(), Ok(to));
    assert!(request.headers.get(&Name::from("extensionHeader-!.%*+_`'~")).is_some());
}

#[test]
fn a_percent_sign_is_no_escape_outside_an_address() {
    let Some(request) = torture_request("esc02") else { return };
    assert_eq!(request.method, Method::from("RE%47IST%45R"));
    assert_eq!(request.headers.contacts().expect("Contact").list().len(), 2);
}

#[test]
fn what_follows_a_request_is_noise_in_a_datagram_and_a_request_in_a_stream() {
    let Some(bytes) = torture("dblreq") else { return };
    assert!(matches!(read(&bytes), Ok(Message::Request(r)) if r.method == Method::REGISTER && r.body.is_empty()));
    let mut framer = Framer::default();
    framer.push(&bytes);
    let methods: Vec<Method> = std::iter::from_fn(|| framer.poll().ok().flatten())
        .filter_map(|frame| match frame {
            Frame::Message(Message::Request(request)) => Some(request.method),
            _ => None,
        })
        .collect();
    assert_eq!(methods, [Method::REGISTER, Method::INVITE]);
}

#[test]
fn an_unknown_parameter_in_brackets_stays_with_its_address() {
    let Some(request) = torture_request("cparam02") else { return };
    let Ok(Contacts::List(contacts)) = request.headers.contacts() else { panic!("contacts") };
    assert!(contacts[0].uri.sip().is_some_and(|uri| uri.params.has("unknownparam")));
    assert!(contacts[0].params.is_empty());
}

#[test]
fn sip_over_websocket_as_rfc_7118_prints_it_is_read() {
    for (name, bytes) in shared::files("cases/sip/rfc7118/registration.json") {
        let file: Value = serde_json::from_slice(&bytes).expect("JSON");
        let texts = file["messages"].as_array().expect("messages").iter().filter_map(|m| m["text"].as_str());
        let read: Vec<_> =
            texts.filter(|t| t.contains("SIP/2.0 ") || t.contains(" SIP/2.0")).map(|t| read(t.as_bytes())).collect();
        assert!(read.len() >= 2 && read.iter().all(Result::is_ok), "{name}: {read:?}");
    }
}

/// A message read, written, read again is the same, and is written the same again.
fn is_stable(name: &str, message: &Message) {
    let written = message.to_bytes();
    let again = Message::read_datagram(written.clone()).unwrap_or_else(|e| panic!("{name}: {e}: {written:?}"));
    assert_eq!(again.to_bytes(), written, "{name}");
    assert_eq!(again.body(), message.body(), "{name}");
    let without_length =
        |m: &Message| m.headers().iter().filter(|h| h.name != Name::ContentLength).cloned().collect::<Vec<_>>();
    assert_eq!(without_length(&again), without_length(message), "{name}");
}

#[test]
fn what_real_phones_sent_is_read_and_printing_it_is_stable() {
    for (name, bytes) in shared::files("fixtures/sip") {
        if !name.ends_with(".sip") {
            continue;
        }
        let message = read(&bytes).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        is_stable(&name, &message);
        let headers = message.headers();
        headers.contacts().unwrap_or_else(|e| panic!("{name}: {e}"));
        headers.record_routes().unwrap_or_else(|e| panic!("{name}: {e}"));
        for value in headers.vias().expect("Vias") {
            assert_eq!(value.to_string().parse(), Ok(value));
        }
        for value in [headers.from(), headers.to()].into_iter().flatten() {
            assert_eq!(value.to_string().parse(), Ok(value));
        }
    }
}

/// `rsip`'s reader refuses and misreads much, but where it reads a real phone's message the two agree.
#[test]
fn rsip_reads_the_same_of_what_real_phones_sent() {
    use rsip::message::HeadersExt as _;
    use rsip::prelude::UntypedHeader as _;
    let mut compared = 0;
    for (name, bytes) in shared::files("fixtures/sip") {
        let Ok(theirs) = rsip::SipMessage::try_from(bytes.as_slice()) else { continue };
        let Ok(ours) = read(&bytes) else { continue };
        compared += 1;
        match (&ours, &theirs) {
            (Message::Request(ours), rsip::SipMessage::Request(theirs)) => {
                assert_eq!(ours.method, theirs.method, "{name}")
            }
            (Message::Response(ours), rsip::SipMessage::Response(theirs)) => {
                assert_eq!(ours.status.code(), theirs.status_code.code(), "{name}");
            }
            _ => panic!("{name} is a request to one and a response to the other"),
        }
        assert_eq!(
            ours.headers().call_id().expect("Call-ID").as_str(),
            theirs.call_id_header().expect("Call-ID").value()
        );
        assert_eq!(
            ours.headers().get(&Name::From).expect("From").as_str(),
            theirs.from_header().expect("From").value()
        );
        assert_eq!(ours.headers().cseq().expect("CSeq").to_string(), theirs.cseq_header().expect("CSeq").value());
    }
    assert!(compared > 100 || shared::dir().is_none(), "only {compared} were compared");
}

/// Reads everything there is to read of a message.
fn survives(bytes: &[u8]) {
    if let Ok(message) = Message::read_datagram(Bytes::copy_from_slice(bytes)) {
        is_stable("a message", &message);
    }
    let mut framer = Framer::default();
    framer.push(bytes);
    while let Ok(Some(_)) = framer.poll() {}
}

#[test]
fn the_test_suites_of_other_stacks_do_no_harm() {
    for bytes in super::hostile::suites().into_iter().flat_map(|suite| suite.messages) {
        survives(&bytes);
        survives(&bytes.into_iter().filter(|b| *b != b'\r').collect::<Vec<u8>>());
    }
}

#[test]
fn another_version_is_answered_with_505_and_a_broken_ack_with_nothing() {
    let text = "OPTIONS sip:h SIP/7.0\r\nVia: SIP/7.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
                Call-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";
    assert_eq!(read(text.as_bytes()), Err(Some(StatusCode::VersionNotSupported.code())));
    let ack = text.replace("OPTIONS", "ACK");
    assert_eq!(read(ack.as_bytes()), Err(None));
}
