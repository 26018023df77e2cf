//! SIP messages (RFC 3261 §7, §25): read from bytes, held in memory, written to bytes.
//!
//! `rsip` gives the vocabulary: methods, status codes, transports. Its tokenizer and its `Display` never
//! meet the wire, because they refuse unknown methods, IPv6 hosts, `tel:` addresses and compact names, and
//! corrupt escapes and binary bodies; the reader and the writer here are our own. Where `rsip` cannot hold
//! what a peer may legally say there is a type beside it ([`Method::Other`], [`ViaTransport::Other`], [`Uri`]).
//!
//! A message is read once as a whole ([`Message::read_datagram`], [`Framer`]), which checks all that
//! RFC 3261 §16.3 and §8.2 want checked of every message; its headers are typed when asked for
//! ([`Headers::from`], [`Headers::via`] …).

mod check;
mod extensions;
mod frame;
mod headers;
mod malformed;
mod method;
mod name;
mod name_addr;
mod params;
mod read;
mod request;
mod scan;
mod status;
#[cfg(test)]
mod tests;
mod text;
mod typed;
mod uri;
mod via;
mod write;

pub use extensions::{RAck, Refresher, SessionExpires};
pub use frame::{Frame, Framer};
pub use headers::{Header, Headers};
pub use malformed::Malformed;
pub use method::Method;
pub use name::Name;
pub use name_addr::NameAddr;
pub use params::Params;
pub use request::{Message, Request, Response};
pub use rsip::StatusCode;
pub(super) use scan::{elements, unquote, write_quoted};
pub use status::reason_phrase;
pub use text::Text;
pub use typed::{BadHeader, CSeq, Contacts, ContentType, Reason};
pub use uri::{BadUri, Host, SipUri, TelUri, Uri};
pub use via::{BRANCH_COOKIE, Via, ViaTransport};

/// The longest start line and headers together, in octets.
pub const MAX_HEAD: usize = 64 * 1024;
/// The most headers in one message.
pub const MAX_HEADERS: usize = 256;
/// The longest body, in octets.
pub const MAX_BODY: usize = 64 * 1024;
