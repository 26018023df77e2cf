//! What peers say: to which call, or the beginning of which.

use std::time::Instant;

use tracing::{debug, info};
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use super::calls::key;
use super::{Endpoint, Output};
use crate::base::Pii;
use crate::jingle::address::{self, Home};
use crate::jingle::config::ConnectionId;
use crate::jingle::session::{Ends, Leg, Said, cause};
use crate::jingle::stanza::{
    Action, Condition, DefinedCondition, ErrorType, Iq, IqKind, Jingle, JingleCondition, JingleMessage, Message,
    MessageKind, Reason, Stanza, StanzaError, Word, read,
};
use crate::model::{About, Address, Cause, Entry, Hangup, Keys, Offer, Party, Signal, Start};

/// XEP-0280.
pub(super) const CARBONS: &str = "urn:xmpp:carbons:2";
/// How many more gateways a call from an IM client may pass (RFC 3261 §8.1.1.6).
const HOPS: u8 = 70;

/// Requests and their answers.
impl Endpoint {
    pub(super) fn hear_iq(&mut self, now: Instant, connection: ConnectionId, iq: Iq) {
        let error = match &iq.kind {
            IqKind::Set(payload) if Jingle::is(payload) => {
                return match Jingle::read(payload) {
                    Some(jingle) => self.hear_jingle(now, connection, &iq, jingle),
                    None => self.send(connection, iq.error(StanzaError::bad_request()).write()),
                };
            }
            IqKind::Get(_) | IqKind::Set(_) => {
                return self.contacts.asked(connection, &iq, &self.directory, &mut self.outputs);
            }
            IqKind::Result(_) => None,
            IqKind::Error(error) => Some(error.clone()),
        };
        let Some((leg, number)) = self.calls.asked_by(connection, &iq.id) else {
            if self.contacts.answered(connection, &iq) {
                self.learn(now, connection, iq.from.as_ref());
            }
            return;
        };
        let is_theirs = self.calls.ends(leg).is_some_and(|ends| iq.from.as_ref() == Some(&ends.peer));
        if is_theirs {
            self.in_call(now, leg, |leg, out| leg.hear_answered(now, number, error.map_or(Ok(()), Err), out));
        }
    }

    /// A device has said what it can: what its calls kept for that may be told now.
    fn learn(&mut self, now: Instant, connection: ConnectionId, device: Option<&Jid>) {
        for leg in self.calls.of(connection) {
            if self.calls.ends(leg).is_some_and(|ends| Some(&ends.peer) == device) {
                self.show_list(now, leg);
            }
        }
    }

    fn hear_jingle(&mut self, now: Instant, connection: ConnectionId, iq: &Iq, jingle: Jingle) {
        let Some((from, to)) = self.between(connection, iq.from.as_ref(), iq.to.as_ref()) else {
            return self.send(connection, iq.error(StanzaError::service_unavailable()).write());
        };
        let key = key(connection, &to, &from, &jingle.sid);
        if let Some(leg) = self.calls.find(&key) {
            let Some(known) = self.calls.leg_mut(leg) else { return };
            let mut out = Said::default();
            let answer = match known.hear(&from, jingle, &mut out) {
                Ok(()) => iq.result(None),
                Err(error) => iq.error(error),
            };
            // First of all it is acknowledged: a client waits for that, whatever the other world does.
            self.send(connection, answer.write());
            return self.settle(now, leg, out);
        }
        if jingle.action == Action::SessionInitiate && !self.calls.is_over(&key) {
            return self.begin(now, connection, iq, &from, &to, &jingle);
        }
        // Both sides may end a session at once.
        let answer = match jingle.action == Action::SessionTerminate && self.calls.is_over(&key) {
            true => iq.result(None),
            false => iq.error(StanzaError::jingle(JingleCondition::UnknownSession)),
        };
        self.send(connection, answer.write());
    }

    /// A session that begins without a proposal.
    fn begin(&mut self, now: Instant, connection: ConnectionId, iq: &Iq, from: &Jid, to: &Jid, jingle: &Jingle) {
        let refuse = |this: &mut Endpoint, error| this.send(connection, iq.error(error).write());
        let Some(whom) = self.contacts.home(connection).and_then(|home| home.whom(to)) else {
            return refuse(self, StanzaError::item_not_found());
        };
        let Some(caller) = self.caller(from).filter(|_| from.is_full()) else {
            return refuse(self, StanzaError::new(ErrorType::Modify, DefinedCondition::JidMalformed));
        };
        if !self.admits(now, connection, from) {
            return refuse(self, StanzaError::new(ErrorType::Wait, DefinedCondition::ResourceConstraint));
        }
        // XEP-0166 §7.2.16: of two that begin at once the lower session goes on; the peer refuses ours if that is the
        // higher one.
        let crossing = self.calls.crossing(connection, &to.to_bare(), &from.to_bare());
        if crossing.and_then(|leg| self.calls.leg_mut(leg)).is_some_and(|leg| leg.wins_tie(&jingle.sid)) {
            return refuse(self, StanzaError::jingle(JingleCondition::TieBreak));
        }
        self.send(connection, iq.result(None).write());
        let ends = self.ends_heard(to.clone(), from.clone(), &jingle.sid);
        let id = ends.id;
        match Leg::initiated(ends.clone(), jingle) {
            Ok((leg, offer)) => {
                self.contacts.called(connection, &whom, from, &self.directory, &mut self.outputs);
                self.start(now, connection, leg, &whom, caller, Some(offer));
                info!(leg = %id, peer = %Pii(from), "an IM client calls");
            }
            Err(condition) => {
                self.calls.remember(key(connection, to, from, &jingle.sid));
                self.terminate(connection, &ends, condition);
            }
        }
    }

    /// Whether there is room for a call that an account begins.
    fn admits(&mut self, now: Instant, connection: ConnectionId, from: &Jid) -> bool {
        let account = from.to_bare();
        let why = if !self.calls.has_room(connection) {
            "the connection has as many calls as it may"
        } else if !self.calls.has_room_for(&account) {
            "the account has begun as many calls as it may have at once"
        } else if !self.pace.begin(now, &account) {
            "the account begins calls too fast"
        } else {
            return true;
        };
        debug!(peer = %Pii(from), why, "there is no room for a call of an IM client");
        false
    }

    fn terminate(&mut self, connection: ConnectionId, ends: &Ends, condition: Condition) {
        let mut terminate = Jingle::new(Action::SessionTerminate, &ends.sid);
        terminate.reason = Some(Reason::with_text(condition, Cause::MediaIncompatible.sentence()));
        let name = format!("{}-0", ends.tag);
        self.send(connection, Iq::set(&ends.ours, &ends.peer, &name, terminate.write()).write());
    }

    /// A leg that a peer opened enters the calls.
    fn start(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        leg: Leg,
        whom: &Address,
        (entry, from): (Entry, Party),
        offer: Option<Offer>,
    ) {
        let id = leg.ends().id;
        let mut dialled = whom.clone();
        let keys = Keys::take_off(&mut dialled);
        let to = address::spelled(dialled, &self.directory);
        let about = About { keys, ..About::default() };
        let start = Start { entry, from, to, contact: None, trunk: None, offer, hops_left: HOPS, about };
        let account = leg.ends().peer.to_bare();
        self.calls.insert(connection, whom.clone(), Some(account), leg);
        self.outputs.push_back(Output::Hear(id, Signal::Start(Box::new(start))));
        self.settle(now, id, Said::default());
    }

    /// Who calls: the account, or the user whose account it is.
    fn caller(&self, from: &Jid) -> Option<(Entry, Party)> {
        let entry = address::entry(&from.to_bare(), &self.directory);
        let mut party = Party::new(address::of_account(from)?);
        if let Entry::User(name) = &entry {
            party.display = self.directory.users.get(name).and_then(|user| user.display.clone());
        }
        Some((entry, party))
    }

    /// Who speaks to whom of us: both are named, and it is for us. `None` for our own server's and our own words.
    fn between(&self, connection: ConnectionId, from: Option<&Jid>, to: Option<&Jid>) -> Option<(Jid, Jid)> {
        let home = self.contacts.home(connection)?;
        let to = to.unwrap_or(home.jid());
        let is_ours = match home.is_component() {
            true => to.domain() == home.jid().domain() && to.node().is_some(),
            false => to.to_bare() == home.jid().to_bare(),
        };
        let from = from.filter(|from| is_ours && from.node().is_some() && !is_own(home, from))?;
        Some((from.clone(), to.clone()))
    }
}

/// Messages.
impl Endpoint {
    pub(super) fn hear_message(&mut self, now: Instant, connection: ConnectionId, message: &Message) {
        let Some(home) = self.contacts.home(connection) else { return };
        if !home.is_component() && message.from.as_ref().is_none_or(|from| is_own(home, from)) {
            return self.hear_own_devices(now, connection, message);
        }
        if let Some(asked) = message.id.as_deref().and_then(|id| self.calls.asked_by(connection, id))
            && let Some(error) = message.stanza_error()
        {
            return self.hear_bounce(now, asked, message, error);
        }
        if let Some(received) = message.received()
            && let Some((leg, number)) = self.calls.asked_by(connection, &received)
        {
            let is_theirs = |ends: &Ends| message.from.as_ref().is_some_and(|f| f.to_bare() == ends.peer.to_bare());
            if self.calls.ends(leg).is_some_and(is_theirs) {
                self.in_call(now, leg, |leg, out| leg.hear_receipt(number, out));
            }
            return;
        }
        match message.jingle_message() {
            Some(_) if matches!(message.kind, MessageKind::Error | MessageKind::Groupchat) => {}
            Some(word) => self.hear_word(now, connection, message, word),
            None => {
                let Some(home) = self.contacts.home(connection) else { return };
                self.texts.heard(now, connection, home, message, &self.directory, &mut self.outputs);
            }
        }
    }

    /// A proposal of ours came back. Any server on the way may have sent it back, in the name of the account.
    fn hear_bounce(
        &mut self,
        now: Instant,
        (leg, number): (crate::base::LegId, u32),
        message: &Message,
        error: StanzaError,
    ) {
        let is_theirs = |ends: &Ends| message.from.as_ref().is_some_and(|f| f.domain() == ends.peer.domain());
        if self.calls.ends(leg).is_some_and(is_theirs) {
            self.in_call(now, leg, |leg, out| leg.hear_answered(now, number, Err(error), out));
        }
    }

    fn hear_word(&mut self, now: Instant, connection: ConnectionId, message: &Message, word: JingleMessage) {
        let Some((from, to)) = self.between(connection, message.from.as_ref(), message.to.as_ref()) else { return };
        if let Word::Propose { media } = &word.word {
            return self.hear_proposal(now, connection, message, (&from, &to), &word.id, media);
        }
        let key = key(connection, &to, &from, &word.id);
        match self.calls.find(&key) {
            Some(leg) => self.in_call(now, leg, |leg, out| leg.hear_word(now, &from, word.word, out)),
            None => debug!(word = ?word.word, "a word about a call that is not there"),
        }
    }

    fn hear_proposal(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        message: &Message,
        (from, to): (&Jid, &Jid),
        sid: &str,
        media: &[String],
    ) {
        // One that was kept on the way is of a caller who is gone; one that came before is rung already.
        if message.is_delayed() || self.is_known(connection, to, from, sid) {
            return;
        }
        if !from.is_full() {
            debug!(peer = %Pii(from), "a proposal is of no device, so none could go on with the call: it rings nobody");
            return;
        }
        // Other sessions than calls are proposed too.
        if !media.iter().any(|m| matches!(m.trim(), "audio" | "video")) {
            return;
        }
        let Some(home) = self.contacts.home(connection) else { return };
        let found = home.whom(to).zip(home.resource_of(to)).zip(self.caller(from));
        let Some(((whom, ours), caller)) = found else {
            if let Some(error) = message.error(&StanzaError::item_not_found()) {
                self.send(connection, error.write());
            }
            return;
        };
        let ends = self.ends_heard(ours, from.clone(), sid);
        if !self.admits(now, connection, from) {
            let reason = cause::reason(&Hangup::new(Cause::Congestion));
            return self.reject(connection, &ends, reason, false);
        }
        if let Some(crossing) = self.calls.crossing(connection, &to.to_bare(), &from.to_bare())
            && self.calls.ends(crossing).is_some_and(|c| !c.peer.is_full())
        {
            // XEP-0353 §4.1: of two proposals that cross the lower one goes on.
            if self.calls.ends(crossing).is_some_and(|c| *c.sid < *sid) {
                let reason = Reason::with_text(Condition::Expired, "Tie-Break");
                return self.reject(connection, &ends, reason, true);
            }
            self.in_call(now, crossing, Leg::yield_tie);
        }
        if let Some(id) = message.id.as_deref().filter(|_| message.asks_receipt()) {
            let receipt = Message::receipt(&ends.ours, from, &format!("{}-0", ends.tag), id);
            self.send(connection, receipt.write());
        }
        info!(leg = %ends.id, peer = %Pii(from), "an IM client proposes a call");
        self.contacts.called(connection, &whom, from, &self.directory, &mut self.outputs);
        self.start(now, connection, Leg::proposed(ends), &whom, caller, None);
    }

    fn reject(&mut self, connection: ConnectionId, ends: &Ends, reason: Reason, tie_break: bool) {
        self.calls.remember(key(connection, &ends.ours, &ends.peer, &ends.sid));
        let word = JingleMessage::new(&ends.sid, Word::Reject { reason: Some(reason), tie_break });
        let account = Jid::from(ends.peer.to_bare());
        let message = Message::of_call(&ends.ours, &account, &format!("{}-0", ends.tag), &word);
        self.send(connection, message.write());
    }

    /// What the other devices of a client's own account say: by a copy (XEP-0280) or, as before version 0.4 of the XEP,
    /// to the account itself. Nobody else can write in its name.
    fn hear_own_devices(&mut self, now: Instant, connection: ConnectionId, message: &Message) {
        let copy = message.children.iter().find_map(sent_copy);
        let said = copy.as_ref().unwrap_or(message);
        let Some(home) = self.contacts.home(connection) else { return };
        // Our own words come back too.
        let is_other = said.from.as_ref().is_some_and(|from| from != home.jid() && is_own(home, from));
        let Some(word) = said.jingle_message().filter(|_| is_other) else { return };
        if let Some(leg) = self.calls.find_own(connection, &word.id) {
            self.in_call(now, leg, |leg, out| leg.hear_own_device(&word.word, out));
        }
    }
}

/// The message inside the copy of one that another device of the account sent.
fn sent_copy(element: &Element) -> Option<Message> {
    const FORWARD: &str = "urn:xmpp:forward:0";
    let forwarded = element.is("sent", CARBONS).then(|| element.get_child("forwarded", FORWARD))??;
    forwarded.children().find_map(|child| match read(child.clone()) {
        Stanza::Message(message) => Some(message),
        Stanza::Iq(_) | Stanza::Presence(_) | Stanza::Malformed(_) => None,
    })
}

/// Whether a JID is us: any of a component's, or another device of a client's account.
fn is_own(home: &Home, jid: &Jid) -> bool {
    match home.is_component() {
        true => jid.domain() == home.jid().domain(),
        false => jid.to_bare() == home.jid().to_bare(),
    }
}
