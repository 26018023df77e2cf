//! Connecting a party with somebody else in the middle of a call.

use super::{Address, Cause, Party, Stage, UserToUser};
use crate::base::LegId;

/// A wish that the other party of a leg be connected with somebody else (REFER, RFC 3515 and RFC 5589).
///
/// Heard, it is the party's wish, and [`Signal::Transferring`](super::Signal::Transferring) tells how it goes. Said, it
/// asks the party to go there by itself: only where [`Abilities::transfer`](super::Abilities::transfer) allows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// With whom.
    pub to: Address,
    /// The call that the new one takes the place of: an attended transfer (RFC 3891).
    pub replaces: Option<Replaces>,
    /// Who wishes it (RFC 3892), as far as the door has proven it.
    pub by: Option<Party>,
    /// What goes along with the call that comes of it (RFC 7433 §3.1).
    pub user_to_user: UserToUser,
}

/// The call that another takes the place of (RFC 3891).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaces {
    /// A leg of this gateway.
    Leg(LegId),
    /// A call elsewhere, in the words of the wire that named it; only an adapter of the same wire can say it again.
    Elsewhere(String),
}

/// How a transfer goes, for whoever asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transferring {
    /// It was taken up, and got so far.
    Trying(Stage),
    /// The others are connected.
    Done,
    /// It failed, and the call is as it was.
    Failed(Cause),
    /// The party that was asked will not go by itself; somebody else may take it there. Only ever heard.
    Refused(Cause),
}

/// That a call was meant for somebody else at first (RFC 5806 `Diversion`, RFC 7044 `History-Info`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// Who sent it on.
    pub by: Party,
    /// Why.
    pub reason: DiversionReason,
}

/// Why a call was sent on (RFC 5806 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiversionReason {
    /// Every call is.
    Unconditional,
    /// The line was busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// The device could not be reached.
    Unavailable,
    /// A person or the network decided so, or it was not said.
    Other,
}
