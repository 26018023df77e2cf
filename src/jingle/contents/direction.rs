//! Who speaks: Jingle's `senders` names roles, a direction is seen from the describer.

use crate::jingle::stanza::{Creator, Senders};
use crate::model::Direction;

/// A direction in the words of Jingle. `describer` is the role of whoever the direction is seen from.
pub fn write(direction: Direction, describer: Creator) -> Senders {
    match (direction, describer) {
        (Direction::SendRecv, _) => Senders::Both,
        (Direction::Inactive, _) => Senders::None,
        (Direction::SendOnly, Creator::Initiator) | (Direction::RecvOnly, Creator::Responder) => Senders::Initiator,
        (Direction::SendOnly, Creator::Responder) | (Direction::RecvOnly, Creator::Initiator) => Senders::Responder,
    }
}

/// Jingle's word as a direction, seen from `describer`.
pub fn read(senders: Senders, describer: Creator) -> Direction {
    let sends = |role| senders == Senders::Both || senders == only(role);
    Direction::of(sends(describer), sends(describer.other()))
}

/// What a content says, or leaves to be understood (XEP-0166 §7.3: both).
pub fn of(senders: Option<Senders>, describer: Creator) -> Direction {
    read(senders.unwrap_or(Senders::Both), describer)
}

fn only(role: Creator) -> Senders {
    match role {
        Creator::Initiator => Senders::Initiator,
        Creator::Responder => Senders::Responder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_roles_whoever_describes() {
        use Creator::{Initiator, Responder};
        use Direction::*;
        // The direction in the initiator's description, what Jingle says, and the direction in the responder's.
        for (of_initiator, senders, of_responder) in [
            (SendRecv, Senders::Both, SendRecv),
            (SendOnly, Senders::Initiator, RecvOnly),
            (RecvOnly, Senders::Responder, SendOnly),
            (Inactive, Senders::None, Inactive),
        ] {
            // Four directions, two roles, and both ways: sixteen rows.
            assert_eq!(write(of_initiator, Initiator), senders);
            assert_eq!(write(of_responder, Responder), senders);
            assert_eq!(read(senders, Initiator), of_initiator);
            assert_eq!(read(senders, Responder), of_responder);
        }
    }
}
