//! Transfers: who is connected with whom, what the party that asked is told, and what becomes of the call if nobody
//! answers.

use std::time::Duration;

use patchcord::base::LegId;
use patchcord::call::{Action, Branch};
use patchcord::model::{
    Address, Cause, Codec, Direction, Entry, Hangup, Party, Play, Progress, Signal, Sound, Source, Stage, Tone,
    Transfer, Transferring,
};

use super::ladder::{Ladder, phone_description};

const RINGING: Signal = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });

fn wish(to: &str) -> Signal {
    Signal::Transfer(Transfer { to: Address::here(to), replaces: None, by: None, user_to_user: Default::default() })
}

fn normal() -> Signal {
    Signal::Hangup(Hangup::new(Cause::Normal))
}

/// A page talks to a telephone behind a trunk.
fn talking() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser();
    let trunk = Branch { trunk: Some("demo".into()), ..ladder.phone("sip:trunk") };
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![trunk])]));
    let answer = ladder.answer_of(leg, &[Codec::pcmu()], false);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    (ladder, leg)
}

fn dial(ladder: &mut Ladder, name: &str) -> LegId {
    let carol = ladder.phone(name);
    let leg = carol.leg;
    ladder.decide(Action::Dial(vec![Ladder::attempt("user:carol", vec![carol])]));
    leg
}

fn pick_up(ladder: &mut Ladder, leg: LegId) {
    let answer = ladder.answer_of(leg, &[Codec::pcmu()], false);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
}

fn ringing_tone() -> Source {
    Source::Play(Play { sound: Sound::Tone(Tone::Ringing), repeats: true })
}

#[test]
fn a_telephone_that_transfers_is_told_how_it_goes_and_hung_up_and_the_others_talk() {
    let (mut ladder, trunk) = talking();
    let before = ladder.said.len();
    let page = ladder.caller();
    ladder.hear(trunk, wish("carol"));
    let asked = ladder.asked.pop().expect("the dialplan is asked");
    assert_eq!(
        (asked.entry, asked.to),
        (Entry::Trunk("demo".into()), Address::here("carol")),
        "as a call of the asker"
    );
    let carol = dial(&mut ladder, "sip:carol");
    assert_eq!((ladder.hears(page), ladder.hears(trunk)), (Source::Nothing, Source::Nothing));
    ladder.hear(carol, RINGING);
    assert_eq!((ladder.hears(page), ladder.hears(carol)), (ringing_tone(), Source::Nothing));
    pick_up(&mut ladder, carol);
    assert_eq!((ladder.hears(page), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(page)));
    let told = ["Transferring Trying", "Transferring Ringing", "Transferring Done", "Hangup normal"];
    assert_eq!(ladder.said_on(trunk, before), told);
    assert_eq!(ladder.said_on(page, before), ["Connected callee"]);
    assert_eq!(ladder.said_on(carol, before), ["Start", "Path relayed"]);
    ladder.hear(carol, normal());
    assert_eq!(ladder.said_on(page, before), ["Connected callee", "Hangup normal"]);
    let record = ladder.records.pop().expect("a record");
    assert_eq!((record.transferred_to.as_deref(), record.cause), (Some("user:carol"), Cause::Normal));
}

#[test]
fn who_is_connected_sees_the_party_that_stays_and_who_connected_them() {
    let (mut ladder, _) = talking();
    let page = ladder.caller();
    ladder.hear(page, wish("carol"));
    dial(&mut ladder, "sip:carol");
    let start = ladder.said.iter().rev().find_map(|(_, s)| match s {
        Signal::Start(start) => Some(start),
        _ => None,
    });
    let start = start.expect("carol is called");
    assert_eq!(start.from.address, Address::here("callee"), "the party that stays");
    assert_eq!(start.about.referred_by.as_ref().map(|p| &p.address), Some(&Address::here("alice")));
    assert_eq!(start.hops_left, 68, "a transfer is a hop, so that none goes round for ever");
}

#[test]
fn a_page_that_transfers_leaves_and_the_telephone_talks_to_the_new_one() {
    let (mut ladder, trunk) = talking();
    let before = ladder.said.len();
    let page = ladder.caller();
    ladder.hear(page, wish("carol"));
    let carol = dial(&mut ladder, "sip:carol");
    pick_up(&mut ladder, carol);
    assert_eq!(ladder.said_on(page, before), ["Transferring Trying", "Transferring Done", "Hangup normal"]);
    assert_eq!((ladder.hears(trunk), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(trunk)));
    ladder.hear(trunk, normal());
    assert_eq!(ladder.said_on(carol, before), ["Start", "Path relayed", "Hangup normal"]);
    assert_eq!(ladder.records.len(), 1);
}

#[test]
fn a_target_that_is_busy_leaves_the_call_as_it_was() {
    let (mut ladder, trunk) = talking();
    let page = ladder.caller();
    for cause in [Cause::Busy, Cause::Declined, Cause::NotFound] {
        let before = ladder.said.len();
        ladder.hear(trunk, wish("carol"));
        let carol = dial(&mut ladder, "sip:carol");
        ladder.hear(carol, Signal::Hangup(Hangup::new(cause)));
        let failed = format!("Transferring Failed {cause}");
        assert_eq!(ladder.said_on(trunk, before), ["Transferring Trying".to_owned(), failed]);
        assert!(ladder.said_on(page, before).is_empty(), "who stays is not disturbed");
        assert_eq!((ladder.hears(page), ladder.hears(trunk)), (Source::Leg(trunk), Source::Leg(page)));
    }
    ladder.hear(page, normal());
    assert_eq!(ladder.records[0].transferred_to, None);
}

#[test]
fn what_the_dialplan_denies_is_not_dialled() {
    let (mut ladder, trunk) = talking();
    let before = ladder.said.len();
    ladder.hear(trunk, wish("+8821600000000"));
    ladder.decide(Action::Reject(Cause::Forbidden));
    assert_eq!(ladder.said_on(trunk, before), ["Transferring Trying", "Transferring Failed forbidden"]);
    ladder.hear(trunk, wish("echo"));
    ladder.decide(Action::Echo);
    assert_eq!(ladder.said_on(trunk, before)[2..], ["Transferring Trying", "Transferring Failed not-supported"]);
}

#[test]
fn a_target_that_nobody_answers_is_given_up_and_the_next_one_rings() {
    let (mut ladder, trunk) = talking();
    let before = ladder.said.len();
    ladder.hear(trunk, wish("carol"));
    let [first, second] = ["sip:carol", "sip:desk"].map(|name| ladder.phone(name));
    let legs = (first.leg, second.leg);
    let attempts = vec![Ladder::attempt("user:carol", vec![first]), Ladder::attempt("user:desk", vec![second])];
    ladder.decide(Action::Dial(attempts));
    ladder.hear(legs.0, RINGING);
    ladder.after(Duration::from_secs(21));
    assert_eq!(ladder.said_on(legs.0, before), ["Start", "Path relayed", "Hangup no-answer"]);
    ladder.after(Duration::from_secs(21));
    assert_eq!(ladder.said_on(legs.1, before), ["Start", "Path relayed", "Hangup no-answer"]);
    assert_eq!(ladder.said_on(trunk, before).last().map(String::as_str), Some("Transferring Failed no-answer"));
    assert_eq!(ladder.hears(trunk), Source::Leg(ladder.caller()));
}

#[test]
fn who_asked_may_hang_up_before_anybody_answers_and_then_failure_ends_the_call() {
    for answers in [true, false] {
        for page_asks in [true, false] {
            let (mut ladder, trunk) = talking();
            let page = ladder.caller();
            let (asker, stays) = if page_asks { (page, trunk) } else { (trunk, page) };
            ladder.hear(asker, wish("carol"));
            let carol = dial(&mut ladder, "sip:carol");
            ladder.hear(carol, RINGING);
            let before = ladder.said.len();
            ladder.hear(asker, normal());
            assert_eq!(ladder.hears(stays), ringing_tone());
            assert!(ladder.said[before..].is_empty(), "it goes on");
            if answers {
                pick_up(&mut ladder, carol);
                assert_eq!((ladder.hears(stays), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(stays)));
                ladder.hear(stays, normal());
                assert_eq!(ladder.said_on(carol, before), ["Hangup normal"]);
            } else {
                ladder.hear(carol, Signal::Hangup(Hangup::new(Cause::Busy)));
                assert_eq!(ladder.said_on(stays, before), ["Hangup busy"]);
            }
            assert!(ladder.said_on(asker, before).is_empty(), "it is gone");
            assert_eq!(ladder.records.len(), 1, "{answers} {page_asks}");
        }
    }
}

#[test]
fn who_stays_may_hang_up_and_nobody_rings_any_more() {
    let (mut ladder, trunk) = talking();
    let before = ladder.said.len();
    ladder.hear(trunk, wish("carol"));
    let carol = dial(&mut ladder, "sip:carol");
    ladder.hear(ladder.caller(), normal());
    assert_eq!(ladder.said_on(carol, before), ["Start", "Path relayed", "Hangup cancelled"]);
    assert_eq!(ladder.said_on(trunk, before), ["Transferring Trying", "Transferring Failed normal", "Hangup normal"]);
    assert_eq!(ladder.records.len(), 1);
}

#[test]
fn a_party_on_hold_hears_the_new_one_and_is_told_that_the_hold_is_over() {
    let (mut ladder, trunk) = talking();
    let page = ladder.caller();
    let mut held = phone_description(&[Codec::pcmu()]);
    held.streams[0].direction = Direction::SendOnly;
    let hold = ladder.offer(held);
    ladder.hear(trunk, hold);
    let before = ladder.said.len();
    ladder.hear(trunk, wish("carol"));
    let carol = dial(&mut ladder, "sip:carol");
    pick_up(&mut ladder, carol);
    assert_eq!(ladder.said_on(page, before), ["Connected callee", "Hold false"]);
    assert_eq!(ladder.hears(page), Source::Leg(carol));
}

#[test]
fn a_telephone_that_was_held_by_the_page_is_offered_speech_both_ways_again() {
    let (mut ladder, trunk) = talking();
    let page = ladder.caller();
    ladder.hear(page, Signal::Hold(true));
    let answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    ladder.hear(trunk, answer);
    let before = ladder.said.len();
    ladder.hear(page, wish("carol"));
    let carol = dial(&mut ladder, "sip:carol");
    pick_up(&mut ladder, carol);
    assert_eq!(ladder.said_on(trunk, before), ["Offer sendrecv"]);
}

#[test]
fn one_transfer_at_a_time_and_none_before_the_answer() {
    let mut ladder = Ladder::from_browser();
    let trunk = ladder.phone("sip:trunk");
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![trunk])]));
    let before = ladder.said.len();
    ladder.hear(ladder.caller(), wish("carol"));
    assert_eq!(ladder.said_on(ladder.caller(), before), ["Transferring Failed not-supported"]);
    pick_up(&mut ladder, leg);
    ladder.hear(leg, wish("carol"));
    let before = ladder.said.len();
    ladder.hear(ladder.caller(), wish("dora"));
    assert_eq!(ladder.said_on(ladder.caller(), before), ["Transferring Failed glare"]);
    assert_eq!(ladder.asked.len(), 1);
}

#[test]
fn a_call_that_replaces_a_leg_talks_to_the_party_that_stays_and_the_leg_is_hung_up() {
    let (mut ladder, trunk) = talking();
    let page = ladder.caller();
    let before = ladder.said.len();
    let carol = ladder.replace(trunk, "sip:carol", phone_description(&[Codec::pcma(), Codec::pcmu()]));
    assert_eq!(ladder.said_on(carol, before), ["Path relayed", "Answer PCMU sendrecv", "Accept"]);
    assert_eq!(ladder.said_on(trunk, before), ["Hangup normal"]);
    assert_eq!(ladder.said_on(page, before), ["Connected carol"]);
    assert_eq!((ladder.hears(page), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(page)));
    ladder.hear(page, normal());
    assert_eq!(ladder.said_on(carol, before).last().map(String::as_str), Some("Hangup normal"));
}

#[test]
fn a_call_without_speech_in_common_replaces_nobody() {
    let (mut ladder, trunk) = talking();
    let before = ladder.said.len();
    let carol = ladder.replace(trunk, "sip:carol", phone_description(&[Codec::new(18, "G729", 8000, 1)]));
    assert_eq!(ladder.said_on(carol, before), ["Hangup media-incompatible"]);
    assert!(ladder.said_on(trunk, before).is_empty());
    assert_eq!(ladder.hears(trunk), Source::Leg(ladder.caller()));
}

/// A page talks to a telephone behind a trunk that takes its party somewhere else when asked.
fn talking_by_a_trunk_that_refers() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser();
    let phone = ladder.phone("sip:trunk");
    let abilities = patchcord::model::Abilities { transfer: true, ..phone.abilities };
    let trunk = Branch { trunk: Some("demo".into()), abilities, ..phone };
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![trunk])]));
    pick_up(&mut ladder, leg);
    (ladder, leg)
}

/// The dialplan finds the one who is wished for behind the same trunk.
fn behind_the_same_trunk(ladder: &mut Ladder) -> LegId {
    let carol = Branch { trunk: Some("demo".into()), ..ladder.phone("sip:carol") };
    let leg = carol.leg;
    ladder.decide(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![carol])]));
    leg
}

#[test]
fn a_trunk_that_knows_how_is_asked_to_take_its_party_there_and_tells_how_it_goes() {
    let (mut ladder, trunk) = talking_by_a_trunk_that_refers();
    let page = ladder.caller();
    let before = ladder.said.len();
    ladder.hear(page, wish("+15550199"));
    behind_the_same_trunk(&mut ladder);
    ladder.hear(trunk, Signal::Transferring(Transferring::Trying(Stage::Ringing)));
    ladder.hear(trunk, Signal::Transferring(Transferring::Done));
    let asked = ladder.said.iter().find_map(|(leg, s)| match s {
        Signal::Transfer(asked) => Some((*leg, asked.by.as_ref().map(|by| by.address.clone()))),
        _ => None,
    });
    assert_eq!(asked, Some((trunk, Some(Address::here("alice")))));
    let told = ["Transferring Trying", "Transferring Ringing", "Transferring Done", "Hangup normal"];
    assert_eq!(ladder.said_on(page, before), told);
    assert_eq!(ladder.said_on(trunk, before).last().map(String::as_str), Some("Hangup normal"));
    assert_eq!(ladder.records[0].transferred_to.as_deref(), Some("trunk:demo"));
}

#[test]
fn a_trunk_that_refuses_keeps_its_party_and_the_gateway_takes_it_there() {
    let (mut ladder, trunk) = talking_by_a_trunk_that_refers();
    let page = ladder.caller();
    ladder.hear(page, wish("+15550199"));
    let carol = behind_the_same_trunk(&mut ladder);
    let before = ladder.said.len();
    ladder.hear(trunk, Signal::Transferring(Transferring::Refused(Cause::NotSupported)));
    pick_up(&mut ladder, carol);
    assert_eq!(ladder.said_on(carol, before), ["Start", "Path relayed"]);
    assert_eq!(ladder.said_on(page, before), ["Transferring Done", "Hangup normal"]);
    assert_eq!((ladder.hears(trunk), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(trunk)));
}

#[test]
fn a_transfer_that_fails_at_the_trunk_leaves_the_call_as_it_was() {
    let (mut ladder, trunk) = talking_by_a_trunk_that_refers();
    let page = ladder.caller();
    ladder.hear(page, wish("+15550199"));
    let carol = behind_the_same_trunk(&mut ladder);
    let before = ladder.said.len();
    ladder.hear(trunk, Signal::Transferring(Transferring::Failed(Cause::Busy)));
    assert_eq!(ladder.said_on(page, before), ["Transferring Failed busy"]);
    assert!(ladder.said_on(carol, before).is_empty());
    assert_eq!((ladder.hears(page), ladder.hears(trunk)), (Source::Leg(trunk), Source::Leg(page)));
}

#[test]
fn a_party_that_says_who_it_is_in_mid_call_is_shown_so_once() {
    let (mut ladder, trunk) = talking();
    let page = ladder.caller();
    let before = ladder.said.len();
    let carol = Signal::Connected(Party::new(Address::here("carol")));
    ladder.hear(trunk, carol.clone());
    ladder.hear(trunk, carol);
    assert_eq!(ladder.said_on(page, before), ["Connected carol"]);
}
