//! PASSporTs: what is written is read back.

use patchcord::model::Attestation;
use patchcord::sip::stir::header::Element;
use patchcord::sip::stir::passport::{self, Claims, Dest, Orig, Protected, SIGNATURE, Token};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn claims() -> impl Strategy<Value = Claims> {
    let attest = option::of(prop_oneof![Just(Attestation::A), Just(Attestation::B), Just(Attestation::C)]);
    let orig = prop_oneof![
        "[0-9#*]{1,15}".prop_map(|tn| Orig { tn: Some(tn), uri: None }),
        "\\PC{1,20}".prop_map(|uri| Orig { tn: None, uri: Some(uri) }),
    ];
    let dest = (vec("[0-9#*]{1,15}", 1..4), vec("\\PC{1,20}", 0..3)).prop_map(|(tn, uri)| Dest { tn, uri });
    let div = option::of("[0-9#*]{1,15}".prop_map(|tn| Orig { tn: Some(tn), uri: None }));
    let rest = (any::<u64>(), orig, option::of("\\PC{0,40}"));
    (attest, dest, div, rest).prop_map(|(attest, dest, div, (iat, orig, origid))| Claims {
        attest,
        dest,
        div,
        iat,
        orig,
        origid,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_passport_is_read_as_it_was_written(claims in claims(), shaken in any::<bool>(), signature in vec(any::<u8>(), SIGNATURE)) {
        let protected = Protected::new("https://example.org/c.pem", shaken.then_some("shaken"));
        let input = passport::input(&protected, &claims);
        let token = passport::write(&input, &signature);
        let element = Element { token, info: protected.x5u.clone(), alg: "ES256".into(), ppt: protected.ppt.clone() };
        let read = Element::read(&element.to_string());
        prop_assert_eq!(read.as_ref(), Ok(&element));
        match passport::read(&element.token) {
            Ok(Token::Full(signed)) => {
                prop_assert_eq!(signed.claims, claims);
                prop_assert_eq!(signed.protected, protected);
                prop_assert_eq!(signed.input, input);
                prop_assert_eq!(signed.signature.to_vec(), signature);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
