//! One table: SIP status codes and Q.850 values to causes, and causes to both.
//!
//! Sources: RFC 3398 §7.2.4.1 and §8.2.6.1, RFC 3326, ITU-T Q.850 §2.2.7.

use crate::model::{Cause, Detail, Hangup};

/// The cause behind a final response of 300 or more.
///
/// A Q.850 value in `Reason` wins where it says more than the status: carriers hide "no answer" and
/// "congestion" behind one 480 or 503.
pub fn of_status(status: u16, q850: Option<u8>) -> Cause {
    let by_status = of_bare_status(status);
    match q850 {
        // "Call rejected" is what RFC 3398 makes of every 401, 403, 407 and 603: the status is the finer word.
        Some(21) => match by_status {
            Cause::AuthFailed | Cause::Forbidden | Cause::Declined | Cause::IdentityRejected => by_status,
            Cause::Unwanted | Cause::Blocked => by_status,
            _ => Cause::Declined,
        },
        // "Normal clearing" of a call that never was says nothing.
        Some(16) => by_status,
        Some(value) => of_q850(value).unwrap_or(by_status),
        None => by_status,
    }
}

/// The cause behind a status alone. Codes without a row count as their class's `x00` (RFC 3261 §8.1.3.2).
fn of_bare_status(status: u16) -> Cause {
    match status {
        401 | 407 => Cause::AuthFailed,
        402 | 403 => Cause::Forbidden,
        404 | 410 | 416 | 485 | 604 => Cause::NotFound,
        405 | 406 | 420 | 421 | 489 | 501 | 505 => Cause::NotSupported,
        408 | 504 => Cause::Timeout,
        415 | 488 | 606 => Cause::MediaIncompatible,
        428 | 429 | 433 | 436 | 437 | 438 => Cause::IdentityRejected,
        480 | 430 => Cause::Unavailable,
        482 | 483 | 440 => Cause::Loop,
        484 => Cause::BadNumber,
        486 | 600 => Cause::Busy,
        487 => Cause::Cancelled,
        491 => Cause::Glare,
        502 | 503 => Cause::Network,
        603 => Cause::Declined,
        607 => Cause::Unwanted,
        608 => Cause::Blocked,
        // A redirection that led nowhere.
        300..=399 => Cause::Unavailable,
        400..=599 => Cause::ServerError,
        _ => Cause::Declined,
    }
}

/// The cause behind a Q.850 value, if the value says anything.
pub fn of_q850(value: u8) -> Option<Cause> {
    Some(match value {
        1 | 2 | 3 | 22 | 23 => Cause::NotFound,
        16 => Cause::Normal,
        17 => Cause::Busy,
        18 | 19 => Cause::NoAnswer,
        20 => Cause::Unavailable,
        21 => Cause::Declined,
        25 => Cause::Loop,
        26 => Cause::AnsweredElsewhere,
        28 => Cause::BadNumber,
        29 | 63 | 69 | 79 => Cause::NotSupported,
        27 | 38 | 41 => Cause::Network,
        34 | 42 | 44 | 47 | 58 => Cause::Congestion,
        50 | 55 | 57 | 87 => Cause::Forbidden,
        65 | 70 | 88 => Cause::MediaIncompatible,
        102 => Cause::Timeout,
        111 => Cause::ServerError,
        // 31 "normal, unspecified", 127 "interworking, unspecified" and the rest.
        _ => return None,
    })
}

/// The cause of a BYE with these words in `Reason`; a plain BYE is a normal end.
pub fn of_bye(sip: Option<u16>, q850: Option<u8>) -> Cause {
    match (q850.and_then(of_q850), sip) {
        (Some(cause), _) => cause,
        (None, Some(status)) if status >= 300 => of_bare_status(status),
        _ => Cause::Normal,
    }
}

/// The cause of a CANCEL with these words in `Reason` (RFC 3326 §3.1: "call completed elsewhere").
pub fn of_cancel(sip: Option<u16>, q850: Option<u8>) -> Cause {
    match (sip, q850) {
        (Some(200), _) | (_, Some(26)) => Cause::AnsweredElsewhere,
        _ => Cause::Cancelled,
    }
}

/// What a cause is on our wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The final response to an INVITE.
    pub status: u16,
    /// The value in `Reason`.
    pub q850: u8,
}

/// The row of a cause. Never 401 or 407, which would ask the peer for credentials that are not the ones
/// missing; never 487, which only a CANCEL or BYE brings; 503 only when it is the gateway itself that cannot.
pub fn row(cause: Cause) -> Row {
    let (status, q850) = match cause {
        Cause::Normal | Cause::Cancelled => (480, 16),
        Cause::AnsweredElsewhere => (480, 26),
        Cause::Busy => (486, 17),
        Cause::NoAnswer => (480, 19),
        Cause::Declined => (603, 21),
        Cause::Unwanted => (607, 21),
        Cause::Blocked => (608, 21),
        Cause::NotFound => (404, 1),
        Cause::Unavailable => (480, 20),
        Cause::BadNumber => (484, 28),
        Cause::Forbidden | Cause::AuthFailed => (403, 21),
        Cause::IdentityRejected => (438, 21),
        Cause::MediaIncompatible => (488, 88),
        Cause::NotSupported => (501, 79),
        // 482 is the word of proxies, who see their own Via come back; here it is the hops that run out.
        Cause::Loop => (483, 25),
        Cause::Timeout => (504, 102),
        Cause::Network => (502, 38),
        Cause::Congestion => (480, 42),
        Cause::ServerError => (500, 111),
        Cause::MediaTimeout => (500, 41),
        Cause::Glare => (491, 31),
        Cause::Maintenance => (503, 41),
    };
    Row { status, q850 }
}

/// Statuses that may be said again on another leg: what the far side thinks of the call. All others speak of
/// one hop's message and would be untrue on the next.
fn is_about_the_call(status: u16) -> bool {
    matches!(status, 402..=404 | 410 | 424 | 428 | 429 | 433 | 436..=438 | 480 | 484..=486 | 488 | 500..=502 | 504)
        || matches!(status, 600 | 603 | 604 | 606..=608)
}

/// The final response for a hang-up before the answer: the peer's own status where it holds here too, the
/// cause's otherwise.
pub fn final_status(hangup: &Hangup) -> u16 {
    let detail = hangup.detail.as_ref();
    match (detail.and_then(|d| d.sip_status), detail.and_then(|d| d.q850)) {
        (Some(status), _) if is_about_the_call(status) => status,
        (Some(_), _) => row(hangup.cause).status,
        (None, Some(value)) => status_of_q850(value).unwrap_or_else(|| row(hangup.cause).status),
        // Nobody further on said so: it is the gateway itself that is full (RFC 3398 §8.2.6.1).
        (None, None) if hangup.cause == Cause::Congestion => 503,
        (None, None) => row(hangup.cause).status,
    }
}

/// The Q.850 value that a final response stands for where no `Reason` says more (RFC 3398 §8.2.6.1); `None` for those
/// that the table leaves to other words of the message, and that our cause tells better.
fn q850_of_status(status: u16) -> Option<u8> {
    Some(match status {
        400 | 481 | 500 | 503 => 41,
        401..=403 | 407 | 603 => 21,
        // Later than that table (RFC 8224, RFC 8197, RFC 8688): the network or the callee refuses the caller.
        428 | 429 | 433 | 436..=438 | 607 | 608 => 21,
        404 | 485 | 604 => 1,
        405 => 63,
        406 | 415 | 501 => 79,
        408 | 504 => 102,
        410 => 22,
        413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
        // The table's 18 would say that it rang: a telephone that is switched off is a subscriber absent.
        480 => 20,
        482 | 483 => 25,
        484 => 28,
        486 | 600 => 17,
        502 => 38,
        // 487 ends what a CANCEL or BYE has ended; 488 and 606 say why in a `Warning`.
        487 | 488 | 606 => return None,
        300..=699 => 31,
        _ => return None,
    })
}

/// The final response that a Q.850 value stands for where no status came with it (RFC 3398 §7.2.4.1); `None` where our
/// cause tells better.
fn status_of_q850(value: u8) -> Option<u16> {
    Some(match value {
        1..=3 => 404,
        17 => 486,
        18 => 408,
        19 | 20 | 31 => 480,
        22 | 23 => 410,
        27 => 502,
        28 => 484,
        29 | 79 => 501,
        55 | 57 | 87 => 403,
        65 | 70 => 488,
        102 => 504,
        111 | 127 => 500,
        // 21 is the callee's or the network's word. 26 has the call answered elsewhere. 34, 38, 41, 42, 47, 58 and 88 are
        // 503 in the table, by which a carrier takes the whole gateway for gone (RFC 3261 §21.5.4).
        _ => return None,
    })
}

/// After how many seconds a caller may try again, where a refusal says so (RFC 3261 §21.5.4).
pub fn retry_after(cause: Cause) -> Option<u32> {
    match cause {
        Cause::Maintenance => Some(30),
        Cause::Congestion => Some(5),
        _ => None,
    }
}

/// The value in `Reason` (RFC 3326, RFC 6432) that belongs to a hang-up: the wire's own, else that of the wire's status,
/// else the cause's.
pub fn q850(hangup: &Hangup) -> u8 {
    let detail = hangup.detail.as_ref();
    let said = detail.and_then(|d| d.q850).filter(|v| (1..=127).contains(v));
    let by_status = || detail.and_then(|d| d.sip_status).and_then(q850_of_status);
    said.or_else(by_status).unwrap_or_else(|| row(hangup.cause).q850)
}

/// A hang-up of ours with its sentence.
pub fn hangup(cause: Cause, sentence: impl Into<String>) -> Hangup {
    Hangup { cause, detail: Some(Detail { text: Some(sentence.into()), ..Detail::default() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_cause_and_the_named_ones_the_right_one() {
        let named: &[(u16, Cause)] = &[
            (401, Cause::AuthFailed),
            (403, Cause::Forbidden),
            (404, Cause::NotFound),
            (405, Cause::NotSupported),
            (406, Cause::NotSupported),
            (407, Cause::AuthFailed),
            (408, Cause::Timeout),
            (410, Cause::NotFound),
            (415, Cause::MediaIncompatible),
            (416, Cause::NotFound),
            (420, Cause::NotSupported),
            (421, Cause::NotSupported),
            (428, Cause::IdentityRejected),
            (436, Cause::IdentityRejected),
            (437, Cause::IdentityRejected),
            (438, Cause::IdentityRejected),
            (480, Cause::Unavailable),
            (482, Cause::Loop),
            (483, Cause::Loop),
            (484, Cause::BadNumber),
            (485, Cause::NotFound),
            (486, Cause::Busy),
            (487, Cause::Cancelled),
            (488, Cause::MediaIncompatible),
            (500, Cause::ServerError),
            (501, Cause::NotSupported),
            (502, Cause::Network),
            (503, Cause::Network),
            (504, Cause::Timeout),
            (505, Cause::NotSupported),
            (513, Cause::ServerError),
            (580, Cause::ServerError),
            (600, Cause::Busy),
            (603, Cause::Declined),
            (604, Cause::NotFound),
            (606, Cause::MediaIncompatible),
            (607, Cause::Unwanted),
            (608, Cause::Blocked),
        ];
        for (status, cause) in named {
            assert_eq!(of_status(*status, None), *cause, "{status}");
        }
        for status in 300..=699 {
            let cause = of_status(status, None);
            assert_ne!(cause, Cause::Normal, "{status} is a failure");
            assert_eq!(of_status(status, Some(31)), cause, "31 says nothing beside {status}");
            assert_eq!(of_status(status, Some(16)), cause, "16 says nothing beside {status}");
        }
    }

    #[test]
    fn a_q850_value_wins_over_a_status_that_says_less() {
        for (status, q850, cause) in [
            (480, 18, Cause::NoAnswer),
            (480, 19, Cause::NoAnswer),
            (480, 20, Cause::Unavailable),
            (480, 17, Cause::Busy),
            (503, 34, Cause::Congestion),
            (500, 1, Cause::NotFound),
            (403, 21, Cause::Forbidden),
            (603, 21, Cause::Declined),
            (480, 21, Cause::Declined),
            (500, 127, Cause::ServerError),
        ] {
            assert_eq!(of_status(status, Some(q850)), cause, "{status} with {q850}");
        }
    }

    #[test]
    fn every_cause_has_a_status_and_a_value_that_read_back_as_the_same_cause() {
        for cause in Cause::ALL {
            let row = row(cause);
            assert!((400..=699).contains(&row.status) && (1..=127).contains(&row.q850), "{cause}");
            assert!(![401, 407, 487].contains(&row.status), "{cause}");
            let expected = match cause {
                // A call that was never up has not ended normally, nor has its caller gone on this leg.
                Cause::Normal | Cause::Cancelled => Cause::Unavailable,
                Cause::AuthFailed => Cause::Forbidden,
                Cause::MediaTimeout | Cause::Maintenance => Cause::Network,
                same => same,
            };
            assert_eq!(of_status(row.status, Some(row.q850)), expected, "{cause}");
        }
        assert_eq!(row(Cause::Maintenance).status, 503);
        assert!(Cause::ALL.into_iter().filter(|c| row(*c).status == 503).eq([Cause::Maintenance]));
    }

    #[test]
    fn only_what_is_about_the_call_crosses_to_another_leg_word_for_word() {
        let heard = |status| Hangup {
            cause: of_status(status, None),
            detail: Some(Detail { sip_status: Some(status), ..Detail::default() }),
        };
        for status in [404, 480, 484, 486, 500, 600, 603, 606] {
            assert_eq!(final_status(&heard(status)), status);
        }
        for (status, said) in [(401, 403), (407, 403), (408, 504), (415, 488), (420, 501), (503, 502), (302, 480)] {
            assert_eq!(final_status(&heard(status)), said, "{status}");
        }
        assert_eq!(final_status(&heard(487)), 480);
    }

    /// RFC 3398 §8.2.6.1: status, the table's value, ours.
    const STATUS_TO_Q850: &[(u16, u8, u8)] = &[
        (400, 41, 41),
        (401, 21, 21),
        (402, 21, 21),
        (403, 21, 21),
        (404, 1, 1),
        (405, 63, 63),
        (406, 79, 79),
        (407, 21, 21),
        (408, 102, 102),
        (410, 22, 22),
        (413, 127, 127),
        (414, 127, 127),
        (415, 79, 79),
        (416, 127, 127),
        (420, 127, 127),
        (421, 127, 127),
        (423, 127, 127),
        (480, 18, 20),
        (481, 41, 41),
        (482, 25, 25),
        (483, 25, 25),
        (484, 28, 28),
        (485, 1, 1),
        (486, 17, 17),
        (500, 41, 41),
        (501, 79, 79),
        (502, 38, 38),
        (503, 41, 41),
        (504, 102, 102),
        (505, 127, 127),
        (513, 127, 127),
        (600, 17, 17),
        (603, 21, 21),
        (604, 1, 1),
        // Those without a row.
        (422, 31, 31),
        (580, 31, 31),
    ];

    /// RFC 3398 §7.2.4.1: value, the table's status, ours.
    const Q850_TO_STATUS: &[(u8, u16, u16)] = &[
        (1, 404, 404),
        (2, 404, 404),
        (3, 404, 404),
        (17, 486, 486),
        (18, 408, 408),
        (19, 480, 480),
        (20, 480, 480),
        // 603 if the callee's side said it: there is nobody else here who would.
        (21, 403, 603),
        (22, 410, 410),
        (23, 410, 410),
        (26, 404, 480),
        (27, 502, 502),
        (28, 484, 484),
        (29, 501, 501),
        (31, 480, 480),
        (34, 503, 480),
        (38, 503, 502),
        (41, 503, 502),
        (42, 503, 480),
        (47, 503, 480),
        (55, 403, 403),
        (57, 403, 403),
        (58, 503, 480),
        (65, 488, 488),
        (70, 488, 488),
        (79, 501, 501),
        (87, 403, 403),
        (88, 503, 488),
        (102, 504, 504),
        (111, 500, 500),
        (127, 500, 500),
    ];

    #[test]
    fn statuses_and_q850_values_stand_for_each_other_as_in_the_tables_of_rfc_3398() {
        for (status, table, ours) in STATUS_TO_Q850 {
            let detail = Detail { sip_status: Some(*status), ..Detail::default() };
            assert_eq!(q850(&Hangup { cause: of_status(*status, None), detail: Some(detail) }), *ours, "{status}");
            assert!(table == ours || *status == 480, "{status}");
        }
        for (value, table, ours) in Q850_TO_STATUS {
            let detail = Detail { q850: Some(*value), ..Detail::default() };
            let heard = Hangup { cause: of_bye(None, Some(*value)), detail: Some(detail) };
            assert_eq!(final_status(&heard), *ours, "{value}");
            assert_eq!(q850(&heard), *value, "the value itself goes on in Reason (RFC 6432)");
            assert!(table == ours || [21, 26].contains(value) || *table == 503, "{value}");
            assert_ne!(*ours, 503, "{value}: a trunk would take the gateway for gone");
        }
        for value in 1..=127 {
            let detail = Detail { q850: Some(value), ..Detail::default() };
            let status = final_status(&Hangup { cause: of_bye(None, Some(value)), detail: Some(detail) });
            assert!((400..=699).contains(&status) && status != 503, "{value}: {status}");
        }
    }

    #[test]
    fn a_bye_and_a_cancel_say_why_by_their_reason() {
        assert_eq!(of_bye(None, None), Cause::Normal);
        assert_eq!(of_bye(None, Some(31)), Cause::Normal);
        assert_eq!(of_bye(None, Some(41)), Cause::Network);
        assert_eq!(of_bye(Some(488), None), Cause::MediaIncompatible);
        assert_eq!(of_bye(Some(200), None), Cause::Normal);
        assert_eq!(of_cancel(None, None), Cause::Cancelled);
        assert_eq!(of_cancel(Some(200), None), Cause::AnsweredElsewhere);
        assert_eq!(of_cancel(None, Some(26)), Cause::AnsweredElsewhere);
    }

    #[test]
    fn the_wire_s_own_q850_value_goes_on_unchanged() {
        let detail = Detail { q850: Some(34), ..Detail::default() };
        assert_eq!(q850(&Hangup { cause: Cause::Network, detail: Some(detail) }), 34);
        let nonsense = Detail { q850: Some(200), ..Detail::default() };
        assert_eq!(q850(&Hangup { cause: Cause::Busy, detail: Some(nonsense) }), 17);
        assert_eq!(q850(&Hangup::new(Cause::NoAnswer)), 19);
    }
}
