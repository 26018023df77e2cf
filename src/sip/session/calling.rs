//! We call: from the INVITE to its final response (RFC 3261 §13.2, §9.1, §8.1.3).
//!
//! ```text
//!   Resolving ──addresses──▶ Inviting ──1xx──▶ Inviting (CANCEL may go out now)
//!       ▲                      │  │ 401, 407: again with proof
//!       └──── 3xx, a name ─────┘  └─ 2xx ▶ Confirmed; else ▶ Ended
//! ```

mod redirect;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{debug, info};

use super::confirmed::Confirmed;
use super::proof::Proof;
use super::{At, FORKS_LIMIT, Leg, Stage, abilities, broken};
use crate::base::{ExchangeId, LegId};
use crate::model::{Answer, Cause, Hangup, Offer, Progress, Signal, Start};
use crate::sip::cause;
use crate::sip::config::HostPort;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{Output, ResolveId};
use crate::sip::flow::{Flow, Transport};
use crate::sip::hear::{self, Body};
use crate::sip::message::{Header, Method, Name, NameAddr, Request, Response, Text, Uri};
use crate::sip::say::{self, Caller};
use crate::sip::transaction::{Tell, TransactionId};
use crate::sip::wire::{Purpose, Wire};

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
    /// The host to look up, and for which transport.
    pub host: Option<(HostPort, Transport)>,
}

/// We call.
#[derive(Debug)]
pub struct Calling {
    start: Box<Start>,
    destination: Destination,
    call_id: Text,
    body: Option<Bytes>,
    offer: Option<ExchangeId>,
    /// `From` and what goes with it, and `To`: the same in every try.
    addresses: Option<(Caller, NameAddr)>,
    cseq: u32,
    attempt: Attempt,
    proof: Proof,
    /// Addresses that were tried, to know a circle of redirections.
    visited: Vec<Uri>,
    /// Addresses to try still.
    redirected: VecDeque<Uri>,
    /// A provisional response came: a CANCEL may go out.
    provisional: bool,
    cancel: Cancel,
    early: Vec<Early>,
}

#[derive(Debug)]
enum Attempt {
    Resolving { transport: Transport, give_up_at: Instant },
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

/// A branch of a fork that has answered provisionally.
#[derive(Debug)]
struct Early {
    tag: Option<String>,
    body: Bytes,
}

impl Leg {
    /// Opens a leg towards a peer.
    pub fn call(now: Instant, wire: &mut Wire, id: LegId, mut start: Box<Start>, destination: Destination) -> Leg {
        let tag = wire.tag();
        let mut leg = Leg::new(id, tag, destination.trunk.clone(), wire);
        let offer = start.offer.take();
        let call_id = wire.call_id();
        let mut at = At { now, wire, leg: &mut leg };
        let exchange = offer.as_ref().map(|o| o.exchange);
        let calling = Box::new(Calling {
            start,
            destination,
            call_id,
            body: None,
            offer: exchange,
            addresses: None,
            cseq: 0,
            attempt: Attempt::Resolving { transport: Transport::Udp, give_up_at: now },
            proof: Proof::default(),
            visited: Vec::new(),
            redirected: VecDeque::new(),
            provisional: false,
            cancel: Cancel::No,
            early: Vec::new(),
        });
        let stage = calling.begin(&mut at, offer);
        wire.legs_due.set(id, stage.poll_timeout());
        leg.stage = Some(stage);
        leg
    }
}

impl Calling {
    fn begin(mut self: Box<Self>, at: &mut At<'_>, offer: Option<Offer>) -> Stage {
        if let Some(offer) = offer {
            at.leg.media.exchanges.offer_said(offer.exchange);
            let lean = say::lean(&offer.description, at.trunk());
            // The description names its own address; the flow only stands in where it has none.
            let flow = self.destination.flows.front().copied().or_else(|| any_flow(at.wire));
            self.body = flow.map(|flow| at.leg.media.write(&lean, &flow));
        }
        self.try_next(at, cause::hangup(Cause::Unavailable, "no address to call"))
    }

    /// Tries the next way to the destination, or gives up with how the last one went.
    fn try_next(mut self: Box<Self>, at: &mut At<'_>, last: Hangup) -> Stage {
        if let Some(flow) = self.destination.flows.pop_front() {
            return self.invite(at, flow);
        }
        if let Some((host, transport)) = self.destination.host.take() {
            self.attempt = Attempt::Resolving { transport, give_up_at: at.now + RESOLVE_PATIENCE };
            let id = ResolveId::Leg(at.leg.id);
            at.wire.outputs.push_back(Output::Resolve { id, host: host.host, port: host.port, transport });
            return Stage::Calling(self);
        }
        match self.redirected.pop_front() {
            Some(uri) => self.follow(at, uri, last),
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
        self.cseq += 1;
        let tag = at.leg.tag.clone();
        let (caller, to) = match self.addresses.take() {
            Some(addresses) => addresses,
            None => match at.trunk() {
                Some(trunk) => (
                    say::caller_for_trunk(&self.start.from, trunk),
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
            .with(at.wire.contact(&flow))
            .with(abilities())
            .with(Header::new(Name::UserAgent, &at.wire.config.agent));
        for header in caller.identity.iter().chain(self.proof.headers()) {
            invite.headers.push(header.clone());
        }
        if let Some(body) = &self.body {
            invite = invite.with_body(hear::SDP, body.clone());
        }
        self.addresses = Some((caller, to));
        self.provisional = false;
        self.early.clear();
        let owner = at.owner(Purpose::Invite);
        let transaction = at.wire.request(at.now, invite.clone(), flow, owner);
        self.attempt = Attempt::Inviting { invite: Box::new(invite), transaction, flow };
        Stage::Calling(self)
    }

    pub(super) fn handle_resolved(mut self: Box<Self>, at: &mut At<'_>, addresses: Vec<SocketAddr>) -> Stage {
        let Attempt::Resolving { transport, .. } = self.attempt else { return Stage::Calling(self) };
        self.destination.flows = addresses.iter().filter_map(|a| at.wire.flow_to(transport, *a)).collect();
        self.try_next(at, cause::hangup(Cause::Unavailable, "the host's name has no address that we can reach"))
    }

    /// The call says something.
    pub(super) fn say(mut self: Box<Self>, at: &mut At<'_>, signal: Signal) -> Stage {
        let Signal::Hangup(hangup) = signal else {
            debug!(leg = %at.leg.id, "said to a callee that has not answered; left out");
            return Stage::Calling(self);
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
            Tell::TransportFailed => cause::hangup(Cause::Network, "the peer could not be reached"),
            _ => cause::hangup(Cause::Timeout, "nobody answered the INVITE within 32 s"),
        };
        self.try_next(at, last)
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
        if response.code() > 100 && response.code() < 300 {
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
            status => {
                let failure = hear::failure(&response);
                // RFC 3263 §4.3: a server that is down or full does not speak for the next.
                if status == 503 { self.try_next(at, failure) } else { self.fail(at, failure) }
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
        let stage = match response.code() {
            180 => crate::model::Stage::Ringing,
            183 => crate::model::Stage::Session,
            // 181 and 182 tell of queues and diversions: somebody works on it.
            _ => crate::model::Stage::Trying,
        };
        let early_media = self.hear_early(at, response);
        at.hear(Signal::Progress(Progress { stage, early_media }));
    }

    /// Takes the description in a provisional response; whether its branch has media.
    fn hear_early(&mut self, at: &mut At<'_>, response: &Response) -> bool {
        let tag = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned));
        let known = self.early.iter().position(|e| e.tag == tag);
        if response.body.is_empty() {
            return known.is_some();
        }
        // An unreliable provisional response cannot carry an offer (RFC 3261 §13.2.1).
        let Some(exchange) = self.offer else { return false };
        let repeated = known.is_some_and(|k| self.early[k].body == response.body);
        if repeated {
            return true;
        }
        let Body::Description(description) = hear::body(&response.headers, &response.body) else { return false };
        match known {
            Some(known) => self.early[known].body = response.body.clone(),
            None if self.early.len() < FORKS_LIMIT => {
                self.early.push(Early { tag, body: response.body.clone() });
            }
            None => return false,
        }
        at.hear(Signal::Answer(Answer { exchange, description: *description, provisional: true }));
        true
    }

    fn succeed(self: Box<Self>, at: &mut At<'_>, response: Response) -> Stage {
        let Attempt::Inviting { invite, flow, .. } = &self.attempt else { return Stage::Calling(self) };
        let flow = *flow;
        let dialog = match Dialog::as_client(invite, &response) {
            Ok(dialog) => Dialog { symmetric: at.leg.trunk.is_none(), ..dialog },
            Err(error) => {
                let sentence = format!("the answer cannot be read: {error}");
                return self.fail(at, cause::hangup(Cause::ServerError, sentence));
            }
        };
        if let Some(hangup) = self.hung_up() {
            // RFC 3261 §9.1: the 2xx crossed the CANCEL.
            at.acknowledge(&dialog, dialog.local_seq, None, flow);
            return at.bye(dialog, flow, hangup);
        }
        let body = match hear::body(&response.headers, &response.body) {
            // The answer stood in a provisional response of this branch; many peers do not repeat it.
            Body::Empty => self
                .early
                .iter()
                .find(|e| e.tag == dialog.remote_tag)
                .map_or(Body::Empty, |e| hear::body(&sdp_headers(), &e.body)),
            body => body,
        };
        let description = match body {
            Body::Description(description) => *description,
            Body::Empty => return refuse(at, dialog, flow, "the callee answered without a description of its media"),
            Body::Broken(_) => return refuse(at, dialog, flow, "the callee's description cannot be understood"),
            Body::Foreign => return refuse(at, dialog, flow, "the callee answered with something else than SDP"),
        };
        info!(leg = %at.leg.id, "answered");
        let cseq = dialog.local_seq;
        match self.offer {
            Some(exchange) => {
                at.leg.media.exchanges.close();
                at.acknowledge(&dialog, cseq, None, flow);
                at.hear(Signal::Answer(Answer { exchange, description, provisional: false }));
                at.hear(Signal::Accept);
                Stage::Confirmed(Box::new(Confirmed::new(dialog, flow)))
            }
            None => {
                let exchange = at.leg.media.exchanges.offer_heard();
                at.hear(Signal::Offer(Offer { exchange, description }));
                at.hear(Signal::Accept);
                Stage::Confirmed(Box::new(Confirmed::owing_ack(dialog, flow, cseq)))
            }
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
            _ => None,
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
            _ => Stage::Calling(self),
        }
    }
}

/// Ends a session that has no media: the 2xx is acknowledged, then the BYE says why.
fn refuse(at: &mut At<'_>, dialog: Dialog, flow: Flow, sentence: &str) -> Stage {
    let hangup = broken(sentence);
    at.acknowledge(&dialog, dialog.local_seq, None, flow);
    let stage = at.bye(dialog, flow, &hangup);
    at.hear(Signal::Hangup(hangup));
    stage
}

/// The headers of a body that came before.
fn sdp_headers() -> crate::sip::message::Headers {
    [Header::new(Name::ContentType, Text::fixed(hear::SDP))].into_iter().collect()
}

fn any_flow(wire: &Wire) -> Option<Flow> {
    let listen = wire.config.listen.first()?;
    Some(Flow { transport: listen.transport, local: listen.address, remote: listen.address })
}
