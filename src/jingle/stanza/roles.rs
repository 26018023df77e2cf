//! Who of the two does something in a session (XEP-0166 §7.3).

use std::str::FromStr;

/// Who added a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Creator {
    /// The side that began the session.
    Initiator,
    /// The other.
    Responder,
}

impl Creator {
    /// The other side.
    pub fn other(self) -> Creator {
        match self {
            Creator::Initiator => Creator::Responder,
            Creator::Responder => Creator::Initiator,
        }
    }
}

/// Who sends in a content: by role, whoever says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Senders {
    /// Both sides.
    Both,
    /// The initiator only.
    Initiator,
    /// The responder only.
    Responder,
    /// Neither.
    None,
}

impl Creator {
    /// The name of the attribute's value.
    pub fn name(self) -> &'static str {
        match self {
            Creator::Initiator => "initiator",
            Creator::Responder => "responder",
        }
    }
}

impl FromStr for Creator {
    type Err = ();

    fn from_str(name: &str) -> Result<Creator, ()> {
        [Creator::Initiator, Creator::Responder].into_iter().find(|c| c.name() == name).ok_or(())
    }
}

impl Senders {
    /// All of them.
    pub const ALL: [Senders; 4] = [Senders::Both, Senders::Initiator, Senders::Responder, Senders::None];

    /// The name of the attribute's value.
    pub fn name(self) -> &'static str {
        match self {
            Senders::Both => "both",
            Senders::Initiator => "initiator",
            Senders::Responder => "responder",
            Senders::None => "none",
        }
    }
}

impl FromStr for Senders {
    type Err = ();

    fn from_str(name: &str) -> Result<Senders, ()> {
        Senders::ALL.into_iter().find(|s| s.name() == name).ok_or(())
    }
}
