//! The guard against toll fraud at its post: every leg towards a trunk passes it before the adapter is told.

use std::time::Instant;

use tracing::warn;

use crate::base::LegId;
use crate::model::{Detail, Entry, Hangup, Signal};
use crate::route::guard::{Guard, Wish};

/// Who pays for a call, and for what.
pub struct Payer {
    /// The door by which the caller came in.
    pub caller: Entry,
    /// The number that was dialled, in E.164 form, if it has one.
    pub number: Option<String>,
    /// An emergency call: nothing stands in its way.
    pub emergency: bool,
    /// A leg has passed the guard before.
    pub began: bool,
}

/// A leg said something.
pub fn heard(guard: &mut Guard, now: Instant, leg: LegId, signal: &Signal) {
    match signal {
        Signal::Accept => guard.answered(now, leg),
        Signal::Hangup(_) => guard.release(now, leg),
        _ => {}
    }
}

/// A leg is to be told something.
///
/// # Errors
/// The leg may not be opened: the call is to hear this of it instead, as though the trunk had said so.
pub fn said(guard: &mut Guard, now: Instant, leg: LegId, signal: &Signal, payer: &mut Payer) -> Result<(), Hangup> {
    match signal {
        Signal::Hangup(_) => guard.release(now, leg),
        Signal::Start(start) => {
            let Some(trunk) = &start.trunk else { return Ok(()) };
            let Payer { caller, number, emergency, began } = payer;
            let (number, emergency) = (number.as_deref(), *emergency);
            let wish = Wish { leg, caller, trunk, number, again: *began, emergency };
            if let Err(refused) = guard.take(now, wish) {
                let text = refused.sentence();
                warn!(event = "guard", %leg, trunk, %text, "refuses a call");
                let detail = Some(Detail { text: Some(text), ..Detail::default() });
                return Err(Hangup { cause: refused.cause(), detail });
            }
            *began = true;
        }
        _ => {}
    }
    Ok(())
}
