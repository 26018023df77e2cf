//! SIP: what is printed is read back, and a stream says the same however it is split.

use patchcord::sip::message::{Frame, Framer, Host, NameAddr, Params, SipUri, Uri, Via, ViaTransport};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z]{2,5}){0,2}".prop_map(|name| Host::from(name.as_str())),
        any::<std::net::IpAddr>().prop_map(Host::Ip),
    ]
}

fn params() -> impl Strategy<Value = Params> {
    vec(("[a-zA-Z][a-zA-Z0-9.!%*_+'~-]{0,6}", option::of("\\PC{0,12}")), 0..4).prop_map(|all| {
        let mut params = Params::default();
        for (name, value) in all {
            match value {
                Some(value) => params.set(&name, value),
                None => params.flag(&name),
            }
        }
        params
    })
}

fn sip_uri() -> impl Strategy<Value = SipUri> {
    let params = vec(("[a-z]{1,6}", "\\PC{0,8}"), 0..4);
    (any::<bool>(), option::of("\\PC{1,12}"), host(), option::of(1..=u16::MAX), params).prop_map(
        |(secure, user, host, port, params)| {
            let mut uri = SipUri::new(host);
            uri.secure = secure;
            uri.port = port;
            if let Some(user) = user {
                uri = uri.with_user(&user);
            }
            params.iter().fold(uri, |uri, (name, value)| uri.with_param(name, value))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_address_is_read_as_it_was_printed(uri in sip_uri()) {
        let uri = Uri::Sip(uri);
        prop_assert_eq!(uri.to_string().parse(), Ok(uri));
    }

    #[test]
    fn a_user_goes_through_the_wire_whatever_its_characters(user in "\\PC{1,20}") {
        let uri: Uri = SipUri::new("h").with_user(&user).into();
        let read: Uri = uri.to_string().parse().expect("an address");
        prop_assert_eq!(read.user().expect("a user"), user);
    }

    #[test]
    fn a_name_with_address_is_read_as_it_was_printed(
        uri in sip_uri(), display in option::of("[^\r\n]{0,16}"), params in params(),
    ) {
        let address = NameAddr { display, uri: uri.into(), params };
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn a_via_is_read_as_it_was_printed(host in host(), port in option::of(1..=u16::MAX), params in params()) {
        let via = Via { transport: ViaTransport::UDP, host, port, params };
        prop_assert_eq!(via.to_string().parse(), Ok(via));
    }

    #[test]
    fn a_stream_says_the_same_however_it_is_split(cuts in vec(1usize..40, 0..60)) {
        let message = b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
            To: <sip:h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 9\r\n\r\n\r\n\r\nbody\n";
        let mut stream = Vec::new();
        for between in [&b""[..], b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n"] {
            stream.extend_from_slice(between);
            stream.extend_from_slice(message);
        }
        let (mut framer, mut frames, mut rest) = (Framer::default(), Vec::new(), &stream[..]);
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (piece, left) = rest.split_at(cut.min(rest.len()));
            framer.push(piece);
            while let Some(frame) = framer.poll().expect("a framed stream") {
                frames.push(match frame {
                    Frame::Message(message) => format!("{:?}", message.body()),
                    other => format!("{other:?}"),
                });
            }
            rest = left;
        }
        let body = "b\"\\r\\n\\r\\nbody\\n\"";
        prop_assert_eq!(frames, [body, "Pong", body, "Ping", body, "Ping", "Pong", body]);
    }
}
