//! DTLS records and handshake fragments (RFC 6347 §4.1, §4.2.2), read before the stack sees them.

/// Bytes before a record's fragment.
pub(super) const RECORD_HEADER: usize = 13;
/// Bytes before a handshake fragment's body.
pub(super) const HANDSHAKE_HEADER: usize = 12;
/// The longest handshake message taken: a certificate of 4096 RSA bits with a chain is below 6 kB.
const MAX_MESSAGE: usize = 16_384;

/// Content types (RFC 5246 §6.2.1).
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;

/// Handshake types (RFC 5246 §7.4, RFC 6347 §4.3.2).
pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(super) const CERTIFICATE_REQUEST: u8 = 13;
pub(super) const SERVER_HELLO_DONE: u8 = 14;
pub(super) const CERTIFICATE_VERIFY: u8 = 15;
pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;

/// One record of a datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// The record with its header.
    pub(super) bytes: &'a [u8],
    pub(super) content: u8,
    pub(super) epoch: u16,
    /// The sequence number, of 48 bits.
    pub(super) sequence: u64,
    pub(super) fragment: &'a [u8],
}

/// The records of a datagram, until one does not fit or is of another version.
pub(super) fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let head: &[u8; RECORD_HEADER] = rest.first_chunk()?;
        let [content, 0xfe, 0xfd | 0xff, e0, e1, s0, s1, s2, s3, s4, s5, l0, l1] = *head else { return None };
        let end = RECORD_HEADER + usize::from(u16::from_be_bytes([l0, l1]));
        let (bytes, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(Record {
            bytes,
            content,
            epoch: u16::from_be_bytes([e0, e1]),
            sequence: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
            fragment: bytes.get(RECORD_HEADER..)?,
        })
    })
}

/// One fragment of a handshake message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment<'a> {
    pub(super) kind: u8,
    pub(super) message_sequence: u16,
    /// Bytes of the whole message.
    pub(super) length: usize,
    pub(super) offset: usize,
    pub(super) body: &'a [u8],
}

/// The handshake fragments of a plaintext record, or `None` if one of them does not fit.
pub(super) fn fragments(record: &[u8]) -> Option<Vec<Fragment<'_>>> {
    let mut rest = record;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let [kind, l0, l1, l2, q0, q1, o0, o1, o2, f0, f1, f2] = *rest.first_chunk::<HANDSHAKE_HEADER>()?;
        let number = |a, b, c| u32::from_be_bytes([0, a, b, c]) as usize;
        let (length, offset, size) = (number(l0, l1, l2), number(o0, o1, o2), number(f0, f1, f2));
        let (whole, after) = rest.split_at_checked(HANDSHAKE_HEADER + size)?;
        if length > MAX_MESSAGE || offset + size > length || (size == 0 && length > 0) {
            return None;
        }
        let body = whole.get(HANDSHAKE_HEADER..)?;
        found.push(Fragment { kind, message_sequence: u16::from_be_bytes([q0, q1]), length, offset, body });
        rest = after;
    }
    Some(found)
}

/// The name of an alert (RFC 5246 §7.2), for people.
pub(super) fn alert_name(description: u8) -> &'static str {
    match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        _ => "an alert of another kind",
    }
}
