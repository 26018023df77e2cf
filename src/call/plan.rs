//! What a call is to do, decided before it begins.

use std::time::Duration;

use crate::base::LegId;
use crate::model::{Abilities, Address, Cause, Contact, MediaPolicy, Party, Services, Sound};

/// What the dialplan decided, with its targets resolved to devices and trunks.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The rule that decided, for the record.
    pub rule: Option<String>,
    /// What to do.
    pub action: Action,
    /// What is added to the call.
    pub services: Services,
}

/// What to do with a call.
#[derive(Debug, Clone)]
pub enum Action {
    /// Try these, one after the other.
    Dial(Vec<Attempt>),
    /// Play back what the caller says.
    Echo,
    /// Play a sound to the caller, once.
    Play {
        /// Which.
        sound: Sound,
        /// With what the call then ends, without having been answered; `None`: it is answered, and hung up.
        reject: Option<Cause>,
    },
    /// Turn the caller away.
    Reject(Cause),
}

/// One target of the dialplan: all its branches ring at once.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The target, as the dialplan names it: `user:alice`, `trunk:carrier-a`.
    pub target: String,
    /// Which way its media may go.
    pub media: MediaPolicy,
    /// How long it may ring.
    pub ring: Duration,
    /// The devices or the trunk. None: nobody is there now.
    pub branches: Vec<Branch>,
}

/// One leg to be opened.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The leg, minted by the switch.
    pub leg: LegId,
    /// What its wire can say.
    pub abilities: Abilities,
    /// The caller as this callee is to see it.
    pub from: Party,
    /// Whom to ask for.
    pub to: Address,
    /// Where exactly, for a user's device.
    pub contact: Option<Contact>,
    /// By which trunk.
    pub trunk: Option<String>,
}
