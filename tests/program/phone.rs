//! A telephone on a socket of its own: it registers, calls, is called, and talks.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;
use patchcord::base::Secret;
use patchcord::sip::digest::{self, Account};
use patchcord::sip::message::{Message, Name, Request, Response};

use super::house::PATIENCE;

/// Samples of G.711 in a packet.
const SAMPLES: usize = 160;

pub struct Phone {
    socket: UdpSocket,
    /// Where its media comes in and goes out.
    rtp: UdpSocket,
    gateway: SocketAddr,
    user: String,
    password: Secret,
    /// The last number given to a call, a transaction or a packet.
    last: u32,
}

/// A call of the telephone's.
#[derive(Debug, Clone)]
pub struct Dialog {
    pub call_id: String,
    /// Our end and theirs, as From and To of our requests.
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    /// Where the gateway wants our media.
    pub media: SocketAddr,
}

impl Phone {
    pub fn new(gateway: SocketAddr, user: &str, password: &str) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        Phone { socket, rtp, gateway, user: user.into(), password: Secret::new(password), last: 0 }
    }

    /// Where it hears SIP.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn next(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    fn sdp(&self) -> String {
        let port = self.rtp.local_addr().unwrap().port();
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n\
             a=rtpmap:8 PCMA/8000\r\n"
        )
    }

    fn head(&mut self, method: &str, target: &str, dialog: &Dialog) -> String {
        let (address, branch) = (self.address(), self.next());
        let Dialog { call_id, local, remote, cseq, .. } = dialog;
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{}@{address}>\r\n",
            self.user
        )
    }

    fn new_dialog(&mut self, to: &str) -> Dialog {
        let (number, port) = (self.next(), self.address().port());
        Dialog {
            call_id: format!("{number}-{port}"),
            local: format!("<sip:{}@{}>;tag={number}", self.user, self.gateway.ip()),
            remote: format!("<sip:{to}@{}>", self.gateway.ip()),
            target: format!("sip:{to}@{}", self.gateway),
            cseq: 1,
            media: self.gateway,
        }
    }

    fn send(&self, head: &str, body: &str) {
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!("{head}{content}Content-Length: {}\r\n\r\n{body}", body.len());
        self.socket.send_to(text.as_bytes(), self.gateway).unwrap();
    }

    /// The first message that `wanted` takes; what else comes in meanwhile is dropped: repetitions, 1xx.
    fn receive<T>(&self, what: &str, mut wanted: impl FnMut(Message) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 8192];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{}: no {what}", self.user);
            self.socket.set_read_timeout(Some(left)).unwrap();
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            let message = Message::read_datagram(Bytes::copy_from_slice(&buffer[..length])).expect("a SIP message");
            if let Some(found) = wanted(message) {
                return found;
            }
        }
    }

    fn response(&self, dialog: &Dialog, method: &str) -> Response {
        self.receive(&format!("answer to {method}"), |message| match message {
            Message::Response(r) if !r.is_provisional() => {
                let cseq = r.headers.cseq().unwrap();
                let ours = r.headers.call_id().unwrap().as_str() == dialog.call_id && cseq.method.as_str() == method;
                (ours && cseq.number == dialog.cseq).then_some(r)
            }
            _ => None,
        })
    }

    /// Sends a request outside or inside a call, with a proof of who we are if it is asked for.
    fn request(&mut self, method: &str, dialog: &mut Dialog, more: &str, body: &str) -> Response {
        let target = dialog.target.clone();
        let mut proof = String::new();
        loop {
            let head = self.head(method, &target, dialog);
            self.send(&format!("{head}{proof}{more}"), body);
            let answer = self.response(dialog, method);
            if method == "INVITE" && !answer.is_success() {
                // The ACK of a refusal belongs to the transaction: it has the branch of the INVITE.
                let head = head.replace("INVITE", "ACK");
                let to = answer.headers.get(&Name::To).unwrap();
                self.send(&head.replace(&format!("To: {}", dialog.remote), &format!("To: {}", to.as_str())), "");
            }
            if answer.code() != 401 || !proof.is_empty() {
                return answer;
            }
            let challenges = digest::challenges(&answer.headers, &Name::WwwAuthenticate);
            let account = Account { user: &self.user, password: &self.password, realm: None };
            let method = patchcord::sip::message::Method::read(&method.to_owned().into());
            let credentials = digest::answer(&challenges, account, &method, &target, 1, "c").expect("a challenge");
            proof = format!("Authorization: {credentials}\r\n");
            dialog.cseq += 1;
        }
    }

    /// Registers: the status.
    pub fn register(&mut self) -> u16 {
        let mut dialog = self.new_dialog(&self.user.clone());
        dialog.target = format!("sip:{}", self.gateway);
        self.request("REGISTER", &mut dialog, "Expires: 600\r\n", "").code()
    }

    /// Calls: the call, or the status that refuses it.
    pub fn call(&mut self, to: &str) -> Result<Dialog, u16> {
        let mut dialog = self.new_dialog(to);
        let sdp = self.sdp();
        let answer = self.request("INVITE", &mut dialog, "", &sdp);
        self.settle(dialog, &answer)
    }

    /// Calls and is refused: the status, and after how many seconds to try again.
    pub fn refused(&mut self, to: &str) -> (u16, Option<String>) {
        let mut dialog = self.new_dialog(to);
        let sdp = self.sdp();
        let answer = self.request("INVITE", &mut dialog, "", &sdp);
        (answer.code(), answer.headers.get(&Name::RetryAfter).map(|value| value.as_str().to_owned()))
    }

    /// Sends an INVITE and leaves it at that; [`Phone::settled`] has the answer.
    pub fn begin_call(&mut self, to: &str) -> Dialog {
        let dialog = self.new_dialog(to);
        let head = self.head("INVITE", &dialog.target, &dialog);
        self.send(&head, &self.sdp());
        dialog
    }

    /// The outcome of a call that was begun.
    pub fn settled(&mut self, dialog: Dialog) -> Result<Dialog, u16> {
        let answer = self.response(&dialog, "INVITE");
        self.settle(dialog, &answer)
    }

    fn settle(&mut self, mut dialog: Dialog, answer: &Response) -> Result<Dialog, u16> {
        if !answer.is_success() {
            return Err(answer.code());
        }
        dialog.remote = answer.headers.get(&Name::To).unwrap().as_str().to_owned();
        dialog.target = answer.headers.contacts().unwrap().list()[0].uri.to_string();
        dialog.media = media(&answer.body);
        let ack = self.head("ACK", &dialog.target.clone(), &dialog);
        self.send(&ack, "");
        Ok(dialog)
    }

    /// Hangs up: the status of the answer.
    pub fn hang_up(&mut self, dialog: &mut Dialog) -> u16 {
        dialog.cseq += 1;
        self.request("BYE", dialog, "", "").code()
    }

    /// Says within the call that nothing changes: the status of the answer.
    pub fn refresh(&mut self, dialog: &mut Dialog) -> u16 {
        dialog.cseq += 1;
        let sdp = self.sdp();
        self.request("INVITE", dialog, "", &sdp).code()
    }

    /// Waits for a request.
    pub fn asked(&self, method: &str) -> Request {
        self.receive(method, |message| match message {
            Message::Request(request) if request.method.as_str() == method => Some(request),
            _ => None,
        })
    }

    /// Answers a request without more.
    pub fn reply(&self, request: &Request, status: u16) {
        let answer = Response::to(request, status).with_to_tag("callee");
        self.socket.send_to(&answer.to_bytes(), self.gateway).unwrap();
    }

    /// Answers a call; returns once the answer is acknowledged.
    pub fn pick_up(&mut self, invite: &Request) -> Dialog {
        let answer = Response::to(invite, 200).with_to_tag("callee");
        let contact = format!("<sip:{}@{}>", self.user, self.address());
        let header = patchcord::sip::message::Header::new(Name::Contact, contact);
        let answer = answer.with(header).with_body("application/sdp", self.sdp());
        self.socket.send_to(&answer.to_bytes(), self.gateway).unwrap();
        self.asked("ACK");
        let text = |name: &Name| answer.headers.get(name).unwrap().as_str().to_owned();
        Dialog {
            call_id: text(&Name::CallId),
            local: text(&Name::To),
            remote: text(&Name::From),
            target: invite.headers.contacts().unwrap().list()[0].uri.to_string(),
            cseq: 1,
            media: media(&invite.body),
        }
    }

    /// Says something: a packet of speech.
    pub fn say(&mut self, dialog: &Dialog) {
        self.say_this(dialog, &[0xd5; SAMPLES]);
    }

    /// Says this.
    pub fn say_this(&mut self, dialog: &Dialog, speech: &[u8; SAMPLES]) {
        let number = self.next();
        let mut packet = vec![0x80, 8];
        packet.extend((number as u16).to_be_bytes());
        packet.extend((number * SAMPLES as u32).to_be_bytes());
        packet.extend(0x1234_5678u32.to_be_bytes());
        packet.extend(speech);
        self.rtp.send_to(&packet, dialog.media).unwrap();
    }

    /// Whether something is heard within a packet's time.
    pub fn hears(&self) -> bool {
        self.rtp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut buffer = [0; 2048];
        match self.rtp.recv(&mut buffer) {
            Ok(length) => buffer[..length].starts_with(&[0x80]) && length == 12 + SAMPLES,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Talks until as many packets have come back, or over from elsewhere.
    pub fn talk(&mut self, dialog: &Dialog, packets: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = 0;
        while heard < packets {
            assert!(Instant::now() < deadline, "{} hears nothing", self.user);
            self.say(dialog);
            heard += usize::from(self.hears());
        }
    }
}

/// Where a description wants its audio.
fn media(sdp: &[u8]) -> SocketAddr {
    let sdp = String::from_utf8_lossy(sdp);
    let field = |start: &str| sdp.lines().find_map(|line| line.strip_prefix(start)).expect("a description");
    let port = field("m=audio ").split(' ').next().unwrap();
    format!("{}:{port}", field("c=IN IP4 ")).parse().unwrap()
}
