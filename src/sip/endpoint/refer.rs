//! REFER (RFC 3515) and INVITE with `Replaces` (RFC 3891): which of our legs is meant.

use std::time::Instant;

use tracing::info;

use super::Endpoint;
use crate::base::LegId;
use crate::model::{self, Signal, Transfer};
use crate::sip::endpoint::receive::Named;
use crate::sip::flow::Flow;
use crate::sip::hear;
use crate::sip::message::{Request, Response};
use crate::sip::replaces::{self, Replaces, Target, Unfit, target_dialog};
use crate::sip::session::refer::is_silent;

impl Endpoint {
    /// A REFER within a dialog.
    pub(super) fn take_refer(&mut self, now: Instant, flow: Flow, request: Request, named: &Named, leg: LegId) {
        let transaction = self.serve(&request, flow, named);
        self.own(transaction, leg);
        let wish = self.wish(&request, &flow, leg);
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.handle_refer(now, &mut self.wire, (transaction, request, flow), wish);
        }
    }

    /// A REFER outside a dialog: nobody is sent anywhere who is not in a call with whoever asks for it, so it has to name
    /// that call (RFC 4538), and to come by its way.
    pub(super) fn take_refer_outside(&mut self, now: Instant, flow: Flow, request: Request, named: &Named) {
        match self.targeted(&request, &flow) {
            Ok(leg) => self.take_refer(now, flow, request, named, leg),
            Err(response) => self.answer(now, flow, &request, named, *response),
        }
    }

    fn targeted(&self, request: &Request, flow: &Flow) -> Result<LegId, Box<Response>> {
        let refuse = |status, words: &str| Err(Box::new(Response::to(request, status).with_reason(words)));
        let Some(target) = target_dialog(&request.headers)
            .map_err(|error| Box::new(Response::to(request, 400).with_reason(format!("Bad Request - {error}"))))?
        else {
            return refuse(403, "Forbidden - a transfer is asked for within its call");
        };
        let Some(leg) = self.named(&target) else { return Err(Box::new(Response::to(request, 481))) };
        if !self.legs.get(&leg).is_some_and(|leg| leg.came_by(flow)) {
            return refuse(403, "Forbidden - a transfer is asked for by who is in the call");
        }
        if !is_silent(&request.headers) {
            return refuse(403, "Forbidden - from outside its call a transfer is asked for with Refer-Sub: false");
        }
        Ok(leg)
    }

    /// The leg of the dialog that the peer names by `Target-Dialog`: its own tag is `local-tag` (RFC 4538 §7).
    fn named(&self, target: &Target) -> Option<LegId> {
        let id = *self.tags.get(&target.remote_tag)?;
        let is_it = self.legs.get(&id)?.is_dialog(&target.call_id.as_str().into(), Some(&target.local_tag));
        is_it.then_some(id)
    }

    fn wish(&self, request: &Request, flow: &Flow, leg: LegId) -> Result<Transfer, Box<Response>> {
        if let Some(response) = super::admission::unsupported(request) {
            return Err(Box::new(response));
        }
        let destination = replaces::refer_to(&request.headers).map_err(|unfit| {
            Box::new(match unfit {
                Unfit::Garbled(why) => Response::to(request, 400).with_reason(format!("Bad Request - {why}")),
                Unfit::Scheme => Response::to(request, 416),
                Unfit::Method => Response::to(request, 603),
            })
        })?;
        let to = hear::dialled(&destination.uri, flow, &self.wire)
            .ok_or_else(|| Box::new(Response::to(request, 404).with_reason("Not Found - the Refer-To names nobody")))?;
        let replaces = destination.replaces.map(|value| match Replaces::read(&value).and_then(|r| self.leg_of(&r)) {
            Some(leg) => model::Replaces::Leg(leg),
            None => model::Replaces::Elsewhere(value),
        });
        let is_trusted = self.legs.get(&leg).is_some_and(|leg| leg.is_trusted_with_words(&self.wire));
        let user_to_user = Some(destination.user_to_user).filter(|_| is_trusted).unwrap_or_default();
        // Who wishes it is known by the dialog, whatever Referred-By says.
        Ok(Transfer { to, replaces, by: None, user_to_user })
    }

    /// The leg that a call takes the place of; the tags are as we see them, for we are the target.
    fn leg_of(&self, replaces: &Replaces) -> Option<LegId> {
        let id = *self.tags.get(&replaces.to_tag)?;
        let leg = self.legs.get(&id)?;
        let call_id = replaces.call_id.as_str().into();
        let is_it = leg.is_alive() && leg.is_dialog(&call_id, Some(replaces.from_tag.as_str()));
        is_it.then_some(id)
    }

    /// The peer of a leg is asked to go somewhere by itself; a call of ours whose place it is to take is named as the
    /// peer of that call sees it.
    pub(super) fn send_somewhere(&mut self, now: Instant, leg: LegId, wish: Transfer) {
        let named = |id: &LegId| {
            let place = self.legs.get(id)?;
            Replaces::of_dialog(place.dialog()?, &place.tag).map(model::Replaces::Elsewhere)
        };
        let replaces = match wish.replaces {
            Some(model::Replaces::Leg(id)) => Some(named(&id).unwrap_or(model::Replaces::Leg(id))),
            other => other,
        };
        if let Some(known) = self.legs.get_mut(&leg) {
            known.say(now, &mut self.wire, Signal::Transfer(Transfer { replaces, ..wish }));
        }
    }

    /// The leg whose place an INVITE takes, if it asks for one (RFC 3891 §3).
    pub(super) fn replaced_by(&self, request: &Request) -> Result<Option<model::Replaces>, Box<Response>> {
        let bad = |error| Box::new(Response::to(request, 400).with_reason(format!("Bad Request - {error}")));
        let Some(replaces) = Replaces::of(&request.headers).map_err(bad)? else { return Ok(None) };
        let gone = || Box::new(Response::to(request, 481));
        let id = *self.tags.get(&replaces.to_tag).ok_or_else(gone)?;
        let leg = self.legs.get(&id).ok_or_else(gone)?;
        let call_id = replaces.call_id.as_str().into();
        if !leg.is_dialog(&call_id, Some(replaces.from_tag.as_str())) {
            return Err(gone());
        }
        if !leg.is_alive() {
            return Err(Box::new(Response::to(request, 603)));
        }
        if !leg.is_confirmed() {
            // It is early and the peer's own: whom it calls may not be taken over so.
            return Err(gone());
        }
        if replaces.early_only {
            return Err(Box::new(Response::to(request, 486)));
        }
        info!(leg = %id, "is to be replaced by another call");
        Ok(Some(model::Replaces::Leg(id)))
    }
}
