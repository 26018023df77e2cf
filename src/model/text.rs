//! A message between people, outside of calls: SIP MESSAGE (RFC 3428), XMPP `<message/>` (RFC 7572), chat.

use serde::{Deserialize, Serialize};

use super::{Address, Cause, Contact, Entry, Party};
use crate::base::AdapterId;

/// The longest body, in bytes of UTF-8. A SIP MESSAGE must fit into 1300 bytes unless the way is known to take
/// more (RFC 3428 §8); adapters refuse what their wire cannot take.
pub const LONGEST_TEXT: usize = 8192;

/// One message. The adapter that heard it names it; whoever delivers it, or cannot, names it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TextId {
    /// The adapter that heard it, or the switch for the copies it gives out.
    pub adapter: AdapterId,
    /// Never the same twice.
    pub number: u64,
}

/// A message from one party to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// Its name.
    pub id: TextId,
    /// By which door it came in. Meaningless where it goes out.
    pub entry: Entry,
    /// Who wrote it.
    pub from: Party,
    /// To whom.
    pub to: Address,
    /// Where it goes out: where exactly to deliver it.
    pub contact: Option<Contact>,
    /// Where it goes out: the trunk that carries it.
    pub trunk: Option<String>,
    /// What was written: plain text, at most [`LONGEST_TEXT`] bytes.
    pub body: String,
}

/// Why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Why.
    pub cause: Cause,
    /// One sentence, if a wire said more than the cause says.
    pub why: Option<String>,
}

impl Undelivered {
    /// For a cause that says it all.
    pub fn new(cause: Cause) -> Undelivered {
        Undelivered { cause, why: None }
    }

    /// What a person is told.
    pub fn sentence(&self) -> &str {
        self.why.as_deref().unwrap_or(match self.cause {
            Cause::Forbidden => "You may not write there.",
            Cause::NotSupported | Cause::MediaIncompatible => "The other side takes no messages of this kind.",
            Cause::Declined | Cause::Unwanted | Cause::Blocked | Cause::Busy => "The message was declined.",
            Cause::Congestion => "Too many messages at once; try again shortly.",
            Cause::Normal | Cause::Cancelled | Cause::AnsweredElsewhere | Cause::NoAnswer | Cause::Glare => {
                "The message could not be delivered."
            }
            Cause::MediaTimeout => "The other side did not respond.",
            Cause::Loop => "The message was sent round in a circle.",
            Cause::IdentityRejected => "The network did not accept the sender's identity.",
            Cause::Network => "The network on the way failed.",
            _ => self.cause.sentence(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_writer_is_told_is_about_messages_and_not_about_calls() {
        for cause in Cause::ALL {
            let said = Undelivered::new(cause);
            assert!(said.sentence().ends_with('.') && !said.sentence().contains("call"), "{}", said.sentence());
        }
        let why = Undelivered { cause: Cause::NotFound, why: Some("No such account.".into()) };
        assert_eq!(why.sentence(), "No such account.");
    }
}
