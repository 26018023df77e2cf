//! Calls of ours: from a `Start` that was said to the place where its INVITE goes.

use std::time::Instant;

use tracing::{info, warn};

use super::{Endpoint, LEGS_LIMIT};
use crate::base::LegId;
use crate::model::{Address, Cause, Contact, Hangup, Signal, Start};
use crate::sip::cause;
use crate::sip::message::Uri;
use crate::sip::registrar;
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
        &self,
        contact: Option<&Contact>,
        trunk: Option<&str>,
        to: &Address,
    ) -> Result<Destination, Hangup> {
        if let Some(contact) = contact {
            let (flow, uri) = registrar::read_contact(contact)
                .ok_or_else(|| cause::hangup(Cause::Unavailable, "the device's address cannot be read"))?;
            let uri = match uri {
                Uri::Sip(uri) => Uri::Sip(uri.for_request_line()),
                other => other,
            };
            return Ok(Destination { trunk: None, uri, flows: [flow].into(), host: None });
        }
        let name = trunk.ok_or_else(|| cause::hangup(Cause::Unavailable, "neither a device nor a trunk to call by"))?;
        let config = &self.wire.config;
        let trunk = config
            .trunks
            .get(name)
            .ok_or_else(|| cause::hangup(Cause::Unavailable, format!("there is no trunk called {name:?}")))?;
        let addresses = self.trunks.addresses(config, name);
        let flows = addresses.iter().filter_map(|a| self.wire.flow_to(trunk.transport, *a)).collect();
        if !addresses.is_empty() && std::collections::VecDeque::is_empty(&flows) {
            let sentence =
                format!("no socket listens for {} as the trunk {name:?} needs it", trunk.transport.via_word());
            return Err(cause::hangup(Cause::Network, sentence));
        }
        let host = addresses.is_empty().then(|| (trunk.address.clone(), trunk.transport));
        Ok(Destination { trunk: Some(name.to_owned()), uri: say::uri_at_trunk(to, trunk), flows, host })
    }
}
