#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use super::*;
use crate::base::line::PATIENCE;
use crate::base::{Allowance, LegMint};
use crate::model::{About, Binding, Cause, Entry, Hangup, Overflow, Party, Replaces};
use crate::switch::resolve::{SIP, WEB, XMPP};

/// A switchboard with so many letters, and perhaps a limit of new calls.
#[derive(Default)]
struct Mailbox {
    backlog: Mutex<usize>,
    allowance: Option<Allowance>,
}

impl Switchboard for Mailbox {
    fn hear(&self, _: LegId, _: Signal) -> Result<(), Overflow> {
        Ok(())
    }

    fn backlog(&self) -> usize {
        *self.backlog.lock().unwrap()
    }

    fn admits(&self, now: Instant) -> bool {
        self.allowance.as_ref().is_none_or(|allowance| allowance.take(now))
    }

    fn is_emergency(&self, dialled: &str) -> bool {
        dialled == "112"
    }

    fn bind(&self, _: Binding) {}

    fn unbind(&self, _: &Binding) {}
}

struct Door {
    entrance: Entrance,
    mailbox: Arc<Mailbox>,
    mints: [LegMint; 3],
    now: Instant,
    began: Instant,
}

/// What came out: the legs whose calls were opened, with how much was said on them at once, and those turned away.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gone {
    read: Vec<(LegId, &'static str)>,
    turned_away: Vec<LegId>,
}

impl Door {
    fn new(a_second: Option<u32>, backlog: usize) -> Door {
        let now = Instant::now();
        let allowance = a_second.map(|count| Allowance::new(count, now));
        let mailbox = Arc::new(Mailbox { backlog: Mutex::new(backlog), allowance });
        let mints = [WEB, XMPP, SIP].map(LegMint::heard);
        Door { entrance: Entrance::new(mailbox.clone()), mailbox, mints, now, began: now }
    }

    fn at(&mut self, ms: u64) {
        self.now = self.began + Duration::from_millis(ms);
    }

    fn say(&mut self, leg: LegId, signal: Signal) {
        self.entrance.handle(self.now, Letter::Heard(leg, signal), |leg| leg.adapter() == SIP);
    }

    fn call(&mut self, which: usize, to: &str) -> LegId {
        self.start(which, to, None)
    }

    fn start(&mut self, which: usize, to: &str, replaces: Option<Replaces>) -> LegId {
        let leg = self.mints[which].mint();
        let start = Start {
            entry: Entry::User("alice".into()),
            from: Party::new("alice".parse().unwrap()),
            to: to.parse().unwrap(),
            contact: None,
            trunk: None,
            offer: None,
            hops_left: 70,
            about: About { replaces, ..About::default() },
        };
        self.say(leg, Signal::Start(Box::new(start)));
        leg
    }

    fn gone(&mut self) -> Gone {
        let mut gone = Gone::default();
        while let Some(output) = self.entrance.poll_output() {
            match output {
                Output::Read(Letter::Heard(leg, Signal::Start(_))) => gone.read.push((leg, "start")),
                Output::Read(Letter::Heard(leg, Signal::Lost)) => gone.read.push((leg, "lost")),
                Output::Read(Letter::Heard(leg, Signal::Back)) => gone.read.push((leg, "back")),
                Output::Read(Letter::Heard(leg, Signal::Hangup(_))) => gone.read.push((leg, "hangup")),
                Output::Read(other) => panic!("{other:?}"),
                Output::TurnAway(leg) => gone.turned_away.push(leg),
            }
        }
        gone
    }

    /// `each` come in each five milliseconds of a stretch, and two are taken up.
    fn flood(&mut self, seconds: u64, each: usize) -> Gone {
        let mut all = Gone::default();
        let from = self.now - self.began;
        for step in 0..seconds * 200 {
            self.now = self.began + from + Duration::from_millis(5 * step);
            *self.mailbox.backlog.lock().unwrap() = 1000;
            for number in 0..each {
                self.call(number % 2, "bob");
            }
            *self.mailbox.backlog.lock().unwrap() = 0;
            for _ in 0..2 {
                self.entrance.pause(self.now);
                self.entrance.serve(self.now, true);
            }
            let gone = self.gone();
            all.read.extend(gone.read);
            all.turned_away.extend(gone.turned_away);
        }
        all
    }
}

#[test]
fn as_long_as_nobody_waits_all_is_read_in_the_order_in_which_it_came() {
    let mut door = Door::new(None, 0);
    let page = door.call(0, "bob");
    door.say(page, Signal::Lost);
    let client = door.call(1, "bob");
    door.say(page, Signal::Hangup(Hangup::new(Cause::Cancelled)));
    assert_eq!(door.gone().read, [(page, "start"), (page, "lost"), (client, "start"), (page, "hangup")]);
    assert_eq!(door.entrance.pause(door.now), None);
}

#[test]
fn what_belongs_to_calls_goes_past_new_ones_and_so_does_what_has_waited_for_sip() {
    let mut door = Door::new(None, 1000);
    let up = door.call(0, "bob");
    assert_eq!(door.gone().read, [(up, "start")]);
    let waits = door.call(0, "bob");
    let by_sip = door.call(2, "bob");
    door.say(up, Signal::Lost);
    let replacing = door.start(1, "bob", Some(Replaces::Leg(up)));
    assert_eq!(door.gone().read, [(by_sip, "start"), (up, "lost"), (replacing, "start")]);
    *door.mailbox.backlog.lock().unwrap() = 0;
    door.entrance.serve(door.now, true);
    assert_eq!((door.gone().read, door.entrance.is_empty()), (vec![(waits, "start")], true));
}

#[test]
fn while_the_calls_are_behind_new_ones_wait_but_not_for_ever() {
    let mut door = Door::new(None, 1000);
    let first = door.call(0, "bob");
    let second = door.call(1, "bob");
    door.entrance.serve(door.now, true);
    assert_eq!(door.gone().read, [(first, "start")]);
    assert!(door.entrance.pause(door.now).is_some_and(|pause| pause > Duration::ZERO));
    assert!(!door.entrance.is_pressing(door.now));
    door.at(50);
    assert!(door.entrance.is_pressing(door.now));
    door.entrance.serve(door.now, false);
    assert_eq!((door.gone().read, door.entrance.is_empty()), (vec![(second, "start")], true));
}

#[test]
fn what_a_party_says_while_its_call_waits_is_heard_behind_the_start_and_nobody_is_called_for_who_gives_up() {
    let mut door = Door::new(None, 1000);
    door.call(0, "bob");
    let [waits, given_up, talks] = [0, 1, 0].map(|which| door.call(which, "bob"));
    door.say(waits, Signal::Lost);
    door.say(given_up, Signal::Hangup(Hangup::new(Cause::Cancelled)));
    door.say(waits, Signal::Back);
    (0..=MOST_KEPT).for_each(|_| door.say(talks, Signal::Lost));
    assert_eq!(door.gone().turned_away, [talks], "it has said more than is kept");
    door.at(50);
    door.entrance.serve(door.now, false);
    assert_eq!(door.gone().read, [(waits, "start"), (waits, "lost"), (waits, "back")]);
    assert!(door.entrance.is_empty());
}

#[test]
fn at_three_times_what_can_be_carried_of_pages_and_im_clients_as_many_are_taken_up_as_can_be() {
    let mut door = Door::new(None, 0);
    let before = door.flood(3, 6).turned_away.len();
    // 400 a second can be carried.
    let gone = door.flood(5, 6);
    assert!(gone.read.len() >= 1990, "{} were taken up", gone.read.len());
    assert!((3900..=4010).contains(&gone.turned_away.len()), "{} were turned away", gone.turned_away.len());
    assert_eq!(door.entrance.figures().turned_away(), (before + gone.turned_away.len()) as u64);
}

#[test]
fn few_of_pages_among_very_many_by_sip_are_an_overload_as_well() {
    let mut door = Door::new(None, 1000);
    let (mut turned_away, mut last) = (0, door.call(0, "bob"));
    for step in 1..500 {
        door.at(10 * step);
        door.call(2, "bob");
        last = door.call(0, "bob");
        door.entrance.serve(door.now, false);
        turned_away += door.gone().turned_away.len();
    }
    assert!(turned_away > 300, "{turned_away} were turned away");
    door.now += PATIENCE;
    door.entrance.serve(door.now, false);
    assert_eq!(door.gone().read.last(), Some(&(last, "start")), "none has waited for longer than that");
}

#[test]
fn a_limit_counts_new_calls_whatever_they_come_by_and_spares_calls_for_help() {
    let mut door = Door::new(Some(3), 0);
    // SIP asks for its own.
    assert!(door.mailbox.admits(door.now));
    let legs = [0, 1, 0].map(|which| door.call(which, "bob"));
    let help = [0, 1].map(|which| door.call(which, "112"));
    let gone = door.gone();
    assert_eq!(gone.turned_away, [legs[2]]);
    assert_eq!(gone.read, [legs[0], legs[1], help[0], help[1]].map(|leg| (leg, "start")));
    door.at(1000);
    assert_eq!((door.call(0, "bob").adapter(), door.gone().turned_away), (WEB, vec![]));
}
