//! The conference package (RFC 4575): what a focus tells of who is in its conference, as documents and as the list that
//! they add up to. Without input or output: the subscription is in [`session::conference`](crate::sip::session).

pub mod document;
pub mod roster;
mod xml;

/// The package, as `Event` names it.
pub const PACKAGE: &str = "conference";
/// The type of its documents.
pub const TYPE: &str = "application/conference-info+xml";
