//! Stream management (XEP-0198): a client's stream outlives its TCP connection, and no stanza is lost.
//!
//! ```text
//!   sent ──▶ unacknowledged ── a(h) ──▶ forgotten
//!                  └──── resumed(h) ──▶ sent again
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use rxml::xml_ncname;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;

use super::fault::Fault;

/// The most stanzas that a server may leave unacknowledged.
const MOST_UNACKNOWLEDGED: usize = 4096;
/// How long a stream is held for which the server does not say how long it holds it.
const HOLD: Duration = Duration::from_secs(30);

/// What is counted on a stream.
#[derive(Debug)]
pub struct Management {
    /// The name to resume it by; without one it cannot be.
    id: Option<String>,
    /// How long the server holds a stream whose connection is lost.
    hold: Duration,
    /// Stanzas that came.
    heard: u32,
    /// Stanzas that the server has acknowledged.
    acknowledged: u32,
    unacknowledged: VecDeque<Element>,
    /// Whether the server has been asked how many it had, and has not answered.
    is_asked: bool,
}

impl Management {
    /// Asks for it (XEP-0198 §3).
    pub fn enable() -> Element {
        Element::builder("enable", ns::SM).attr(xml_ncname!("resume").to_owned(), "true").build()
    }

    /// From the server's `<enabled/>`; `None` if it refuses.
    pub fn enabled(answer: &Element) -> Option<Management> {
        let is_resumable = matches!(answer.attr("resume"), Some("true" | "1"));
        let longest = answer.attr("max").and_then(|max| max.parse().ok()).map_or(HOLD, Duration::from_secs);
        (answer.name() == "enabled").then(|| Management {
            id: answer.attr("id").filter(|_| is_resumable).map(str::to_owned),
            hold: longest.min(HOLD),
            heard: 0,
            acknowledged: 0,
            unacknowledged: VecDeque::new(),
            is_asked: false,
        })
    }

    /// Asks for the stream as it was (XEP-0198 §5), if it can be had.
    pub fn resume(&self) -> Option<Element> {
        let id = self.id.as_deref()?;
        let resume = Element::builder("resume", ns::SM)
            .attr(xml_ncname!("previd").to_owned(), id)
            .attr(xml_ncname!("h").to_owned(), self.heard.to_string());
        Some(resume.build())
    }

    /// How long the stream can be had for once its connection is lost.
    pub fn hold(&self) -> Option<Duration> {
        self.id.is_some().then_some(self.hold)
    }

    /// A stanza came.
    pub fn heard(&mut self) {
        self.heard = self.heard.wrapping_add(1);
    }

    /// A stanza is being sent.
    ///
    /// # Errors
    /// [`Fault::Slow`] if too many are unacknowledged.
    pub fn sent(&mut self, stanza: Element) -> Result<(), Fault> {
        if self.unacknowledged.len() >= MOST_UNACKNOWLEDGED {
            return Err(Fault::Slow);
        }
        self.unacknowledged.push_back(stanza);
        Ok(())
    }

    /// Asks how many the server has had, if there is a need to.
    pub fn ask(&mut self) -> Option<Element> {
        let need = !self.unacknowledged.is_empty() && !self.is_asked;
        self.is_asked |= need;
        need.then(|| Element::bare("r", ns::SM))
    }

    /// The answer to what the server says, if it is a question.
    ///
    /// # Errors
    /// It claims to have had more than there was.
    pub fn handle(&mut self, word: &Element) -> Result<Option<Element>, Fault> {
        match word.name() {
            "r" => {
                let answer = Element::builder("a", ns::SM).attr(xml_ncname!("h").to_owned(), self.heard.to_string());
                Ok(Some(answer.build()))
            }
            "a" => {
                self.is_asked = false;
                let h = word.attr("h").and_then(|h| h.parse().ok());
                let h = h.ok_or_else(|| Fault::Malformed("it does not say how many it has had".into()))?;
                self.acknowledge(h).map(|()| None)
            }
            _ => Ok(None),
        }
    }

    /// The stream goes on; what the server has not had is to be sent again, and counts as sent.
    ///
    /// # Errors
    /// It claims to have had more than there was.
    pub fn resumed(&mut self, h: u32) -> Result<Vec<Element>, Fault> {
        self.is_asked = false;
        self.acknowledge(h)?;
        Ok(self.unacknowledged.iter().cloned().collect())
    }

    fn acknowledge(&mut self, h: u32) -> Result<(), Fault> {
        // XEP-0198 §4: the count goes round at 2^32.
        let had = h.wrapping_sub(self.acknowledged) as usize;
        if had > self.unacknowledged.len() {
            return Err(Fault::Malformed("it has had more than it was sent".into()));
        }
        self.unacknowledged.drain(..had);
        self.acknowledged = h;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn enabled() -> Management {
        let answer = "<enabled xmlns='urn:xmpp:sm:3' id='some-id' resume='true' max='600'/>";
        Management::enabled(&answer.parse().unwrap()).unwrap()
    }

    fn stanza(id: usize) -> Element {
        format!("<message xmlns='jabber:client' id='{id}'/>").parse().unwrap()
    }

    fn word(text: &str) -> Element {
        text.parse().unwrap()
    }

    #[test]
    fn what_the_server_has_not_had_is_sent_again_after_a_resumption() {
        let mut stream = enabled();
        (0..5).for_each(|id| stream.sent(stanza(id)).unwrap());
        stream.handle(&word("<a xmlns='urn:xmpp:sm:3' h='2'/>")).unwrap();
        assert_eq!(stream.resumed(3).unwrap(), [stanza(3), stanza(4)]);
        assert_eq!(stream.resumed(5).unwrap(), []);
    }

    #[test]
    fn the_server_is_told_how_many_came() {
        let mut stream = enabled();
        stream.heard();
        stream.heard();
        let answer = stream.handle(&word("<r xmlns='urn:xmpp:sm:3'/>")).unwrap().unwrap();
        assert_eq!(answer.attr("h"), Some("2"));
        assert_eq!(stream.resume().unwrap().attr("h"), Some("2"));
    }

    #[test]
    fn the_server_is_asked_once_and_again_only_after_its_answer() {
        let mut stream = enabled();
        assert!(stream.ask().is_none());
        stream.sent(stanza(1)).unwrap();
        stream.sent(stanza(2)).unwrap();
        assert!(stream.ask().is_some() && stream.ask().is_none());
        stream.handle(&word("<a xmlns='urn:xmpp:sm:3' h='1'/>")).unwrap();
        assert!(stream.ask().is_some());
    }

    #[test]
    fn a_server_that_counts_wrongly_or_never_answers_ends_the_stream() {
        let mut stream = enabled();
        assert!(stream.handle(&word("<a xmlns='urn:xmpp:sm:3' h='1'/>")).is_err());
        assert!(stream.handle(&word("<a xmlns='urn:xmpp:sm:3' h='x'/>")).is_err());
        let over = (0..=MOST_UNACKNOWLEDGED).find(|id| stream.sent(stanza(*id)).is_err());
        assert_eq!(over, Some(MOST_UNACKNOWLEDGED));
    }

    #[test]
    fn a_stream_without_a_name_is_not_held() {
        let answer: Element = "<enabled xmlns='urn:xmpp:sm:3' id='x'/>".parse().unwrap();
        let stream = Management::enabled(&answer).unwrap();
        assert!(stream.resume().is_none() && stream.hold().is_none());
        let answer: Element = "<failed xmlns='urn:xmpp:sm:3'/>".parse().unwrap();
        assert!(Management::enabled(&answer).is_none());
    }
}
