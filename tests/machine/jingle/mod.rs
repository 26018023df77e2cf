//! The endpoint of IM clients, driven by hand: stanzas and signals in, stanzas and signals out.

mod beside;
mod changes;
mod incoming;
mod lost;
mod outgoing;
mod pitfalls;
mod replay;
mod rooms;
mod scripts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use patchcord::base::{AdapterId, Dice, ExchangeId, LegId, LegMint, Secret};
use patchcord::jingle::config::{Config, Connection, ConnectionId, Login, Security};
use patchcord::jingle::endpoint::{Endpoint, Input, Kept, Output};
use patchcord::model::{
    Address, Answer, Cause, Contact, Description, Directory, Entry, Hangup, Kind, MediaPath, Offer, Party, Signal,
    Start, User,
};
use patchcord::sdp;
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

pub use crate::browser::OFFER;

pub const OURS: &str = "+15550002@phone.example.org/patchcord";
pub const PEER: &str = "romeo@montague.lit/orchard";
pub const SID: &str = "d8f1cbc4-ef56-42ab-9352-bcc7baa095b9";

/// What Dino 0.4.2 offers for audio: SDES beside DTLS, two components, no group.
pub const DINO_AUDIO: &str = "<content xmlns='urn:xmpp:jingle:1' senders='both' creator='initiator' name='audio'>\
<description media='audio' xmlns='urn:xmpp:jingle:apps:rtp:1'>\
<payload-type id='111' name='opus' channels='2' clockrate='48000'><parameter name='useinbandfec' value='1'/></payload-type>\
<payload-type name='speex' id='112' clockrate='32000'/><payload-type name='PCMU' id='0' clockrate='8000'/>\
<payload-type name='PCMA' id='8' clockrate='8000'/>\
<encryption><crypto tag='1' crypto-suite='AES_CM_128_HMAC_SHA1_80' key-params='inline:JqoNOw6t6KT0N7FLhUOdJvJhd5srPPcKaX9Y5Dql'/></encryption>\
<rtcp-mux/></description>\
<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='e09FRBtRGu2JN7Fhy9Z8pO' ufrag='JX8n'>\
<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' setup='actpass' hash='sha-256'>\
3B:03:2C:F9:6F:B0:F6:BC:71:4F:90:24:31:F0:33:FC:BE:EC:EC:77:B4:62:7C:AE:93:3A:9F:57:DF:5F:7E:28</fingerprint>\
<candidate id='b394a840' type='host' ip='10.99.0.1' component='1' protocol='udp' foundation='1' generation='0' port='44097' priority='2015363327' network='0'/>\
<candidate id='b88ad7bf' type='host' ip='10.99.0.1' component='2' protocol='udp' foundation='1' generation='0' port='41556' priority='2015363326' network='0'/>\
</transport></content>";

pub struct Rig {
    pub endpoint: Endpoint,
    pub now: Instant,
    said: LegMint,
    stanzas: Vec<Element>,
    pub signals: Vec<(LegId, Signal)>,
    next: u32,
}

fn directory() -> Arc<Directory> {
    let juliet = User {
        password: Secret::new("pencil"),
        display: Some("Juliet".into()),
        number: Some("+15550111".into()),
        jid: Some("juliet@capulet.lit".into()),
    };
    Arc::new(Directory { users: [("juliet".to_owned(), juliet)].into() })
}

fn connection(login: Login) -> Connection {
    Connection {
        name: "xmpp".into(),
        login,
        server: None,
        security: Security::Plain,
        ca: None,
        domains: Vec::new(),
        subscribe: false,
        video: false,
    }
}

impl Rig {
    /// A component whose stream is up.
    pub fn new() -> Rig {
        let login = Login::Component { domain: "phone.example.org".into(), secret: Secret::new("secret") };
        Rig::with(login, "phone.example.org")
    }

    pub fn with(login: Login, jid: &str) -> Rig {
        let config = Config { connections: vec![connection(login)], ..Config::default() };
        let endpoint = Endpoint::new(AdapterId(3), config, directory(), Kept::new(), Dice::for_test(7));
        let mut rig = Rig {
            endpoint,
            now: Instant::now(),
            said: LegMint::said(AdapterId(3)),
            stanzas: Vec::new(),
            signals: Vec::new(),
            next: 0,
        };
        rig.up(jid, false);
        rig.stanzas.clear();
        rig
    }

    pub fn up(&mut self, jid: &str, resumed: bool) {
        let jid = Jid::new(jid).unwrap();
        self.handle(Input::Up { connection: ConnectionId(0), jid, resumed });
    }

    pub fn down(&mut self) {
        self.handle(Input::Down { connection: ConnectionId(0) });
    }

    pub fn handle(&mut self, input: Input) {
        self.endpoint.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Send { stanza, .. } => self.stanzas.push(stanza),
                Output::Hear(leg, signal) => self.signals.push((leg, signal)),
                Output::Text(_) | Output::Delivered(..) | Output::Keep { .. } => {}
            }
        }
    }

    pub fn say(&mut self, leg: LegId, signal: Signal) {
        self.handle(Input::Say(leg, Box::new(signal)));
    }

    /// Time passes, and what is due is done in its time.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub fn stanza(&mut self, xml: &str) {
        let stanza: Element = xml.parse().unwrap_or_else(|e| panic!("{e}: {xml}"));
        self.handle(Input::Stanza { connection: ConnectionId(0), stanza });
    }

    /// The peer's device sends a message to our account.
    pub fn message(&mut self, inner: &str) {
        self.message_from(PEER, inner);
    }

    pub fn message_from(&mut self, from: &str, inner: &str) {
        self.message_between(from, "+15550002@phone.example.org", inner);
    }

    /// The peer's device sends a message to another account of ours.
    pub fn message_to(&mut self, to: &str, inner: &str) {
        self.message_between(PEER, to, inner);
    }

    fn message_between(&mut self, from: &str, to: &str, inner: &str) {
        self.next += 1;
        let id = self.next;
        self.stanza(&format!(
            "<message xmlns='jabber:client' from='{from}' to='{to}' type='chat' id='m{id}'>\
             {inner}<store xmlns='urn:xmpp:hints'/></message>"
        ));
    }

    /// A leg that we open.
    pub fn mint(&mut self) -> LegId {
        self.said.mint()
    }

    /// The peer's device says a word of XEP-0353.
    pub fn word(&mut self, word: &str, sid: &str) {
        self.message(&format!("<{word} xmlns='urn:xmpp:jingle-message:0' id='{sid}'/>"));
    }

    pub fn propose(&mut self, sid: &str) {
        self.message(&propose(sid, &["audio"]));
    }

    /// The peer's device sends a `<jingle/>`, and the name of the request.
    pub fn jingle(&mut self, action: &str, sid: &str, inner: &str) -> String {
        self.jingle_from(PEER, OURS, action, sid, inner)
    }

    pub fn jingle_from(&mut self, from: &str, to: &str, action: &str, sid: &str, inner: &str) -> String {
        self.next += 1;
        let id = format!("q{}", self.next);
        self.stanza(&format!(
            "<iq xmlns='jabber:client' from='{from}' to='{to}' type='set' id='{id}'>\
             <jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='{sid}'>{inner}</jingle></iq>"
        ));
        id
    }

    /// The stanzas since the last time, but presence and disco.
    pub fn sent(&mut self) -> Vec<Element> {
        let all = std::mem::take(&mut self.stanzas);
        let is_disco = |s: &Element| s.children().any(|c| c.name() == "query");
        all.into_iter().filter(|s| s.name() != "presence" && !is_disco(s)).collect()
    }

    /// The same in a few words each.
    pub fn words(&mut self) -> Vec<String> {
        self.sent().iter().map(words).collect()
    }

    /// All stanzas since the last time.
    pub fn raw(&mut self) -> Vec<Element> {
        std::mem::take(&mut self.stanzas)
    }

    pub fn presences(&mut self) -> Vec<Element> {
        let (presences, others) = std::mem::take(&mut self.stanzas).into_iter().partition(|s| s.name() == "presence");
        self.stanzas = others;
        presences
    }

    /// The signals since the last time, by name.
    pub fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.signals).iter().map(|(_, signal)| name(signal)).collect()
    }

    /// The one leg that has begun since the last time.
    pub fn started(&mut self) -> (LegId, Start) {
        let at = self.signals.iter().position(|(_, s)| matches!(s, Signal::Start(_))).expect("a Start");
        let (leg, Signal::Start(start)) = self.signals.remove(at) else { unreachable!() };
        (leg, *start)
    }

    /// The peer answers our last request that is not answered.
    pub fn answer_to(&mut self, stanza: &Element, kind: &str, inner: &str) {
        let (from, to) = (stanza.attr("to").unwrap(), stanza.attr("from").unwrap());
        let (id, name) = (stanza.attr("id").unwrap(), stanza.name());
        self.stanza(&format!(
            "<{name} xmlns='jabber:client' from='{from}' to='{to}' type='{kind}' id='{id}'>{inner}</{name}>"
        ));
    }

    /// An IM client has proposed and begun a session, and the call has its offer.
    pub fn offered(&mut self) -> LegId {
        self.propose(SID);
        let (leg, _) = self.started();
        self.say(leg, Signal::Solicit(ExchangeId::heard(1)));
        self.jingle("session-initiate", SID, DINO_AUDIO);
        assert_eq!(self.heard(), ["Offer"]);
        self.sent();
        leg
    }

    /// The same, and it is up.
    pub fn up_call(&mut self) -> LegId {
        let leg = self.offered();
        self.say(leg, Signal::Answer(answer(ExchangeId::heard(1), &["audio"])));
        self.say(leg, Signal::Accept);
        self.sent();
        leg
    }

    /// Somebody calls the IM client, or a device of it.
    pub fn dial(&mut self, contact: &str, offer: Description) -> LegId {
        let leg = self.said.mint();
        let start = Start {
            entry: Entry::Open,
            from: Party::new(Address::here("+15550002")),
            to: Address::at("romeo", "montague.lit"),
            contact: Some(Contact(contact.into())),
            trunk: None,
            offer: Some(Offer { exchange: ExchangeId::said(1), description: offer }),
            hops_left: 70,
            about: Default::default(),
        };
        self.say(leg, Signal::Start(Box::new(start)));
        leg
    }

    /// A call to the IM client that its device has accepted with one content; its leg, and the session.
    pub fn called_up(&mut self) -> (LegId, String) {
        let leg = self.dial("romeo@montague.lit", offer());
        let sid = sid_of(&self.sent()[0]);
        self.word("proceed", &sid);
        let initiate = self.sent().remove(0);
        self.answer_to(&initiate, "result", "");
        self.jingle("session-accept", &sid, &content("0", "active"));
        assert_eq!(self.heard(), ["Answer", "Accept"]);
        self.sent();
        (leg, sid)
    }
}

/// The session of a stanza.
pub fn sid_of(stanza: &Element) -> String {
    let child = stanza.children().find(|c| c.attr("sid").is_some() || c.attr("id").is_some()).unwrap();
    child.attr("sid").or(child.attr("id")).unwrap().to_owned()
}

pub fn propose(sid: &str, media: &[&str]) -> String {
    let media: String =
        media.iter().map(|m| format!("<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{m}'/>")).collect();
    format!("<propose xmlns='urn:xmpp:jingle-message:0' id='{sid}'>{media}</propose>")
}

/// A content of the peer's, of audio unless its name says video, with the credentials of that name.
pub fn content(name: &str, setup: &str) -> String {
    content_by("initiator", name, setup)
}

pub fn content_by(creator: &str, name: &str, setup: &str) -> String {
    let (media, codec) = match name.contains("video") || name == "1" {
        true => ("video", "<payload-type id='96' name='VP8' clockrate='90000'/>"),
        false => ("audio", "<payload-type id='111' name='opus' clockrate='48000' channels='2'/>"),
    };
    format!(
        "<content xmlns='urn:xmpp:jingle:1' creator='{creator}' name='{name}'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{media}'>{codec}<rtcp-mux/></description>\
         <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='ufr{name}' pwd='{PWD}'>\
         <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='{setup}'>{PRINT}</fingerprint>\
         </transport></content>"
    )
}

pub const PWD: &str = "abcdefghijklmnopqrstuvwx";
const PRINT: &str = "0D:03:2C:F9:6F:B0:F6:BC:71:4F:90:24:31:F0:33:FC:BE:EC:EC:77:B4:62:7C:AE:93:3A:9F:57:DF:5F:7E:28";

/// A transport-info's content with one candidate, or with none.
pub fn candidate(name: &str, ufrag: &str, port: Option<u16>) -> String {
    let candidate = port.map(|port| {
        format!(
            "<candidate component='1' foundation='1' generation='0' id='c{port}' ip='192.0.2.7' network='0' \
             port='{port}' priority='2130706431' protocol='udp' type='host'/>"
        )
    });
    format!(
        "<content xmlns='urn:xmpp:jingle:1' creator='initiator' name='{name}'>\
         <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='{ufrag}' pwd='{PWD}'>{}</transport></content>",
        candidate.unwrap_or_default()
    )
}

/// What a browser offers: audio, in a group of one.
pub fn offer() -> Description {
    sdp::read(OFFER).unwrap()
}

/// The same with a second slot, of video, in the group.
pub fn offer_with_video() -> Description {
    let mut offer = offer();
    let mut video = offer.streams[0].clone();
    video.kind = Kind::Video;
    video.mid = Some(patchcord::model::Mid("1".into()));
    video.codecs = vec![patchcord::model::Codec::new(96, "VP8", 90_000, 1)];
    video.msid = None;
    video.sources.clear();
    offer.groups[0].mids.push(patchcord::model::Mid("1".into()));
    offer.streams.push(video);
    offer
}

/// The answer of a browser with a stream for each name; a name that begins with `-` is refused.
pub fn answer(exchange: ExchangeId, names: &[&str]) -> Answer {
    let mut description = Description::default();
    for name in names {
        let source =
            if name.contains("video") { offer_with_video().streams.remove(1) } else { offer().streams.remove(0) };
        let mut stream = source;
        stream.mid = Some(patchcord::model::Mid(name.trim_start_matches('-').into()));
        stream.accepted = !name.starts_with('-');
        description.streams.push(stream);
    }
    Answer { exchange, description, provisional: false }
}

/// A stanza in a few words: `session-accept audio`, `result q1`, `propose audio +store`.
pub fn words(stanza: &Element) -> String {
    let kind = stanza.attr("type").unwrap_or_default();
    let child = stanza.children().find(|c| !matches!(c.name(), "store" | "request"));
    let inner: Vec<&str> = child.iter().flat_map(|c| c.children()).map(Element::name).collect();
    match (stanza.name(), kind, child) {
        ("iq", "result", _) => format!("result {}", stanza.attr("id").unwrap()),
        ("iq" | "message", "error", Some(error)) => {
            let names: Vec<&str> = error.children().map(Element::name).collect();
            format!("error {}", names.join(" "))
        }
        ("iq", "set", Some(jingle)) => {
            let mut line = jingle.attr("action").unwrap_or(jingle.name()).to_owned();
            for child in jingle.children() {
                match child.name() {
                    "content" => line += &format!(" {}", child.attr("name").unwrap()),
                    "reason" => line += &format!(" {}", child.children().next().unwrap().name()),
                    other => line += &format!(" <{other}/>"),
                }
            }
            line
        }
        ("message", _, Some(child)) => {
            let mut line = child.name().to_owned();
            if child.name() == "propose" {
                child.children().for_each(|c| line += &format!(" {}", c.attr("media").unwrap()));
            }
            if let Some(reason) = child.children().find(|c| c.name() == "reason") {
                line += &format!(" {}", reason.children().next().unwrap().name());
            }
            if inner.contains(&"tie-break") {
                line += " tie-break";
            }
            if stanza.children().any(|c| c.name() == "store") {
                line += " +store";
            }
            line
        }
        other => panic!("{other:?}"),
    }
}

pub fn name(signal: &Signal) -> String {
    match signal {
        Signal::Hangup(hangup) => format!("Hangup {}", hangup.cause),
        Signal::Progress(progress) => format!("Progress {:?}", progress.stage),
        Signal::Refuse { cause, .. } => format!("Refuse {cause}"),
        Signal::Hold(on) => format!("Hold {on}"),
        Signal::Mute(on) => format!("Mute {on}"),
        Signal::Candidates(c) => format!("Candidates {}", c.candidates.len()),
        Signal::Start(start) if start.offer.is_some() => "Start with offer".into(),
        other => format!("{other:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_owned(),
    }
}

pub fn hangup(cause: Cause) -> Signal {
    Signal::Hangup(Hangup::new(cause))
}

/// The call is told that its media are direct.
pub fn direct() -> Signal {
    Signal::Path(MediaPath::Direct)
}
