//! After the end: what comes late is answered, then the leg is forgotten.

use std::time::Instant;

use super::proof::Proof;
use super::{At, Stage};
use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::message::{Header, Name, Request, Response};
use crate::sip::transaction::Timers;
use crate::sip::wire::Purpose;

/// A leg whose session is over.
#[derive(Debug)]
pub struct Ended {
    /// When it is forgotten: no message of it can still be on its way then.
    pub until: Instant,
    /// The dialog, if there was one.
    pub dialog: Option<Dialog>,
    bye: Option<Request>,
    proof: Proof,
    flow: Flow,
}

impl Ended {
    /// From now on. `bye` is kept where it may be challenged.
    pub fn after(now: Instant, timers: &Timers, dialog: Option<Dialog>, bye: Option<Request>, flow: Flow) -> Ended {
        Ended { until: now + timers.d() + timers.t4, dialog, bye, proof: Proof::default(), flow }
    }

    /// Whether nothing can come any more.
    pub fn is_over(&self, now: Instant) -> bool {
        self.until <= now
    }

    /// A response to our BYE. All there is to do is to prove who we are, if asked.
    pub(super) fn handle_response(mut self: Box<Self>, at: &mut At<'_>, response: Response) -> Stage {
        if matches!(response.code(), 401 | 407)
            && let (Some(bye), Some(dialog)) = (&self.bye, &mut self.dialog)
            && at.prove(&mut self.proof, bye, &response)
        {
            dialog.local_seq += 1;
            let mut again = bye.clone();
            again.headers.set(Header::new(Name::CSeq, format!("{} BYE", dialog.local_seq)));
            for header in self.proof.headers() {
                again.headers.push(header.clone());
            }
            let hop = dialog.next_hop(self.flow);
            let owner = at.owner(Purpose::Bye);
            at.wire.request(at.now, again, hop, owner);
        } else if !response.is_provisional() {
            // Nobody asks any more.
            self.bye = None;
        }
        Stage::Ended(self)
    }
}
