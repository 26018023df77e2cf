//! All calls of the gateway: which leg belongs to which, when each is due, and whom they speak through.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tracing::{error, info, info_span};

use super::bindings::Bindings;
use super::board::Letter;
use super::config::Routing;
use super::resolve::{self, Resolver};
use super::texts::{self, Texts};
use crate::base::{AdapterId, CallId, LegId, Pii};
use crate::call::{self, Call, Opening, Plan};
use crate::model::{Adapter, Cause, Detail, Directory, Hangup, Record, Relay, RelayCommand, Signal, Start, Text};

/// The protocols, by their number.
pub type Adapters = HashMap<AdapterId, Arc<dyn Adapter>>;

/// Where records go.
pub trait Ledger: Send {
    /// Takes a record in; must not wait.
    fn append(&mut self, record: Record);
}

/// All calls.
pub struct Calls {
    adapters: Adapters,
    relay: Arc<dyn Relay>,
    ledger: Box<dyn Ledger>,
    resolver: Resolver,
    bindings: Bindings,
    calls: HashMap<CallId, Entry>,
    legs: HashMap<LegId, CallId>,
    due: BTreeSet<(Instant, CallId)>,
    texts: Texts,
    most_calls: usize,
    next_call: u64,
    is_draining: bool,
}

struct Entry {
    call: Call,
    legs: Vec<LegId>,
    due: Option<Instant>,
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
            resolver,
            bindings: Bindings::default(),
            calls: HashMap::new(),
            legs: HashMap::new(),
            due: BTreeSet::new(),
            texts: Texts::default(),
            most_calls,
            next_call: first_call,
            is_draining: false,
        }
    }

    /// Takes a letter in. `wall_ms` is the time of day in milliseconds since the Unix epoch.
    pub fn handle(&mut self, now: Instant, wall_ms: u64, letter: Letter) {
        match letter {
            Letter::Heard(leg, Signal::Start(start)) => self.open(now, wall_ms, leg, *start),
            Letter::Heard(leg, signal) => {
                if let Some(id) = self.legs.get(&leg).copied() {
                    self.with(now, id, |call| call.hear(now, leg, signal));
                }
            }
            Letter::Text(text) => self.write(now, wall_ms, *text),
            Letter::Delivered(id, result) => self.texts.delivered(now, id, result, &self.adapters),
            Letter::Relay(event) => {
                let id = event.call();
                self.with(now, id, |call| call.relay(now, event));
            }
            Letter::Bind(binding) => self.bindings.bind(binding),
            Letter::Unbind(binding) => self.bindings.unbind(&binding),
        }
    }

    /// When [`Calls::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let call = self.due.first().map(|(at, _)| *at);
        [call, self.texts.poll_timeout()].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.texts.handle_timeout(now, &self.adapters);
        while let Some((at, id)) = self.due.first().copied() {
            if at > now {
                return;
            }
            self.due.pop_first();
            if let Some(entry) = self.calls.get_mut(&id) {
                entry.due = None;
            }
            self.with(now, id, |call| call.handle_timeout(now));
        }
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
    }

    fn write(&mut self, now: Instant, wall_ms: u64, text: Text) {
        let (rule, targets) = self.resolver.resolve_text(&text, &self.bindings, &self.adapters, wall_ms);
        texts::log(&text, rule.as_deref());
        let targets = if self.is_draining { Err(Cause::Maintenance) } else { targets };
        self.texts.take(now, text, targets, &self.adapters);
    }

    fn open(&mut self, now: Instant, wall_ms: u64, leg: LegId, start: Start) {
        let Some(adapter) = self.adapters.get(&leg.adapter()) else { return };
        let abilities = adapter.abilities_from(&start.entry);
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
        info!(call = %id, %leg, from = %Pii(&start.from.address), to = %Pii(&start.to),
            rule = plan.rule.as_deref().unwrap_or("none"), "comes in");
        let legs = std::iter::once(leg).chain(resolve::legs_of(&plan)).collect::<Vec<_>>();
        for leg in &legs {
            self.legs.insert(*leg, id);
        }
        let call = Call::open(now, Opening { call: id, leg, abilities, start, plan, wall_ms });
        self.calls.insert(id, Entry { call, legs, due: None });
        self.with(now, id, |_| ());
    }

    /// Lets a call do something and carries out what it gives. A call that panics ends alone.
    fn with(&mut self, now: Instant, id: CallId, act: impl FnOnce(&mut Call)) {
        let Some(entry) = self.calls.get_mut(&id) else { return };
        let span = info_span!("call", call = %id);
        let _in = span.enter();
        if catch_unwind(AssertUnwindSafe(|| act(&mut entry.call))).is_err() {
            error!(call = %id, "the call's own logic failed; its legs are hung up");
            return self.bury(id);
        }
        let mut record = None;
        while let Some(output) = entry.call.poll_output() {
            match output {
                call::Output::Say(leg, signal) => say(&self.adapters, leg, signal),
                call::Output::Order(command) => {
                    if self.relay.order(command).is_err() {
                        entry.call.hang_up(now, Cause::Congestion);
                    }
                }
                call::Output::Done(done) => record = Some(done),
            }
        }
        if let Some(record) = record {
            self.ledger.append(*record);
            return self.forget(id);
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

    fn forget(&mut self, id: CallId) {
        let Some(entry) = self.calls.remove(&id) else { return };
        for leg in entry.legs {
            self.legs.remove(&leg);
        }
        if let Some(due) = entry.due {
            self.due.remove(&(due, id));
        }
    }

    fn bury(&mut self, id: CallId) {
        let legs = self.calls.get(&id).map(|e| e.legs.clone()).unwrap_or_default();
        self.forget(id);
        for leg in legs {
            let detail = Some(Detail { text: Some("the gateway failed".into()), ..Detail::default() });
            say(&self.adapters, leg, Signal::Hangup(Hangup { cause: Cause::ServerError, detail }));
        }
        let _ = self.relay.order(RelayCommand::Remove(id));
    }
}

fn say(adapters: &Adapters, leg: LegId, signal: Signal) {
    let Some(adapter) = adapters.get(&leg.adapter()) else { return };
    if adapter.say(leg, signal).is_err() {
        // The adapter's own deadlines end a leg that hears no more.
        error!(%leg, "the adapter is too busy: a signal is lost");
    }
}
