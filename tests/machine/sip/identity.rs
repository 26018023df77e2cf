//! Whether a caller's number is the caller's own: signed by one gateway, verified by another.

use std::collections::BTreeMap;

use patchcord::model::{Address, Attestation, Directory, Entry, Identity, Party, Signal, Verstat};
use patchcord::sip::config::{CallerPolicy, Config, IdentityCheck, NumberFormat, Trunk};
use patchcord::sip::message::{Header, Message, Name, Request};
use patchcord::sip::stir::verify::{self, Call};
use patchcord::sip::stir::{Problem, Signer, Stir, Trust};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::doors::directory;
use super::net::{Net, media};

pub const URL: &str = "https://certs.example.org/calls.pem";
/// 2026-01-01, in seconds since 1970.
pub const NOW: u64 = 1_767_225_600;
/// One number, in the extension of RFC 8226.
const ONLY_THIS: &[u8] = b"\x30\x0c\xa2\x0a\x16\x0815550123";
/// A provider.
pub const PROVIDER: &[u8] = b"\x30\x08\xa0\x06\x16\x04709J";

/// A root, and a certificate of its with a key.
pub struct Authority {
    pub root: CertificateDer<'static>,
    pub certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub fn new(list: Option<&[u8]>) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "root of calls");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "calls of a provider");
        let list = list.map(|list| CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], list.to_vec()));
        params.custom_extensions.extend(list);
        let certificate = params.signed_by(&own, &issuer).unwrap().der().clone();
        Authority { root, certificate, key: own.serialize_der() }
    }

    pub fn trust(&self) -> Trust {
        self.trust_as("calls.pem")
    }

    fn trust_as(&self, file: &str) -> Trust {
        let known = BTreeMap::from([(file.to_owned(), vec![self.certificate.clone()])]);
        Trust::new(std::slice::from_ref(&self.root), known).unwrap()
    }

    pub fn signer(&self) -> Signer {
        Signer::new(&PrivateKeyDer::Pkcs8(self.key.clone().into()), URL).unwrap()
    }

    /// An INVITE from 15550123 to 15550100 with a proof made at that time.
    pub fn invite(&self, unix_s: u64) -> Request {
        let door = Entry::User("alice".into());
        let headers = self.signer().sign(unix_s, "15550123", "15550100", Attestation::A, &door).unwrap();
        headers.into_iter().fold(super::doors::request("INVITE", "sip:+15550100@example.org", 1), Request::with)
    }

    pub fn verdict(&self, invite: &Request) -> Result<Option<Attestation>, Problem> {
        verdict(&self.trust(), invite, NOW)
    }
}

fn verdict(trust: &Trust, invite: &Request, unix_s: u64) -> Result<Option<Attestation>, Problem> {
    verify::verify(trust, &invite.headers, &Call::of(invite, "+15550123", NumberFormat::AsIs).unwrap(), unix_s)
}

/// A gateway with users that signs, at 10.0.0.1, and one that verifies, at 10.0.0.2.
pub fn gateways(authority: &Authority, check: IdentityCheck, change: impl Fn(&mut Trunk)) -> Net {
    let mut net = Net::new(1);
    let config = |peer: &str, change: &dyn Fn(&mut Trunk)| {
        let mut trunk = Trunk::at(peer.parse().unwrap());
        change(&mut trunk);
        Config { trunks: BTreeMap::from([("peer".to_owned(), trunk)]), ..Config::default() }
    };
    let signs = |trunk: &mut Trunk| {
        trunk.stir.sign = true;
        change(trunk);
    };
    let checks = |trunk: &mut Trunk| {
        trunk.asserted_identity = true;
        trunk.stir.check = check;
    };
    net.add("10.0.0.1:5060", config("10.0.0.2:5060", &signs), directory());
    net.add("10.0.0.2:5060", config("10.0.0.1:5060", &checks), Directory::default());
    net.ends[0].endpoint.set_stir(Stir::new(None, Some(authority.signer())));
    net.ends[1].endpoint.set_stir(Stir::new(Some(authority.trust()), None));
    let now = net.now;
    for end in &mut net.ends {
        end.endpoint.set_wall_clock(now, NOW);
    }
    net
}

/// Calls, and tells what the other gateway knows of the caller's number; or the status of its refusal.
fn call(net: &mut Net, entry: Entry, from: Party) -> Result<Option<Identity>, u16> {
    net.call_start(0, |start| {
        start.entry = entry;
        start.from = from;
        start.offer = Some(patchcord::model::Offer { exchange: super::net::said(0), description: media(1000) });
    });
    net.run_ms(100);
    match net.take_heard(1).into_iter().next() {
        Some((_, Signal::Start(start))) => Ok(start.about.identity),
        _ => Err(net
            .sent
            .iter()
            .find_map(|(_, _, _, message)| match message {
                Message::Response(response) if response.code() > 100 => Some(response.code()),
                _ => None,
            })
            .expect("neither a call nor a refusal")),
    }
}

pub fn alice() -> Party {
    Party::new(Address::here("+15550123"))
}

fn passed(attestation: Attestation) -> Result<Option<Identity>, u16> {
    Ok(Some(Identity { verstat: Verstat::Passed, attestation: Some(attestation), why: None }))
}

#[test]
fn a_call_is_signed_by_one_gateway_and_verified_by_another_with_what_it_answers_for() {
    let authority = Authority::new(Some(PROVIDER));
    let stranger = Party::new(Address::here("+4930123456"));
    let all = [
        (Entry::User("alice".into()), alice(), Attestation::A),
        (Entry::User("bob".into()), alice(), Attestation::B),
        (Entry::Account("carol@example.net".into()), alice(), Attestation::B),
        (Entry::Trunk("other".into()), stranger.clone(), Attestation::C),
        (Entry::Open, stranger, Attestation::C),
    ];
    for (entry, from, attestation) in all {
        let mut net = gateways(&authority, IdentityCheck::Reject, |_| {});
        assert_eq!(call(&mut net, entry, from), passed(attestation));
    }
}

#[test]
fn a_number_that_the_trunk_gave_us_is_ours_and_a_hidden_one_is_proven_to_whom_it_is_told() {
    let authority = Authority::new(Some(PROVIDER));
    let mut net = gateways(&authority, IdentityCheck::Reject, |trunk| {
        trunk.number = Some("+15550199".into());
        trunk.caller = CallerPolicy::OwnNumber;
    });
    assert_eq!(call(&mut net, Entry::User("bob".into()), alice()), passed(Attestation::A));
    let hidden = Party { private: true, ..alice() };
    let mut net = gateways(&authority, IdentityCheck::Reject, |trunk| trunk.asserted_identity = true);
    assert_eq!(call(&mut net, Entry::User("alice".into()), hidden.clone()), passed(Attestation::A));
    let mut net = gateways(&authority, IdentityCheck::Reject, |_| {});
    assert_eq!(call(&mut net, Entry::User("alice".into()), hidden), Err(428), "not named to the trunk, so not signed");
    let text = net.sent.iter().map(|(.., message)| String::from_utf8_lossy(&message.to_bytes()).into_owned());
    assert!(!text.collect::<String>().contains("15550123"));
}

#[test]
fn without_a_proof_that_holds_a_call_is_refused_or_marked_or_left_alone() {
    let (ours, theirs) = (Authority::new(Some(PROVIDER)), Authority::new(Some(PROVIDER)));
    let reason = |identity: Result<Option<Identity>, u16>| {
        let identity = identity.unwrap().unwrap();
        assert_eq!(identity.attestation, None);
        (identity.verstat, identity.why.unwrap())
    };
    let entry = || Entry::User("alice".into());
    let foreign = |check| {
        let mut net = gateways(&ours, check, |_| {});
        net.ends[1].endpoint.set_stir(Stir::new(Some(theirs.trust_as("certs.example.org/calls.pem")), None));
        let now = net.now;
        net.ends[1].endpoint.set_wall_clock(now, NOW);
        net
    };
    assert_eq!(call(&mut foreign(IdentityCheck::Reject), entry(), alice()), Err(438));
    let (verstat, why) = reason(call(&mut foreign(IdentityCheck::Mark), entry(), alice()));
    assert_eq!((verstat, why.as_str()), (Verstat::Failed, "the signature of the proof does not hold"));
    assert_eq!(call(&mut foreign(IdentityCheck::Off), entry(), alice()), Ok(None));

    let unsigned = |check| gateways(&ours, check, |trunk| trunk.stir.sign = false);
    assert_eq!(call(&mut unsigned(IdentityCheck::Reject), entry(), alice()), Err(428));
    assert_eq!(reason(call(&mut unsigned(IdentityCheck::Mark), entry(), alice())).0, Verstat::None);

    let mut late = gateways(&ours, IdentityCheck::Reject, |_| {});
    let now = late.now;
    late.ends[1].endpoint.set_wall_clock(now, NOW + 61);
    assert_eq!(call(&mut late, entry(), alice()), Err(403));
}

#[test]
fn a_proof_holds_for_its_own_call_and_minute_only() {
    let authority = Authority::new(Some(ONLY_THIS));
    let invite = authority.invite(NOW);
    let at = |unix_s| verdict(&authority.trust(), &invite, unix_s);
    assert_eq!(at(NOW), Ok(Some(Attestation::A)));
    assert_eq!((at(NOW + 60), at(NOW - 60)), (Ok(Some(Attestation::A)), Ok(Some(Attestation::A))));
    assert!(matches!(at(NOW + 61), Err(Problem::Stale(_))) && matches!(at(NOW - 61), Err(Problem::Stale(_))));

    let with = |name: Name, value: &str| {
        let mut other = invite.clone();
        other.headers.set(Header::new(name, value));
        authority.verdict(&other)
    };
    let late = with(Name::Date, "Thu, 01 Jan 2026 00:05:00 GMT");
    assert!(matches!(late, Err(Problem::Stale(_))), "the Date is not the proof's: {late:?}");
    let mut elsewhere = invite.clone();
    elsewhere.headers.set(Header::new(Name::To, "<sip:+15550177@example.org>"));
    elsewhere.uri = "sip:+15550177@example.org".parse().unwrap();
    assert!(matches!(authority.verdict(&elsewhere), Err(Problem::Invalid(_))));
    let call = Call::of(&invite, "+15550124", NumberFormat::AsIs).unwrap();
    let other_caller = verify::verify(&authority.trust(), &invite.headers, &call, NOW);
    assert!(matches!(other_caller, Err(Problem::Invalid(_))));

    let header = invite.headers.get(&Name::Identity).unwrap().to_string();
    assert!(matches!(with(Name::Identity, &header.replace("ppt=\"shaken\"", "ppt=\"rph\"")), Err(Problem::Missing(_))));
    assert!(matches!(with(Name::Identity, &header.replace(";ppt=\"shaken\"", "")), Err(Problem::Invalid(_))));
    assert!(matches!(with(Name::Identity, &header.replace("/calls", "/others")), Err(Problem::Invalid(_))));
    assert!(matches!(with(Name::Identity, &header.replace("ES256", "none")), Err(Problem::Unsupported(_))));
    let both = format!("a.b.c;info=<https://h/c>, {header}");
    assert_eq!(with(Name::Identity, &both), Ok(Some(Attestation::A)), "one that holds is enough");
    let flood = format!("{}{header}", "a.b.c;info=<https://h/c>, ".repeat(8));
    assert!(with(Name::Identity, &flood).is_err(), "no more than eight are looked at");
}

#[test]
fn no_octet_of_a_proof_can_be_changed() {
    let authority = Authority::new(Some(PROVIDER));
    let invite = authority.invite(NOW);
    let header = invite.headers.get(&Name::Identity).unwrap().to_string();
    let token = header.split(';').next().unwrap();
    let trust = authority.trust();
    for at in 0..token.len() {
        let mut hurt = header.clone().into_bytes();
        hurt[at] = if hurt[at] == b'A' { b'B' } else { b'A' };
        let mut other = invite.clone();
        other.headers.set(Header::new(Name::Identity, String::from_utf8(hurt).unwrap()));
        assert!(verdict(&trust, &other, NOW).is_err(), "octet {at} of {token}");
    }
}

#[test]
fn a_certificate_counts_for_its_own_numbers_and_from_a_known_root() {
    let only = Authority::new(Some(ONLY_THIS));
    assert_eq!(only.verdict(&only.invite(NOW)), Ok(Some(Attestation::A)));
    let other = Authority::new(Some(b"\x30\x0c\xa2\x0a\x16\x0815550124"));
    let silent = Authority::new(None);
    for authority in [&other, &silent] {
        assert!(matches!(authority.verdict(&authority.invite(NOW)), Err(Problem::Unsupported(_))));
    }
    let rootless = Trust::new(&[], BTreeMap::from([("calls.pem".to_owned(), vec![only.certificate.clone()])])).unwrap();
    let answer = verdict(&rootless, &only.invite(NOW), NOW);
    assert_eq!(answer, Err(Problem::Unsupported("the certificate comes from nobody who is believed")));
    let unknown = verdict(&only.trust_as("other.pem"), &only.invite(NOW), NOW);
    assert!(matches!(unknown, Err(Problem::NoCertificate(_))), "{unknown:?}");
    let by_host = verdict(&only.trust_as("certs.example.org/calls.pem"), &only.invite(NOW), NOW);
    assert_eq!(by_host, Ok(Some(Attestation::A)));
}

#[test]
fn a_proof_in_compact_form_is_over_what_the_request_says() {
    use patchcord::sip::stir::passport::{self, Claims, Dest, Orig, Protected};
    let authority = Authority::new(Some(PROVIDER));
    let claims = Claims {
        attest: None,
        dest: Dest { tn: vec!["15550100".into()], uri: Vec::new() },
        div: None,
        iat: NOW,
        orig: Orig { tn: Some("15550123".into()), uri: None },
        origid: None,
    };
    let full = authority.signer().token(&passport::input(&Protected::new(URL, None), &claims)).unwrap();
    let signature = full.rsplit('.').next().unwrap();
    let mut invite = authority.invite(NOW);
    invite.headers.set(Header::new(Name::Identity, format!("..{signature};info=<{URL}>;alg=ES256")));
    assert_eq!(authority.verdict(&invite), Ok(None), "it holds, and says nothing of attestation");
    invite.headers.remove(&Name::Date);
    assert!(matches!(authority.verdict(&invite), Err(Problem::Invalid(_))));
    invite.headers.set(Header::new(Name::Identity, format!("{full};info=<{URL}>")));
    assert_eq!(authority.verdict(&invite), Ok(None), "in full form it needs no Date");
}
