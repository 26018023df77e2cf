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

/// Whether a datagram can be a STUN message: two zero bits, the magic cookie and its own length in its
/// header (RFC 8489 §6.3). Cheap, for demultiplexing.
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
