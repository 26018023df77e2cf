//! What a caller sends along that the gateway carries without looking into it.

use std::fmt;
use std::sync::Arc;

/// What a call carries along. It is personal, and never prints itself.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Along {
    /// The caller's words to the callee's system (RFC 7433), as they were on the wire.
    pub user_to_user: Vec<String>,
    /// Where the caller is. Said of emergency calls alone.
    pub location: Option<Arc<Location>>,
}

/// Where a caller is (RFC 6442), in words that the gateway does not read.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    /// The addresses of what says so, in documents of the call (`cid:`) or elsewhere, as they were on the wire.
    pub values: Vec<String>,
    /// Whether calls may be routed by it, as its maker says; `None` where it does not say.
    pub routing: Option<String>,
    /// The documents among the values (PIDF-LO, RFC 4119).
    pub documents: Vec<Document>,
}

/// A document that travels with a call.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// Its headers, as they were (RFC 2045 §3).
    pub headers: Vec<(String, String)>,
    /// Its octets.
    pub content: Vec<u8>,
}

/// What the system of one party says to that of the other (RFC 7433), as it was on the wire: [`UserToUser::MOST`] values,
/// of [`UserToUser::LONGEST`] octets. It is personal, and never prints itself.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UserToUser(pub Vec<String>);

impl UserToUser {
    /// The most values that are carried on.
    pub const MOST: usize = 8;
    /// The longest of them, in octets: 128 octets of data (ITU-T Q.957.1) as hexadecimal digits, and the parameters.
    pub const LONGEST: usize = 512;
}

impl fmt::Debug for UserToUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words of users", self.0.len())
    }
}

impl fmt::Debug for Along {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = if self.location.is_some() { "a location" } else { "no location" };
        write!(f, "{} words of users, {location}", self.user_to_user.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_along_does_not_print_itself() {
        let document = Document { headers: Vec::new(), content: b"home".to_vec() };
        let location = Location { values: vec!["cid:home".into()], routing: None, documents: vec![document] };
        let along = Along { user_to_user: vec!["home".into()], location: Some(Arc::new(location)) };
        assert_eq!(format!("{along:?}"), "1 words of users, a location");
        assert_eq!(format!("{:?}", UserToUser(along.user_to_user)), "1 words of users");
    }
}
