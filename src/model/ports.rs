//! The seams between rooms: the four ways in which a driver meets the rest.
//!
//! Nothing here waits. A full queue is an answer with a name, not a delay, so nothing can wait in a ring.

use std::time::Instant;

use super::{Abilities, Binding, Contact, Entry, RelayCommand, Signal, Text, TextId, Undelivered};
use crate::base::LegId;

/// The queue towards the other room is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct Overflow;

/// A protocol, seen from the calls.
pub trait Adapter: Send + Sync {
    /// What its legs can say.
    fn abilities(&self) -> Abilities;

    /// What a leg can say that came in by this door, from this device if the adapter named one.
    fn abilities_from(&self, entry: &Entry, contact: Option<&Contact>) -> Abilities {
        let _ = (entry, contact);
        self.abilities()
    }

    /// What a leg can say that we open towards this device or through this trunk: it may be reached over
    /// IPv6 only.
    fn abilities_towards(&self, contact: Option<&Contact>, trunk: Option<&str>) -> Abilities {
        let _ = (contact, trunk);
        self.abilities()
    }

    /// Whether new calls wait within the adapter where there are more than can be taken up, so that who is turned away there
    /// costs little; else they wait before the calls.
    fn holds_back(&self) -> bool {
        false
    }

    /// Says a signal on a leg. A [`Signal::Start`] opens the leg.
    ///
    /// # Errors
    /// [`Overflow`] if the adapter is too busy; the leg is then as good as dead.
    fn say(&self, leg: LegId, signal: Signal) -> Result<(), Overflow>;
    /// Delivers a message. What became of it comes back by [`Switchboard::delivered`], under the same name, exactly
    /// once.
    ///
    /// # Errors
    /// [`Overflow`] if the adapter is too busy, or has no messages at all; the message is then not delivered.
    fn deliver(&self, text: Text) -> Result<(), Overflow> {
        let _ = text;
        Err(Overflow)
    }
    /// Tells what became of a message that this adapter gave to [`Switchboard::text`].
    fn delivered(&self, id: TextId, result: Result<(), Undelivered>) {
        let _ = (id, result);
    }
}

/// The calls, seen from a protocol.
pub trait Switchboard: Send + Sync {
    /// A peer said a signal on a leg. A [`Signal::Start`] opens a call.
    ///
    /// # Errors
    /// [`Overflow`] if the calls are too busy: the adapter answers its peer with congestion.
    fn hear(&self, leg: LegId, signal: Signal) -> Result<(), Overflow>;

    /// How much waits for the calls to turn to it. An adapter that can do so lets new calls wait while it is much.
    fn backlog(&self) -> usize {
        0
    }

    /// Whether one more new call may be taken up in this second, which then counts. Only an adapter asks that
    /// [holds back](Adapter::holds_back) new calls by itself; the others' are counted before they come to the calls.
    fn admits(&self, now: Instant) -> bool {
        let _ = now;
        true
    }

    /// Whether a call to this number may be one for help, which no limit of the gateway refuses.
    fn is_emergency(&self, dialled: &str) -> bool {
        let _ = dialled;
        false
    }

    /// A peer wrote a message. What becomes of it comes back by [`Adapter::delivered`], exactly once.
    ///
    /// # Errors
    /// [`Overflow`] if the switch is too busy: the adapter tells its peer so.
    fn text(&self, text: Text) -> Result<(), Overflow> {
        let _ = text;
        Err(Overflow)
    }
    /// What became of a message that was given to [`Adapter::deliver`].
    fn delivered(&self, id: TextId, result: Result<(), Undelivered>) {
        let _ = (id, result);
    }
    /// A device of a user can be rung from now on. Said again, it changes nothing.
    fn bind(&self, binding: Binding);

    /// The device is gone.
    fn unbind(&self, binding: &Binding);

    /// All these devices are gone at once, as with the connection of a proxy.
    fn unbind_all(&self, bindings: Vec<Binding>) {
        bindings.iter().for_each(|binding| self.unbind(binding));
    }
}

/// The media plane, seen from the calls.
pub trait Relay: Send + Sync {
    /// Gives an order.
    ///
    /// # Errors
    /// [`Overflow`] if the relay is too busy; no new call should be taken then.
    fn order(&self, command: RelayCommand) -> Result<(), Overflow>;

    /// Gives an order that is carried out at the next [`Relay::wake`], unless the relay is awake before that, or turns to
    /// the call's media: to wake it costs more than many an order.
    ///
    /// # Errors
    /// As of [`Relay::order`].
    fn order_later(&self, command: RelayCommand) -> Result<(), Overflow> {
        self.order(command)
    }

    /// Has all that was ordered carried out.
    fn wake(&self) {}
}
