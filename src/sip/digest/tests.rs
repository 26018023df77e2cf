#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use super::authority::NONCE_LIFETIME;
use super::*;
use crate::base::Dice;
use crate::model::{Directory, User};
use crate::sip::message::Header;

fn account(password: &Secret) -> Account<'_> {
    Account { user: "alice", password, realm: None }
}

fn read_challenge(text: &str) -> Vec<Challenge> {
    challenges(&[Header::new(Name::WwwAuthenticate, text)].into_iter().collect(), &Name::WwwAuthenticate)
}

fn read_credentials(text: &str) -> Vec<Credentials> {
    credentials(&[Header::new(Name::Authorization, text)].into_iter().collect(), &Name::Authorization)
}

/// RFC 7616 §3.9.1 with the values of erratum 4897, and RFC 2617 §3.5.
#[test]
fn the_vectors_of_the_standards_come_out() {
    let vector = |algorithm, realm: &str, password: &str, nonce: &str, cnonce: &str, uri: &str| {
        let credentials = Credentials {
            username: "Mufasa".into(),
            realm: realm.into(),
            nonce: nonce.into(),
            uri: uri.into(),
            response: String::new(),
            algorithm,
            opaque: None,
            auth: Some(Auth { cnonce: cnonce.into(), count: 1 }),
        };
        response(&credentials, &"GET".into(), &algorithm.hash(&["Mufasa", realm, password]))
    };
    let (nonce, cnonce) =
        ("7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
    let rfc7616 =
        |algorithm| vector(algorithm, "http-auth@example.org", "Circle of Life", nonce, cnonce, "/dir/index.html");
    assert_eq!(rfc7616(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(rfc7616(Algorithm::Sha256), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    let rfc2617 = vector(
        Algorithm::Md5,
        "testrealm@host.com",
        "Circle Of Life",
        "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "0a4f113b",
        "/dir/index.html",
    );
    assert_eq!(rfc2617, "6629fae49393a05397450978507c4ef1");
}

#[test]
fn sha_512_256_is_the_hash_of_that_name_and_not_sha_512_cut_short() {
    // FIPS 180-4, SHA-512/256 of "abc".
    assert_eq!(
        Algorithm::Sha512_256.hash(&["abc"]),
        "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
    );
}

#[test]
fn the_client_answers_the_strongest_challenge_it_knows_of_its_realm() {
    let asked = [
        "Digest realm=\"a\", nonce=\"1\", qop=\"auth-int,auth\"",
        "Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\", opaque=\"o\\\"\"",
        "Digest realm=\"a\", nonce=\"3\", algorithm=SHA-999, qop=\"auth\"",
        "Digest realm=\"b\", nonce=\"4\", algorithm=SHA-512-256",
        "Basic realm=\"a\"",
        "Digest realm=\"a\", nonce=\"5\", algorithm=SHA-512-256, qop=\"auth-int\"",
    ];
    let asked: Vec<Challenge> = asked.iter().flat_map(|c| read_challenge(c)).collect();
    assert_eq!(asked.len(), 3);
    let password = Secret::new("secret");
    let of_a = Account { realm: Some("a"), ..account(&password) };
    let answered = answer(&asked, of_a, &Method::INVITE, "sip:b@example.org", 1, "c").unwrap();
    assert_eq!((answered.nonce.as_str(), answered.opaque.as_deref()), ("2", Some("o\"")));
    let anywhere = answer(&asked, account(&password), &Method::INVITE, "sip:b@example.org", 1, "c").unwrap();
    assert_eq!((anywhere.nonce.as_str(), anywhere.auth), ("4", None));
    let nowhere = Account { realm: Some("c"), ..account(&password) };
    assert_eq!(answer(&asked, nowhere, &Method::INVITE, "sip:b@example.org", 1, "c"), None);
}

#[test]
fn two_challenges_in_one_header_are_two() {
    let both = read_challenge("Digest realm=\"a, b\",nonce=\"1\" , Digest nonce=\"2\",realm=\"c\", stale=TRUE");
    assert_eq!(both.iter().map(|c| (c.realm.as_str(), c.stale)).collect::<Vec<_>>(), [("a, b", false), ("c", true)]);
}

#[test]
fn what_is_printed_is_read_back() {
    let password = Secret::new("p");
    for text in
        ["Digest realm=\"x\\\\y\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"", "Digest realm=\"\", nonce=\"n\""]
    {
        let challenge = read_challenge(text).remove(0);
        assert_eq!(read_challenge(&challenge.to_string()), std::slice::from_ref(&challenge));
        let answered = answer(&[challenge], account(&password), &Method::BYE, "sip:h", 0x1f, "c\"c").unwrap();
        assert_eq!(read_credentials(&answered.to_string()), [answered]);
    }
}

fn people<const N: usize>(people: [(&str, &str); N]) -> Directory {
    let user = |password: &str| User { password: Secret::new(password), display: None, number: None, jid: None };
    Directory { users: people.into_iter().map(|(name, password)| (name.to_owned(), user(password))).collect() }
}

struct Realm {
    authority: Authority,
    dice: Dice,
    now: Instant,
    password: Secret,
}

impl Realm {
    fn new() -> Realm {
        let (now, mut dice) = (Instant::now(), Dice::for_test(7));
        let mut authority = Authority::new("home", now, &mut dice);
        authority.follow(&Directory::default(), &people([("alice", "secret")]));
        Realm { authority, dice, now, password: Secret::new("secret") }
    }

    fn ask(&mut self) -> Vec<Challenge> {
        let asked = self.authority.challenges(Name::WwwAuthenticate, false, self.now, &mut self.dice);
        challenges(&asked.into_iter().collect(), &Name::WwwAuthenticate)
    }

    fn verify(&mut self, credentials: &Credentials) -> Verdict {
        self.authority.verify(credentials, &Method::REGISTER, self.now)
    }

    fn answer(&self, asked: &[Challenge], count: u32) -> Credentials {
        answer(asked, account(&self.password), &Method::REGISTER, "sip:home", count, "c").unwrap()
    }
}

#[test]
fn the_server_asks_for_sha_256_before_md5_and_takes_both() {
    let mut realm = Realm::new();
    let asked = realm.ask();
    assert_eq!(asked.iter().map(|c| c.algorithm).collect::<Vec<_>>(), [Algorithm::Sha256, Algorithm::Md5]);
    let strong = realm.answer(&asked, 1);
    let weak = realm.answer(&asked[1..], 2);
    assert_eq!([strong.algorithm, weak.algorithm], [Algorithm::Sha256, Algorithm::Md5]);
    assert_eq!([realm.verify(&strong), realm.verify(&weak)], [Verdict::Proven, Verdict::Proven]);
}

#[test]
fn an_old_client_without_qop_is_taken_too() {
    let mut realm = Realm::new();
    let mut asked = realm.ask();
    asked.iter_mut().for_each(|c| c.auth = false);
    let answered = realm.answer(&asked, 1);
    assert_eq!(answered.auth, None);
    assert_eq!(realm.verify(&answered), Verdict::Proven);
}

#[test]
fn a_wrong_password_method_user_realm_or_nonce_is_refused() {
    let mut realm = Realm::new();
    let asked = realm.ask();
    let good = realm.answer(&asked, 1);
    let now = realm.now;
    for people in [people([("alice", "guess")]), people([]), people([("bob", "secret")])] {
        let mut other = Realm { authority: Authority::new("home", now, &mut Dice::for_test(7)), ..Realm::new() };
        other.authority.follow(&Directory::default(), &people);
        assert_eq!(other.verify(&good), Verdict::Refused);
    }
    assert_eq!(realm.authority.verify(&good, &Method::INVITE, now), Verdict::Refused);
    for (realm_name, nonce) in [("away", asked[0].nonce.clone()), ("home", "0".repeat(60)), ("home", "é".repeat(20))] {
        let forged = [Challenge { realm: realm_name.into(), nonce, ..asked[0].clone() }];
        let forged = realm.answer(&forged, 1);
        assert_eq!(realm.verify(&forged), Verdict::Refused);
    }
    assert_eq!(realm.verify(&good), Verdict::Proven);
}

#[test]
fn a_nonce_count_counts_once_and_may_be_overtaken() {
    let mut realm = Realm::new();
    let asked = realm.ask();
    let mut say = |count| {
        let answered = realm.answer(&asked, count);
        realm.verify(&answered)
    };
    assert_eq!(
        [say(1), say(1), say(3), say(2), say(2)].map(|v| v == Verdict::Proven),
        [true, false, true, true, false]
    );
    assert_eq!([say(200), say(100), say(137), say(0)].map(|v| v == Verdict::Proven), [true, false, true, false]);
}

#[test]
fn an_old_nonce_is_stale_and_not_refused() {
    let mut realm = Realm::new();
    let asked = realm.ask();
    realm.now += NONCE_LIFETIME + Duration::from_millis(1);
    let answered = realm.answer(&asked, 1);
    assert_eq!(realm.verify(&answered), Verdict::Stale);
}

#[test]
fn what_is_remembered_of_nonces_is_limited_and_what_is_forgotten_cannot_be_replayed() {
    const MOST: usize = 1000;
    let mut realm = Realm::new();
    realm.authority.remember_at_most(MOST);
    let first = realm.ask();
    let first = realm.answer(&first, 1);
    assert_eq!(realm.verify(&first), Verdict::Proven);
    for _ in 0..MOST {
        realm.now += Duration::from_millis(1);
        let asked = realm.ask();
        let answered = realm.answer(&asked[1..], 1);
        assert_eq!(realm.verify(&answered), Verdict::Proven);
    }
    assert_eq!(realm.authority.remembered(), MOST);
    assert_eq!(realm.verify(&first), Verdict::Stale);
}

#[test]
fn who_is_new_or_has_another_password_is_known_by_it_at_once_and_who_is_gone_or_has_none_is_not() {
    let mut realm = Realm::new();
    let try_as = |realm: &mut Realm, user: &str, password: &str| {
        let (asked, password) = (realm.ask(), Secret::new(password));
        let who = Account { user, password: &password, realm: None };
        let answered = answer(&asked, who, &Method::REGISTER, "sip:home", 1, "c").unwrap();
        realm.verify(&answered) == Verdict::Proven
    };
    assert!(try_as(&mut realm, "alice", "secret"));
    let first = people([("alice", "secret")]);
    let second = people([("alice", "other"), ("bob", "builder"), ("eve", "")]);
    realm.authority.follow(&first, &second);
    assert!(try_as(&mut realm, "alice", "other") && try_as(&mut realm, "bob", "builder"));
    assert!(!try_as(&mut realm, "alice", "secret") && !try_as(&mut realm, "eve", ""));
    realm.authority.follow(&second, &people([("bob", "builder")]));
    assert!(!try_as(&mut realm, "alice", "other") && try_as(&mut realm, "bob", "builder"));
}
