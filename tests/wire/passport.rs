//! PASSporTs of the documents, whole and damaged.

use patchcord::sip::stir::header::Element;
use patchcord::sip::stir::passport::{self, Token};

use crate::shared;

#[test]
fn the_example_of_rfc_8225_is_read_and_written_to_the_letter() {
    for (name, bytes) in shared::files("cases/passport") {
        let case: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let token = case["token_appendixA"].as_str().unwrap();
        let Token::Full(signed) = passport::read(token).unwrap() else { panic!("{name} is compact") };
        assert_eq!(signed.claims.orig.tn.as_deref(), Some("12155551212"));
        assert_eq!(signed.claims.dest.uri, ["sip:alice@example.com"]);
        assert_eq!(serde_json::to_string(&signed.protected).unwrap(), case["canonical_header"].as_str().unwrap());
        assert_eq!(serde_json::to_string(&signed.claims).unwrap(), case["canonical_payload"].as_str().unwrap());
        let input = passport::input(&signed.protected, &signed.claims);
        assert_eq!(passport::write(&input, &signed.signature), token);
    }
}

#[test]
fn a_damaged_passport_is_read_without_harm() {
    for (_, bytes) in shared::files("cases/passport") {
        let case: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let token = case["token_appendixA"].as_str().unwrap();
        let header = format!("{token};info=<https://cert.example.org/passport.cer>;alg=ES256");
        for hurt in shared::mutations(8225, header.as_bytes(), 20_000) {
            let text = String::from_utf8_lossy(&hurt);
            if let Ok(element) = Element::read(&text) {
                assert_eq!(Element::read(&element.to_string()).as_ref(), Ok(&element), "{text}");
                let _ = passport::read(&element.token);
            }
        }
    }
}
