//! The pages of a recording in Ogg (RFC 3533 §6, RFC 7845), however long it is, however it comes in and however it ends.

use patchcord::media::tap::file::opus::{FRAMES_A_PAGE, OggOpus};
use patchcord::media::tap::{CHANNELS, FRAME_SAMPLES};
use proptest::prelude::*;

/// A frame at 48 kHz, the clock of granule positions (RFC 7845 §4).
const FRAME: u64 = 960;

struct Page {
    is_first: bool,
    is_last: bool,
    granule: u64,
    serial: u32,
    number: u32,
    /// The packets that end on it.
    packets: Vec<Vec<u8>>,
}

/// RFC 3533 §6, field 7: the polynomial 0x04c11db7, nothing reflected, the field itself as zeroes.
fn checksum(page: &[u8]) -> u32 {
    let octets = page.iter().enumerate().map(|(at, octet)| if (22..26).contains(&at) { 0 } else { *octet });
    octets.fold(0, |sum: u32, octet| {
        (0..8).fold(sum ^ (u32::from(octet) << 24), |sum, _| (sum << 1) ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    })
}

/// Every page of a file; each byte belongs to one.
fn pages(mut file: &[u8]) -> Vec<Page> {
    let mut pages = Vec::new();
    while !file.is_empty() {
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        assert_eq!((&file[..4], file[4]), (&b"OggS"[..], 0), "a page begins where the one before ends");
        let (flags, segments) = (file[5], usize::from(file[26]));
        assert_eq!(flags & 1, 0, "no packet goes on from the page before");
        let lacing = &file[27..27 + segments];
        let length = 27 + segments + lacing.iter().map(|s| usize::from(*s)).sum::<usize>();
        assert_eq!(number(22), checksum(&file[..length]));
        let (mut packets, mut packet, mut at) = (Vec::new(), Vec::new(), 27 + segments);
        for segment in lacing {
            packet.extend_from_slice(&file[at..at + usize::from(*segment)]);
            at += usize::from(*segment);
            if *segment < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        assert!(packet.is_empty(), "every packet ends on its page");
        pages.push(Page {
            is_first: flags & 2 != 0,
            is_last: flags & 4 != 0,
            granule: u64::from_le_bytes(file[6..14].try_into().unwrap()),
            serial: number(14),
            number: number(18),
            packets,
        });
        file = &file[length..];
    }
    pages
}

/// So many frames of noise, or of silence.
fn frames(count: usize, loudness: i16, seed: u32) -> Vec<i16> {
    let mut state = seed | 1;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((i64::from(state >> 16) - 32_768) * i64::from(loudness) / 32_768) as i16
    };
    (0..count * CHANNELS * FRAME_SAMPLES).map(|_| noise()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_page_of_a_recording_is_whole_in_order_and_says_the_time_at_its_end(
        blocks in prop::collection::vec(0usize..40, 0..8),
        loudness in prop::sample::select(vec![0i16, 300, 20_000]),
        serial in any::<u32>(),
        is_finished in any::<bool>(),
    ) {
        let mut writer = OggOpus::new(Vec::new(), serial).unwrap();
        for block in &blocks {
            writer.write(&frames(*block, loudness, serial)).unwrap();
        }
        let file = if is_finished { writer.finish().unwrap() } else { writer.written().clone() };
        let total = blocks.iter().sum::<usize>() as u64;
        let pages = pages(&file);
        prop_assert!(pages.iter().zip(0..).all(|(page, number)| (page.serial, page.number) == (serial, number)));
        prop_assert!(pages.iter().enumerate().all(|(at, page)| page.is_first == (at == 0)));
        let last = pages.len() - 1;
        prop_assert!(pages.iter().enumerate().all(|(at, page)| page.is_last == (is_finished && at == last)));
        for (page, magic) in pages.iter().zip([b"OpusHead", b"OpusTags"]) {
            prop_assert_eq!((page.packets.len(), page.granule), (1, 0));
            prop_assert!(page.packets[0].starts_with(magic));
        }
        let mut written = 0;
        for page in &pages[2..] {
            written += page.packets.len() as u64;
            prop_assert!((1..=FRAMES_A_PAGE).contains(&(page.packets.len() as u64)));
            prop_assert_eq!(page.granule, written * FRAME);
        }
        // What is not finished lacks less than a page and the frame that may be the last.
        let least = if is_finished { total.max(1) } else { total.saturating_sub(FRAMES_A_PAGE) };
        let most = if is_finished { total.max(1) } else { total };
        prop_assert!((least..=most).contains(&written), "{} of {}", written, total);
    }
}
