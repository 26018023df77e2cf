//! The mailbox of the calls: what adapters and relay put their words into.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use crate::base::{Allowance, LegId};
use crate::model::{Binding, Overflow, RelayEvent, Signal, Switchboard, Text, TextId, Undelivered};
use crate::route::pattern::Pattern;

/// Letters that wait for the calls' task.
const MAILBOX: usize = 16_384;
/// New calls and messages are refused once fewer places than this are left, so that those which are up can go on and end.
const RESERVED: usize = MAILBOX / 5;

/// A letter to the calls' task.
#[derive(Debug)]
pub enum Letter {
    /// A peer said something.
    Heard(LegId, Signal),
    /// A peer wrote a message.
    Text(Box<Text>),
    /// What became of a copy that was given to an adapter.
    Delivered(TextId, Result<(), Undelivered>),
    /// The relay told something: all that it had to tell at one time.
    Relay(Vec<RelayEvent>),
    /// A device can be rung.
    Bind(Binding),
    /// Devices are gone.
    Unbind(Vec<Binding>),
}

/// The calls, for those who talk to their task.
#[derive(Clone)]
pub struct Board {
    letters: mpsc::Sender<Letter>,
    emergency: Arc<ArcSwap<Vec<Pattern>>>,
    /// For new calls, whatever they come by; `None`: no limit.
    allowance: Option<Arc<Allowance>>,
}

impl Board {
    /// A board and the letters that arrive on it; at most so many new calls are taken up in a second, if there is a limit.
    pub fn new(a_second: Option<u32>) -> (Board, mpsc::Receiver<Letter>) {
        let (letters, arrived) = mpsc::channel(MAILBOX);
        let allowance = a_second.map(|count| Arc::new(Allowance::new(count, Instant::now())));
        (Board { letters, emergency: Arc::default(), allowance }, arrived)
    }

    /// The numbers for help are others from here on.
    pub fn set_emergency(&self, numbers: Vec<Pattern>) {
        self.emergency.store(Arc::new(numbers));
    }

    /// Takes events of the relay in. A full mailbox loses them: figures may be lost, and a leg whose event
    /// is lost ends by its own deadline.
    pub fn relay(&self, events: Vec<RelayEvent>) {
        let count = events.len();
        if self.letters.try_send(Letter::Relay(events)).is_err() {
            tracing::warn!(count, "the calls are too busy: events of the relay are lost");
        }
    }
}

impl Switchboard for Board {
    fn hear(&self, leg: LegId, signal: Signal) -> Result<(), Overflow> {
        if matches!(signal, Signal::Start(_)) && self.letters.capacity() < RESERVED {
            return Err(Overflow);
        }
        self.letters.try_send(Letter::Heard(leg, signal)).map_err(|_| Overflow)
    }

    fn backlog(&self) -> usize {
        MAILBOX - self.letters.capacity()
    }

    fn admits(&self, now: Instant) -> bool {
        self.allowance.as_ref().is_none_or(|allowance| allowance.take(now))
    }

    fn is_emergency(&self, dialled: &str) -> bool {
        self.emergency.load().iter().any(|number| number.fits(dialled, None).is_some())
    }

    fn text(&self, text: Text) -> Result<(), Overflow> {
        if self.letters.capacity() < RESERVED {
            return Err(Overflow);
        }
        self.letters.try_send(Letter::Text(Box::new(text))).map_err(|_| Overflow)
    }

    fn delivered(&self, id: TextId, result: Result<(), Undelivered>) {
        if self.letters.try_send(Letter::Delivered(id, result)).is_err() {
            tracing::warn!("the calls are too busy: what became of a message is lost, and its time will run out");
        }
    }

    fn bind(&self, binding: Binding) {
        if self.letters.try_send(Letter::Bind(binding)).is_err() {
            tracing::warn!("the calls are too busy: a device that signed in cannot be rung until it signs in again");
        }
    }

    fn unbind(&self, binding: &Binding) {
        self.unbind_all(vec![binding.clone()]);
    }

    fn unbind_all(&self, bindings: Vec<Binding>) {
        let devices = bindings.len();
        if self.letters.try_send(Letter::Unbind(bindings)).is_err() {
            tracing::warn!(devices, "the calls are too busy: devices that signed out will be rung in vain");
        }
    }
}
