//! One table: causes to the reasons of Jingle (XEP-0166 §7.4) and of message initiation (XEP-0353), and back; errors
//! of stanzas (RFC 6120 §8.3.3) to causes.
//!
//! There is no standard for reasons against causes. A SIP status and a Q.850 value that the other world said travel
//! at the end of the reason's text, so that two gateways with Jingle between them tell each other exactly.

use crate::jingle::stanza::{Condition, DefinedCondition, JingleCondition, Reason, StanzaError};
use crate::model::{Cause, Detail, Hangup};

/// Who ended the call, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The caller, before the answer.
    ByCaller,
    /// The callee, before the answer.
    ByCallee,
    /// Either, after the answer.
    Talking,
}

/// The condition that says a cause.
fn condition(cause: Cause) -> Condition {
    match cause {
        Cause::Normal => Condition::Success,
        // Another device took it: to this one it is as if the caller had given up, and no missed call.
        Cause::Cancelled | Cause::AnsweredElsewhere => Condition::Cancel,
        Cause::Busy => Condition::Busy,
        Cause::NoAnswer | Cause::Timeout => Condition::Timeout,
        Cause::Declined | Cause::Unwanted | Cause::Blocked => Condition::Decline,
        Cause::NotFound | Cause::Unavailable | Cause::BadNumber | Cause::Maintenance => Condition::Gone,
        Cause::Forbidden | Cause::AuthFailed | Cause::IdentityRejected => Condition::SecurityError,
        Cause::MediaIncompatible => Condition::IncompatibleParameters,
        Cause::Network | Cause::MediaTimeout => Condition::ConnectivityError,
        Cause::NotSupported | Cause::Loop | Cause::Congestion | Cause::ServerError | Cause::Glare => {
            Condition::GeneralError
        }
    }
}

/// The reason of a hang-up that we say: in `session-terminate`, `reject` and `finish`.
pub fn reason(hangup: &Hangup) -> Reason {
    Reason { condition: condition(hangup.cause), text: Some(text(hangup)) }
}

/// The reason of a `retract`: the caller gives up, whatever made it (XEP-0353 §3.3), unless the way failed.
pub fn of_retract(hangup: &Hangup) -> Reason {
    let condition = match condition(hangup.cause) {
        Condition::Success | Condition::Decline | Condition::Busy => Condition::Cancel,
        other => other,
    };
    Reason { condition, text: Some(text(hangup)) }
}

fn text(hangup: &Hangup) -> String {
    let detail = hangup.detail.as_ref();
    let words = detail.and_then(|d| d.text.as_deref()).unwrap_or_else(|| hangup.cause.sentence());
    let sip = detail.and_then(|d| d.sip_status).map(|status| format!("SIP {status}"));
    let q850 = detail.and_then(|d| d.q850).map(|value| format!("Q.850 {value}"));
    let numbers: Vec<String> = sip.into_iter().chain(q850).collect();
    if numbers.is_empty() { words.to_owned() } else { format!("{words} [{}]", numbers.join(", ")) }
}

/// What a reason says that we heard. Absent is what many clients say at the end of a call, and when a person refuses
/// one (`silent` is that).
pub fn hangup(reason: Option<&Reason>, ended: Ended, silent: Cause) -> Hangup {
    let cause = reason.map_or(silent, |r| of_condition(&r.condition, ended).unwrap_or(silent));
    let detail = reason.and_then(|r| r.text.as_deref()).map(detail);
    let finer = detail.as_ref().and_then(|d| d.q850).and_then(|q850| finer(cause, q850));
    Hangup { cause: finer.unwrap_or(cause), detail }
}

/// The cause of a condition; `None` for one that says nothing.
fn of_condition(condition: &Condition, ended: Ended) -> Option<Cause> {
    // What is a refusal from a callee is a common end from others.
    let common = match ended {
        Ended::Talking => Some(Cause::Normal),
        Ended::ByCaller => Some(Cause::Cancelled),
        Ended::ByCallee => None,
    };
    Some(match condition {
        Condition::AlternativeSession(_) | Condition::Busy => common.unwrap_or(Cause::Busy),
        Condition::Cancel | Condition::Gone => common.unwrap_or(Cause::Unavailable),
        Condition::Decline | Condition::Success => common.unwrap_or(Cause::Declined),
        Condition::Timeout | Condition::Expired if ended == Ended::ByCallee => Cause::NoAnswer,
        Condition::Timeout | Condition::Expired => Cause::Timeout,
        Condition::ConnectivityError | Condition::FailedTransport => Cause::Network,
        Condition::SecurityError => Cause::Forbidden,
        Condition::GeneralError => Cause::ServerError,
        Condition::FailedApplication
        | Condition::IncompatibleParameters
        | Condition::MediaError
        | Condition::UnsupportedApplications
        | Condition::UnsupportedTransports => Cause::MediaIncompatible,
        Condition::Other(_) => return None,
    })
}

/// The causes that one condition stands for, told apart by the Q.850 value beside it.
fn finer(cause: Cause, q850: u8) -> Option<Cause> {
    Some(match (cause, q850) {
        (Cause::Unavailable, 1..=3 | 22 | 23) => Cause::NotFound,
        (Cause::Unavailable, 28) => Cause::BadNumber,
        (Cause::NoAnswer, 102) => Cause::Timeout,
        (Cause::ServerError, 25) => Cause::Loop,
        (Cause::ServerError, 29 | 69 | 79) => Cause::NotSupported,
        (Cause::ServerError, 34 | 42 | 44 | 47 | 58) => Cause::Congestion,
        _ => return None,
    })
}

/// The words, and the numbers that [`text`] puts behind them.
fn detail(text: &str) -> Detail {
    let nothing = || Detail { text: Some(text.to_owned()), ..Detail::default() };
    let Some((words, numbers)) = text.strip_suffix(']').and_then(|t| t.rsplit_once(" [")) else { return nothing() };
    let mut detail = Detail { text: Some(words.to_owned()), ..Detail::default() };
    for number in numbers.split(", ") {
        match number.split_once(' ') {
            Some(("SIP", status)) => detail.sip_status = status.parse().ok().filter(|s| (300..=699).contains(s)),
            Some(("Q.850", value)) => detail.q850 = value.parse().ok().filter(|v| (1..=127).contains(v)),
            _ => return nothing(),
        }
    }
    detail
}

/// Why a call failed whose proposal or session-initiate came back as an error.
pub fn of_error(error: &StanzaError) -> Hangup {
    let detail = error.text.clone().map(|text| Detail { text: Some(text), ..Detail::default() });
    Hangup { cause: of_defined(&error.condition), detail }
}

fn of_defined(condition: &DefinedCondition) -> Cause {
    match condition {
        DefinedCondition::ItemNotFound | DefinedCondition::JidMalformed => Cause::NotFound,
        DefinedCondition::Gone { .. }
        | DefinedCondition::Redirect { .. }
        | DefinedCondition::RecipientUnavailable
        | DefinedCondition::RemoteServerNotFound
        | DefinedCondition::RemoteServerTimeout
        | DefinedCondition::ServiceUnavailable => Cause::Unavailable,
        DefinedCondition::Forbidden
        | DefinedCondition::NotAllowed
        | DefinedCondition::NotAuthorized
        | DefinedCondition::PolicyViolation
        | DefinedCondition::RegistrationRequired
        | DefinedCondition::SubscriptionRequired => Cause::Forbidden,
        DefinedCondition::BadRequest
        | DefinedCondition::FeatureNotImplemented
        | DefinedCondition::UnexpectedRequest => Cause::NotSupported,
        DefinedCondition::NotAcceptable => Cause::MediaIncompatible,
        // The peer calls us at the same moment, and its call goes on.
        DefinedCondition::Conflict => Cause::Busy,
        DefinedCondition::ResourceConstraint => Cause::Congestion,
        DefinedCondition::InternalServerError | DefinedCondition::UndefinedCondition => Cause::ServerError,
    }
}

/// Whether an error says that the peer has no such session.
pub fn is_unknown_session(error: &StanzaError) -> bool {
    error.jingle == Some(JingleCondition::UnknownSession) || error.condition == DefinedCondition::ItemNotFound
}

/// Whether an error to a question is the server's, which says that the peer is not there to answer it.
pub fn is_away(error: &StanzaError) -> bool {
    !is_unknown_session(error) && of_defined(&error.condition) == Cause::Unavailable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(said: &Hangup, ended: Ended) -> Hangup {
        hangup(Some(&reason(said)), ended, Cause::Normal)
    }

    #[test]
    fn every_cause_has_a_reason_and_reads_back_as_one_like_it() {
        for cause in Cause::ALL {
            let expected = match cause {
                // A call that was never up has not ended normally.
                Cause::Normal | Cause::Unwanted | Cause::Blocked => Cause::Declined,
                Cause::Cancelled | Cause::AnsweredElsewhere => Cause::Unavailable,
                Cause::Timeout => Cause::NoAnswer,
                Cause::NotFound | Cause::BadNumber | Cause::Maintenance => Cause::Unavailable,
                Cause::AuthFailed | Cause::IdentityRejected => Cause::Forbidden,
                Cause::MediaTimeout => Cause::Network,
                Cause::NotSupported | Cause::Loop | Cause::Congestion | Cause::Glare => Cause::ServerError,
                same => same,
            };
            assert_eq!(heard(&Hangup::new(cause), Ended::ByCallee).cause, expected, "{cause}");
        }
    }

    #[test]
    fn what_a_telephone_network_said_passes_two_gateways_with_the_same_value() {
        // As SIP says them: status, Q.850 value, and the cause that they are.
        for (status, q850, cause) in [
            (404, 1, Cause::NotFound),
            (484, 28, Cause::BadNumber),
            (486, 17, Cause::Busy),
            (480, 18, Cause::NoAnswer),
            (480, 19, Cause::NoAnswer),
            (480, 20, Cause::Unavailable),
            (504, 102, Cause::Timeout),
            (603, 21, Cause::Declined),
            (403, 21, Cause::Forbidden),
            (503, 34, Cause::Congestion),
            (502, 38, Cause::Network),
            (483, 25, Cause::Loop),
            (501, 79, Cause::NotSupported),
            (488, 88, Cause::MediaIncompatible),
        ] {
            let detail = Detail {
                sip_status: Some(status),
                q850: Some(q850),
                text: Some("As they said".into()),
                ..Detail::default()
            };
            let said = Hangup { cause, detail: Some(detail) };
            assert_eq!(heard(&said, Ended::ByCallee), said, "{status} {q850}");
        }
    }

    #[test]
    fn a_reason_means_what_it_can_mean_at_that_point() {
        let hear = |condition: Condition, ended| hangup(Some(&Reason::new(condition)), ended, Cause::Normal).cause;
        for (condition, by_callee, by_caller, talking) in [
            (Condition::Busy, Cause::Busy, Cause::Cancelled, Cause::Normal),
            (Condition::Decline, Cause::Declined, Cause::Cancelled, Cause::Normal),
            (Condition::Success, Cause::Declined, Cause::Cancelled, Cause::Normal),
            (Condition::Cancel, Cause::Unavailable, Cause::Cancelled, Cause::Normal),
            (Condition::Gone, Cause::Unavailable, Cause::Cancelled, Cause::Normal),
            (Condition::AlternativeSession(None), Cause::Busy, Cause::Cancelled, Cause::Normal),
            (Condition::Timeout, Cause::NoAnswer, Cause::Timeout, Cause::Timeout),
            (Condition::Expired, Cause::NoAnswer, Cause::Timeout, Cause::Timeout),
            (Condition::ConnectivityError, Cause::Network, Cause::Network, Cause::Network),
            (Condition::FailedTransport, Cause::Network, Cause::Network, Cause::Network),
            (Condition::SecurityError, Cause::Forbidden, Cause::Forbidden, Cause::Forbidden),
            (Condition::MediaError, Cause::MediaIncompatible, Cause::MediaIncompatible, Cause::MediaIncompatible),
            (Condition::GeneralError, Cause::ServerError, Cause::ServerError, Cause::ServerError),
            (Condition::Other("x".into()), Cause::Normal, Cause::Normal, Cause::Normal),
        ] {
            let heard = [Ended::ByCallee, Ended::ByCaller, Ended::Talking].map(|ended| hear(condition.clone(), ended));
            assert_eq!(heard, [by_callee, by_caller, talking], "{condition:?}");
        }
    }

    #[test]
    fn words_that_only_look_like_numbers_stay_words() {
        for text in ["gone [fishing]", "x [SIP 486, maybe]", "]", " []", "[SIP 486]"] {
            assert_eq!(detail(text), Detail { text: Some(text.into()), ..Detail::default() });
        }
        let odd = detail("x [SIP 200, Q.850 999]");
        assert_eq!((odd.sip_status, odd.q850), (None, None));
    }

    #[test]
    fn a_retract_says_cancel_unless_the_way_failed() {
        for (cause, expected) in [
            (Cause::Cancelled, Condition::Cancel),
            (Cause::Normal, Condition::Cancel),
            (Cause::Busy, Condition::Cancel),
            (Cause::NoAnswer, Condition::Timeout),
            (Cause::Network, Condition::ConnectivityError),
        ] {
            assert_eq!(of_retract(&Hangup::new(cause)).condition, expected);
        }
    }

    #[test]
    fn no_error_of_a_peer_is_a_failure_of_the_gateway_s_own_credentials() {
        let causes = [
            DefinedCondition::NotAuthorized,
            DefinedCondition::RegistrationRequired,
            DefinedCondition::ServiceUnavailable,
        ];
        for condition in causes {
            let cause = of_defined(&condition);
            assert!(matches!(cause, Cause::Forbidden | Cause::Unavailable), "{condition:?}");
        }
    }
}
