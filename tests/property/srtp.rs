//! SRTP over a network that loses and reorders.

use patchcord::model::Crypto;
use patchcord::rtp::{Fields, Profile, Srtp, SrtpError};
use proptest::prelude::*;

fn profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(&Profile::ALL[..])
}

/// Two sources that take turns, one from `first` on, the other far away from it.
fn packets(first: u16, sizes: &[usize]) -> Vec<Vec<u8>> {
    let source = |i: usize| if i.is_multiple_of(3) { (7, first.wrapping_mul(31)) } else { (8, first) };
    sizes
        .iter()
        .enumerate()
        .map(|(i, size)| {
            let (ssrc, base) = source(i);
            let mut packet = vec![i as u8; 12 + size];
            let sequence = base.wrapping_add(i as u16);
            Fields { marker: i % 2 == 0, payload_type: 8, sequence, timestamp: 160 * i as u32, ssrc }
                .write_new(&mut packet);
            packet
        })
        .collect()
}

proptest! {
    #[test]
    fn whatever_a_crypto_line_says_a_key_that_is_read_fits_its_suite(
        line in prop_oneof![
            any::<String>(),
            "[0-9]{1,10} (AES_CM_128_HMAC_SHA1_80|AEAD_AES_256_GCM|X) inline:[A-Za-z0-9+/=]{38,62}(\\|[0-9^:]{1,12}){0,3}( [A-Z=0-9-]{1,9})?",
        ],
    ) {
        let crypto = Crypto::new(line.clone());
        if let Ok(keying) = crypto.read() {
            let profile = Profile::by_name(keying.suite).unwrap();
            let (key, salt) = keying.key_and_salt.split_at(profile.key_length());
            prop_assert!(Srtp::new(profile, key, salt).is_ok());
            prop_assert!(keying.mki.len() <= patchcord::model::crypto::MAX_MKI);
        }
        let inline = line.split("inline:").nth(1).filter(|key| key.len() > 30);
        let printed = format!("{:?} {:?}", crypto, crypto.read());
        prop_assert!(inline.is_none_or(|key| !printed.contains(key)), "{}", printed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_protected_comes_out_as_it_was_whatever_is_lost_or_comes_late(
        profile in profile(),
        first in prop_oneof![any::<u16>(), 65_300u16..=65_535],
        sizes in prop::collection::vec(0usize..300, 200..400),
        fates in prop::collection::vec((0u8..10, 0usize..40), 400),
    ) {
        let (key, salt) = (vec![3; profile.key_length()], vec![4; profile.salt_length()]);
        let mut out = Srtp::new(profile, &key, &salt).unwrap();
        let mut inward = Srtp::new(profile, &key, &salt).unwrap();
        let plain = packets(first, &sizes);
        let mut sealed: Vec<(usize, usize, Vec<u8>)> = Vec::new();
        for (i, packet) in plain.iter().enumerate() {
            let mut buffer = packet.clone();
            buffer.resize(packet.len() + profile.rtp_overhead(), 0);
            let length = out.protect_rtp(&mut buffer, packet.len()).unwrap();
            prop_assert_eq!(length, buffer.len());
            let (fate, late) = fates[i];
            // The first packets of a source arrive: a receiver that hears a source only after its first
            // roll-over cannot know of it.
            if i < 6 || fate > 1 {
                sealed.push((if i < 6 { i } else { i + late }, i, buffer));
            }
        }
        sealed.sort_by_key(|(at, i, _)| (*at, *i));
        for (_, i, buffer) in sealed {
            let mut packet = buffer.clone();
            prop_assert_eq!(inward.unprotect_rtp(&mut packet), Ok(plain[i].len()));
            prop_assert_eq!(&packet[..plain[i].len()], &plain[i][..]);
            prop_assert_eq!(inward.unprotect_rtp(&mut buffer.clone()), Err(SrtpError::Replayed));
        }
    }
}
