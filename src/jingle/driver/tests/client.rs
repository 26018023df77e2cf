//! A client's login and its stream, against a server that is written out here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};

use super::*;
use crate::model::Address;

const HEADER: &str = "<?xml version='1.0'?><stream:stream from='a.lit' xmlns:stream='http://etherx.jabber.org/streams' \
                      version='1.0' id='s' xmlns='jabber:client'>";
const MECHANISMS: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
                          <mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>";
const MANAGED: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
                       <sm xmlns='urn:xmpp:sm:3'/></stream:features>";

fn account() -> Login {
    Login::Client {
        jid: "gate@a.lit".parse().unwrap(),
        password: Secret::new("pencil"),
        inbound: Address::here("front-desk"),
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let rest = &text[text.find(begin).unwrap() + begin.len()..];
    &rest[..rest.find(end).unwrap()]
}

fn decoded(text: &str) -> String {
    String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
}

impl Server {
    /// Takes the proof in (RFC 5802 §3), and shows its own, which it makes with this password.
    async fn challenge(&mut self, password: &[u8]) {
        self.hear("version='1.0'>").await;
        self.say(HEADER).await;
        self.say(MECHANISMS).await;
        let auth = self.hear("</auth>").await;
        assert!(auth.contains("mechanism='SCRAM-SHA-1'"), "{auth}");
        let first = decoded(between(&auth, "'>", "</auth>"));
        let bare = first.strip_prefix("n,,").unwrap();
        let nonce = bare.strip_prefix("n=gate,r=").unwrap();
        let challenge = format!("r={nonce}srv,s={},i=1", BASE64.encode("salt"));
        let wire = BASE64.encode(&challenge);
        self.say(&format!("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{wire}</challenge>")).await;
        let response = self.hear("</response>").await;
        let last = decoded(between(&response, "'>", "</response>"));
        let (without_proof, proof) = last.rsplit_once(",p=").unwrap();
        let whole = format!("{bare},{challenge},{without_proof}");
        // PBKDF2 with one round (RFC 8018 §5.2).
        let salted = hmac(password, b"salt\x00\x00\x00\x01");
        if password == b"pencil" {
            let client_key = hmac(&salted, b"Client Key");
            let signature = hmac(&Sha1::digest(&client_key), whole.as_bytes());
            let expected: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
            assert_eq!(BASE64.decode(proof).unwrap(), expected);
        }
        let signature = hmac(&hmac(&salted, b"Server Key"), whole.as_bytes());
        let success = BASE64.encode(format!("v={}", BASE64.encode(signature)));
        self.say(&format!("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{success}</success>")).await;
    }

    async fn log_in(&mut self) {
        self.challenge(b"pencil").await;
        self.hear("version='1.0'>").await;
        self.say(HEADER).await;
        self.say(MANAGED).await;
    }

    async fn bind(&mut self) {
        self.log_in().await;
        let bind = self.hear("</iq>").await;
        assert!(bind.contains(">patchcord</resource>"), "{bind}");
        self.say("<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>").await;
        self.say("<jid>gate@a.lit/patchcord</jid></bind></iq>").await;
        self.hear("<enable").await;
        self.say("<enabled xmlns='urn:xmpp:sm:3' id='old' resume='true' max='60'/>").await;
    }
}

impl Bench {
    fn say(&self, number: usize) {
        let mut mint = crate::base::LegMint::said(AdapterId(3));
        let leg = (0..number).map(|_| mint.mint()).last().unwrap();
        self.handle.say(leg, Signal::Hangup(crate::model::Hangup::new(Cause::Normal))).unwrap();
    }
}

#[tokio::test]
async fn a_client_shows_that_it_knows_the_password_and_gets_its_resource() {
    let mut bench = Bench::with(account(), quick()).await;
    let mut server = bench.accept().await;
    server.bind().await;
    bench.expect("up 0 gate@a.lit/patchcord false").await;
    server.say("<message id='a'/>").await;
    bench.expect("message a").await;
}

#[tokio::test]
async fn a_server_that_does_not_know_the_password_is_no_server_of_ours() {
    let bench = Bench::with(account(), quick()).await;
    let mut server = bench.accept().await;
    server.challenge(b"guessed").await;
    assert_eq!(server.rest().await, "");
    assert_eq!(bench.handle.connections(), [("office".to_owned(), false)]);
}

#[tokio::test]
async fn a_stream_whose_connection_breaks_goes_on_as_if_nothing_had_been() {
    let mut bench = Bench::with(account(), quick()).await;
    let mut server = bench.accept().await;
    server.bind().await;
    bench.expect("up 0 gate@a.lit/patchcord false").await;
    server.say("<message id='a'/><message id='b'/>").await;
    bench.expect("message a").await;
    bench.expect("message b").await;
    bench.say(1);
    bench.expect("say out3.1").await;
    server.hear("out3.1").await;
    server.say("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
    server.say("<message id='c'/>").await;
    bench.expect("message c").await;
    bench.say(2);
    bench.expect("say out3.2").await;
    server.hear("out3.2").await;
    drop(server);
    // What is said meanwhile waits for the stream.
    bench.say(3);
    bench.expect("say out3.3").await;

    let mut server = bench.accept().await;
    server.log_in().await;
    let resume = server.hear("</resume>").await;
    assert!(resume.contains("previd='old'") && resume.contains("h='3'"), "{resume}");
    server.say("<resumed xmlns='urn:xmpp:sm:3' previd='old' h='1'/>").await;
    bench.expect("up 0 gate@a.lit/patchcord true").await;
    let again = server.hear("out3.3").await;
    assert!(again.contains("out3.2") && !again.contains("out3.1"), "{again}");
}

#[tokio::test]
async fn a_stream_that_the_server_has_forgotten_is_lost_and_another_one_begins() {
    let mut bench = Bench::with(account(), quick()).await;
    let mut server = bench.accept().await;
    server.bind().await;
    bench.expect("up 0 gate@a.lit/patchcord false").await;
    drop(server);

    let mut server = bench.accept().await;
    server.log_in().await;
    server.hear("<resume").await;
    server
        .say("<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
        .await;
    server.hear("</iq>").await;
    server.say("<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>").await;
    server.say("<jid>gate@a.lit/other</jid></bind></iq><failed xmlns='urn:xmpp:sm:3'/>").await;
    bench.expect("down 0").await;
    bench.expect("up 0 gate@a.lit/other false").await;
}

#[tokio::test]
async fn a_stream_is_not_held_for_longer_than_the_server_holds_it() {
    let mut bench = Bench::with(
        account(),
        Pace { first_wait: Duration::from_secs(90), most_wait: Duration::from_secs(90), ..quick() },
    )
    .await;
    let mut server = bench.accept().await;
    server.bind().await;
    bench.expect("up 0 gate@a.lit/patchcord false").await;
    drop(server);
    bench.expect("down 0").await;
}

#[tokio::test]
async fn who_has_signed_in_elsewhere_is_not_thrown_out_again_and_again() {
    let mut bench = Bench::with(account(), quick()).await;
    let mut server = bench.accept().await;
    server.bind().await;
    bench.expect("up 0 gate@a.lit/patchcord false").await;
    server
        .say("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
        .await;
    bench.expect("down 0").await;
    let lost = Instant::now();
    bench.accept().await;
    assert!(lost.elapsed() >= Duration::from_millis(380), "{:?}", lost.elapsed());
}
