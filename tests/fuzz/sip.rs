//! SIP: any bytes, as a datagram and as a stream.

use bytes::Bytes;
use patchcord::sip::digest;
use patchcord::sip::info::{self, Info};
use patchcord::sip::message::{Frame, Framer, Header, Headers, Message, Name, NameAddr, Uri, Via};
use patchcord::sip::overload::sketch::{Sketch, turn_away};

use super::shared;

/// Reads `data` in every way there is; the only wrong is a panic, a hang, or a message that is written as
/// something else than it was read as.
pub fn sip(data: &[u8]) {
    match Message::read_datagram(Bytes::copy_from_slice(data)) {
        Ok(message) => {
            everything(message.headers());
            key(&message);
            let written = message.to_bytes();
            let again = Message::read_datagram(written.clone()).expect("what we write we can read");
            assert_eq!(again.to_bytes(), written);
        }
        Err(wrong) => {
            if let Some(answer) = wrong.answer() {
                let written = answer.to_bytes();
                let mut framer = Framer::default();
                framer.push(&written);
                assert!(framer.poll().is_ok(), "an answer is one frame");
                assert!(matches!(framer.poll(), Ok(None)), "an answer is only one frame");
            }
        }
    }
    if Sketch::read(data).is_some_and(|sketch| sketch.is_new_call()) {
        let source = std::net::SocketAddr::from(([192, 0, 2, 7], 5062));
        let answer = turn_away(data, source, "tag", "Patchcord").expect("what has a sketch can be turned away");
        let mut framer = Framer::default();
        framer.push(&answer);
        assert!(framer.poll().is_ok(), "an answer is one frame");
        assert!(matches!(framer.poll(), Ok(None)), "an answer is only one frame");
    }
    let (mut whole, mut pieces) = (Framer::default(), Framer::default());
    whole.push(data);
    let whole = drain(&mut whole);
    let mut found = (Vec::new(), false);
    for piece in data.chunks(7) {
        pieces.push(piece);
        let (mut frames, dead) = drain(&mut pieces);
        found.0.append(&mut frames);
        found.1 |= dead;
    }
    assert_eq!(found, whole, "a stream says the same however it is split");
    if let Ok(text) = std::str::from_utf8(data.get(..data.len().min(4096)).unwrap_or_default()) {
        if let Ok(uri) = text.parse::<Uri>() {
            assert_eq!(uri.to_string().parse(), Ok(uri));
        }
        if let Ok(address) = text.parse::<NameAddr>() {
            assert_eq!(address.to_string().parse(), Ok(address));
        }
        if let Ok(via) = text.parse::<Via>() {
            assert_eq!(via.to_string().parse(), Ok(via));
        }
    }
}

fn drain(framer: &mut Framer) -> (Vec<Frame>, bool) {
    let mut frames = Vec::new();
    loop {
        match framer.poll() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, false),
            Err(_) => return (frames, true),
        }
    }
}

fn everything(headers: &Headers) {
    let _ = (headers.vias(), headers.contacts(), headers.routes(), headers.record_routes());
    let _ = (headers.reasons(), headers.allow(), headers.retry_after(), headers.content_type(), headers.expires());
    let _ = (headers.asserted_identities(), headers.privacy().count(), headers.require().count());
    for name in [Name::WwwAuthenticate, Name::ProxyAuthenticate, Name::Authorization, Name::ProxyAuthorization] {
        digest::challenges(headers, &name);
        digest::credentials(headers, &name);
    }
}

/// A key that is read from a body is one, is held for a time that somebody may hold it, and is read back as written.
fn key(message: &Message) {
    let Info::Digit(dtmf) = info::read(message.headers(), message.body()) else { return };
    assert!("0123456789*#ABCD".contains(dtmf.digit) && !dtmf.duration.is_zero() && dtmf.duration.as_secs() <= 10);
    let headers: Headers = [Header::new(Name::ContentType, info::RELAY)].into_iter().collect();
    assert_eq!(info::read(&headers, info::relay(dtmf).as_bytes()), Info::Digit(dtmf));
}

/// All corpora of SIP.
fn corpus() -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = ["cases/sip", "fixtures/sip"]
        .iter()
        .flat_map(|folder| shared::files(folder))
        .filter(|(name, _)| !name.ends_with(".json"))
        .map(|(_, bytes)| bytes)
        .collect();
    corpus.push(
        b"INVITE sip:+1555@[2001:db8::1]:5060;user=phone SIP/2.0\r\nv: SIP/2.0/TCP h ; branch=z9hG4bK1;rport\r\n\
          f: \"A \\\" B\" <sip:a%20b@h;x?y=z>;tag=1\r\nt: tel:+1-555;phone-context=x\r\ni: 1\r\nCSeq: 1 INVITE\r\n\
          m: <sip:a@h>;q=0.5, sip:b@h\r\nWWW-Authenticate: Digest realm=\"a,b\", nonce=\"1\", qop=\"auth\"\r\n\
          Reason: SIP;cause=200;text=\"x\", Q.850;cause=16\r\nl: 3\r\n\r\nv=0"
            .to_vec(),
    );
    for (content, body) in [
        ("application/dtmf-relay", "Signal= 5\r\nDuration= 160\r\n"),
        ("application/dtmf-relay", "Signal=hf\r\nDuration=300\r\n"),
        ("application/dtmf", "11"),
        ("application/vnd.nortelnetworks.digits", "p=Digit-Collection\r\ny=Digits\r\nd=*\r\n"),
    ] {
        let head = "INFO sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:b@h>;tag=1\r\nTo: <sip:a@h>;tag=2\r\n";
        let rest = format!(
            "Call-ID: 1\r\nCSeq: 7 INFO\r\nContent-Type: {content}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        corpus.push(format!("{head}{rest}").into_bytes());
    }
    corpus
}

#[test]
fn sip_survives_the_corpora() {
    corpus().iter().for_each(|bytes| sip(bytes));
}

#[test]
fn sip_survives_ten_thousand_mutations() {
    let corpus = corpus();
    let each = 10_000 / corpus.len() + 1;
    for (seed, bytes) in corpus.iter().enumerate() {
        shared::mutations(seed as u64, bytes, each).for_each(|bytes| sip(&bytes));
    }
}
