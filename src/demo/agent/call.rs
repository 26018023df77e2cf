//! One call: its dialog (RFC 3261 §12), its INVITE and those that came after it, its BYE.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::{ALLOW, CallNumber, Output, send};
use crate::base::Dice;
use crate::demo::answer::{self, Media};
use crate::demo::line::Say;
use crate::model::Description;
use crate::sdp;
use crate::sip::message::{
    BRANCH_COOKIE, Header, Method, Name, NameAddr, Request, Response, SipUri, StatusCode, Text, Uri, Via, ViaTransport,
};
use crate::sip::transaction::key::ServerKey;
use crate::sip::transaction::{Backoff, Client, ServerInvite, Step, Timers};

/// INVITEs of one call whose last messages may still be repeated; another is told 500.
const MAX_INVITES: usize = 8;
const SDP: &str = "application/sdp";

/// The call.
#[derive(Debug)]
pub(super) struct Call {
    number: CallNumber,
    local: SocketAddr,
    peer: SocketAddr,
    timers: Timers,
    tag: String,
    branch: String,
    dialog: Dialog,
    origin: sdp::Origin,
    /// Our last description, so that its version rises exactly when it changes.
    described: Option<Description>,
    media: Option<SocketAddr>,
    invites: Vec<Invite>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The first INVITE has no final answer.
    Early,
    /// It has a 200.
    Answered,
    /// BYE was sent or came, or the call was refused. Kept until a BYE that comes again cannot come any more.
    Over { bye: Option<Client>, until: Option<Instant> },
}

/// What requests of ours within the dialog carry.
#[derive(Debug)]
struct Dialog {
    call_id: Text,
    from: NameAddr,
    to: NameAddr,
    target: Uri,
    routes: Vec<NameAddr>,
}

/// One INVITE of the call.
#[derive(Debug)]
struct Invite {
    key: ServerKey,
    cseq: u32,
    request: Request,
    offer: Option<Description>,
    transaction: ServerInvite,
    /// The 200 is repeated until the ACK comes (RFC 3261 §13.3.1.4).
    repeat: Option<Repeat>,
}

#[derive(Debug)]
struct Repeat {
    response: Bytes,
    backoff: Backoff,
    until: Instant,
}

impl Call {
    /// A call begins; or it is refused at once, because its INVITE makes no sense.
    pub fn new(
        number: CallNumber,
        local: SocketAddr,
        peer: SocketAddr,
        request: Request,
        key: ServerKey,
        timers: Timers,
        dice: &mut Dice,
    ) -> Result<Call, Box<Response>> {
        let offer = offer(&request)?;
        let bad = || Box::new(Response::to(&request, StatusCode::BadRequest));
        let (from, to) = (request.headers.from().map_err(|_| bad())?, request.headers.to().map_err(|_| bad())?);
        let contact = request.headers.contacts().ok().and_then(|c| c.list().first().cloned());
        let tag = dice.token(12);
        let dialog = Dialog {
            call_id: request.headers.call_id().map_err(|_| bad())?.clone(),
            target: contact.map_or_else(|| from.uri.clone(), |c| c.uri),
            from: to.with_tag(&tag),
            to: from,
            routes: request.headers.record_routes().unwrap_or_default(),
        };
        let cseq = request.headers.cseq().map_err(|_| bad())?.number;
        let transaction = ServerInvite::new(false, &timers);
        let invite = Invite { key, cseq, request, offer, transaction, repeat: None };
        Ok(Call {
            number,
            local,
            peer,
            timers,
            tag,
            branch: format!("{BRANCH_COOKIE}{}", dice.token(16)),
            dialog,
            // RFC 8829 §5.2.1: below 2^62 is understood by everybody.
            origin: sdp::Origin::new(dice.u64() >> 2, local.ip()),
            described: None,
            media: None,
            invites: vec![invite],
            state: State::Early,
        })
    }

    pub fn tag(&self) -> &str {
        &self.tag
    }

    pub fn has(&self, key: &ServerKey) -> bool {
        self.invites.iter().any(|i| i.key == *key)
    }

    /// Whether a request is within this call's dialog.
    pub fn is_about(&self, request: &Request) -> bool {
        request.headers.to().is_ok_and(|to| to.tag() == Some(&self.tag))
            && request.headers.call_id().is_ok_and(|id| *id == self.dialog.call_id)
            && request.headers.from().is_ok_and(|from| from.tag() == self.dialog.to.tag())
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over { .. })
    }

    /// Over, and nothing of it can come again.
    pub fn is_forgotten(&self) -> bool {
        let State::Over { bye, until } = &self.state else { return false };
        until.is_none()
            && bye.as_ref().is_none_or(Client::is_terminated)
            && self.invites.iter().all(|i| i.transaction.is_terminated() && i.repeat.is_none())
    }

    pub fn handle_ready(&mut self, media: SocketAddr) {
        self.media = Some(media);
    }

    pub fn handle_retransmission(&mut self, key: &ServerKey, outputs: &mut VecDeque<Output>) {
        if let Some(invite) = self.invites.iter_mut().find(|i| i.key == *key) {
            put(outputs, self.peer, invite.transaction.handle_retransmission());
        }
    }

    pub fn handle_ack(&mut self, now: Instant, key: &ServerKey, ack: &Request, outputs: &mut VecDeque<Output>) {
        if let Some(invite) = self.invites.iter_mut().find(|i| i.key == *key) {
            put(outputs, self.peer, invite.transaction.handle_ack(now));
        }
        if !self.is_about(ack) {
            return;
        }
        let cseq = ack.headers.cseq().map(|c| c.number).unwrap_or_default();
        let Some(invite) = self.invites.iter_mut().find(|i| i.cseq == cseq && i.repeat.is_some()) else { return };
        invite.repeat = None;
        if invite.offer.is_none() {
            // The 200 had our offer; the answer is in the ACK (RFC 3261 §13.2.1).
            match offer(ack).ok().flatten().as_ref().and_then(answer::agreed) {
                Some(media) => outputs.push_back(Output::Media { call: self.number, media }),
                None => self.hang_up(now, outputs),
            }
        }
    }

    pub fn handle_cancel(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        if matches!(self.state, State::Early) {
            self.refuse(now, StatusCode::RequestTerminated, outputs);
        }
    }

    pub fn handle_bye(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        match self.state {
            State::Early => self.refuse(now, StatusCode::RequestTerminated, outputs),
            State::Answered => self.end(now, None, outputs),
            State::Over { .. } => {}
        }
    }

    /// The caller wants to change something: hold, another port.
    pub fn handle_reinvite(
        &mut self,
        now: Instant,
        source: SocketAddr,
        request: Request,
        key: ServerKey,
        outputs: &mut VecDeque<Output>,
    ) {
        let refuse = |status| send(source, Response::to(&request, status).to_bytes());
        self.invites.retain(|i| !i.transaction.is_terminated() || i.repeat.is_some());
        if !matches!(self.state, State::Answered) || self.invites.len() >= MAX_INVITES {
            // RFC 3261 §14.2
            return outputs.push_back(refuse(StatusCode::ServerInternalError));
        }
        let (offer, cseq) = match (offer(&request), request.headers.cseq()) {
            (Ok(offer), Ok(cseq)) => (offer, cseq.number),
            _ => return outputs.push_back(refuse(StatusCode::NotAcceptableHere)),
        };
        if let Ok(contacts) = request.headers.contacts()
            && let Some(contact) = contacts.list().first()
        {
            self.dialog.target = contact.uri.clone();
        }
        let transaction = ServerInvite::new(false, &self.timers);
        self.peer = source;
        self.invites.push(Invite { key, cseq, request, offer, transaction, repeat: None });
        self.accept(now, outputs);
    }

    pub fn handle_response(&mut self, now: Instant, response: &Response) {
        let State::Over { bye: Some(bye), .. } = &mut self.state else { return };
        if response.headers.via().is_ok_and(|via| via.branch() == Some(&self.branch)) {
            bye.handle_response(now, response.code());
        }
    }

    pub fn handle_say(&mut self, now: Instant, say: Say, outputs: &mut VecDeque<Output>) {
        match (&self.state, say) {
            (State::Early, Say::Ring) => self.progress(now, StatusCode::Ringing, outputs),
            (State::Early, Say::EarlyMedia) => self.progress(now, StatusCode::SessionProgress, outputs),
            (State::Early, Say::Answer) => {
                self.state = State::Answered;
                self.accept(now, outputs);
            }
            (State::Early, Say::Refuse(status)) => self.refuse(now, StatusCode::from(status), outputs),
            (State::Early, Say::HangUp) => self.refuse(now, StatusCode::TemporarilyUnavailable, outputs),
            (State::Answered, Say::HangUp) => self.hang_up(now, outputs),
            _ => {}
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let over = match &self.state {
            State::Over { bye, until } => [bye.as_ref().and_then(Client::poll_timeout), *until],
            _ => [None, None],
        };
        let invites = self.invites.iter().flat_map(|i| {
            let repeat = i.repeat.as_ref().map(|r| r.backoff.at.min(r.until));
            [i.transaction.poll_timeout(), repeat].into_iter().flatten()
        });
        over.into_iter().flatten().chain(invites).min()
    }

    pub fn handle_timeout(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        let mut unacknowledged = false;
        for invite in &mut self.invites {
            if invite.transaction.poll_timeout().is_some_and(|due| due <= now) {
                put(outputs, self.peer, invite.transaction.handle_timeout(now));
            }
            if let Some(repeat) = &mut invite.repeat {
                if repeat.until <= now {
                    unacknowledged = true;
                    invite.repeat = None;
                } else if repeat.backoff.at <= now {
                    repeat.backoff = repeat.backoff.next(self.timers.t2);
                    outputs.push_back(send(self.peer, repeat.response.clone()));
                }
            }
        }
        if let State::Over { bye, until } = &mut self.state {
            until.take_if(|until| *until <= now);
            if let Some(bye) = bye.as_mut().filter(|b| b.poll_timeout().is_some_and(|due| due <= now)) {
                put(outputs, self.peer, bye.handle_timeout(now));
            }
        }
        if unacknowledged && matches!(self.state, State::Answered) {
            self.hang_up(now, outputs);
        }
    }

    fn response(&self, invite: &Invite, status: StatusCode) -> Response {
        let contact = NameAddr::new(SipUri::new(self.local.ip()).with_port(self.local.port()));
        let mut response = Response::to(&invite.request, status)
            .with_to_tag(&self.tag)
            .with(Header::of(Name::Contact, contact))
            .with(Header::new(Name::Allow, ALLOW));
        // RFC 3261 §12.1.1
        invite.request.headers.iter().filter(|h| h.name == Name::RecordRoute).for_each(|h| {
            response.headers.push(h.clone());
        });
        response
    }

    fn progress(&mut self, now: Instant, status: StatusCode, outputs: &mut VecDeque<Output>) {
        let early_media = status == StatusCode::SessionProgress;
        let Some(at) = self.invites.len().checked_sub(1) else { return };
        let described = if early_media { self.describe(at) } else { None };
        let Some(invite) = self.invites.get(at) else { return };
        let mut response = self.response(invite, status);
        if let Some((text, Some(media))) = described {
            response = response.with_body(SDP, text);
            outputs.push_back(Output::Media { call: self.number, media });
        }
        self.respond(now, response, outputs);
    }

    /// Answers the last INVITE with 200 and a description.
    fn accept(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        let Some(at) = self.invites.len().checked_sub(1) else { return };
        let described = self.describe(at);
        let Some(invite) = self.invites.get(at) else { return };
        let Some((text, media)) = described else {
            // Nothing in the offer can be spoken; a re-INVITE leaves the call as it was (RFC 3261 §14.2).
            let response = self.response(invite, StatusCode::NotAcceptableHere);
            self.respond(now, response, outputs);
            if self.described.is_none() {
                self.end(now, None, outputs);
            }
            return;
        };
        let response = self.response(invite, StatusCode::OK).with_body(SDP, text);
        let bytes = response.to_bytes();
        let until = now + self.timers.patience();
        let repeat = Repeat { response: bytes, backoff: Backoff::start(now, self.timers.t1), until };
        if let Some(invite) = self.invites.last_mut() {
            invite.repeat = Some(repeat);
        }
        self.respond(now, response, outputs);
        if let Some(media) = media {
            outputs.push_back(Output::Media { call: self.number, media });
        }
    }

    /// Our description for an INVITE, and what it agrees on if that INVITE had an offer.
    fn describe(&mut self, at: usize) -> Option<(String, Option<Media>)> {
        let media = self.media?;
        let (description, agreed) = match &self.invites.get(at)?.offer {
            Some(offer) => answer::answer(offer, media).map(|(d, m)| (d, Some(m)))?,
            None => (answer::offer(media), None),
        };
        if self.described.as_ref().is_some_and(|before| *before != description) {
            self.origin.version += 1;
        }
        let text = sdp::write(&description, &self.origin);
        self.described = Some(description);
        Some((text, agreed))
    }

    fn refuse(&mut self, now: Instant, status: StatusCode, outputs: &mut VecDeque<Output>) {
        if let Some(invite) = self.invites.last() {
            let response = self.response(invite, status);
            self.respond(now, response, outputs);
        }
        self.end(now, None, outputs);
    }

    fn respond(&mut self, now: Instant, response: Response, outputs: &mut VecDeque<Output>) {
        if let Some(invite) = self.invites.last_mut() {
            put(outputs, self.peer, invite.transaction.respond(now, response.code(), response.to_bytes()));
        }
    }

    fn hang_up(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        let dialog = &self.dialog;
        let via = Via::new(ViaTransport::UDP, self.local, &self.branch);
        let mut bye = Request::new(Method::BYE, dialog.target.clone())
            .with(Header::of(Name::Via, via))
            .with(Header::new(Name::MaxForwards, "70"))
            .with(Header::of(Name::From, &dialog.from))
            .with(Header::of(Name::To, &dialog.to))
            .with(Header::new(Name::CallId, &dialog.call_id))
            .with_cseq(1);
        for route in &dialog.routes {
            bye.headers.push(Header::of(Name::Route, route));
        }
        let bytes = bye.to_bytes();
        outputs.push_back(send(self.peer, bytes.clone()));
        self.end(now, Some(Client::new(now, bytes, false, &self.timers)), outputs);
    }

    fn end(&mut self, now: Instant, bye: Option<Client>, outputs: &mut VecDeque<Output>) {
        self.invites.iter_mut().for_each(|i| i.repeat = None);
        let until = Some(now + self.timers.patience());
        self.state = State::Over { bye, until };
        outputs.push_back(Output::End { call: self.number });
    }
}

fn put(outputs: &mut VecDeque<Output>, to: SocketAddr, step: Step) {
    outputs.extend(step.send.map(|bytes| send(to, bytes)));
}

/// The description in a message's body, if it has one.
fn offer(request: &Request) -> Result<Option<Description>, Box<Response>> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let refuse = |status| Box::new(Response::to(request, status));
    match request.headers.content_type() {
        Ok(Some(kind)) if kind.media_type.eq_ignore_ascii_case(SDP) => {}
        _ => return Err(refuse(StatusCode::UnsupportedMediaType)),
    }
    match sdp::read(&String::from_utf8_lossy(&request.body)) {
        Ok(description) => Ok(Some(description)),
        Err(error) => {
            let response = Response::to(request, StatusCode::BadRequest);
            Err(Box::new(response.with_reason(format!("Bad Request - {error}"))))
        }
    }
}
