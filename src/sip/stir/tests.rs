#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::certificate::{TnEntry, read_list};
use super::header::{Element, MAX_ELEMENT};
use super::passport::{self, Claims, Protected, Token};
use super::*;
use crate::model::Attestation;
use crate::sip::message::{Header, Headers, Name};

/// RFC 8588 §6, as erratum 6656 corrects it, and as it was printed.
const SHAKEN_CLAIMS: [&str; 2] = [
    r#"{"attest":"A","dest":{"tn":["12155550131"]},"iat":1443208345,"orig":{"tn":"12155550121"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#,
    r#"{"attest":"A","dest":{"tn":["12155550131"]},"iat":"1443208345","orig":{"tn":"12155550121"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#,
];
const SHAKEN_HEADER: &str =
    r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#;

fn token(header: &str, claims: &str) -> String {
    use base64::Engine;
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    passport::write(&format!("{}.{}", part(header), part(claims)), &[7; passport::SIGNATURE])
}

#[test]
fn the_example_of_rfc_8588_is_read_and_written_as_it_stands() {
    for claims in SHAKEN_CLAIMS {
        let token = token(SHAKEN_HEADER, claims);
        let Token::Full(signed) = passport::read(&token).unwrap() else { panic!("compact") };
        assert_eq!((signed.claims.attest, signed.claims.iat), (Some(Attestation::A), 1_443_208_345));
        assert_eq!(signed.claims.orig.tn.as_deref(), Some("12155550121"));
        assert_eq!(serde_json::to_string(&signed.protected).unwrap(), SHAKEN_HEADER);
        assert_eq!(serde_json::to_string(&signed.claims).unwrap(), SHAKEN_CLAIMS[0], "keys in order, no spaces");
    }
}

#[test]
fn what_is_no_passport_is_told_apart_from_what_is_one() {
    let claims = SHAKEN_CLAIMS[0];
    let with = |from: &str, to: &str| token(SHAKEN_HEADER, &claims.replace(from, to));
    let wrong = [
        String::new(),
        "a.b".into(),
        "a.b.c.d".into(),
        "....".into(),
        token(SHAKEN_HEADER, "{}"),
        token(&SHAKEN_HEADER.replace("passport\",", "JWT\","), claims),
        token(&SHAKEN_HEADER.replace("{\"alg\"", "{\"crit\":[\"x\"],\"alg\""), claims),
        with("\"tn\":\"12155550121\"", ""),
        with("\"tn\":\"12155550121\"", "\"tn\":\"1\",\"uri\":\"sip:a@b\""),
        with("[\"12155550131\"]", "[]"),
        with("\"A\"", "\"D\""),
        with("1443208345", "-1"),
        with("\"iat\"", "\"iat\":1,\"iat\""),
        token(SHAKEN_HEADER, claims).replace('.', "=."),
    ];
    for token in wrong {
        assert!(passport::read(&token).is_err(), "{token}");
    }
    let compact = passport::write(".", &[7; passport::SIGNATURE]);
    assert!(matches!(passport::read(&compact), Ok(Token::Compact(_))), "{compact}");
}

#[test]
fn an_identity_header_is_read_with_its_parameters_in_any_order_and_bounded() {
    let read = Element::read("a.b.c ; ppt=\"shaken\";x=1;info = <https://h/c.pem;v=1>").unwrap();
    assert_eq!((read.token.as_str(), read.info.as_str()), ("a.b.c", "https://h/c.pem;v=1"));
    assert_eq!((read.alg.as_str(), read.ppt.as_deref()), ("ES256", Some("shaken")));
    assert_eq!(Element::read(&read.to_string()), Ok(read));
    let long = format!("{}.b.c;info=<https://h/c>", "a".repeat(MAX_ELEMENT));
    let wrong =
        ["", "a.b.c", "a b;info=<x>", "a.b.c;info=https://h/c", "a.b.c;info=<>", "a.b.c;info=<x>;info=<y>", &long];
    for text in wrong {
        assert!(Element::read(text).is_err(), "{text}");
    }
}

#[test]
fn a_number_is_its_digits() {
    let all = [
        ("+1 (215) 555-0121", Some("12155550121")),
        ("12155550121;npdi;rn=+1215", Some("12155550121")),
        ("*67", Some("*67")),
        ("alice", None),
        ("", None),
        ("++1", None),
        ("+", None),
    ];
    for (user, number) in all {
        assert_eq!(canonical(user).as_deref(), number, "{user:?}");
    }
    assert_eq!(canonical(&"1".repeat(33)), None);
}

#[test]
fn a_certificate_speaks_for_a_provider_a_range_or_one_number() {
    let one = b"\xa2\x06\x16\x0412155";
    let list = [
        b"\x30\x1f".as_slice(),
        b"\xa0\x06\x16\x04709J",
        b"\xa1\x0b\x30\x09\x16\x041215\x02\x01\x05",
        b"\xa2\x08\x16\x06121550",
    ]
    .concat();
    assert_eq!(read_list(one), None, "no list");
    let entries = read_list(&list).unwrap();
    let expected = [
        TnEntry::Provider("709J".into()),
        TnEntry::Range { start: "1215".into(), count: 5 },
        TnEntry::One("121550".into()),
    ];
    assert_eq!(entries, expected);
    let covers = |at: usize, number: &str| entries[at].covers(number);
    assert!(covers(0, "4930123") && covers(2, "121550") && !covers(2, "121551"));
    assert!(covers(1, "1215") && covers(1, "1219") && !covers(1, "1220") && !covers(1, "1214") && !covers(1, "01215"));
    for end in 0..list.len() {
        assert_eq!(read_list(&list[..end]), None, "cut at {end}");
    }
    for at in 0..list.len() {
        for value in [0, 0x7f, 0x80, 0x84, 0xff] {
            let mut hurt = list.clone();
            hurt[at] = value;
            // It may still be a list, but is never read beyond its end.
            let _ = read_list(&hurt);
        }
    }
}

#[test]
fn a_date_is_read_and_the_clock_goes_on_by_itself() {
    let headers = |text: &str| Headers::from_iter([Header::new(Name::Date, text)]);
    assert_eq!(verify::date(&headers("Fri, 25 Sep 2015 19:12:25 GMT")), Some(1_443_208_345));
    assert_eq!(verify::date(&headers("yesterday")), None);
    let (mut stir, now) = (Stir::default(), Instant::now());
    assert_eq!(stir.unix_s(now), None);
    stir.set_clock(now, 1000);
    assert_eq!(stir.unix_s(now + Duration::from_secs(90)), Some(1090));
}

#[test]
fn the_same_claims_are_the_same_octets() {
    let claims: Claims = serde_json::from_str(SHAKEN_CLAIMS[1]).unwrap();
    let protected = Protected::new("https://cert.example.org/passport.cer", Some(passport::SHAKEN));
    let expected = token(SHAKEN_HEADER, SHAKEN_CLAIMS[0]);
    assert_eq!(Some(passport::input(&protected, &claims).as_str()), expected.rsplit_once('.').map(|(input, _)| input));
}
