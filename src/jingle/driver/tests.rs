#![allow(clippy::unwrap_used, clippy::expect_used)]

mod client;
mod names;
mod tls;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::base::Secret;
use crate::jingle::config::{Connection, Login, Security};
use crate::jingle::endpoint::{Input, Output};
use crate::model::{Binding, Cause};

const SOON: Duration = Duration::from_secs(30);

/// Says what it hears; sends a stanza back for each that comes, as many as its `echo` says.
struct Mirror {
    seen: mpsc::Sender<String>,
    outputs: VecDeque<Output>,
    up: Option<ConnectionId>,
}

impl Core for Mirror {
    fn handle(&mut self, _: Instant, input: Input) {
        let what = match input {
            Input::Up { connection, jid, resumed } => {
                self.up = Some(connection);
                format!("up {} {jid} {resumed}", connection.0)
            }
            Input::Down { connection } => {
                self.up = None;
                format!("down {}", connection.0)
            }
            Input::Stanza { connection, stanza } => {
                let mut copies = stanza.attr("copies").and_then(|n| n.parse().ok()).unwrap_or(0);
                while copies > 0 && self.up.is_some() {
                    let stanza = big_message();
                    self.outputs.push_back(Output::Send { connection, stanza });
                    copies -= 1;
                }
                let error = stanza.get_child("error", "jabber:client").map_or("", |_| " with an error");
                format!("{} {}{error}", stanza.name(), stanza.attr("id").unwrap_or("-"))
            }
            Input::Say(leg, _) => {
                let connection = self.up.unwrap_or(ConnectionId(0));
                self.outputs.push_back(Output::Send { connection, stanza: message(&leg.to_string()) });
                format!("say {leg}")
            }
            Input::Directory(directory) => format!("{} users", directory.users.len()),
            Input::Deliver(text) => format!("deliver {}", text.body),
            Input::Delivered(_, result) => format!("delivered {}", result.is_ok()),
            Input::Overflow(leg) => format!("overflow {leg}"),
            Input::Leave => "leave".into(),
        };
        self.seen.try_send(what).unwrap();
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

fn message(id: &str) -> Element {
    format!("<message xmlns='jabber:client' id='{id}'><body>a &amp; b</body></message>").parse().unwrap()
}

fn big_message() -> Element {
    format!("<message xmlns='jabber:client'><body>{}</body></message>", "x".repeat(16 * 1024)).parse().unwrap()
}

struct Nobody;

impl Switchboard for Nobody {
    fn hear(&self, _: LegId, _: Signal) -> Result<(), Overflow> {
        Err(Overflow)
    }
    fn bind(&self, _: Binding) {}
    fn unbind(&self, _: &Binding) {}
}

/// A gateway with one component whose server is this test.
struct Bench {
    handle: XmppHandle,
    seen: mpsc::Receiver<String>,
    directory: Arc<ArcSwap<Directory>>,
    listener: TcpListener,
    _state: tempfile::TempDir,
}

fn quick() -> Pace {
    Pace {
        first_wait: Duration::from_millis(20),
        most_wait: Duration::from_millis(400),
        steady: Duration::from_secs(60),
        negotiate: Duration::from_secs(5),
        quiet: Duration::from_secs(60),
        patience: Duration::from_secs(5),
        linger: Duration::from_millis(500),
    }
}

impl Bench {
    async fn new(pace: Pace) -> Bench {
        Bench::with(Login::Component { domain: "phone.a.lit".into(), secret: Secret::new("secret") }, pace).await
    }

    async fn with(login: Login, pace: Pace) -> Bench {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = ("127.0.0.1".into(), listener.local_addr().unwrap().port());
        Bench::where_it_is(Some(server), &[], listener, login, pace)
    }

    fn where_it_is(
        server: Option<(String, u16)>,
        name_servers: &[SocketAddr],
        listener: TcpListener,
        login: Login,
        pace: Pace,
    ) -> Bench {
        let connection = Connection {
            name: "office".into(),
            login,
            server,
            security: Security::Plain,
            ca: None,
            domains: Vec::new(),
            subscribe: false,
            video: false,
        };
        let state = tempfile::tempdir().unwrap();
        let directory: Arc<ArcSwap<Directory>> = Arc::default();
        let (sender, seen) = mpsc::channel(4096);
        let config = Config { connections: vec![connection], name_servers: name_servers.to_vec() };
        let users = Arc::clone(&directory);
        let core = |_, _, _, _| Mirror { seen: sender, outputs: VecDeque::new(), up: None };
        let handle =
            start_core(config, pace, state.path().to_owned(), users, Arc::new(Nobody), Dice::for_test(1), core)
                .unwrap();
        Bench { handle, seen, directory, listener, _state: state }
    }

    async fn accept(&self) -> Server {
        let (tcp, _) = timeout(SOON, self.listener.accept()).await.unwrap().unwrap();
        Server { tcp, text: String::new() }
    }

    async fn server(&mut self) -> Server {
        let mut server = self.accept().await;
        server.let_in().await;
        self.expect("up 0 phone.a.lit false").await;
        server
    }

    async fn expect(&mut self, what: &str) {
        assert_eq!(timeout(SOON, self.seen.recv()).await.unwrap().unwrap(), what);
    }
}

/// What a server says is written out here, so that a mistake of ours in both directions cannot hide.
struct Server {
    tcp: TcpStream,
    text: String,
}

impl Server {
    async fn say(&mut self, text: &str) {
        self.tcp.write_all(text.as_bytes()).await.unwrap();
    }

    /// Waits for this on the stream, and takes it with what is before it.
    async fn hear(&mut self, text: &str) -> String {
        let read = async {
            loop {
                if let Some(at) = self.text.find(text) {
                    return self.text.drain(..at + text.len()).collect();
                }
                let mut bytes = [0; 4096];
                let read = self.tcp.read(&mut bytes).await.unwrap();
                assert!(read > 0, "the stream ends after {:?}", self.text);
                self.text += std::str::from_utf8(&bytes[..read]).unwrap();
            }
        };
        timeout(SOON, read).await.unwrap_or_else(|_| panic!("{text} does not come"))
    }

    async fn begin(&mut self) {
        let header = self.hear("version='1.0'>").await;
        assert!(header.contains(" to='phone.a.lit'"), "{header}");
        assert!(header.contains("xmlns='jabber:component:accept'"), "{header}");
        // As Prosody says it: without a version.
        self.say(
            "<?xml version='1.0'?><stream:stream from='phone.a.lit' xmlns:stream='http://etherx.jabber.org/streams' \
             xml:lang='en' id='3BF96D32' xmlns='jabber:component:accept'>",
        )
        .await;
    }

    async fn let_in(&mut self) {
        self.begin().await;
        // sha1("3BF96D32" + "secret")
        let proof = self.hear("</handshake>").await;
        assert!(proof.ends_with(">b09ea9b3b7f586be8a08d0a3dd7466f110aeb136</handshake>"), "{proof}");
        self.say("<handshake/>").await;
    }

    /// Everything until the gateway closes.
    async fn rest(&mut self) -> String {
        timeout(SOON, self.tcp.read_to_string(&mut self.text)).await.unwrap().unwrap();
        std::mem::take(&mut self.text)
    }
}

#[tokio::test]
async fn a_component_logs_in_and_stanzas_go_both_ways_in_the_namespace_of_clients() {
    let mut bench = Bench::new(quick()).await;
    let mut server = bench.server().await;
    assert_eq!(bench.handle.connections(), [("office".to_owned(), true)]);
    server.say(" \n <iq type='error' id='a1'><error type='cancel'><gone xmlns='urn:x'/></error></iq>").await;
    bench.expect("iq a1 with an error").await;

    let leg = crate::base::LegMint::said(AdapterId(3)).mint();
    bench.handle.say(leg, Signal::Hangup(crate::model::Hangup::new(Cause::Normal))).unwrap();
    bench.expect("say out3.1").await;
    let sent = server.hear("</message>").await;
    assert_eq!(sent, "<message xmlns='jabber:component:accept' id='out3.1'><body>a &amp; b</body></message>");
}

#[tokio::test]
async fn a_wrong_secret_is_tried_again_only_after_the_longest_wait() {
    let bench = Bench::new(quick()).await;
    let mut server = bench.accept().await;
    server.begin().await;
    server.hear("</handshake>").await;
    server
        .say("<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
        .await;
    let refused = Instant::now();
    bench.accept().await;
    assert!(refused.elapsed() >= Duration::from_millis(390), "{:?}", refused.elapsed());
    assert_eq!(bench.handle.connections(), [("office".to_owned(), false)]);
}

#[tokio::test]
async fn a_server_that_has_not_noticed_the_end_of_the_stream_before_is_tried_again_soon() {
    let pace = Pace { most_wait: Duration::from_secs(60), ..quick() };
    let mut bench = Bench::new(pace).await;
    let mut server = bench.accept().await;
    server.begin().await;
    server.hear("</handshake>").await;
    server
        .say("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
        .await;
    bench.server().await;
}

#[tokio::test]
async fn a_lost_stream_is_dialled_again() {
    let mut bench = Bench::new(quick()).await;
    drop(bench.server().await);
    bench.expect("down 0").await;
    assert_eq!(bench.handle.connections(), [("office".to_owned(), false)]);
    let mut server = bench.server().await;
    server.say("</stream:stream>").await;
    bench.expect("down 0").await;
    assert!(server.rest().await.ends_with("</stream:stream>"));
    bench.server().await;
}

#[tokio::test]
async fn stanzas_that_mean_nothing_do_not_end_the_stream() {
    let mut bench = Bench::new(quick()).await;
    let mut server = bench.server().await;
    server.say("<message type='bogus' id='a'/><presence id='b'><show>bogus</show></presence>").await;
    server.say("<iq id='c'/><unheard-of xmlns='urn:x'/><message id='d' x='").await;
    server.say(&format!("{}'/>", "y".repeat(100_000))).await;
    for seen in ["message a", "presence b", "iq c", "message d"] {
        bench.expect(seen).await;
    }
}

#[tokio::test]
async fn a_stanza_beyond_the_limits_is_dropped_and_the_next_one_is_heard() {
    let mut bench = Bench::new(quick()).await;
    let mut server = bench.server().await;
    server.say(&format!("<message id='deep'>{}{}</message>", "<a>".repeat(1000), "</a>".repeat(1000))).await;
    server.say("<message id='odd'><a:b/></message><message id='after'/>").await;
    bench.expect("message after").await;
}

#[tokio::test]
async fn what_is_not_well_formed_ends_the_stream() {
    let mut bench = Bench::new(quick()).await;
    let mut server = bench.server().await;
    server.say("<message></presence>").await;
    bench.expect("down 0").await;
    bench.server().await;
}

#[tokio::test]
async fn a_server_that_does_not_read_loses_the_stream_and_nobody_waits_for_it() {
    let mut bench = Bench::new(quick()).await;
    let mut server = bench.server().await;
    // More than the queue, its bytes more than what the sockets take.
    server.say("<message id='flood' copies='5000'/>").await;
    bench.expect("message flood").await;
    bench.expect("down 0").await;
    bench.server().await;
}

#[tokio::test]
async fn a_silent_server_is_asked_for_a_sign_of_life_which_the_endpoint_never_sees() {
    let mut bench = Bench::new(Pace { quiet: Duration::from_millis(100), ..quick() }).await;
    let mut server = bench.server().await;
    for _ in 0..3 {
        let ping = server.hear("</iq>").await;
        assert!(ping.contains("from='phone.a.lit'") && ping.contains("to='phone.a.lit'"), "{ping}");
        // A server routes it back to whom it is for.
        server.say(&ping).await;
    }
    server.say("<message id='a'/>").await;
    bench.expect("message a").await;
}

#[tokio::test]
async fn a_server_that_gives_no_sign_of_life_is_given_up() {
    let pace = Pace { quiet: Duration::from_millis(50), patience: Duration::from_millis(50), ..quick() };
    let mut bench = Bench::new(pace).await;
    let _server = bench.server().await;
    bench.expect("down 0").await;
}

#[tokio::test]
async fn the_gateway_takes_leave_after_all_that_was_said() {
    let mut bench = Bench::new(quick()).await;
    let mut server = bench.server().await;
    let leg = crate::base::LegMint::said(AdapterId(3)).mint();
    bench.handle.say(leg, Signal::Hangup(crate::model::Hangup::new(Cause::Normal))).unwrap();
    let handle = bench.handle.clone();
    let stopped = tokio::spawn(async move { handle.stop().await });
    let rest = server.rest().await;
    assert!(rest.contains("id='out3.1'") && rest.ends_with("</stream:stream>"), "{rest}");
    drop(server);
    timeout(SOON, stopped).await.unwrap().unwrap();
    assert_eq!(bench.handle.say(leg, Signal::Hangup(crate::model::Hangup::new(Cause::Normal))), Err(Overflow));
}

#[tokio::test]
async fn users_that_change_are_made_known() {
    let mut bench = Bench::new(quick()).await;
    let mut server = bench.server().await;
    let user = crate::model::User { password: Secret::new("x"), display: None, number: None, jid: None };
    bench.directory.store(Arc::new(Directory { users: [("alice".to_owned(), user)].into() }));
    server.say("<message id='a'/>").await;
    bench.expect("1 users").await;
    bench.expect("message a").await;
}
