//! Calls that are sent on: by others before us, and by the dialplan.

use patchcord::base::LegId;
use patchcord::call::{Action, Branch};
use patchcord::model::{Address, Diversion, DiversionReason, Party, Signal};

use super::ladder::{Ladder, RING};

/// Whom the call on a leg was sent on by, and why, as its callee was told.
fn told(ladder: &Ladder, leg: LegId) -> Vec<(String, DiversionReason)> {
    let start = ladder.said.iter().find_map(|(at, signal)| match signal {
        Signal::Start(start) if *at == leg => Some(start),
        _ => None,
    });
    let all = &start.expect("the leg is called").about.diversions;
    all.iter().map(|d| (d.by.address.to_string(), d.reason)).collect()
}

#[test]
fn a_call_that_nobody_answers_is_sent_on_with_whom_it_was_meant_for_and_why() {
    let mut ladder = Ladder::from_phone();
    ladder.diverted(vec![Diversion {
        by: Party::new(Address::here("+4930999999")),
        reason: DiversionReason::Unconditional,
    }]);
    let desk = ladder.phone("sip:desk");
    let mobile = ladder.phone("sip:mobile");
    let mobile = Branch { trunk: Some("mobile".into()), sent_on_by: Some(Address::here("+4930111111")), ..mobile };
    let (at_desk, at_mobile) = (desk.leg, mobile.leg);
    ladder.open(Action::Dial(vec![
        Ladder::attempt("user:desk", vec![desk]),
        Ladder::attempt("trunk:mobile", vec![mobile]),
    ]));
    ladder.after(RING);
    let before_us = ("+4930999999".to_owned(), DiversionReason::Unconditional);
    assert_eq!(told(&ladder, at_desk), std::slice::from_ref(&before_us));
    assert_eq!(told(&ladder, at_mobile), [("+4930111111".to_owned(), DiversionReason::NoAnswer), before_us]);
    ladder.after(RING);
    assert_eq!(ladder.records[0].meant_for.as_deref(), Some("+4930999999"));
}

#[test]
fn a_call_that_goes_elsewhere_at_once_is_sent_on_unconditionally_and_any_other_by_nobody() {
    let mut ladder = Ladder::from_phone();
    let mobile = ladder.phone("sip:mobile");
    let mobile = Branch { trunk: Some("mobile".into()), sent_on_by: Some(Address::here("+4930111111")), ..mobile };
    let leg = mobile.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:mobile", vec![mobile])]));
    assert_eq!(told(&ladder, leg), [("+4930111111".to_owned(), DiversionReason::Unconditional)]);
    ladder.after(RING);
    assert_eq!(ladder.records[0].meant_for, None);
}
