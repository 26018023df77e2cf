use patchcord::call::Action;
use patchcord::model::{Cause, Codec, Signal};

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
