//! Who is in a conference, as its focus tells (RFC 4575).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Address;

/// The most members that are told of; of a larger conference the first ones are.
pub const MEMBERS_LIMIT: usize = 500;

/// Who is in the conference: always the whole list, however little of it changed.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Roster {
    /// The subject of the conference, if it has one.
    pub subject: Option<String>,
    /// Everybody, in the order in which the focus names them; at most [`MEMBERS_LIMIT`].
    pub members: Vec<Member>,
    /// How many there are, should that be more than are listed.
    pub count: usize,
}

impl fmt::Debug for Roster {
    /// Without names: they are nobody's business but the conference's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} members", self.members.len())
    }
}

/// One member of a conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What tells the member from others for as long as it is there.
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// Where the member can be reached, where the focus tells.
    pub address: Option<Address>,
    /// How far the member is in.
    pub state: MemberState,
    /// Nobody hears the member: the focus, or the member itself, closed the microphone.
    pub muted: bool,
    /// The member speaks.
    pub talking: bool,
    /// It is the party that is told.
    pub you: bool,
}

/// How far a member is in the conference (RFC 4575 §5.7.4, by what it means to others).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// Is being called, or waits to be let in.
    Joining,
    /// Takes part.
    Joined,
    /// Has put the conference on hold.
    OnHold,
    /// Leaves.
    Leaving,
}
