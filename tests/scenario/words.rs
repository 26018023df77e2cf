//! What the systems of two parties say to each other beside what opens the call (RFC 7433).

use patchcord::base::LegId;
use patchcord::call::{Action, Branch};
use patchcord::model::{Address, Along, Cause, Codec, Detail, Hangup, Progress, Signal, Stage, Transfer, UserToUser};

use super::ladder::{Ladder, phone_description};

fn said(text: &str) -> Signal {
    Signal::UserToUser(UserToUser(vec![text.into()]))
}

fn ringing(names: &[&str]) -> (Ladder, Vec<LegId>) {
    let mut ladder = Ladder::from_browser();
    let branches: Vec<Branch> = names.iter().map(|name| ladder.phone(name)).collect();
    let legs = branches.iter().map(|branch| branch.leg).collect();
    ladder.open(Action::Dial(vec![Ladder::attempt("user:agents", branches)]));
    (ladder, legs)
}

fn accept(ladder: &mut Ladder, leg: LegId) {
    let answer = ladder.answer_with(leg, phone_description(&[Codec::pcmu()]));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
}

/// The words that were said on a leg.
fn words(ladder: &Ladder, leg: LegId) -> Vec<String> {
    let of = |signal: &Signal| if let Signal::UserToUser(words) = signal { Some(words.0.concat()) } else { None };
    ladder.said.iter().filter(|(to, _)| *to == leg).filter_map(|(_, signal)| of(signal)).collect()
}

#[test]
fn a_caller_hears_the_words_of_who_picks_up_before_that_and_of_nobody_else() {
    let (mut ladder, legs) = ringing(&["sip:one", "sip:two"]);
    let caller = ladder.caller();
    ladder.hear(legs[1], said("busy here"));
    ladder.hear(legs[1], Signal::Hangup(Hangup::new(Cause::Busy)));
    ladder.hear(legs[0], said("agent 7"));
    assert!(words(&ladder, caller).is_empty());
    accept(&mut ladder, legs[0]);
    assert_eq!(words(&ladder, caller), ["agent 7"]);
    let place = |wanted: &Signal| ladder.said.iter().position(|(to, signal)| *to == caller && signal == wanted);
    assert!(place(&said("agent 7")) < place(&Signal::Accept));
    let (mut ladder, legs) = ringing(&["sip:one", "sip:two"]);
    ladder.hear(legs[1], said("busy here"));
    accept(&mut ladder, legs[0]);
    assert!(words(&ladder, ladder.caller()).is_empty(), "they were of the other");
}

#[test]
fn a_caller_hears_the_words_of_each_who_rings_before_that_it_rings_and_those_of_the_refusal_that_counts() {
    let (mut ladder, legs) = ringing(&["sip:one", "sip:two"]);
    let caller = ladder.caller();
    let rings = || Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });
    for (leg, text) in [(legs[0], "queue 1"), (legs[1], "queue 2")] {
        ladder.said.clear();
        ladder.hear(leg, said(text));
        ladder.hear(leg, rings());
        let heard: Vec<_> = ladder.said.iter().filter(|(to, _)| *to == caller).map(|(_, signal)| signal).collect();
        assert_eq!(heard, [&said(text), &rings()]);
    }
    ladder.said.clear();
    ladder.hear(legs[0], rings());
    assert!(words(&ladder, caller).is_empty() && ladder.said.is_empty(), "it was told, and says nothing more");
    ladder.hear(legs[0], said("back at nine"));
    ladder.hear(legs[0], Signal::Hangup(Hangup::new(Cause::Declined)));
    ladder.hear(legs[1], said("broken"));
    ladder.hear(legs[1], Signal::Hangup(Hangup::new(Cause::ServerError)));
    let last = ladder.said.iter().rev().find(|(to, _)| *to == caller).map(|(_, signal)| signal.clone());
    let detail = Detail { words: UserToUser(vec!["back at nine".into()]), ..Detail::default() };
    assert_eq!(last, Some(Signal::Hangup(Hangup { cause: Cause::Declined, detail: Some(detail.clone()) })));
    assert!(!serde_json::to_string(&detail).unwrap().contains("nine"), "no record has them");
}

#[test]
fn words_said_with_a_hang_up_reach_the_other_side_before_it() {
    let (mut ladder, legs) = ringing(&["sip:one"]);
    accept(&mut ladder, legs[0]);
    let caller = ladder.caller();
    ladder.hear(caller, said("wrap-up 3"));
    ladder.hear(caller, Signal::Hangup(Hangup::new(Cause::Normal)));
    assert_eq!(words(&ladder, legs[0]), ["wrap-up 3"]);
    let last = ladder.said.iter().rev().find(|(to, _)| *to == legs[0]).map(|(_, signal)| signal.clone());
    assert!(matches!(last, Some(Signal::Hangup(_))), "{last:?}");
}

#[test]
fn words_of_a_transfer_go_with_the_call_that_comes_of_it_in_place_of_the_callers_own() {
    let mut ladder = Ladder::from_phone();
    let page = ladder.phone("sip:one");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:one", vec![page])]));
    accept(&mut ladder, leg);
    let user_to_user = UserToUser(vec!["account 12".into()]);
    ladder.hear(leg, Signal::Transfer(Transfer { to: Address::here("carol"), replaces: None, by: None, user_to_user }));
    let carol = ladder.phone("sip:carol");
    let newcomer = carol.leg;
    ladder.decide(Action::Dial(vec![Ladder::attempt("user:carol", vec![carol])]));
    let start = ladder.said.iter().find_map(|(to, signal)| match signal {
        Signal::Start(start) if *to == newcomer => Some(start.about.along.clone()),
        _ => None,
    });
    assert_eq!(start, Some(Along { user_to_user: vec!["account 12".into()], location: None }));
}
