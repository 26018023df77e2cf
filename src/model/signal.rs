//! What one party says to the other, whatever wire it came by.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Address, Along, Candidate, Cause, Contact, Description, Diversion, Entry, Hangup, Identity, Keys, LegStats,
    MediaPath, Mid, Party, Replaces, Roster, SessionIds, SessionUuid, Transfer, Transferring, UserToUser,
};
use crate::base::ExchangeId;

/// What one party says. The adapter hears it on the wire, the call decides, and the other leg's adapter says
/// it again in its own tongue: the type is the same in both directions.
///
/// On every leg the first signal is a [`Signal::Start`] and the last a [`Signal::Hangup`], and there is
/// exactly one of each.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// Opens the leg: an INVITE, a browser's `call`, a Jingle `session-initiate`.
    Start(Box<Start>),
    /// The callee's side is getting on: 100, 180, 183.
    Progress(Progress),
    /// The callee picked up. If the leg still owes an answer, [`Signal::Answer`] comes before this.
    Accept,
    /// The callee is elsewhere: 3xx. Best address first.
    Redirect(Vec<Address>),

    /// An offer of media (RFC 3264), whatever message carried it.
    Offer(Offer),
    /// The answer to an offer.
    Answer(Answer),
    /// The offer is refused and the session stays as it was: 488, 491.
    Refuse {
        /// The exchange that failed.
        exchange: ExchangeId,
        /// Why.
        cause: Cause,
    },
    /// Asks the peer to make an offer: an INVITE without a description; XEP-0353's `proceed` to a caller whose
    /// [`Signal::Start`] had no offer. The offer comes in the exchange named here.
    Solicit(ExchangeId),
    /// Trickled ICE candidates (RFC 8838).
    Candidates(Candidates),

    /// The party put the other on hold, or took it off, in a tongue that has a word for it. Hold by
    /// direction is an [`Signal::Offer`].
    Hold(bool),
    /// The party muted its own microphone, or opened it again: for information.
    Mute(bool),
    /// A digit of the keypad, said by signalling rather than in the media.
    Dtmf(Dtmf),
    /// Whether the party can be told of a digit by signalling, where its wire learns of that only when the leg is
    /// open (INFO in `Allow`, RFC 6086). Only ever heard; until then it cannot.
    TakesDigits(bool),
    /// Heard: the party asks that the talk is recorded, or not any more. Said: it is recorded from here on, or not any
    /// more.
    Record(bool),
    /// The party cannot show the other's pictures until a whole one comes, and says so by signalling rather than in the
    /// media (RFC 5168 `picture_fast_update`).
    Refresh,

    /// Heard: the party wishes that the other be connected with somebody else. Said: the party is asked to go there.
    Transfer(Transfer),
    /// How the transfer goes that was asked for. Said to the party that asked; heard from a party that was asked.
    Transferring(Transferring),
    /// The other end is somebody else from here on, or has another name (RFC 4916).
    Connected(Party),
    /// Heard: the half of the party in the name of the call (RFC 7989). Said: both halves. Said only in a call that has a
    /// name.
    Named(SessionIds),
    /// What the system of the party says to that of the other, with what the party says next: its acceptance or its
    /// hang-up. A tongue without a word for it keeps silent; what opens a leg has [`About::along`].
    UserToUser(UserToUser),
    /// Who is in the conference that the other end is. Heard from a focus, said to a party.
    Roster(Box<Roster>),

    /// Which way the media of the call goes. Said to a leg before [`Signal::Accept`] on the caller's leg and after
    /// [`Signal::Start`] on the callee's, and once more if a transfer brings the media to the relay; never heard.
    Path(MediaPath),
    /// Something worth a word to the person that does not end the call, as one sentence. Only ever said to
    /// a party; a tongue without a word for it keeps silent.
    Notice(String),
    /// The party asks for the figures of its call. Only ever heard; [`Signal::Stats`] follows.
    AskStats,
    /// The figures that were asked for. Only ever said.
    Stats(Box<CallStats>),

    /// The signalling path to the party broke; the media may well flow on.
    Lost,
    /// The signalling path is there again.
    Back,

    /// Ends the leg, or says that it has ended.
    Hangup(Hangup),
}

/// What opens a leg.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// By which door the call came in, with the identity that the door has proven. On legs that we
    /// open: the door of the caller, by which it is known what we can answer for.
    pub entry: Entry,
    /// Who calls.
    pub from: Party,
    /// Who was dialled.
    pub to: Address,
    /// On legs that we open: where exactly to deliver it. Absent for a call through a trunk. On legs that came in: where
    /// from, for [`Adapter::abilities_from`](super::Adapter::abilities_from), if that matters.
    pub contact: Option<Contact>,
    /// On legs that we open: the trunk that carries it, by its name in the configuration.
    pub trunk: Option<String>,
    /// The offer; `None` means that the other side makes it (late offer).
    pub offer: Option<Offer>,
    /// How many more gateways the call may pass (RFC 3261 §8.1.1.6, Max-Forwards), carried across legs so
    /// that a loop ends.
    pub hops_left: u8,
    /// What else is known of the call.
    pub about: About,
}

/// What most calls do without.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct About {
    /// What is known of whether the caller's number is the caller's own.
    pub identity: Option<Identity>,
    /// The proofs of it that may go on with the call, as they were on the wire (`PASSporT`s, RFC 8225).
    pub passports: Vec<String>,
    /// Who sent the call on before it came here, the last one first.
    pub diversions: Vec<Diversion>,
    /// The call that this one takes the place of (RFC 3891). Said to an adapter whose parties move
    /// [by another call](super::Moves::ByCall): that of the same party, named by its leg.
    pub replaces: Option<Replaces>,
    /// Who connected the caller with the callee (RFC 3892), in a call that is a transfer.
    pub referred_by: Option<Party>,
    /// Keys to be pressed once it is answered: heard behind the number. Never said to an adapter: the call presses them.
    pub keys: Keys,
    /// The one device of the callee that is meant, heard and never said.
    pub device: Option<Contact>,
    /// The caller's half of the name that the call has on all its legs (RFC 7989).
    pub session_id: Option<SessionUuid>,
    /// What the caller sends along.
    pub along: Along,
}

/// How far the callee's side got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Whether the far side sends media of its own (ring-back, announcements), so that nobody need play a
    /// tone locally.
    pub early_media: bool,
}

/// A stage of a call that is not yet answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Somebody works on it (100).
    Trying,
    /// A session is prepared, nobody rings yet (183).
    Session,
    /// A device rings (180).
    Ringing,
}

/// An offer (RFC 3264 §5).
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The exchange it opens; the answer names it again.
    pub exchange: ExchangeId,
    /// What is offered.
    pub description: Description,
}

/// An answer (RFC 3264 §6).
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The exchange it answers.
    pub exchange: ExchangeId,
    /// What was agreed to.
    pub description: Description,
    /// More may follow before the exchange is done: an answer in an unreliable 183, JSEP's `pranswer`.
    pub provisional: bool,
}

/// ICE candidates after the description (RFC 8838).
#[derive(Debug, Clone, PartialEq)]
pub struct Candidates {
    /// The stream they are for; `None` if the wire named only a position, or BUNDLE makes it plain.
    pub mid: Option<Mid>,
    /// The ICE session they belong to, if the wire said.
    pub ufrag: Option<String>,
    /// The candidates.
    pub candidates: Vec<Candidate>,
    /// Whether more may follow; `false` is end-of-candidates.
    pub more: bool,
}

/// A digit of the keypad. It never prints itself: it may be one of a PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Dtmf {
    /// One of `0-9*#A-D`.
    pub digit: char,
    /// How long it was held.
    pub duration: Duration,
}

impl fmt::Debug for Dtmf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key held for {} ms", self.duration.as_millis())
    }
}

/// The figures of a call, seen from one of its parties.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CallStats {
    /// The leg of the party that is told.
    pub you: LegStats,
    /// The leg of the other party, once there is one.
    pub them: Option<LegStats>,
}
