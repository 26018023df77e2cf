//! A stream that is up: stanzas in, stanzas out, signs of life.

use std::io::ErrorKind;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use rxml::xml_ncname;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::{debug, warn};
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;

use super::fault::Fault;
use super::management::Management;
use super::stream::{Stream, Transport};
use super::xml::{self, Item, Reader};
use super::{Event, Pace};
use crate::jingle::config::ConnectionId;

/// Bytes that wait to be written while further stanzas are still added to them.
const HIGH_WATER: usize = 64 * 1024;
/// Bytes read at once.
const READ: usize = 16 * 1024;

/// What outlives one TCP connection of a stream.
pub struct Session {
    /// Our address.
    pub jid: Jid,
    /// What the task wants sent.
    pub outbox: mpsc::Receiver<Element>,
    /// Ready when the task has let go of the stream, even if there is no room to take more from it.
    pub let_go: oneshot::Receiver<()>,
    /// What is counted on it, if the server counts too.
    pub management: Option<Management>,
}

/// What a pump is told.
pub struct Pump<'a> {
    /// The connection.
    pub connection: ConnectionId,
    /// How long things may take.
    pub pace: &'a Pace,
    /// Where stanzas go.
    pub events: &'a mpsc::Sender<Event>,
    /// Whether the gateway ends.
    pub stop: &'a watch::Receiver<bool>,
    /// Who is asked for signs of life: the server, or on a component's stream we ourselves, through the server.
    pub alive: Alive,
}

/// Signs of life (XEP-0199).
pub struct Alive {
    /// Who is asked.
    pub asks: Jid,
    /// Who asks, where that must be said.
    pub from: Option<Jid>,
    /// The beginning of the identifiers, which nobody can guess.
    pub token: String,
    /// How many were asked for.
    pub count: u64,
}

impl Alive {
    fn ask(&mut self) -> Element {
        self.count += 1;
        Element::builder("iq", ns::JABBER_CLIENT)
            .attr(xml_ncname!("type").to_owned(), "get")
            .attr(xml_ncname!("id").to_owned(), format!("{}-{}", self.token, self.count))
            .attr(xml_ncname!("to").to_owned(), self.asks.to_string())
            .attr(xml_ncname!("from").to_owned(), self.from.as_ref().map(Jid::to_string))
            .append(Element::bare("ping", ns::PING))
            .build()
    }

    /// Whether the stanza is only such a sign: the answer, or our own question come back.
    fn is_sign(&self, stanza: &Element) -> bool {
        stanza.name() == "iq"
            && stanza.attr("id").is_some_and(|id| id.starts_with(&self.token))
            && stanza.attr("from").is_none_or(|from| from == self.asks.as_str())
    }
}

enum Wake {
    Read(usize),
    Wrote(usize),
    Say(Element),
    LetGo,
    Due,
}

/// How a pump comes to its end: the task has nothing more to say, or something is wrong.
type Ended = Result<(), Fault>;

struct State {
    namespace: &'static str,
    reader: Reader,
    unread: BytesMut,
    out: BytesMut,
    /// Whether there is something to write, or to flush.
    unflushed: bool,
    heard: Instant,
    asked: Option<Instant>,
}

impl Pump<'_> {
    /// Sends these once more, and runs until the gateway takes leave, or the stream is lost.
    ///
    /// # Errors
    /// Why it is lost.
    pub async fn run(&mut self, stream: Stream, session: &mut Session, again: &[Element]) -> Ended {
        let Stream { transport, namespace, reader, unread } = stream;
        let (mut reading, mut writing) = tokio::io::split(transport);
        let (out, heard) = (BytesMut::new(), Instant::now());
        let mut state = State { namespace, reader, unread, out, unflushed: false, heard, asked: None };
        for stanza in again {
            state.write(stanza);
        }
        let ended = self.turn(&mut state, session, &mut reading, &mut writing).await;
        if !matches!(ended, Err(Fault::Network(_) | Fault::Silent | Fault::Slow)) {
            let _ = timeout(self.pace.linger, close(state, session, reading, writing)).await;
        }
        ended
    }

    async fn turn(
        &mut self,
        state: &mut State,
        session: &mut Session,
        reading: &mut ReadHalf<Box<dyn Transport>>,
        writing: &mut WriteHalf<Box<dyn Transport>>,
    ) -> Ended {
        loop {
            while let Some(item) = state.next()? {
                self.take(item, state, session).await?;
            }
            state.unread.reserve(READ);
            let due = state.asked.map_or(state.heard + self.pace.quiet, |asked| asked + self.pace.patience);
            let wake = tokio::select! {
                read = reading.read_buf(&mut state.unread) => Wake::Read(read?),
                wrote = write_some(writing, &state.out), if state.unflushed => Wake::Wrote(wrote?),
                Some(stanza) = session.outbox.recv(), if state.out.len() < HIGH_WATER => Wake::Say(stanza),
                _ = &mut session.let_go => Wake::LetGo,
                () = tokio::time::sleep_until(due.into()) => Wake::Due,
            };
            match wake {
                Wake::Read(0) => return Err(Fault::torn()),
                Wake::Read(_) => (state.heard, state.asked) = (Instant::now(), None),
                Wake::Wrote(0) => {
                    state.unflushed = false;
                    let question = session.management.as_mut().and_then(Management::ask);
                    if let Some(question) = question {
                        state.write(&question);
                    }
                }
                Wake::Wrote(bytes) => state.out.advance(bytes),
                Wake::Say(stanza) => state.say(stanza, session)?,
                Wake::LetGo if *self.stop.borrow() => return Ok(()),
                Wake::LetGo => return Err(Fault::Slow),
                Wake::Due if state.asked.is_some() => return Err(Fault::Silent),
                Wake::Due => {
                    state.asked = Some(Instant::now());
                    state.say(self.alive.ask(), session)?;
                }
            }
        }
    }

    async fn take(&mut self, item: Item, state: &mut State, session: &mut Session) -> Ended {
        match item {
            Item::Header { .. } => Ok(()),
            Item::Footer => Err(Fault::Closed),
            Item::Dropped { name, why } => {
                debug!(name, why, "a stanza is dropped");
                session.management.iter_mut().for_each(Management::heard);
                Ok(())
            }
            Item::Element(error) if error.is("error", ns::STREAM) => Err(Fault::from_stream_error(&error)),
            Item::Element(stanza) if is_stanza(&stanza) => {
                if !self.alive.is_sign(&stanza) {
                    // The task is gone only when the gateway ends; the closed outbox says so.
                    let _ = self.events.send(Event::Stanza { connection: self.connection, stanza }).await;
                }
                session.management.iter_mut().for_each(Management::heard);
                Ok(())
            }
            Item::Element(word) if word.has_ns(ns::SM) => {
                let answer = session.management.as_mut().map_or(Ok(None), |management| management.handle(&word))?;
                if let Some(answer) = answer {
                    state.write(&answer);
                }
                Ok(())
            }
            Item::Element(other) => {
                debug!(name = other.name(), namespace = other.ns(), "an element that is no stanza is ignored");
                Ok(())
            }
        }
    }
}

/// Whether it is one of the three (RFC 6120 §8.1).
fn is_stanza(element: &Element) -> bool {
    element.has_ns(ns::JABBER_CLIENT) && matches!(element.name(), "message" | "presence" | "iq")
}

impl State {
    fn next(&mut self) -> Result<Option<Item>, Fault> {
        let mut bytes = &self.unread[..];
        let item = self.reader.next(&mut bytes);
        let understood = self.unread.len() - bytes.len();
        self.unread.advance(understood);
        item
    }

    fn say(&mut self, stanza: Element, session: &mut Session) -> Ended {
        if self.write(&stanza)
            && let Some(management) = &mut session.management
        {
            management.sent(stanza)?;
        }
        Ok(())
    }

    /// Whether it could be written; a stanza that cannot be is left out.
    fn write(&mut self, stanza: &Element) -> bool {
        if let Err(fault) = xml::write(self.namespace, stanza, &mut self.out) {
            warn!(name = stanza.name(), %fault, "a stanza was not sent");
            return false;
        }
        self.unflushed = true;
        true
    }
}

/// Writes some of it, or flushes if there is nothing left to write; then it is 0.
async fn write_some(writing: &mut WriteHalf<Box<dyn Transport>>, out: &[u8]) -> std::io::Result<usize> {
    if out.is_empty() {
        return writing.flush().await.map(|()| 0);
    }
    match writing.write(out).await? {
        0 => Err(ErrorKind::WriteZero.into()),
        bytes => Ok(bytes),
    }
}

/// Sends what is left, closes the stream, and waits until the server has closed it too (RFC 6120 §4.4).
async fn close(
    mut state: State,
    session: &mut Session,
    mut reading: ReadHalf<Box<dyn Transport>>,
    mut writing: WriteHalf<Box<dyn Transport>>,
) -> std::io::Result<()> {
    while let Ok(stanza) = session.outbox.try_recv() {
        state.write(&stanza);
    }
    state.out.extend_from_slice(xml::FOOTER);
    writing.write_all(&state.out).await?;
    writing.shutdown().await?;
    loop {
        state.unread.clear();
        if reading.read_buf(&mut state.unread).await? == 0 {
            return Ok(());
        }
    }
}
