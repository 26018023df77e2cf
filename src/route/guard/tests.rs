#![allow(clippy::expect_used)]
use std::time::{Duration, Instant};

use super::*;
use crate::base::{AdapterId, LegMint};

const HOUR: Duration = Duration::from_secs(3600);

struct Desk {
    guard: Guard,
    mint: LegMint,
    now: Instant,
}

impl Desk {
    fn with(limits: Limits) -> Desk {
        Desk { guard: Guard::new(limits), mint: LegMint::said(AdapterId(1)), now: Instant::now() }
    }

    fn call(&mut self, caller: &Entry, number: &str, emergency: bool) -> Result<LegId, Refused> {
        let leg = self.mint.mint();
        self.leg(Wish { leg, caller, trunk: "carrier", number: Some(number), again: false, emergency })
    }

    fn leg(&mut self, wish: Wish<'_>) -> Result<LegId, Refused> {
        self.guard.take(self.now, wish).map(|()| wish.leg)
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }
}

fn alice() -> Entry {
    Entry::User("alice".into())
}

fn of_caller(caller: Allowance) -> Limits {
    Limits { caller, ..Limits::none() }
}

#[test]
fn a_trunk_is_not_asked_to_call_a_number_of_high_risk_by_itself() {
    let limits = Limits { free: ["demo".to_owned()].into(), ..Limits::default() };
    let guard = Guard::new(limits);
    assert!(matches!(guard.allows("carrier", Some("+8821300")), Err(Refused::HighRisk(_))));
    assert_eq!(guard.allows("carrier", Some("+4930111111")), Ok(()));
    assert_eq!(guard.allows("demo", Some("+8821300")), Ok(()));
}

#[test]
fn a_number_of_high_risk_is_refused_whoever_calls_and_no_other() {
    let mut desk = Desk::with(Limits::default());
    let high = desk.call(&alice(), "+8821300", false);
    assert_eq!(high, Err(Refused::HighRisk("+882".into())));
    assert_eq!(high.map_err(|r| r.cause()), Err(Cause::Forbidden));
    assert!(desk.call(&Entry::Trunk("pbx".into()), "+19005551234", false).is_err());
    assert!(desk.call(&alice(), "+15550100", false).is_ok());
    assert!(desk.call(&alice(), "882", false).is_ok(), "what has no + is no number of another country");
}

#[test]
fn calls_through_a_trunk_that_costs_nothing_are_not_held_to_what_callers_may_use() {
    let free = ["carrier".to_owned()].into();
    let mut desk = Desk::with(Limits { free, ..Limits::default() });
    let taken = (0..100).filter(|_| desk.call(&alice(), "+979", false).is_ok()).count();
    assert_eq!(taken, 100);
}

#[test]
fn a_caller_has_so_many_calls_at_once_and_a_place_is_free_again_when_one_ends() {
    let mut desk = Desk::with(of_caller(Allowance { calls: Some(2), ..Allowance::default() }));
    let first = desk.call(&alice(), "+1", false).unwrap_or_else(|e| panic!("{e:?}"));
    assert!(desk.call(&alice(), "+1", false).is_ok());
    assert_eq!(desk.call(&alice(), "+1", false), Err(Refused::Caller(Excess::Calls(2))));
    assert!(desk.call(&Entry::User("bob".into()), "+1", false).is_ok(), "another caller has places of his own");
    desk.guard.release(desk.now, first);
    desk.guard.release(desk.now, first);
    assert!(desk.call(&alice(), "+1", false).is_ok());
    assert!(desk.call(&alice(), "+1", false).is_err(), "a leg gives its place back once");
}

#[test]
fn calls_of_a_second_are_counted_and_the_next_second_begins_anew() {
    let mut desk = Desk::with(of_caller(Allowance { calls_per_second: Some(3), ..Allowance::default() }));
    let taken = (0..10).filter(|_| desk.call(&alice(), "+1", false).is_ok()).count();
    assert_eq!(taken, 3);
    desk.wait(Duration::from_secs(1));
    let taken = (0..10).filter(|_| desk.call(&alice(), "+1", false).is_ok()).count();
    assert_eq!(taken, 3);
}

#[test]
fn a_call_that_goes_on_to_the_next_trunk_begins_once_for_its_caller_and_anew_for_the_trunk() {
    let one = Allowance { calls_per_second: Some(1), ..Allowance::default() };
    let trunks = [("slow".to_owned(), one)].into();
    let mut desk = Desk::with(Limits { caller: one, trunks, ..Limits::none() });
    let mut leg = |trunk, again| {
        let leg = desk.mint.mint();
        desk.leg(Wish { leg, caller: &alice(), trunk, number: None, again, emergency: false }).map(|_| ())
    };
    assert_eq!(leg("dead", false), Ok(()));
    assert_eq!(leg("slow", true), Ok(()));
    assert_eq!(leg("slow", true), Err(Refused::Trunk("slow".into(), Excess::CallsPerSecond(1))));
    assert_eq!(leg("other", false), Err(Refused::Caller(Excess::CallsPerSecond(1))));
}

#[test]
fn minutes_count_from_the_answer_for_a_day_and_a_call_that_uses_them_up_is_ended() {
    let mut desk = Desk::with(of_caller(Allowance { minutes_per_day: Some(60), ..Allowance::default() }));
    let rings = desk.call(&alice(), "+1", false).unwrap_or_else(|e| panic!("{e:?}"));
    desk.wait(2 * HOUR);
    assert_eq!(desk.guard.handle_timeout(desk.now), vec![], "ringing costs nothing");
    desk.guard.answered(desk.now, rings);
    desk.wait(HOUR / 2);
    assert_eq!(desk.guard.handle_timeout(desk.now), vec![]);
    desk.wait(HOUR / 2);
    let spent = Refused::Caller(Excess::MinutesPerDay(60));
    assert_eq!(desk.guard.handle_timeout(desk.now), vec![(rings, spent.clone())]);
    desk.guard.release(desk.now, rings);
    assert_eq!(desk.call(&alice(), "+1", false), Err(spent.clone()));
    desk.wait(22 * HOUR);
    assert_eq!(desk.call(&alice(), "+1", false), Err(spent), "within a day");
    desk.wait(3 * HOUR);
    assert!(desk.call(&alice(), "+1", false).is_ok(), "a day later");
}

#[test]
fn two_calls_at_once_use_the_minutes_up_in_half_the_time() {
    let mut desk = Desk::with(of_caller(Allowance { minutes_per_day: Some(60), ..Allowance::default() }));
    for _ in 0..2 {
        let leg = desk.call(&alice(), "+1", false).unwrap_or_else(|e| panic!("{e:?}"));
        desk.guard.answered(desk.now, leg);
    }
    desk.wait(HOUR / 2);
    assert_eq!(desk.guard.handle_timeout(desk.now).len(), 2);
}

#[test]
fn a_full_trunk_is_full_for_everybody_and_lets_another_trunk_try() {
    let full = Allowance { calls: Some(1), ..Allowance::default() };
    let mut desk = Desk::with(Limits { trunks: [("carrier".to_owned(), full)].into(), ..Limits::none() });
    assert!(desk.call(&alice(), "+1", false).is_ok());
    let refused = desk.call(&Entry::Trunk("pbx".into()), "+1", false).expect_err("full");
    assert_eq!(refused, Refused::Trunk("carrier".into(), Excess::Calls(1)));
    assert!(refused.cause().is_retryable());
}

#[test]
fn nothing_stands_in_the_way_of_an_emergency_call() {
    let mut desk = Desk::with(of_caller(Allowance { calls: Some(0), ..Allowance::default() }));
    assert!(desk.call(&alice(), "+1", false).is_err());
    assert!(desk.call(&alice(), "+979", true).is_ok());
}

#[test]
fn who_has_used_nothing_for_a_day_is_forgotten() {
    let mut desk = Desk::with(Limits::default());
    for caller in 0..50 {
        let caller = Entry::Account(format!("{caller}@example.org"));
        let leg = desk.call(&caller, "+1", false).unwrap_or_else(|e| panic!("{e:?}"));
        desk.guard.answered(desk.now, leg);
        desk.wait(Duration::from_secs(1));
        desk.guard.release(desk.now, leg);
    }
    assert_eq!(desk.guard.usage.len(), 51);
    desk.wait(25 * HOUR);
    assert_eq!(desk.guard.handle_timeout(desk.now), vec![]);
    assert_eq!((desk.guard.usage.len(), desk.guard.poll_timeout()), (0, None));
}
