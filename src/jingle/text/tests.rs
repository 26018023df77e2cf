#![allow(clippy::unwrap_used)]

use super::*;
use crate::base::Secret;
use crate::jingle::config::Login;
use crate::jingle::stanza::{Stanza, read};
use crate::model::{Address, Contact, Entry, User};
use xmpp_parsers::minidom::Element;

const LINE: ConnectionId = ConnectionId(0);
const XMPP: AdapterId = AdapterId(4);

struct Scene {
    texts: Texts,
    home: Home,
    directory: Directory,
    now: Instant,
    out: VecDeque<Output>,
}

impl Scene {
    fn new() -> Scene {
        let login = Login::Component { domain: "phone.example.org".into(), secret: Secret::new("x") };
        Scene::of(&login, "phone.example.org")
    }

    fn of(login: &Login, jid: &str) -> Scene {
        let bob = User { password: Secret::new("x"), display: None, number: None, jid: Some("bob@m.lit".to_owned()) };
        Scene {
            texts: Texts::new(XMPP, Dice::for_test(1)),
            home: Home::new(login, Jid::new(jid).unwrap()),
            directory: Directory { users: [("Bob".to_owned(), bob)].into() },
            now: Instant::now(),
            out: VecDeque::new(),
        }
    }

    /// Hears a message; `attributes` beside the namespace.
    fn hear(&mut self, attributes: &str, inside: &str) {
        let text = format!("<message xmlns='jabber:client' {attributes}>{inside}</message>");
        let Stanza::Message(message) = read(text.parse().unwrap()) else { panic!("{text}") };
        self.texts.heard(self.now, LINE, &self.home, &message, &self.directory, &mut self.out);
    }

    fn deliver(&mut self, to: &str, body: &str) -> TextId {
        let text = text(Some(to), body);
        self.texts.deliver(self.now, LINE, &self.home, &text, &mut self.out);
        text.id
    }

    fn text(&mut self) -> Text {
        match self.out.pop_front() {
            Some(Output::Text(text)) => *text,
            other => panic!("{other:?} is no text"),
        }
    }

    fn message(&mut self) -> Message {
        match self.out.pop_front() {
            Some(Output::Send { stanza, .. }) => match read(stanza) {
                Stanza::Message(message) => message,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?} is no message"),
        }
    }

    /// The condition of the error that was sent.
    fn error(&mut self) -> DefinedCondition {
        let message = self.message();
        message.stanza_error().unwrap().condition
    }

    fn delivered(&mut self) -> Result<(), Undelivered> {
        match self.out.pop_front() {
            Some(Output::Delivered(_, result)) => result,
            other => panic!("{other:?}"),
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.texts.handle_timeout(self.now, &mut self.out);
    }
}

fn text(contact: Option<&str>, body: &str) -> Text {
    Text {
        id: TextId { adapter: AdapterId(0), number: 7 },
        entry: Entry::Open,
        from: Party::new(Address::here("+15550100")),
        to: Address::at("romeo", "m.lit"),
        contact: contact.map(|c| Contact(c.to_owned())),
        trunk: None,
        body: body.to_owned(),
    }
}

const CHAT: &str = "type='chat' id='m1' from='romeo@m.lit/orchard' to='+15550100@phone.example.org'";
const HELLO: &str = "<body>Hello &amp; good bye</body>";

#[test]
fn a_chat_message_is_a_text_from_an_account() {
    let mut scene = Scene::new();
    scene.hear(CHAT, HELLO);
    let text = scene.text();
    assert_eq!(text.from.address, Address::at("romeo", "m.lit"));
    assert_eq!(text.entry, Entry::Account("romeo@m.lit".into()));
    assert_eq!(text.to, Address::here("+15550100"));
    assert_eq!((text.body.as_str(), text.id.adapter), ("Hello & good bye", XMPP));
}

#[test]
fn an_account_that_a_user_has_writes_as_the_user_and_reaches_users_by_their_spelling() {
    let mut scene = Scene::new();
    scene.hear("id='m1' from='bob@m.lit/x' to='bob@phone.example.org'", HELLO);
    let text = scene.text();
    assert_eq!((text.entry, text.to), (Entry::User("Bob".into()), Address::here("Bob")));
}

#[test]
fn what_was_kept_offline_is_still_delivered() {
    let mut scene = Scene::new();
    scene.hear(CHAT, "<body>late</body><delay xmlns='urn:xmpp:delay' stamp='2026-11-22T07:04:41Z'/>");
    assert_eq!(scene.text().body, "late");
}

#[test]
fn a_receipt_is_given_when_the_text_was_delivered_and_only_if_asked_for() {
    let mut scene = Scene::new();
    scene.hear(CHAT, &format!("{HELLO}<request xmlns='urn:xmpp:receipts'/>"));
    let id = scene.text().id;
    assert!(scene.out.is_empty(), "not before");
    scene.texts.delivered(id, Ok(()), &mut scene.out);
    let receipt = scene.message();
    assert_eq!(receipt.received().as_deref(), Some("m1"));
    assert_eq!(receipt.from.unwrap().as_str(), "+15550100@phone.example.org/patchcord");
    scene.texts.delivered(id, Ok(()), &mut scene.out);
    scene.hear(CHAT, HELLO);
    let id = scene.text().id;
    scene.texts.delivered(id, Ok(()), &mut scene.out);
    assert!(scene.out.is_empty(), "{:?}", scene.out);
}

#[test]
fn an_undelivered_text_is_an_error_of_the_senders_message() {
    let mut scene = Scene::new();
    scene.hear(CHAT, HELLO);
    let id = scene.text().id;
    scene.texts.delivered(id, Err(Undelivered::new(Cause::Unavailable)), &mut scene.out);
    let error = scene.message();
    assert_eq!((error.kind, error.id.as_deref()), (MessageKind::Error, Some("m1")));
    assert_eq!(error.to.as_ref().unwrap().as_str(), "romeo@m.lit/orchard");
    assert_eq!(error.from.as_ref().unwrap().as_str(), "+15550100@phone.example.org");
    let said = error.stanza_error().unwrap();
    assert_eq!(said.condition, DefinedCondition::RecipientUnavailable);
    assert_eq!(said.text.as_deref(), Some(Cause::Unavailable.sentence()));
}

#[test]
fn what_is_no_message_between_two_people_is_passed_over() {
    let mut scene = Scene::new();
    scene.hear(CHAT, "<composing xmlns='http://jabber.org/protocol/chatstates'/>");
    scene.hear(CHAT, "<body> </body>");
    scene.hear("type='groupchat' from='room@m.lit/x' to='+15550100@phone.example.org'", HELLO);
    scene.hear("type='headline' from='romeo@m.lit' to='+15550100@phone.example.org'", HELLO);
    scene.hear("type='chat' from='alice@phone.example.org/x' to='+15550100@phone.example.org'", HELLO);
    scene.hear("type='error' id='m1' from='romeo@m.lit' to='+15550100@phone.example.org'", HELLO);
    assert!(scene.out.is_empty(), "{:?}", scene.out);
}

#[test]
fn a_clients_own_carbons_are_nobodys_messages() {
    let jid = BareJid::new("gateway@example.org").unwrap();
    let login = Login::Client { jid, password: Secret::new("x"), inbound: Address::here("reception") };
    let mut scene = Scene::of(&login, "gateway@example.org/abc");
    let carbon = format!(
        "<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:client' from='gateway@example.org/phone' to='romeo@m.lit'>{HELLO}</message>\
         </forwarded></sent>"
    );
    scene.hear("type='chat' from='gateway@example.org' to='gateway@example.org/abc'", &carbon);
    scene.hear("type='chat' from='gateway@example.org/phone' to='gateway@example.org'", HELLO);
    assert!(scene.out.is_empty(), "{:?}", scene.out);
    scene.hear("type='chat' from='romeo@m.lit/x' to='gateway@example.org'", HELLO);
    assert_eq!(scene.text().to, Address::here("reception"));
}

#[test]
fn messages_that_cannot_be_passed_on_are_refused_with_the_reason() {
    let mut scene = Scene::new();
    scene.hear(CHAT, &format!("<body>{}</body>", "x".repeat(LONGEST_TEXT + 1)));
    assert_eq!(scene.error(), DefinedCondition::PolicyViolation);
    scene.hear(CHAT, "<body>I sent you an OMEMO message</body><encryption xmlns='urn:xmpp:eme:0' namespace='x'/>");
    assert_eq!(scene.error(), DefinedCondition::NotAcceptable);
    scene.hear("id='1' from='romeo@m.lit/x' to='phone.example.org'", HELLO);
    assert_eq!(scene.error(), DefinedCondition::ServiceUnavailable);
    scene.hear(r"id='1' from='romeo@m.lit/x' to='\5cx@phone.example.org'", HELLO);
    assert_eq!(scene.error(), DefinedCondition::ItemNotFound);
    for _ in 0..MAX_WAITING {
        scene.hear(CHAT, HELLO);
        scene.text();
    }
    scene.hear(CHAT, HELLO);
    assert_eq!(scene.error(), DefinedCondition::ResourceConstraint);
}

#[test]
fn a_text_goes_out_as_a_chat_message_that_asks_for_a_receipt() {
    let mut scene = Scene::new();
    scene.deliver("romeo@m.lit", "Hello\u{0}\u{1b} & <good> bye");
    let message = scene.message();
    assert_eq!(message.body().as_deref(), Some("Hello & <good> bye"));
    assert!(message.asks_receipt() && message.kind == MessageKind::Chat);
    assert_eq!(message.from.unwrap().as_str(), "+15550100@phone.example.org/patchcord");
    assert_eq!(message.to.unwrap().as_str(), "romeo@m.lit");
    assert!(message.id.is_some_and(|id| id.len() == ID));
}

#[test]
fn a_receipt_or_silence_means_delivered_and_is_said_once() {
    let mut scene = Scene::new();
    scene.deliver("romeo@m.lit", "Hello");
    let id = scene.message().id.unwrap();
    let receipt = format!("<received xmlns='urn:xmpp:receipts' id='{id}'/>");
    scene.hear("from='mallory@m.lit/x' to='+15550100@phone.example.org'", &receipt);
    assert!(scene.out.is_empty(), "nobody else can say so");
    scene.hear("from='romeo@m.lit/x' to='+15550100@phone.example.org'", &receipt);
    assert_eq!(scene.delivered(), Ok(()));
    scene.deliver("romeo@m.lit", "Hello");
    scene.message();
    assert_eq!(scene.texts.poll_timeout(), Some(scene.now + PATIENCE));
    scene.wait(PATIENCE);
    assert_eq!(scene.delivered(), Ok(()));
    assert!(scene.out.is_empty() && scene.texts.poll_timeout().is_none());
}

#[test]
fn an_error_in_time_means_undelivered_with_the_servers_words() {
    let mut scene = Scene::new();
    scene.deliver("romeo@m.lit", "Hello");
    let id = scene.message().id.unwrap();
    let error = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
                 <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>User is offline</text></error>";
    let attributes = |from: &str| format!("type='error' id='{id}' from='{from}' to='+15550100@phone.example.org'");
    scene.hear(&attributes("romeo@other.example"), error);
    assert!(scene.out.is_empty(), "another server knows nothing of it");
    scene.hear(&attributes("romeo@m.lit"), error);
    let expected = Undelivered { cause: Cause::Unavailable, why: Some("User is offline".into()) };
    assert_eq!(scene.delivered(), Err(expected));
}

#[test]
fn a_lost_stream_leaves_no_message_without_an_answer() {
    let mut scene = Scene::new();
    scene.deliver("romeo@m.lit", "Hello");
    scene.message();
    scene.texts.down(ConnectionId(1), &mut scene.out);
    assert!(scene.out.is_empty());
    scene.texts.down(LINE, &mut scene.out);
    assert_eq!(scene.delivered().unwrap_err().cause, Cause::Network);
}

#[test]
fn a_text_that_no_account_can_get_is_undelivered_at_once() {
    let mut scene = Scene::new();
    scene.deliver("@", "Hello");
    assert_eq!(scene.delivered().unwrap_err().cause, Cause::BadNumber);
    scene.deliver("alice@phone.example.org", "Hello");
    assert_eq!(scene.delivered().unwrap_err().cause, Cause::Loop);
    scene.deliver("romeo@m.lit", &"x".repeat(LONGEST_TEXT + 1));
    assert_eq!(scene.delivered().unwrap_err().cause, Cause::NotSupported);
    let text = text(None, "Hello");
    scene.texts.deliver(scene.now, LINE, &scene.home, &text, &mut scene.out);
    assert_eq!(scene.message().to.unwrap().as_str(), "romeo@m.lit", "without a contact, the address");
}

#[test]
fn a_text_that_nobody_answered_for_is_refused_in_the_end() {
    let mut scene = Scene::new();
    scene.hear(CHAT, HELLO);
    let id = scene.text().id;
    scene.wait(HEARD_PATIENCE);
    assert_eq!(scene.error(), DefinedCondition::RemoteServerTimeout);
    scene.texts.delivered(id, Ok(()), &mut scene.out);
    assert!(scene.out.is_empty());
}

#[test]
fn the_example_of_rfc_7572_keeps_its_meaning() {
    let stanza: Element = "<message xmlns='jabber:client' from='juliet@example.com/yn0cl4bnw0yr3vym' \
        to='romeo@phone.example.org'><body>Art thou not Romeo, and a Montague?</body></message>"
        .parse()
        .unwrap();
    let Stanza::Message(message) = read(stanza) else { panic!("a message") };
    let mut scene = Scene::new();
    scene.texts.heard(scene.now, LINE, &scene.home, &message, &scene.directory, &mut scene.out);
    let text = scene.text();
    assert_eq!(text.from.address, Address::at("juliet", "example.com"));
    assert_eq!((text.to, text.body.as_str()), (Address::here("romeo"), "Art thou not Romeo, and a Montague?"));
}
