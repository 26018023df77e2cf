//! Who is at the other end, told within the session (RFC 4916): by `From` where the peer knows that it may change, and by
//! the header that tells it who calls besides; in an UPDATE, or in an INVITE with the description that stands.
//!
//! It goes out once nothing else is under way, and every later request of ours says it again.

use tracing::{debug, info};

use super::At;
use super::confirmed::Confirmed;
use crate::model::{Party, Signal};
use crate::sip::hear;
use crate::sip::message::{Header, Headers, Name, NameAddr, Request};
use crate::sip::say::{self, Caller};

/// The option tag: `From` may change within a dialog (RFC 4916 §4.2).
pub const OPTION: &str = "from-change";

/// What both sides have said of who is there since the session began.
#[derive(Debug, Default)]
pub struct Identity {
    /// The headers that tell the peer.
    said: Vec<Header>,
    /// They have not gone out.
    is_owed: bool,
    /// Who the peer said is there.
    heard: Option<Party>,
}

impl Identity {
    /// The headers of a request of ours.
    pub(super) fn headers(&self) -> impl Iterator<Item = &Header> {
        self.said.iter()
    }

    /// A request that carries them goes out.
    pub(super) fn goes_out(&mut self) {
        self.is_owed = false;
    }
}

impl Confirmed {
    /// The other end is somebody else.
    pub(super) fn say_connected(&mut self, at: &mut At<'_>, party: &Party) {
        let Caller { from, mut identity } = match at.trunk() {
            Some(trunk) => say::caller_for_trunk(party, trunk),
            None => {
                let caller = say::caller_for_user(party, &self.flow, at.wire);
                // Our own users are told by whoever has proven who they are.
                let identity = (!party.private).then(|| Header::of(Name::PAssertedIdentity, &caller.from));
                Caller { identity: identity.into_iter().collect(), ..caller }
            }
        };
        if at.leg.changes_from {
            self.dialog.local = from.with_tag(&at.leg.tag).to_string().into();
        } else if identity.is_empty() {
            return debug!(leg = %at.leg.id, "has no word for who is there");
        }
        std::mem::swap(&mut self.identity.said, &mut identity);
        self.identity.is_owed = true;
        self.tell_identity(at);
    }

    /// Tells the peer who is there, if that is owed and nothing else is under way.
    pub(super) fn tell_identity(&mut self, at: &mut At<'_>) {
        if !self.identity.is_owed || !self.is_quiet() || !self.update_is_idle() {
            return;
        }
        match at.leg.takes_update {
            true => self.send_update(at),
            false => self.send_unchanged(at),
        }
    }

    /// A change of the peer's may say that somebody else is there, where a trunk speaks for others.
    pub(super) fn hear_identity(&mut self, at: &mut At<'_>, request: &Request) {
        let Some(trunk) = at.trunk() else { return };
        let Ok(from) = request.headers.from() else { return };
        let asserted = trunk.asserted_identity.then(|| asserted(&request.headers)).flatten();
        let is_other = self.takes_from(&from);
        let Some(name) = asserted.or(is_other.then_some(from)) else { return };
        let mut party = hear::party(&name, &self.flow, at.wire);
        party.address.user = trunk.profile.number_format.read(&party.address.user);
        party.private = hear::is_private(&request.headers, &name);
        if self.identity.heard.replace(party.clone()).as_ref() != Some(&party) {
            info!(leg = %at.leg.id, "says who is there");
            at.hear(Signal::Connected(party));
        }
    }

    /// The peer's name in our requests follows its `From`. Whether that is another than before.
    fn takes_from(&mut self, from: &NameAddr) -> bool {
        let before = self.dialog.remote.as_str().parse::<NameAddr>();
        let is_other = before.is_ok_and(|before| before.uri != from.uri);
        if is_other {
            self.dialog.remote = from.to_string().into();
        }
        is_other
    }
}

fn asserted(headers: &Headers) -> Option<NameAddr> {
    headers.asserted_identities().ok()?.into_iter().next()
}
