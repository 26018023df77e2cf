//! Whether a caller's number is the caller's own, with words of others: certificates that are fetched, proofs that go on,
//! diversions, `verstat`, and callers who wish not to be named.

use std::collections::BTreeMap;
use std::time::Duration;

use patchcord::model::{Address, Attestation, Entry, Identity, Offer, Party, Signal, Verstat};
use patchcord::sip::config::{CallerPolicy, IdentityCheck, IdentityForm, Trunk};
use patchcord::sip::endpoint::held::{HELD_FOR, HELD_LIMIT};
use patchcord::sip::message::{Header, Message, Method, Name, Request};
use patchcord::sip::stir::fetched::{File, Sources};
use patchcord::sip::stir::passport::{self, Claims, Dest, Orig, Protected};
use patchcord::sip::stir::{Problem, Stir, Trust};

use super::identity::{Authority, NOW, PROVIDER, URL, alice, gateways};
use super::net::{LATENCY, Net, media, said};

/// A gateway that knows no certificate, and one that signs and calls it.
fn strangers(authority: &Authority, check: IdentityCheck) -> Net {
    let mut net = gateways(authority, check, |_| {});
    let mut trust = Trust::new(std::slice::from_ref(&authority.root), BTreeMap::new()).unwrap();
    trust.sources = Some(Sources::default());
    net.ends[1].endpoint.set_stir(Stir::new(Some(trust), None));
    net
}

fn dial(net: &mut Net) -> patchcord::base::LegId {
    net.call_start(0, |start| {
        start.entry = Entry::User("alice".into());
        start.from = alice();
        start.offer = Some(Offer { exchange: said(0), description: media(1000) });
    })
}

/// What the second gateway knows of those who called it.
fn identities(net: &mut Net) -> Vec<Option<Identity>> {
    let heard = net.take_heard(1).into_iter();
    let starts = heard.filter_map(|(_, signal)| match signal {
        Signal::Start(start) => Some(start.about.identity),
        _ => None,
    });
    starts.collect()
}

fn certificate(authority: &Authority) -> Result<File, &'static str> {
    Ok(File { body: authority.certificate.to_vec(), max_age_s: Some(600) })
}

fn verstats(net: &mut Net) -> Vec<Verstat> {
    identities(net).into_iter().map(|identity| identity.unwrap().verstat).collect()
}

#[test]
fn a_certificate_is_fetched_once_and_the_calls_that_wait_for_it_go_on_with_it() {
    let authority = Authority::new(Some(PROVIDER));
    let mut net = strangers(&authority, IdentityCheck::Reject);
    dial(&mut net);
    dial(&mut net);
    net.run_ms(500);
    assert_eq!(net.fetches, [(1, URL.to_owned())]);
    assert!(identities(&mut net).is_empty());
    assert_eq!(net.ladder(), ["1>2 INVITE sdp", "1>2 INVITE sdp", "2>1 100 INVITE", "2>1 100 INVITE"]);
    net.fetched(1, URL, certificate(&authority));
    let passed = Some(Identity { verstat: Verstat::Passed, attestation: Some(Attestation::A), why: None });
    assert_eq!(identities(&mut net), [passed.clone(), passed.clone()]);
    dial(&mut net);
    net.run_ms(100);
    assert_eq!((identities(&mut net), net.fetches.len()), (vec![passed], 1));
    // Ten minutes later it is not good any more.
    net.run(Duration::from_secs(600));
    identities(&mut net);
    dial(&mut net);
    net.run_ms(100);
    assert_eq!((identities(&mut net).len(), net.fetches.len()), (0, 2));
}

#[test]
fn no_call_waits_for_a_certificate_longer_than_two_seconds() {
    let authority = Authority::new(Some(PROVIDER));
    let mut net = strangers(&authority, IdentityCheck::Mark);
    dial(&mut net);
    net.run(HELD_FOR);
    assert!(identities(&mut net).is_empty());
    net.run(LATENCY);
    assert_eq!(verstats(&mut net), [Verstat::None]);
    // What comes late is there for the next call.
    net.fetched(1, URL, certificate(&authority));
    dial(&mut net);
    net.run_ms(100);
    assert_eq!((verstats(&mut net), net.fetches.len()), (vec![Verstat::Passed], 1));

    let mut net = strangers(&authority, IdentityCheck::Reject);
    dial(&mut net);
    net.run(HELD_FOR + 2 * LATENCY);
    assert_eq!(net.ladder().iter().filter(|line| line.contains("436")).count(), 1);
    net.assert_all_forgotten();
}

#[test]
fn a_certificate_that_is_not_to_be_had_is_no_proof_and_is_not_asked_for_again_at_once() {
    let authority = Authority::new(Some(PROVIDER));
    let mut net = strangers(&authority, IdentityCheck::Mark);
    for (answer, verstat) in [
        (Err("nobody is there"), Verstat::None),
        (Ok(File { body: b"<html>".to_vec(), max_age_s: None }), Verstat::None),
        (certificate(&Authority::new(Some(PROVIDER))), Verstat::Failed),
    ] {
        dial(&mut net);
        net.run_ms(100);
        let asked = net.fetches.len();
        net.fetched(1, URL, answer);
        assert_eq!(verstats(&mut net), [verstat]);
        dial(&mut net);
        net.run_ms(100);
        assert_eq!((verstats(&mut net), net.fetches.len()), (vec![verstat], asked));
        net.run(Duration::from_secs(31));
        net.take_heard(1);
    }
}

#[test]
fn a_call_that_is_given_up_while_it_waits_for_a_certificate_is_over() {
    let authority = Authority::new(Some(PROVIDER));
    let mut net = strangers(&authority, IdentityCheck::Mark);
    let leg = dial(&mut net);
    net.run_ms(100);
    net.ladder();
    net.say(0, leg, Signal::Hangup(patchcord::model::Hangup::new(patchcord::model::Cause::Cancelled)));
    net.run_ms(100);
    assert_eq!(net.ladder(), ["1>2 CANCEL", "2>1 200 CANCEL", "2>1 487 INVITE", "1>2 ACK"]);
    net.fetched(1, URL, certificate(&authority));
    assert!(identities(&mut net).is_empty());
    net.assert_all_forgotten();
}

#[test]
fn only_so_many_calls_wait_and_the_rest_are_judged_by_what_is_known() {
    let authority = Authority::new(Some(PROVIDER));
    let mut net = strangers(&authority, IdentityCheck::Mark);
    for _ in 0..=HELD_LIMIT {
        dial(&mut net);
    }
    net.run_ms(50);
    assert_eq!((verstats(&mut net), net.fetches.len()), (vec![Verstat::None], 1));
    net.fetched(1, URL, certificate(&authority));
    assert_eq!(verstats(&mut net), vec![Verstat::Passed; HELD_LIMIT]);
}

#[test]
fn nobody_is_asked_for_a_certificate_where_the_proof_cannot_be_of_the_call() {
    let authority = Authority::new(Some(PROVIDER));
    let mut net = strangers(&authority, IdentityCheck::Mark);
    let now = net.now;
    net.ends[1].endpoint.set_wall_clock(now, NOW + 61);
    dial(&mut net);
    net.run_ms(100);
    assert_eq!((verstats(&mut net), net.fetches.len()), (vec![Verstat::Failed], 0));
}

#[test]
fn other_roots_count_from_the_moment_they_are_read() {
    let (authority, other) = (Authority::new(Some(PROVIDER)), Authority::new(Some(PROVIDER)));
    let mut net = gateways(&authority, IdentityCheck::Mark, |_| {});
    for (by, verstat) in [(&other, Verstat::Failed), (&authority, Verstat::Passed)] {
        net.ends[1].endpoint.set_stir(Stir::new(Some(by.trust()), None));
        dial(&mut net);
        net.run_ms(100);
        assert_eq!(verstats(&mut net), [verstat]);
    }
}

/// A call of a trunk that came with these proofs, as it reaches the second gateway by a trunk that passes them on.
fn forwarded(authority: &Authority, from: Party, to: &str, change: impl Fn(&mut Trunk)) -> (Net, Request) {
    let proof = authority.invite(NOW - 10).headers.get(&Name::Identity).unwrap().to_string();
    let mut net = gateways(authority, IdentityCheck::Mark, |trunk| {
        trunk.stir.pass = true;
        change(trunk);
    });
    net.call_start(0, |start| {
        start.entry = Entry::Trunk("other".into());
        (start.from, start.to) = (from, Address::here(to));
        start.about.passports = vec![proof];
        start.offer = Some(Offer { exchange: said(0), description: media(1000) });
    });
    net.run_ms(100);
    let invite = net.sent.iter().find_map(|(.., message)| match message {
        Message::Request(request) if request.method == Method::INVITE => Some(request.clone()),
        _ => None,
    });
    (net, invite.unwrap())
}

#[test]
fn a_proof_goes_on_where_what_it_is_about_is_still_so_and_else_we_sign_or_nobody_does() {
    let authority = Authority::new(Some(PROVIDER));
    let attestation = |(mut net, invite): (Net, Request)| {
        let proofs = invite.headers.elements(&Name::Identity).count();
        let identity = identities(&mut net).pop().unwrap().unwrap();
        (proofs, identity.verstat, identity.attestation)
    };
    let as_is = |_: &mut Trunk| {};
    // The proof says A; ours for a caller of a trunk would say C.
    let same = forwarded(&authority, alice(), "+15550100", as_is);
    assert_eq!(attestation(same), (1, Verstat::Passed, Some(Attestation::A)));
    let elsewhere = forwarded(&authority, alice(), "+15550177", as_is);
    assert_eq!(attestation(elsewhere), (1, Verstat::Passed, Some(Attestation::C)), "signed anew");
    let somebody = Party::new(Address::here("+4930123456"));
    let other = forwarded(&authority, somebody, "+15550100", |trunk| trunk.stir.sign = false);
    assert_eq!(attestation(other), (0, Verstat::None, None), "neither theirs nor ours");
    let ours = forwarded(&authority, alice(), "+15550100", |trunk| {
        trunk.number = Some("+15550199".into());
        trunk.caller = CallerPolicy::OwnNumber;
        trunk.stir.sign = false;
    });
    assert_eq!(attestation(ours), (0, Verstat::None, None), "the trunk is shown another number");
    let hidden = forwarded(&authority, Party { private: true, ..alice() }, "+15550100", as_is);
    assert!(!hidden.1.to_bytes().windows(8).any(|w| w == b"Identity"), "a proof would name who hides");
    let off = forwarded(&authority, alice(), "+15550100", |trunk| trunk.stir.pass = false);
    assert_eq!(attestation(off), (1, Verstat::Passed, Some(Attestation::C)));
}

#[test]
fn what_we_answer_for_in_calls_of_a_trunk_the_configuration_says() {
    use patchcord::sip::stir::sign::{self, Policy};
    let directory = super::doors::directory();
    let of = |door: Entry, policy| sign::attestation(&door, "4930123456", None, &directory, policy);
    let usual = Policy { users: Attestation::B, theirs: None };
    let told = Policy { users: Attestation::C, theirs: Some(Attestation::B) };
    let trunk = || Entry::Trunk("pbx".into());
    assert_eq!((of(trunk(), usual), of(trunk(), told)), (Attestation::C, Attestation::B));
    let user = || Entry::User("bob".into());
    assert_eq!((of(user(), usual), of(user(), told)), (Attestation::B, Attestation::C));
    assert_eq!((of(Entry::Open, usual), of(Entry::Open, told)), (Attestation::C, Attestation::C));
}

#[test]
fn a_call_that_was_sent_on_is_proven_by_whoever_sent_it_on() {
    let authority = Authority::new(Some(PROVIDER));
    let mut invite = authority.invite(NOW);
    invite.headers.set(Header::new(Name::To, "<sip:+15550177@example.org>"));
    invite.uri = "sip:+15550177@example.org".parse().unwrap();
    assert!(matches!(authority.verdict(&invite), Err(Problem::Invalid(_))));
    let number = |tn: &str| Orig { tn: Some(tn.to_owned()), uri: None };
    let diversion = |from: &str, to: &str, caller: &str| {
        let claims = Claims {
            attest: None,
            dest: Dest { tn: vec![to.to_owned()], uri: Vec::new() },
            div: Some(number(from)),
            iat: NOW,
            orig: number(caller),
            origid: None,
        };
        let token = authority.signer().token(&passport::input(&Protected::new(URL, Some("div")), &claims)).unwrap();
        Header::new(Name::Identity, format!("{token};info=<{URL}>;alg=ES256;ppt=\"div\""))
    };
    let verdict = |more: &[Header]| {
        let sent_on = more.iter().cloned().fold(invite.clone(), Request::with);
        authority.verdict(&sent_on)
    };
    let direct = diversion("15550100", "15550177", "15550123");
    assert_eq!(verdict(std::slice::from_ref(&direct)), Ok(Some(Attestation::A)));
    let twice = [diversion("15550100", "15550150", "15550123"), diversion("15550150", "15550177", "15550123")];
    assert_eq!(verdict(&twice), Ok(Some(Attestation::A)));
    for wrong in [
        diversion("15550101", "15550177", "15550123"),
        diversion("15550100", "15550178", "15550123"),
        diversion("15550100", "15550177", "15550124"),
    ] {
        assert!(verdict(&[wrong]).is_err());
    }
    let mut alone = invite.clone();
    alone.headers.remove(&Name::Identity);
    alone.headers.push(direct);
    assert!(matches!(authority.verdict(&alone), Err(Problem::Missing(_))), "a diversion proves no caller");
}

/// The INVITE that a trunk gets from a caller of whom this is known.
fn told(identity: Option<Identity>, from: Party, change: impl Fn(&mut Trunk)) -> Request {
    let mut net = Net::with_script(1, change);
    net.call_start(0, |start| {
        start.from = from;
        start.about.identity = identity;
        start.offer = Some(Offer { exchange: said(0), description: media(1000) });
    });
    net.run_ms(100);
    net.request("INVITE")
}

#[test]
fn a_trunk_that_wants_to_know_is_told_what_came_of_verifying() {
    let known = || Some(Identity { verstat: Verstat::Passed, attestation: Some(Attestation::A), why: None });
    let from = |request: &Request| request.headers.get(&Name::From).unwrap().to_string();
    let wants = |trunk: &mut Trunk| trunk.stir.verstat = true;
    let invite = told(known(), alice(), wants);
    assert!(
        from(&invite).starts_with("<sip:+15550123;verstat=TN-Validation-Passed@10.0.0.9;user=phone>"),
        "{invite:?}"
    );
    for invite in [
        told(known(), alice(), |_| {}),
        told(None, alice(), wants),
        told(known(), Party::new(Address::here("alice")), wants),
        told(known(), alice(), |trunk| {
            wants(trunk);
            trunk.number = Some("+15550199".into());
            trunk.caller = CallerPolicy::OwnNumber;
        }),
    ] {
        assert!(!from(&invite).contains("verstat"), "{invite:?}");
    }
}

#[test]
fn a_number_is_read_without_what_a_network_says_of_it() {
    let mut net = Net::with_script(1, |_| {});
    let mut invite = super::doors::request("INVITE", "sip:+15550100;npdi;rn=+1555@10.0.0.1;user=phone", 1);
    invite.headers.set(Header::new(Name::From, "<sip:+15550123;verstat=No-TN-Validation@10.0.0.9;user=phone>;tag=1"));
    net.inject("10.0.0.9:5060".parse().unwrap(), 0, invite);
    let heard = net.take_heard(0);
    let Signal::Start(start) = &heard[0].1 else { panic!("{heard:?}") };
    assert_eq!((start.from.address.to_string(), start.to.to_string()), ("+15550123".into(), "+15550100".into()));
}

#[test]
fn who_wishes_not_to_be_named_is_named_to_trusted_trunks_only() {
    let hidden = || Party { private: true, display: Some("Alice".into()), ..alice() };
    type Change = fn(&mut Trunk);
    let trusted: [(Change, Name); 3] = [
        (|t| t.asserted_identity = true, Name::PAssertedIdentity),
        (|t| t.profile.identity = Some(IdentityForm::Ppi), Name::PPreferredIdentity),
        (|t| t.profile.identity = Some(IdentityForm::Rpid), Name::RemotePartyId),
    ];
    for (change, name) in trusted {
        let invite = told(None, hidden(), change);
        assert!(invite.headers.get(&name).unwrap().to_string().contains("+15550123"), "{name:?}");
        assert_eq!(invite.headers.get(&Name::Privacy).unwrap().as_str(), "id");
        let from = invite.headers.get(&Name::From).unwrap().to_string();
        assert!(from.starts_with("Anonymous <sip:anonymous@anonymous.invalid>"), "{from}");
        let open = told(None, alice(), change);
        assert!(open.headers.get(&name).is_some() && open.headers.get(&Name::Privacy).is_none());
    }
    let untrusted = told(None, hidden(), |_| {});
    let text = String::from_utf8(untrusted.to_bytes().to_vec()).unwrap();
    assert!(!text.contains("15550123") && !text.contains("Alice") && text.contains("Privacy: id"), "{text}");
}

#[test]
fn a_wish_not_to_be_named_is_heard_in_each_of_its_forms_and_identities_of_trusted_trunks_only() {
    let heard = |is_trusted: bool, from: &str, more: &[(Name, &str)]| {
        let mut net = Net::with_script(1, |trunk| trunk.asserted_identity = is_trusted);
        let mut invite = super::doors::request("INVITE", "sip:+15550100@10.0.0.1", 1);
        invite.headers.set(Header::new(Name::From, format!("{from};tag=1")));
        let invite = more.iter().fold(invite, |i, (name, value)| i.with(Header::new(name.clone(), *value)));
        net.inject("10.0.0.9:5060".parse().unwrap(), 0, invite);
        let heard = net.take_heard(0);
        let Signal::Start(start) = &heard[0].1 else { panic!("{heard:?}") };
        (start.from.address.to_string(), start.from.private)
    };
    let (open, pai) = ("<sip:+15550123@10.0.0.9>", (Name::PAssertedIdentity, "<sip:+15550199@10.0.0.9>"));
    assert_eq!(heard(true, open, &[]), ("+15550123".into(), false));
    assert_eq!(heard(true, open, std::slice::from_ref(&pai)), ("+15550199".into(), false));
    assert_eq!(heard(false, open, std::slice::from_ref(&pai)), ("+15550123".into(), false));
    for words in ["id", "header;id", "user;id;critical", "ID"] {
        let asks = (Name::Privacy, words);
        assert_eq!(heard(true, open, &[pai.clone(), asks.clone()]), ("+15550199".into(), true), "{words}");
        assert_eq!(heard(false, open, &[asks]), ("+15550123".into(), true), "{words}");
    }
    assert_eq!(heard(true, open, &[(Name::Privacy, "none")]), ("+15550123".into(), false));
    for nobody in ["<sip:anonymous@anonymous.invalid>", "\"Anonymous\" <sip:Anonymous@carrier.example>"] {
        assert!(heard(false, nobody, &[]).1, "{nobody}");
        assert_eq!(heard(true, nobody, std::slice::from_ref(&pai)), ("+15550199".into(), true));
    }
}
