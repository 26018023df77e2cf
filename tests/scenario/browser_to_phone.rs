use std::time::Duration;

use patchcord::call::Action;
use patchcord::model::{
    Cause, Codec, Dtmf, Hangup, LegStats, Progress, RelayCommand, RelayEvent, Signal, Source, Stage,
};

use super::ladder::{Ladder, refused};

const RINGING: Signal = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });
const EARLY: Signal = Signal::Progress(Progress { stage: Stage::Session, early_media: true });

fn dialled() -> (Ladder, patchcord::base::LegId) {
    let mut ladder = Ladder::from_browser();
    let trunk = ladder.phone("sip:trunk");
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![trunk])]));
    (ladder, leg)
}

#[test]
fn the_browsers_transport_comes_up_at_once_and_its_format_follows_the_phones() {
    let (mut ladder, trunk) = dialled();
    ladder.hear(trunk, RINGING);
    let early = ladder.answer_of(trunk, &[Codec::pcma()], true);
    ladder.hear(trunk, early);
    ladder.hear(trunk, EARLY);
    assert_eq!(ladder.hears(ladder.caller()), Source::Leg(trunk), "the caller hears the network's own tones");
    let answer = ladder.answer_of(trunk, &[Codec::pcma()], false);
    ladder.hear(trunk, answer);
    ladder.hear(trunk, Signal::Accept);
    assert_eq!(ladder.hears(trunk), Source::Leg(ladder.caller()));
    ladder.hear(ladder.caller(), Signal::Hangup(Hangup::new(Cause::Normal)));
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Trying─
        web:alice ◀─Answer for now opus sendrecv─
                                ─Start─▶ sip:trunk
                                ─Path relayed─▶ sip:trunk
                                ◀─Ringing─ sip:trunk
        web:alice ◀─Ringing─
                                ◀─Answer for now PCMA sendrecv─ sip:trunk
        web:alice ◀─Answer for now PCMA sendrecv─
                                ◀─Session with media─ sip:trunk
        web:alice ◀─Ringing with media─
                                ◀─Answer PCMA sendrecv─ sip:trunk
                                ◀─Accept─ sip:trunk
        web:alice ◀─Path relayed─
        web:alice ◀─Answer PCMA sendrecv─
        web:alice ◀─Accept─
        web:alice ─Hangup normal─▶
                                ─Hangup normal─▶ sip:trunk
        record normal
        ",
    );
    assert_eq!(ladder.records[0].codec.as_deref(), Some("PCMA/8000"));
    assert_eq!(ladder.records[0].why, None);
}

#[test]
fn a_phone_that_is_busy_is_told_to_the_caller_and_the_record_says_who_said_so() {
    let (mut ladder, trunk) = dialled();
    ladder.hear(trunk, refused(Cause::Busy));
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Trying─
        web:alice ◀─Answer for now opus sendrecv─
                                ─Start─▶ sip:trunk
                                ─Path relayed─▶ sip:trunk
                                ◀─Hangup busy─ sip:trunk
        web:alice ◀─Hangup busy─
        record busy
        ",
    );
    assert_eq!(ladder.records[0].why.as_deref(), Some("trunk:demo: The line is busy."));
}

#[test]
fn a_caller_that_gives_up_cancels_the_callee() {
    let (mut ladder, trunk) = dialled();
    ladder.hear(trunk, RINGING);
    ladder.hear(ladder.caller(), Signal::Hangup(Hangup::new(Cause::Normal)));
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Trying─
        web:alice ◀─Answer for now opus sendrecv─
                                ─Start─▶ sip:trunk
                                ─Path relayed─▶ sip:trunk
                                ◀─Ringing─ sip:trunk
        web:alice ◀─Ringing─
        web:alice ─Hangup normal─▶
                                ─Hangup cancelled─▶ sip:trunk
        record cancelled
        ",
    );
}

#[test]
fn nobody_answers_within_the_ring_time() {
    let (mut ladder, trunk) = dialled();
    ladder.hear(trunk, RINGING);
    ladder.after(Duration::from_secs(20));
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Trying─
        web:alice ◀─Answer for now opus sendrecv─
                                ─Start─▶ sip:trunk
                                ─Path relayed─▶ sip:trunk
                                ◀─Ringing─ sip:trunk
        web:alice ◀─Ringing─
        ... 20 s
                                ─Hangup no-answer─▶ sip:trunk
        web:alice ◀─Hangup no-answer─
        record no-answer
        ",
    );
}

#[test]
fn the_invite_leaves_before_the_browsers_own_leg_is_laid() {
    let mut ladder = Ladder::from_browser();
    ladder.relay_is_quick = false;
    let trunk = ladder.phone("sip:trunk");
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![trunk])]));
    ladder.ready(leg);
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Trying─
                                ─Start─▶ sip:trunk
                                ─Path relayed─▶ sip:trunk
        ",
    );
}

#[test]
fn a_phone_without_a_format_in_common_ends_the_call_and_both_lists_are_named() {
    let (mut ladder, trunk) = dialled();
    let answer = ladder.answer_of(trunk, &[Codec::new(18, "G729", 8000, 1)], false);
    ladder.hear(trunk, answer);
    assert_eq!(ladder.records[0].cause, Cause::MediaIncompatible);
    let why = ladder.records[0].why.clone().unwrap();
    assert!(why.contains("opus, PCMU, PCMA"), "{why}");
}

#[test]
fn digits_in_the_media_are_told_and_digits_in_words_go_into_the_media() {
    let (mut ladder, trunk) = dialled();
    let answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    ladder.hear(trunk, answer);
    ladder.hear(trunk, Signal::Accept);
    let duration = Duration::from_millis(160);
    ladder.relay(RelayEvent::Dtmf { call: patchcord::base::CallId(7), leg: trunk, digit: '5', duration });
    assert_eq!(ladder.said.last(), Some(&(ladder.caller(), Signal::Dtmf(Dtmf { digit: '5', duration }))));
    let ordered = ladder.orders_of(|l| l.hear(l.caller(), Signal::Dtmf(Dtmf { digit: '7', duration })));
    let expected = RelayCommand::Dtmf { call: patchcord::base::CallId(7), leg: trunk, digit: '7', duration };
    assert_eq!(ordered, [expected]);
}

#[test]
fn the_page_gets_the_figures_it_asks_for_from_its_own_side() {
    let (mut ladder, trunk) = dialled();
    let answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    ladder.hear(trunk, answer);
    ladder.hear(trunk, Signal::Accept);
    ladder.hear(ladder.caller(), Signal::AskStats);
    let figures = |leg, packets_in| LegStats { leg: Some(leg), packets_in, ..LegStats::default() };
    let legs = vec![figures(trunk, 5), figures(ladder.caller(), 9)];
    ladder.relay(RelayEvent::Stats { call: patchcord::base::CallId(7), legs });
    let Some((leg, Signal::Stats(stats))) = ladder.said.last() else { panic!("no figures") };
    assert_eq!(*leg, ladder.caller());
    assert_eq!((stats.you.packets_in, stats.them.as_ref().map(|t| t.packets_in)), (9, Some(5)));
}

#[test]
fn silence_is_told_in_a_sentence_and_kept_in_the_record() {
    let (mut ladder, trunk) = dialled();
    let answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    ladder.hear(trunk, answer);
    ladder.hear(trunk, Signal::Accept);
    let why = "no RTP came from the phone for 3 s".to_owned();
    ladder.relay(RelayEvent::Silent { call: patchcord::base::CallId(7), leg: trunk, why: why.clone() });
    assert_eq!(ladder.said.last(), Some(&(ladder.caller(), Signal::Notice(why.clone()))));
    ladder.hear(trunk, Signal::Hangup(Hangup::new(Cause::Normal)));
    assert_eq!(ladder.records[0].why, Some(why));
}

#[test]
fn a_page_that_was_reloaded_gets_a_new_transport_and_the_phone_notices_nothing() {
    let (mut ladder, trunk) = dialled();
    let answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    ladder.hear(trunk, answer);
    ladder.hear(trunk, Signal::Accept);
    let said = ladder.said.len();
    let mut again = super::ladder::browser_description(&[Codec::pcmu()], 126);
    again.streams[0].transport = super::ladder::browser_transport("after the reload");
    let offer = ladder.offer(again);
    ladder.hear(ladder.caller(), Signal::Lost);
    ladder.hear(ladder.caller(), Signal::Back);
    ladder.hear(ladder.caller(), offer);
    let after: Vec<_> = ladder.said[said..].iter().map(|(leg, _)| *leg).collect();
    assert_eq!(after, [ladder.caller()], "one answer to the page, not a word to the phone");
    assert!(matches!(ladder.said.last(), Some((_, Signal::Answer(a))) if !a.provisional));
}
