//! The early dialogs of a call of ours, one for each branch of a fork (RFC 3261 §12.1, §13.2.2): its answer for now, its
//! PRACKs (RFC 3262 §4), its UPDATEs (RFC 3311), and its end (RFC 6228).

use bytes::Bytes;
use tracing::debug;

use super::{Attempt, Calling};
use crate::base::ExchangeId;
use crate::model::{Answer, Cause, Description, Offer, Progress, Signal};
use crate::sip::dialog::Dialog;
use crate::sip::hear::{self, Body};
use crate::sip::message::{Header, Headers, Method, Name, RAck, Request, Response, Text};
use crate::sip::session::change::Theirs;
use crate::sip::session::confirmed::{answer_common, refusal};
use crate::sip::session::reliable::OPTION;
use crate::sip::session::update::{InTheWay, offer_in};
use crate::sip::session::{At, FORKS_LIMIT, Stage, abilities};
use crate::sip::transaction::TransactionId;
use crate::sip::wire::Purpose;

/// A branch that has answered provisionally. The last that has sent a description is the one whose media are heard.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) tag: Option<String>,
    /// Its last description; empty before there is one.
    pub(super) body: Bytes,
    /// The number of its last response that has to be acknowledged.
    rseq: Option<u32>,
    /// Its dialog, once it matters.
    pub(super) dialog: Option<Box<Dialog>>,
}

/// An offer in a provisional response, whose PRACK waits for our answer.
#[derive(Debug)]
pub(super) struct Owed {
    tag: Option<String>,
    rseq: u32,
    exchange: ExchangeId,
}

impl Early {
    /// What this branch has described stands: it has arrived for sure, and so has our PRACK.
    pub(super) fn is_agreed(&self) -> bool {
        self.rseq.is_some() && !self.body.is_empty()
    }
}

/// What a network says of early media (RFC 5009 §8): whether any come, or nothing.
fn has_early_media(headers: &Headers) -> Option<bool> {
    let mut said = None;
    for word in headers.elements(&Name::Other(Text::fixed("P-Early-Media"))) {
        let word = word.split(';').next().unwrap_or_default().trim();
        match word.to_ascii_lowercase().as_str() {
            "sendrecv" | "sendonly" => return Some(true),
            "recvonly" | "inactive" => said = Some(false),
            _ => {}
        }
    }
    said
}

fn tag_of(response: &Response) -> Option<String> {
    response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned))
}

impl Calling {
    fn branch(&mut self, tag: &Option<String>) -> Option<&mut Early> {
        self.early.iter_mut().find(|e| e.tag == *tag)
    }

    /// Takes the description in a provisional response; whether its branch has media.
    pub(super) fn hear_early(&mut self, at: &mut At<'_>, response: &Response) -> bool {
        let tag = tag_of(response);
        let is_wanted = has_early_media(&response.headers) != Some(false);
        let known = self.early.iter().position(|e| e.tag == tag && !e.body.is_empty());
        if response.body.is_empty() {
            return known.is_some() && is_wanted;
        }
        // An unreliable provisional response cannot carry an offer (RFC 3261 §13.2.1).
        let Some(exchange) = self.offer else { return known.is_some() && is_wanted };
        if known.is_some_and(|k| self.early[k].body == response.body) {
            return is_wanted;
        }
        let Body::Description(description) = hear::body(&response.headers, &response.body) else { return false };
        let place = self.early.iter().position(|e| e.tag == tag);
        let mut branch = match place {
            // What was agreed to by a response that has arrived for sure is not changed by a later one.
            Some(at) if known.is_some() && self.early[at].is_agreed() => return is_wanted,
            Some(at) => self.early.remove(at),
            None if self.early.len() < FORKS_LIMIT => Early { tag, body: Bytes::new(), rseq: None, dialog: None },
            None => return false,
        };
        branch.body = response.body.clone();
        if branch.is_agreed() {
            at.leg.media.settle();
        }
        self.early.push(branch);
        at.hear(Signal::Answer(Answer { exchange, description: *description, provisional: true }));
        is_wanted
    }

    /// A provisional response that has to be acknowledged is, unless it is a repetition or another is missing before it:
    /// then `false`, and it is not looked at (RFC 3262 §4).
    pub(super) fn take_reliable(&mut self, at: &mut At<'_>, response: &Response) -> bool {
        let Some(rseq) = response.headers.rseq().filter(|_| response.headers.requires(OPTION)) else { return true };
        let Attempt::Inviting { invite, .. } = &self.attempt else { return false };
        let tag = tag_of(response);
        let place = self.early.iter().position(|e| e.tag == tag);
        let place = match place {
            Some(place) => place,
            None if self.early.len() >= FORKS_LIMIT => return false,
            None => {
                self.early.insert(0, Early { tag: tag.clone(), body: Bytes::new(), rseq: None, dialog: None });
                0
            }
        };
        let early = &mut self.early[place];
        if early.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return false;
        }
        if early.dialog.is_none() {
            let Ok(dialog) = Dialog::as_client(invite, response) else { return false };
            early.dialog = Some(Box::new(Dialog { symmetric: at.leg.trunk.is_none(), ..dialog }));
        }
        early.rseq = Some(rseq);
        let is_first_offer = self.offer.is_none() && early.body.is_empty() && self.owed.is_none();
        if is_first_offer && let Body::Description(description) = hear::body(&response.headers, &response.body) {
            early.body = response.body.clone();
            let exchange = at.leg.media.exchanges.offer_heard();
            self.owed = Some(Owed { tag, rseq, exchange });
            at.hear(Signal::Offer(Offer { exchange, description: *description }));
        } else {
            self.prack(at, &tag, rseq, None);
        }
        true
    }

    fn prack(&mut self, at: &mut At<'_>, tag: &Option<String>, rseq: u32, body: Option<Bytes>) {
        let (Some(flow), cseq) = (self.flow(), self.cseq) else { return };
        let Some(dialog) = self.branch(tag).and_then(|e| e.dialog.as_mut()) else { return };
        let rack = RAck { rseq, cseq, method: Method::INVITE };
        let agent = Header::new(Name::UserAgent, &at.wire.config.agent);
        let mut prack = dialog.request(Method::PRACK).with(Header::of(Name::RAck, rack)).with(agent);
        if let Some(body) = body {
            prack = prack.with_body(hear::SDP, body);
        }
        let hop = dialog.next_hop(flow);
        let owner = at.owner(Purpose::Prack);
        at.wire.request(at.now, prack, hop, owner);
    }

    /// RFC 6228: the branch is over, though its fork is not. The media of the one before it are heard again.
    pub(super) fn branch_is_over(&mut self, at: &mut At<'_>, response: &Response) {
        let tag = tag_of(response);
        let Some(place) = self.early.iter().position(|e| e.tag == tag) else { return };
        let was_heard = place + 1 == self.early.len() && !self.early[place].body.is_empty();
        self.early.remove(place);
        if !was_heard {
            return;
        }
        let before = self.early.last().filter(|e| !e.body.is_empty());
        let description = before.and_then(|e| described(&e.body));
        let early_media = description.is_some();
        if let (Some(description), Some(exchange)) = (description, self.offer) {
            at.hear(Signal::Answer(Answer { exchange, description, provisional: true }));
        }
        at.hear(Signal::Progress(Progress { stage: crate::model::Stage::Trying, early_media }));
    }

    /// The call answers an offer of an early dialog, in a PRACK or in the response to an UPDATE.
    pub(super) fn say_early_answer(&mut self, at: &mut At<'_>, answer: &Answer) {
        let Some(flow) = self.flow() else { return };
        if at.leg.media.exchanges.owes_answer() != Some(answer.exchange) || answer.provisional {
            return debug!(leg = %at.leg.id, "an answer to no open offer; left out");
        }
        let body = at.leg.media.write(&answer.description, &flow);
        at.leg.media.settle();
        if let Some(owed) = self.owed.take_if(|owed| owed.exchange == answer.exchange) {
            self.prack(at, &owed.tag, owed.rseq, Some(body));
        } else if let Some(theirs) = self.theirs.take() {
            let response = self.early_success(at, &theirs.request).with_body(hear::SDP, body);
            at.respond(theirs.transaction, response);
        }
    }

    pub(super) fn say_early_refusal(&mut self, at: &mut At<'_>, exchange: ExchangeId, cause: Cause) {
        if let Some(theirs) = self.theirs.take_if(|t| t.exchange == exchange) {
            at.leg.media.exchanges.close();
            at.respond(theirs.transaction, refusal(&theirs.request, cause));
        }
    }

    fn early_success(&self, at: &At<'_>, request: &Request) -> Response {
        let mut response = Response::to(request, 200);
        if let Some(flow) = self.flow() {
            response.headers.push(at.wire.contact(&flow, &self.destination.uri));
        }
        abilities(&self.timer).into_iter().for_each(|header| response.headers.push(header));
        response
    }

    /// A request within an early dialog.
    pub(in crate::sip::session) fn handle_request(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        request: Request,
    ) -> Stage {
        let from = request.headers.from().ok();
        let tag = from.as_ref().and_then(|f| f.tag()).map(str::to_owned);
        let number = request.headers.cseq().map(|c| c.number).unwrap_or_default();
        let Some(dialog) = self.branch(&tag).and_then(|e| e.dialog.as_mut()) else {
            at.respond(transaction, Response::to(&request, 481));
            return Stage::Calling(self);
        };
        if dialog.take_cseq(number).is_err() {
            at.respond(transaction, Response::to(&request, 500));
        } else if request.method == Method::UPDATE {
            dialog.refresh_target(&request.headers);
            self.hear_early_update(at, &tag, transaction, request);
        } else if request.method == Method::BYE || request.method == Method::INVITE {
            // RFC 3261 §15: only the caller may end an early dialog so.
            at.respond(transaction, Response::to(&request, 481));
        } else {
            answer_common(at, transaction, &request);
        }
        Stage::Calling(self)
    }

    fn hear_early_update(
        &mut self,
        at: &mut At<'_>,
        tag: &Option<String>,
        transaction: TransactionId,
        request: Request,
    ) {
        let is_agreed = self.branch(tag).is_some_and(|e| e.is_agreed());
        let way = if self.owed.is_some() || self.theirs.is_some() {
            Some(InTheWay::Theirs)
        } else {
            // What our INVITE has offered may not be answered for sure yet.
            (!is_agreed).then_some(InTheWay::Ours)
        };
        let response = match (offer_in(&request), way) {
            (Err(response), _) => *response,
            (Ok(None), _) => self.early_success(at, &request),
            (Ok(Some(_)), Some(way)) => way.answer(at, &request),
            (Ok(Some(description)), None) => {
                if let Some(early) = self.branch(tag) {
                    early.body = request.body.clone();
                }
                let exchange = at.leg.media.exchanges.offer_heard();
                self.theirs = Some(Theirs { transaction, request: Box::new(request), exchange });
                return at.hear(Signal::Offer(Offer { exchange, description }));
            }
        };
        at.respond(transaction, response);
    }

    /// Whether a request of that `Call-ID` and tag is of one of the early dialogs.
    pub(in crate::sip::session) fn is_early_dialog(&self, call_id: &Text, from_tag: Option<&str>) -> bool {
        self.call_id == *call_id && self.early.iter().any(|e| e.dialog.is_some() && e.tag.as_deref() == from_tag)
    }
}

/// A description that came before.
pub(super) fn described(body: &Bytes) -> Option<Description> {
    match hear::body(&sdp_headers(), body) {
        Body::Description(description) => Some(*description),
        Body::Empty | Body::Broken(_) | Body::Foreign => None,
    }
}

/// The headers of a body that came before.
pub(super) fn sdp_headers() -> Headers {
    [Header::new(Name::ContentType, Text::fixed(hear::SDP))].into_iter().collect()
}
