//! The header extensions (RFC 8285) that are agreed to beside pictures, and the numbers that they have.

use crate::model::{Direction, HeaderExtension, Stream};

/// The numbers that fit into the form with one byte before each element (RFC 8285 §4.2).
const NUMBERS: std::ops::RangeInclusive<u16> = 1..=14;

/// A header extension that goes one way.
#[derive(Debug)]
pub struct Extension {
    /// Its name.
    pub uri: &'static str,
    /// The number at which it is offered, where nothing speaks against it.
    pub usual: u8,
    /// Who writes it, seen from here.
    pub direction: Direction,
}

impl Extension {
    /// The number at which the peer has it in this section, in the direction that counts.
    pub fn number_in(&self, section: &Stream) -> Option<u8> {
        let goes_our_way = |e: &&HeaderExtension| match (e.direction, self.direction) {
            (None, _) => true,
            (Some(theirs), Direction::SendOnly) => theirs.receives(),
            (Some(theirs), _) => theirs.sends(),
        };
        let of_name = section.header_extensions.iter().filter(|e| e.uri == self.uri);
        let number = of_name.filter(goes_our_way).map(|e| e.id).find(|id| NUMBERS.contains(id))?;
        u8::try_from(number).ok().filter(|_| section.accepted)
    }

    /// Adds it to a section of ours.
    pub fn add_to(&self, section: &mut Stream, number: u8) {
        let (id, uri, direction) = (number.into(), self.uri.into(), Some(self.direction));
        section.header_extensions.push(HeaderExtension { id, uri, direction, parameters: None });
    }

    /// The number to offer it at: that which was agreed on, that which the peer has for it, or one that means nothing else
    /// to the peer (RFC 8285 §7). `known` is what the peer named, `ours` what is offered beside.
    fn number(&self, agreed: Option<u8>, known: &[HeaderExtension], ours: Option<u8>) -> Option<u8> {
        let named = || known.iter().find(|e| e.uri == self.uri && NUMBERS.contains(&e.id)).map(|e| e.id);
        let is_free = |id: &u16| ours.map(u16::from) != Some(*id) && !known.iter().any(|e| e.id == *id);
        let free = || std::iter::once(self.usual.into()).chain(NUMBERS).find(is_free);
        agreed.or_else(|| named().or_else(free).and_then(|id| u8::try_from(id).ok()))
    }
}

/// The number of each header extension, where it is offered or agreed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// That in which the peer counts its packets; see [`transport_cc`](super::transport_cc).
    pub transport_cc: Option<u8>,
    /// That in which the peer is told when each packet left; see [`send_time`](super::send_time).
    pub send_time: Option<u8>,
}

impl Numbers {
    /// What the peer has in its section.
    pub fn heard(section: &Stream) -> Numbers {
        Numbers { transport_cc: super::transport_cc::heard(section), send_time: super::send_time::heard(section) }
    }

    /// What an offer of ours has, to a peer that agreed to `self` and named these extensions.
    pub fn to_offer(self, known: &[HeaderExtension]) -> Numbers {
        let transport_cc = super::transport_cc::EXTENSION.number(self.transport_cc, known, self.send_time);
        let send_time = super::send_time::EXTENSION.number(self.send_time, known, transport_cc);
        Numbers { transport_cc, send_time }
    }

    /// Those of an answer that are as they were offered.
    pub fn as_offered(self, offered: Numbers) -> Numbers {
        let same = |answered: Option<u8>, offered| answered.filter(|_| answered == offered);
        Numbers {
            transport_cc: same(self.transport_cc, offered.transport_cc),
            send_time: same(self.send_time, offered.send_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(extensions: &[(u16, &str)]) -> Vec<HeaderExtension> {
        let named = |(id, uri): &(u16, &str)| HeaderExtension {
            id: *id,
            uri: (*uri).into(),
            direction: None,
            parameters: None,
        };
        extensions.iter().map(named).collect()
    }

    #[test]
    fn an_offer_keeps_what_was_agreed_on_and_takes_no_number_that_means_something_else() {
        let (counts, times) = (super::super::transport_cc::EXTENSION.uri, super::super::send_time::EXTENSION.uri);
        let to_offer = |agreed: (Option<u8>, Option<u8>), named: &[(u16, &str)]| {
            let numbers = Numbers { transport_cc: agreed.0, send_time: agreed.1 }.to_offer(&known(named));
            (numbers.transport_cc, numbers.send_time)
        };
        assert_eq!(to_offer((None, None), &[]), (Some(3), Some(2)));
        assert_eq!(to_offer((Some(9), Some(3)), &[]), (Some(9), Some(3)));
        assert_eq!(to_offer((None, Some(3)), &[]), (Some(1), Some(3)));
        assert_eq!(to_offer((Some(2), None), &[]), (Some(2), Some(1)));
        assert_eq!(to_offer((None, None), &[(3, "urn:mid"), (2, "urn:level")]), (Some(1), Some(4)));
        assert_eq!(to_offer((None, None), &[(7, counts), (4, times), (3, "urn:mid")]), (Some(7), Some(4)));
        let all: Vec<(u16, &str)> = (1..=14).map(|id| (id, "urn:x")).collect();
        assert_eq!(to_offer((None, None), &all), (None, None), "there is none left");
    }

    #[test]
    fn an_answer_counts_for_the_numbers_that_were_offered() {
        let numbers = |transport_cc, send_time| Numbers { transport_cc, send_time };
        let offered = numbers(Some(3), Some(2));
        assert_eq!(numbers(Some(3), Some(4)).as_offered(offered), numbers(Some(3), None));
        assert_eq!(numbers(None, Some(2)).as_offered(offered), numbers(None, Some(2)));
        assert_eq!(numbers(Some(3), None).as_offered(Numbers::default()), Numbers::default());
    }
}
