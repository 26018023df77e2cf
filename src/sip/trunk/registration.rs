//! Being registered at a carrier (RFC 3261 §10.2), as the agent.
//!
//! ```text
//!   Waiting ──due──▶ Asking ──2xx──▶ Waiting (for the refresh)
//!      ▲               │ 401, 407, 423: again at once
//!      │               │ 439: again at once, without `outbound` (RFC 5626 §6)
//!      └── longer and longer, by chance (RFC 5626 §4.5) ── else
//!   flow_failed() ──▶ Waiting, briefly at first
//!   leave() ──▶ Asking for no time at all ──▶ Gone
//! ```

use std::time::{Duration, Instant};

use crate::base::Dice;
use crate::sip::config::Trunk;
use crate::sip::flow::Flow;
use crate::sip::message::{Header, Host, Method, Name, NameAddr, Request, Response, SipUri, Text, Uri};
use crate::sip::session::proof::Proof;

use super::outbound::{Instance, Kept, LACKS_OUTBOUND, OPTION, Outbound};

/// The first wait after a failure (RFC 5626 §4.5, `base-time-all-fail`).
pub const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest (RFC 5626 §4.5, `max-time`).
pub const LONGEST_WAIT: Duration = Duration::from_secs(1800);
/// How soon after a connection was lost it is opened anew.
const RECONNECT: Duration = Duration::from_secs(1);
/// A refresh has at least this time, in which its request is repeated (RFC 3261 §17.1.2.2, timer F).
const REFRESH_ROOM: Duration = Duration::from_secs(32);
/// A carrier that grants less than this would be asked all the time.
const LEAST_GRANTED_S: u32 = 10;
/// The most that a 423 may ask for, in seconds.
const MOST_EXPIRES_S: u32 = 86_400;
/// How often in one round the wish for a time is corrected.
const CORRECTIONS: u8 = 2;
/// After how many attempts in a row that could not be made it is told, and after how many again.
const TOLD_FIRST: u32 = 5;
const TOLD_EVERY: u32 = 300;
/// The option tag of registering many numbers at once (RFC 6140 §4).
const BULK: &str = "gin";
/// The most hops of a `Service-Route`.
const ROUTES_LIMIT: usize = 8;

/// What the carrier believes of us.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Until when.
    pub until: Instant,
    /// The way by which we registered, and by which its calls come.
    pub flow: Flow,
    /// The way that our requests are to take (RFC 3608), nearest first.
    pub routes: Vec<NameAddr>,
    /// That it calls us by the flow, if it does (RFC 5626).
    pub kept: Option<Kept>,
}

/// What came of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// We are registered, for so long; `first` if we were not before.
    Registered {
        /// In seconds.
        expires_s: u32,
        /// Whether we were not registered before.
        first: bool,
        /// It was asked to call us by our flow, does not say that it will, and that has not been told yet.
        unkept: bool,
    },
    /// We are not, and why.
    Failed {
        /// One sentence.
        why: String,
        /// The status of the response, if one came.
        status: Option<u16>,
        /// When it is tried again.
        again_in: Duration,
    },
    /// The flow by which it calls us does not live any more; it is registered at anew.
    FlowFailed {
        /// One clause.
        why: String,
        /// When.
        again_in: Duration,
    },
    /// What was granted has run out.
    Lapsed,
    /// We have signed off.
    Left,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Send [`Registration::request`], on the same flow if there is one.
    Ask,
    /// The same, and tell that the first hop keeps no flows, so that the carrier is not asked to call us by ours
    /// (RFC 5626 §6).
    AskPlainly,
    /// Nothing but to tell.
    Tell(News),
}

#[derive(Debug, PartialEq)]
enum Phase {
    Waiting { at: Instant },
    Asking { flow: Flow },
    Gone,
}

/// The registration of one trunk.
#[derive(Debug)]
pub struct Registration {
    registrar: SipUri,
    account: NameAddr,
    /// The user part of our contact: by it the trunk's calls are known.
    token: String,
    call_id: Text,
    tag: String,
    cseq: u32,
    wanted_s: u32,
    /// Every number of the account at once, by a contact without a user part (RFC 6140 §5.2).
    is_bulk: bool,
    corrections: u8,
    /// What is asked about the flow, if anything is.
    outbound: Option<Outbound>,
    proof: Proof,
    last: Option<Request>,
    phase: Phase,
    held: Option<Held>,
    failures: u32,
    /// Flows in a row that failed without ever having shown that they live.
    dead_flows: u32,
    /// What is held, if anything is, is by a flow that has failed.
    has_failed: bool,
    /// How often in a row there was no way to ask.
    postponed: u32,
    leaving: bool,
}

impl Registration {
    /// Begins at once. `instance` is who we are there, if the trunk is to know us by our flow.
    pub fn new(now: Instant, trunk: &Trunk, instance: Instance, dice: &mut Dice) -> Registration {
        let host = Host::from(trunk.address.host.as_str());
        let mut registrar = SipUri::new(host);
        if let Some(port) = trunk.address.port {
            registrar = registrar.with_port(port);
        }
        let domain = trunk.from_domain.as_deref().unwrap_or(&trunk.address.host);
        let user = trunk.profile.account.as_deref().or(trunk.user.as_deref()).unwrap_or_default();
        Registration {
            registrar,
            account: NameAddr::new(SipUri::new(Host::from(domain)).with_user(user)),
            token: dice.token(16),
            call_id: dice.token(24).into(),
            tag: dice.token(12),
            cseq: 0,
            wanted_s: trunk.profile.expires_s,
            is_bulk: trunk.profile.bulk,
            corrections: 0,
            outbound: trunk.profile.outbound.then(|| Outbound::new(instance)),
            proof: Proof::default(),
            last: None,
            phase: Phase::Waiting { at: now },
            held: None,
            failures: 0,
            dead_flows: 0,
            has_failed: false,
            postponed: 0,
            leaving: false,
        }
    }

    /// The user part of our contact.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The user part of the address that is registered.
    pub fn account(&self) -> Option<String> {
        self.account.uri.user().map(|user| user.into_owned())
    }

    /// What the carrier believes of us, if it believes anything.
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// The flow of the round that goes on.
    pub fn flow(&self) -> Option<Flow> {
        match self.phase {
            Phase::Asking { flow } => Some(flow),
            Phase::Waiting { .. } | Phase::Gone => None,
        }
    }

    /// Whether a word is still to be had of the carrier about our going.
    pub fn is_leaving(&self) -> bool {
        self.leaving && self.phase != Phase::Gone
    }

    /// The first deadline.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = match self.phase {
            Phase::Waiting { at } => Some(at),
            Phase::Asking { .. } | Phase::Gone => None,
        };
        due.into_iter().chain(self.held.as_ref().map(|h| h.until)).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Step> {
        if self.held.as_ref().is_some_and(|held| held.until <= now) {
            self.lose();
            return Some(Step::Tell(News::Lapsed));
        }
        match self.phase {
            Phase::Waiting { at } if at <= now => {
                self.proof = Proof::default();
                self.corrections = 0;
                Some(Step::Ask)
            }
            _ => None,
        }
    }

    /// There is no way yet to ask: tries again in `again_in`, and tells of it when that has been so for some time.
    pub fn postpone(&mut self, now: Instant, again_in: Duration, why: &str) -> Option<Step> {
        self.phase = Phase::Waiting { at: now + again_in };
        self.postponed = self.postponed.saturating_add(1);
        let is_told = self.postponed % TOLD_EVERY == TOLD_FIRST;
        is_told.then(|| Step::Tell(News::Failed { why: why.to_owned(), status: None, again_in }))
    }

    /// The next REGISTER, without `Via` (RFC 3261 §10.2). `contact` is our host and port there.
    pub fn request(&mut self, flow: Flow, contact: SipUri, routes: &[NameAddr]) -> Request {
        self.cseq += 1;
        let expires_s = if self.leaving { 0 } else { self.wanted_s };
        let mut contact = NameAddr::new(self.contact(contact));
        contact.params.set("expires", expires_s.to_string());
        let asked = self.outbound.as_ref().filter(|outbound| outbound.is_asked());
        if let Some(outbound) = asked {
            outbound.mark(&mut contact);
        }
        let supported = if asked.is_some() { format!("{OPTION}, path") } else { "path".to_owned() };
        let mut request = Request::new(Method::REGISTER, Uri::Sip(self.registrar.clone()))
            .with(Header::of(Name::MaxForwards, 70))
            .with(Header::of(Name::From, self.account.clone().with_tag(&self.tag)))
            .with(Header::of(Name::To, &self.account))
            .with(Header::new(Name::CallId, &self.call_id))
            .with_cseq(self.cseq)
            .with(Header::of(Name::Contact, contact))
            .with(Header::of(Name::Expires, expires_s))
            .with(Header::new(Name::Supported, supported));
        if self.is_bulk {
            request.headers.push(Header::new(Name::Require, BULK));
            request.headers.push(Header::new(Name::ProxyRequire, BULK));
        }
        for route in routes {
            request.headers.push(Header::of(Name::Route, route));
        }
        for header in self.proof.headers() {
            request.headers.push(header.clone());
        }
        self.phase = Phase::Asking { flow };
        self.postponed = 0;
        self.last = Some(request.clone());
        request
    }

    /// What the carrier is to call: us under a name that nobody else is told, or every number at our address, which the
    /// carrier puts in itself.
    fn contact(&self, mut contact: SipUri) -> SipUri {
        if !self.is_bulk {
            return contact.with_user(&self.token);
        }
        contact.params.flag("bnc");
        contact
    }

    fn is_ours(&self, contact: &NameAddr) -> bool {
        match &contact.uri {
            Uri::Sip(uri) if self.is_bulk => uri.params.has("bnc"),
            uri => uri.user().as_deref() == Some(&self.token),
        }
    }

    /// Whether calls to any number may come by it.
    pub fn is_bulk(&self) -> bool {
        self.is_bulk
    }

    /// A response to the last REGISTER.
    pub fn handle_response(
        &mut self,
        now: Instant,
        response: &Response,
        trunk: &Trunk,
        dice: &mut Dice,
    ) -> Option<Step> {
        let Phase::Asking { flow } = self.phase else { return None };
        let status = response.code();
        match status {
            100..=199 => None,
            200..=299 if self.leaving => Some(self.gone()),
            200..=299 => Some(self.granted(now, response, flow, dice)),
            401 | 407 => {
                let Some(last) = self.last.take() else { return Some(self.lost(now, dice)) };
                if self.proof.take(response, &last, Some(trunk), dice) {
                    return Some(Step::Ask);
                }
                let why = if trunk.password.is_none() {
                    "it asks for a password and none is configured"
                } else {
                    "it does not take the user name and password"
                };
                Some(self.failed(now, why.to_owned(), Some(response), dice))
            }
            LACKS_OUTBOUND if self.outbound.as_mut().is_some_and(Outbound::refuse) => Some(Step::AskPlainly),
            423 if self.corrections < CORRECTIONS => self.correct(now, response, dice),
            420 if self.is_bulk && response.headers.elements(&Name::Unsupported).any(|tag| tag == BULK) => {
                let why = "it does not know the registration of many numbers at once (RFC 6140): take `bulk` away";
                Some(self.failed(now, why.to_owned(), Some(response), dice))
            }
            _ => {
                let why = format!("it says {status} {}", response.reason.as_str());
                Some(self.failed(now, why, Some(response), dice))
            }
        }
    }

    /// RFC 3261 §10.2.8: a longer time is wanted.
    fn correct(&mut self, now: Instant, response: &Response, dice: &mut Dice) -> Option<Step> {
        self.corrections += 1;
        match response.headers.min_expires() {
            Ok(Some(least)) if least > self.wanted_s && least <= MOST_EXPIRES_S => {
                self.wanted_s = least;
                Some(Step::Ask)
            }
            _ => {
                let why = "it wants another time than we ask for and does not say a usable one".to_owned();
                Some(self.failed(now, why, Some(response), dice))
            }
        }
    }

    fn granted(&mut self, now: Instant, response: &Response, flow: Flow, dice: &mut Dice) -> Step {
        let contacts = response.headers.contacts();
        let ours = contacts.as_ref().ok().and_then(|all| all.list().iter().find(|c| self.is_ours(c)));
        // RFC 3261 §10.2.4: the contact's own time counts first.
        let own = ours.and_then(|c| c.params.get("expires")).and_then(|e| e.parse::<u32>().ok());
        let all = response.headers.expires().ok().flatten();
        let expires_s = own.or(all).unwrap_or(self.wanted_s).min(MOST_EXPIRES_S);
        if expires_s < LEAST_GRANTED_S {
            let why = format!("it grants {expires_s} seconds only");
            return self.failed(now, why, None, dice);
        }
        let routes = response.headers.elements(&Name::ServiceRoute).filter_map(|r| r.parse().ok());
        let routes = routes.take(ROUTES_LIMIT).collect();
        let granted = Duration::from_secs(u64::from(expires_s));
        let first = std::mem::take(&mut self.has_failed) || self.held.is_none();
        let kept = self.outbound.as_ref().and_then(|outbound| outbound.read(response));
        let unkept = kept.is_none() && self.outbound.as_mut().is_some_and(Outbound::tell_unkept);
        self.held = Some(Held { until: now + granted, flow, routes, kept });
        self.failures = 0;
        self.phase = Phase::Waiting { at: now + refresh_after(granted, dice) };
        Step::Tell(News::Registered { expires_s, first, unkept })
    }

    /// Nobody answered, or the transport failed.
    pub fn lost(&mut self, now: Instant, dice: &mut Dice) -> Step {
        self.failed(now, "nobody answers there".to_owned(), None, dice)
    }

    /// The connection of a flow is gone: what we registered by it is worth nothing.
    pub fn handle_closed(&mut self, now: Instant, flow: &Flow) -> bool {
        let was_held = self.held.as_ref().is_some_and(|held| held.flow == *flow);
        if was_held {
            self.lose();
            if let Phase::Waiting { at } = &mut self.phase {
                *at = (*at).min(now + RECONNECT);
            }
        }
        was_held
    }

    /// The flow that was to be kept has failed (RFC 5626 §4.5): it is made again at once if it has ever lived, else after
    /// the waits of failures. A connection is worth nothing then; by UDP calls may come still, until all has run out.
    pub fn flow_failed(&mut self, now: Instant, why: String, was_proven: bool, dice: &mut Dice) -> Step {
        let again_in = if was_proven { RECONNECT } else { backoff(self.dead_flows, dice) };
        self.dead_flows = if was_proven { 0 } else { self.dead_flows.saturating_add(1) };
        self.has_failed = true;
        match &mut self.held {
            Some(held) if !held.flow.transport.is_reliable() => held.kept = None,
            _ => self.lose(),
        }
        if let Phase::Waiting { at } = &mut self.phase {
            *at = (*at).min(now + again_in);
        }
        Step::Tell(News::FlowFailed { why, again_in })
    }

    /// What is to be made anew may go by another first hop.
    fn lose(&mut self) {
        self.held = None;
        if let Some(outbound) = &mut self.outbound {
            outbound.renew();
        }
    }

    fn failed(&mut self, now: Instant, why: String, response: Option<&Response>, dice: &mut Dice) -> Step {
        if self.leaving {
            return self.gone();
        }
        let said = response.and_then(|r| r.headers.retry_after()).map(|wait| wait.min(LONGEST_WAIT));
        let again_in = backoff(self.failures, dice).max(said.unwrap_or_default());
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Waiting { at: now + again_in };
        Step::Tell(News::Failed { why, status: response.map(Response::code), again_in })
    }

    /// The program ends: signs off, if there is anything to sign off from.
    pub fn leave(&mut self) -> Option<Step> {
        self.leaving = true;
        let Some(held) = self.held.take() else {
            self.phase = Phase::Gone;
            return None;
        };
        self.proof = Proof::default();
        self.phase = Phase::Asking { flow: held.flow };
        Some(Step::Ask)
    }

    fn gone(&mut self) -> Step {
        self.phase = Phase::Gone;
        self.held = None;
        Step::Tell(News::Left)
    }
}

/// Between two thirds and five sixths of what was granted, with room for a request that has to be repeated.
fn refresh_after(granted: Duration, dice: &mut Dice) -> Duration {
    let chosen = granted * (66 + dice.below(17)) / 100;
    let latest = granted.saturating_sub(REFRESH_ROOM).max(granted / 2);
    chosen.min(latest)
}

/// RFC 5626 §4.5: twice as long after each failure, of which chance takes up to a half.
fn backoff(failures: u32, dice: &mut Dice) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << failures.min(10)).min(LONGEST_WAIT);
    longest * (50 + dice.below(51)) / 100
}
