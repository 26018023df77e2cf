//! How a call begins: with an offer, without one, or with one that has to be asked for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tracing::info;

use super::candidates::Kept;
use super::diverted::Diverted;
use super::ears::Ears;
use super::leg::{Leg, Who};
use super::negotiate;
use super::plan::{Action, Plan};
use super::pressing::Pressing;
use super::record::Ledger;
use super::two_party::{Call, RELAY_PATIENCE, State};
use crate::base::{CallId, ExchangeId, LegId};
use crate::model::{Abilities, Cause, Detail, Hangup, LegSpec, MediaPath, Offer, Signal, Start};

/// How long a caller may take to offer once it was asked. IM clients take a second; some wait for the servers
/// that tell them their public address.
const OFFER_PATIENCE: Duration = Duration::from_secs(35);

/// What a call begins with.
#[derive(Debug)]
pub struct Opening {
    /// Its name.
    pub call: CallId,
    /// The caller's leg.
    pub leg: LegId,
    /// What the caller's wire can say.
    pub abilities: Abilities,
    /// What the caller said.
    pub start: Start,
    /// What the dialplan decided.
    pub plan: Plan,
    /// The time of day, in milliseconds since the Unix epoch.
    pub wall_ms: u64,
}

/// The caller was asked for its offer.
#[derive(Debug)]
pub struct Soliciting {
    /// Until when it may make one.
    pub deadline: Instant,
    /// The exchange in which it should come.
    exchange: ExchangeId,
    /// What is to be done with the call then.
    action: Action,
}

impl Call {
    /// Begins a call. It may be over at once; [`Call::poll_output`] tells.
    pub fn open(now: Instant, opening: Opening) -> Call {
        let Opening { call, leg, abilities, start, plan, wall_ms } = opening;
        let ledger = Ledger::new(now, wall_ms, call, &start, plan.rule.clone());
        let mut caller = Leg::new(leg, abilities, LegSpec::PHONE);
        caller.is_open = true;
        caller.names.own = start.about.session_id;
        caller.who = Who { entry: start.entry.clone(), party: start.from.clone() };
        let mut this = Call {
            id: call,
            state: State::Talking,
            caller,
            callees: Vec::new(),
            attempts: VecDeque::new(),
            hops_left: start.hops_left,
            entry: start.entry.clone(),
            identity: start.about.identity.clone(),
            diverted: Diverted::new(&start),
            passports: start.about.passports.clone(),
            along: start.about.along.clone(),
            words: None,
            caller_gone: false,
            echo: false,
            recital: None,
            late_offer: false,
            answered: false,
            owed: Vec::new(),
            awaiting_ready: Vec::new(),
            asking: None,
            met: Vec::new(),
            transfer: None,
            told: None,
            pressing: Pressing::new(&start.about.keys),
            stats_asked_by: None,
            services: plan.services,
            ledger,
            kept: Kept::default(),
            revision: 0,
            graph: Vec::new(),
            ears: Ears::default(),
            wanted_taps: Vec::new(),
            outputs: VecDeque::new(),
        };
        match (plan.action, start.offer) {
            (Action::Reject(cause), _) => this.finish(now, Hangup::new(cause)),
            (action, Some(offer)) => this.begin(now, action, offer),
            (action, None) if abilities.offers_when_asked => this.solicit(now, action),
            (action, None) => {
                this.late_offer = true;
                this.caller.spec = abilities.offers;
                this.caller.set_codecs(negotiate::everything(this.caller.spec));
                if !abilities.keys.has_events() {
                    this.caller.leave_out_events();
                }
                this.act(now, action);
            }
        }
        this
    }

    /// The caller's offer is there.
    fn begin(&mut self, now: Instant, action: Action, offer: Offer) {
        match negotiate::caller_spec(&offer.description, &self.caller.abilities) {
            Ok(spec) => self.caller.spec = spec,
            Err(why) => return self.refuse_media(now, why),
        }
        self.caller.take_offer(offer.exchange, offer.description);
        self.act(now, action);
    }

    fn act(&mut self, now: Instant, action: Action) {
        match action {
            Action::Reject(cause) => self.finish(now, Hangup::new(cause)),
            Action::Echo => self.open_echo(now),
            Action::Play { sound, reject } => self.open_play(now, sound, reject),
            Action::Dial(attempts) => {
                self.attempts = attempts.into();
                if !self.announce(now) {
                    self.next_attempt(now, Hangup::new(Cause::Unavailable));
                }
            }
        }
    }

    /// Nobody is rung for a caller of whose media nothing is known yet.
    fn solicit(&mut self, now: Instant, action: Action) {
        let exchange = ExchangeId::heard(1);
        self.state = State::Soliciting(Soliciting { deadline: now + OFFER_PATIENCE, exchange, action });
        self.say(self.caller.id, Signal::Solicit(exchange));
    }

    /// The caller said something while its offer is waited for.
    pub(super) fn hear_solicited(&mut self, now: Instant, signal: Signal) {
        let State::Soliciting(soliciting) = &mut self.state else { return };
        match signal {
            Signal::Offer(offer) if offer.exchange == soliciting.exchange => {
                let action = std::mem::replace(&mut soliciting.action, Action::Reject(Cause::ServerError));
                self.state = State::Talking;
                self.begin(now, action, offer);
            }
            Signal::Refuse { cause, .. } => self.finish(now, Hangup::new(cause)),
            Signal::Candidates(candidates) => self.kept.push(candidates),
            Signal::Hold(on) => self.caller.holds_by_word = on,
            other => info!(call = %self.id, ?other, "is of no use before the offer"),
        }
    }

    pub(super) fn nothing_was_offered(&mut self, now: Instant) {
        let seconds = OFFER_PATIENCE.as_secs();
        let text = Some(format!("the caller was asked for its offer and made none within {seconds} s"));
        self.finish(now, Hangup { cause: Cause::Timeout, detail: Some(Detail { text, ..Detail::default() }) });
    }

    fn open_echo(&mut self, now: Instant) {
        self.echo = true;
        self.ledger.target("echo");
        self.ledger.path(MediaPath::Relayed, Some("the gateway itself answers"));
        if !self.late_offer {
            let taken = negotiate::for_callee(self.caller.offered_codecs(), self.caller.spec);
            self.caller.set_codecs(negotiate::for_caller(self.caller.offered_codecs(), &taken, false));
            if self.caller.codecs.is_empty() {
                let why = negotiate::mismatch(self.caller.offered_codecs(), &negotiate::translatable());
                return self.refuse_media(now, why);
            }
            self.ledger.codec(self.caller.codecs.iter().find(|c| c.is_speech()));
        }
        self.state = State::Answering { deadline: now + RELAY_PATIENCE, callee_is_up: true };
        self.apply();
    }

    pub(super) fn refuse_media(&mut self, now: Instant, why: String) {
        self.ledger.why(why.clone());
        let detail = Detail { text: Some(why), ..Detail::default() };
        self.finish(now, Hangup { cause: Cause::MediaIncompatible, detail: Some(detail) });
    }
}
