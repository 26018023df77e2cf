//! The messages under way: whose turn each is, by when, and who is told what became of it.
//!
//! A message goes to the targets that the dialplan names, one after the other; to all places of a target at once. The
//! first place that takes it ends it. Whoever wrote it is told exactly once.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::calls::Adapters;
use super::places::Place;
use crate::base::{AdapterId, Pii};
use crate::model::{Address, Cause, Entry, LONGEST_TEXT, Text, TextId, Undelivered};

/// How long a message may be under way in all. A SIP sender gives up after 32 s (RFC 3261 §17.1.2.2) and is to hear
/// the reason rather than silence. Each target has its share of it.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The most messages under way at once.
pub const MOST_TEXTS: usize = 1000;
/// A sender may write one message in this time …
pub const PACE: Duration = Duration::from_millis(100);
/// … and so many at once after a silence.
pub const BURST: u32 = 20;
/// The most senders whose pace is watched.
pub const MOST_SENDERS: usize = 10_000;

/// The name under which the switch gives out copies.
const SWITCH: AdapterId = AdapterId(0);

/// The messages under way.
#[derive(Default)]
pub struct Texts {
    under_way: HashMap<u64, UnderWay>,
    /// The message of each copy that is not yet answered.
    copies: HashMap<TextId, u64>,
    due: BTreeSet<(Instant, u64)>,
    senders: Senders,
    next: u64,
}

struct UnderWay {
    text: Text,
    /// The targets still to be tried.
    targets: VecDeque<Vec<Place>>,
    /// The copies of this target's that are not yet answered.
    open: Vec<TextId>,
    /// The first failure that says more than that nobody is there.
    failure: Option<Undelivered>,
    until: Instant,
    due: Instant,
}

impl Texts {
    /// Takes in a message that may go to these targets, or may not.
    pub fn take(&mut self, now: Instant, text: Text, targets: Result<Vec<Vec<Place>>, Cause>, adapters: &Adapters) {
        let targets = match targets.map_err(Undelivered::new).and_then(|t| self.admit(now, &text).map(|()| t)) {
            Ok(targets) => targets.into_iter().filter(|places| !places.is_empty()).collect(),
            Err(failure) => return tell(adapters, text.id, Err(failure)),
        };
        self.next += 1;
        let until = now + PATIENCE;
        self.due.insert((until, self.next));
        let under_way = UnderWay { text, targets, open: Vec::new(), failure: None, until, due: until };
        self.under_way.insert(self.next, under_way);
        self.try_next(now, self.next, adapters);
    }

    fn admit(&mut self, now: Instant, text: &Text) -> Result<(), Undelivered> {
        if text.body.len() > LONGEST_TEXT {
            let why = format!("The message is too long: it may have {LONGEST_TEXT} bytes.");
            return Err(Undelivered { cause: Cause::NotSupported, why: Some(why) });
        }
        if self.under_way.len() >= MOST_TEXTS {
            return Err(Undelivered { cause: Cause::Congestion, why: Some("Too many messages at once.".into()) });
        }
        if !self.senders.may_write(now, text) {
            let why = "You write faster than messages are delivered; try again shortly.";
            return Err(Undelivered { cause: Cause::Congestion, why: Some(why.into()) });
        }
        Ok(())
    }

    /// A place took a copy, or could not.
    pub fn delivered(&mut self, now: Instant, id: TextId, result: Result<(), Undelivered>, adapters: &Adapters) {
        // A copy whose time was over, or that another place was faster with.
        let Some(number) = self.copies.remove(&id) else { return };
        match result {
            Ok(()) => self.finish(number, Ok(()), adapters),
            Err(failure) => self.note(now, (number, id), failure, adapters),
        }
    }

    /// When [`Texts::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant, adapters: &Adapters) {
        while let Some((at, number)) = self.due.first().copied()
            && at <= now
        {
            if let Some(under_way) = self.under_way.get_mut(&number) {
                under_way.remember(Undelivered::new(Cause::Timeout));
            }
            self.try_next(now, number, adapters);
        }
    }

    /// How many messages are under way.
    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Gives all of them up.
    pub fn give_up_all(&mut self, cause: Cause, adapters: &Adapters) {
        let numbers: Vec<u64> = self.under_way.keys().copied().collect();
        for number in numbers {
            self.finish(number, Err(Undelivered::new(cause)), adapters);
        }
    }

    fn note(&mut self, now: Instant, (number, id): (u64, TextId), failure: Undelivered, adapters: &Adapters) {
        let Some(under_way) = self.under_way.get_mut(&number) else { return };
        under_way.remember(failure);
        under_way.open.retain(|open| *open != id);
        if under_way.open.is_empty() {
            self.try_next(now, number, adapters);
        }
    }

    /// Gives the next target its copies; without one left, the message is not delivered.
    fn try_next(&mut self, now: Instant, number: u64, adapters: &Adapters) {
        while let Some(under_way) = self.under_way.get_mut(&number) {
            for id in under_way.open.drain(..) {
                self.copies.remove(&id);
            }
            let left = under_way.until.saturating_duration_since(now);
            let places = under_way.targets.pop_front().filter(|_| !left.is_zero());
            let Some(places) = places else {
                let failure = under_way.failure.take().unwrap_or(Undelivered::new(Cause::Unavailable));
                return self.finish(number, Err(failure), adapters);
            };
            let share = left / u32::try_from(under_way.targets.len() + 1).unwrap_or(u32::MAX);
            self.due.remove(&(under_way.due, number));
            under_way.due = now + share;
            self.due.insert((under_way.due, number));
            for place in places {
                self.next += 1;
                let id = TextId { adapter: SWITCH, number: self.next };
                let (adapter, copy) = copy(&under_way.text, id, place);
                if adapters.get(&adapter).is_some_and(|a| a.deliver(copy).is_ok()) {
                    self.copies.insert(id, number);
                    under_way.open.push(id);
                } else {
                    under_way.remember(Undelivered::new(Cause::Unavailable));
                }
            }
            if !under_way.open.is_empty() {
                return;
            }
        }
    }

    fn finish(&mut self, number: u64, result: Result<(), Undelivered>, adapters: &Adapters) {
        let Some(under_way) = self.under_way.remove(&number) else { return };
        self.due.remove(&(under_way.due, number));
        for id in &under_way.open {
            self.copies.remove(id);
        }
        tell(adapters, under_way.text.id, result);
    }
}

impl UnderWay {
    fn remember(&mut self, failure: Undelivered) {
        let says_more = |known: &Undelivered| known.cause == Cause::Unavailable && known.why.is_none();
        if self.failure.as_ref().is_none_or(says_more) {
            self.failure = Some(failure);
        }
    }
}

fn copy(text: &Text, id: TextId, place: Place) -> (AdapterId, Text) {
    let Place { adapter, from, to, contact, trunk, .. } = place;
    (adapter, Text { id, entry: text.entry.clone(), from, to, contact, trunk, body: text.body.clone() })
}

fn tell(adapters: &Adapters, id: TextId, result: Result<(), Undelivered>) {
    match &result {
        Ok(()) => debug!(adapter = id.adapter.0, number = id.number, "the message is delivered"),
        Err(failure) => {
            info!(adapter = id.adapter.0, number = id.number, cause = %failure.cause, "the message is not delivered");
        }
    }
    if let Some(adapter) = adapters.get(&id.adapter) {
        adapter.delivered(id, result);
    }
}

/// Says that a message comes in.
pub fn log(text: &Text, rule: Option<&str>) {
    info!(adapter = text.id.adapter.0, number = text.id.number, from = %Pii(&text.from.address), to = %Pii(&text.to),
        rule = rule.unwrap_or("none"), "a message comes in");
}

/// How fast everybody writes: for each sender, when the messages of late would have been written at an even pace.
#[derive(Default)]
struct Senders {
    even: HashMap<(Entry, Option<Address>), Instant>,
}

impl Senders {
    fn may_write(&mut self, now: Instant, text: &Text) -> bool {
        // A trunk speaks for many.
        let address = match text.entry {
            Entry::User(_) | Entry::Account(_) => None,
            Entry::Trunk(_) | Entry::Open => Some(text.from.address.clone()),
        };
        let sender = (text.entry.clone(), address);
        if self.even.len() >= MOST_SENDERS && !self.even.contains_key(&sender) {
            self.even.retain(|_, even| *even > now);
            if self.even.len() >= MOST_SENDERS {
                return false;
            }
        }
        let even = self.even.entry(sender).or_insert(now);
        *even = now.max(*even);
        if *even - now > PACE * (BURST - 1) {
            return false;
        }
        *even += PACE;
        true
    }
}

#[cfg(test)]
mod tests;
