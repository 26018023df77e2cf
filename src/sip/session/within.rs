//! A request of ours within the dialog: at most one of its kind is under way, and it proves who we are if it must.
//!
//! ```text
//!            send                      a final response, or none
//!   Idle ───────────▶ under way ──────────────────────────────────▶ Idle
//!                         ▲    │ 401, 407
//!                         └────┘ sent again, with proof
//! ```
//!
//! What it says, and what a refusal means, is for whoever sends it: [`inform`](super::inform), `update`, `referring`.

use super::At;
use super::proof::Proof;
use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::message::{Request, Response};
use crate::sip::transaction::TransactionId;
use crate::sip::wire::Purpose;

/// The request of one kind that is under way, and what has been proven for it.
#[derive(Debug, Default)]
pub(super) struct Within {
    sent: Option<(TransactionId, Box<Request>)>,
    proof: Proof,
}

impl Within {
    /// Whether one is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.sent.is_some()
    }

    /// The next one is another: what was proven for those before it is forgotten.
    pub(super) fn begin(&mut self) {
        self.proof = Proof::default();
    }

    /// Sends one of the dialog's, with what proves us.
    pub(super) fn send(
        &mut self,
        at: &mut At<'_>,
        (dialog, flow): (&Dialog, Flow),
        mut request: Request,
        purpose: Purpose,
    ) {
        for header in self.proof.headers() {
            request.headers.push(header.clone());
        }
        let owner = at.owner(purpose);
        let transaction = at.wire.request(at.now, request.clone(), dialog.next_hop(flow), owner);
        self.sent = Some((transaction, Box::new(request)));
    }

    /// The request that a final response, or the want of one, is for: it is under way no more.
    pub(super) fn take(&mut self, transaction: TransactionId) -> Option<Box<Request>> {
        self.sent.take_if(|(sent, _)| *sent == transaction).map(|(_, request)| request)
    }

    /// The one that is under way ends without a response. Whether there was one.
    pub(super) fn give_up(&mut self) -> bool {
        self.sent.take().is_some()
    }

    /// Takes a challenge to a request. Whether there is proof by which it may be sent again.
    pub(super) fn prove(&mut self, at: &mut At<'_>, request: &Request, response: &Response) -> bool {
        at.prove(&mut self.proof, request, response)
    }
}

impl At<'_> {
    /// Takes a challenge to a request of ours (RFC 3261 §22.2, §22.3). Whether there is proof by which it may be sent again.
    pub(super) fn prove(&mut self, proof: &mut Proof, request: &Request, response: &Response) -> bool {
        let trunk = self.leg.trunk.as_ref().and_then(|name| self.wire.config.trunks.get(name));
        proof.take(response, request, trunk, &mut self.wire.dice)
    }
}
