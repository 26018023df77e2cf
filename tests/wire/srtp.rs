//! The vectors of RFC 3711 appendix B and RFC 7714 §16 and §17.

use patchcord::rtp::srtp::SessionKeys;
use patchcord::rtp::{Profile, Srtp};
use serde_json::Value;

use crate::shared;

fn vectors(name: &str) -> Option<Value> {
    let (_, bytes) = shared::files(&format!("cases/srtp/{name}")).into_iter().next()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap().as_bytes();
    text.chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap()).collect()
}

fn keys(vector: &Value) -> SessionKeys {
    SessionKeys { cipher: bytes(&vector["session_key"]), salt: bytes(&vector["session_salt"]), mac: vec![0; 20] }
}

#[test]
fn session_keys_are_derived_as_rfc_3711_prints_them() {
    let Some(file) = vectors("rfc3711_rfc6188.json") else { return };
    for vector in file["kdf"].as_array().unwrap() {
        let (key, salt) = (bytes(&vector["master_key"]), bytes(&vector["master_salt"]));
        let [rtp, _] = SessionKeys::derive(Profile::AesCm128HmacSha1_80, &key, &salt).unwrap();
        let expected = &vector["session"];
        assert_eq!(rtp.cipher, bytes(&expected["cipher_key"]));
        assert_eq!(rtp.salt, bytes(&expected["cipher_salt"]));
        assert_eq!(rtp.mac, bytes(&expected["auth_key_94_octets"])[..20]);
    }
}

#[test]
fn the_key_stream_is_as_rfc_3711_prints_it() {
    let Some(file) = vectors("rfc3711_rfc6188.json") else { return };
    for vector in file["aes_cm"].as_array().unwrap() {
        let expected = bytes(&vector["keystream_prefix"]);
        let mut srtp = Srtp::with_session_keys(Profile::AesCm128HmacSha1_80, &keys(vector), &keys(vector)).unwrap();
        let mut packet = vec![0; 12 + expected.len() + 10];
        packet[0] = 0x80;
        srtp.protect_rtp(&mut packet, 12 + expected.len()).unwrap();
        assert_eq!(packet[12..12 + expected.len()], expected);
    }
}

#[test]
fn gcm_gives_the_packets_that_rfc_7714_prints() {
    let Some(file) = vectors("rfc7714.json") else { return };
    for vector in file["vectors"].as_array().unwrap() {
        let srtp = || Srtp::with_session_keys(Profile::AeadAes128Gcm, &keys(vector), &keys(vector)).unwrap();
        let (plain, sealed) = (bytes(&vector["rtp_plain"]), bytes(&vector["srtp_protected"]));
        let mut packet = plain.clone();
        packet.resize(sealed.len(), 0);
        assert_eq!(srtp().protect_rtp(&mut packet, plain.len()), Ok(sealed.len()));
        assert_eq!(packet, sealed);
        assert_eq!(srtp().unprotect_rtp(&mut packet), Ok(plain.len()));
        assert_eq!(packet[..plain.len()], plain);

        let (plain, sealed) = (bytes(&vector["rtcp_plain"]), bytes(&vector["srtcp_protected"]));
        let mut out = srtp();
        let mut packet = vec![0; sealed.len()];
        for _ in 0..=vector["srtcp_index"].as_u64().unwrap() {
            packet[..plain.len()].copy_from_slice(&plain);
            assert_eq!(out.protect_rtcp(&mut packet, plain.len()), Ok(sealed.len()));
        }
        assert_eq!(packet, sealed);
        assert_eq!(srtp().unprotect_rtcp(&mut packet), Ok(plain.len()));
        assert_eq!(packet[..plain.len()], plain);

        let mut clear = bytes(&vector["srtcp_auth_only"]);
        assert_eq!(srtp().unprotect_rtcp(&mut clear), Ok(plain.len()));
        assert_eq!(clear[..plain.len()], plain);
    }
}

fn hex(text: &str) -> Vec<u8> {
    bytes(&Value::String(text.replace(' ', "")))
}

#[test]
fn session_keys_of_256_bits_are_derived_as_rfc_6188_prints_them() {
    let key = hex("f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6");
    let [rtp, _] =
        SessionKeys::derive(Profile::AesCm256HmacSha1_80, &key, &hex("3b04803de51ee7c96423ab5b78d2")).unwrap();
    assert_eq!(rtp.cipher, hex("5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4"));
    assert_eq!(rtp.salt, hex("fa31791685ca444a9e07c6c64e93"));
    assert_eq!(rtp.mac, hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
}

#[test]
fn gcm_of_256_bits_gives_the_packet_that_rfc_7714_prints() {
    let keys = || SessionKeys { cipher: (0..32).collect(), salt: hex("517569642070726f2071756f"), mac: Vec::new() };
    let mut packet =
        hex("8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573");
    let length = packet.len();
    packet.resize(length + 16, 0);
    let mut srtp = Srtp::with_session_keys(Profile::AeadAes256Gcm, &keys(), &keys()).unwrap();
    assert_eq!(srtp.protect_rtp(&mut packet, length), Ok(length + 16));
    let printed = "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f \
                   1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13";
    assert_eq!(packet, hex(printed));
}

#[test]
fn the_key_stream_of_256_bits_is_as_rfc_6188_prints_it() {
    let keys = || SessionKeys {
        cipher: hex("57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98"),
        salt: hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd"),
        mac: vec![0; 20],
    };
    let printed =
        hex("92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31");
    let mut srtp = Srtp::with_session_keys(Profile::AesCm256HmacSha1_80, &keys(), &keys()).unwrap();
    let mut packet = vec![0; 12 + printed.len() + 10];
    packet[0] = 0x80;
    srtp.protect_rtp(&mut packet, 12 + printed.len()).unwrap();
    assert_eq!(packet[12..12 + printed.len()], printed);
}
