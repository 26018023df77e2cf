//! Keys of a keypad through whole calls: by which way each party is told, and each key once.

use std::time::Duration;

use patchcord::base::{CallId, LegId};
use patchcord::model::{Answer, Codec, Dtmf, GraphKeys, RelayCommand, RelayEvent, Signal};

use patchcord::call::Action;

use super::ladder::{Ladder, browser_description, phone_description};

const CALL: CallId = CallId(7);
const HELD: Duration = Duration::from_millis(100);
/// Longer than a word waits for its event.
const A_WHILE: Duration = Duration::from_millis(300);

fn word(digit: char) -> Signal {
    Signal::Dtmf(Dtmf { digit, duration: HELD })
}

/// What a telephone describes that knows speech alone.
fn speech_alone() -> patchcord::model::Description {
    let mut description = phone_description(&[Codec::pcmu()]);
    description.streams[0].codecs.retain(|c| !c.is_telephone_event());
    description
}

/// A page, or a telephone, talks to a telephone that answers with this description and says that it takes INFO, or
/// does not.
fn talking(mut ladder: Ladder, answer: patchcord::model::Description, takes_info: bool) -> (Ladder, LegId) {
    let phone = ladder.phone("sip:callee");
    let leg = phone.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:callee", vec![phone])]));
    if takes_info {
        ladder.hear(leg, Signal::TakesDigits(true));
    }
    let answer = ladder.answer_with(leg, answer);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    (ladder, leg)
}

fn keys_of(ladder: &Ladder, leg: LegId) -> GraphKeys {
    ladder.graph.as_ref().unwrap().legs.iter().find(|l| l.leg == leg).unwrap().keys
}

/// By which ways a leg is told of a digit that the other says by a word: an order to the relay, a word.
fn told(ladder: &mut Ladder, from: LegId, to: LegId) -> (usize, usize) {
    let before = ladder.said.len();
    let orders = ladder.orders_of(|l| {
        l.hear(from, word('5'));
        l.after(A_WHILE);
    });
    let is_order = |o: &&RelayCommand| matches!(o, RelayCommand::Dtmf { leg, digit: '5', .. } if *leg == to);
    let words = ladder.said[before..].iter().filter(|(leg, s)| *leg == to && *s == word('5')).count();
    (orders.iter().filter(is_order).count(), words)
}

#[test]
fn a_digit_goes_as_an_event_where_agreed_else_by_info_where_allowed_else_as_a_tone() {
    for (answer, takes_info, way, says_tones) in [
        (phone_description(&[Codec::pcmu()]), true, (1, 0), false),
        (phone_description(&[Codec::pcmu()]), false, (1, 0), false),
        (speech_alone(), true, (0, 1), false),
        (speech_alone(), false, (1, 0), true),
    ] {
        let (mut ladder, phone) = talking(Ladder::from_browser(), answer, takes_info);
        let caller = ladder.caller();
        assert_eq!(told(&mut ladder, caller, phone), way);
        assert_eq!(keys_of(&ladder, phone).says_tones, says_tones);
    }
}

#[test]
fn tones_are_listened_for_only_where_events_are_not_agreed_on_and_never_on_a_page() {
    let (ladder, phone) = talking(Ladder::from_browser(), speech_alone(), false);
    assert!(keys_of(&ladder, phone).hears_tones);
    assert_eq!(keys_of(&ladder, ladder.caller()), GraphKeys::default());
    let (ladder, phone) = talking(Ladder::from_browser(), phone_description(&[Codec::pcmu()]), false);
    assert!(!keys_of(&ladder, phone).hears_tones);
    // Between two telephones that know speech alone tones pass as they are.
    let (ladder, phone) = talking(Ladder::from_phone_with(Some(speech_alone())), speech_alone(), false);
    for leg in [ladder.caller(), phone] {
        assert!(!keys_of(&ladder, leg).hears_tones);
    }
}

#[test]
fn a_peer_that_refuses_infos_is_told_by_tones_from_then_on() {
    let (mut ladder, phone) = talking(Ladder::from_browser(), speech_alone(), true);
    ladder.hear(phone, Signal::TakesDigits(false));
    let caller = ladder.caller();
    assert_eq!(told(&mut ladder, caller, phone), (1, 0));
    assert!(keys_of(&ladder, phone).says_tones);
}

#[test]
fn a_key_that_a_telephone_says_by_event_and_by_info_is_told_to_the_page_once() {
    let (mut ladder, phone) = talking(Ladder::from_browser(), phone_description(&[Codec::pcmu()]), false);
    let before = ladder.said.len();
    for _ in 0..2 {
        ladder.hear(phone, word('5'));
        ladder.relay(RelayEvent::Pressed { call: CALL, leg: phone, digit: '5' });
        ladder.after(HELD);
        ladder.relay(RelayEvent::Dtmf { call: CALL, leg: phone, digit: '5', duration: HELD });
        ladder.after(A_WHILE);
    }
    ladder.hear(phone, word('6'));
    ladder.after(A_WHILE);
    let told: Vec<_> = ladder.said[before..].iter().map(|(_, signal)| signal.clone()).collect();
    assert_eq!(told, [word('5'), word('5'), word('6')]);
}

#[test]
fn an_event_that_passes_in_the_media_is_not_ordered_again_and_one_for_a_telephone_without_is() {
    let event = |leg| RelayEvent::Dtmf { call: CALL, leg, digit: '7', duration: HELD };
    for (answer, orders) in [(phone_description(&[Codec::pcmu()]), 0), (speech_alone(), 1)] {
        let (mut ladder, _) = talking(Ladder::from_phone(), answer, false);
        let caller = ladder.caller();
        assert_eq!(ladder.orders_of(|l| l.relay(event(caller))).len(), orders);
    }
}

#[test]
fn a_telephone_is_offered_events_unless_nobody_could_say_or_be_told_a_digit() {
    let has_events = |ladder: &Ladder, leg| {
        let offer = ladder.last_description(leg);
        offer.streams[0].codecs.iter().any(Codec::is_telephone_event)
    };
    let opus = Codec::new(111, "opus", 48_000, 2);
    let mut client = browser_description(&[opus], 126);
    client.streams[0].codecs.retain(|c| !c.is_telephone_event());
    for (ladder, offered) in [
        (Ladder::from_browser(), true),
        (Ladder::from_phone(), true),
        (Ladder::from_phone_with(Some(speech_alone())), true),
        (Ladder::from_client_with(Some(browser_description(&[Codec::pcmu()], 126))), true),
        (Ladder::from_client_with(Some(client)), false),
    ] {
        let mut ladder = ladder;
        let phone = ladder.phone("sip:callee");
        let leg = phone.leg;
        ladder.open(Action::Dial(vec![Ladder::attempt("user:callee", vec![phone])]));
        assert_eq!(has_events(&ladder, leg), offered);
    }
}

#[test]
fn a_caller_is_answered_with_events_though_its_callee_is_told_by_other_ways() {
    let (ladder, _) = talking(Ladder::from_phone(), speech_alone(), false);
    let Some((_, Signal::Answer(Answer { description, .. }))) =
        ladder.said.iter().rev().find(|(leg, s)| *leg == ladder.caller() && matches!(s, Signal::Answer(_)))
    else {
        panic!("no answer")
    };
    assert!(description.streams[0].codecs.iter().any(Codec::is_telephone_event));
}
