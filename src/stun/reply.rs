//! The answer of a STUN server (RFC 8489 §12), which tells a peer where it is seen.

use std::net::{IpAddr, SocketAddr};

use super::message::{BINDING, Class, MAGIC_COOKIE, Message};

/// A successful response to a Binding request.
const SUCCESS: u16 = 0x0101;
/// RFC 8489 §14.2
pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// The response to a Binding request that came from there; `None` to anything else, which is left without an answer.
pub fn seen_at(request: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let request = Message::parse(request).filter(|m| m.class() == Class::Request && m.method() == BINDING)?;
    let transaction = request.transaction();
    let mut mask = MAGIC_COOKIE.to_be_bytes().to_vec();
    mask.extend(transaction);
    let (family, octets) = match source.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mut value = vec![0, family];
    value.extend(source.port().to_be_bytes().iter().zip(&mask).map(|(a, b)| a ^ b));
    value.extend(octets.iter().zip(&mask).map(|(a, b)| a ^ b));
    let value_length = u16::try_from(value.len()).ok()?;
    let mut response = SUCCESS.to_be_bytes().to_vec();
    response.extend((value_length + 4).to_be_bytes());
    response.extend(&mask);
    response.extend(XOR_MAPPED_ADDRESS.to_be_bytes());
    response.extend(value_length.to_be_bytes());
    response.extend(value);
    Some(response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn request(kind: u16) -> Vec<u8> {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(MAGIC_COOKIE.to_be_bytes());
        bytes.extend([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
        bytes
    }

    /// The addresses of RFC 5769 §2.2 and §2.3.
    #[test]
    fn a_peer_is_told_where_it_is_seen_as_the_standards_vectors_say() {
        let four = seen_at(&request(0x0001), "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(&four[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let six = seen_at(&request(0x0001), "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap()).unwrap();
        let expected = [
            0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
            0xbe, 0xd2, 0xb9, 0xd9,
        ];
        assert_eq!(&six[20..], expected);
        assert_eq!(Message::parse(&six).unwrap().class(), Class::Success);
    }

    #[test]
    fn nothing_but_a_binding_request_is_answered() {
        for kind in [0x0011, 0x0101, 0x0111, 0x0003] {
            assert_eq!(seen_at(&request(kind), "192.0.2.1:1".parse().unwrap()), None, "{kind:x}");
        }
        assert_eq!(seen_at(b"\0\0\0\0", "192.0.2.1:1".parse().unwrap()), None);
    }
}
