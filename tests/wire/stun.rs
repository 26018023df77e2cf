//! The vectors of RFC 5769, and messages that browsers sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use patchcord::stun::message::BINDING;
use patchcord::stun::{Class, Message, is_stun};
use serde_json::Value;

use crate::shared;

#[test]
fn the_messages_of_rfc_5769_are_read_with_user_name_and_fingerprint() {
    let Some((_, file)) = shared::files("cases/stun/rfc5769.json").into_iter().next() else { return };
    let file: Value = serde_json::from_slice(&file).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        let hex = vector["message_hex"].as_str().unwrap();
        let mut bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        let name = vector["name"].as_str().unwrap();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.method(), BINDING);
        let expected = if name.contains("request") { Class::Request } else { Class::Success };
        assert_eq!(message.class(), expected, "{name}");
        assert_eq!(message.username(), vector["username"].as_str(), "{name}");
        let signed = vector["verified_here"]["fingerprint"].as_bool() == Some(true);
        assert_eq!(message.has_right_fingerprint(), signed, "{name}");
        if name == "sample_request" {
            assert_eq!(message.ufrags(), Some(("evtj", "h6vY")));
        }
        if signed {
            bytes[30] ^= 1;
            assert!(!Message::parse(&bytes).is_some_and(|m| m.has_right_fingerprint()), "{name}");
        }
    }
}

#[test]
fn binding_requests_of_browsers_are_read() {
    for (_, file) in shared::files("cases/stun/pion/frombrowsers.csv") {
        let text = String::from_utf8(file).unwrap();
        let mut count = 0;
        for line in text.lines().filter(|l| !l.starts_with('#')).skip(1) {
            let bytes = STANDARD.decode(line.split(',').nth(1).unwrap()).unwrap();
            let message = Message::parse(&bytes).unwrap();
            assert_eq!((message.class(), message.method()), (Class::Request, BINDING));
            count += 1;
        }
        assert!(count > 5);
    }
}

#[test]
fn dtls_rtp_and_channel_data_are_no_stun() {
    for (name, bytes) in shared::files("fixtures/dtls").into_iter().chain(shared::files("cases/rtp/chromium-corpus")) {
        assert!(!is_stun(&bytes), "{name}");
    }
}
