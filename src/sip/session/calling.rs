//! We call: from the INVITE to its final response (RFC 3261 §13.2, §9.1, §8.1.3).
//!
//! ```text
//!   Resolving ──addresses──▶ Inviting ──1xx──▶ Inviting (CANCEL may go out now)
//!       ▲                      │  │ 401, 407: again with proof
//!       └──── 3xx, a name ─────┘  └─ 2xx ▶ Confirmed; else ▶ Ended
//! ```

mod early;
mod failover;
mod flows;
mod redirect;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{debug, info};

use super::change::Theirs;
use super::confirmed::Confirmed;
use super::identity;
use super::proof::Proof;
use super::timer::SessionTimer;
use super::{At, Leg, Stage, abilities, broken};
use crate::base::{ExchangeId, LegId};
use crate::model::{Answer, Cause, Contact, Hangup, Offer, Progress, Signal, Start};
use crate::sip::along;
use crate::sip::cause;
use crate::sip::dialog::Dialog;
use crate::sip::diversion;
use crate::sip::endpoint::{Output, ResolveId};
use crate::sip::flow::{Flow, Transport};
use crate::sip::hear::{self, Body};
use crate::sip::locate::{Located, SHUNNED_FOR, Wish};
use crate::sip::message::{Header, Method, Name, NameAddr, Request, Response, Text, Uri};
use crate::sip::naming::Naming;
use crate::sip::say::{self, Caller};
use crate::sip::stir::sign::Answered;
use crate::sip::transaction::{Tell, TransactionId};
use crate::sip::wire::{Purpose, Wire};
use early::{Early, Owed, described};
pub use failover::{ANY_WORD, FIRST_WORD};

/// How long a name may take to be looked up.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(10);

/// Where a call goes.
#[derive(Debug)]
pub struct Destination {
    /// The trunk, by name.
    pub trunk: Option<String>,
    /// The Request-URI.
    pub uri: Uri,
    /// The ways there, most wanted first; none if the host has to be looked up.
    pub flows: VecDeque<Flow>,
    /// The host to look up, if the ways are not known.
    pub host: Option<Wish>,
    /// The proxies that requests are to pass, nearest first (RFC 3261 §8.1.2, RFC 3608).
    pub routes: Vec<NameAddr>,
    /// The registration that this is, where a user's device is called.
    pub contact: Option<Contact>,
    /// Other flows of the same device, the latest first: tried after each other (RFC 5626 §7).
    pub others: VecDeque<Contact>,
    /// What we answer for.
    pub answered: Option<Answered>,
}

/// We call.
#[derive(Debug)]
pub struct Calling {
    start: Box<Start>,
    destination: Destination,
    call_id: Text,
    /// With its media type.
    body: Option<(Text, Bytes)>,
    offer: Option<ExchangeId>,
    /// `From` and what goes with it, and `To`: the same in every try.
    addresses: Option<(Caller, NameAddr)>,
    cseq: u32,
    attempt: Attempt,
    search: failover::Search,
    proof: Proof,
    /// Addresses that were tried, to know a circle of redirections.
    visited: Vec<Uri>,
    /// Addresses to try still.
    redirected: VecDeque<Uri>,
    /// A provisional response came: a CANCEL may go out.
    provisional: bool,
    cancel: Cancel,
    timer: SessionTimer,
    early: Vec<Early>,
    owed: Option<Owed>,
    /// An UPDATE with an offer that waits for the call.
    theirs: Option<Theirs>,
}

#[derive(Debug)]
enum Attempt {
    Resolving { give_up_at: Instant },
    Inviting { invite: Box<Request>, transaction: TransactionId, flow: Flow },
}

#[derive(Debug)]
enum Cancel {
    No,
    /// The call hung up, and no provisional response was seen yet (RFC 3261 §9.1).
    Wanted(Hangup),
    Sent {
        hangup: Hangup,
        give_up_at: Instant,
    },
}

impl Leg {
    /// Opens a leg towards a peer.
    pub fn call(now: Instant, wire: &mut Wire, id: LegId, mut start: Box<Start>, destination: Destination) -> Leg {
        let tag = wire.tag();
        let mut leg = Leg::new(id, tag, destination.trunk.clone(), wire);
        leg.is_ours = leg.trunk.is_none();
        wire.names.insert(id, Naming::of(start.about.session_id));
        let offer = start.offer.take();
        let call_id = wire.call_id();
        let mut at = At { now, wire, leg: &mut leg };
        let exchange = offer.as_ref().map(|o| o.exchange);
        let timer = SessionTimer::new(at.timer_policy());
        let calling = Box::new(Calling {
            start,
            destination,
            call_id,
            body: None,
            offer: exchange,
            addresses: None,
            cseq: 0,
            attempt: Attempt::Resolving { give_up_at: now },
            search: failover::Search::default(),
            proof: Proof::default(),
            visited: Vec::new(),
            redirected: VecDeque::new(),
            provisional: false,
            cancel: Cancel::No,
            timer,
            early: Vec::new(),
            owed: None,
            theirs: None,
        });
        let stage = calling.begin(&mut at, offer);
        leg.stage = Some(stage);
        leg.set_deadline(wire);
        leg
    }
}

impl Calling {
    fn begin(mut self: Box<Self>, at: &mut At<'_>, offer: Option<Offer>) -> Stage {
        let mut body = None;
        if let Some(offer) = offer {
            at.leg.media.exchanges.offer_said(offer.exchange);
            let lean = say::lean(&offer.description, at.trunk());
            // The description names its own address; the flow only stands in where it has none.
            let flow = self.destination.flows.front().copied().or_else(|| any_flow(at.wire));
            body = flow.map(|flow| at.leg.media.write(&lean, &flow));
        }
        let along = &self.start.about.along;
        // Whoever can guess it could make a part of ours.
        let boundary = along.location.as_ref().map(|_| at.wire.dice.token(24)).unwrap_or_default();
        self.body = along::body(body, along, at.trunk(), &boundary);
        self.try_next(at, cause::hangup(Cause::Unavailable, "no address to call"))
    }

    /// Tries the next way to the destination, or gives up with how the last one went.
    fn try_next(mut self: Box<Self>, at: &mut At<'_>, last: Hangup) -> Stage {
        if let Some(flow) = at.wire.shun.take_next(at.now, &mut self.destination.flows) {
            return self.invite(at, flow);
        }
        if let Some(wish) = self.destination.host.take() {
            self.attempt = Attempt::Resolving { give_up_at: at.now + RESOLVE_PATIENCE };
            at.wire.outputs.push_back(Output::Resolve { id: ResolveId::Leg(at.leg.id), wish });
            return Stage::Calling(self);
        }
        match self.redirected.pop_front() {
            Some(uri) => self.follow(at, uri, last),
            None if self.destination.turn() => self.try_next(at, last),
            None => self.fail(at, last),
        }
    }

    fn fail(self: Box<Self>, at: &mut At<'_>, hangup: Hangup) -> Stage {
        at.hear(Signal::Hangup(hangup));
        let flow = self.flow().or_else(|| any_flow(at.wire));
        match flow {
            Some(flow) => at.ended(None, flow),
            // Nothing was ever sent, so nothing can come.
            None => {
                let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
                at.ended(None, Flow { transport: Transport::Udp, local: nowhere, remote: nowhere })
            }
        }
    }

    fn flow(&self) -> Option<Flow> {
        match &self.attempt {
            Attempt::Inviting { flow, .. } => Some(*flow),
            Attempt::Resolving { .. } => None,
        }
    }

    /// Sends an INVITE, the first or a new one of the same call (RFC 3261 §8.1.3.4, §22.2: same `Call-ID`
    /// and tag, next number).
    fn invite(mut self: Box<Self>, at: &mut At<'_>, flow: Flow) -> Stage {
        self.cseq += self.search.step();
        let tag = at.leg.tag.clone();
        let (caller, to) = match self.addresses.take() {
            Some(addresses) => addresses,
            None => match at.trunk() {
                Some(trunk) => (
                    say::verified_caller_for_trunk(
                        &self.start.from,
                        trunk,
                        self.start.about.identity.as_ref().map(|i| i.verstat),
                    ),
                    NameAddr::new(say::uri_at_trunk(&self.start.to, trunk)),
                ),
                None => (
                    say::caller_for_user(&self.start.from, &flow, at.wire),
                    say::callee_for_user(&self.start.to, &flow, at.wire),
                ),
            },
        };
        let mut invite = Request::new(Method::INVITE, self.destination.uri.clone())
            .with(Header::of(Name::MaxForwards, self.start.hops_left))
            .with(Header::of(Name::From, caller.from.clone().with_tag(&tag)))
            .with(Header::of(Name::To, &to))
            .with(Header::new(Name::CallId, &self.call_id))
            .with_cseq(self.cseq)
            .with(at.wire.contact(&flow, &self.destination.uri))
            .with(Header::new(Name::UserAgent, &at.wire.config.agent));
        // RFC 6228 §5: we hear that a branch is over, which nobody has to be able to tell us.
        invite.headers.push(Header::new(Name::Supported, "199"));
        for route in &self.destination.routes {
            invite.headers.push(Header::of(Name::Route, route));
        }
        let mine = abilities(&self.timer).into_iter().chain(self.timer.wishes());
        for header in mine.chain(caller.identity.iter().chain(self.proof.headers()).cloned()) {
            invite.headers.push(header);
        }
        let domain = at.wire.domain(&flow);
        let sent_on = diversion::write(&self.start, at.trunk(), &domain);
        let along = along::headers(at.leg.id, &self.start.about.along, at.trunk());
        for header in say::about(&self.start, &flow, at.wire).into_iter().chain(sent_on).chain(along) {
            invite.headers.push(header);
        }
        for header in self.destination.answered.iter().flat_map(|a| at.wire.stir.prove(at.now, a)) {
            invite.headers.push(header);
        }
        if let Some((media_type, body)) = &self.body {
            invite.headers.set(Header::new(Name::ContentType, media_type));
            invite.body = body.clone();
        }
        self.addresses = Some((caller, to));
        self.provisional = false;
        self.early.clear();
        (self.owed, self.theirs) = (None, None);
        let owner = at.owner(Purpose::Invite);
        let transaction = at.wire.request(at.now, invite.clone(), flow, owner);
        let more = !self.destination.flows.is_empty() || !self.destination.others.is_empty();
        self.search.sent(at.now, more);
        self.attempt = Attempt::Inviting { invite: Box::new(invite), transaction, flow };
        Stage::Calling(self)
    }

    pub(super) fn handle_resolved(mut self: Box<Self>, at: &mut At<'_>, located: &Located) -> Stage {
        let Attempt::Resolving { .. } = self.attempt else { return Stage::Calling(self) };
        self.destination.flows = at.wire.flows_to(located);
        let why = match located.is_empty() {
            true if located.doubtful => "the name service does not answer",
            true => "the host's name has no address",
            false => "no socket of ours is for the host's transport and kind of address",
        };
        self.try_next(at, cause::hangup(Cause::Unavailable, why))
    }

    /// The call says something.
    pub(super) fn say(mut self: Box<Self>, at: &mut At<'_>, signal: Signal) -> Stage {
        let hangup = match signal {
            Signal::Hangup(hangup) => hangup,
            Signal::Answer(answer) => {
                self.say_early_answer(at, &answer);
                return Stage::Calling(self);
            }
            Signal::Refuse { exchange, cause } => {
                self.say_early_refusal(at, exchange, cause);
                return Stage::Calling(self);
            }
            _ => {
                debug!(leg = %at.leg.id, "said to a callee that has not answered; left out");
                return Stage::Calling(self);
            }
        };
        match &self.attempt {
            Attempt::Resolving { .. } => self.fail_silently(at),
            Attempt::Inviting { .. } => {
                self.cancel = Cancel::Wanted(hangup);
                self.cancel_if_wanted(at);
                Stage::Calling(self)
            }
        }
    }

    fn fail_silently(self: Box<Self>, at: &mut At<'_>) -> Stage {
        at.leg.over = true;
        self.fail(at, Hangup::new(Cause::Cancelled))
    }

    fn cancel_if_wanted(&mut self, at: &mut At<'_>) {
        let Attempt::Inviting { transaction, .. } = &self.attempt else { return };
        if !self.provisional {
            return;
        }
        match std::mem::replace(&mut self.cancel, Cancel::No) {
            Cancel::Wanted(hangup) => {
                let owner = at.owner(Purpose::Cancel);
                at.wire.cancel(at.now, *transaction, owner, say::reasons(&hangup));
                // RFC 3261 §9.1: without a final response within 64 T1 the INVITE counts as cancelled.
                self.cancel = Cancel::Sent { hangup, give_up_at: at.now + at.wire.config.timers.patience() };
            }
            other => self.cancel = other,
        }
    }

    /// Why the call ended it, if it did.
    fn hung_up(&self) -> Option<&Hangup> {
        match &self.cancel {
            Cancel::No => None,
            Cancel::Wanted(hangup) | Cancel::Sent { hangup, .. } => Some(hangup),
        }
    }

    /// The INVITE's transaction ended without a response.
    pub(super) fn handle_failure(self: Box<Self>, at: &mut At<'_>, tell: Tell) -> Stage {
        if self.hung_up().is_some() {
            return self.fail_silently(at);
        }
        let last = match tell {
            Tell::TransportFailed => {
                let why = at.wire.broken_because.map(|why| format!(": {why}")).unwrap_or_default();
                cause::hangup(Cause::Network, format!("the peer could not be reached{why}"))
            }
            _ => cause::hangup(Cause::Timeout, "nobody answered the INVITE within 32 s"),
        };
        self.fail_over(at, SHUNNED_FOR, last)
    }

    pub(super) fn handle_response(
        mut self: Box<Self>,
        at: &mut At<'_>,
        transaction: TransactionId,
        response: Response,
    ) -> Stage {
        let is_current = matches!(&self.attempt, Attempt::Inviting { transaction: t, .. } if *t == transaction);
        if !is_current {
            at.stray_success(transaction, &response, None);
            return Stage::Calling(self);
        }
        if let Some(flow) = self.flow().filter(|_| response.code() != 503) {
            at.wire.shun.answers(&flow);
        }
        if response.code() > 100 && response.code() < 300 {
            at.leg.changes_from |= response.headers.supports(identity::OPTION);
            at.note_allow(response.headers.allow());
        }
        match response.code() {
            100..=199 => {
                self.progress(at, &response);
                Stage::Calling(self)
            }
            200..=299 => self.succeed(at, response),
            _ if self.hung_up().is_some() => self.fail_silently(at),
            300..=399 => self.redirect(at, &response),
            401 | 407 => self.prove(at, &response),
            // RFC 4028 §7.3
            422 if self.timer.raise(&response) => match self.flow() {
                Some(flow) => self.invite(at, flow),
                None => Stage::Calling(self),
            },
            status => {
                let failure = hear::failure(&response);
                // RFC 3263 §4.3: a server that is down or full does not speak for the next.
                match response.headers.retry_after() {
                    _ if status == 430 => self.flow_failed(at, failure),
                    wait if status == 503 => self.fail_over(at, wait.unwrap_or_default(), failure),
                    _ => {
                        at.hear_words(&response.headers);
                        self.fail(at, failure)
                    }
                }
            }
        }
    }

    fn progress(&mut self, at: &mut At<'_>, response: &Response) {
        let first = !std::mem::replace(&mut self.provisional, true);
        if self.hung_up().is_some() {
            return self.cancel_if_wanted(at);
        }
        if response.code() == 100 {
            if first {
                at.hear(Signal::Progress(Progress { stage: crate::model::Stage::Trying, early_media: false }));
            }
            return;
        }
        if !self.take_reliable(at, response) {
            return;
        }
        if response.code() == 199 {
            return self.branch_is_over(at, response);
        }
        at.hear_words(&response.headers);
        let stage = match response.code() {
            180 => crate::model::Stage::Ringing,
            183 => crate::model::Stage::Session,
            // 181 and 182 tell of queues and diversions: somebody works on it.
            _ => crate::model::Stage::Trying,
        };
        let early_media = self.hear_early(at, response);
        at.hear(Signal::Progress(Progress { stage, early_media }));
    }

    fn succeed(mut self: Box<Self>, at: &mut At<'_>, response: Response) -> Stage {
        let Attempt::Inviting { invite, flow, .. } = &self.attempt else { return Stage::Calling(self) };
        let flow = *flow;
        let dialog = match Dialog::as_client(invite, &response) {
            Ok(dialog) => self.confirm(Dialog { symmetric: at.leg.trunk.is_none(), ..dialog }),
            Err(error) => {
                let sentence = format!("the answer cannot be read: {error}");
                return self.fail(at, cause::hangup(Cause::ServerError, sentence));
            }
        };
        if let Some(hangup) = self.hung_up() {
            // RFC 3261 §9.1: the 2xx crossed the CANCEL.
            at.acknowledge(&dialog, self.cseq, None, flow);
            return at.bye(dialog, flow, hangup);
        }
        let branch = self.early.iter().find(|e| e.tag == dialog.remote_tag && !e.body.is_empty());
        // The first description that arrives for sure is the answer (RFC 3261 §13.2.1), and many peers do not repeat one
        // that stood in a provisional response.
        let body = match hear::body(&response.headers, &response.body) {
            body if branch.is_some_and(|e| e.is_agreed()) => early_body(branch, body),
            Body::Empty => early_body(branch, Body::Empty),
            body => body,
        };
        let cseq = self.cseq;
        let description = match body {
            Body::Description(description) => *description,
            Body::Empty => {
                return refuse(at, dialog, (cseq, flow), "the callee answered without a description of its media");
            }
            Body::Broken(_) => {
                return refuse(at, dialog, (cseq, flow), "the callee's description cannot be understood");
            }
            Body::Foreign => {
                return refuse(at, dialog, (cseq, flow), "the callee answered with something else than SDP");
            }
        };
        let is_answered = self.offer.is_none() && self.owed.is_none() && branch.is_some_and(|e| e.is_agreed());
        info!(leg = %at.leg.id, "answered");
        self.timer.heard(at.now, &response.headers);
        at.hear_words(&response.headers);
        match self.offer {
            Some(exchange) => {
                at.acknowledge(&dialog, cseq, None, flow);
                if self.theirs.is_none() {
                    at.leg.media.settle();
                    at.hear(Signal::Answer(Answer { exchange, description, provisional: false }));
                }
                at.hear(Signal::Accept);
                self.confirmed(dialog, flow)
            }
            // We have answered its offer in a PRACK.
            None if is_answered => {
                at.acknowledge(&dialog, cseq, None, flow);
                at.hear(Signal::Accept);
                self.confirmed(dialog, flow)
            }
            None => {
                let exchange = at.leg.media.exchanges.offer_heard();
                at.hear(Signal::Offer(Offer { exchange, description }));
                at.hear(Signal::Accept);
                Stage::Confirmed(Box::new(Confirmed::owing_ack(dialog, flow, cseq, self.timer)))
            }
        }
    }

    fn confirmed(self: Box<Self>, dialog: Dialog, flow: Flow) -> Stage {
        let mut confirmed = Confirmed::new(dialog, flow, self.timer);
        confirmed.theirs = self.theirs;
        Stage::Confirmed(Box::new(confirmed))
    }

    /// What the branch's early dialog has counted goes on in its dialog.
    fn confirm(&mut self, dialog: Dialog) -> Dialog {
        let early = self.early.iter_mut().find(|e| e.tag == dialog.remote_tag);
        match early.and_then(|e| e.dialog.take()) {
            Some(early) => Dialog { local_seq: early.local_seq, remote_seq: early.remote_seq, ..dialog },
            None => dialog,
        }
    }

    fn prove(mut self: Box<Self>, at: &mut At<'_>, response: &Response) -> Stage {
        let Attempt::Inviting { invite, flow, .. } = &self.attempt else { return Stage::Calling(self) };
        let flow = *flow;
        let trunk = at.leg.trunk.as_ref().and_then(|name| at.wire.config.trunks.get(name));
        if self.proof.take(response, invite, trunk, &mut at.wire.dice) {
            return self.invite(at, flow);
        }
        let mut failure = hear::failure(response);
        if let Some(detail) = &mut failure.detail {
            let words = if trunk.is_some_and(|t| t.user.is_some()) {
                "the trunk did not accept our user name and password"
            } else {
                "the peer asks for a user name and password, and none is configured"
            };
            detail.text = Some(words.to_owned());
        }
        self.fail(at, failure)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match (&self.attempt, &self.cancel) {
            (Attempt::Resolving { give_up_at, .. }, _) | (_, Cancel::Sent { give_up_at, .. }) => Some(*give_up_at),
            _ => self.next_server_at(),
        }
    }

    pub(super) fn handle_timeout(self: Box<Self>, at: &mut At<'_>) -> Stage {
        match (&self.attempt, &self.cancel) {
            (Attempt::Resolving { give_up_at, .. }, _) if *give_up_at <= at.now => {
                self.try_next(at, cause::hangup(Cause::Unavailable, "the host's name was not found in time"))
            }
            (Attempt::Inviting { transaction, .. }, Cancel::Sent { give_up_at, .. }) if *give_up_at <= at.now => {
                at.wire.transactions.forget(*transaction);
                self.fail_silently(at)
            }
            _ if self.next_server_at().is_some_and(|due| due <= at.now) => self.leave_server(at),
            _ => Stage::Calling(self),
        }
    }
}

/// Ends a session that has no media: the 2xx is acknowledged, then the BYE says why.
fn refuse(at: &mut At<'_>, dialog: Dialog, (cseq, flow): (u32, Flow), sentence: &str) -> Stage {
    let hangup = broken(sentence);
    at.acknowledge(&dialog, cseq, None, flow);
    let stage = at.bye(dialog, flow, &hangup);
    at.hear(Signal::Hangup(hangup));
    stage
}

/// The description that the branch has sent before, or else this.
fn early_body(branch: Option<&Early>, otherwise: Body) -> Body {
    branch.and_then(|e| described(&e.body)).map_or(otherwise, |description| Body::Description(Box::new(description)))
}

fn any_flow(wire: &Wire) -> Option<Flow> {
    let listen = wire.config.listen.first()?;
    Some(Flow { transport: listen.transport, local: listen.address, remote: listen.address })
}
