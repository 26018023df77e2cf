//! Who sent a call on before it came to us, and who sends it on through us (RFC 5806, RFC 7044).

use patchcord::model::{Address, Contact, Diversion, DiversionReason, Party, Signal};
use patchcord::sip::config::{Config, DiversionForm, NumberFormat, Trunk};
use patchcord::sip::message::{Header, Name, Request};

use super::doors::{home, last, prove, request};
use super::net::{Net, address};

const SAID: [(Name, &str); 2] = [
    (Name::Diversion, "<sip:4930222222@carrier>;reason=no-answer"),
    (Name::Diversion, "<sip:4930111111@carrier>;reason=user-busy;privacy=full"),
];

/// The diversions that a call with these headers is heard with.
fn heard(net: &mut Net, headers: &[(Name, &str)]) -> Vec<Diversion> {
    let mut invite = request("INVITE", "sip:4930333333@10.0.0.1", 1);
    for (name, value) in headers {
        invite.headers.push(Header::new(name.clone(), *value));
    }
    net.inject(address("10.0.0.9:5060"), 0, invite);
    let start = net.take_heard(0).into_iter().find_map(|(_, signal)| match signal {
        Signal::Start(start) => Some(start),
        _ => None,
    });
    let start = start.expect("a call");
    assert!(start.to.user.ends_with("4930333333"));
    start.about.diversions
}

fn by(number: &str, private: bool, reason: DiversionReason) -> Diversion {
    Diversion { by: Party { private, ..Party::new(Address::here(number)) }, reason }
}

#[test]
fn a_trunk_says_who_sent_its_call_on_and_nobody_else_is_believed_in_that() {
    let expected =
        [by("+4930222222", false, DiversionReason::NoAnswer), by("+4930111111", true, DiversionReason::Busy)];
    let mut trunk = Net::with_script(1, |trunk| trunk.profile.number_format = NumberFormat::Plain);
    assert_eq!(heard(&mut trunk, &SAID), expected);
    let mut stranger = Net::new(1);
    stranger.add("10.0.0.1:5060", Config { open: true, ..Config::default() }, Default::default());
    assert!(heard(&mut stranger, &SAID).is_empty());
}

/// The INVITE of a call to the trunk that two have sent on.
fn sent_on(change: impl Fn(&mut Trunk)) -> Request {
    let mut net = Net::with_script(1, change);
    net.call_start(0, |start| {
        start.about.diversions = vec![
            by("+4930222222", false, DiversionReason::Unconditional),
            by("+4930111111", true, DiversionReason::NoAnswer),
        ];
    });
    net.run_ms(20);
    net.request("INVITE")
}

fn values(request: &Request, name: &Name) -> Vec<String> {
    request.headers.all(name).map(ToString::to_string).collect()
}

#[test]
fn a_trunk_is_told_who_sends_a_call_on_only_in_the_form_that_it_is_configured_for() {
    let silent = sent_on(|_| {});
    assert!(!String::from_utf8_lossy(&silent.to_bytes()).contains("4930222222"));
    let told = sent_on(|trunk| {
        trunk.profile.diversion = DiversionForm::Diversion;
        trunk.profile.number_format = NumberFormat::Zeros;
    });
    assert_eq!(
        values(&told, &Name::Diversion),
        [
            "<sip:004930222222@10.0.0.9>;reason=unconditional;privacy=off",
            "<sip:anonymous@anonymous.invalid>;reason=no-answer;privacy=full"
        ]
    );
    assert!(!told.headers.has(&Name::HistoryInfo));
    let history = sent_on(|trunk| trunk.profile.diversion = DiversionForm::HistoryInfo);
    assert_eq!(
        values(&history, &Name::HistoryInfo),
        [
            "<sip:anonymous@anonymous.invalid?Privacy=history>;index=1",
            "<sip:+4930222222@10.0.0.9;cause=408>;index=1.1;mp=1",
            "<sip:+15550100@10.0.0.9:5060;cause=302>;index=1.1.1;mp=1.1"
        ]
    );
    assert!(!history.headers.has(&Name::Diversion));
}

#[test]
fn who_does_not_wish_to_be_named_is_named_to_a_trunk_that_is_trusted_with_it_alone() {
    for (trusted, shown) in [(false, "sip:anonymous@anonymous.invalid"), (true, "sip:+4930111111@10.0.0.9")] {
        let told = sent_on(|trunk| {
            trunk.profile.diversion = DiversionForm::Diversion;
            trunk.asserted_identity = trusted;
        });
        let last = values(&told, &Name::Diversion).pop().unwrap();
        assert_eq!(last, format!("<{shown}>;reason=no-answer;privacy=full"));
    }
}

#[test]
fn what_is_heard_in_one_form_is_told_in_the_other_without_loss() {
    let mut net = Net::with_script(1, |trunk| {
        trunk.profile.diversion = DiversionForm::HistoryInfo;
        trunk.asserted_identity = true;
    });
    let first = heard(&mut net, &SAID);
    net.call_start(0, |start| start.about.diversions = first.clone());
    net.run_ms(20);
    let history = values(&net.request("INVITE"), &Name::HistoryInfo).join(", ");
    let mut other = Net::with_script(1, |_| {});
    let second = heard(&mut other, &[(Name::HistoryInfo, &history)]);
    assert_eq!(second, first);
}

#[test]
fn a_telephone_of_ours_shows_who_sent_the_call_on() {
    let mut net = home(|_| {});
    let phone = address("203.0.113.7:40000");
    let register = |cseq| {
        let mut register = request("REGISTER", "sip:example.org", cseq);
        register.headers.set(Header::new(Name::To, "<sip:alice@example.org>"));
        register
    };
    net.inject(phone, 0, register(1));
    let again = prove(&net, &register(2), "alice", "wonder");
    net.inject(phone, 0, again);
    assert_eq!(last(&net).1.code(), 200);
    let contact: Contact = net.ends[0].bound[0].contact.clone();
    net.call_start(0, |start| {
        (start.trunk, start.contact, start.to) = (None, Some(contact), Address::here("alice"));
        start.offer = None;
        start.about.diversions = vec![by("+4930222222", false, DiversionReason::Busy)];
    });
    net.run_ms(20);
    let told = values(&net.request("INVITE"), &Name::Diversion);
    assert_eq!(told, ["<sip:+4930222222@example.org>;reason=user-busy;privacy=off"]);
}
