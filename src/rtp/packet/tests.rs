#![allow(clippy::unwrap_used)]

use super::*;

const FIELDS: Fields =
    Fields { marker: true, payload_type: 101, sequence: 0xabcd, timestamp: 0x0102_0304, ssrc: 0xdead_beef };

/// Version 2 with padding, an extension of one word and two sources.
fn rich() -> Vec<u8> {
    let mut packet = vec![0; 12];
    FIELDS.write_new(&mut packet);
    packet[0] = 0xb2;
    packet.extend([0, 0, 0, 5, 0, 0, 0, 6]);
    packet.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
    packet.extend(b"voice");
    packet.extend([0, 0, 3]);
    packet
}

#[test]
fn the_first_bytes_tell_what_a_datagram_is() {
    for (bytes, expected) in [
        (&[][..], Kind::Other),
        (&[0, 1], Kind::Stun),
        (&[3], Kind::Stun),
        (&[4], Kind::Other),
        (&[20], Kind::Dtls),
        (&[63], Kind::Dtls),
        (&[64], Kind::TurnChannel),
        (&[127, 200], Kind::Other),
        (&[128, 0], Kind::Rtp),
        (&[128, 200], Kind::Rtcp),
        (&[191, 223], Kind::Rtcp),
        (&[128, 224], Kind::Rtp),
        (&[192, 200], Kind::Other),
    ] {
        assert_eq!(kind(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn every_part_of_a_packet_is_found() {
    let bytes = rich();
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.fields(), FIELDS);
    assert_eq!(packet.contributing().collect::<Vec<_>>(), [5, 6]);
    assert_eq!(packet.extension(), Some((0xbede, &[1, 2, 3, 4][..])));
    assert_eq!(packet.payload(), b"voice");
    assert_eq!(packet.header_length(), 28);
}

#[test]
fn rewriting_changes_the_fields_and_nothing_else() {
    let mut bytes = rich();
    let changed = Fields { marker: false, payload_type: 0, sequence: 1, timestamp: 2, ssrc: 3 };
    changed.write_over(&mut bytes);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.fields(), changed);
    assert_eq!(bytes[12..], rich()[12..]);
    assert_eq!(bytes[0], rich()[0]);
    let mut short = [7; 11];
    changed.write_over(&mut short);
    assert_eq!((short, changed.write_new(&mut short)), ([7; 11], 0));
}

#[test]
fn a_packet_whose_parts_do_not_fit_is_none() {
    let whole = rich();
    for length in 0..28 {
        assert!(Packet::parse(&whole[..length]).is_none(), "{length}");
    }
    for padding in [0, 9, 255] {
        let mut bytes = whole.clone();
        *bytes.last_mut().unwrap() = padding;
        assert!(Packet::parse(&bytes).is_none(), "{padding}");
    }
    let mut old = whole.clone();
    old[0] = 0x40;
    assert!(Packet::parse(&old).is_none());
}
