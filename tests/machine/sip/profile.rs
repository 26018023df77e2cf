//! What a trunk's profile makes of a call to it.

use patchcord::model::Address;
use patchcord::sip::config::{CallerPolicy, Trunk};
use patchcord::sip::message::Request;

use super::net::{Net, media};

fn called(to: &str, change: impl Fn(&mut Trunk)) -> Request {
    let mut net = Net::with_script(1, change);
    net.call_start(0, |start| {
        start.to = Address::here(to);
        start.offer = Some(patchcord::model::Offer { exchange: super::net::said(0), description: media(40_000) });
    });
    net.run_ms(20);
    net.request("INVITE")
}

#[test]
fn a_number_says_that_it_is_one_where_the_trunk_wants_that_and_a_name_never() {
    let addresses = |request: &Request| {
        [
            request.uri.to_string(),
            request.headers.to().unwrap().uri.to_string(),
            request.headers.from().unwrap().uri.to_string(),
        ]
    };
    let marked = addresses(&called("+15550100", |trunk| trunk.user_phone = true));
    assert!(marked.iter().all(|uri| uri.ends_with(";user=phone")), "{marked:?}");
    let plain = addresses(&called("+15550100", |_| {}));
    assert!(plain.iter().all(|uri| !uri.contains("user=phone")), "{plain:?}");
    let name = called("reception", |trunk| trunk.user_phone = true);
    assert!(!name.uri.to_string().contains("user=phone"), "{}", name.uri);
}

#[test]
fn a_trunk_is_offered_its_own_codecs_alone_in_its_own_order() {
    let formats = |codecs: &[&str]| {
        let codecs: Vec<String> = codecs.iter().map(|name| (*name).to_owned()).collect();
        let invite = called("+15550100", |trunk| trunk.codecs = codecs.clone());
        let body = String::from_utf8_lossy(&invite.body).into_owned();
        body.lines().find_map(|line| line.strip_prefix("m=audio 40000 RTP/AVP ")).map(str::to_owned).unwrap()
    };
    assert_eq!(formats(&[]), "0 8 101");
    assert_eq!(formats(&["pcma", "PCMU"]), "8 0 101");
    assert_eq!(formats(&["PCMA"]), "8 101");
    assert_eq!(formats(&["iLBC"]), "0 8 101", "nothing in common would be no offer at all");
}

#[test]
fn the_callers_number_and_the_domain_in_from_are_the_trunks_to_choose() {
    let from = |change: &dyn Fn(&mut Trunk)| called("+15550100", change).headers.from().unwrap().uri.to_string();
    assert_eq!(from(&|_| {}), "sip:+15550111@10.0.0.9");
    let own = |trunk: &mut Trunk| {
        trunk.caller = CallerPolicy::OwnNumber;
        trunk.number = Some("+4930123456".into());
        trunk.from_domain = Some("ours.example".into());
    };
    assert_eq!(from(&own), "sip:+4930123456@ours.example");
}
