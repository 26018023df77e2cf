#![allow(clippy::unwrap_used)]

use super::*;
use crate::base::Allowance;
use crate::base::line::{MOST_SPARED, MOST_WAITING, PATIENCE};

const SOURCE: &str = "192.0.2.7:5062";

fn gate() -> Gate<u32> {
    Gate::new(&mut Dice::from_seed([7; 32]))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn arrive(gate: &mut Gate<u32>, now: Instant, call: u32) -> Arrival<u32> {
    let mark = gate.mark(SOURCE.parse().unwrap(), &format!("z9hG4bK{call}"), b"1");
    gate.arrive(now, mark, false, call)
}

/// So many come in each millisecond-step of a stretch of time, and so many are taken up; gives who was taken up and who was
/// turned away, and the longest that one of the first waited.
struct Course {
    gate: Gate<u32>,
    allowance: Option<Allowance>,
    began: Instant,
    came: Vec<Instant>,
    taken: u32,
    turned_away: u32,
    longest: Duration,
}

impl Course {
    fn new(a_second: Option<u32>) -> Course {
        let (came, longest, began) = (Vec::new(), Duration::ZERO, Instant::now());
        let allowance = a_second.map(|count| Allowance::new(count, began));
        Course { gate: gate(), allowance, began, came, taken: 0, turned_away: 0, longest }
    }

    fn come(&mut self, at: Duration, count: u32) {
        for _ in 0..count {
            let call = self.came.len() as u32;
            self.came.push(self.began + at);
            let _ = arrive(&mut self.gate, self.began + at, call);
        }
    }

    /// One that is taken up takes so long; goes on until then.
    fn work(&mut self, from: Duration, until: Duration, each: Duration) {
        let mut at = from;
        while at + each <= until {
            let (now, allowance) = (self.began + at, &self.allowance);
            match self.gate.next(now, || allowance.as_ref().is_none_or(|a| a.take(now))) {
                None => return,
                Some(Next::TurnAway(..)) => self.turned_away += 1,
                Some(Next::TakeUp(call)) => {
                    self.taken += 1;
                    self.longest = self.longest.max(self.began + at - self.came[call as usize]);
                    at += each;
                }
            }
        }
    }
}

#[test]
fn who_comes_while_nothing_else_is_to_be_done_is_taken_up_in_order() {
    let (mut gate, now) = (gate(), Instant::now());
    for call in 0..3 {
        assert_eq!(arrive(&mut gate, now, call), Arrival::Waits);
    }
    let next: Vec<_> = std::iter::from_fn(|| gate.next(now, || true)).collect();
    assert_eq!(next, [Next::TakeUp(0), Next::TakeUp(1), Next::TakeUp(2)]);
    assert!(gate.is_empty() && gate.next(now, || true).is_none());
}

#[test]
fn at_three_times_what_can_be_carried_as_many_are_taken_up_as_can_be_and_none_after_a_long_wait() {
    // 400 calls a second can be carried, 1200 come.
    let mut course = Course::new(None);
    for step in 0..2000 {
        let at = ms(5 * step);
        course.come(at, 6);
        course.work(at, at + ms(5), Duration::from_micros(2500));
        if step == 600 {
            // The first three seconds are over.
            (course.taken, course.turned_away, course.longest) = (0, 0, Duration::ZERO);
        }
    }
    let offered = course.taken + course.turned_away;
    assert!(course.taken >= 2790, "{} of {offered} were taken up", course.taken);
    assert!(course.turned_away >= 5500, "{} of {offered} were turned away", course.turned_away);
    assert!(course.longest <= PATIENCE, "one was taken up after {:?}", course.longest);
}

#[test]
fn one_that_is_held_to_a_share_of_its_processor_takes_up_as_many_as_it_can() {
    // It stands still for 75 ms of each 100, and carries 400 a second otherwise.
    let mut course = Course::new(None);
    for round in 0..100 {
        let at = ms(100 * round);
        course.come(at, 120);
        course.work(at, at + ms(25), Duration::from_micros(625));
        if round == 30 {
            (course.taken, course.longest) = (0, Duration::ZERO);
        }
    }
    assert!(course.taken >= 69 * 39, "{} were taken up", course.taken);
    assert!(course.longest <= PATIENCE, "one was taken up after {:?}", course.longest);
}

#[test]
fn an_overload_is_not_over_because_all_who_waited_for_too_long_were_turned_away() {
    // As before, but whoever waits is looked at before the sockets are.
    let mut course = Course::new(None);
    for round in 0..100 {
        let at = ms(100 * round);
        course.work(at, at + ms(1), Duration::from_micros(625));
        course.come(at + ms(1), 120);
        course.work(at + ms(1), at + ms(25), Duration::from_micros(625));
        if round == 30 {
            (course.taken, course.longest) = (0, Duration::ZERO);
        }
    }
    assert!(course.taken >= 69 * 38, "{} were taken up", course.taken);
    assert!(course.longest <= PATIENCE, "one was taken up after {:?}", course.longest);
}

#[test]
fn a_load_that_can_be_carried_in_bunches_turns_nobody_away() {
    // 300 a second, all that come in a tenth of a second at once, and 400 can be carried.
    let mut course = Course::new(None);
    for round in 0..100 {
        let at = ms(100 * round);
        course.come(at, 30);
        course.work(at, at + ms(100), Duration::from_micros(2500));
    }
    assert_eq!((course.taken, course.turned_away), (3000, 0));
}

#[test]
fn a_machine_that_stands_still_again_and_again_turns_none_of_a_few_calls_away() {
    for (calls_a_second, standstill) in [(5, 2000), (20, 2000), (40, 1000), (49, 900), (5, 10_000)] {
        let mut course = Course::new(None);
        let (mut at, mut due) = (Duration::ZERO, 0);
        for round in 0..40 {
            // What came in the meantime is read in one go, and 20 ms are left to take up what there is time for.
            at += ms(standstill);
            let come = (at.as_secs_f64() * f64::from(calls_a_second)) as u32 - due;
            due += come;
            course.come(at, come);
            let work = if round % 2 == 0 { 20 } else { 1100 };
            course.work(at, at + ms(work), ms(5));
            at += ms(work);
        }
        assert_eq!(course.turned_away, 0, "{calls_a_second} a second, standing still for {standstill} ms");
    }
}

#[test]
fn a_bunch_of_five_hundred_that_takes_long_is_taken_up_as_a_whole() {
    let mut course = Course::new(None);
    course.come(Duration::ZERO, 500);
    course.work(Duration::ZERO, ms(10_000), ms(15));
    assert_eq!((course.taken, course.turned_away), (500, 0));
}

#[test]
fn once_no_more_come_than_can_be_carried_nobody_is_turned_away() {
    let mut course = Course::new(None);
    for step in 0..1000 {
        course.come(ms(5 * step), 6);
        course.work(ms(5 * step), ms(5 * step + 5), Duration::from_micros(2500));
    }
    assert!(course.turned_away > 0);
    course.work(ms(5000), ms(5100), Duration::from_micros(2500));
    assert!(course.gate.is_empty());
    course.turned_away = 0;
    for step in 1020..3000 {
        course.come(ms(5 * step), 1);
        course.work(ms(5 * step), ms(5 * step + 5), Duration::from_micros(2500));
    }
    assert_eq!(course.turned_away, 0);
}

#[test]
fn an_invite_that_comes_again_while_it_waits_is_the_same_and_its_cancel_finds_it() {
    let (mut gate, now) = (gate(), Instant::now());
    for call in 0..3 {
        arrive(&mut gate, now, call);
    }
    assert_eq!(arrive(&mut gate, now + ms(500), 1), Arrival::Again);
    let mark = |call: &str, source: &str| gate.mark(source.parse().unwrap(), call, b"1");
    let (one, other) = (mark("z9hG4bK1", SOURCE), mark("z9hG4bK1", "192.0.2.8:5062"));
    assert_eq!((gate.take_out(other), gate.take_out(one), gate.take_out(one)), (None, Some(1), None));
    assert_eq!(
        (gate.next(now, || true), gate.next(now, || true), gate.next(now, || true)),
        (Some(Next::TakeUp(0)), Some(Next::TakeUp(2)), None)
    );
}

#[test]
fn what_was_on_its_way_when_it_was_turned_away_is_no_other_call() {
    let (mut gate, now) = (gate(), Instant::now());
    arrive(&mut gate, now, 0);
    arrive(&mut gate, now, 1);
    assert_eq!(gate.next(now, || true), Some(Next::TakeUp(0)));
    let Some(Next::TurnAway(mark, 1)) = gate.next(now, || false) else { panic!("there is room for one") };
    let tag = gate.tag(mark);
    assert!(gate.is_of_turned_away(tag.as_bytes()));
    for (later, arrival) in [
        (ms(1000), Arrival::TurnedAway(mark, 1)),
        (REMEMBERED, Arrival::TurnedAway(mark, 1)),
        (REMEMBERED * 2, Arrival::Waits),
    ] {
        assert_eq!(arrive(&mut gate, now + later, 1), arrival, "{later:?} later");
    }
    assert_eq!(gate.tag(mark), tag, "the same whenever it comes");
    assert!(!gate.is_of_turned_away(b"1") && !gate.is_of_turned_away(&tag.as_bytes()[1..]));
}

#[test]
fn a_limit_holds_whatever_the_load_is() {
    let mut course = Course::new(Some(10));
    for step in 0..500 {
        course.come(ms(10 * step), 1);
        course.work(ms(10 * step), ms(10 * step + 10), ms(1));
    }
    // Ten a second, and those of the second that had passed before.
    assert!((55..=60).contains(&course.taken), "{}", course.taken);
    assert_eq!(course.taken + course.turned_away, 500);
}

#[test]
fn who_is_spared_goes_first_and_is_not_turned_away() {
    let mut course = Course::new(None);
    for step in 0..600 {
        course.come(ms(5 * step), 6);
        course.work(ms(5 * step), ms(5 * step + 5), Duration::from_micros(2500));
    }
    let now = course.began + ms(3000);
    let spare = |gate: &mut Gate<u32>, call: u32| {
        let mark = gate.mark(SOURCE.parse().unwrap(), &format!("z9hG4bK{call}"), b"spared");
        gate.arrive(now, mark, true, call)
    };
    for call in 0..=MOST_SPARED as u32 {
        assert_eq!(spare(&mut course.gate, call), Arrival::Waits);
    }
    for call in 0..MOST_SPARED as u32 {
        assert_eq!(course.gate.next(now + ms(900), || true), Some(Next::TakeUp(call)));
    }
    assert!(matches!(course.gate.next(now + ms(900), || true), Some(Next::TurnAway(..))), "the rest are as all others");

    let (mut gate, now) = (gate(), Instant::now());
    for call in 0..=MOST_WAITING as u32 {
        let _ = arrive(&mut gate, now, call);
    }
    assert_eq!((spare(&mut gate, 7), gate.next(now, || true)), (Arrival::Waits, Some(Next::TakeUp(7))));
    assert_eq!((spare(&mut gate, 8), gate.next(now, || false)), (Arrival::Waits, Some(Next::TakeUp(8))));
    assert!(matches!(gate.next(now, || false), Some(Next::TurnAway(..))), "there is no more room in this second");
}

#[test]
fn a_line_has_an_end() {
    let (mut gate, now) = (gate(), Instant::now());
    for call in 0..MOST_WAITING as u32 {
        assert_eq!(arrive(&mut gate, now, call), Arrival::Waits);
    }
    assert!(matches!(arrive(&mut gate, now, u32::MAX), Arrival::TurnedAway(_, u32::MAX)));
    assert_eq!(gate.len(), MOST_WAITING);
}

mod sketches {
    use super::*;
    use crate::sip::message::{Message, Name};
    use crate::sip::overload::sketch::{Asked, turn_away};
    use crate::sip::transaction::key::ServerKey;

    const INVITE: &str = "INVITE sip:bob@example.org SIP/2.0\r\n\
        Via: SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bKone;x, SIP/2.0/TCP far.example;branch=z9hG4bKtwo\r\n\
        v: SIP/2.0/UDP further.example;branch=z9hG4bKthree\r\n\
        Max-Forwards: 70\r\n\
        From: \"Al;tag=\\\"x\" <sip:alice@example.org>;tag=a\r\n\
        t: Bob <sip:bob@example.org;tag=no>\r\n\
        Call-ID : one@example.org\r\n\
        CSeq: 7 INVITE\r\n\
        Content-Length: 3\r\n\r\nv=0";

    fn source() -> SocketAddr {
        SOURCE.parse().unwrap()
    }

    fn read(text: &str) -> crate::sip::message::Request {
        let Ok(Message::Request(request)) = Message::read_datagram(text.to_owned().into()) else { panic!("{text}") };
        request
    }

    #[test]
    fn a_sketch_says_what_the_whole_reader_says() {
        let sketch = Sketch::read(INVITE.as_bytes()).unwrap();
        assert_eq!(
            (sketch.asked, sketch.uri, sketch.call_id),
            (Asked::Invite, "sip:bob@example.org", &b"one@example.org"[..])
        );
        assert!(sketch.is_new_call());
        let gate = gate();
        let request = read(INVITE);
        assert_eq!(gate.mark_of_sketch(source(), &sketch), gate.mark_of_request(source(), &request));
        let via = request.headers.via().unwrap();
        let key = ServerKey::of_invite(via.branch().unwrap(), &format!("{}:{}", via.host, via.port.unwrap()));
        assert_eq!(sketch.key(), key);
        let cancel = INVITE.replace("INVITE", "CANCEL");
        let cancel = Sketch::read(cancel.as_bytes()).unwrap();
        assert_eq!(
            (cancel.asked, gate.mark_of_sketch(source(), &cancel)),
            (Asked::Cancel, gate.mark_of_sketch(source(), &sketch))
        );
    }

    #[test]
    fn who_is_turned_away_gets_what_the_whole_writer_would_say() {
        let answer = turn_away(INVITE.as_bytes(), source(), "t1", "Patchcord").unwrap();
        let Ok(Message::Response(response)) = Message::read_datagram(answer.into()) else { panic!("no response") };
        let mut request = read(INVITE);
        request.stamp_source(source());
        assert_eq!(response.code(), 503);
        for name in [Name::From, Name::CallId, Name::CSeq] {
            assert_eq!(response.headers.get(&name), request.headers.get(&name), "{name}");
        }
        let to = response.headers.to().unwrap();
        assert_eq!((to.tag(), &to.uri), (Some("t1"), &request.headers.to().unwrap().uri));
        assert_eq!(response.headers.vias().unwrap(), request.headers.vias().unwrap());
        assert_eq!(response.headers.via().unwrap().rport(), Some(5062));
        assert!(response.headers.get(&Name::RetryAfter).is_none());
    }

    #[test]
    fn what_belongs_to_a_call_is_no_new_one() {
        for (from, to) in [
            ("org;tag=no>\r\n", "org>;tag=b\r\n"),
            ("t: Bob <sip:bob@example.org;tag=no>\r\n", "To: \"B <\\\" >\" <sip:b@h>;x;TAG = b\r\n"),
            ("t: Bob <sip:bob@example.org;tag=no>\r\n", "to:sip:b@h;tag=b\r\n"),
            ("Max-Forwards: 70\r\n", "Replaces: x;to-tag=1;from-tag=2\r\n"),
        ] {
            let text = INVITE.replace(from, to);
            assert_ne!(text, INVITE);
            assert!(!Sketch::read(text.as_bytes()).unwrap().is_new_call(), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_has_no_sketch() {
        for (from, to) in [
            ("INVITE sip", "OPTIONS sip"),
            ("INVITE sip", "invite sip"),
            ("org SIP/2.0", "org SIP/3.0"),
            ("bob@example.org SIP", "bob smith@example.org SIP"),
            ("Max-Forwards: 70\r\n", "Subject: a\r\n b\r\n"),
            ("Max-Forwards: 70\r\n", "Max-Forwards\r\n"),
            ("Max-Forwards: 70\r\n", "From: <sip:c@h>;tag=1\r\n"),
            ("Call-ID : one@example.org\r\n", ""),
            ("Call-ID : one", "Call-ID : one\r"),
            ("branch=z9hG4bKone", "branch=one"),
            ("branch=z9hG4bKone", "branch=z9hG4bK"),
            ("branch=z9hG4bKone", "branch=\"z9hG4bKone\""),
            ("branch=z9hG4bKone", "branch=z9hG4bKone;Branch=z9hG4bKtwo"),
            ("branch=z9hG4bKone", "branch = z9hG4bKone"),
            ("t: Bob <sip", "t: Bob \"B\" <sip"),
            ("10.0.0.1:5062", "10.0.0.1 : 5062"),
            ("10.0.0.1:5062", "[::01]:5062"),
            ("10.0.0.1:5062", "10.0.0.1:05062"),
            ("t: Bob <sip", "t: \"Bob <sip"),
        ] {
            let text = INVITE.replacen(from, to, 1);
            assert_ne!(text, INVITE);
            assert_eq!(Sketch::read(text.as_bytes()), None, "{text}");
        }
        let six = INVITE.replace("10.0.0.1:5062", "[2001:db8::1]:5062");
        assert_eq!(Sketch::read(six.as_bytes()).unwrap().sent_by, "[2001:db8::1]:5062");
        assert_eq!(Sketch::read(b""), None);
    }
}
