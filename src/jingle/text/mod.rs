//! Messages between people (RFC 7572): the texts of the model, as `<message/>` with a body, and back.
//!
//! ```text
//!   <message><body/> ─▶ Text                   Text ─▶ <message><body/><request/>
//!     delivered      ─▶ <received/>, if asked            receipt, or PATIENCE without a word ─▶ delivered
//!     undelivered    ─▶ <message type='error'>           <message type='error'>              ─▶ undelivered
//! ```

mod condition;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use xmpp_parsers::jid::{BareJid, Jid};

use super::address::{self, Home};
use super::config::ConnectionId;
use super::endpoint::Output;
use super::stanza::{DefinedCondition, ErrorType, Message, MessageKind, StanzaError};
use crate::base::{AdapterId, Dice};
use crate::model::{Cause, Directory, LONGEST_TEXT, Party, Text, TextId, Undelivered};

/// How long a message that went out may draw an error. Servers say at once that nobody is there; many clients give no
/// receipts; so silence of this length counts as delivered.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long the gateway has to say what became of a message that came in.
pub const HEARD_PATIENCE: Duration = Duration::from_secs(60);
/// The most messages that wait for an answer, in each direction.
pub const MAX_WAITING: usize = 1000;
/// The characters of a stanza's id.
const ID: usize = 20;

/// Children that mark a message whose body only says that it cannot be read: OMEMO (XEP-0384), OpenPGP (XEP-0027)
/// and whatever XEP-0380 names.
const ENCRYPTED: [(&str, &str); 4] = [
    ("encrypted", "eu.siacs.conversations.axolotl"),
    ("encrypted", "urn:xmpp:omemo:2"),
    ("x", "jabber:x:encrypted"),
    ("encryption", "urn:xmpp:eme:0"),
];

/// All messages under way on all connections. Pure.
#[derive(Debug)]
pub struct Texts {
    adapter: AdapterId,
    dice: Dice,
    heard: BTreeMap<u64, Heard>,
    next: u64,
    /// Oldest first.
    sent: VecDeque<Sent>,
}

/// A message that a peer wrote.
#[derive(Debug)]
struct Heard {
    connection: ConnectionId,
    /// Without its children.
    message: Message,
    /// As whom a receipt is sent, if one was asked for.
    receipt_from: Option<Jid>,
    due: Instant,
}

/// A message that went out.
#[derive(Debug)]
struct Sent {
    text: TextId,
    connection: ConnectionId,
    id: String,
    to: BareJid,
    due: Instant,
}

impl Texts {
    /// None are under way yet.
    pub fn new(adapter: AdapterId, dice: Dice) -> Texts {
        Texts { adapter, dice, heard: BTreeMap::new(), next: 0, sent: VecDeque::new() }
    }

    /// A message came that says nothing of calls. What has no body, and no answer to one of ours, is nothing to us.
    pub fn heard(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        home: &Home,
        message: &Message,
        directory: &Directory,
        out: &mut VecDeque<Output>,
    ) {
        let Some(from) = message.from.as_ref().filter(|from| !is_own(home, from)) else { return };
        if let Some(error) = message.stanza_error() {
            return self.failed(connection, from, message.id.as_deref(), &error, out);
        }
        if let Some(received) = message.received() {
            self.received(connection, from, &received, out);
        }
        let Some(body) = message.body().filter(|body| !body.trim().is_empty()) else { return };
        // News, and conversations of many, are answered by nobody (RFC 6121 §5.2.2).
        if !matches!(message.kind, MessageKind::Chat | MessageKind::Normal) {
            return;
        }
        match self.read(home, from, message, body, directory) {
            Ok(text) => {
                self.remember(now, connection, home, message, text.id.number);
                out.push_back(Output::Text(Box::new(text)));
            }
            Err(error) => refuse(connection, message, &error, out),
        }
    }

    fn read(
        &mut self,
        home: &Home,
        from: &Jid,
        message: &Message,
        body: String,
        directory: &Directory,
    ) -> Result<Text, StanzaError> {
        let to = message.to.as_ref().unwrap_or(home.jid());
        if home.is_host(to) {
            return Err(StanzaError::service_unavailable());
        }
        let to = home.whom(to).ok_or_else(StanzaError::item_not_found)?;
        if ENCRYPTED.iter().any(|(name, namespace)| message.child(name, namespace).is_some()) {
            let why = "Encrypted messages cannot be read here: send it without encryption.";
            return Err(StanzaError::new(ErrorType::Modify, DefinedCondition::NotAcceptable).with_text(why));
        }
        if body.len() > LONGEST_TEXT {
            let why = format!("The message is too long: it may have {LONGEST_TEXT} bytes.");
            return Err(StanzaError::new(ErrorType::Modify, DefinedCondition::PolicyViolation).with_text(&why));
        }
        let from_address = address::of_account(from)
            .ok_or_else(|| StanzaError::new(ErrorType::Modify, DefinedCondition::JidMalformed))?;
        if self.heard.len() >= MAX_WAITING {
            return Err(condition::error(&Undelivered::new(Cause::Congestion)));
        }
        self.next += 1;
        Ok(Text {
            id: TextId { adapter: self.adapter, number: self.next },
            entry: address::entry(&from.to_bare(), directory),
            from: Party::new(from_address),
            to: address::spelled(to, directory),
            contact: None,
            trunk: None,
            body,
        })
    }

    fn remember(&mut self, now: Instant, connection: ConnectionId, home: &Home, message: &Message, number: u64) {
        let receipt_from = message.asks_receipt().then(|| message.to.as_ref().and_then(|to| home.resource_of(to)));
        let message = Message { children: Vec::new(), ..message.clone() };
        let heard = Heard { connection, message, receipt_from: receipt_from.flatten(), due: now + HEARD_PATIENCE };
        self.heard.insert(number, heard);
    }

    /// What became of a message that a peer wrote.
    pub fn delivered(&mut self, id: TextId, result: Result<(), Undelivered>, out: &mut VecDeque<Output>) {
        if id.adapter != self.adapter {
            return;
        }
        let Some(heard) = self.heard.remove(&id.number) else { return };
        let connection = heard.connection;
        match result {
            Err(undelivered) => refuse(connection, &heard.message, &condition::error(&undelivered), out),
            Ok(()) => {
                let Message { from, id, .. } = &heard.message;
                if let (Some(ours), Some(peer), Some(id)) = (&heard.receipt_from, from, id) {
                    let receipt = Message::receipt(ours, peer, &self.dice.token(ID), id);
                    out.push_back(Output::Send { connection, stanza: receipt.write() });
                }
            }
        }
    }

    /// Sends a message to a peer's account. What becomes of it is said once.
    pub fn deliver(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        home: &Home,
        text: &Text,
        out: &mut VecDeque<Output>,
    ) {
        match self.write(home, text) {
            Ok((to, message)) => {
                let id = message.id.clone().unwrap_or_default();
                self.sent.push_back(Sent { text: text.id, connection, id, to, due: now + PATIENCE });
                out.push_back(Output::Send { connection, stanza: message.write() });
            }
            Err(undelivered) => out.push_back(Output::Delivered(text.id, Err(undelivered))),
        }
    }

    fn write(&mut self, home: &Home, text: &Text) -> Result<(BareJid, Message), Undelivered> {
        let failed = |cause, why: &str| Undelivered { cause, why: Some(why.to_owned()) };
        let contact = text.contact.as_ref().map(|contact| Jid::new(&contact.0));
        let to = match contact {
            Some(contact) => contact.ok(),
            None => address::account(&text.to).ok().map(Jid::from),
        };
        let to = to.ok_or_else(|| failed(Cause::BadNumber, "The address is no XMPP account."))?;
        if is_own(home, &to) {
            return Err(Undelivered::new(Cause::Loop));
        }
        if text.body.len() > LONGEST_TEXT {
            let why = format!("The message is too long: it may have {LONGEST_TEXT} bytes.");
            return Err(failed(Cause::NotSupported, &why));
        }
        if self.sent.len() >= MAX_WAITING {
            return Err(Undelivered::new(Cause::Congestion));
        }
        let from = home.speaker(&text.from.address).map_err(|no| failed(Cause::NotSupported, &no.to_string()))?;
        let message = Message::of_text(&from, &to, &self.dice.token(ID), &printable(&text.body));
        Ok((to.to_bare(), message.asking_receipt()))
    }

    /// XEP-0184: it has reached a device.
    fn received(&mut self, connection: ConnectionId, from: &Jid, id: &str, out: &mut VecDeque<Output>) {
        let from = from.to_bare();
        let at = self.sent.iter().position(|s| s.connection == connection && s.id == id && s.to == from);
        if let Some(sent) = at.and_then(|at| self.sent.remove(at)) {
            out.push_back(Output::Delivered(sent.text, Ok(())));
        }
    }

    /// An error came back: from whom it was for, or from a server on the way.
    fn failed(
        &mut self,
        connection: ConnectionId,
        from: &Jid,
        id: Option<&str>,
        error: &StanzaError,
        out: &mut VecDeque<Output>,
    ) {
        let is_it =
            |s: &Sent| s.connection == connection && Some(s.id.as_str()) == id && s.to.domain() == from.domain();
        if let Some(sent) = self.sent.iter().position(is_it).and_then(|at| self.sent.remove(at)) {
            out.push_back(Output::Delivered(sent.text, Err(condition::undelivered(error))));
        }
    }

    /// The stream is lost, and with it the errors that would have come.
    pub fn down(&mut self, connection: ConnectionId, out: &mut VecDeque<Output>) {
        let why = "The connection to the XMPP server was lost; the message may not have arrived.";
        let (lost, kept) = self.sent.drain(..).partition(|s| s.connection == connection);
        self.sent = kept;
        let lost: VecDeque<Sent> = lost;
        out.extend(
            lost.into_iter().map(|s| {
                Output::Delivered(s.text, Err(Undelivered { cause: Cause::Network, why: Some(why.to_owned()) }))
            }),
        );
        self.heard.retain(|_, heard| heard.connection != connection);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        while self.sent.front().is_some_and(|s| s.due <= now)
            && let Some(sent) = self.sent.pop_front()
        {
            out.push_back(Output::Delivered(sent.text, Ok(())));
        }
        while let Some(heard) = self.heard.first_entry().filter(|h| h.get().due <= now).map(|h| h.remove()) {
            let error = condition::error(&Undelivered::new(Cause::Timeout));
            refuse(heard.connection, &heard.message, &error, out);
        }
    }

    /// When [`Texts::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let heard = self.heard.first_key_value().map(|(_, heard)| heard.due);
        self.sent.front().map(|s| s.due).into_iter().chain(heard).min()
    }
}

fn refuse(connection: ConnectionId, message: &Message, error: &StanzaError, out: &mut VecDeque<Output>) {
    if let Some(error) = message.error(error) {
        out.push_back(Output::Send { connection, stanza: error.write() });
    }
}

/// Whether a JID is us: any of a component's, or another device of a client's account.
fn is_own(home: &Home, jid: &Jid) -> bool {
    match home.is_component() {
        true => jid.domain() == home.jid().domain(),
        false => jid.to_bare() == home.jid().to_bare(),
    }
}

/// Without the characters that XML 1.0 has no way to say (§2.2): one of them would end the stream.
fn printable(body: &str) -> String {
    let is_printable = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    body.chars().filter(|c| is_printable(*c)).collect()
}
