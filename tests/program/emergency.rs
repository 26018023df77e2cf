//! Where a caller is, in an emergency call (RFC 6442): by TCP and TLS to a carrier by TCP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use patchcord::sip::message::{Frame, Framer, Message, Name, Request, Response};
use patchcord::sip::multipart;
use rustls_pki_types::ServerName;

use super::house::{Gateway, PATIENCE, USERS, free_port};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
const VALUE: &str = "<cid:target123@atlanta.example.com>;inserted-by=\"alice@atlanta.example.com\"";

/// A location of twenty thousand octets.
fn location() -> String {
    let points: String = (0..2000).map(|n| format!("<p>{n:04}</p>\n")).collect();
    let text =
        format!("<?xml version=\"1.0\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\">{points}</presence>");
    assert!(text.len() > 20_000);
    text
}

/// An INVITE with a description and a location, as RFC 6442 §5.1 has it.
fn invite(to: &str, transport: &str, sdp_first: bool) -> String {
    let sdp = format!("Content-Type: application/sdp\r\n\r\n{SDP}");
    let location = format!(
        "Content-Type: application/pidf+xml\r\nContent-ID: <target123@atlanta.example.com>\r\n\
         Content-Disposition: render;handling=optional\r\n\r\n{}",
        location()
    );
    let [one, two] = if sdp_first { [sdp, location] } else { [location, sdp] };
    let body = format!("--boundary1\r\n{one}\r\n--boundary1\r\n{two}\r\n--boundary1--\r\n");
    format!(
        "INVITE sip:{to}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:9;branch=z9hG4bK{to}{transport}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@atlanta.example.com>;tag={to}\r\nTo: <sip:{to}@127.0.0.1>\r\n\
         Call-ID: {to}-{transport}\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1:9>\r\n\
         Geolocation: {VALUE}\r\nGeolocation-Routing: yes\r\nSupported: geolocation\r\n\
         Content-Type: multipart/mixed;boundary=boundary1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A stream that messages come by.
struct Line<S> {
    stream: S,
    framer: Framer,
}

impl<S: Read + Write> Line<S> {
    fn new(stream: S) -> Line<S> {
        Line { stream, framer: Framer::default() }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    fn hear(&mut self) -> Message {
        let mut buffer = [0; 4096];
        loop {
            match self.framer.poll().unwrap() {
                Some(Frame::Message(message)) => return message,
                Some(_) => continue,
                None => {}
            }
            let length = self.stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the stream ends");
            self.framer.push(&buffer[..length]);
        }
    }

    /// The next INVITE.
    fn called(&mut self) -> Request {
        loop {
            if let Message::Request(request) = self.hear()
                && request.method.as_str() == "INVITE"
            {
                return request;
            }
        }
    }

    /// The next final response.
    fn answered(&mut self) -> Response {
        loop {
            if let Message::Response(response) = self.hear()
                && !response.is_provisional()
            {
                return response;
            }
        }
    }
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A connection by TLS to whoever has this certificate.
fn by_tls(address: SocketAddr, certificate: &[u8]) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    rustls::StreamOwned::new(rustls::ClientConnection::new(Arc::new(config), name).unwrap(), connected(address))
}

/// What the carrier is to see of an emergency call.
fn is_whole(invite: &Request) {
    assert!(invite.uri.to_string().starts_with("sip:112@"), "{}", invite.uri);
    let value = |name: &str| invite.headers.get(&name.into()).map(|v| v.as_str().to_owned());
    assert_eq!(value("Geolocation").as_deref(), Some(VALUE));
    assert_eq!(value("Geolocation-Routing").as_deref(), Some("yes"));
    let body = invite.headers.content_type().unwrap().unwrap();
    assert_eq!(body.media_type, "multipart/mixed");
    let parts = multipart::parts(&invite.body, &body.params.text("boundary").unwrap());
    assert_eq!(parts[0].media_type(), "application/sdp");
    assert!(parts[0].content.starts_with(b"v=0\r\n"));
    assert_eq!(parts[1].header("Content-Type"), Some("application/pidf+xml"));
    assert_eq!(parts[1].header("Content-ID"), Some("<target123@atlanta.example.com>"));
    assert_eq!(parts[1].header("Content-Disposition"), Some("render;handling=optional"));
    assert!(parts[1].content == location().as_bytes(), "octet for octet");
    assert_eq!(parts.len(), 2);
}

#[test]
fn where_a_caller_is_goes_whole_with_an_emergency_call_by_tcp_and_tls_and_with_no_other() {
    let (sip, secure, folder) = (free_port(), free_port(), tempfile::tempdir().unwrap());
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let carrier = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut gateway = Gateway::with(&format!(
        "sip.listen = [\"udp:{sip}\", \"tcp:{sip}\", \"tls:{secure}\"]\nsip.open = true\nlimits.strangers.calls_per_second = 10\n\
         sip.certificate = {certificate:?}\nsip.key = {key:?}\nweb.listen = \"127.0.0.1:0\"\n\
         [[trunk]]\nname = \"carrier\"\naddress = \"{}\"\ntransport = \"tcp\"\n\
         [[rule]]\nname = \"help\"\nemergency = true\nwhen = {{ entry = \"open\", to = \"112\" }}\ndial = \"trunk:carrier\"\n\
         [[rule]]\nname = \"talk\"\nwhen = {{ entry = \"open\", to = \"+1*\" }}\ndial = \"trunk:carrier\"\n{USERS}",
        carrier.local_addr().unwrap()
    ));
    let mut caller = Line::new(connected(sip));
    caller.say(invite("112", "TCP", true).as_bytes());
    let (stream, _) = carrier.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut carrier = Line::new(stream);
    let called = carrier.called();
    is_whole(&called);
    carrier.say(&Response::to(&called, 486).with_to_tag("x").to_bytes());
    assert_eq!(caller.answered().code(), 486);

    let mut by_tls = Line::new(by_tls(secure, own.cert.der()));
    by_tls.say(invite("112", "TLS", false).as_bytes());
    let called = carrier.called();
    is_whole(&called);
    carrier.say(&Response::to(&called, 424).with_to_tag("y").to_bytes());
    assert_eq!(by_tls.answered().code(), 424, "what is wrong with the location is about the call");

    caller.say(invite("+15550100", "TCP", true).as_bytes());
    let called = carrier.called();
    assert!(!called.headers.has(&"Geolocation".into()) && !called.headers.has(&"Geolocation-Routing".into()));
    assert_eq!(called.headers.get(&Name::ContentType).unwrap().as_str(), "application/sdp");
    gateway.program.log.expect("the call is no emergency");
    carrier.say(&Response::to(&called, 486).with_to_tag("z").to_bytes());
    assert_eq!(caller.answered().code(), 486);
}
