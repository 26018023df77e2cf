//! Conference rooms on somebody else's server: the keys that let the caller in, and the list of who is there.

use std::time::Duration;

use patchcord::base::LegId;
use patchcord::call::Action;
use patchcord::model::{Cause, Codec, Hangup, MediaPath, Member, MemberState, RelayCommand, Roster, Signal};

use super::ladder::{Ladder, browser_description, phone_description};

fn talking(mut ladder: Ladder) -> (Ladder, LegId) {
    let room = ladder.phone("sip:room");
    let leg = room.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:rooms", vec![room])]));
    let answer = ladder.answer_with(leg, phone_description(&[Codec::pcmu()]));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    (ladder, leg)
}

/// The keys that the relay is told to press within some time, each with when.
fn pressed(ladder: &mut Ladder, leg: LegId, ms: u64) -> Vec<(u64, char)> {
    let mut found = Vec::new();
    for at in (0..ms).step_by(20) {
        let orders = ladder.orders_of(|l| l.after(Duration::from_millis(20)));
        found.extend(orders.iter().filter_map(|order| match order {
            RelayCommand::Dtmf { leg: to, digit, .. } if *to == leg => Some((at + 20, *digit)),
            _ => None,
        }));
    }
    found
}

#[test]
fn keys_behind_a_number_are_pressed_after_the_answer_with_two_seconds_for_each_comma() {
    let (mut ladder, room) = talking(Ladder::from_browser().keys_behind_the_number(",,12,#"));
    let pressed = pressed(&mut ladder, room, 9_000);
    assert_eq!(pressed, [(4_000, '1'), (4_260, '2'), (6_520, '#')]);
}

#[test]
fn keys_behind_a_number_stop_when_the_call_ends_and_never_begin_in_one_that_nobody_answers() {
    let (mut ladder, room) = talking(Ladder::from_browser().keys_behind_the_number(",1234#"));
    assert_eq!(pressed(&mut ladder, room, 2_100), [(2_000, '1')]);
    ladder.hear(room, Signal::Hangup(Hangup::new(Cause::Normal)));
    assert!(pressed(&mut ladder, room, 5_000).is_empty());
    let mut ladder = Ladder::from_browser().keys_behind_the_number("1");
    let room = ladder.phone("sip:room");
    let leg = room.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:rooms", vec![room])]));
    assert!(pressed(&mut ladder, leg, 5_000).is_empty());
}

#[test]
fn a_fork_is_told_of_no_key_that_was_dialled_behind_the_number() {
    let mut ladder = Ladder::from_browser().keys_behind_the_number(",1234#");
    let fork = patchcord::model::Fork { url: "ws://127.0.0.1:9000/".into(), rate_hz: 24_000 };
    ladder.services = patchcord::model::Services { fork: Some(fork), ..Default::default() };
    let (mut ladder, room) = talking(ladder);
    let mut orders = Vec::new();
    for _ in 0..200 {
        orders.extend(ladder.orders_of(|ladder| ladder.after(Duration::from_millis(20))));
    }
    let pressed = orders.iter().filter(|order| matches!(order, RelayCommand::Dtmf { leg, .. } if *leg == room));
    assert_eq!(pressed.count(), 5, "the room is told");
    assert!(!orders.iter().any(|order| matches!(order, RelayCommand::Tell { .. })), "{orders:?}");
    let caller = ladder.caller();
    let own = patchcord::model::Dtmf { digit: '5', duration: Duration::from_millis(120) };
    let told = ladder.orders_of(|ladder| ladder.hear(caller, Signal::Dtmf(own)));
    assert!(told.iter().any(|order| matches!(order, RelayCommand::Tell { .. })), "a key that the caller presses is");
}

#[test]
fn a_call_with_keys_behind_the_number_goes_through_the_relay_which_presses_them() {
    for (keys, path) in [(",1", MediaPath::Relayed), ("", MediaPath::Direct)] {
        let offer = browser_description(&[Codec::new(111, "opus", 48_000, 2)], 126);
        let mut ladder = Ladder::from_browser_with(offer).keys_behind_the_number(keys);
        let client = ladder.client("im:romeo");
        let leg = client.leg;
        ladder.open(Action::Dial(vec![Ladder::attempt("xmpp:romeo", vec![client])]));
        assert!(ladder.said.iter().any(|(to, s)| *to == leg && *s == Signal::Path(path)), "{keys}");
    }
}

#[test]
fn who_is_in_the_room_is_told_to_a_page_and_an_im_client_and_not_to_a_telephone_that_could_not_show_it() {
    let member = Member {
        id: "sip:bob@example.org".into(),
        name: Some("Bob".into()),
        address: None,
        state: MemberState::Joined,
        muted: false,
        talking: true,
        you: false,
    };
    let roster = Signal::Roster(Box::new(Roster { subject: None, members: vec![member], count: 1 }));
    let client =
        Ladder::from_client_with(Some(browser_description(&[Codec::new(111, "opus", 48_000, 2), Codec::pcmu()], 126)));
    for (ladder, times) in [(Ladder::from_browser(), 1), (client, 1), (Ladder::from_phone(), 0)] {
        let (mut ladder, room) = talking(ladder);
        ladder.hear(room, roster.clone());
        let caller = ladder.caller();
        assert_eq!(ladder.said.iter().filter(|(to, s)| *to == caller && *s == roster).count(), times);
    }
}
