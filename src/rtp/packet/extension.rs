//! The elements of a header extension (RFC 8285).

use super::Packet;

/// The profile of elements with one byte before each (RFC 8285 §4.2).
pub const ONE_BYTE: u16 = 0xbede;
/// The profile of elements with two, but for its last four bits (RFC 8285 §4.3).
const TWO_BYTES: u16 = 0x1000;
/// The number after which nothing is read any more, in the form with one byte.
const STOP: u8 = 15;

impl<'a> Packet<'a> {
    /// The element of the header extension that has this number; `None` if there is none, or if what stands before it is
    /// malformed.
    pub fn element(&self, id: u8) -> Option<&'a [u8]> {
        let (profile, mut rest) = self.extension()?;
        let is_short = profile == ONE_BYTE;
        if !is_short && profile & 0xfff0 != TWO_BYTES {
            return None;
        }
        loop {
            let (first, behind) = rest.split_first()?;
            if *first == 0 {
                rest = behind;
                continue;
            }
            let (number, length, behind) = if is_short {
                (first >> 4, usize::from(first & 0x0f) + 1, behind)
            } else {
                let (length, behind) = behind.split_first()?;
                (*first, usize::from(*length), behind)
            };
            if is_short && number == STOP {
                return None;
            }
            let (element, behind) = behind.split_at_checked(length)?;
            if number == id {
                return Some(element);
            }
            rest = behind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::packet::FIXED_HEADER;

    fn packet(profile: u16, elements: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED_HEADER];
        bytes[0] = 0x90;
        bytes.extend(profile.to_be_bytes());
        bytes.extend((elements.len() as u16 / 4).to_be_bytes());
        bytes.extend(elements);
        bytes
    }

    fn elements(bytes: &[u8]) -> Vec<Option<&[u8]>> {
        let packet = Packet::parse(bytes).unwrap_or_else(|| panic!("a packet"));
        [3, 5, 15, 200].map(|id| packet.element(id)).to_vec()
    }

    #[test]
    fn elements_are_found_in_either_form_behind_padding_and_others() {
        let short = packet(0xbede, &[0x10, 0xff, 0, 0x31, 7, 8, 0x52, 1, 2, 3, 0, 0]);
        assert_eq!(elements(&short), [Some(&[7, 8][..]), Some(&[1, 2, 3][..]), None, None]);
        let long = packet(0x1005, &[3, 2, 7, 8, 0, 5, 0, 200, 1, 9, 0, 0]);
        assert_eq!(elements(&long), [Some(&[7, 8][..]), Some(&[][..]), None, Some(&[9][..])]);
    }

    #[test]
    fn nothing_is_read_behind_a_stop_or_what_does_not_fit_or_in_another_profile() {
        assert_eq!(elements(&packet(0xbede, &[0xf0, 0x30, 7, 0])), [None; 4]);
        assert_eq!(elements(&packet(0xbede, &[0x1f, 0x30, 7, 0])), [None; 4]);
        assert_eq!(elements(&packet(0x1000, &[3, 3, 7, 8])), [None; 4]);
        assert_eq!(elements(&packet(0x2000, &[3, 1, 7, 0])), [None; 4]);
        assert_eq!(elements(&packet(0xbede, &[])), [None; 4]);
    }
}
