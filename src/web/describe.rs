//! What we describe to a browser, with the version that RFC 3264 §8 asks for.

use std::net::{IpAddr, Ipv4Addr};

use crate::base::Dice;
use crate::model::Description;
use crate::sdp::{self, Origin};

/// The writer of one leg's descriptions.
#[derive(Debug)]
pub struct Describer {
    origin: Origin,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    description: Description,
    text: String,
}

impl Describer {
    /// A writer that has not written yet.
    pub fn new(dice: &mut Dice) -> Describer {
        // RFC 8829 §5.2.1: below 2^63, and the address says nothing.
        let origin = Origin::new(dice.u64() >> 2, IpAddr::V4(Ipv4Addr::LOCALHOST));
        Describer { origin: Origin { cname: Some(dice.token(16)), trickle: true, ..origin }, last: None }
    }

    /// The description as text; the version is one more than the last one's if it differs from it.
    pub fn write(&mut self, description: Description) -> &str {
        if self.last.as_ref().is_some_and(|last| last.description != description) {
            self.origin.version += 1;
            self.last = None;
        }
        let origin = &self.origin;
        let last = self.last.get_or_insert_with(|| Last { text: sdp::write(&description, origin), description });
        &last.text
    }

    /// Whether this is what was written last.
    pub fn repeats(&self, description: &Description) -> bool {
        self.last.as_ref().is_some_and(|last| last.description == *description)
    }

    /// What was written last.
    pub fn last(&self) -> Option<&str> {
        self.last.as_ref().map(|last| last.text.as_str())
    }
}
