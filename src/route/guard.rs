//! Guards against toll fraud: who may call out through trunks, how often at once and how long, and where to.
//!
//! A pure machine beside the dialplan. The dialplan says what is allowed at all; the guard keeps what is allowed from
//! being abused by whoever has stolen a password. Every leg towards a trunk takes a place before it is opened and gives
//! it back when it ends.

mod usage;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::base::{IdMap, LegId};
use crate::model::{Cause, Entry};
use usage::Usage;

/// The most callers whose day is remembered. Beyond them those who call for the first time are refused.
pub const CALLERS_LIMIT: usize = 100_000;

/// How often running calls are held against the minutes of the day.
pub const LOOKS_EVERY: Duration = Duration::from_secs(15);

/// What everybody may use who is not limited otherwise: `None` is without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// Calls at once.
    pub calls: Option<u32>,
    /// Calls that begin within a second.
    pub calls_per_second: Option<u32>,
    /// Minutes of talk within a day.
    pub minutes_per_day: Option<u32>,
}

/// What the guard lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// For each user, and each account of an IM server.
    pub caller: Allowance,
    /// For all together who come in without being known.
    pub strangers: Allowance,
    /// For each trunk that has limits.
    pub trunks: BTreeMap<String, Allowance>,
    /// Trunks through which calls cost nothing: what callers may use does not count there.
    pub free: BTreeSet<String>,
    /// Beginnings of numbers, with `+`, that are refused whatever the dialplan says.
    pub high_risk: Vec<String>,
}

/// Beginnings of numbers that fraud is commonly paid through: satellites, international networks, shared cost and premium
/// services (country codes of ITU-T E.164 for shared use), premium services of North America, and countries whose numbers
/// are often leased for it.
pub const HIGH_RISK: [&str; 20] = [
    "+1900", "+1976", "+808", "+870", "+878", "+881", "+882", "+883", "+888", "+979", "+220", "+224", "+231", "+232",
    "+252", "+257", "+269", "+290", "+53", "+675",
];

impl Default for Limits {
    /// What a person uses who makes calls, and what stops a machine that does.
    fn default() -> Limits {
        let caller = Allowance { calls: Some(4), calls_per_second: Some(2), minutes_per_day: Some(600) };
        let high_risk = HIGH_RISK.map(str::to_owned).into();
        Limits { caller, strangers: caller, trunks: BTreeMap::new(), free: BTreeSet::new(), high_risk }
    }
}

impl Limits {
    /// Lets everything through: for gateways that stand between systems which guard themselves.
    pub fn none() -> Limits {
        let open = Allowance::default();
        Limits { caller: open, strangers: open, high_risk: Vec::new(), ..Limits::default() }
    }
}

/// A leg that wants to go out through a trunk.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The leg.
    pub leg: LegId,
    /// Who pays for it: the door by which the caller came in.
    pub caller: &'a Entry,
    /// Through which trunk.
    pub trunk: &'a str,
    /// The number in E.164 form, if it has one.
    pub number: Option<&'a str>,
    /// The call has tried another leg before: for the caller it does not begin anew.
    pub again: bool,
    /// Nothing may stand in its way.
    pub emergency: bool,
}

/// Why a leg may not go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The number begins with one of [`Limits::high_risk`].
    HighRisk(String),
    /// The caller has too many calls at once, began too many within a second, or has used up the day's minutes.
    Caller(Excess),
    /// The trunk has.
    Trunk(String, Excess),
    /// There are more callers than can be remembered.
    TooManyCallers,
}

/// Which limit was reached, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Calls at once.
    Calls(u32),
    /// Calls within a second.
    CallsPerSecond(u32),
    /// Minutes within a day.
    MinutesPerDay(u32),
}

impl Refused {
    /// The cause that the caller hears. A trunk that is full is no decision about the caller: another may take the call.
    pub fn cause(&self) -> Cause {
        match self {
            Refused::HighRisk(_) => Cause::Forbidden,
            Refused::Caller(_) | Refused::Trunk(..) | Refused::TooManyCallers => Cause::Congestion,
        }
    }

    /// One sentence for the log and the record.
    pub fn sentence(&self) -> String {
        let excess = |e: &Excess| match e {
            Excess::Calls(n) => format!("has {n} calls at once, the most that are allowed"),
            Excess::CallsPerSecond(n) => format!("began {n} calls within a second, the most that are allowed"),
            Excess::MinutesPerDay(n) => format!("has used the {n} minutes of the day"),
        };
        match self {
            Refused::HighRisk(prefix) => {
                format!("numbers that begin with {prefix} are refused because fraud is often paid through them")
            }
            Refused::Caller(e) => format!("the caller {} through trunks", excess(e)),
            Refused::Trunk(name, e) => format!("the trunk {name} {}", excess(e)),
            Refused::TooManyCallers => "too many different callers within a day".to_owned(),
        }
    }
}

/// Who is held to an allowance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Caller(String),
    Strangers,
    Trunk(String),
}

#[derive(Debug)]
struct Held {
    by: Vec<Who>,
    answered: Option<Instant>,
}

/// The guard.
#[derive(Debug)]
pub struct Guard {
    limits: Limits,
    usage: HashMap<Who, Usage>,
    legs: IdMap<LegId, Held>,
    look_at: Option<Instant>,
}

impl Guard {
    /// With nothing used yet.
    pub fn new(limits: Limits) -> Guard {
        Guard { limits, usage: HashMap::new(), legs: IdMap::default(), look_at: None }
    }

    /// Goes by other limits from here on. What was used stays used.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Lets a leg out, or says why not.
    ///
    /// # Errors
    /// The limit that stands in its way.
    pub fn take(&mut self, now: Instant, wish: Wish<'_>) -> Result<(), Refused> {
        let is_free = self.limits.free.contains(wish.trunk);
        let caller = who_pays(wish.caller).filter(|_| !is_free);
        let by: Vec<Who> = caller.into_iter().chain([Who::Trunk(wish.trunk.to_owned())]).collect();
        if !wish.emergency {
            if !is_free {
                self.check_number(wish.number)?;
            }
            for who in &by {
                self.check(now, who, wish.again && is_caller(who))?;
            }
        }
        for who in &by {
            let begins = !(wish.again && is_caller(who));
            self.usage.entry(who.clone()).or_insert_with(|| Usage::new(now)).begin(now, begins);
        }
        self.legs.insert(wish.leg, Held { by, answered: None });
        self.look_at.get_or_insert(now + LOOKS_EVERY);
        Ok(())
    }

    /// The leg is answered: its minutes count from here on.
    pub fn answered(&mut self, now: Instant, leg: LegId) {
        if let Some(held) = self.legs.get_mut(&leg) {
            held.answered.get_or_insert(now);
        }
    }

    /// The leg is over.
    pub fn release(&mut self, now: Instant, leg: LegId) {
        let Some(held) = self.legs.remove(&leg) else { return };
        let talked = held.answered.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        for who in held.by {
            if let Some(usage) = self.usage.get_mut(&who) {
                usage.end(now, talked);
            }
        }
    }

    /// When [`Guard::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }

    /// Time has passed: gives the legs whose caller or trunk has used up the minutes of the day, and why. They are to be
    /// hung up. Forgets who has used nothing for a day.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<(LegId, Refused)> {
        if self.look_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.usage.retain(|_, usage| !usage.is_forgotten(now));
        self.look_at = (!self.usage.is_empty()).then_some(now + LOOKS_EVERY);
        let running = self.running(now);
        let spent = |who: &Who| {
            let limit = self.allowance(who).minutes_per_day?;
            let before = self.usage.get(who).map(|u| u.within_a_day(now)).unwrap_or_default();
            let all = before + running.get(who).copied().unwrap_or_default();
            (all >= minutes(limit)).then(|| refused(who, Excess::MinutesPerDay(limit)))
        };
        let over = |held: &Held| held.answered.and(held.by.iter().find_map(spent));
        let mut legs: Vec<_> = self.legs.iter().filter_map(|(leg, held)| Some((*leg, over(held)?))).collect();
        legs.sort_by_key(|(leg, _)| *leg);
        legs
    }

    /// How long those talk at this moment who talk.
    fn running(&self, now: Instant) -> HashMap<Who, Duration> {
        let mut running = HashMap::new();
        for held in self.legs.values() {
            let Some(since) = held.answered else { continue };
            for who in &held.by {
                *running.entry(who.clone()).or_default() += now.saturating_duration_since(since);
            }
        }
        running
    }

    /// Whether a trunk may be asked to call a number by itself, where no leg of ours would pass the guard.
    ///
    /// # Errors
    /// The number is of high risk.
    pub fn allows(&self, trunk: &str, number: Option<&str>) -> Result<(), Refused> {
        if self.limits.free.contains(trunk) { Ok(()) } else { self.check_number(number) }
    }

    fn check_number(&self, number: Option<&str>) -> Result<(), Refused> {
        let begins = |number: &str| self.limits.high_risk.iter().find(|p| number.starts_with(p.as_str())).cloned();
        number.and_then(begins).map_or(Ok(()), |prefix| Err(Refused::HighRisk(prefix)))
    }

    /// Whether one more call is within the allowance; one that goes on `again` does not begin in this second.
    fn check(&self, now: Instant, who: &Who, again: bool) -> Result<(), Refused> {
        let unused = Usage::new(now);
        let usage = match self.usage.get(who) {
            Some(usage) => usage,
            None if self.usage.len() < CALLERS_LIMIT => &unused,
            None => return Err(Refused::TooManyCallers),
        };
        let allowed = self.allowance(who);
        let over = |used: u32, limit: Option<u32>| limit.filter(|limit| used >= *limit);
        let excess = over(usage.calls(), allowed.calls)
            .map(Excess::Calls)
            .or_else(|| {
                let limit = allowed.calls_per_second.filter(|_| !again);
                over(usage.within_a_second(now), limit).map(Excess::CallsPerSecond)
            })
            .or_else(|| {
                let limit = allowed.minutes_per_day?;
                let running = self.legs.values().filter(|held| held.by.contains(who));
                let talked: Duration =
                    running.filter_map(|h| h.answered).map(|since| now.saturating_duration_since(since)).sum();
                (usage.within_a_day(now) + talked >= minutes(limit)).then_some(Excess::MinutesPerDay(limit))
            });
        excess.map_or(Ok(()), |excess| Err(refused(who, excess)))
    }

    fn allowance(&self, who: &Who) -> Allowance {
        match who {
            Who::Caller(_) => self.limits.caller,
            Who::Strangers => self.limits.strangers,
            Who::Trunk(name) => self.limits.trunks.get(name).copied().unwrap_or_default(),
        }
    }
}

/// Whose allowance a call through a trunk is held to. A call that came in through a trunk is held to the trunk's that it
/// leaves by.
fn who_pays(caller: &Entry) -> Option<Who> {
    match caller {
        Entry::User(name) => Some(Who::Caller(format!("user:{name}"))),
        Entry::Account(jid) => Some(Who::Caller(format!("account:{jid}"))),
        Entry::Open => Some(Who::Strangers),
        Entry::Trunk(_) => None,
    }
}

fn is_caller(who: &Who) -> bool {
    !matches!(who, Who::Trunk(_))
}

fn refused(who: &Who, excess: Excess) -> Refused {
    match who {
        Who::Trunk(name) => Refused::Trunk(name.clone(), excess),
        Who::Caller(_) | Who::Strangers => Refused::Caller(excess),
    }
}

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(60 * u64::from(minutes))
}
