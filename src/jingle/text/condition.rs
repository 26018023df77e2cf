//! Why a message was not delivered, as the condition of a stanza error, and back (RFC 7247 §7, tables 2 and 3).

use crate::jingle::stanza::{DefinedCondition, ErrorType, StanzaError};
use crate::model::{Cause, Undelivered};

/// The longest sentence of a peer that is passed on, in characters.
const LONGEST_WHY: usize = 300;

/// The error that a sender gets.
pub(super) fn error(undelivered: &Undelivered) -> StanzaError {
    let (kind, condition) = match undelivered.cause {
        Cause::NotFound | Cause::BadNumber => (ErrorType::Cancel, DefinedCondition::ItemNotFound),
        Cause::Forbidden | Cause::AuthFailed | Cause::IdentityRejected => {
            (ErrorType::Auth, DefinedCondition::Forbidden)
        }
        Cause::MediaIncompatible | Cause::Loop => (ErrorType::Modify, DefinedCondition::NotAcceptable),
        Cause::NotSupported => (ErrorType::Cancel, DefinedCondition::FeatureNotImplemented),
        Cause::Timeout => (ErrorType::Wait, DefinedCondition::RemoteServerTimeout),
        Cause::Network => (ErrorType::Cancel, DefinedCondition::RemoteServerNotFound),
        Cause::Congestion => (ErrorType::Wait, DefinedCondition::ResourceConstraint),
        Cause::ServerError | Cause::Glare => (ErrorType::Cancel, DefinedCondition::InternalServerError),
        Cause::Normal
        | Cause::Cancelled
        | Cause::AnsweredElsewhere
        | Cause::Busy
        | Cause::NoAnswer
        | Cause::Declined
        | Cause::Unwanted
        | Cause::Blocked
        | Cause::Unavailable
        | Cause::MediaTimeout
        | Cause::Maintenance => (ErrorType::Wait, DefinedCondition::RecipientUnavailable),
    };
    StanzaError::new(kind, condition).with_text(undelivered.sentence())
}

/// What an error says of a message of ours, with the peer's own words if it has some.
pub(super) fn undelivered(error: &StanzaError) -> Undelivered {
    let why = error.text.as_ref().map(|text| text.chars().filter(|c| !c.is_control()).take(LONGEST_WHY).collect());
    Undelivered { cause: cause(&error.condition), why }
}

fn cause(condition: &DefinedCondition) -> Cause {
    match condition {
        DefinedCondition::ItemNotFound | DefinedCondition::Gone { .. } => Cause::NotFound,
        DefinedCondition::JidMalformed => Cause::BadNumber,
        // RFC 7247 §7.1: never 503, which a SIP proxy takes for its own next hop's failure.
        DefinedCondition::ServiceUnavailable
        | DefinedCondition::RecipientUnavailable
        | DefinedCondition::Redirect { .. } => Cause::Unavailable,
        DefinedCondition::RemoteServerNotFound => Cause::Network,
        DefinedCondition::RemoteServerTimeout => Cause::Timeout,
        DefinedCondition::Forbidden
        | DefinedCondition::NotAllowed
        | DefinedCondition::NotAuthorized
        | DefinedCondition::PolicyViolation
        | DefinedCondition::RegistrationRequired
        | DefinedCondition::SubscriptionRequired => Cause::Forbidden,
        DefinedCondition::BadRequest
        | DefinedCondition::FeatureNotImplemented
        | DefinedCondition::NotAcceptable
        | DefinedCondition::UnexpectedRequest => Cause::NotSupported,
        DefinedCondition::ResourceConstraint => Cause::Congestion,
        DefinedCondition::Conflict | DefinedCondition::InternalServerError | DefinedCondition::UndefinedCondition => {
            Cause::ServerError
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_gateway_says_another_hears() {
        for (said, heard) in [
            (Cause::NotFound, Cause::NotFound),
            (Cause::BadNumber, Cause::NotFound),
            (Cause::Unavailable, Cause::Unavailable),
            (Cause::Busy, Cause::Unavailable),
            (Cause::Forbidden, Cause::Forbidden),
            (Cause::AuthFailed, Cause::Forbidden),
            (Cause::NotSupported, Cause::NotSupported),
            (Cause::Timeout, Cause::Timeout),
            (Cause::Network, Cause::Network),
            (Cause::Congestion, Cause::Congestion),
            (Cause::ServerError, Cause::ServerError),
        ] {
            assert_eq!(undelivered(&error(&Undelivered::new(said))).cause, heard, "{said}");
        }
    }

    #[test]
    fn the_words_pass_and_the_error_never_says_service_unavailable() {
        for cause in Cause::ALL {
            let error = error(&Undelivered { cause, why: Some("Nobody is there.".into()) });
            assert_ne!(error.condition, DefinedCondition::ServiceUnavailable, "{cause}");
            assert_eq!(undelivered(&error).why.as_deref(), Some("Nobody is there."));
        }
    }

    #[test]
    fn a_server_that_has_nobody_there_means_unavailable_not_a_broken_way() {
        let heard = undelivered(&StanzaError::service_unavailable());
        assert_eq!(heard, Undelivered::new(Cause::Unavailable));
    }
}
