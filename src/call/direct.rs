//! A call whose media go from endpoint to endpoint: what each side says of its media passes to the other as it
//! is, and nothing is ever ordered of the relay.
//!
//! ```text
//!  Start to the only branch ──▶ rings ──Answer, Accept──▶ both talk
//!                                 │ declined, gone, not in time
//!                                 ▼
//!                            the next attempt, whose way is chosen anew
//! ```
//!
//! What the callee says of its media reaches the caller when it picks up, so that an attempt that fails leaves
//! the caller's offer as it was. Both are kept: who is transferred is brought to the relay, with an offer that has the same
//! streams.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::candidates::Kept;
use super::leg::{Exchange, Leg};
use super::plan::Branch;
use super::two_party::{Call, State};
use crate::base::{ExchangeId, LegId};
use crate::model::{Answer, Candidates, Cause, Description, Dtmf, Hangup, MediaPath, Offer, Signal, Stage, Start};

/// How long a side may take to answer an offer of the other while they talk: a person may be asked.
const EXCHANGE_PATIENCE: Duration = Duration::from_secs(40);

/// An offer of one side that waits for the other's answer.
#[derive(Debug)]
struct Crossing {
    asker: LegId,
    /// What the asker calls the exchange.
    heard: ExchangeId,
    /// What it is called on the other side.
    said: ExchangeId,
    /// What it says, while they talk; until then the caller's leg has it.
    words: Option<Description>,
    /// Until when the asker waits; absent once it was refused for want of an answer. The other side still owes
    /// its own, and gets no further offer before.
    until: Option<Instant>,
}

/// A call whose media go directly.
#[derive(Debug)]
pub struct Direct {
    /// Until when the callee may ring; absent once it has picked up.
    ring_until: Option<Instant>,
    open: Option<Crossing>,
    /// The callee's answer, until it picks up.
    answer: Option<Answer>,
    /// The callee's candidates, until the caller has an answer that they belong to.
    kept: Kept,
    /// The caller has such an answer.
    is_described: bool,
}

impl Direct {
    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.ring_until.or(self.open.as_ref().and_then(|o| o.until))
    }

    /// Whether an offer of one side waits for the other's answer.
    pub fn is_negotiating(&self) -> bool {
        self.open.is_some()
    }

    /// What the offer says that an answer on the other leg belongs to, while they talk.
    fn take_words(&mut self, leg: LegId, said: ExchangeId) -> Option<(LegId, Description)> {
        let crossing = self.open.as_mut().filter(|o| o.said == said && o.asker != leg)?;
        Some((crossing.asker, crossing.words.take()?))
    }

    /// Which exchange of the asker's an answer or refusal on the other leg belongs to; it ends if that is final.
    fn close(&mut self, leg: LegId, said: ExchangeId, is_final: bool) -> Option<(LegId, ExchangeId)> {
        let crossing = self.open.as_ref().filter(|o| o.said == said && o.asker != leg)?;
        let asked = crossing.until.map(|_| (crossing.asker, crossing.heard));
        if is_final {
            self.open = None;
        }
        asked
    }
}

impl Call {
    /// Rings the only branch of an attempt with the caller's own offer.
    pub(super) fn dial_direct(&mut self, branch: Branch, ring_until: Instant) {
        let Some((heard, description)) = self.caller.open_offer().map(|(e, d)| (e, d.clone())) else { return };
        let who = super::leg::Who::called(&branch);
        let about = self.known_of(&branch);
        let Branch { leg: id, abilities, from, to, contact, trunk, .. } = branch;
        let mut callee = Leg::new(id, abilities, abilities.offers);
        callee.who = who;
        callee.is_open = true;
        let said = callee.next_exchange();
        self.callees.push(callee);
        self.state = State::Direct(Direct {
            ring_until: Some(ring_until),
            open: Some(Crossing { asker: self.caller.id, heard, said, words: None, until: Some(ring_until) }),
            answer: None,
            kept: Kept::default(),
            is_described: false,
        });
        let offer = Some(Offer { exchange: said, description });
        let start =
            Start { entry: self.entry.clone(), from, to, contact, trunk, offer, hops_left: self.hops_left, about };
        info!(call = %self.id, leg = %id, "calls; the media are to go directly");
        self.say(id, Signal::Start(Box::new(start)));
        self.say(id, Signal::Path(MediaPath::Direct));
        for candidates in self.kept.all() {
            self.say(id, Signal::Candidates(candidates));
        }
    }

    /// The callee said something before it picked up.
    pub(super) fn hear_direct_branch(&mut self, now: Instant, leg: LegId, signal: Signal) {
        match signal {
            Signal::Progress(progress) => {
                if progress.stage != Stage::Trying {
                    self.tell_name(self.caller.id, leg);
                }
                self.tell_of(leg, progress);
            }
            Signal::Accept => self.direct_accepted(now, leg),
            Signal::Redirect(_) => self.direct_ended(now, Hangup::new(Cause::NotSupported)),
            Signal::Hangup(hangup) => {
                let hangup = self.with_words(leg, hangup);
                self.direct_ended(now, hangup);
            }
            Signal::Refuse { cause, .. } => {
                self.say(leg, Signal::Hangup(Hangup::new(cause)));
                self.direct_ended(now, Hangup::new(cause));
            }
            other => self.hear_direct(now, leg, other),
        }
    }

    /// Either side said something that may come at any time.
    pub(super) fn hear_direct(&mut self, now: Instant, leg: LegId, signal: Signal) {
        let Some(signal) = self.hear_coming(now, leg, signal) else { return };
        let Some(other) = self.other(leg) else { return };
        match signal {
            Signal::Candidates(candidates) => self.direct_candidates(leg, other, candidates),
            Signal::Offer(offer) => self.direct_offer(now, leg, other, offer),
            Signal::Answer(answer) => self.direct_answer(leg, answer),
            Signal::Refuse { exchange, cause } => {
                let State::Direct(direct) = &mut self.state else { return };
                if let Some((asker, exchange)) = direct.close(leg, exchange, true) {
                    self.say(asker, Signal::Refuse { exchange, cause });
                }
            }
            // The other side would have to make an offer in an exchange of its own, and not every wire can.
            Signal::Solicit(exchange) => self.say(leg, Signal::Refuse { exchange, cause: Cause::NotSupported }),
            Signal::Hold(on) => self.direct_hold(leg, other, on),
            Signal::Dtmf(dtmf) => self.direct_digit(leg, other, dtmf),
            Signal::AskStats => self.say(leg, Signal::Stats(Box::default())),
            Signal::Transfer(wish) => self.hear_transfer(leg, wish),
            Signal::Mute(_)
            | Signal::Roster(_)
            | Signal::Connected(_)
            | Signal::Named(_)
            | Signal::UserToUser(_)
            | Signal::Lost
            | Signal::Back => self.hear_in_session(now, leg, signal),
            other => warn!(call = %self.id, %leg, ?other, "out of place"),
        }
    }

    fn direct_candidates(&mut self, leg: LegId, other: LegId, candidates: Candidates) {
        let State::Direct(direct) = &mut self.state else { return };
        if leg == self.caller.id {
            if direct.ring_until.is_some() {
                self.kept.push(candidates.clone());
            }
        } else if !direct.is_described {
            return direct.kept.push(candidates);
        }
        self.say(other, Signal::Candidates(candidates));
    }

    /// An offer passes to the other side if nothing is open between them; otherwise both have offered at once,
    /// or one has twice.
    fn direct_offer(&mut self, now: Instant, leg: LegId, other: LegId, offer: Offer) {
        let Offer { exchange: heard, description } = offer;
        let State::Direct(direct) = &mut self.state else { return };
        if direct.ring_until.is_some() || direct.open.is_some() {
            return self.say(leg, Signal::Refuse { exchange: heard, cause: Cause::Glare });
        }
        let Some(said) = self.leg_mut(other).map(Leg::next_exchange) else { return };
        let State::Direct(direct) = &mut self.state else { return };
        let words = Some(description.clone());
        direct.open = Some(Crossing { asker: leg, heard, said, words, until: Some(now + EXCHANGE_PATIENCE) });
        self.say(other, Signal::Offer(Offer { exchange: said, description }));
    }

    fn direct_answer(&mut self, leg: LegId, answer: Answer) {
        let State::Direct(direct) = &mut self.state else { return };
        let is_ringing = direct.ring_until.is_some();
        let offered = if answer.provisional { None } else { direct.take_words(leg, answer.exchange) };
        let Some((asker, exchange)) = direct.close(leg, answer.exchange, !answer.provisional) else {
            return warn!(call = %self.id, %leg, "answers what nobody asked");
        };
        let answer = Answer { exchange, ..answer };
        match (is_ringing, answer.provisional) {
            (true, false) => direct.answer = Some(answer),
            (false, false) => {
                let words = [offered, Some((leg, answer.description.clone()))];
                for (leg, description) in words.into_iter().flatten() {
                    self.described_by(leg, description);
                }
                self.say(asker, Signal::Answer(answer));
            }
            (_, true) if self.leg_mut(asker).is_some_and(|l| l.abilities.early_answer) => {
                self.say(asker, Signal::Answer(answer));
                self.described();
            }
            (_, true) => {}
        }
    }

    /// Keeps what a party said of its media, should it be brought to the relay.
    fn described_by(&mut self, leg: LegId, description: Description) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.keep_words(description);
        }
    }

    /// The caller has an answer: now the callee's candidates mean something to it.
    fn described(&mut self) {
        let State::Direct(direct) = &mut self.state else { return };
        direct.is_described = true;
        for candidates in direct.kept.take() {
            self.say(self.caller.id, Signal::Candidates(candidates));
        }
    }

    fn direct_accepted(&mut self, now: Instant, leg: LegId) {
        let State::Direct(direct) = &mut self.state else { return };
        let Some(answer) = direct.answer.take() else {
            let hangup = Hangup::new(Cause::MediaIncompatible);
            self.ledger.why("the callee picked up without an answer to the offer".into());
            self.say(leg, Signal::Hangup(hangup.clone()));
            return self.direct_ended(now, hangup);
        };
        direct.ring_until = None;
        self.kept.take();
        self.answered = true;
        self.caller.exchange = Exchange::Stable;
        self.ledger.answered(now);
        self.ledger.codec(answer.description.audio().and_then(|s| s.codecs.iter().find(|c| c.is_speech())));
        let caller = self.caller.id;
        self.described_by(leg, answer.description.clone());
        self.say(caller, Signal::Path(MediaPath::Direct));
        self.say(caller, Signal::Answer(answer));
        self.described();
        self.tell_names();
        self.pass_words(leg);
        self.say(caller, Signal::Accept);
        info!(call = %self.id, leg = %caller, "answered; the media go directly");
        for (holder, held) in [(caller, leg), (leg, caller)] {
            if self.leg_mut(holder).is_some_and(|l| l.holds_by_word) {
                self.pass_hold(held, true);
            }
        }
    }

    fn direct_ended(&mut self, now: Instant, hangup: Hangup) {
        self.callees.clear();
        self.attempt_failed(now, hangup);
    }

    pub(super) fn direct_timeout(&mut self, now: Instant) {
        let State::Direct(direct) = &mut self.state else { return };
        if direct.ring_until.is_some() {
            return self.ring_time_is_over(now);
        }
        if let Some(crossing) = &mut direct.open {
            crossing.until = None;
            let (asker, exchange) = (crossing.asker, crossing.heard);
            self.say(asker, Signal::Refuse { exchange, cause: Cause::Timeout });
        }
    }

    /// A hold that is said before the callee picks up is passed on when it does.
    fn direct_hold(&mut self, leg: LegId, other: LegId, on: bool) {
        let Some(known) = self.leg_mut(leg) else { return };
        if std::mem::replace(&mut known.holds_by_word, on) != on && self.answered {
            self.pass_hold(other, on);
        }
    }

    fn pass_hold(&mut self, towards: LegId, on: bool) {
        if self.leg_mut(towards).is_some_and(|l| l.abilities.hold) {
            self.say(towards, Signal::Hold(on));
        }
    }

    fn direct_digit(&mut self, leg: LegId, other: LegId, dtmf: Dtmf) {
        if self.leg_mut(other).is_some_and(|l| l.abilities.dtmf) {
            self.say(other, Signal::Dtmf(dtmf));
        } else {
            self.digit_is_lost(leg);
        }
    }
}
