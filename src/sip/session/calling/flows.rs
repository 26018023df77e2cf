//! The flows of one device (RFC 5626): when one has failed, the next is called.

use tracing::info;

use super::{Calling, Destination};
use crate::model::{Contact, Hangup};
use crate::sip::message::Uri;
use crate::sip::registrar;
use crate::sip::session::{At, Stage};

impl Destination {
    /// A user's device, by one of its flows; `None` of an address that cannot be read.
    pub fn device(contact: Contact) -> Option<Destination> {
        let (flow, uri) = registrar::read_contact(&contact)?;
        let uri = match uri {
            Uri::Sip(uri) => Uri::Sip(uri.for_request_line()),
            other => other,
        };
        let routes = registrar::read_path(&contact);
        let (contact, flows) = (Some(contact), [flow].into());
        Some(Destination { trunk: None, uri, flows, host: None, routes, contact, others: [].into(), answered: None })
    }

    /// On to the next flow of the device; whether there is one.
    pub(super) fn turn(&mut self) -> bool {
        while let Some(contact) = self.others.pop_front() {
            if let Some(next) = Destination::device(contact) {
                let (others, answered) = (std::mem::take(&mut self.others), self.answered.take());
                *self = Destination { others, answered, ..next };
                return true;
            }
        }
        false
    }
}

impl Calling {
    /// The edge that keeps the flow says that it is gone (RFC 5626 §5.3.1): nobody is to be called by it any more, and
    /// this call goes by the next one.
    pub(super) fn flow_failed(self: Box<Self>, at: &mut At<'_>, failure: Hangup) -> Stage {
        if let Some(contact) = self.destination.contact.clone() {
            info!(leg = %at.leg.id, others = self.destination.others.len(), "the flow to the device is gone");
            at.wire.gone.push((self.start.to.user.clone(), contact));
        }
        self.try_next(at, failure)
    }
}
