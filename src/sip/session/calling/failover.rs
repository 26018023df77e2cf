//! On to the next server when one does not answer (RFC 3263 §4.3).
//!
//! The same request goes there in a new transaction: another branch, the same `Call-ID` and `CSeq`. The one left behind
//! is not repeated any more; should it be answered after all, it is cancelled, or acknowledged and ended.

use std::time::{Duration, Instant};

use tracing::info;

use super::{Attempt, Calling, Cancel};
use crate::model::{Cause, Hangup};
use crate::sip::cause;
use crate::sip::dialog::Dialog;
use crate::sip::locate::SHUNNED_FOR;
use crate::sip::message::Response;
use crate::sip::session::{At, Stage};
use crate::sip::transaction::TransactionId;
use crate::sip::wire::{Owner, Purpose};

/// How long a server may take to its first word, `100 Trying` included, where there is another.
pub const FIRST_WORD: Duration = Duration::from_secs(4);
/// How long all servers together may take to the first word of any. As long as one alone has (timer B).
pub const ANY_WORD: Duration = Duration::from_secs(32);

/// The search for a server that answers.
#[derive(Debug, Default)]
pub(super) struct Search {
    begun: Option<Instant>,
    give_up_at: Option<Instant>,
    /// The next INVITE is the last one once more, so that it keeps its number.
    again: bool,
}

impl Search {
    /// By how much the number of the next INVITE is higher.
    pub(super) fn step(&mut self) -> u32 {
        u32::from(!std::mem::take(&mut self.again))
    }

    /// An INVITE went out; whether there are more places to try.
    pub(super) fn sent(&mut self, now: Instant, more: bool) {
        let is_first = self.begun.is_none();
        let end = *self.begun.get_or_insert(now) + ANY_WORD;
        self.give_up_at = match more {
            true => Some(now + FIRST_WORD),
            // One place alone has the time of its transaction.
            false if is_first => None,
            false => Some(end.max(now + FIRST_WORD)),
        };
    }
}

impl Calling {
    /// When the server that is tried has had its time.
    pub(super) fn next_server_at(&self) -> Option<Instant> {
        let waits = matches!((&self.attempt, &self.cancel), (Attempt::Inviting { .. }, Cancel::No));
        self.search.give_up_at.filter(|_| waits && !self.provisional)
    }

    /// The server that is tried says nothing.
    pub(super) fn leave_server(self: Box<Self>, at: &mut At<'_>) -> Stage {
        if let Attempt::Inviting { transaction, .. } = &self.attempt {
            let owner = at.owner(Purpose::Left { cancelled: false });
            at.wire.transactions.set_owner(*transaction, owner);
            at.wire.transactions.leave(at.now, *transaction);
        }
        let is_last = self.destination.flows.is_empty() && self.destination.others.is_empty();
        let why = match is_last {
            true => "no server answered the INVITE".to_owned(),
            false => format!("the server says nothing for {} s", FIRST_WORD.as_secs()),
        };
        self.fail_over(at, SHUNNED_FOR, cause::hangup(Cause::Timeout, why))
    }

    /// The server that was tried is of no use for a while: on to the next.
    pub(super) fn fail_over(mut self: Box<Self>, at: &mut At<'_>, wait: Duration, last: Hangup) -> Stage {
        if let Some(flow) = self.flow() {
            at.wire.shun.failed(at.now, &flow, wait);
            let why = last.detail.as_ref().and_then(|detail| detail.text.as_deref());
            let others = self.destination.flows.len();
            info!(event = "failover", leg = %at.leg.id, server = %flow.remote, cause = %last.cause, why, others, "is left");
        }
        self.search.again = !self.destination.flows.is_empty();
        self.try_next(at, last)
    }
}

impl At<'_> {
    /// A response to an INVITE at a server that was left behind.
    pub(in crate::sip::session) fn late_response(
        &mut self,
        transaction: TransactionId,
        cancelled: bool,
        response: &Response,
        ours: Option<&Dialog>,
    ) {
        match response.code() {
            100..=199 if !cancelled => {
                let owner = self.owner(Purpose::Left { cancelled: true });
                self.wire.transactions.set_owner(transaction, owner);
                self.wire.cancel(self.now, transaction, Owner::Nobody, Vec::new());
                self.wire.transactions.leave(self.now, transaction);
            }
            200..=299 => self.stray_success(transaction, response, ours),
            _ => {}
        }
    }
}
