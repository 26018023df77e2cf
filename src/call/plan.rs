//! What a call is to do, decided before it begins.

use std::time::Duration;

use crate::base::{CallId, LegId};
use crate::model::{Abilities, Address, Cause, Contact, Hangup, MediaPolicy, Party, Services, Sound};

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
    /// What it is to the attempt before it.
    pub step: Step,
    /// The best word of those that were asked before it at the same target; this attempt may bring a better one.
    pub before: Option<Hangup>,
    /// The devices or the trunk. None: nobody is there now.
    pub branches: Vec<Branch>,
}

impl Attempt {
    /// Whether it is to be made after one that ended so.
    pub fn follows(&self, last: &Hangup) -> bool {
        match self.step {
            Step::Target => true,
            Step::Way => is_of_the_way(last),
            Step::Devices => !speaks_for_all(last),
        }
    }
}

/// What an attempt is to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Another target of the dialplan: made if the one before could not be reached, or rang in vain.
    Target,
    /// Another way to whom the attempt before was for: made only if it was the way that failed.
    Way,
    /// Further devices of the same user, who prefers them less (RFC 3261 §16.6): made unless somebody has refused.
    Devices,
}

/// Whether a person has spoken, and not one device of theirs (RFC 3261 §16.7 step 5: a 6xx ends the search).
fn speaks_for_all(hangup: &Hangup) -> bool {
    let status = hangup.detail.as_ref().and_then(|detail| detail.sip_status);
    matches!(hangup.cause, Cause::Declined | Cause::Unwanted | Cause::Blocked)
        || matches!(hangup.cause, Cause::AnsweredElsewhere | Cause::Cancelled)
        || matches!(status, Some(600..=699))
}

/// Whether it was the way that failed. What a SIP network says of the callee (4xx, 6xx) it would say by any way; that it has
/// waited in vain (408) it would not.
fn is_of_the_way(hangup: &Hangup) -> bool {
    let status = hangup.detail.as_ref().and_then(|detail| detail.sip_status);
    hangup.cause.is_retryable() && !matches!(status, Some(400..=407 | 409..=499 | 600..=699))
}

/// Whoever is at the far end of another call of the same party.
#[derive(Debug, Clone)]
pub struct Far {
    /// The other call.
    pub call: CallId,
    /// Its leg.
    pub leg: LegId,
    /// Who it is.
    pub party: Party,
    /// By which trunk.
    pub trunk: Option<String>,
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
    /// Who sends the call on to this callee: whoever was dialled, where the dialplan dials another number of the network.
    pub sent_on_by: Option<Address>,
}
