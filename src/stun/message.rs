//! Reading a message (RFC 8489 §5, §14).

/// Bytes before the attributes.
pub const HEADER: usize = 20;

/// The magic cookie (RFC 8489 §5).
pub const MAGIC_COOKIE: u32 = 0x2112_a442;

/// The method of a connectivity check (RFC 8489 §18.2).
pub const BINDING: u16 = 0x001;

const USERNAME: u16 = 0x0006;
const FINGERPRINT: u16 = 0x8028;

/// The class of a message (RFC 8489 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Asks for none.
    Indication,
    /// A response that says yes.
    Success,
    /// A response that says no.
    Error,
}

/// A well-formed message: its attributes fit into it.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
}

/// Whether a datagram can be a STUN message: a first byte of 0 to 3 (RFC 7983 §7), the magic cookie and its
/// own length in its header (RFC 8489 §6.3). Cheap, for demultiplexing.
pub fn is_stun(datagram: &[u8]) -> bool {
    let Some(header) = datagram.first_chunk::<HEADER>() else { return false };
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    header[0] < 4 && length % 4 == 0 && datagram.len() == HEADER + length && header[4..8] == MAGIC_COOKIE.to_be_bytes()
}

impl<'a> Message<'a> {
    /// Reads a message; `None` if it is none or its attributes do not fit.
    pub fn parse(datagram: &'a [u8]) -> Option<Message<'a>> {
        if !is_stun(datagram) {
            return None;
        }
        let message = Message { bytes: datagram };
        let mut at = HEADER;
        while at < datagram.len() {
            let head = datagram.get(at..)?.first_chunk::<4>()?;
            at += 4 + usize::from(u16::from_be_bytes([head[2], head[3]])).next_multiple_of(4);
        }
        (at == datagram.len()).then_some(message)
    }

    fn message_type(&self) -> u16 {
        self.bytes.first_chunk().map_or(0, |b| u16::from_be_bytes(*b))
    }

    /// Its class.
    pub fn class(&self) -> Class {
        match self.message_type() & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        }
    }

    /// Its method, of twelve bits.
    pub fn method(&self) -> u16 {
        let t = self.message_type();
        (t & 0x000f) | ((t & 0x00e0) >> 1) | ((t & 0x3e00) >> 2)
    }

    /// What ties a response to its request.
    pub fn transaction(&self) -> [u8; 12] {
        self.bytes.get(8..HEADER).and_then(|b| b.first_chunk()).copied().unwrap_or_default()
    }

    /// The attributes, first first: type and value without padding.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.bytes.get(HEADER..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (head, body) = rest.split_first_chunk::<4>()?;
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            rest = body.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some((u16::from_be_bytes([head[0], head[1]]), body.get(..length)?))
        })
    }

    /// `USERNAME`, if it has one in UTF-8.
    pub fn username(&self) -> Option<&'a str> {
        let (_, value) = self.attributes().find(|(kind, _)| *kind == USERNAME)?;
        std::str::from_utf8(value).ok()
    }

    /// The ufrag of the receiver and that of the sender, of a connectivity check's user name (RFC 8445
    /// §7.2.2).
    pub fn ufrags(&self) -> Option<(&'a str, &'a str)> {
        self.username()?.split_once(':')
    }

    /// Whether its last attribute is a right `FINGERPRINT` (RFC 8489 §14.7).
    pub fn has_right_fingerprint(&self) -> bool {
        let Some((before, last)) = self.bytes.split_last_chunk::<8>() else { return false };
        let [k0, k1, l0, l1, c0, c1, c2, c3] = *last;
        before.len() >= HEADER
            && u16::from_be_bytes([k0, k1]) == FINGERPRINT
            && [l0, l1] == [0, 4]
            && u32::from_be_bytes([c0, c1, c2, c3]) == crc32(before) ^ 0x5354_554e
    }
}

/// CRC-32 as in ITU-T V.42, over what is in practice a hundred bytes a few times a second.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (0u32.wrapping_sub(crc & 1))))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A message with these attributes and a fingerprint.
    fn message(message_type: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = message_type.to_be_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(MAGIC_COOKIE.to_be_bytes());
        bytes.extend(b"transaction!");
        for (kind, value) in attributes {
            bytes.extend(kind.to_be_bytes());
            bytes.extend((value.len() as u16).to_be_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), b' ');
        }
        let length = (bytes.len() + 8 - HEADER) as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let sum = crc32(&bytes) ^ 0x5354_554e;
        bytes.extend([0x80, 0x28, 0, 4]);
        bytes.extend(sum.to_be_bytes());
        bytes
    }

    #[test]
    fn the_crc_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_connectivity_check_tells_whom_it_is_for() {
        let bytes = message(0x0001, &[(0x8022, b"agent"), (USERNAME, b"ours:theirs")]);
        let read = Message::parse(&bytes).unwrap();
        assert_eq!((read.class(), read.method()), (Class::Request, BINDING));
        assert_eq!(read.ufrags(), Some(("ours", "theirs")));
        assert_eq!(&read.transaction(), b"transaction!");
        assert_eq!(read.attributes().count(), 3);
        assert!(read.has_right_fingerprint());
    }

    #[test]
    fn classes_and_methods_are_told_apart() {
        for (message_type, class, method) in [
            (0x0101, Class::Success, 1),
            (0x0111, Class::Error, 1),
            (0x0016, Class::Indication, 6),
            (0x02ef, Class::Request, 0x0ff),
        ] {
            let bytes = message(message_type, &[]);
            let read = Message::parse(&bytes).unwrap();
            assert_eq!((read.class(), read.method()), (class, method), "{message_type:x}");
        }
    }

    #[test]
    fn a_cut_or_lengthened_message_is_none() {
        let bytes = message(0x0001, &[(USERNAME, b"ours:theirs")]);
        for length in 0..bytes.len() {
            assert!(!is_stun(&bytes[..length]) && Message::parse(&bytes[..length]).is_none());
        }
        let mut long = bytes.clone();
        long.push(0);
        assert!(!is_stun(&long));
        let mut overfull = bytes;
        overfull[HEADER + 3] = 200;
        assert!(is_stun(&overfull) && Message::parse(&overfull).is_none());
    }
}
