//! Feedback on pictures, written and read; and the numbers that a window remembers.

use std::collections::BTreeSet;

use patchcord::rtp::rtcp::{Bound, Rtcp, Writer, asked_for, entries_for, read};
use patchcord::rtp::window::{SPAN, Window};
use proptest::prelude::*;

fn written(write: impl FnOnce(&mut Writer) -> bool) -> Vec<u8> {
    let mut buffer = [0; 1400];
    let mut writer = Writer::new(&mut buffer);
    assert!(write(&mut writer));
    let length = writer.length();
    buffer[..length].to_vec()
}

proptest! {
    #[test]
    fn whatever_is_asked_for_again_is_read_as_it_was_written(
        media in any::<u32>(),
        first in any::<u16>(),
        steps in prop::collection::vec(prop_oneof![8 => 1u16..20, 1 => 1u16..200], 0..250),
    ) {
        let lost: Vec<u16> = steps.iter().scan(first, |at, step| { *at = at.wrapping_add(*step); Some(*at) }).collect();
        let bytes = written(|writer| writer.nack(1, media, entries_for(lost.iter().copied())));
        let packets: Vec<_> = read(&bytes).collect();
        let [Rtcp::Nack { media: named, lost: entries }] = packets[..] else { panic!("{packets:?}") };
        prop_assert_eq!(named, media);
        prop_assert_eq!(asked_for(entries).collect::<Vec<_>>(), &lost[..]);
        prop_assert!(bytes.len() <= 12 + 4 * lost.len());
    }

    #[test]
    fn an_estimate_is_read_as_it_was_written_or_a_little_lower(rate in any::<u64>(), sources in prop::collection::vec(any::<u32>(), 0..9)) {
        let bytes = written(|writer| writer.maximum_bitrate(1, rate, &sources));
        let packets: Vec<_> = read(&bytes).collect();
        let [Rtcp::MaximumBitrate { bits_per_second }] = packets[..] else { panic!("{packets:?}") };
        prop_assert!(bits_per_second <= rate && rate - bits_per_second <= rate >> 17);
    }

    #[test]
    fn when_packets_came_is_read_as_it_was_told_in_as_many_packets_as_it_takes(
        first in any::<u16>(),
        epoch in any::<u32>(),
        steps in prop::collection::vec(
            prop_oneof![6 => (0i32..300).prop_map(Some), 2 => Just(None), 1 => (-70_000i32..70_000).prop_map(Some)], 1..400),
        room in 60usize..1400,
    ) {
        let mut at = epoch;
        let mut times: Vec<Option<u32>> =
            steps.iter().map(|step| step.map(|step| { at = at.wrapping_add_signed(step); at })).collect();
        times.push(Some(at));
        let (mut told, mut number) = (Vec::new(), 0);
        while told.len() < times.len() {
            let mut buffer = vec![0; room];
            let mut writer = Writer::new(&mut buffer);
            let rest = times[told.len()..].iter().copied();
            let next = first.wrapping_add(told.len() as u16);
            let count = writer.arrivals(1, 2, number, next, rest);
            let length = writer.length();
            prop_assert!(length % 4 == 0 && length <= room);
            if count == 0 {
                // A loss that leaves no room for what comes after it.
                prop_assert!(times[told.len()..].iter().take_while(|time| time.is_none()).count() > 7 * (room - 26) / 2 - 7);
                return Ok(());
            }
            let packets: Vec<_> = read(&buffer[..length]).collect();
            let [Rtcp::TransportFeedback { arrivals }] = packets[..] else { panic!("{packets:?}") };
            prop_assert_eq!((arrivals.first, usize::from(arrivals.count), arrivals.number), (next, count, number));
            told.extend(arrivals.times().map(|(_, time)| time));
            number = number.wrapping_add(1);
        }
        prop_assert_eq!(told, times);
    }

    #[test]
    fn a_bound_is_read_as_it_was_written_or_a_little_lower(ssrc in any::<u32>(), rate in any::<u64>(), overhead in 0u16..512) {
        let bound = Bound { ssrc, bits_per_second: rate, overhead };
        let bytes = written(|writer| writer.bound_request(7, bound));
        let packets: Vec<_> = read(&bytes).collect();
        let [Rtcp::BoundRequest { sender: 7, bounds }] = packets[..] else { panic!("{packets:?}") };
        let [read] = bounds.collect::<Vec<_>>()[..] else { panic!("one bound") };
        prop_assert_eq!((read.ssrc, read.overhead), (ssrc, overhead));
        prop_assert!(read.bits_per_second <= rate && rate - read.bits_per_second <= rate >> 16);
    }

    #[test]
    fn a_window_remembers_what_a_set_would_as_far_as_it_reaches(
        first in 2 * SPAN..4 * SPAN,
        steps in prop::collection::vec((-1100i64..40, any::<bool>()), 1..300),
        leap in 0u64..3 * SPAN,
    ) {
        let (mut window, mut set, mut newest) = (Window::new(first), BTreeSet::new(), first);
        for (nth, (step, marks)) in steps.iter().enumerate() {
            let number = newest.saturating_add_signed(*step) + if nth == 50 { leap } else { 0 };
            if *marks {
                window.mark(number);
                set.insert(number);
            } else {
                window.advance(number);
            }
            if number + SPAN <= newest {
                set.remove(&number);
            }
            newest = newest.max(number);
            set.retain(|marked| marked + SPAN > newest);
            prop_assert_eq!(window.newest(), newest);
        }
        for number in newest + 1 - SPAN..newest + 3 {
            prop_assert_eq!(window.is_marked(number), Some(set.contains(&number)));
            prop_assert_eq!(window.marked_after(number), set.range(number + 1..).count() as u64);
        }
        prop_assert_eq!(window.is_marked(newest - SPAN), None);
    }
}
