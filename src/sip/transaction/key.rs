//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3).

use std::sync::Arc;

/// What begins each branch that is unique by itself (RFC 3261 §8.1.1.7).
pub const COOKIE: &str = "z9hG4bK";

/// Whether a branch names a transaction together with who made it, and nothing else of the request is needed for that.
pub fn is_unique(branch: &str) -> bool {
    branch.len() > COOKIE.len() && branch.starts_with(COOKIE)
}

/// The parts of a request that name its transaction.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The method.
    pub method: &'a str,
    /// The Request-URI as it stands.
    pub uri: &'a str,
    /// The topmost `Via` as it stands.
    pub via: &'a str,
    /// Its branch.
    pub branch: Option<&'a str>,
    /// Its host and port.
    pub sent_by: &'a str,
    /// The `Call-ID`.
    pub call_id: &'a str,
    /// The tag in `From`.
    pub from_tag: &'a str,
    /// The number in `CSeq`.
    pub cseq: u32,
}

/// Names a server transaction. An ACK has the key of its INVITE; a CANCEL finds the key of what it cancels
/// by [`ServerKey::of_cancelled`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerKey {
    /// A branch with the cookie is unique together with who made it: host and port of the sender in lower case, the
    /// method, which is INVITE for ACK, and the branch, one a line.
    Branch(Arc<str>),
    /// An RFC 2543 peer: everything that does not change when the request is sent again. The `To` tag is
    /// left out, since an ACK has one where its INVITE had none.
    ///
    /// The method, INVITE for ACK, Request-URI, `From` tag, `Call-ID`, `CSeq` number and `Via`, one a line.
    Old(Arc<str>),
}

impl ServerKey {
    /// The key of a request.
    pub fn of(parts: &Parts<'_>) -> ServerKey {
        let method = if parts.method == "ACK" { "INVITE" } else { parts.method };
        ServerKey::with_method(parts, method)
    }

    /// The key of the INVITE that a CANCEL is about (RFC 3261 §9.2). INVITE is the only method that is worth
    /// cancelling; others are answered at once.
    pub fn of_cancelled(cancel: &Parts<'_>) -> ServerKey {
        ServerKey::with_method(cancel, "INVITE")
    }

    /// The key of an INVITE, whose branch names it.
    pub fn of_invite(branch: &str, sent_by: &str) -> ServerKey {
        ServerKey::of_branch(branch, sent_by, "INVITE")
    }

    fn of_branch(branch: &str, sent_by: &str, method: &str) -> ServerKey {
        let mut key = String::with_capacity(sent_by.len() + method.len() + branch.len() + 2);
        key.push_str(sent_by);
        key.make_ascii_lowercase();
        push_lines(&mut key, &[method, branch]);
        ServerKey::Branch(key.into())
    }

    fn with_method(parts: &Parts<'_>, method: &str) -> ServerKey {
        match parts.branch {
            Some(branch) if is_unique(branch) => ServerKey::of_branch(branch, parts.sent_by, method),
            _ => {
                let number = parts.cseq.to_string();
                let mut key = method.to_owned();
                push_lines(&mut key, &[parts.uri, parts.from_tag, parts.call_id, &number, parts.via]);
                ServerKey::Old(key.into())
            }
        }
    }
}

/// What makes a request the same one though it came by two ways (RFC 3261 §8.2.2.2): the method, the `Call-ID`, the number
/// in `CSeq` and the tag in `From`, one a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestKey(Arc<str>);

impl RequestKey {
    /// The key of a request.
    pub fn of(parts: &Parts<'_>) -> RequestKey {
        let mut key = String::with_capacity(parts.call_id.len() + parts.from_tag.len() + 24);
        key.push_str(parts.method);
        push_lines(&mut key, &[parts.call_id, itoa::Buffer::new().format(parts.cseq), parts.from_tag]);
        RequestKey(key.into())
    }
}

fn push_lines(key: &mut String, lines: &[&str]) {
    for line in lines {
        key.push('\n');
        key.push_str(line);
    }
}

/// Names a client transaction: the method of the response's `CSeq`, since a CANCEL shares its INVITE's branch, and the
/// branch that we made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientKey(Arc<str>);

impl ClientKey {
    /// The key of what we sent, or of a response to it.
    pub fn new(branch: &str, method: &str) -> ClientKey {
        ClientKey([method, "\n", branch].concat().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: Parts<'_> = Parts {
        method: "INVITE",
        uri: "sip:bob@example.org",
        via: "SIP/2.0/UDP a.example.org;branch=z9hG4bK1",
        branch: Some("z9hG4bK1"),
        sent_by: "a.example.org",
        call_id: "c1",
        from_tag: "f",
        cseq: 7,
    };

    #[test]
    fn an_ack_and_a_cancel_find_their_invite_whether_the_branch_is_new_or_old() {
        for branch in [INVITE.branch, Some("1"), Some(COOKIE), None] {
            let invite = Parts { branch, ..INVITE };
            let ack = Parts { method: "ACK", ..invite };
            let cancel = Parts { method: "CANCEL", ..invite };
            assert_eq!(ServerKey::of(&ack), ServerKey::of(&invite), "{branch:?}");
            assert_eq!(ServerKey::of_cancelled(&cancel), ServerKey::of(&invite), "{branch:?}");
            assert_ne!(ServerKey::of(&cancel), ServerKey::of(&invite), "{branch:?}");
        }
    }

    #[test]
    fn a_branch_with_the_cookie_is_unique_with_its_sender_and_nothing_else_matters() {
        let again = Parts { uri: "sip:other@example.org", call_id: "c2", sent_by: "A.example.org", ..INVITE };
        assert_eq!(ServerKey::of(&again), ServerKey::of(&INVITE));
        let other = Parts { sent_by: "b.example.org", ..INVITE };
        assert_ne!(ServerKey::of(&other), ServerKey::of(&INVITE));
    }

    #[test]
    fn without_the_cookie_call_id_tag_number_uri_and_via_tell_requests_apart() {
        let old = Parts { branch: Some("1"), ..INVITE };
        for other in [
            Parts { uri: "sip:carol@example.org", ..old },
            Parts { call_id: "c2", ..old },
            Parts { from_tag: "g", ..old },
            Parts { cseq: 8, ..old },
            Parts { via: "SIP/2.0/UDP b.example.org;branch=1", ..old },
        ] {
            assert_ne!(ServerKey::of(&other), ServerKey::of(&old), "{other:?}");
        }
    }
}
