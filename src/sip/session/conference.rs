//! The subscription to what a focus tells of its conference (RFC 4575, RFC 6665 §4.1): a dialog of its own beside the
//! session, as long as that is up and its peer's `Contact` says `isfocus` (RFC 4579 §5.1).
//!
//! ```text
//!   isfocus ─▶ Open ── SUBSCRIBE ─▶ 2xx: again before it ends ─┐
//!               │ ▲                                            │ a version is missing: again at once
//!               │ └────────────────────────────────────────────┘
//!               ├── hang-up ─▶ Leaving ── SUBSCRIBE, Expires 0 ─▶ Over
//!               └── refused, silence, terminated ─▶ Over: no list, and the call goes on
//! ```

use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::proof::Proof;
use super::{At, Leg, Rest, Stage};
use crate::model::{Address, Roster, Signal};
use crate::sip::conference::document::{Document, Unreadable};
use crate::sip::conference::roster::{Conference, Taken, address};
use crate::sip::conference::{PACKAGE, TYPE};
use crate::sip::dialog::{Dialog, OutOfOrder};
use crate::sip::flow::Flow;
use crate::sip::message::{Header, Headers, Method, Name, NameAddr, Request, Response, Text};
use crate::sip::transaction::TransactionId;
use crate::sip::wire::{Purpose, Wire};

/// How long a subscription is asked for, in seconds; the value of RFC 4575 §3.4.
const EXPIRES: u32 = 3_600;
/// The longest that a focus may make us ask for, in seconds.
const LONGEST_EXPIRES: u32 = 86_400;
/// How long before its end a subscription is made again, unless half of it is less.
const LEAD: Duration = Duration::from_secs(60);
/// The least time between two lists that are told, and between two requests of ours for the whole state.
const PACE: Duration = Duration::from_millis(250);
const RENEW_PACE: Duration = Duration::from_secs(2);
/// How often a subscription that was lost is begun anew within one call.
const RENEWALS_LIMIT: u8 = 5;
/// What our tag in the subscription adds to that of the session.
const SUFFIX: &str = ".conference";

/// The tag of the session that a tag of ours belongs to.
pub fn session_tag(tag: &str) -> &str {
    tag.strip_suffix(SUFFIX).unwrap_or(tag)
}

/// A subscription.
#[derive(Debug)]
pub struct Subscription {
    dialog: Dialog,
    flow: Flow,
    /// The `Call-ID` of the session, and our own address in it: they tell which member is ours.
    session: Text,
    ours: Option<Address>,
    sent: Option<Sent>,
    proof: Proof,
    life: Life,
    renewals: u8,
    asked_at: Instant,
    conference: Conference,
    told: Roster,
    told_at: Option<Instant>,
    tell_at: Option<Instant>,
}

#[derive(Debug)]
struct Sent {
    transaction: TransactionId,
    request: Box<Request>,
    expires: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// It is wanted. `again_at`: when the next SUBSCRIBE is due, if none is under way.
    Open { again_at: Option<Instant> },
    /// The session is over.
    Leaving,
    /// Nothing more comes of it.
    Over,
}

impl Leg {
    /// Begins or ends the subscription, as the session wants it.
    pub(super) fn attend(&mut self, now: Instant, wire: &mut Wire) {
        let begins = match (&self.stage, &self.subscription) {
            (Some(Stage::Confirmed(session)), None) if session.dialog.is_focus => {
                if self.over || !session.is_settled() {
                    return;
                }
                Some((session.dialog.clone(), session.flow))
            }
            (Some(Stage::Confirmed(session)), Some(_)) if session.dialog.is_focus => return,
            (Some(Stage::Confirmed(_) | Stage::Ended(_)), Some(_)) => None,
            _ => return,
        };
        match begins {
            Some((dialog, flow)) => {
                info!(leg = %self.id, "the other end is a conference; asks who is in it");
                let subscription = Subscription::new(now, wire, &dialog, flow, &self.tag);
                self.subscription = Some(Box::new(subscription));
                self.subscribed(now, wire, |s, at| s.send(at, EXPIRES));
            }
            None => self.subscribed(now, wire, Subscription::leave),
        }
    }

    /// Runs one step of the subscription.
    pub(super) fn subscribed(
        &mut self,
        now: Instant,
        wire: &mut Wire,
        run: impl FnOnce(&mut Subscription, &mut At<'_>),
    ) {
        let Some(mut subscription) = self.subscription.take() else { return };
        let rest: &mut Rest = self;
        run(&mut subscription, &mut At { now, wire, leg: rest });
        self.subscription = Some(subscription);
    }
}

impl Subscription {
    fn new(now: Instant, wire: &mut Wire, session: &Dialog, flow: Flow, tag: &str) -> Subscription {
        let ours: Option<NameAddr> = session.local.as_str().parse().ok();
        let from = ours.clone().map(|name| name.with_tag(&format!("{tag}{SUFFIX}")).to_string());
        let dialog = Dialog {
            call_id: wire.call_id(),
            local: from.map_or_else(|| session.local.clone(), Text::from),
            remote: NameAddr::new(session.target.clone()).to_string().into(),
            remote_tag: None,
            local_seq: 0,
            remote_seq: None,
            owns_call_id: true,
            ..session.clone()
        };
        Subscription {
            dialog,
            flow,
            session: session.call_id.clone(),
            ours: ours.and_then(|name| address(&name.uri.to_string())),
            sent: None,
            proof: Proof::default(),
            life: Life::Open { again_at: None },
            renewals: 0,
            asked_at: now,
            conference: Conference::default(),
            told: Roster::default(),
            told_at: None,
            tell_at: None,
        }
    }

    /// Whether a request of that `Call-ID` and from that tag is in its dialog.
    pub(super) fn is_dialog(&self, call_id: &Text, from_tag: Option<&str>) -> bool {
        self.dialog.call_id == *call_id && (self.dialog.remote_tag.is_none() || self.dialog.is_peer(from_tag))
    }

    /// When [`Subscription::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let again_at = match self.life {
            Life::Open { again_at } => again_at,
            Life::Leaving | Life::Over => None,
        };
        again_at.into_iter().chain(self.tell_at).min()
    }

    pub(super) fn handle_timeout(&mut self, at: &mut At<'_>) {
        if self.tell_at.is_some_and(|due| due <= at.now) {
            self.tell_at = None;
            self.tell(at);
        }
        if let Life::Open { again_at: Some(due) } = self.life
            && due <= at.now
            && self.sent.is_none()
        {
            self.send(at, EXPIRES);
        }
    }

    fn send(&mut self, at: &mut At<'_>, expires: u32) {
        self.proof = Proof::default();
        self.asked_at = at.now;
        if let Life::Open { again_at } = &mut self.life {
            *again_at = None;
        }
        self.send_again(at, expires);
    }

    /// Sends one in place of another, with the same proof.
    fn send_again(&mut self, at: &mut At<'_>, expires: u32) {
        let mut request = self
            .dialog
            .request(Method::SUBSCRIBE)
            .with(at.wire.contact(&self.flow, &self.dialog.target))
            .with(Header::new(Name::Event, Text::fixed(PACKAGE)))
            .with(Header::new(Name::Accept, Text::fixed(TYPE)))
            .with(Header::of(Name::Expires, expires))
            .with(Header::new(Name::UserAgent, &at.wire.config.agent));
        for header in self.proof.headers() {
            request.headers.push(header.clone());
        }
        let owner = at.owner(Purpose::Subscribe);
        let transaction = at.wire.request(at.now, request.clone(), self.dialog.next_hop(self.flow), owner);
        self.sent = Some(Sent { transaction, request: Box::new(request), expires });
    }

    /// The session is over, or its peer no focus any more.
    fn leave(&mut self, at: &mut At<'_>) {
        if !matches!(self.life, Life::Open { .. }) {
            return;
        }
        self.life = Life::Leaving;
        self.tell_at = None;
        // Before the focus has a tag there is nothing to end yet: its answer will say.
        if self.dialog.remote_tag.is_some() {
            self.send(at, 0);
        }
    }

    fn fail(&mut self, at: &mut At<'_>, why: &str) {
        if self.life != Life::Over {
            info!(leg = %at.leg.id, why, "is told no more of who is in the conference");
        }
        self.life = Life::Over;
        self.tell_at = None;
        if self.told != Roster::default() {
            self.told = Roster::default();
            at.hear(Signal::Roster(Box::default()));
        }
    }

    pub(super) fn handle_response(&mut self, at: &mut At<'_>, transaction: TransactionId, response: &Response) {
        if response.is_provisional() {
            return;
        }
        let Some(sent) = self.sent.take_if(|sent| sent.transaction == transaction) else { return };
        match response.code() {
            200..=299 => self.succeed(at, &sent, response),
            401 | 407 => {
                if at.prove(&mut self.proof, &sent.request, response) {
                    self.send_again(at, sent.expires);
                } else {
                    self.fail(at, "the focus does not believe us");
                }
            }
            423 => match response.headers.min_expires() {
                Ok(Some(least)) if (EXPIRES + 1..=LONGEST_EXPIRES).contains(&least) && sent.expires == EXPIRES => {
                    self.send_again(at, least);
                }
                _ => self.fail(at, "no duration suits the focus"),
            },
            481 if self.dialog.remote_tag.is_some() && matches!(self.life, Life::Open { .. }) => self.renew(at),
            status => self.fail(at, &format!("the focus answers {status}")),
        }
    }

    fn succeed(&mut self, at: &mut At<'_>, sent: &Sent, response: &Response) {
        if self.dialog.remote_tag.is_none()
            && let Ok(dialog) = Dialog::as_client(&sent.request, response)
        {
            let (local_seq, symmetric) = (self.dialog.local_seq, self.dialog.symmetric);
            self.dialog = Dialog { local_seq, symmetric, ..dialog };
        }
        let expires = response.headers.expires().ok().flatten().unwrap_or(sent.expires);
        match self.life {
            Life::Leaving if sent.expires > 0 => self.send(at, 0),
            Life::Open { again_at: None } => self.lasts(at, expires),
            _ => {}
        }
    }

    /// The subscription ends in so many seconds.
    fn lasts(&mut self, at: &At<'_>, seconds: u32) {
        let length = Duration::from_secs(seconds.clamp(1, LONGEST_EXPIRES).into());
        if let Life::Open { again_at } = &mut self.life {
            *again_at = Some(at.now + (length - LEAD.min(length / 2)));
        }
    }

    /// No response came.
    pub(super) fn handle_failure(&mut self, at: &mut At<'_>) {
        if self.sent.take().is_some() {
            self.fail(at, "the focus does not answer");
        }
    }

    /// The focus has forgotten the subscription: another one, in another dialog.
    fn renew(&mut self, at: &mut At<'_>) {
        if self.renewals >= RENEWALS_LIMIT {
            return self.fail(at, "the focus has ended the subscription too often");
        }
        self.renewals += 1;
        self.conference.forget_version();
        self.dialog.call_id = at.wire.call_id();
        self.dialog.remote = NameAddr::new(self.dialog.target.clone()).to_string().into();
        self.dialog.remote_tag = None;
        self.dialog.remote_seq = None;
        self.sent = None;
        self.ask_again(at);
    }

    /// Asks for the whole state, at once or a moment after the last time.
    fn ask_again(&mut self, at: &mut At<'_>) {
        if let Life::Open { again_at } = &mut self.life {
            *again_at = Some(at.now.max(self.asked_at + RENEW_PACE));
            self.handle_timeout(at);
        }
    }

    /// A request came in its dialog; only NOTIFY has a meaning there.
    pub(super) fn handle_request(&mut self, at: &mut At<'_>, transaction: TransactionId, request: &Request) {
        if request.method != Method::NOTIFY {
            at.respond(transaction, crate::sip::endpoint::not_allowed(request));
            return;
        }
        let (status, document) = self.take(at, request);
        let mut response = Response::to(request, status);
        if status == 415 {
            response.headers.push(Header::new(Name::Accept, Text::fixed(TYPE)));
        }
        at.respond(transaction, response);
        if status != 200 {
            debug!(leg = %at.leg.id, status, "refuses what the focus tells");
            return;
        }
        if let Some(document) = document {
            match self.conference.take(document) {
                Taken::Merged => self.tell(at),
                Taken::Stale => debug!(leg = %at.leg.id, "the focus tells what is of no use"),
                Taken::Gap => {
                    debug!(leg = %at.leg.id, "the focus has told something that was lost; asks for all of it");
                    self.ask_again(at);
                }
            }
        }
        self.take_state(at, &request.headers);
    }

    /// The status that a NOTIFY deserves, and its document.
    fn take(&mut self, at: &At<'_>, request: &Request) -> (u16, Option<Document>) {
        let headers = &request.headers;
        let package = headers.get(&Name::Event).map(|e| e.as_str().split(';').next().unwrap_or_default().trim());
        if package != Some(PACKAGE) {
            return (489, None);
        }
        if !headers.has(&Name::SubscriptionState) {
            return (400, None);
        }
        if self.life == Life::Over {
            return (481, None);
        }
        let number = headers.cseq().map(|c| c.number).unwrap_or_default();
        match self.dialog.take_cseq(number) {
            Err(OutOfOrder::Stale) => return (500, None),
            Err(OutOfOrder::Again) => return (482, None),
            Ok(()) => {}
        }
        // RFC 6665 §4.1.2.4: the NOTIFY may come before the 2xx, and opens the dialog as well.
        if self.dialog.remote_tag.is_none() {
            self.dialog.remote_tag = headers.from().ok().and_then(|from| from.tag().map(str::to_owned));
            self.dialog.remote = headers.get(&Name::From).cloned().unwrap_or_default();
            let routes = headers.record_routes().unwrap_or_default();
            self.dialog.routes = routes.into_iter().take(crate::sip::dialog::ROUTES_LIMIT).collect();
        }
        self.dialog.refresh_target(headers);
        if request.body.is_empty() {
            return (200, None);
        }
        if !headers.content_type().is_ok_and(|t| t.is_some_and(|t| t.media_type.eq_ignore_ascii_case(TYPE))) {
            return (415, None);
        }
        match Document::read(&request.body) {
            Ok(document) => (200, Some(document)),
            Err(error) => {
                info!(leg = %at.leg.id, %error, "the focus tells what cannot be read");
                (if matches!(error, Unreadable::Large(_)) { 413 } else { 400 }, None)
            }
        }
    }

    /// `Subscription-State` (RFC 6665 §4.1.3).
    fn take_state(&mut self, at: &mut At<'_>, headers: &Headers) {
        let value = headers.get(&Name::SubscriptionState).map(|v| v.as_str().to_owned()).unwrap_or_default();
        let state = value.split(';').next().unwrap_or_default();
        if !state.trim().eq_ignore_ascii_case("terminated") {
            let expires = param(&value, "expires").and_then(|e| e.parse().ok());
            // Where something was lost, the next request has its own time.
            if let (Some(expires), None, Life::Open { again_at: Some(_) }) = (expires, &self.sent, self.life)
                && self.conference.is_known()
            {
                self.lasts(at, expires);
            }
            return;
        }
        match (self.life, param(&value, "reason")) {
            (Life::Open { .. }, Some("deactivated" | "timeout")) => self.renew(at),
            (Life::Leaving, _) => self.life = Life::Over,
            _ => self.fail(at, "the focus has ended the subscription"),
        }
    }

    fn tell(&mut self, at: &mut At<'_>) {
        let roster = self.conference.roster(self.session.as_str(), self.ours.as_ref());
        if roster == self.told || !matches!(self.life, Life::Open { .. }) {
            return;
        }
        match self.told_at.map(|told| told + PACE).filter(|due| *due > at.now) {
            Some(due) => self.tell_at = Some(due),
            None => {
                self.told_at = Some(at.now);
                self.told = roster.clone();
                at.hear(Signal::Roster(Box::new(roster)));
            }
        }
    }
}

/// A parameter of `Subscription-State`.
fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').skip(1).find_map(|param| {
        let (key, value) = param.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
