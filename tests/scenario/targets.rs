use patchcord::call::{Action, Attempt, Step};
use patchcord::model::{Cause, Codec, Detail, Hangup, Signal};

use super::ladder::{Ladder, RING, refused};

#[test]
fn first_trunk_is_congested_second_answers() {
    let mut ladder = Ladder::from_browser();
    let (a, b) = (ladder.phone("sip:carrier-a"), ladder.phone("sip:carrier-b"));
    let (leg_a, leg_b) = (a.leg, b.leg);
    ladder.open(Action::Dial(vec![
        Ladder::attempt("trunk:carrier-a", vec![a]),
        Ladder::attempt("trunk:carrier-b", vec![b]),
    ]));
    ladder.hear(leg_a, refused(Cause::Congestion));
    let answer = ladder.answer_of(leg_b, &[Codec::pcmu()], false);
    ladder.hear(leg_b, answer);
    ladder.hear(leg_b, Signal::Accept);
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Trying─
        web:alice ◀─Answer for now opus sendrecv─
                                ─Start─▶ sip:carrier-a
                                ─Path relayed─▶ sip:carrier-a
                                ◀─Hangup congestion─ sip:carrier-a
                                ─Start─▶ sip:carrier-b
                                ─Path relayed─▶ sip:carrier-b
                                ◀─Answer PCMU sendrecv─ sip:carrier-b
                                ◀─Accept─ sip:carrier-b
        web:alice ◀─Path relayed─
        web:alice ◀─Answer PCMU sendrecv─
        web:alice ◀─Accept─
        ",
    );
}

#[test]
fn busy_is_final() {
    let mut ladder = Ladder::from_browser();
    let (a, b) = (ladder.phone("sip:carrier-a"), ladder.phone("sip:carrier-b"));
    let leg = a.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("a", vec![a]), Ladder::attempt("b", vec![b])]));
    ladder.hear(leg, refused(Cause::Busy));
    assert_eq!(ladder.records[0].cause, Cause::Busy);
}

#[test]
fn a_user_who_is_not_there_is_passed_over_and_ring_time_leads_to_the_next() {
    let mut ladder = Ladder::from_phone();
    let (desk, mobile) = (ladder.phone("sip:desk"), ladder.phone("sip:mobile"));
    ladder.open(Action::Dial(vec![
        Ladder::attempt("user:nobody", vec![]),
        Ladder::attempt("user:desk", vec![desk]),
        Ladder::attempt("trunk:mobile", vec![mobile]),
    ]));
    ladder.after(RING);
    ladder.after(RING);
    ladder.expect(
        "
        sip:phone ─Start─▶
        sip:phone ◀─Trying─
                                ─Start─▶ sip:desk
                                ─Path relayed─▶ sip:desk
        ... 20 s
                                ─Hangup no-answer─▶ sip:desk
                                ─Start─▶ sip:mobile
                                ─Path relayed─▶ sip:mobile
        ... 20 s
                                ─Hangup no-answer─▶ sip:mobile
        sip:phone ◀─Hangup no-answer─
        record no-answer
        ",
    );
}

#[test]
fn the_dialplan_may_turn_a_caller_away_without_any_media() {
    let mut ladder = Ladder::from_browser();
    ladder.open(Action::Reject(Cause::Forbidden));
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Hangup forbidden─
        record forbidden
        ",
    );
    assert!(ladder.graph.is_none());
}

#[test]
fn the_echo_service_answers_with_the_callers_own_voice() {
    let mut ladder = Ladder::from_browser();
    ladder.open(Action::Echo);
    assert_eq!(ladder.hears(ladder.caller()), patchcord::model::Source::Echo);
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Path relayed─
        web:alice ◀─Answer opus sendrecv─
        web:alice ◀─Accept─
        ",
    );
}

#[test]
fn devices_that_are_preferred_less_ring_after_the_others_unless_somebody_refuses() {
    let said = |cause, status| {
        let detail = Detail { sip_status: Some(status), ..Detail::default() };
        Some(Signal::Hangup(Hangup { cause, detail: Some(detail) }))
    };
    // What both devices of the first step say, whether the mobile rings then, and what the caller is told when it is
    // not there.
    for (said, rings, told) in [
        (said(Cause::Busy, 486), true, Cause::Busy),
        (said(Cause::Unavailable, 480), true, Cause::Unavailable),
        (said(Cause::MediaIncompatible, 488), true, Cause::MediaIncompatible),
        (None, true, Cause::Unavailable),
        (said(Cause::Busy, 600), false, Cause::Busy),
        (said(Cause::Declined, 603), false, Cause::Declined),
    ] {
        let mut ladder = Ladder::from_phone();
        let [desk, lamp, mobile] = ["desk", "lamp", "mobile"].map(|name| ladder.phone(&format!("sip:{name}")));
        let (first, last) = ([desk.leg, lamp.leg], mobile.leg);
        ladder.open(Action::Dial(vec![
            Ladder::attempt("user:bob", vec![desk, lamp]),
            Attempt { step: Step::Devices, ..Ladder::attempt("user:bob", vec![mobile]) },
        ]));
        assert!(first.iter().all(|leg| !ladder.said_on(*leg, 0).is_empty()), "both ring at once");
        match &said {
            Some(signal) => first.iter().for_each(|leg| ladder.hear(*leg, signal.clone())),
            None => ladder.after(RING),
        }
        assert_eq!(!ladder.said_on(last, 0).is_empty(), rings, "{said:?}");
        if rings {
            ladder.hear(last, Signal::Hangup(Hangup::new(Cause::Unavailable)));
        }
        let ended = ladder.said.iter().rev().find_map(|(leg, signal)| match signal {
            Signal::Hangup(hangup) if *leg == ladder.caller() => Some(hangup.cause),
            _ => None,
        });
        assert_eq!(ended, Some(told), "{said:?}");
    }
}

#[test]
fn trunks_of_a_group_are_hunted_while_the_way_fails_and_not_once_the_callee_has_been_asked() {
    let said = |cause, status| {
        let detail = Detail { sip_status: Some(status), ..Detail::default() };
        Some(Signal::Hangup(Hangup { cause, detail: Some(detail) }))
    };
    // What the first trunk of the group says (`None`: it rings in vain), and who is rung next.
    let unreachable = Some(Signal::Hangup(Hangup::new(Cause::Network)));
    for (said, next) in [
        (unreachable, "b"),
        (said(Cause::Network, 503), "b"),
        (said(Cause::ServerError, 500), "b"),
        (said(Cause::Timeout, 408), "b"),
        (said(Cause::Unavailable, 480), "mail"),
        (None, "mail"),
        (said(Cause::Busy, 486), "nobody"),
        (said(Cause::NotFound, 404), "nobody"),
        (said(Cause::Declined, 603), "nobody"),
    ] {
        let mut ladder = Ladder::from_phone();
        let [a, b, mail] = ["a", "b", "mail"].map(|name| ladder.phone(&format!("sip:{name}")));
        let first = a.leg;
        let legs = [("b", b.leg), ("mail", mail.leg)];
        ladder.open(Action::Dial(vec![
            Ladder::attempt("trunk:a", vec![a]),
            Attempt { step: Step::Way, ..Ladder::attempt("trunk:b", vec![b]) },
            Ladder::attempt("user:mail", vec![mail]),
        ]));
        match said.clone() {
            Some(signal) => ladder.hear(first, signal),
            None => ladder.after(RING),
        }
        let rung = legs.iter().find(|(_, leg)| !ladder.said_on(*leg, 0).is_empty()).map_or("nobody", |(name, _)| name);
        assert_eq!(rung, next, "{said:?}");
    }
}
