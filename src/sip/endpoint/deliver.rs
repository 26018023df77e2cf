//! Calls of ours: from a `Start` that was said to the place where its INVITE goes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tracing::{info, warn};

use super::{Endpoint, LEGS_LIMIT};
use crate::base::LegId;
use crate::model::{Address, Cause, Contact, Hangup, Signal, Start};
use crate::sip::cause;
use crate::sip::say;
use crate::sip::session::Leg;
use crate::sip::session::calling::Destination;

impl Endpoint {
    pub(super) fn deliver(&mut self, now: Instant, leg: LegId, start: Box<Start>) {
        if self.legs.contains_key(&leg) {
            return warn!(%leg, "started twice; left out");
        }
        if self.legs.len() >= LEGS_LIMIT || self.wire.transactions.is_full() {
            return self.refuse(leg, cause::hangup(Cause::Congestion, "too many calls at once"));
        }
        match self.destination(start.contact.as_ref(), start.trunk.as_deref(), &start.to) {
            Ok(destination) => {
                let destination = Destination { answered: self.answered(&start), ..destination };
                info!(%leg, trunk = destination.trunk, "calls");
                let leg = Leg::call(now, &mut self.wire, leg, start, destination);
                self.keep(leg);
            }
            Err(hangup) => self.refuse(leg, hangup),
        }
    }

    fn refuse(&mut self, leg: LegId, hangup: Hangup) {
        info!(%leg, cause = %hangup.cause, "cannot be called");
        self.wire.hear(leg, Signal::Hangup(hangup));
    }

    /// Where a call or a message goes: to a device, or through a trunk.
    pub(super) fn destination(
        &mut self,
        contact: Option<&Contact>,
        trunk: Option<&str>,
        to: &Address,
    ) -> Result<Destination, Hangup> {
        if let Some(contact) = contact {
            let device = Destination::device(contact.clone())
                .ok_or_else(|| cause::hangup(Cause::Unavailable, "the device's address cannot be read"))?;
            let others = self.registrar.other_flows(&to.user, contact).into();
            return Ok(Destination { others, ..device });
        }
        let name = trunk.ok_or_else(|| cause::hangup(Cause::Unavailable, "neither a device nor a trunk to call by"))?;
        let config = Arc::clone(&self.wire.config);
        let trunk = config
            .trunks
            .get(name)
            .ok_or_else(|| cause::hangup(Cause::Unavailable, format!("there is no trunk called {name:?}")))?;
        let is_located = self.trunks.located(&config, name).is_some_and(|located| !located.is_empty());
        let mut flows = VecDeque::new();
        if let Some(located) = self.trunks.located(&config, name).filter(|_| is_located) {
            flows = self.wire.flows_to(located);
            if flows.is_empty() {
                let sentence =
                    format!("no socket listens for {} as the trunk {name:?} needs it", trunk.transport.via_word());
                return Err(cause::hangup(Cause::Network, sentence));
            }
            flows.retain(|flow| self.trunks.is_up(&config, name, &flow.remote));
            if flows.is_empty() {
                let sentence = format!("the trunk {name:?} does not answer");
                return Err(cause::hangup(Cause::Unavailable, sentence));
            }
        }
        let host = (!is_located).then(|| trunk.wish());
        let (routes, uri) = (self.trunks.routes(&config, name), say::uri_at_trunk(to, trunk));
        let (contact, others) = (None, VecDeque::new());
        Ok(Destination { trunk: Some(name.to_owned()), uri, flows, host, routes, contact, others, answered: None })
    }
}
