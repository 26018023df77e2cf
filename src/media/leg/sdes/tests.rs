#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::crypto::SUITES;
use crate::rtp::Fields;

fn dice(seed: u64) -> Dice {
    Dice::for_test(seed)
}

fn lines(words: &SealWords) -> Vec<Crypto> {
    match words {
        SealWords::Sdes(words) => words.cryptos.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn sealed(cryptos: &[Crypto]) -> SealWords {
    SealWords::Sdes(Words { cryptos: cryptos.into(), optional: false })
}

/// One that offers every transform that we take.
fn offerer() -> Sdes {
    Sdes::with(&mut dice(1), false, &SUITES.map(|(name, _)| name))
}

/// An offerer and an answerer who took the line at `chosen`.
fn pair(chosen: usize) -> (Sdes, Sdes) {
    let mut one = offerer();
    let mut other = Sdes::new(&mut dice(2), false, false);
    let offered = lines(&one.words());
    other.set_remote(&mut dice(3), &sealed(&offered[chosen..=chosen]), true).unwrap();
    one.set_remote(&mut dice(4), &other.words(), false).unwrap();
    (one, other)
}

fn packet(sequence: u16) -> Vec<u8> {
    let mut packet = vec![7; 12 + 160];
    Fields { marker: false, payload_type: 0, sequence, timestamp: 5, ssrc: 9 }.write_new(&mut packet);
    packet
}

fn sent(from: &mut Sdes, sequence: u16) -> Vec<u8> {
    let plain = packet(sequence);
    let mut buffer = plain.clone();
    buffer.resize(plain.len() + 64, 0);
    let length = from.protect_rtp(&mut buffer, plain.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn taken(to: &mut Sdes, mut bytes: Vec<u8>) -> Result<Vec<u8>, SealError> {
    let length = to.unprotect_rtp(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

#[test]
fn offerer_and_answerer_hear_each_other_with_each_suite() {
    for (at, (suite, _)) in SUITES.iter().enumerate() {
        let (mut one, mut other) = pair(at);
        assert_eq!(one.profile().map(Profile::name), Some(*suite));
        let line = lines(&other.words());
        assert_eq!((line.len(), line[0].read().unwrap().tag), (1, at as u32 + 1), "the answer has the offer's tag");
        for sequence in [65_534, 65_535, 0, 1] {
            let (there, back) = (sent(&mut one, sequence), sent(&mut other, sequence));
            assert_ne!(there[12..], back[12..], "each side has a key of its own");
            assert_eq!(taken(&mut other, there), Ok(packet(sequence)));
            assert_eq!(taken(&mut one, back), Ok(packet(sequence)));
        }
        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
        report.resize(64, 0);
        let length = one.protect_rtcp(&mut report, 8).unwrap();
        assert_eq!(other.unprotect_rtcp(&mut report[..length]), Ok(8));
    }
}

#[test]
fn what_every_peer_has_is_offered_first_and_the_strongest_beside_it() {
    let offered = lines(&Sdes::new(&mut dice(1), false, true).words());
    let suites: Vec<&str> = offered.iter().map(|line| line.read().unwrap().suite).collect();
    assert_eq!(suites, ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"]);
}

#[test]
fn the_first_line_that_can_be_used_counts() {
    let mut other = Sdes::new(&mut dice(2), false, false);
    let mut offered = vec![Crypto::new("1 F8_128_HMAC_SHA1_80 inline:AAAA")];
    offered.extend(lines(&offerer().words()).into_iter().skip(3));
    other.set_remote(&mut dice(3), &sealed(&offered), true).unwrap();
    assert_eq!(lines(&other.words())[0].read().unwrap().tag, 4);
    let error = other.set_remote(&mut dice(3), &sealed(&offered[..1]), true).unwrap_err();
    assert!(error.contains("suite is not known"), "{error}");
}

#[test]
fn an_offer_said_again_keeps_keys_and_roll_over_counters() {
    let (mut one, mut other) = pair(0);
    for sequence in [65_535, 0] {
        let there = sent(&mut one, sequence);
        assert!(taken(&mut other, there).is_ok());
    }
    let (before, again) = (other.words(), one.words());
    assert_eq!(lines(&again).len(), 1, "only the line in use is offered again");
    other.set_remote(&mut dice(5), &again, true).unwrap();
    one.set_remote(&mut dice(6), &before, false).unwrap();
    assert_eq!(other.words(), before);
    let there = sent(&mut one, 1);
    assert_eq!(taken(&mut other, there), Ok(packet(1)));
}

#[test]
fn a_peer_that_numbers_its_line_anew_is_answered_with_that_number_and_the_same_key() {
    let (one, mut other) = pair(0);
    let before = lines(&other.words())[0].read().unwrap();
    let renumbered = lines(&one.words())[0].expose().replacen('1', "9", 1);
    other.set_remote(&mut dice(5), &sealed(&[Crypto::new(renumbered)]), true).unwrap();
    let after = lines(&other.words())[0].read().unwrap();
    assert_eq!((after.tag, after.key_and_salt), (9, before.key_and_salt));
}

#[test]
fn a_new_key_of_the_peer_is_taken_whether_its_counters_go_on_or_begin_anew() {
    for goes_on in [false, true] {
        let (mut one, mut other) = pair(0);
        for sequence in [65_535, 0] {
            let there = sent(&mut one, sequence);
            assert!(taken(&mut other, there).is_ok());
        }
        let mut fresh = Own::new(&mut dice(8), 1, one.ours[0].profile);
        fresh.open().unwrap();
        let old = std::mem::replace(&mut one.ours[0], fresh);
        if goes_on {
            let key = one.ours[0].line.read().unwrap().key_and_salt;
            let before = old.outward.as_deref().unwrap();
            one.ours[0].outward = Some(Box::new(srtp(old.profile, &key).unwrap().going_on_from(before)));
        }
        let ours = other.words();
        other.set_remote(&mut dice(9), &one.words(), true).unwrap();
        assert_eq!(other.words(), ours, "our key stays");
        let heard = (1..=4).filter(|sequence| {
            let there = sent(&mut one, *sequence);
            taken(&mut other, there).is_ok()
        });
        assert!(heard.count() >= 3, "{goes_on}");
    }
}

#[test]
fn packets_under_another_key_are_refused() {
    let (mut one, _) = pair(0);
    for at in 0..SUITES.len() {
        let (_, mut other) = pair(at);
        other.ours[0] = Own::new(&mut dice(77), 1, other.ours[0].profile);
        other.ours[0].open().unwrap();
        let forged = sent(&mut other, 1);
        assert_eq!(taken(&mut one, forged), Err(SealError::Srtp(SrtpError::Authentication)));
    }
}

#[test]
fn a_master_key_identifier_is_taken_out_and_a_wrong_one_refused() {
    for at in 0..SUITES.len() {
        let (mut one, mut other) = pair(at);
        let named = format!("{}|2^31|258:4", lines(&one.words())[0].expose());
        other.set_remote(&mut dice(5), &sealed(&[Crypto::new(named)]), true).unwrap();
        for (mki, is_taken) in [([0, 0, 1, 2], true), ([0, 0, 1, 3], false)] {
            let mut bytes = sent(&mut one, mki[3].into());
            let behind = bytes.len() - one.ours[0].profile.rtp_tag();
            bytes.splice(behind..behind, mki);
            assert_eq!(taken(&mut other, bytes).is_ok(), is_taken);
        }
        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
        report.resize(64, 0);
        let length = one.protect_rtcp(&mut report, 8).unwrap();
        report.truncate(length);
        let behind = length - one.ours[0].profile.rtcp_tag();
        report.splice(behind..behind, [0, 0, 1, 2]);
        assert_eq!(other.unprotect_rtcp(&mut report), Ok(8));
    }
}

#[test]
fn plain_rtp_is_taken_for_an_answer_only_where_keys_were_optional() {
    let mut one = Sdes::new(&mut dice(1), false, true);
    assert!(one.set_remote(&mut dice(2), &SealWords::Plain, false).unwrap_err().contains("plain RTP"));
    assert!(!one.is_open());
    let mut one = Sdes::new(&mut dice(1), true, true);
    one.set_remote(&mut dice(2), &SealWords::Plain, false).unwrap();
    assert!(one.is_plain() && one.words() == SealWords::Plain);
    assert_eq!(taken(&mut one, packet(1)), Ok(packet(1)));
    // What is sealed once is never plain again.
    let (mut one, _) = pair(0);
    one.optional = true;
    assert!(one.set_remote(&mut dice(2), &SealWords::Plain, true).is_err());
    assert!(!one.is_plain());
}

#[test]
fn nothing_passes_before_the_keys_are_there() {
    let mut one = Sdes::new(&mut dice(1), true, true);
    assert_eq!(taken(&mut one, packet(1)), Err(SealError::NotOpen));
    assert_eq!(one.protect_rtp(&mut packet(1), 172), Err(SealError::NotOpen));
}

#[test]
fn an_answer_that_was_not_offered_is_refused() {
    let mut one = Sdes::new(&mut dice(1), false, true);
    one.ours.truncate(1);
    let stranger = Sdes::new(&mut dice(2), false, true).words();
    let answer = sealed(&lines(&stranger)[1..2]);
    assert!(one.set_remote(&mut dice(3), &answer, false).unwrap_err().contains("was not offered"));
}
