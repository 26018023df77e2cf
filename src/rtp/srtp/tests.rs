#![allow(clippy::unwrap_used)]

use super::*;

const PROFILES: [Profile; 5] = Profile::ALL;

fn pair(profile: Profile) -> (Srtp, Srtp) {
    let key = vec![7; profile.key_length()];
    let salt = vec![9; profile.salt_length()];
    (Srtp::new(profile, &key, &salt).unwrap(), Srtp::new(profile, &key, &salt).unwrap())
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0; 12];
    crate::rtp::Fields { marker: false, payload_type: 0, sequence, timestamp: 5, ssrc }.write_new(&mut packet);
    packet.extend(sequence.to_be_bytes().repeat(80));
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x81, 202, 0, 2, 1, 2, 3, 4, 1, 0, 0, 0]);
    packet
}

fn protected(out: &mut Srtp, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + out.profile().rtp_overhead(), 0);
    let length = out.protect_rtp(&mut buffer, plain.len()).unwrap();
    assert_eq!(length, buffer.len());
    buffer
}

fn protected_rtcp(out: &mut Srtp, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + out.profile().rtcp_overhead(), 0);
    assert_eq!(out.protect_rtcp(&mut buffer, plain.len()).unwrap(), buffer.len());
    buffer
}

fn opened(inward: &mut Srtp, sealed: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = sealed.to_vec();
    let length = inward.unprotect_rtp(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

#[test]
fn a_packet_comes_out_as_it_went_in_across_many_roll_overs() {
    for profile in PROFILES {
        let (mut out, mut inward) = pair(profile);
        let mut sequence = 60_000u16;
        for _ in 0..300 {
            let plain = rtp(1, sequence);
            let sealed = protected(&mut out, &plain);
            assert_ne!(sealed[12..20], plain[12..20]);
            assert_eq!(opened(&mut inward, &sealed), Ok(plain), "{profile:?} {sequence}");
            sequence = sequence.wrapping_add(1000);
        }
        assert!(out.rtp.index(1, sequence).unwrap() > 4 << 16);
    }
}

#[test]
fn a_late_packet_of_before_the_roll_over_is_still_opened() {
    let (mut out, mut inward) = pair(Profile::AesCm128HmacSha1_80);
    let late = protected(&mut out, &rtp(1, 65_535));
    let first = protected(&mut out, &rtp(1, 0));
    let early = protected(&mut Srtp::new(Profile::AesCm128HmacSha1_80, &[7; 16], &[9; 14]).unwrap(), &rtp(1, 65_530));
    assert!(opened(&mut inward, &early).is_ok());
    assert!(opened(&mut inward, &first).is_ok());
    assert!(opened(&mut inward, &late).is_ok());
    assert_eq!(opened(&mut inward, &late), Err(SrtpError::Replayed));
}

#[test]
fn a_repeated_packet_and_one_behind_the_window_are_replays() {
    for profile in PROFILES {
        let (mut out, mut inward) = pair(profile);
        let sealed: Vec<_> = (0..=REPLAY_WINDOW as u16).map(|n| protected(&mut out, &rtp(1, n))).collect();
        assert!(opened(&mut inward, sealed.last().unwrap()).is_ok());
        assert_eq!(opened(&mut inward, &sealed[0]), Err(SrtpError::Replayed));
        assert!(opened(&mut inward, &sealed[1]).is_ok());
        assert_eq!(opened(&mut inward, &sealed[1]), Err(SrtpError::Replayed));
        assert!((2..REPLAY_WINDOW as usize).all(|n| opened(&mut inward, &sealed[n]).is_ok()));
        assert!((0..sealed.len()).all(|n| opened(&mut inward, &sealed[n]) == Err(SrtpError::Replayed)));
    }
}

#[test]
fn a_leap_leaves_nothing_behind_that_could_be_taken_for_seen_or_for_new() {
    for leap in [REPLAY_WINDOW - 1, REPLAY_WINDOW, REPLAY_WINDOW + 1, 3 * REPLAY_WINDOW] {
        let (mut out, mut inward) = pair(Profile::AeadAes128Gcm);
        let sealed: Vec<_> = (0..=leap as u16).map(|n| protected(&mut out, &rtp(1, n))).collect();
        assert!(opened(&mut inward, &sealed[0]).is_ok());
        assert!(opened(&mut inward, &sealed[leap as usize]).is_ok());
        let first = (leap + 1).saturating_sub(REPLAY_WINDOW) as usize;
        for n in (0..leap as usize).rev() {
            let is_new = n >= first && n > 0;
            assert_eq!(opened(&mut inward, &sealed[n]).is_ok(), is_new, "{n} of a leap of {leap}");
        }
    }
}

#[test]
fn every_changed_bit_is_noticed_and_changes_nothing() {
    for profile in PROFILES {
        let (mut out, mut inward) = pair(profile);
        let sealed = protected(&mut out, &rtp(1, 7));
        for bit in 16..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened(&mut inward, &forged), Err(SrtpError::Authentication), "{profile:?} bit {bit}");
        }
        assert!(opened(&mut inward, &sealed).is_ok());
        let sealed = protected_rtcp(&mut out, &rtcp(1));
        for bit in 16..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(inward.unprotect_rtcp(&mut forged), Err(SrtpError::Authentication), "{profile:?} bit {bit}");
        }
        assert!(inward.unprotect_rtcp(&mut sealed.clone()).is_ok());
    }
}

#[test]
fn forged_packets_of_many_sources_take_no_room() {
    let (mut out, mut inward) = pair(Profile::AeadAes128Gcm);
    for ssrc in 0..1000 {
        let mut forged = rtp(ssrc, 1);
        forged.extend([0; 16]);
        assert_eq!(inward.unprotect_rtp(&mut forged), Err(SrtpError::Authentication));
    }
    for ssrc in 0..MAX_SOURCES as u32 {
        assert!(opened(&mut inward, &protected(&mut out, &rtp(ssrc, 1))).is_ok());
    }
    let mut buffer = [0; 300];
    let plain = rtp(5000, 1);
    buffer[..plain.len()].copy_from_slice(&plain);
    assert_eq!(out.protect_rtp(&mut buffer, plain.len()), Err(SrtpError::TooManySources));
    assert!(opened(&mut inward, &protected(&mut out, &rtp(3, 2))).is_ok());
}

#[test]
fn the_sender_never_uses_an_index_twice() {
    let (mut out, _) = pair(Profile::AesCm128HmacSha1_80);
    protected(&mut out, &rtp(1, 5));
    let mut buffer = rtp(1, 5);
    let length = buffer.len();
    buffer.extend([0; 10]);
    assert_eq!(out.protect_rtp(&mut buffer, length), Err(SrtpError::Replayed));
}

#[test]
fn rtcp_comes_out_as_it_went_in_and_once_only() {
    for profile in PROFILES {
        let (mut out, mut inward) = pair(profile);
        for _ in 0..5 {
            let plain = rtcp(3);
            let sealed = protected_rtcp(&mut out, &plain);
            let mut packet = sealed.clone();
            assert_eq!(inward.unprotect_rtcp(&mut packet), Ok(plain.len()), "{profile:?}");
            assert_eq!(packet[..plain.len()], plain);
            assert_eq!(inward.unprotect_rtcp(&mut sealed.clone()), Err(SrtpError::Replayed));
        }
    }
}

#[test]
fn short_and_foreign_packets_are_malformed_and_a_full_buffer_has_no_room() {
    for profile in PROFILES {
        let (mut out, mut inward) = pair(profile);
        for length in 0..12 + profile.rtp_overhead() {
            let mut packet = rtp(1, 1)[..length].to_vec();
            assert_eq!(inward.unprotect_rtp(&mut packet), Err(SrtpError::Malformed));
        }
        for length in 0..8 + profile.rtcp_overhead() {
            let mut packet = rtcp(1).repeat(3)[..length].to_vec();
            assert_eq!(inward.unprotect_rtcp(&mut packet), Err(SrtpError::Malformed));
        }
        let mut tight = rtp(1, 1);
        let length = tight.len();
        assert_eq!(out.protect_rtp(&mut tight, length), Err(SrtpError::NoRoom));
        assert_eq!(out.protect_rtp(&mut tight, length + 1), Err(SrtpError::Malformed));
        let mut tight = rtcp(1);
        let length = tight.len();
        assert_eq!(out.protect_rtcp(&mut tight, length), Err(SrtpError::NoRoom));
    }
    assert!(matches!(Srtp::new(Profile::AeadAes128Gcm, &[0; 16], &[0; 14]), Err(SrtpError::Keys)));
}
