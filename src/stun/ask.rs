//! The question of a STUN client (RFC 8489 §2): where it is seen.

use std::net::{IpAddr, SocketAddr};

use super::message::{BINDING, HEADER, MAGIC_COOKIE, Message};
use super::reply::XOR_MAPPED_ADDRESS;

/// A Binding request without attributes.
pub fn binding_request(transaction: [u8; 12]) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let parts = BINDING.to_be_bytes().into_iter().chain([0, 0]).chain(MAGIC_COOKIE.to_be_bytes()).chain(transaction);
    bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    bytes
}

/// Where a response says that who asked is seen (RFC 8489 §14.2); `None` if it does not say so in a way that can be read.
pub fn mapped_address(response: &Message<'_>) -> Option<SocketAddr> {
    let (_, value) = response.attributes().find(|(kind, _)| *kind == XOR_MAPPED_ADDRESS)?;
    let ([_, family, high, low], octets) = value.split_first_chunk::<4>()?;
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let port = u16::from_be_bytes([high ^ cookie[0], low ^ cookie[1]]);
    let mask = cookie.into_iter().chain(response.transaction());
    let plain: Vec<u8> = octets.iter().zip(mask).map(|(octet, mask)| octet ^ mask).collect();
    let ip = match family {
        1 => IpAddr::from(<[u8; 4]>::try_from(plain).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(plain).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stun::{Class, seen_at};

    const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    /// A response of one attribute.
    fn response(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = binding_request(TRANSACTION).to_vec();
        bytes.extend(kind.to_be_bytes());
        bytes.extend((value.len() as u16).to_be_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let length = (bytes.len() - HEADER) as u16;
        bytes[..2].copy_from_slice(&[1, 1]);
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<SocketAddr> {
        mapped_address(&Message::parse(bytes).unwrap())
    }

    #[test]
    fn a_binding_request_is_one_and_is_answered_with_the_address_that_it_came_from() {
        let request = binding_request(TRANSACTION);
        let message = Message::parse(&request).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Request, BINDING));
        assert_eq!((message.transaction(), message.attributes().count()), (TRANSACTION, 0));
        for seen in ["192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"] {
            let source = seen.parse().unwrap();
            assert_eq!(read(&seen_at(&request, source).unwrap()), Some(source));
        }
    }

    /// The attributes of RFC 5769 §2.2 and §2.3.
    #[test]
    fn the_addresses_of_the_standards_vectors_are_read() {
        let four = response(0x0020, &[0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        assert_eq!(read(&four), Some("192.0.2.1:32853".parse().unwrap()));
        let six = [
            0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9,
            0xd9,
        ];
        let expected = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        assert_eq!(read(&response(0x0020, &six)), Some(expected));
    }

    #[test]
    fn an_address_that_is_cut_or_of_another_family_is_none() {
        for value in [&[][..], &[0, 1, 2], &[0, 1, 2, 3, 4], &[0, 2, 2, 3, 4, 5, 6, 7], &[0, 3, 2, 3, 4, 5, 6, 7]] {
            assert_eq!(read(&response(0x0020, value)), None, "{value:?}");
        }
        assert_eq!(read(&response(0x0001, &[0, 1, 2, 3, 4, 5, 6, 7])), None, "without the mask it is not asked for");
    }
}
