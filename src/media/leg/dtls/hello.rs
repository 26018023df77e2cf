//! The ClientHello: put together from its pieces, in any order, and read as far as we must know it.
//!
//! Browsers' hellos span two datagrams. They are told apart by their random, so that a stranger's hello
//! cannot take the place of the peer's.

use super::wire::{CLIENT_HELLO, Fragment, HANDSHAKE, HANDSHAKE_HEADER, RECORD_HEADER};

/// Pieces of hellos kept while the rest is missing.
const MAX_PIECES: usize = 16;
/// The longest hello taken; with the keys of post-quantum groups they are below 2 kB.
const MAX_HELLO: usize = 4096;
/// The extension `use_srtp` (RFC 5764 §4.1.1).
const USE_SRTP: u16 = 14;

/// What we must know of a ClientHello (RFC 6347 §4.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    /// The whole of it as one record, in one fragment.
    pub(super) record: Vec<u8>,
    pub(super) random: [u8; 32],
    pub(super) has_cookie: bool,
    /// The SRTP transforms that it offers, most wanted first.
    pub(super) srtp: Vec<u16>,
}

#[derive(Debug)]
struct Piece {
    message_sequence: u16,
    length: usize,
    offset: usize,
    body: Vec<u8>,
}

/// Hellos under construction.
#[derive(Debug, Default)]
pub(super) struct Assembly(Vec<Piece>);

impl Assembly {
    /// Takes a fragment of a ClientHello that came in the record of this sequence number; gives the hello
    /// when it was the last one missing.
    pub(super) fn push(&mut self, fragment: Fragment<'_>, record_sequence: u64) -> Option<Hello> {
        if fragment.length > MAX_HELLO {
            return None;
        }
        if self.0.len() == MAX_PIECES {
            self.0.remove(0);
        }
        let Fragment { message_sequence, length, offset, body, .. } = fragment;
        self.0.push(Piece { message_sequence, length, offset, body: body.to_vec() });
        let body = self.join(message_sequence, length)?;
        self.0.retain(|p| p.message_sequence != message_sequence || p.length != length);
        Hello::read(&body, message_sequence, record_sequence)
    }

    fn join(&self, message_sequence: u16, length: usize) -> Option<Vec<u8>> {
        let mut body: Vec<u8> = Vec::with_capacity(length);
        while body.len() < length {
            let next = self.0.iter().rev().find(|p| {
                p.message_sequence == message_sequence
                    && p.length == length
                    && p.offset <= body.len()
                    && p.offset + p.body.len() > body.len()
            })?;
            body.extend_from_slice(next.body.get(body.len() - next.offset..)?);
        }
        Some(body)
    }
}

impl Hello {
    fn read(body: &[u8], message_sequence: u16, record_sequence: u64) -> Option<Hello> {
        let (random, rest) = body.get(2..)?.split_first_chunk::<32>()?;
        let (_session, rest) = split_short(rest)?;
        let (cookie, rest) = split_short(rest)?;
        let (_suites, rest) = split_long(rest)?;
        let (_compression, rest) = split_short(rest)?;
        let mut extensions = split_long(rest)?.0;
        let mut srtp = Vec::new();
        while let Some((kind, rest)) = extensions.split_first_chunk::<2>() {
            let (value, rest) = split_long(rest)?;
            extensions = rest;
            if u16::from_be_bytes(*kind) == USE_SRTP {
                let profiles = split_long(value)?.0;
                srtp = profiles.chunks_exact(2).map(|p| u16::from_be_bytes([p[0], p[1]])).collect();
            }
        }
        let record = record(body, message_sequence, record_sequence)?;
        Some(Hello { record, random: *random, has_cookie: !cookie.is_empty(), srtp })
    }
}

/// The message as one record in one fragment: what the transcript counts (RFC 6347 §4.2.6).
fn record(body: &[u8], message_sequence: u16, record_sequence: u64) -> Option<Vec<u8>> {
    let [_, _, sequence @ ..] = record_sequence.to_be_bytes();
    let [_, length @ ..] = u32::try_from(body.len()).ok()?.to_be_bytes();
    let fragment = u16::try_from(HANDSHAKE_HEADER + body.len()).ok()?;
    let mut record = Vec::with_capacity(RECORD_HEADER + usize::from(fragment));
    record.extend([HANDSHAKE, 0xfe, 0xfd, 0, 0]);
    record.extend(sequence);
    record.extend(fragment.to_be_bytes());
    record.push(CLIENT_HELLO);
    record.extend(length);
    record.extend(message_sequence.to_be_bytes());
    record.extend([0, 0, 0]);
    record.extend(length);
    record.extend(body);
    Some(record)
}

/// A vector with a length of one byte, and what follows.
fn split_short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// A vector with a length of two bytes, and what follows.
fn split_long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
