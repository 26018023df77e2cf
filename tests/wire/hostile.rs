//! Messages that were made to break stacks: the test suites of others, ready to be sent.

use serde_json::Value;

use super::shared;

/// What stands for the parts of a PROTOS message that only a run knows.
const FILLED: [(&str, &str); 9] = [
    ("<To>", "alice@example.com"),
    ("<From>", "mallory@example.com"),
    ("<From-Address>", "127.0.0.1"),
    ("<From-IP>", "127.0.0.1"),
    ("<Local-Port>", "5060"),
    ("<Call-ID>", "protos"),
    ("<CSeq>", "1"),
    ("<Branch-ID>", "protos"),
    ("<Teardown-Method>", "CANCEL"),
];

/// The messages of a PROTOS file: each behind its length, with gaps to be filled.
fn protos(file: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut messages) = (file.trim_ascii_start(), Vec::new());
    while let Some(space) = rest.iter().position(|b| *b == b' ') {
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse::<usize>().ok());
        let length = length.expect("a length");
        let message = &rest[space + 1..][..length];
        messages.push(filled(message));
        rest = rest[space + 1 + length..].trim_ascii_start();
    }
    assert!(rest.is_empty(), "nothing is left over");
    messages
}

fn filled(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    for (gap, value) in FILLED {
        message = replaced(&message, gap.as_bytes(), value.as_bytes());
    }
    let body = message.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| message.len() - at - 4);
    replaced(&message, b"<Content-Length>", body.to_string().as_bytes())
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while at < text.len() {
        if text[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += from.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

/// One suite, by its name.
pub struct Suite {
    /// Where it comes from.
    pub name: &'static str,
    /// Its messages.
    pub messages: Vec<Vec<u8>>,
}

/// All of them: PROTOS, the torture of JAIN, and what broke Kamailio and PJSIP.
pub fn suites() -> Vec<Suite> {
    let whole = |folder: &str| shared::files(folder).into_iter().map(|(_, bytes)| bytes).collect();
    let templates = shared::files("cases/sip/protos-c07");
    let templates = templates.iter().filter(|(name, _)| name.ends_with(".tmpl"));
    vec![
        Suite { name: "Kamailio", messages: whole("cases/sip/kamailio-misc") },
        Suite { name: "PJSIP", messages: whole("cases/sip/pjsip-seed") },
        Suite { name: "PROTOS", messages: templates.flat_map(|(_, bytes)| protos(bytes)).collect() },
        Suite { name: "JAIN", messages: jain() },
    ]
}

/// The messages of JAIN; its cases of a header or an address alone are none.
fn jain() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for (_, bytes) in shared::files("cases/sip/jsip-torture/torture.json") {
        let file: Value = serde_json::from_slice(&bytes).expect("JSON");
        let cases = file["cases"].as_array().expect("cases");
        let texts = cases.iter().filter_map(|case| case["message_lf"].as_str());
        messages.extend(
            texts.map(|text| format!("{}\r\n\r\n", text.trim_end_matches('\n').replace('\n', "\r\n")).into_bytes()),
        );
    }
    messages
}
