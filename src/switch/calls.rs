//! All calls of the gateway: which leg belongs to which, when each is due, and whom they speak through.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tracing::{error, info, info_span};

use super::bindings::Bindings;
use super::board::Letter;
use super::config::Routing;
use super::figures::{CallFigures, Course, Tally};
use super::guarding::{self, Payer};
use super::joints::{JOINT, Joints};
use super::resolve::{self, Resolver};
use super::rouse::Rouse;
use super::texts::{self, Texts};
use crate::base::{AdapterId, CallId, IdMap, LegId, Pii};
use crate::call::{self, Call, Opening, Plan};
use crate::model::{
    Adapter, Cause, Detail, Directory, Hangup, Record, Relay, RelayCommand, Replaces, Signal, Start, Text,
};
use crate::route::guard::Guard;

/// The protocols, by their number.
pub type Adapters = HashMap<AdapterId, Arc<dyn Adapter>>;

/// Where records go.
pub trait Ledger: Send {
    /// Takes in what is known of a call that has begun, or was answered, so that not all is lost if the gateway is
    /// killed; must not wait.
    fn up(&mut self, record: Record);

    /// Takes a record in; must not wait.
    fn append(&mut self, record: Record);
}

/// All calls.
pub struct Calls {
    pub(super) adapters: Adapters,
    relay: Arc<dyn Relay>,
    ledger: Box<dyn Ledger>,
    pub(super) resolver: Resolver,
    pub(super) guard: Guard,
    pub(super) bindings: Bindings,
    pub(super) calls: IdMap<CallId, Entry>,
    pub(super) legs: IdMap<LegId, CallId>,
    due: BTreeSet<(Instant, CallId)>,
    texts: Texts,
    tally: Tally,
    most_calls: usize,
    next_call: u64,
    pub(super) is_draining: bool,
    pub(super) joints: Joints,
    rouse: Rouse,
    /// The time of day, as it was told last.
    pub(super) told: Option<(Instant, u64)>,
}

pub(super) struct Entry {
    /// Apart, for the table has room for twice as many as there are.
    pub(super) call: Box<Call>,
    pub(super) legs: Vec<LegId>,
    due: Option<Instant>,
    course: Course,
    pub(super) payer: Payer,
    /// That the call was answered stands in the ledger.
    is_noted: bool,
}

impl Calls {
    /// Calls through these adapters and this relay, at most so many at once. `first_call` sets the calls of
    /// this run apart from those of earlier ones in logs and records.
    pub fn new(
        adapters: Adapters,
        relay: Arc<dyn Relay>,
        ledger: Box<dyn Ledger>,
        resolver: Resolver,
        most_calls: usize,
        first_call: u64,
    ) -> Calls {
        Calls {
            adapters,
            relay,
            ledger,
            guard: Guard::new(resolver.limits().clone()),
            resolver,
            bindings: Bindings::default(),
            calls: IdMap::default(),
            legs: IdMap::default(),
            due: BTreeSet::new(),
            texts: Texts::default(),
            tally: Tally::default(),
            most_calls,
            next_call: first_call,
            is_draining: false,
            joints: Joints::default(),
            rouse: Rouse::default(),
            told: None,
        }
    }

    /// The same with joints of calls at this address, at which the relay's sockets are bound.
    pub fn joined_at(mut self, bound: IpAddr) -> Calls {
        self.joints.set_place(bound);
        self
    }

    /// Takes a letter in. `wall_ms` is the time of day in milliseconds since the Unix epoch.
    pub fn handle(&mut self, now: Instant, wall_ms: u64, letter: Letter) {
        self.told = Some((now, wall_ms));
        match letter {
            Letter::Heard(leg, Signal::Start(start)) => self.open(now, wall_ms, leg, *start),
            Letter::Heard(leg, signal) => {
                guarding::heard(&mut self.guard, now, leg, &signal);
                if let Some(id) = self.legs.get(&leg).copied() {
                    if let Some(entry) = self.calls.get_mut(&id) {
                        entry.course.hear(leg, &signal);
                    }
                    self.with(now, id, |call| call.hear(now, leg, signal));
                }
            }
            Letter::Text(text) => self.write(now, wall_ms, *text),
            Letter::Delivered(id, result) => self.texts.delivered(now, id, result, &self.adapters),
            Letter::Relay(events) => {
                for event in events {
                    self.tally.relay(&event);
                    let id = event.call();
                    self.with(now, id, |call| call.relay(now, event));
                }
            }
            Letter::Bind(binding) => self.bindings.bind(binding),
            Letter::Unbind(bindings) => bindings.iter().for_each(|binding| self.bindings.unbind(binding)),
        }
        self.cross(now);
    }

    /// Whether the adapter of a leg lets new calls wait by itself.
    pub fn holds_back(&self, leg: LegId) -> bool {
        self.adapters.get(&leg.adapter()).is_some_and(|adapter| adapter.holds_back())
    }

    /// Has a leg hear that there are too many calls, which is known before there is a call.
    pub fn turn_away(&self, leg: LegId) {
        say(&self.adapters, leg, Signal::Hangup(Hangup::new(Cause::Congestion)));
    }

    /// When [`Calls::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let call = self.due.first().map(|(at, _)| *at);
        let others = [self.texts.poll_timeout(), self.guard.poll_timeout(), self.rouse.poll_timeout()];
        others.into_iter().chain([call]).flatten().min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.texts.handle_timeout(now, &self.adapters);
        for (leg, refused) in self.guard.handle_timeout(now) {
            if let Some(id) = self.legs.get(&leg).copied() {
                self.with(now, id, |call| call.hang_up_because(now, refused.cause(), refused.sentence()));
            }
        }
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, id));
            if let Some(entry) = self.calls.get_mut(&id) {
                entry.due = None;
            }
            self.with(now, id, |call| call.handle_timeout(now));
            self.cross(now);
        }
        self.cross(now);
        if self.rouse.take_due(now) {
            self.relay.wake();
        }
    }

    /// What has been counted up to here.
    pub fn figures(&self) -> CallFigures {
        let now = self.calls.values().map(|entry| entry.course.pair());
        self.tally.figures(now, self.adapters.keys().map(|a| (*a, self.bindings.of_adapter(*a))))
    }

    /// How many calls there are.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Decides new calls by another dialplan and directory; those that are up go on.
    pub fn replan(&mut self, routing: Arc<Routing>, directory: Arc<Directory>) {
        self.guard.set_limits(routing.limits.clone());
        self.resolver.replan(routing, directory);
    }

    /// Takes no new calls from here on.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// Ends all calls, and gives up the messages that are under way.
    pub fn hang_up_all(&mut self, now: Instant) {
        self.texts.give_up_all(Cause::Maintenance, &self.adapters);
        let ids: Vec<CallId> = self.calls.keys().copied().collect();
        for id in ids {
            self.with(now, id, |call| call.hang_up(now, Cause::Maintenance));
        }
        self.cross(now);
    }

    fn write(&mut self, now: Instant, wall_ms: u64, text: Text) {
        let (rule, targets) = self.resolver.resolve_text(&text, &self.bindings, &self.adapters, wall_ms);
        texts::log(&text, rule.as_deref());
        let targets = if self.is_draining { Err(Cause::Maintenance) } else { targets };
        self.texts.take(now, text, targets, &self.adapters);
    }

    fn open(&mut self, now: Instant, wall_ms: u64, leg: LegId, mut start: Start) {
        if let Some(Replaces::Leg(place)) = start.about.replaces {
            return self.replace(now, place, leg, start);
        }
        let Some(adapter) = self.adapters.get(&leg.adapter()) else { return };
        let abilities = adapter.abilities_from(&start.entry, start.contact.as_ref());
        let is_full = self.calls.len() >= self.most_calls;
        let resolved = self.resolver.resolve(leg.adapter(), &start, &self.bindings, &self.adapters, wall_ms);
        let refusal = match () {
            () if self.is_draining => Some(Cause::Maintenance),
            () if is_full && !resolved.emergency => Some(Cause::Congestion),
            () => None,
        };
        let plan = match refusal {
            Some(cause) => Plan { action: call::Action::Reject(cause), ..resolved.plan },
            None => resolved.plan,
        };
        self.next_call += 1;
        let id = CallId(self.next_call);
        if !resolved.emergency && start.about.along.location.take().is_some() {
            info!(%leg, "where the caller is goes no further: the call is no emergency");
        }
        let session_id = *start.about.session_id.get_or_insert_with(|| self.resolver.name_call());
        info!(call = %id, %leg, from = %Pii(&start.from.address), to = %Pii(&start.to),
            rule = plan.rule.as_deref().unwrap_or("none"), %session_id, "comes in");
        let legs = std::iter::once(leg).chain(resolve::legs_of(&plan)).collect::<Vec<_>>();
        for leg in &legs {
            self.legs.insert(*leg, id);
        }
        let payer =
            Payer { caller: start.entry.clone(), number: resolved.number, emergency: resolved.emergency, began: false };
        let call = Box::new(Call::open(now, Opening { call: id, leg, abilities, start, plan, wall_ms }));
        let course = Course::new(now, leg, &mut self.tally);
        self.calls.insert(id, Entry { call, legs, due: None, course, payer, is_noted: false });
        self.with(now, id, |_| ());
        if let Some(entry) = self.calls.get(&id) {
            self.ledger.up(entry.call.so_far(now));
        }
    }

    /// Lets a call do something and carries out what it gives. A call that panics ends alone.
    pub(super) fn with(&mut self, now: Instant, id: CallId, act: impl FnOnce(&mut Call)) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let span = info_span!("call", call = %id);
        let _in = span.enter();
        if catch_unwind(AssertUnwindSafe(|| act(&mut entry.call))).is_err() {
            error!(call = %id, "the call's own logic failed; its legs are hung up");
            return self.bury(now, id);
        }
        let (mut record, mut wish, mut recalled) = (None, None, Vec::new());
        let mut ordered = None;
        while let Some(output) = entry.call.poll_output() {
            match output {
                call::Output::Say(leg, signal) => {
                    match guarding::said(&mut self.guard, now, leg, &signal, &mut entry.payer) {
                        Ok(()) if leg.adapter() == JOINT => self.joints.say(leg, signal),
                        Ok(()) => {
                            entry.course.say(now, leg, &signal, &mut self.tally);
                            say(&self.adapters, leg, signal);
                        }
                        Err(hangup) => entry.call.hear(now, leg, Signal::Hangup(hangup)),
                    }
                }
                call::Output::Order(command) => {
                    let is_urgent = Rouse::is_urgent(&command, entry.call.awaits_relay());
                    ordered = Some(is_urgent || ordered.unwrap_or(false));
                    if self.relay.order_later(command).is_err() {
                        entry.call.hang_up(now, Cause::Congestion);
                    }
                }
                call::Output::Decide { leg, start } => wish = Some((leg, start)),
                call::Output::Recall(leg) => recalled.push(leg),
                call::Output::Done(done) => record = Some(done),
            }
        }
        if let Some(is_urgent) = ordered {
            self.rouse.note(now, is_urgent);
        }
        if let Some(record) = record {
            self.tally.ended(entry.course.pair(), record.cause);
            self.ledger.append(*record);
            return self.forget(now, id);
        }
        if entry.call.is_answered() && !entry.is_noted {
            entry.is_noted = true;
            self.ledger.up(entry.call.so_far(now));
        }
        if let Some((leg, start)) = wish {
            return self.decide_transfer(now, id, leg, &start);
        }
        if !recalled.is_empty() {
            return self.recall(now, id, recalled);
        }
        let due = entry.call.poll_timeout();
        if due != entry.due {
            if let Some(old) = entry.due {
                self.due.remove(&(old, id));
            }
            entry.due = due;
            self.due.extend(due.map(|at| (at, id)));
        }
    }

    fn forget(&mut self, now: Instant, id: CallId) {
        let Some(entry) = self.calls.remove(&id) else { return };
        for leg in entry.legs {
            self.guard.release(now, leg);
            self.joints.forget(leg);
            self.legs.remove(&leg);
        }
        if let Some(due) = entry.due {
            self.due.remove(&(due, id));
        }
    }

    fn bury(&mut self, now: Instant, id: CallId) {
        let Some(entry) = self.calls.get(&id) else { return };
        self.tally.ended(entry.course.pair(), Cause::ServerError);
        let why = Some("the call's own logic failed".to_owned());
        self.ledger.append(Record { cause: Cause::ServerError, why, ..entry.call.so_far(now) });
        for leg in entry.legs.clone() {
            let detail = Some(Detail { text: Some("the gateway failed".into()), ..Detail::default() });
            let hangup = Signal::Hangup(Hangup { cause: Cause::ServerError, detail });
            match leg.adapter() {
                JOINT => self.joints.say(leg, hangup),
                _ => say(&self.adapters, leg, hangup),
            }
        }
        self.forget(now, id);
        let _ = self.relay.order(RelayCommand::Remove(id));
    }
}

pub(super) fn say(adapters: &Adapters, leg: LegId, signal: Signal) {
    let Some(adapter) = adapters.get(&leg.adapter()) else { return };
    if adapter.say(leg, signal).is_err() {
        // The adapter's own deadlines end a leg that hears no more.
        error!(%leg, "the adapter is too busy: a signal is lost");
    }
}
