//! [Description] to text.

use std::net::IpAddr;

use crate::model::Description;

/// The writer's identity (RFC 8866 §5.2, the `o=` line) and what else the text says of it.
///
/// Who writes owns the version: one more whenever the description differs from the one before
/// (RFC 3264 §8), the same when it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Unique for the session; below 2^62 for browsers (RFC 8829 §5.2.1).
    pub session_id: u64,
    /// The version of the description.
    pub version: u64,
    /// The writer's address; browsers write 127.0.0.1.
    pub address: IpAddr,
    /// The user name, `-` for none.
    pub name: String,
    /// The canonical name of the media's source (RFC 3550 §6.5.1). Given, streams that a browser is to play
    /// get an `a=msid` of this name too (RFC 8830).
    pub cname: Option<String>,
    /// Say `a=ice-options:trickle`: the writer takes candidates that come later (RFC 8838), and ends its own
    /// with `a=end-of-candidates` if no more follow.
    pub trickle: bool,
}

impl Origin {
    /// A first description's origin, for a peer that does not trickle.
    pub fn new(session_id: u64, address: IpAddr) -> Origin {
        Origin { session_id, version: 1, address, name: "-".to_owned(), cname: None, trickle: false }
    }
}

/// Writes a description with CRLF line ends, in the order of RFC 8829 §5.2.
pub fn write(description: &Description, origin: &Origin) -> String {
    format!("v=0\r\no={} {}\r\ns=-\r\nt=0 0\r\n{}", origin.name, origin.session_id, description.streams.len())
}
