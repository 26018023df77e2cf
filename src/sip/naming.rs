//! The name of a call on the wire: `Session-ID` (RFC 7989 §5).
//!
//! Towards each peer we speak for the party at the other end of the call: its half of the name is ours here, and the peer's
//! half is what it says. A peer of RFC 7329 knows but one name for both, which it gets back as it said it (§11).

use super::message::{Header, Headers, Name};
use crate::model::{SessionIds, SessionUuid};

/// What stands for a half that is not known.
const NIL: &str = "00000000000000000000000000000000";

/// The name of the call of one leg.
#[derive(Debug, Default)]
pub struct Naming {
    /// The half that we say is ours.
    local: Option<SessionUuid>,
    /// The peer's: as it said it, or made for it.
    remote: Option<SessionUuid>,
    /// The peer has said its own.
    is_heard: bool,
    /// The peer has but one name for the call.
    is_old: bool,
}

/// What a header says.
struct Said {
    local: Option<SessionUuid>,
    /// Whether it has a place for the other half.
    is_whole: bool,
}

impl Naming {
    /// Of a call that we make, for the party that has this half.
    pub fn of(local: Option<SessionUuid>) -> Naming {
        Naming { local, ..Naming::default() }
    }

    /// The call tells how the name is.
    pub fn told(&mut self, ids: SessionIds) {
        self.local = ids.peer.or(self.local);
        if !self.is_heard {
            self.remote = ids.own;
        }
    }

    /// The peer has written a message. Gives its half, if that is news.
    pub fn heard(&mut self, headers: &Headers) -> Option<SessionUuid> {
        let said = read(headers)?;
        self.is_old = !said.is_whole;
        // One of RFC 7329 that answers says the caller's name again.
        let half = said.local.filter(|half| said.is_whole || Some(*half) != self.local)?;
        let is_news = !std::mem::replace(&mut self.is_heard, true) || self.remote != Some(half);
        self.remote = Some(half);
        is_news.then_some(half)
    }

    /// The header of the next message to the peer; none in a call without a name.
    pub fn header(&self) -> Option<Header> {
        let (local, remote) = (self.local.map(|half| half.to_string()), self.remote.map(|half| half.to_string()));
        let value = match (local, remote) {
            (None, None) => return None,
            (Some(one), None) | (_, Some(one)) if self.is_old => one,
            (local, remote) => {
                let [local, remote] = [&local, &remote].map(|half| half.as_deref().unwrap_or(NIL));
                [local, ";remote=", remote].concat()
            }
        };
        Some(Header::new(Name::SessionId, value))
    }
}

/// What cannot be read counts as not said.
fn read(headers: &Headers) -> Option<Said> {
    let text = headers.get(&Name::SessionId)?.as_str();
    let (local, params) = text.split_once(';').unwrap_or((text, ""));
    let local = local.trim();
    if local.len() != NIL.len() || !local.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let is_remote =
        |param: &str| param.split('=').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("remote"));
    Some(Said { local: local.parse().ok(), is_whole: params.split(';').any(is_remote) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ab30317f1a784dc48ff824d0d3715d86";
    const B: &str = "47755a9de7794ba387653f2099600ef2";

    fn headers(value: &str) -> Headers {
        [Header::new("session-id", value)].into_iter().collect()
    }

    fn half(text: &str) -> Option<SessionUuid> {
        text.parse().ok()
    }

    fn said(naming: &Naming) -> String {
        naming.header().map(|h| h.value.to_string()).unwrap_or_default()
    }

    #[test]
    fn each_half_of_a_name_stands_where_the_standard_has_it() {
        let mut caller = Naming::of(half(A));
        assert_eq!(said(&caller), format!("{A};remote={NIL}"));
        assert_eq!(caller.heard(&headers(&format!("{NIL};remote={A}"))), None, "a proxy that has not heard of anybody");
        assert_eq!(caller.heard(&headers(&format!("{B};remote={A}"))), half(B));
        assert_eq!(caller.heard(&headers(&format!("{} ; x=y; Remote={A}", B.to_uppercase()))), None, "said before");
        assert_eq!(said(&caller), format!("{A};remote={B}"));
        caller.told(SessionIds { own: half(A), peer: half(A) });
        assert_eq!(said(&caller), format!("{A};remote={B}"), "what the peer says of itself counts");
        let mut callee = Naming::default();
        assert!(callee.header().is_none());
        callee.told(SessionIds { own: half(A), peer: None });
        assert_eq!(said(&callee), format!("{NIL};remote={A}"));
    }

    #[test]
    fn a_peer_that_has_one_name_for_both_gets_it_back() {
        let mut caller = Naming::default();
        assert_eq!(caller.heard(&headers(A)), half(A));
        caller.told(SessionIds { own: half(A), peer: half(B) });
        assert_eq!(said(&caller), A);
        let mut callee = Naming::of(half(A));
        assert_eq!(callee.heard(&headers(A)), None, "it is ours");
        assert_eq!(said(&callee), A);
    }

    #[test]
    fn what_is_no_name_is_passed_over() {
        for text in ["", ";remote=", "x", &A[1..], &format!("{A}0"), "g0000000000000000000000000000000;remote=x"] {
            let mut naming = Naming::default();
            assert_eq!(naming.heard(&headers(text)), None, "{text}");
            assert!(naming.header().is_none(), "{text}");
        }
    }
}
