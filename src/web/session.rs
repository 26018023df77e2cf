//! One browser: who it is, whether it is there, and its calls.
//!
//! ```text
//!              socket lost                 30 s
//!   Attached ─────────────▶ Lost ──────────────────▶ over, and its calls with it
//!       ▲                    │
//!       └── hello {resume} ──┘
//!
//!   A client that closes its socket on purpose does not wait to be lost: it is over at once.
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::describe::Describer;
use super::endpoint::ConnId;
use super::error::{FrameError, FrameErrorCode};
use super::frame::{CallName, NewCall, TextName, Verb};
use super::leg::{Leg, Said, Wrong};
use super::texts::Texts;
use super::to_page::{LiveCall, ToPage};
use crate::base::{Dice, LegId};
use crate::model::{
    About, Address, Along, Cause, Contact, Entry, Hangup, Keys, Offer, Party, Signal, Start, Undelivered,
};
use crate::sdp;

/// How long the calls of a lost browser live on.
pub const RESUME_WITHIN: Duration = Duration::from_secs(30);
/// The most calls of one browser at once.
pub const MAX_CALLS: usize = 8;
/// How many more gateways a call from a browser may pass (RFC 3261 §8.1.1.6).
const HOPS: u8 = 70;

/// One browser, by a number that is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl SessionId {
    /// The session as a place where its user can be rung.
    pub fn contact(self) -> Contact {
        Contact(self.to_string())
    }

    /// The session that the contact means.
    pub fn of(contact: &Contact) -> Option<SessionId> {
        contact.0.strip_prefix('s')?.parse().ok().map(SessionId)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// Whether the browser is there.
#[derive(Debug)]
enum State {
    Attached(ConnId),
    Lost {
        until: Instant,
        /// The `ended` frames of calls that ended meanwhile, and the `text-status` of messages; none can begin, so
        /// they are at most [`MAX_CALLS`] and [`texts::MAX_WAITING`](super::texts::MAX_WAITING).
        waiting: Vec<ToPage>,
    },
}

/// What a session wants done: frames for its socket, signals for the calls.
#[derive(Debug, Default)]
pub struct Wants {
    /// The frames, with the socket they go to.
    pub frames: Vec<(ConnId, ToPage)>,
    /// The signals.
    pub signals: Vec<(LegId, Signal)>,
    /// Legs that are over.
    pub over: Vec<LegId>,
    /// Messages whose fate the browser was told.
    pub told: Vec<u64>,
}

/// One browser.
#[derive(Debug)]
pub struct Session {
    user: String,
    state: State,
    calls: BTreeMap<CallName, Leg>,
    texts: Texts,
    /// How many calls to it the gateway has named.
    named: u64,
}

impl Session {
    /// A browser that has just signed in.
    pub fn new(user: String, conn: ConnId) -> Session {
        Session { user, state: State::Attached(conn), calls: BTreeMap::new(), texts: Texts::default(), named: 0 }
    }

    /// Whose it is.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The socket it is there by, if it is there.
    pub fn conn(&self) -> Option<ConnId> {
        match self.state {
            State::Attached(conn) => Some(conn),
            State::Lost { .. } => None,
        }
    }

    /// The calls, for a client that comes back.
    pub fn live(&self, now: Instant) -> Vec<LiveCall> {
        self.calls.values().filter_map(|leg| leg.live(now)).collect()
    }

    /// Whether it has calls.
    pub fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The client makes a call.
    ///
    /// # Errors
    /// What is wrong with it. There is no such call then.
    pub fn call(
        &mut self,
        now: Instant,
        wish: NewCall,
        from: Party,
        leg: LegId,
        dice: &mut Dice,
        wants: &mut Wants,
    ) -> Result<(), FrameError> {
        let wrong = |code, text: &str| FrameError::new(code, text).in_call(Some(wish.call.clone())).about("call");
        if self.calls.contains_key(&wish.call) {
            return Err(wrong(FrameErrorCode::DuplicateCall, "a call of this name is up"));
        }
        if self.calls.len() >= MAX_CALLS {
            return Err(wrong(FrameErrorCode::TooManyCalls, "a connection has at most 8 calls at once"));
        }
        let (number, keys) = Keys::split(wish.to.trim());
        let to: Address = number.parse().map_err(|e| wrong(FrameErrorCode::BadNumber, &format!("{e}")))?;
        let description = sdp::read(&wish.sdp).map_err(|e| wrong(FrameErrorCode::BadSdp, &e.to_string()))?;
        let describer = Describer::new(dice);
        let (call, exchange) = Leg::calling(now, leg, wish.call.clone(), to.to_string(), describer);
        self.calls.insert(wish.call, call);
        let along = Along { user_to_user: wish.user_to_user.0.0, location: None };
        let start = Start {
            entry: Entry::User(self.user.clone()),
            from,
            to,
            contact: None,
            trunk: None,
            offer: Some(Offer { exchange, description }),
            hops_left: HOPS,
            about: About { keys, along, ..About::default() },
        };
        wants.signals.push((leg, Signal::Start(Box::new(start))));
        Ok(())
    }

    /// Somebody calls the browser: the name of the call, or `None` and a hang-up in `wants`.
    pub fn ring(
        &mut self,
        now: Instant,
        leg: LegId,
        start: Start,
        dice: &mut Dice,
        wants: &mut Wants,
    ) -> Option<CallName> {
        let refusal = match self.state {
            State::Lost { .. } => Some(Cause::Unavailable),
            State::Attached(_) if self.calls.len() >= MAX_CALLS => Some(Cause::Busy),
            State::Attached(_) => None,
        };
        self.named += 1;
        let name = CallName::ours(self.named);
        let opened = match refusal {
            Some(cause) => Err(cause),
            None => Leg::incoming(now, leg, name.clone(), start, Describer::new(dice)).ok_or(Cause::NotSupported),
        };
        match opened {
            Ok((call, frame)) => {
                self.calls.insert(name.clone(), call);
                self.tell(frame, wants);
                Some(name)
            }
            Err(cause) => {
                wants.signals.push((leg, Signal::Hangup(Hangup::new(cause))));
                None
            }
        }
    }

    /// The client says something in a call.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn hear(&mut self, now: Instant, name: &CallName, verb: Verb, wants: &mut Wants) -> Result<(), FrameError> {
        let kind = verb.kind();
        let beside = match &verb {
            Verb::Transfer(wish) => wish.with.clone(),
            _ => None,
        };
        let beside = beside.map(|beside| self.calls.get(&beside).map(Leg::id).ok_or(beside)).transpose();
        let no_such = |name: &CallName| {
            let error = FrameError::new(FrameErrorCode::NoSuchCall, "this connection has no call of this name");
            error.in_call(Some(name.clone())).about(kind)
        };
        let beside = beside.map_err(|beside| no_such(&beside))?;
        let Some(leg) = self.calls.get_mut(name) else {
            return Err(no_such(name));
        };
        let mut said = Said::default();
        let heard = match verb {
            Verb::Transfer(wish) => leg.hear_transfer(&wish, beside, &mut said),
            verb => leg.hear(now, verb, &mut said),
        };
        self.settle(name, said, wants);
        heard.map_err(|Wrong { code, text }| FrameError::new(code, text).in_call(Some(name.clone())).about(kind))
    }

    /// A call says something to the client.
    pub fn say(&mut self, now: Instant, name: &CallName, signal: Signal, wants: &mut Wants) {
        self.with(name, wants, |leg, said| leg.say(now, signal, said));
    }

    /// The client writes a message.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn write(&mut self, now: Instant, number: u64, name: TextName) -> Result<(), FrameError> {
        self.texts.write(now, number, name)
    }

    /// What became of a message of the client's.
    pub fn delivered(&mut self, number: u64, result: Result<(), Undelivered>, wants: &mut Wants) {
        if let Some(name) = self.texts.settle(number) {
            self.tell_status(number, name, result, wants);
        }
    }

    /// The numbers of the messages whose fate is not known.
    pub fn texts(&self) -> impl Iterator<Item = u64> {
        self.texts.numbers()
    }

    fn tell_status(&mut self, number: u64, id: TextName, result: Result<(), Undelivered>, wants: &mut Wants) {
        let failed = result.err();
        let text = failed.as_ref().map(|f| f.sentence().to_owned());
        let cause = failed.as_ref().map(|f| f.cause);
        wants.told.push(number);
        self.tell(ToPage::TextStatus { id, delivered: failed.is_none(), cause, text }, wants);
    }

    /// The calls have no room for what was said in a call.
    pub fn overflow(&mut self, name: &CallName, opens: bool, wants: &mut Wants) {
        if opens {
            let Some(leg) = self.calls.remove(name) else { return };
            wants.over.push(leg.id());
            let error = FrameError::new(FrameErrorCode::Congestion, Cause::Congestion.sentence());
            self.tell(ToPage::Error(error.in_call(Some(name.clone())).about("call")), wants);
        } else {
            self.with(name, wants, |leg, said| leg.hang_up(Cause::Congestion, said));
        }
    }

    /// The socket is gone.
    pub fn lose(&mut self, now: Instant, wants: &mut Wants) {
        self.state = State::Lost { until: now + RESUME_WITHIN, waiting: Vec::new() };
        self.each(wants, Leg::lose);
    }

    /// The browser is back on another socket: the frames that waited for it, to follow its `welcome`.
    pub fn come_back(&mut self, conn: ConnId, wants: &mut Wants) -> Vec<ToPage> {
        let before = std::mem::replace(&mut self.state, State::Attached(conn));
        self.each(wants, |_, said| said.signals.push(Signal::Back));
        match before {
            State::Lost { waiting, .. } => waiting,
            State::Attached(_) => Vec::new(),
        }
    }

    /// Whether the browser has been away for too long.
    pub fn is_over(&self, now: Instant) -> bool {
        matches!(self.state, State::Lost { until, .. } if until <= now)
    }

    /// The browser is gone for good; `up`: why its calls that are up end by that.
    pub fn abandon(&mut self, up: Cause, wants: &mut Wants) {
        self.each(wants, |leg, said| leg.abandon(up, said));
    }

    /// Does what is due in the calls, and for messages of which nothing was heard.
    pub fn handle_timeout(&mut self, now: Instant, wants: &mut Wants) {
        while let Some((number, name)) = self.texts.late(now) {
            self.tell_status(number, name, Err(Undelivered::new(Cause::Timeout)), wants);
        }
        self.each(wants, |leg, said| leg.handle_timeout(now, said));
    }

    /// When [`Session::is_over`] changes or [`Session::handle_timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let grace = match self.state {
            State::Lost { until, .. } => Some(until),
            State::Attached(_) => None,
        };
        self.calls.values().filter_map(Leg::deadline).chain(grace).chain(self.texts.deadline()).min()
    }

    fn each(&mut self, wants: &mut Wants, mut what: impl FnMut(&mut Leg, &mut Said)) {
        let names: Vec<CallName> = self.calls.keys().cloned().collect();
        for name in names {
            self.with(&name, wants, &mut what);
        }
    }

    fn with(&mut self, name: &CallName, wants: &mut Wants, what: impl FnOnce(&mut Leg, &mut Said)) {
        let Some(leg) = self.calls.get_mut(name) else { return };
        let mut said = Said::default();
        what(leg, &mut said);
        self.settle(name, said, wants);
    }

    fn settle(&mut self, name: &CallName, said: Said, wants: &mut Wants) {
        let Some(leg) = self.calls.get(name) else { return };
        let id = leg.id();
        wants.signals.extend(said.signals.into_iter().map(|signal| (id, signal)));
        if leg.has_ended() {
            self.calls.remove(name);
            wants.over.push(id);
        }
        for frame in said.frames {
            self.tell(frame, wants);
        }
    }

    fn tell(&mut self, frame: ToPage, wants: &mut Wants) {
        match &mut self.state {
            State::Attached(conn) => wants.frames.push((*conn, frame)),
            State::Lost { waiting, .. } if matches!(frame, ToPage::Ended { .. } | ToPage::TextStatus { .. }) => {
                waiting.push(frame);
            }
            State::Lost { .. } => {}
        }
    }
}
