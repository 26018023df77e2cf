//! The INVITE session of one leg, as machines that do not multiply.
//!
//! ```text
//!   Start said ──▶ Calling ──┐ 2xx                    ┌── BYE either way
//!                     │      ├──▶ Confirmed ──────────┤
//!   Start heard ─▶ Incoming ─┘ Accept said            ▼
//!                     └── failure, CANCEL ────────▶ Ended ──▶ forgotten
//! ```
//!
//! Beside the stage, each on its own: offer and answer ([`exchange`]), the 2xx that waits for its ACK
//! ([`unacknowledged`]), changes of the session by either side ([`change`], `update`), proof of who we are ([`proof`], `within`),
//! how long it lasts unless it is refreshed ([`timer`]), who is in the conference at the other end ([`conference`]),
//! provisional responses that must arrive ([`reliable`]), transfers that the peer asks for (`refer`) or is asked for
//! (`referring`), who is there (`identity`).

pub mod calling;
pub mod change;
pub mod conference;
pub mod confirmed;
pub mod ended;
pub mod exchange;
pub mod glare;
mod identity;
pub mod incoming;
mod inform;
pub mod keys;
pub mod media;
pub mod proof;
pub mod refer;
mod referring;
mod refresh;
pub mod reliable;
pub mod timer;
pub mod unacknowledged;
mod update;
mod within;
mod words;

use std::time::Instant;

use bytes::Bytes;
use tracing::{debug, info};

use super::config::Trunk;
use super::dialog::Dialog;
use super::flow::Flow;
use super::locate::Located;
use super::message::{Header, Headers, Method, Name, Request, Response, Text};
use super::transaction::{Tell, TransactionId};
use super::wire::{ALLOW, Owner, Purpose, SUPPORTED, Wire};
use super::{cause, say};
use crate::base::LegId;
use crate::model::{Answer, Description, Hangup, Offer, SessionIds, Signal, UserToUser};
use calling::Calling;
use conference::Subscription;
use confirmed::Confirmed;
use ended::Ended;
use incoming::Incoming;
use media::Media;
use timer::{SessionTimer, TimerPolicy};

/// The most branches of a forked INVITE that are told apart.
pub const FORKS_LIMIT: usize = 16;

/// One leg.
#[derive(Debug)]
pub struct Leg {
    /// Its name.
    pub id: LegId,
    /// Our tag: what in-dialog requests find it by.
    pub tag: String,
    /// The trunk it goes through.
    pub trunk: Option<String>,
    /// What it says of media.
    media: Media,
    /// The peer has said that it takes INFO.
    takes_info: bool,
    /// The peer has said that it takes UPDATE.
    takes_update: bool,
    /// The peer has said that `From` may change within the dialog (RFC 4916).
    changes_from: bool,
    /// The number of a provisional response, and of its INVITE, whose PRACK may still come.
    late_prack: Option<(u32, u32)>,
    /// It is a device of one of our users.
    is_ours: bool,
    /// What the other party's system says to the peer's, with what is said next.
    words: UserToUser,
    /// ACKs of 2xx, for when those come again.
    acks: Vec<Acknowledged>,
    /// What the focus of a conference tells, where the peer is one.
    subscription: Option<Box<Subscription>>,
    /// A hang-up was said or heard: nothing more is said or heard.
    over: bool,
    /// How far it got. `None` only while it changes.
    stage: Option<Stage>,
}

#[derive(Debug)]
enum Stage {
    Calling(Box<Calling>),
    Incoming(Box<Incoming>),
    Confirmed(Box<Confirmed>),
    Ended(Box<Ended>),
}

#[derive(Debug)]
struct Acknowledged {
    tag: Option<String>,
    cseq: u32,
    ack: Bytes,
    flow: Flow,
}

/// What a stage's step needs beside the stage itself.
struct At<'a> {
    now: Instant,
    wire: &'a mut Wire,
    leg: &'a mut Rest,
}

/// A leg without its stage.
type Rest = Leg;

impl Leg {
    fn new(id: LegId, tag: String, trunk: Option<String>, wire: &mut Wire) -> Leg {
        let media = Media::new(&mut wire.dice);
        Leg {
            id,
            tag,
            trunk,
            media,
            takes_info: false,
            takes_update: false,
            changes_from: false,
            late_prack: None,
            is_ours: false,
            words: UserToUser::default(),
            acks: Vec::new(),
            subscription: None,
            over: false,
            stage: None,
        }
    }

    /// Runs one step of the stage, which may give another stage, and sets the deadline anew.
    fn step(&mut self, now: Instant, wire: &mut Wire, run: impl FnOnce(Stage, &mut At<'_>) -> Stage) {
        if let Some(stage) = self.stage.take() {
            let stage = run(stage, &mut At { now, wire: &mut *wire, leg: self });
            if matches!(stage, Stage::Ended(_)) {
                self.media.end();
            }
            self.stage = Some(stage);
            self.attend(now, wire);
            self.set_deadline(wire);
        }
    }

    fn set_deadline(&self, wire: &mut Wire) {
        let stage = self.stage.as_ref().and_then(Stage::poll_timeout);
        let subscription = self.subscription.as_ref().and_then(|s| s.poll_timeout());
        match (&self.stage, stage, subscription) {
            (Some(Stage::Ended(_)), Some(at), None) => wire.legs_due.set_leisurely(self.id, at),
            _ => wire.legs_due.set(self.id, stage.into_iter().chain(subscription).min()),
        }
    }

    /// The call says something on the leg.
    pub fn say(&mut self, now: Instant, wire: &mut Wire, signal: Signal) {
        if self.over {
            return;
        }
        if let Signal::Named(ids) = signal {
            return wire.names.entry(self.id).or_default().told(ids);
        }
        if let Signal::UserToUser(words) = signal {
            return self.keep_words(wire, words);
        }
        let is_last = matches!(signal, Signal::Hangup(_));
        self.step(now, wire, |stage, at| match stage {
            Stage::Calling(calling) => calling.say(at, signal),
            Stage::Incoming(incoming) => incoming.say(at, signal),
            Stage::Confirmed(confirmed) => confirmed.say(at, signal),
            Stage::Ended(ended) => Stage::Ended(ended),
        });
        self.over |= is_last;
    }

    /// A response came to a request of the leg.
    pub fn handle_response(
        &mut self,
        now: Instant,
        wire: &mut Wire,
        transaction: TransactionId,
        purpose: Purpose,
        response: Response,
    ) {
        if purpose == Purpose::Cancel {
            return;
        }
        self.hear_name_of(wire, purpose, &response);
        if purpose == Purpose::Subscribe {
            self.subscribed(now, wire, |s, at| s.handle_response(at, transaction, &response));
            return self.set_deadline(wire);
        }
        self.step(now, wire, |stage, at| match (stage, purpose) {
            (Stage::Calling(calling), Purpose::Invite) => calling.handle_response(at, transaction, response),
            (stage, Purpose::Left { cancelled }) => {
                at.late_response(transaction, cancelled, &response, stage.dialog());
                stage
            }
            (stage, Purpose::Invite) => {
                at.stray_success(transaction, &response, stage.dialog());
                stage
            }
            (Stage::Confirmed(confirmed), Purpose::Reinvite) => confirmed.handle_response(at, transaction, response),
            (Stage::Confirmed(confirmed), Purpose::Info(about)) => {
                confirmed.handle_info_response(at, about, transaction, &response)
            }
            (Stage::Confirmed(confirmed), Purpose::Update) => {
                confirmed.handle_update_response(at, transaction, &response)
            }
            (Stage::Confirmed(confirmed), Purpose::Notify) => confirmed.notified(at, Some(response.code())),
            (Stage::Confirmed(confirmed), Purpose::Refer) => {
                confirmed.handle_refer_response(at, transaction, &response)
            }
            (Stage::Ended(ended), Purpose::Bye) => ended.handle_response(at, response),
            (stage, Purpose::Reinvite) => {
                at.late_reinvite(transaction, &response, stage.dialog());
                stage
            }
            (stage, _) => stage,
        });
    }

    /// A transaction of the leg ended without a response.
    pub fn handle_tell(&mut self, now: Instant, wire: &mut Wire, purpose: Purpose, tell: Tell) {
        if purpose == Purpose::Subscribe {
            self.subscribed(now, wire, |s, at| s.handle_failure(at));
            return self.set_deadline(wire);
        }
        self.step(now, wire, |stage, at| match (stage, purpose) {
            (Stage::Calling(calling), Purpose::Invite) => calling.handle_failure(at, tell),
            (Stage::Confirmed(confirmed), Purpose::Reinvite) => confirmed.handle_failure(at, tell),
            (Stage::Confirmed(confirmed), Purpose::Info(about)) => confirmed.handle_info_failure(at, about),
            (Stage::Confirmed(confirmed), Purpose::Update) => confirmed.handle_update_failure(at, tell),
            (Stage::Confirmed(confirmed), Purpose::Notify) => confirmed.notified(at, None),
            (Stage::Confirmed(confirmed), Purpose::Refer) => confirmed.handle_refer_failure(at),
            (stage, _) => stage,
        });
    }

    /// A request came within the leg's dialog; its transaction waits for a response.
    pub fn handle_request(
        &mut self,
        now: Instant,
        wire: &mut Wire,
        transaction: TransactionId,
        request: Request,
        flow: Flow,
    ) {
        if self.is_subscription(&request) {
            self.subscribed(now, wire, |s, at| s.handle_request(at, transaction, &request));
            return self.set_deadline(wire);
        }
        if request.headers.has(&Name::SessionId) {
            self.hear_name(wire, &request.headers);
        }
        self.step(now, wire, |stage, at| match stage {
            Stage::Confirmed(confirmed) => confirmed.handle_request(at, transaction, request, flow),
            Stage::Incoming(incoming) => incoming.handle_request(at, transaction, request),
            Stage::Calling(calling) => calling.handle_request(at, transaction, request),
            Stage::Ended(ended) if request.method == Method::BYE => {
                at.respond(transaction, Response::to(&request, 200));
                Stage::Ended(ended)
            }
            stage => {
                at.respond(transaction, Response::to(&request, 481));
                stage
            }
        });
    }

    /// An ACK came within the leg's dialog.
    pub fn handle_ack(&mut self, now: Instant, wire: &mut Wire, ack: &Request, flow: Flow) {
        self.step(now, wire, |stage, at| match stage {
            Stage::Confirmed(confirmed) => confirmed.handle_ack(at, ack, flow),
            stage => stage,
        });
    }

    /// The INVITE is cancelled; its CANCEL is answered already.
    pub fn handle_cancel(&mut self, now: Instant, wire: &mut Wire, cancel: &Request) {
        self.step(now, wire, |stage, at| match stage {
            Stage::Incoming(incoming) => incoming.handle_cancel(at, cancel),
            stage => stage,
        });
    }

    /// The places of the host that the leg waits for.
    pub fn handle_resolved(&mut self, now: Instant, wire: &mut Wire, located: &Located) {
        self.step(now, wire, |stage, at| match stage {
            Stage::Calling(calling) => calling.handle_resolved(at, located),
            stage => stage,
        });
    }

    /// Notes what the peer is called in the name of the call, and tells the call if that is news.
    fn hear_name(&self, wire: &mut Wire, headers: &Headers) {
        let half = wire.names.entry(self.id).or_default().heard(headers);
        if let Some(own) = half.filter(|_| !self.over) {
            wire.hear(self.id, Signal::Named(SessionIds { own: Some(own), peer: None }));
        }
    }

    /// The same of a response: only of those who ring or answer, and of nobody but the peer once there is one.
    fn hear_name_of(&self, wire: &mut Wire, purpose: Purpose, response: &Response) {
        let is_session = !matches!(purpose, Purpose::Subscribe | Purpose::Left { .. });
        let is_peer = || self.dialog().is_none_or(|dialog| dialog.is_peer(response.headers.to_tag()));
        let is_naming = (101..300).contains(&response.code()) && response.headers.has(&Name::SessionId);
        if is_session && is_naming && is_peer() {
            self.hear_name(wire, &response.headers);
        }
    }

    /// The leg's deadline passed. `false` if the leg can be forgotten.
    pub fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) -> bool {
        let mut stays = true;
        self.subscribed(now, wire, |s, at| s.handle_timeout(at));
        self.step(now, wire, |stage, at| match stage {
            Stage::Calling(calling) => calling.handle_timeout(at),
            Stage::Incoming(incoming) => incoming.handle_timeout(at),
            Stage::Confirmed(confirmed) => confirmed.handle_timeout(at),
            Stage::Ended(ended) => {
                stays = !ended.is_over(at.now);
                Stage::Ended(ended)
            }
        });
        stays
    }

    /// Whether the session is still to be answered or is up.
    pub fn is_alive(&self) -> bool {
        !matches!(self.stage, Some(Stage::Ended(_)) | None)
    }

    /// The dialog, once there is one.
    pub fn dialog(&self) -> Option<&Dialog> {
        self.stage.as_ref().and_then(Stage::dialog)
    }

    /// Whether a request of that `Call-ID` and from that tag belongs to the leg's dialog.
    pub fn is_dialog(&self, call_id: &Text, from_tag: Option<&str>) -> bool {
        let is_session = match self.dialog() {
            Some(dialog) => dialog.call_id == *call_id && dialog.is_peer(from_tag),
            None => match &self.stage {
                Some(Stage::Calling(calling)) => calling.is_early_dialog(call_id, from_tag),
                _ => false,
            },
        };
        is_session || self.subscription.as_ref().is_some_and(|s| s.is_dialog(call_id, from_tag))
    }

    /// Whether a request within a dialog of the leg is within that of its subscription.
    fn is_subscription(&self, request: &Request) -> bool {
        let headers = &request.headers;
        let is_in = |s: &Subscription| headers.call_id().is_ok_and(|id| s.is_dialog(id, headers.from_tag()));
        self.subscription.as_deref().is_some_and(is_in)
    }
}

impl Stage {
    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Stage::Calling(calling) => calling.poll_timeout(),
            Stage::Incoming(incoming) => incoming.poll_timeout(),
            Stage::Confirmed(confirmed) => confirmed.poll_timeout(),
            Stage::Ended(ended) => Some(ended.until),
        }
    }

    fn dialog(&self) -> Option<&Dialog> {
        match self {
            Stage::Calling(_) => None,
            Stage::Incoming(incoming) => Some(&incoming.dialog),
            Stage::Confirmed(confirmed) => Some(&confirmed.dialog),
            Stage::Ended(ended) => ended.dialog.as_ref(),
        }
    }
}

impl At<'_> {
    /// The peer said something.
    fn hear(&mut self, signal: Signal) {
        if self.leg.over {
            return;
        }
        if let Signal::Hangup(hangup) = &signal {
            self.leg.over = true;
            let detail = hangup.detail.as_ref();
            info!(
                leg = %self.leg.id,
                cause = %hangup.cause,
                status = detail.and_then(|d| d.sip_status),
                why = detail.and_then(|d| d.text.as_deref()),
                "ended by its side"
            );
        }
        // Only the answer to an INVITE that refreshes the session is ever compared with it.
        if !self.leg.takes_update
            && let Some(description) = described(&signal)
        {
            self.leg.media.is_news(description);
        }
        self.wire.hear(self.leg.id, signal);
    }

    fn trunk(&self) -> Option<&Trunk> {
        self.leg.trunk.as_ref().and_then(|name| self.wire.config.trunks.get(name))
    }

    /// Whether sessions with the peer have to be refreshed.
    fn timer_policy(&self) -> TimerPolicy {
        self.trunk().map_or(self.wire.config.session_timer, |trunk| trunk.session_timer)
    }

    fn owner(&self, purpose: Purpose) -> Owner {
        Owner::Leg(self.leg.id, purpose)
    }

    fn respond(&mut self, transaction: TransactionId, mut response: Response) -> Bytes {
        if let Some(name) = self.wire.name_of(self.leg.id) {
            response.headers.push(name);
        }
        self.wire.respond(self.now, transaction, response)
    }

    /// Sends the ACK of a 2xx and keeps it for when the 2xx comes again.
    fn acknowledge(&mut self, dialog: &Dialog, cseq: u32, body: Option<Bytes>, flow: Flow) {
        let mut ack = dialog.ack(cseq);
        if let Some(body) = body {
            ack = ack.with_body(super::hear::SDP, body);
        }
        if let Some(name) = self.wire.name_of(self.leg.id) {
            ack.headers.push(name);
        }
        let flow = dialog.next_hop(flow);
        let ack = self.wire.acknowledge(ack, flow);
        let tag = dialog.remote_tag.clone();
        // Of one dialog only the last INVITE's 2xx can still come.
        self.leg.acks.retain(|a| a.tag != tag);
        if self.leg.acks.len() < FORKS_LIMIT {
            self.leg.acks.reserve_exact(1);
            self.leg.acks.push(Acknowledged { tag, cseq, ack, flow });
        }
    }

    /// Sends the ACK again if this 2xx was acknowledged before.
    fn acknowledge_again(&mut self, response: &Response) -> bool {
        let Ok(cseq) = response.headers.cseq() else { return true };
        let to = response.headers.to();
        let tag = to.as_ref().ok().and_then(|t| t.tag());
        let known = self.leg.acks.iter().find(|a| a.tag.as_deref() == tag && a.cseq == cseq.number);
        match known.map(|a| (a.flow, a.ack.clone())) {
            Some((flow, ack)) => {
                self.wire.transmit(flow, ack);
                true
            }
            None => false,
        }
    }

    /// A 2xx to the first INVITE that nobody waits for: it came again, it is of another branch of a fork,
    /// or it crossed our CANCEL. Those of other dialogs are acknowledged and ended at once (RFC 3261
    /// §13.2.2.4).
    fn stray_success(&mut self, transaction: TransactionId, response: &Response, ours: Option<&Dialog>) {
        if !response.is_success() || self.acknowledge_again(response) {
            return;
        }
        let to = response.headers.to();
        let tag = to.as_ref().ok().and_then(|t| t.tag());
        if ours.is_some_and(|d| d.is_peer(tag)) {
            // Ours, and its ACK waits for the call's answer.
            return;
        }
        let Some((invite, flow)) = self.wire.transactions.invite(transaction) else { return };
        let Ok(mut dialog) = Dialog::as_client(invite, response) else { return };
        debug!(leg = %self.leg.id, "another branch answered; ends it");
        self.acknowledge(&dialog, dialog.local_seq, None, flow);
        let bye = dialog
            .request(Method::BYE)
            .with(Header::new(Name::Reason, "SIP;cause=200;text=\"Call completed elsewhere\""));
        self.wire.request(self.now, bye, dialog.next_hop(flow), Owner::Nobody);
    }

    /// A 2xx to a re-INVITE after the session ended.
    fn late_reinvite(&mut self, transaction: TransactionId, response: &Response, dialog: Option<&Dialog>) {
        if !response.is_success() || self.acknowledge_again(response) {
            return;
        }
        let flow = self.wire.transactions.invite(transaction).map(|(_, flow)| flow);
        if let (Some(dialog), Some(flow), Ok(cseq)) = (dialog, flow, response.headers.cseq()) {
            self.acknowledge(dialog, cseq.number, None, flow);
        }
    }

    /// Ends a dialog with a BYE that says why.
    fn bye(&mut self, mut dialog: Dialog, flow: Flow, hangup: &Hangup) -> Stage {
        let mut bye = dialog.request(Method::BYE);
        for reason in say::reasons(hangup) {
            bye.headers.push(reason);
        }
        for word in self.take_words() {
            bye.headers.push(word);
        }
        bye.headers.push(Header::new(Name::UserAgent, &self.wire.config.agent));
        let hop = dialog.next_hop(flow);
        let kept = self.trunk().is_some().then(|| bye.clone());
        let owner = self.owner(Purpose::Bye);
        self.wire.request(self.now, bye, hop, owner);
        Stage::Ended(Box::new(Ended::after(self.now, &self.wire.config.timers, Some(dialog), kept, flow)))
    }

    /// Nothing more is to be said.
    fn ended(&mut self, dialog: Option<Dialog>, flow: Flow) -> Stage {
        Stage::Ended(Box::new(Ended::after(self.now, &self.wire.config.timers, dialog, None, flow)))
    }
}

fn described(signal: &Signal) -> Option<&Description> {
    match signal {
        Signal::Start(start) => start.offer.as_ref().map(|offer| &offer.description),
        Signal::Offer(Offer { description, .. }) | Signal::Answer(Answer { description, .. }) => Some(description),
        _ => None,
    }
}

/// The headers that every INVITE of ours and every 2xx to one carries.
fn abilities(timer: &SessionTimer) -> [Header; 2] {
    let supported = if timer.is_known() { SUPPORTED } else { SUPPORTED_WITHOUT_TIMER };
    [Header::new(Name::Allow, Text::fixed(ALLOW)), Header::new(Name::Supported, Text::fixed(supported))]
}

/// The extensions that a peer is told of with which sessions have no timers.
const SUPPORTED_WITHOUT_TIMER: &str = "100rel, replaces, from-change, norefersub, tdialog";

/// Why an exchange could not be completed.
fn broken(sentence: &str) -> Hangup {
    cause::hangup(crate::model::Cause::MediaIncompatible, sentence)
}
