//! The headers of the extensions to sessions: session timers (RFC 4028) and reliable provisional responses (RFC 3262).

use std::fmt;

use super::typed::number;
use super::{BadHeader, Headers, Method, Name, Params};

/// Who refreshes a session, by the part that it has in the request at hand (RFC 4028 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Client,
    /// Who answers it.
    Server,
}

/// Session-Expires (RFC 4028 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpires {
    /// How long the session lasts without a refresh, in seconds.
    pub seconds: u32,
    /// Who refreshes it, if that is said.
    pub refresher: Option<Refresher>,
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        match self.refresher {
            None => Ok(()),
            Some(Refresher::Client) => f.write_str(";refresher=uac"),
            Some(Refresher::Server) => f.write_str(";refresher=uas"),
        }
    }
}

/// RAck (RFC 3262 §7.2): which provisional response a PRACK is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RAck {
    /// The number in its RSeq.
    pub rseq: u32,
    /// The number in its CSeq.
    pub cseq: u32,
    /// The method in its CSeq.
    pub method: Method,
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.cseq, self.method)
    }
}

impl Headers {
    /// Session-Expires; `None` if there is none. A `refresher` of another word counts as unsaid.
    ///
    /// # Errors
    /// It does not begin with a number.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, BadHeader> {
        let Some(text) = self.get(&Name::SessionExpires) else { return Ok(None) };
        let (seconds, params) = text.split_once(';').unwrap_or((text, ""));
        let seconds = number(seconds.trim());
        let seconds = seconds.ok_or(BadHeader { name: Name::SessionExpires, what: "is no number" })?;
        let params = Params::read(params, true).unwrap_or_default();
        let refresher = match params.get("refresher") {
            Some(word) if word.eq_ignore_ascii_case("uac") => Some(Refresher::Client),
            Some(word) if word.eq_ignore_ascii_case("uas") => Some(Refresher::Server),
            _ => None,
        };
        Ok(Some(SessionExpires { seconds, refresher }))
    }

    /// Min-SE, in seconds; one that cannot be read counts as none.
    pub fn min_se(&self) -> Option<u32> {
        number(self.get(&Name::MinSe)?.split(';').next().unwrap_or_default().trim())
    }

    /// RSeq; `None` if there is none that can be read. Zero is no number of a response (RFC 3262 §7.1).
    pub fn rseq(&self) -> Option<u32> {
        number(self.get(&Name::RSeq)?).filter(|n| *n > 0)
    }

    /// RAck.
    pub fn rack(&self) -> Option<RAck> {
        let mut words = self.get(&Name::RAck)?.split([' ', '\t']).filter(|w| !w.is_empty());
        let (rseq, cseq, method) = (words.next()?, words.next()?, words.next()?);
        Some(RAck { rseq: number(rseq)?, cseq: number(cseq)?, method: method.into() })
    }

    /// Whether the option tag stands in Require.
    pub fn requires(&self, option: &str) -> bool {
        self.elements(&Name::Require).any(|o| o.eq_ignore_ascii_case(option))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Header;

    fn headers(name: Name, value: &str) -> Headers {
        [Header::new(name, value)].into_iter().collect()
    }

    #[test]
    fn the_time_of_a_session_is_read_with_and_without_its_refresher() {
        let read = |text: &str| headers(Name::SessionExpires, text).session_expires();
        for (text, seconds, refresher) in [
            ("1800", 1800, None),
            ("90;refresher=uac", 90, Some(Refresher::Client)),
            (" 90 ; Refresher=UAS;x=y", 90, Some(Refresher::Server)),
            ("4294967295;refresher=proxy", u32::MAX, None),
        ] {
            assert_eq!(read(text), Ok(Some(SessionExpires { seconds, refresher })), "{text}");
        }
        for text in ["", "soon", "-1", "4294967296", ";refresher=uac"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(Headers::default().session_expires(), Ok(None));
        let written = SessionExpires { seconds: 600, refresher: Some(Refresher::Server) };
        assert_eq!(read(&written.to_string()), Ok(Some(written)));
        assert_eq!(headers(Name::MinSe, "120;x").min_se(), Some(120));
        assert_eq!(headers(Name::MinSe, "short").min_se(), None);
    }

    #[test]
    fn a_prack_names_the_response_that_it_is_for() {
        let rack = headers(Name::RAck, "776656  1 INVITE").rack().map(|r| (r.rseq, r.cseq, r.method));
        assert_eq!(rack, Some((776_656, 1, Method::INVITE)));
        for text in ["", "1", "1 2", "x 1 INVITE", "1 -2 INVITE", "99999999999 1 INVITE"] {
            assert_eq!(headers(Name::RAck, text).rack(), None, "{text}");
        }
        assert_eq!(headers(Name::RSeq, "5").rseq(), Some(5));
        assert_eq!(headers(Name::RSeq, "0").rseq(), None);
    }
}
