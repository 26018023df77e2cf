#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;

use super::*;

const HEAD: &str = "Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
                    Call-ID: 1@h\r\nCSeq: 1 OPTIONS\r\n";

fn read(text: impl AsRef<[u8]>) -> Result<Message, Malformed> {
    Message::read_datagram(Bytes::copy_from_slice(text.as_ref()))
}

fn request(more: &str) -> Request {
    match read(format!("OPTIONS sip:b@h SIP/2.0\r\n{HEAD}{more}\r\n")) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn refused(start: &str, headers: &str) -> (u16, String) {
    let wrong = read(format!("{start}\r\n{headers}\r\n")).expect_err("a malformed message");
    (wrong.status().code(), wrong.why().to_owned())
}

#[test]
fn compact_names_folds_and_any_case_are_the_long_names() {
    let text = "OPTIONS sip:b@h SIP/2.0\r\nv : SIP/2.0/UDP h\r\nF: <sip:a@h>\r\n ;tag=1\r\nt:<sip:b@h>\r\ni:1\r\n\
                cseq: 1\r\n\tOPTIONS\r\nK: a,\r\n  b\r\nsUPPORTED: c\r\nx-own: 1\r\n\r\n";
    let Ok(Message::Request(request)) = read(text) else { panic!() };
    let headers = &request.headers;
    assert_eq!(headers.from().unwrap().tag(), Some("1"));
    assert_eq!(headers.cseq().unwrap().to_string(), "1 OPTIONS");
    assert_eq!(headers.supported().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(headers.get(&"X-OWN".into()).unwrap(), &"1");
    assert!(request.to_bytes().ends_with(b"x-own: 1\r\nContent-Length: 0\r\n\r\n"));
}

#[test]
fn octets_that_are_no_utf8_harm_no_other_header_and_go_back_as_they_came() {
    let mut text = format!("OPTIONS sip:b@h SIP/2.0\r\n{HEAD}Subject: ").into_bytes();
    text.extend(b"M\xfcller\r\nX-After: 1\r\n\r\n");
    let Ok(Message::Request(request)) = read(&text) else { panic!() };
    assert_eq!(request.headers.get(&Name::Subject).unwrap(), &"Müller");
    assert_eq!(request.headers.get(&"X-After".into()).unwrap(), &"1");
    assert!(request.to_bytes().windows(6).any(|w| w == b"M\xfcller"));
}

#[test]
fn a_body_is_octets_and_is_counted_in_octets() {
    let body: &[u8] = &[0, 255, 13, 10, 13, 10, 200];
    let message = Request::new(Method::INFO, SipUri::new("h")).with_body("application/octet-stream", body);
    let written = message.to_bytes();
    assert!(written.windows(19).any(|w| w == b"Content-Length: 7\r\n"), "{written:?}");
    assert!(written.ends_with(body));
}

#[test]
fn a_datagram_ends_its_body_unless_content_length_does() {
    let with = |length: &str, body: &str| read(format!("OPTIONS sip:h SIP/2.0\r\n{HEAD}{length}\r\n{body}"));
    let body = |message: Result<Message, Malformed>| message.unwrap().body().clone();
    assert_eq!(body(with("", "abc")), "abc");
    assert_eq!(body(with("l: 2\r\n", "abc")), "ab");
    for length in ["4", "-1", "+3", "", "3 3", "0x3", "99999999999999999999999999"] {
        let wrong = with(&format!("Content-Length: {length}\r\n"), "abc").unwrap_err();
        assert_eq!(wrong.answer().unwrap().code(), 400, "{length}");
    }
    assert!(with("Content-Length: 3\r\nl: 3\r\n", "abc").is_err());
}

#[test]
fn what_is_wrong_is_said_with_the_status_that_the_sender_is_to_get() {
    let cases = [
        ("OPTIONS sip:h SIP/3.0", HEAD, 505),
        ("OPTIONS <sip:h> SIP/2.0", HEAD, 400),
        ("OPTIONS sip:h; lr SIP/2.0", HEAD, 400),
        ("OPTIONS sip:h?a=b SIP/2.0", HEAD, 400),
        ("OPTIONS sip:h", HEAD, 400),
        ("INVITE sip:h SIP/2.0", HEAD, 400),
        ("OPTIONS sip:h SIP/2.0", "From: <sip:a@h>\r\n", 400),
    ];
    for (start, headers, status) in cases {
        assert_eq!(refused(start, headers).0, status, "{start}");
    }
    for (header, why) in [
        ("To: <sip:b@h>", "To stands there twice"),
        ("Max-Forwards: 256", "Max-Forwards: is above 255"),
        ("Max-Forwards: -1", "Max-Forwards: is no number"),
        ("Contact: <sip:a@h>;;", "Contact: a parameter has no name"),
        ("Contact: sip:a@h?x=y", "Contact: an address with a comma or headers has to stand in angle brackets"),
        ("Contact: *", "Contact: * is for REGISTER only"),
        ("Via: SIP/2.0/UDP", "Via: a Via is not SIP/2.0/transport host"),
        ("no colon", "a header has no colon"),
        ("na me: x", "a header's name is no token"),
    ] {
        assert_eq!(refused("OPTIONS sip:h SIP/2.0", &format!("{HEAD}{header}\r\n")), (400, why.to_owned()));
    }
}

#[test]
fn a_refusal_carries_what_names_the_transaction() {
    let text = format!("OPTIONS sip:h SIP/2.0\r\nno colon\r\n{HEAD}\r\n");
    let mut wrong = read(text).unwrap_err();
    wrong.request_mut().unwrap().stamp_source("192.0.2.7:31000".parse().unwrap());
    let answer = String::from_utf8(wrong.answer().unwrap().to_bytes().to_vec()).unwrap();
    assert_eq!(
        answer,
        "SIP/2.0 400 Bad Request - a header has no colon\r\n\
         Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport=31000;received=192.0.2.7\r\nFrom: <sip:a@h>;tag=1\r\n\
         To: <sip:b@h>\r\nCall-ID: 1@h\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn a_header_too_many_is_refused() {
    let many = "X: 1\r\n".repeat(MAX_HEADERS);
    assert_eq!(refused("OPTIONS sip:h SIP/2.0", &format!("{HEAD}{many}")).0, 513);
    request(&"X: 1\r\n".repeat(MAX_HEADERS - 5));
}

#[test]
fn an_unknown_method_a_tel_address_and_a_name_with_dots_are_no_errors() {
    let text = HEAD.replace("OPTIONS", "options");
    let Ok(Message::Request(request)) = read(format!("options tel:+1-555;phone-context=x SIP/2.0\r\n{text}\r\n"))
    else {
        panic!()
    };
    assert_eq!(request.method, Method::Other("options".into()));
    assert_eq!((request.uri.scheme(), request.uri.user().as_deref()), ("tel", Some("+1-555")));
    let uri: Uri = "sip:first.last@[2001:db8::1]:5070;transport=dtls".parse().unwrap();
    let sip = uri.sip().unwrap();
    assert_eq!((sip.user().as_deref(), sip.port, sip.transport()), (Some("first.last"), Some(5070), Some("dtls")));
    assert_eq!(sip.host.ip(), Some("2001:db8::1".parse().unwrap()));
}

#[test]
fn escapes_of_a_user_are_read_once_and_printed_as_they_were() {
    let text = "sip:sips%3Auser%40example.com;par=u%2525@example.net:5070;a=%20?Replaces=x%3Bto-tag%3D1&h=";
    let uri: Uri = text.parse().unwrap();
    assert_eq!(uri.to_string(), text);
    assert_eq!(uri.user().as_deref(), Some("sips:user@example.com;par=u%25"));
    let sip = uri.sip().unwrap();
    let headers: Vec<_> = sip.headers().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(headers, ["Replaces=x;to-tag=1", "h="]);
    assert_eq!("sip:%c3%a4%@h".parse::<Uri>().unwrap().user().as_deref(), Some("ä%"));
    assert_eq!("sip:%e4@h".parse::<Uri>().unwrap().user().as_deref(), Some("ä"));
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "sip:",
        "sip",
        ":x",
        "sip:@h",
        "sip:a@",
        "sip:a@b@h",
        "sip:h:0",
        "sip:h:",
        "sip:h:65536",
        "sip:h:+5",
        "sip:[::1",
        "sip:[::g]",
        "sip:h;;a",
        "sip:h;=a",
        "sip:a b@h",
        "sip:h\"",
        "<sip:h>",
        "tel:",
        "tel:abcxyz",
        "1sip:h",
        "sip:hö",
    ] {
        assert!(text.parse::<Uri>().is_err(), "{text}");
    }
}

#[test]
fn display_names_are_read_and_quoted_again() {
    let read = |text: &str| text.parse::<NameAddr>().map(|a| (a.display.clone(), a.to_string()));
    for (text, display, printed) in [
        ("\"A <b>, \\\"c\\\\\" <sip:h>;tag=1", Some("A <b>, \"c\\"), "\"A <b>, \\\"c\\\\\" <sip:h>;tag=1"),
        ("Jane Doe<sip:h>", Some("Jane Doe"), "Jane Doe <sip:h>"),
        ("J. (Jane) Döe <sip:h>", Some("J. (Jane) Döe"), "\"J. (Jane) Döe\" <sip:h>"),
        ("sip:h;tag=1", None, "<sip:h>;tag=1"),
        ("<sip:h;lr>", None, "<sip:h;lr>"),
        ("\"\" <sip:h>", Some(""), "\"\" <sip:h>"),
    ] {
        assert_eq!(read(text), Ok((display.map(str::to_owned), printed.to_owned())), "{text}");
    }
    for text in ["Bell, Alexander <sip:h>", "\"open <sip:h>", "<sip:h", "\"a\" b <sip:h>", "<sip:h> x", "< sip:h>"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn nothing_can_be_smuggled_into_a_message_through_a_value() {
    let evil = "x\r\nRoute: <sip:evil>";
    let address = NameAddr::new(SipUri::new("h").with_user(evil)).with_display(evil).with_tag(evil);
    let message = Request::new("OPTIONS", SipUri::new("h"))
        .with(Header::of(Name::From, address))
        .with(Header::new(Name::Subject, evil))
        .with_body("text/plain", "");
    let text = String::from_utf8(message.to_bytes().to_vec()).unwrap();
    assert!(!text.contains("\r\nRoute"), "{text}");
    let response = Response::to(&message, 486).with_reason(evil);
    assert!(!String::from_utf8(response.to_bytes().to_vec()).unwrap().contains("\r\nRoute"));
}

#[test]
fn lists_are_taken_apart_at_the_commas_that_divide_them() {
    let request = request(
        "Contact: \"a, b\" <sip:a,b@h?x=1,2>;q=0.5 , <sip:c@h>\r\nm: sip:d@h\r\nRecord-Route: <sip:1;lr>,<sip:2;lr>\r\n\
         Record-Route: <sip:3;lr>\r\nReason: SIP;cause=200;text=\"a, b\", Q.850 ; cause=16\r\nReason: X;;\r\n\
         Privacy: id;none\r\nAllow: INVITE,,ACK, newmethod\r\nRetry-After: 18 (busy);duration=1\r\nAccept: text/*;q=1\r\n",
    );
    let headers = &request.headers;
    assert_eq!(headers.contacts().unwrap().list().len(), 3);
    assert_eq!(headers.contacts().unwrap().list()[0].params.get("q"), Some("0.5"));
    let routes: Vec<_> =
        headers.record_routes().unwrap().iter().map(|r| r.uri.sip().unwrap().host.to_string()).collect();
    assert_eq!(routes, ["1", "2", "3"]);
    let reasons = headers.reasons();
    assert_eq!(reasons.iter().map(|r| r.cause).collect::<Vec<_>>(), [Some(200), Some(16)]);
    assert_eq!(reasons[0].text.as_deref(), Some("a, b"));
    assert_eq!(headers.privacy().collect::<Vec<_>>(), ["id", "none"]);
    assert_eq!(headers.allow().unwrap(), [Method::INVITE, Method::ACK, "newmethod".into()]);
    assert_eq!(headers.retry_after().unwrap().as_secs(), 18);
    assert!(headers.accepts("text/plain") && !headers.accepts("application/sdp"));
}

#[test]
fn headers_are_replaced_where_they_stood_and_lists_lose_their_first_element() {
    let mut headers = request("Route: <sip:1;lr>, <sip:2;lr>\r\nX: 1\r\nRoute: <sip:3;lr>\r\n").headers;
    let routes = |headers: &Headers| headers.all(&Name::Route).map(|r| r.to_string()).collect::<Vec<_>>();
    headers.remove_first_element(&Name::Route);
    assert_eq!(routes(&headers), ["<sip:2;lr>", "<sip:3;lr>"]);
    headers.remove_first_element(&Name::Route);
    assert_eq!(routes(&headers), ["<sip:3;lr>"]);
    headers.push(Header::new(Name::Route, "<sip:4;lr>"));
    let x = headers.iter().position(|h| h.name.is(&"x".into())).unwrap();
    headers.set(Header::new(Name::Route, "<sip:5;lr>"));
    assert_eq!(routes(&headers), ["<sip:5;lr>"]);
    assert_eq!(headers.iter().position(|h| h.name == Name::Route), Some(x + 1));
    headers.remove(&Name::Route);
    assert!(!headers.has(&Name::Route));
}

#[test]
fn a_via_notes_where_the_request_came_from() {
    let stamped = |via: &str, source: &str| {
        let mut via: Via = via.parse().unwrap();
        via.stamp(source.parse().unwrap());
        via.to_string()
    };
    assert_eq!(stamped("SIP/2.0/UDP 10.0.0.1", "10.0.0.1:9"), "SIP/2.0/UDP 10.0.0.1");
    assert_eq!(stamped("SIP/2.0/UDP 10.0.0.1;received=6.6.6.6", "10.0.0.1:9"), "SIP/2.0/UDP 10.0.0.1");
    assert_eq!(stamped("SIP/2.0/UDP host", "10.0.0.1:9"), "SIP/2.0/UDP host;received=10.0.0.1");
    assert_eq!(stamped("SIP/2.0/UDP 10.0.0.1;rport", "10.0.0.1:9"), "SIP/2.0/UDP 10.0.0.1;rport=9;received=10.0.0.1");
    assert_eq!(stamped("SIP/2.0/TCP [::1]:5", "[::2]:9"), "SIP/2.0/TCP [::1]:5;received=::2");
    let mut request = request("");
    request.headers.set(Header::new(Name::Via, "SIP/2.0/UDP a;rport, SIP/2.0/UDP b"));
    request.stamp_source("[::1]:7".parse().unwrap());
    let vias = request.headers.vias().unwrap();
    assert_eq!((vias.len(), vias[0].rport(), vias[0].received()), (2, Some(7), Some("::1".parse().unwrap())));
}

#[test]
fn only_a_branch_with_more_than_the_cookie_names_a_transaction() {
    let branch = |b: &str| format!("SIP/2.0/UDP h;branch={b}").parse::<Via>().unwrap().cookie_branch().is_some();
    assert_eq!(["z9hG4bK1", "Z9HG4BKx", "z9hG4bK", "abc", "é9hG4bKé"].map(branch), [true, true, false, false, false]);
}

#[test]
fn a_response_answers_the_request_it_was_made_of() {
    let mut request = request("Timestamp: 54\r\nRecord-Route: <sip:p;lr>\r\n");
    request.headers.prepend(Header::new(Name::Via, "SIP/2.0/UDP top"));
    let ringing = Response::to(&request, 180).with_to_tag("mine");
    assert_eq!(ringing.headers.vias().unwrap().len(), 2);
    assert_eq!(ringing.headers.to().unwrap().tag(), Some("mine"));
    assert_eq!(ringing.clone().with_to_tag("other").headers.to().unwrap().tag(), Some("mine"));
    assert!(!ringing.headers.has(&Name::Timestamp));
    assert!(Response::to(&request, 100).headers.has(&Name::Timestamp));
    assert!(ringing.to_bytes().starts_with(b"SIP/2.0 180 Ringing\r\n"));
}

#[test]
fn a_stream_that_lost_its_frame_is_dead_and_says_what_to_answer() {
    let mut framer = Framer::default();
    framer.push(format!("OPTIONS sip:h SIP/2.0\r\n{HEAD}Content-Length: -1\r\n\r\n").as_bytes());
    assert_eq!(framer.poll().unwrap_err().answer().unwrap().code(), 400);
    framer.push(b"OPTIONS");
    assert_eq!(framer.poll(), Ok(None));
    assert!(!framer.is_in_message());
}

#[test]
fn a_stream_holds_no_more_than_its_limits() {
    let mut framer = Framer::default();
    let mut pushed = 0;
    let wrong = loop {
        framer.push(&[b'x'; 1024]);
        pushed += 1024;
        if let Err(wrong) = framer.poll() {
            break wrong;
        }
    };
    assert_eq!((pushed, wrong.status().code()), (MAX_HEAD + 1024, 513));
    let mut framer = Framer::default();
    framer.push(format!("OPTIONS sip:h SIP/2.0\r\n{HEAD}Content-Length: {}\r\n\r\n", MAX_BODY + 1).as_bytes());
    assert_eq!(framer.poll().unwrap_err().answer().unwrap().code(), 413);
}

#[test]
fn a_message_that_is_wrong_and_yet_framed_does_not_end_its_stream() {
    let mut framer = Framer::default();
    framer.push(format!("OPTIONS sip:h SIP/9.9\r\n{HEAD}l: 2\r\n\r\nab\r\n\r\n").as_bytes());
    let Ok(Some(Frame::Malformed(wrong))) = framer.poll() else { panic!() };
    assert_eq!(wrong.answer().unwrap().code(), 505);
    assert_eq!(framer.poll(), Ok(Some(Frame::Ping)));
    framer.push(b"\r\n");
    assert_eq!((framer.poll(), framer.is_in_message()), (Ok(None), false));
    assert_eq!((framer.take_pong(), framer.take_pong()), (true, false), "half a ping, or the answer to one");
    framer.push(b"\r\n\r");
    assert_eq!((framer.poll(), framer.take_pong()), (Ok(None), false));
}

#[test]
fn a_tag_and_a_branch_are_found_without_reading_the_whole_as_they_are_by_reading_it() {
    let addresses = [
        "<sip:a@h>;tag=1",
        "sip:a@h;tag=1",
        "sip:a@h",
        "<sip:a@h;tag=no>",
        "<sip:a@h;tag=no>;x=y ; TAG = 1",
        "\"a <b>;tag=no\\\" >\" <sip:a;tag=no@h>;q=\"; tag=no\";tag=a-b.c",
        "A B <tel:+1;tag=no>;tag=1;tag=2",
        "<sip:a@h>;tag",
        "<sip:a@[2001:db8::1]:5060> ; x",
    ];
    for address in addresses {
        let headers: Headers = [Header::new(Name::From, address), Header::new(Name::To, address)].into_iter().collect();
        let read = headers.from().expect("an address");
        assert_eq!((headers.from_tag(), headers.to_tag()), (read.tag(), read.tag()), "{address}");
    }
    for via in [
        "SIP/2.0/UDP h;branch=z9hG4bK1;rport",
        "SIP/2.0/UDP h ; rport; Branch = x , SIP/2.0/UDP i;branch=no",
        "SIP/2.0/TCP [::1]:5060;received=\"; branch=no\";branch=1",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h",
    ] {
        let headers: Headers = [Header::new(Name::Via, via)].into_iter().collect();
        assert_eq!(headers.branch(), headers.via().expect("a Via").branch(), "{via}");
    }
    assert_eq!((Headers::default().to_tag(), Headers::default().branch()), (None, None));
}

#[test]
fn a_value_is_refused_unread_as_it_is_when_read() {
    for text in [
        "sip:bob@example.org",
        "sip:bob:secret@[2001:db8::1]:5060;transport=tcp?subject=x",
        "sip:@x",
        "sip:a@b@c",
        "sip:",
        "sip:x:0",
        "sip:x;=y",
        "sip:x;a=\"",
        "tel:+1-212;phone-context=x",
        "tel:;x",
        "tel:1;",
        "urn:service:sos",
        "9:x",
        "x",
        "",
    ] {
        assert_eq!(Uri::check(text), text.parse::<Uri>().map(drop), "{text}");
        for value in [
            text.to_owned(),
            format!("{text};tag=1"),
            format!("<{text}>;tag=1;x"),
            format!("\"B\\\"b\" <{text}>"),
            format!("\"Bob <{text}>"),
            format!("a;b <{text}>"),
            format!("<{text}> x"),
            format!("<{text}"),
        ] {
            assert_eq!(NameAddr::check(&value), value.parse::<NameAddr>().map(drop), "{value}");
        }
    }
    for text in [
        "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx;rport",
        "SIP / 2.0 / tcp example.org : 5061 ; branch=\"x\"",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP x:99999",
        "SIP/2.0/U P x",
        "SIP/2.0/UDP x;;",
        "SIP/3.0/UDP x",
    ] {
        assert_eq!(Via::check(text), text.parse::<Via>().map(drop), "{text}");
    }
}
