#![allow(clippy::unwrap_used, clippy::expect_used)]

mod keep_alive;
mod newcomers;
mod secure;
mod websocket;

use std::collections::VecDeque;
use std::future::Future;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use std::net::SocketAddr;

use super::*;
use crate::base::Allowance;
use crate::model::Binding;
use crate::sip::endpoint::{Output, ResolveId};
use crate::sip::message::{Method, Request, Response};

/// Answers every request with 200 on its flow, but passes a MESSAGE on to the address in its Request-URI, by the
/// transport that stands there or by TCP; says what happens.
struct Mirror {
    listen: Vec<Listen>,
    outputs: VecDeque<Output>,
    seen: mpsc::Sender<String>,
}

impl Mirror {
    fn see(&self, what: String) {
        self.seen.try_send(what).unwrap();
    }
}

impl Core for Mirror {
    fn set_directory(&mut self, directory: Arc<Directory>) {
        self.see(format!("{} users", directory.users.len()));
    }

    fn handle_message(&mut self, _: Instant, flow: Flow, message: Result<Message, Malformed>) {
        let message = match message {
            Ok(message) => message,
            Err(wrong) => {
                let bytes = wrong.answer().map(|answer| answer.to_bytes());
                self.outputs.extend(bytes.map(|bytes| Output::Transmit { flow, bytes }));
                return;
            }
        };
        match message {
            Message::Request(request) if request.method == rsip::Method::Message => {
                let uri = request.uri.sip().unwrap();
                let remote = SocketAddr::new(uri.host.ip().unwrap(), uri.port.unwrap());
                let transport = uri.transport().and_then(Transport::by_word).unwrap_or(Transport::Tcp);
                let local = self.listen.iter().find(|l| l.transport == transport).unwrap().address;
                let flow = Flow { transport, local, remote };
                self.outputs.push_back(Output::Transmit { flow, bytes: request.to_bytes() });
            }
            Message::Request(mut request) => {
                self.see(format!("{} {}", request.method, request.body.len()));
                request.stamp_source(flow.remote);
                self.outputs.push_back(Output::Transmit { flow, bytes: Response::to(&request, 200).to_bytes() });
            }
            Message::Response(response) => self.see(response.code().to_string()),
        }
    }

    fn turn_away(&mut self, flow: Flow, mut request: Request) {
        request.stamp_source(flow.remote);
        self.outputs.push_back(Output::Transmit { flow, bytes: Response::to(&request, 503).to_bytes() });
    }

    fn handle_closed(&mut self, _: Instant, flow: Flow, _: Option<&'static str>) {
        self.see(format!("closed {}", flow.remote));
    }

    fn handle_pong(&mut self, _: Instant, flow: Flow) {
        self.see(format!("pong {}", flow.remote));
    }

    fn handle_stun(&mut self, _: Instant, _: Flow, response: &crate::stun::Message<'_>) {
        self.see(format!("seen at {}", crate::stun::mapped_address(response).unwrap()));
    }

    fn handle_client(&mut self, _: Flow, client: IpAddr) {
        self.see(format!("client {client}"));
    }

    fn handle_unreachable(&mut self, _: Instant, flow: Flow) {
        self.see(format!("unreachable {}", flow.remote));
    }

    fn handle_resolved(&mut self, _: Instant, id: ResolveId, located: Located) {
        self.see(format!("resolved {id:?} {:?}", located.addresses()));
    }

    fn handle_overflow(&mut self, _: Instant, leg: LegId) {
        self.see(format!("overflow {leg}"));
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn say(&mut self, _: Instant, leg: LegId, signal: Signal) {
        self.outputs.push_back(Output::Signal { leg, signal });
    }

    fn send_text(&mut self, _: Instant, text: crate::model::Text) {
        self.outputs.push_back(Output::Delivered(text.id, Ok(())));
    }

    fn text_delivered(&mut self, _: Instant, id: TextId, result: Result<(), Undelivered>) {
        self.see(format!("text {} {}", id.number, result.is_ok()));
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// A switchboard that is always too busy, and may have an allowance of new calls.
#[derive(Default)]
struct Busy(Option<Allowance>);

impl Busy {
    fn within(a_second: u32) -> Busy {
        Busy(Some(Allowance::new(a_second, Instant::now())))
    }
}

impl Switchboard for Busy {
    fn hear(&self, _: LegId, _: Signal) -> Result<(), Overflow> {
        Err(Overflow)
    }

    fn admits(&self, now: Instant) -> bool {
        self.0.as_ref().is_none_or(|allowance| allowance.take(now))
    }

    fn bind(&self, _: Binding) {}

    fn unbind(&self, _: &Binding) {}
}

struct Bench {
    running: Running,
    directory: Arc<ArcSwap<Directory>>,
    seen: mpsc::Receiver<String>,
}

impl Bench {
    fn start(host: &str, limits: Limits, outputs: Vec<Output>) -> Bench {
        let listen = ["udp", "tcp"].map(|t| format!("{t}:{host}:0").parse().unwrap()).to_vec();
        Bench::with(Config { listen, ..Config::default() }, limits, outputs)
    }

    fn with(config: Config, limits: Limits, outputs: Vec<Output>) -> Bench {
        Bench::at(config, limits, outputs, Busy::default())
    }

    fn at(config: Config, limits: Limits, outputs: Vec<Output>, switchboard: Busy) -> Bench {
        let (seen, log) = mpsc::channel(64);
        let directory = Arc::new(ArcSwap::from_pointee(Directory::default()));
        let core = |config: Config, _| Mirror { listen: config.listen, outputs: outputs.into(), seen };
        let running =
            start_core(config, limits, Arc::clone(&directory), Arc::new(switchboard), Dice::for_test(3), core).unwrap();
        Bench { running, directory, seen: log }
    }

    fn address(&self, transport: Transport) -> SocketAddr {
        self.running.listen.iter().find(|l| l.transport == transport).unwrap().address
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address(Transport::Tcp)).await.unwrap()
    }

    async fn seen(&mut self) -> String {
        self.seen.recv().await.unwrap()
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(120), test).await.expect("the test hangs");
    });
}

fn request(method: &str, uri: &str, body: &str) -> Vec<u8> {
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1;rport\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\n\
         Call-ID: 1\r\nCSeq: 1 {method}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    text.into_bytes()
}

fn options(body: &str) -> Vec<u8> {
    request("OPTIONS", "sip:h", body)
}

/// The next status on a stream.
async fn status(stream: &mut (impl AsyncReadExt + Unpin)) -> u16 {
    let (mut framer, mut byte) = (crate::sip::message::Framer::default(), [0]);
    loop {
        if let Ok(Some(crate::sip::message::Frame::Message(Message::Response(response)))) = framer.poll() {
            return response.code();
        }
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1, "the stream ended");
        framer.push(&byte);
    }
}

async fn is_closed(stream: &mut (impl AsyncReadExt + Unpin)) -> bool {
    let mut rest = Vec::new();
    // A reset is an end as well.
    stream.read_to_end(&mut rest).await.is_err() || rest.is_empty()
}

#[test]
fn a_datagram_is_answered_from_the_socket_it_came_to_also_by_ipv6() {
    run(async {
        for host in ["127.0.0.1", "[::1]"] {
            let bench = Bench::start(host, Limits::default(), Vec::new());
            let phone = UdpSocket::bind(format!("{host}:0")).await.unwrap();
            phone.connect(bench.address(Transport::Udp)).await.unwrap();
            for noise in [&b""[..], b"\r\n\r\n", b"\0\0\0\0", b"noise", &[0xff; 60_000]] {
                phone.send(noise).await.unwrap();
            }
            phone.send(&options("")).await.unwrap();
            let mut buffer = [0; 2048];
            let length = phone.recv(&mut buffer).await.unwrap();
            let answer = String::from_utf8_lossy(&buffer[..length]);
            assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{answer}");
            assert!(answer.contains(&format!(";rport={}", phone.local_addr().unwrap().port())), "{answer}");
        }
    });
}

#[test]
fn a_stream_is_read_in_pieces_of_one_octet_and_with_two_messages_at_once() {
    run(async {
        let mut bench = Bench::start("127.0.0.1", Limits::default(), Vec::new());
        let mut phone = bench.connect().await;
        phone.set_nodelay(true).unwrap();
        for octet in options("slow") {
            phone.write_all(&[octet]).await.unwrap();
        }
        assert_eq!((status(&mut phone).await, bench.seen().await), (200, "OPTIONS 4".into()));
        phone.write_all(&[options("first"), options("second")].concat()).await.unwrap();
        assert_eq!([status(&mut phone).await, status(&mut phone).await], [200, 200]);
        assert_eq!([bench.seen().await, bench.seen().await], ["OPTIONS 5", "OPTIONS 6"]);
    });
}

#[test]
fn a_keep_alive_is_answered() {
    run(async {
        let bench = Bench::start("127.0.0.1", Limits::default(), Vec::new());
        let mut phone = bench.connect().await;
        phone.write_all(b"\r\n\r\n").await.unwrap();
        let mut pong = [0; 2];
        phone.read_exact(&mut pong).await.unwrap();
        assert_eq!(&pong, b"\r\n");
    });
}

#[test]
fn a_stream_that_lost_its_frame_is_answered_and_closed() {
    run(async {
        let bench = Bench::start("127.0.0.1", Limits::default(), Vec::new());
        let mut phone = bench.connect().await;
        let bad = String::from_utf8(options("")).unwrap().replace("Content-Length: 0", "Content-Length: -1");
        phone.write_all(bad.as_bytes()).await.unwrap();
        assert_eq!(status(&mut phone).await, 400);
        assert!(is_closed(&mut phone).await);
    });
}

#[test]
fn a_message_that_is_wrong_and_yet_framed_leaves_the_stream_open() {
    run(async {
        let bench = Bench::start("127.0.0.1", Limits::default(), Vec::new());
        let mut phone = bench.connect().await;
        let bad = String::from_utf8(options("")).unwrap().replace("sip:h SIP/2.0", "sip:h SIP/3.0");
        phone.write_all(&[bad.as_bytes(), &options("")].concat()).await.unwrap();
        assert_eq!([status(&mut phone).await, status(&mut phone).await], [505, 200]);
    });
}

#[test]
fn a_peer_that_never_finishes_a_message_and_one_that_says_nothing_are_let_go() {
    run(async {
        let brief = Duration::from_millis(50);
        let limits = Limits { message: brief, ..Limits::default() };
        let bench = Bench::start("127.0.0.1", limits, Vec::new());
        let mut phone = bench.connect().await;
        phone.write_all(b"OPTIONS sip:h SIP/2.0\r\n").await.unwrap();
        assert!(is_closed(&mut phone).await);
        let mut other = bench.connect().await;
        let half = options("body");
        other.write_all(&half[..half.len() - 2]).await.unwrap();
        assert!(is_closed(&mut other).await);

        let limits = Limits { first: brief, ..Limits::default() };
        let bench = Bench::start("127.0.0.1", limits, Vec::new());
        assert!(is_closed(&mut bench.connect().await).await);

        let limits = Limits { idle: brief, ..Limits::default() };
        let bench = Bench::start("127.0.0.1", limits, Vec::new());
        let mut phone = bench.connect().await;
        phone.write_all(&options("")).await.unwrap();
        assert_eq!(status(&mut phone).await, 200);
        assert!(is_closed(&mut phone).await);
    });
}

#[test]
fn a_phone_is_told_where_it_is_seen() {
    run(async {
        let bench = Bench::start("127.0.0.1", Limits::default(), Vec::new());
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        phone.connect(bench.address(Transport::Udp)).await.unwrap();
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"transaction!"].concat();
        phone.send(&request).await.unwrap();
        let mut buffer = [0; 64];
        let length = phone.recv(&mut buffer).await.unwrap();
        let expected = crate::stun::seen_at(&request, phone.local_addr().unwrap()).unwrap();
        assert_eq!(&buffer[..length], expected);
    });
}

#[test]
fn an_address_has_only_so_many_connections_and_gets_them_back() {
    run(async {
        let limits = Limits { connections_per_peer: 2, ..Limits::default() };
        let mut bench = Bench::start("127.0.0.1", limits, Vec::new());
        let (mut one, mut two) = (bench.connect().await, bench.connect().await);
        for phone in [&mut one, &mut two] {
            phone.write_all(&options("")).await.unwrap();
            assert_eq!((status(phone).await, bench.seen().await), (200, "OPTIONS 0".into()));
        }
        assert!(is_closed(&mut bench.connect().await).await);
        drop(one);
        assert!(bench.seen().await.starts_with("closed 127.0.0.1:"));
        let mut again = bench.connect().await;
        again.write_all(&options("")).await.unwrap();
        assert_eq!(status(&mut again).await, 200);
    });
}

#[test]
fn a_connection_is_opened_when_it_is_needed_and_used_again() {
    run(async {
        let mut bench = Bench::start("127.0.0.1", Limits::default(), Vec::new());
        let trunk = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("sip:{}", trunk.local_addr().unwrap());
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for body in ["one", "two"] {
            phone.send_to(&request("MESSAGE", &uri, body), bench.address(Transport::Udp)).await.unwrap();
        }
        let (mut stream, _) = trunk.accept().await.unwrap();
        let mut framer = crate::sip::message::Framer::default();
        let mut bodies = Vec::new();
        while bodies.len() < 2 {
            let mut buffer = [0; 2048];
            let length = stream.read(&mut buffer).await.unwrap();
            framer.push(&buffer[..length]);
            while let Ok(Some(crate::sip::message::Frame::Message(message))) = framer.poll() {
                bodies.push(String::from_utf8_lossy(message.body()).into_owned());
            }
        }
        assert_eq!(bodies, ["one", "two"]);
        let answer = Response::to(&Request::new(Method::INFO, crate::sip::message::SipUri::new("h")), 200);
        let answer = ["Via: SIP/2.0/TCP h", "From: <sip:a>", "To: <sip:a>", "Call-ID: 1", "CSeq: 1 MESSAGE"]
            .iter()
            .map(|line| line.split_once(": ").unwrap())
            .fold(answer, |answer, (name, value)| answer.with(crate::sip::message::Header::new(name, value)));
        stream.write_all(&answer.to_bytes()).await.unwrap();
        assert_eq!(bench.seen().await, "200");
        drop(stream);
        assert!(bench.seen().await.starts_with("closed"));
    });
}

#[test]
fn a_connection_that_cannot_be_had_is_told() {
    run(async {
        let mut bench = Bench::start("127.0.0.1", Limits::default(), Vec::new());
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let message = request("MESSAGE", &format!("sip:{nobody}"), "");
        phone.send_to(&message, bench.address(Transport::Udp)).await.unwrap();
        assert_eq!(bench.seen().await, format!("closed {nobody}"));
    });
}

#[test]
fn names_are_looked_up_beside_the_traffic_and_a_signal_too_many_is_told() {
    run(async {
        let ask = |id, host: &str, port| {
            let wish = Wish { host: host.into(), port, transport: Some(Transport::Udp), secure: false };
            Output::Resolve { id: ResolveId::Trunk(id), wish }
        };
        let asked = vec![ask(1, "localhost", Some(7)), ask(2, "localhost", None), ask(3, "192.0.2.1", Some(9))];
        let mut bench = Bench::start("127.0.0.1", Limits::default(), asked);
        assert_eq!(bench.seen().await, "resolved Trunk(3) [192.0.2.1:9]");
        let (first, second) = (bench.seen().await, bench.seen().await);
        assert!(first.starts_with("resolved Trunk(1) [") && first.contains(":7"), "{first}");
        assert!(second.starts_with("resolved Trunk(2) [") && second.contains(":5060"), "{second}");
        let leg = crate::base::LegMint::said(crate::base::AdapterId(1)).mint();
        bench.running.handle.say(leg, Signal::Lost).unwrap();
        assert_eq!(bench.seen().await, "overflow out1.1");
    });
}

#[test]
fn stopping_sends_what_is_still_to_be_sent_and_ends_the_task() {
    run(async {
        let mut bench = Bench::start("127.0.0.1", Limits::default(), Vec::new());
        let mut phone = bench.connect().await;
        phone.write_all(&options("")).await.unwrap();
        assert_eq!(bench.seen().await, "OPTIONS 0");
        bench.running.handle.stop().await;
        assert_eq!(status(&mut phone).await, 200);
        assert!(is_closed(&mut phone).await);
        bench.running.task.await.unwrap();
    });
}

#[test]
fn a_socket_that_cannot_be_had_is_named() {
    run(async {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = vec![Listen { transport: Transport::Tcp, address: taken.local_addr().unwrap() }];
        let config = Config { listen, ..Config::default() };
        let directory = Arc::new(ArcSwap::from_pointee(Directory::default()));
        let (seen, _log) = mpsc::channel(1);
        let core = |_, _| Mirror { listen: Vec::new(), outputs: VecDeque::new(), seen };
        let error =
            start_core(config, Limits::default(), directory, Arc::new(Busy::default()), Dice::for_test(3), core);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(&format!("SIP cannot listen on tcp:{}: ", taken.local_addr().unwrap())), "{error}");
    });
}

#[test]
fn another_directory_is_handed_on_once() {
    run(async {
        let mut bench = Bench::start("127.0.0.1", Limits::default(), Vec::new());
        let user =
            crate::model::User { password: crate::base::Secret::new("x"), display: None, number: None, jid: None };
        bench.directory.store(Arc::new(Directory { users: [("alice".to_owned(), user)].into() }));
        let mut phone = bench.connect().await;
        phone.write_all(&[options(""), options("")].concat()).await.unwrap();
        assert_eq!([bench.seen().await, bench.seen().await, bench.seen().await], ["1 users", "OPTIONS 0", "OPTIONS 0"]);
    });
}

#[test]
fn a_phone_that_is_reached_over_ipv6_is_offered_media_there() {
    let (orders, _said) = mpsc::channel(1);
    let ipv6_trunks = families::ByIpv6::default();
    ipv6_trunks.store(Arc::new(["six".to_owned()].into()));
    let handle = SipHandle {
        orders,
        ipv6_trunks,
        policies: Arc::new(Policies::of(&Config::default())),
        certificates: None,
        prover: Arc::new(Prover::new(&Config::default())),
        newcomers: Arc::default(),
    };
    let device = |flow: &str| Contact(format!("{flow} sip:phone@example.org"));
    let offered = |contact: Option<&Contact>, trunk| handle.abilities_towards(contact, trunk).offers.ipv6;
    assert!(offered(Some(&device("udp:[::1]:5060-[2001:db8::7]:5062")), None));
    assert!(!offered(Some(&device("udp:127.0.0.1:5060-192.0.2.7:5062")), None));
    assert!(offered(None, Some("six")) && !offered(None, Some("four")));
}

#[test]
fn a_message_that_the_switch_is_too_busy_for_is_answered_so() {
    let text = crate::model::Text {
        id: TextId { adapter: AdapterId(1), number: 7 },
        entry: crate::model::Entry::Open,
        from: crate::model::Party::new(crate::model::Address::here("alice")),
        to: crate::model::Address::here("bob"),
        contact: None,
        trunk: None,
        body: "Art thou there?".into(),
    };
    run(async {
        let mut bench = Bench::start("127.0.0.1", Limits::default(), vec![Output::Text(Box::new(text.clone()))]);
        assert_eq!(bench.seen().await, "text 7 false");
        bench.running.handle.delivered(text.id, Ok(()));
        assert_eq!(bench.seen().await, "text 7 true");
    });
    // Nobody takes anything out of this queue.
    let (orders, _said) = mpsc::channel(1);
    let handle = SipHandle {
        orders,
        ipv6_trunks: Arc::default(),
        policies: Arc::new(Policies::of(&Config::default())),
        certificates: None,
        prover: Arc::new(Prover::new(&Config::default())),
        newcomers: Arc::default(),
    };
    let text = || crate::model::Text { ..text.clone() };
    assert_eq!((handle.deliver(text()), handle.deliver(text())), (Ok(()), Err(Overflow)));
}

#[test]
fn the_media_of_each_trunk_go_by_its_own_policy_and_everybody_elses_by_that_of_telephones() {
    let trunk = |change: &dyn Fn(&mut Trunk)| {
        let mut trunk = Trunk::at("192.0.2.7".parse().unwrap());
        change(&mut trunk);
        trunk
    };
    let trunks = [
        ("old".to_owned(), trunk(&|t| t.dtmf = KeyPolicy::Info)),
        ("safe".to_owned(), trunk(&|t| t.srtp = SrtpPolicy::Required)),
        ("seen".to_owned(), trunk(&|t| (t.video, t.keep_sending) = (true, false))),
    ];
    let config = Config { trunks: trunks.into(), dtmf: KeyPolicy::Inband, ..Config::default() };
    let policies = Policies::of(&config);
    let of = |trunk| policies.apply(Some(trunk), None, false);
    assert_eq!((of("old").keys, of("safe").keys), (KeyPolicy::Info, KeyPolicy::Auto));
    assert_eq!((of("old").srtp, of("safe").srtp), (SrtpPolicy::Optional, SrtpPolicy::Required));
    assert_eq!((of("old").video, of("seen").video), (false, true));
    assert_eq!((of("old").keeps_sending, of("seen").keeps_sending), (true, false));
    assert_eq!(policies.apply(None, None, false).keys, KeyPolicy::Inband);
}
