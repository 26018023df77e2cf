//! Messages out of a stream of bytes (RFC 3261 §7.5, §18.3; RFC 5626 §4.4.1 for keep-alives).

use bytes::{Buf, BytesMut};
use rsip::StatusCode;

use super::read::{Head, end_of_head};
use super::{MAX_BODY, MAX_HEAD, Malformed, Message};

/// What a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Message(Message),
    /// A message that cannot be served; the stream goes on behind it.
    Malformed(Malformed),
    /// CRLF CRLF: the peer wants a CRLF back.
    Ping,
    /// CRLF: the peer is there.
    Pong,
}

/// Cuts a stream into messages, however its bytes are split.
///
/// ```text
///   ┌──────┐  empty line   ┌──────┐
///   │ Head │──────────────▶│ Body │
///   │      │◀──────────────│      │
///   └──────┘ Content-Length└──────┘
/// ```
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Waits for the empty line, which does not end before `searched`.
    Head { searched: usize },
    /// Waits for `length` octets.
    Body { head: Box<Head>, length: usize },
    /// The stream has lost its frame.
    Dead,
}

impl Default for State {
    fn default() -> State {
        State::Head { searched: 0 }
    }
}

impl Framer {
    /// Takes bytes in. Never holds more than one head, one body and what was last pushed, if it is emptied
    /// by [`Framer::poll`] after each push.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Dead) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether a message has begun and not ended.
    pub fn is_in_message(&self) -> bool {
        matches!(self.state, State::Body { .. }) || self.buffer.iter().any(|b| !matches!(b, b'\r' | b'\n'))
    }

    /// Takes a CRLF away that is all there is: a pong, or half a ping, which whoever waits for a pong takes for one.
    pub fn take_pong(&mut self) -> bool {
        let is_pong = matches!(self.state, State::Head { searched: 0 }) && self.buffer.as_ref() == b"\r\n";
        if is_pong {
            self.buffer.clear();
        }
        is_pong
    }

    /// The next frame, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`Malformed`] if nobody can say where the next message begins: answer, then close the stream.
    pub fn poll(&mut self) -> Result<Option<Frame>, Malformed> {
        let result = self.advance();
        if result.is_err() {
            self.state = State::Dead;
            self.buffer = BytesMut::new();
        }
        result
    }

    fn advance(&mut self) -> Result<Option<Frame>, Malformed> {
        if let State::Head { searched } = self.state {
            if searched == 0
                && let Some(keep_alive) = self.keep_alive()
            {
                return Ok(keep_alive);
            }
            let Some(end) = end_of_head(&self.buffer, searched) else {
                if self.buffer.len() > MAX_HEAD {
                    return Err(Malformed::new(StatusCode::MessageTooLarge, "the headers are too long"));
                }
                // The empty line may have begun in the last three octets.
                self.state = State::Head { searched: self.buffer.len().saturating_sub(3) };
                return Ok(None);
            };
            let head = Head::read(&self.buffer.split_to(end).freeze())?;
            let length = match head.content_length() {
                Err(why) => return Err(head.refuse(StatusCode::BadRequest, why)),
                Ok(length) => length.unwrap_or(0),
            };
            if length > MAX_BODY {
                return Err(head.refuse(StatusCode::RequestEntityTooLarge, "the body is too large"));
            }
            self.state = State::Body { head: Box::new(head), length };
        }
        match std::mem::take(&mut self.state) {
            State::Body { head, length } if self.buffer.len() >= length => {
                let body = self.buffer.split_to(length).freeze();
                Ok(Some(match head.with_body(body) {
                    Ok(message) => Frame::Message(message),
                    Err(malformed) => Frame::Malformed(malformed),
                }))
            }
            waiting => {
                self.state = waiting;
                Ok(None)
            }
        }
    }

    /// Line ends before a message: `Some(None)` if it takes more bytes to know what they are.
    fn keep_alive(&mut self) -> Option<Option<Frame>> {
        let frame = match self.buffer.as_ref() {
            [b'\r', b'\n', b'\r', b'\n', ..] => Frame::Ping,
            b"\r" | b"\r\n" | b"\r\n\r" => return Some(None),
            [b'\r', b'\n', ..] => Frame::Pong,
            _ => return None,
        };
        self.buffer.advance(if frame == Frame::Ping { 4 } else { 2 });
        Some(Some(frame))
    }
}
