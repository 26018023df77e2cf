use std::time::Duration;

use patchcord::base::LegId;
use patchcord::call::Action;
use patchcord::model::{Cause, Codec, Direction, Hangup, Progress, Sdes, Signal, Stage};

use super::ladder::{Ladder, phone_description};

const RINGING: Signal = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });

fn two_tabs(mut ladder: Ladder) -> (Ladder, LegId, LegId) {
    let (one, two) = (ladder.page("web:tab1"), ladder.page("web:tab2"));
    let (a, b) = (one.leg, two.leg);
    ladder.open(Action::Dial(vec![Ladder::attempt("user:web", vec![one, two])]));
    (ladder, a, b)
}

#[test]
fn two_tabs_ring_the_first_to_answer_wins_and_the_other_is_told_where() {
    let (mut ladder, one, two) = two_tabs(Ladder::from_phone());
    ladder.hear(one, RINGING);
    ladder.hear(two, RINGING);
    let answer = ladder.answer_of(two, &[Codec::pcmu()], false);
    ladder.hear(two, answer);
    ladder.hear(two, Signal::Accept);
    ladder.connected(two);
    ladder.hear(two, Signal::Hangup(Hangup::new(Cause::Normal)));
    ladder.expect(
        "
        sip:phone ─Start─▶
        sip:phone ◀─Trying─
                                ─Start─▶ web:tab1
                                ─Path relayed─▶ web:tab1
                                ─Start─▶ web:tab2
                                ─Path relayed─▶ web:tab2
                                ◀─Ringing─ web:tab1
        sip:phone ◀─Ringing─
                                ◀─Ringing─ web:tab2
                                ◀─Answer PCMU sendrecv─ web:tab2
                                ◀─Accept─ web:tab2
                                ─Hangup answered-elsewhere─▶ web:tab1
        sip:phone ◀─Path relayed─
        sip:phone ◀─Answer PCMU sendrecv─
        sip:phone ◀─Accept─
                                ◀─Hangup normal─ web:tab2
        sip:phone ◀─Hangup normal─
        record normal
        ",
    );
}

#[test]
fn the_phone_is_not_told_of_the_answer_before_the_browsers_media_can_flow() {
    let (mut ladder, one, _) = two_tabs(Ladder::from_phone());
    let answer = ladder.answer_of(one, &[Codec::pcmu()], false);
    ladder.hear(one, answer);
    ladder.hear(one, Signal::Accept);
    assert!(!ladder.said.iter().any(|(leg, s)| *leg == ladder.caller() && *s == Signal::Accept));
    ladder.after(Duration::from_secs(10));
    assert_eq!(ladder.records[0].cause, Cause::MediaTimeout);
    assert!(ladder.records[0].why.as_ref().unwrap().contains("ICE or DTLS did not finish"));
}

#[test]
fn a_refusal_of_one_tab_leaves_the_other_ringing_and_what_a_person_decided_counts() {
    let (mut ladder, one, two) = two_tabs(Ladder::from_phone());
    ladder.hear(one, Signal::Hangup(Hangup::new(Cause::Declined)));
    assert!(ladder.records.is_empty());
    ladder.hear(two, Signal::Hangup(Hangup::new(Cause::Network)));
    assert_eq!(ladder.records[0].cause, Cause::Declined);
}

#[test]
fn a_late_offer_is_ours_in_the_acceptance_and_answered_afterwards() {
    let (mut ladder, one, two) = two_tabs(Ladder::from_phone_with(None));
    ladder.hear(one, Signal::Hangup(Hangup::new(Cause::Declined)));
    let answer = ladder.answer_of(two, &[Codec::pcmu(), Codec::pcma()], false);
    ladder.hear(two, answer);
    ladder.hear(two, Signal::Accept);
    ladder.connected(two);
    let answer = ladder.answer_of(ladder.caller(), &[Codec::pcma()], false);
    ladder.hear(ladder.caller(), answer);
    ladder.expect(
        "
        sip:phone ─Start─▶
        sip:phone ◀─Trying─
                                ─Start─▶ web:tab1
                                ─Path relayed─▶ web:tab1
                                ─Start─▶ web:tab2
                                ─Path relayed─▶ web:tab2
                                ◀─Hangup declined─ web:tab1
                                ◀─Answer PCMU sendrecv─ web:tab2
                                ◀─Accept─ web:tab2
        sip:phone ◀─Path relayed─
        sip:phone ◀─Offer sendrecv─
        sip:phone ◀─Accept─
        sip:phone ─Answer PCMA sendrecv─▶
        ",
    );
}

#[test]
fn a_second_stream_is_refused_in_its_slot() {
    let mut offer = phone_description(&[Codec::pcmu()]);
    let mut video = offer.streams[0].clone();
    video.kind = patchcord::model::Kind::Video;
    video.codecs = vec![Codec::new(96, "VP8", 90_000, 1)];
    offer.streams.insert(0, video);
    let (mut ladder, one, _) = two_tabs(Ladder::from_phone_with(Some(offer)));
    let answer = ladder.answer_of(one, &[Codec::pcmu()], false);
    ladder.hear(one, answer);
    ladder.hear(one, Signal::Accept);
    ladder.connected(one);
    let said = ladder.last_description(ladder.caller());
    let slots: Vec<_> = said.streams.iter().map(|s| (s.accepted, s.direction)).collect();
    assert_eq!(slots, [(false, Direction::Inactive), (true, Direction::SendRecv)]);
}

#[test]
fn srtp_with_keys_in_the_description_is_refused_and_the_reason_named() {
    let mut offer = phone_description(&[Codec::pcmu()]);
    offer.streams[0].transport.seal = patchcord::model::Seal::Sdes(Sdes::default());
    let (ladder, ..) = two_tabs(Ladder::from_phone_with(Some(offer)));
    assert_eq!(ladder.records[0].cause, Cause::MediaIncompatible);
    assert!(ladder.records[0].why.as_ref().unwrap().contains("srtp_over_plain"));
}

#[test]
fn the_record_says_what_both_speak_though_a_page_answers_in_an_order_of_its_own() {
    let (mut ladder, one, two) = two_tabs(Ladder::from_phone_with(Some(phone_description(&[Codec::pcmu()]))));
    ladder.hear(two, Signal::Hangup(Hangup::new(Cause::Network)));
    let answer = ladder.answer_of(one, &[Codec::new(111, "opus", 48_000, 2), Codec::pcmu()], false);
    ladder.hear(one, answer);
    ladder.hear(one, Signal::Accept);
    ladder.connected(one);
    ladder.hear(one, Signal::Hangup(Hangup::new(Cause::Normal)));
    assert_eq!(ladder.records[0].codec.as_deref(), Some("PCMU/8000"));
}
