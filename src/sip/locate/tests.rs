#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::base::Dice;

const HAVE: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// A name service of a script: what it knows, and what it was asked.
#[derive(Default)]
struct Script {
    zone: HashMap<Query, Answer>,
    asked: Vec<Query>,
    down: bool,
}

impl Script {
    fn with(mut self, query: Query, records: Records, ttl_s: u64) -> Script {
        self.zone.insert(query, Answer { records, ttl: Duration::from_secs(ttl_s) });
        self
    }

    fn naptr(self, name: &str, list: &[(u16, u16, &str, &str)]) -> Script {
        let list = list.iter().map(|(order, preference, service, replacement)| Naptr {
            order: *order,
            preference: *preference,
            flags: "s".into(),
            service: (*service).into(),
            replacement: (*replacement).into(),
        });
        self.with(Query::Naptr(name.into()), Records::Naptr(list.collect()), 3600)
    }

    fn srv(self, name: &str, list: &[(u16, u16, u16, &str)]) -> Script {
        let list = list.iter().map(|(priority, weight, port, target)| Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).into(),
        });
        self.with(Query::Srv(name.into()), Records::Srv(list.collect()), 60)
    }

    fn host(self, name: &str, list: &[&str]) -> Script {
        let list = list.iter().map(|ip| ip.parse().unwrap()).collect();
        self.with(Query::Addresses(name.into()), Records::Addresses(list), 300)
    }

    fn locate(&mut self, wish: &Wish, have: &[Transport]) -> Located {
        let mut known = HashMap::new();
        for _ in 0..5 {
            match locate(wish, have, &known) {
                Outcome::Found(located) => return located,
                Outcome::Ask(queries) => {
                    for query in queries {
                        let nothing = if self.down { Records::Failed } else { Records::Nothing };
                        let nothing = Answer { records: nothing, ttl: Duration::from_secs(5) };
                        let answer = self.zone.get(&query).cloned().unwrap_or(nothing);
                        self.asked.push(query.clone());
                        assert!(known.insert(query, answer).is_none(), "asked twice");
                    }
                }
            }
        }
        panic!("it never ends");
    }

    /// The targets in words, and what was asked for.
    fn targets(&mut self, wish: &Wish, have: &[Transport]) -> Vec<String> {
        let located = self.locate(wish, have);
        let targets = located.targets(&mut Dice::for_test(1));
        targets.iter().map(|t| format!("{} {} {}", t.transport.word(), t.address, t.name)).collect()
    }
}

fn wish(text: &str) -> Wish {
    let (secure, rest) = match text.strip_prefix("sips:") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (rest, transport) = match rest.split_once(';') {
        Some((rest, word)) => (rest, Transport::by_word(word)),
        None => (rest, None),
    };
    let at: crate::sip::config::HostPort = rest.parse().unwrap();
    Wish { host: at.host, port: at.port, transport, secure }
}

#[test]
fn a_number_is_asked_of_nobody() {
    for (text, expected) in [
        ("192.0.2.1", "udp 192.0.2.1:5060 192.0.2.1"),
        ("192.0.2.1:5080;tcp", "tcp 192.0.2.1:5080 192.0.2.1"),
        ("sips:192.0.2.1", "tls 192.0.2.1:5061 192.0.2.1"),
        ("sips:192.0.2.1;tcp", "tls 192.0.2.1:5061 192.0.2.1"),
        ("[2001:db8::1]:5070", "udp [2001:db8::1]:5070 2001:db8::1"),
    ] {
        let mut script = Script::default();
        assert_eq!(script.targets(&wish(text), &HAVE), [expected]);
        assert!(script.asked.is_empty());
    }
}

#[test]
fn a_port_skips_services() {
    let mut script = Script::default().host("a.example", &["192.0.2.1"]).srv("_sip._udp.a.example", &[(1, 1, 9, "x")]);
    assert_eq!(script.targets(&wish("a.example:5070"), &HAVE), ["udp 192.0.2.1:5070 a.example"]);
    assert_eq!(script.asked, [Query::Addresses("a.example".into())]);
}

#[test]
fn a_transport_skips_naptr() {
    let mut script = Script::default()
        .naptr("a.example", &[(1, 1, "SIP+D2U", "_sip._udp.a.example")])
        .srv("_sip._tcp.a.example", &[(1, 1, 5080, "gw.a.example.")])
        .host("gw.a.example", &["192.0.2.2"]);
    assert_eq!(script.targets(&wish("a.example;tcp"), &HAVE), ["tcp 192.0.2.2:5080 gw.a.example"]);
    assert!(!script.asked.iter().any(|q| matches!(q, Query::Naptr(_))));
}

#[test]
fn naptr_names_the_transport_by_order_then_preference_among_those_that_we_have() {
    let script = || {
        Script::default()
            .naptr(
                "a.example",
                &[
                    (50, 50, "SIPS+D2T", "_sips._tcp.a.example."),
                    (90, 60, "SIP+D2U", "udp.elsewhere.example."),
                    (90, 50, "SIP+D2T", "_sip._tcp.a.example."),
                    (10, 10, "SIP+D2W", "_sip._ws.a.example."),
                    (10, 20, "E2U+sip", "_sip._udp.a.example."),
                ],
            )
            .srv("_sips._tcp.a.example", &[(0, 0, 5061, "t.example")])
            .srv("_sip._tcp.a.example", &[(0, 0, 5060, "t.example")])
            .srv("udp.elsewhere.example", &[(0, 0, 5062, "u.example")])
            .host("t.example", &["192.0.2.3"])
            .host("u.example", &["192.0.2.4"])
    };
    let by = |have: &[Transport], text: &str| script().targets(&wish(text), have);
    assert_eq!(by(&HAVE, "a.example"), ["tls 192.0.2.3:5061 t.example"]);
    assert_eq!(by(&[Transport::Udp, Transport::Tcp], "a.example"), ["tcp 192.0.2.3:5060 t.example"]);
    assert_eq!(by(&[Transport::Udp], "a.example"), ["udp 192.0.2.4:5062 u.example"]);
    assert_eq!(by(&HAVE, "sips:a.example"), ["tls 192.0.2.3:5061 t.example"]);
}

#[test]
fn without_naptr_the_services_of_our_transports_are_asked_for_in_our_order() {
    let mut script = Script::default()
        .srv("_sip._tcp.a.example", &[(0, 0, 5070, "t.example")])
        .srv("_sips._tcp.a.example", &[(0, 0, 5071, "t.example")])
        .host("t.example", &["192.0.2.3"]);
    assert_eq!(script.targets(&wish("a.example"), &HAVE), ["tcp 192.0.2.3:5070 t.example"]);
    assert_eq!(script.targets(&wish("sips:a.example"), &HAVE), ["tls 192.0.2.3:5071 t.example"]);
    let reversed = [Transport::Tls, Transport::Tcp];
    assert_eq!(script.targets(&wish("a.example"), &reversed), ["tls 192.0.2.3:5071 t.example"]);
}

#[test]
fn without_services_the_host_itself_is_it_at_the_usual_port() {
    let mut script = Script::default().host("a.example", &["192.0.2.1"]);
    assert_eq!(script.targets(&wish("A.Example"), &HAVE), ["udp 192.0.2.1:5060 a.example"]);
    assert_eq!(script.targets(&wish("a.example;tls"), &HAVE), ["tls 192.0.2.1:5061 a.example"]);
    assert_eq!(script.targets(&wish("sips:a.example"), &HAVE), ["tls 192.0.2.1:5061 a.example"]);
    assert!(script.targets(&wish("nowhere.example"), &HAVE).is_empty());
}

#[test]
fn a_service_that_is_denied_is_not_looked_for_at_the_host() {
    let mut script = Script::default().srv("_sip._udp.a.example", &[(0, 0, 0, ".")]).host("a.example", &["192.0.2.1"]);
    assert!(script.targets(&wish("a.example;udp"), &HAVE).is_empty());
}

#[test]
fn servers_go_by_priority_and_then_as_often_first_as_their_weights_say() {
    let mut script = Script::default()
        .srv(
            "_sip._udp.a.example",
            &[(20, 0, 5060, "backup"), (10, 90, 5060, "often"), (10, 10, 5060, "seldom"), (10, 0, 5060, "never")],
        )
        .host("backup", &["192.0.2.20"])
        .host("often", &["192.0.2.10"])
        .host("never", &["192.0.2.12"])
        .host("seldom", &["192.0.2.11"]);
    let located = script.locate(&wish("a.example;udp"), &HAVE);
    let mut dice = Dice::for_test(7);
    let mut firsts = HashMap::new();
    for _ in 0..2000 {
        let targets = located.targets(&mut dice);
        assert_eq!((targets.len(), targets[3].name.as_str()), (4, "backup"));
        *firsts.entry(targets[0].name.clone()).or_insert(0) += 1;
    }
    assert!((1720..1880).contains(&firsts["often"]), "{firsts:?}");
    assert!(firsts.get("never").is_none_or(|times| *times < 60), "RFC 2782: a very small chance: {firsts:?}");
    assert!(!firsts.contains_key("backup"), "{firsts:?}");
}

#[test]
fn servers_without_weights_share_evenly() {
    let mut script = Script::default()
        .srv("_sip._udp.a.example", &[(1, 0, 5060, "one"), (1, 0, 5060, "two")])
        .host("one", &["192.0.2.1"])
        .host("two", &["192.0.2.2"]);
    let located = script.locate(&wish("a.example;udp"), &HAVE);
    let mut dice = Dice::for_test(3);
    let ones = (0..1000).filter(|_| located.targets(&mut dice)[0].name == "one").count();
    assert!((400..600).contains(&ones), "{ones}");
}

#[test]
fn of_both_families_addresses_come_by_turns() {
    let mut script =
        Script::default().host("a.example", &["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2", "192.0.2.1"]);
    let located = script.locate(&wish("a.example:5060"), &HAVE);
    let addresses: Vec<String> = located.ways[0].addresses.iter().map(|a| a.ip().to_string()).collect();
    assert_eq!(addresses, ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
}

#[test]
fn what_was_found_is_good_for_the_shortest_of_its_answers() {
    let mut script = Script::default()
        .naptr("a.example", &[(1, 1, "SIP+D2U", "_sip._udp.a.example")])
        .srv("_sip._udp.a.example", &[(0, 0, 5060, "u.example")])
        .host("u.example", &["192.0.2.4"]);
    let located = script.locate(&wish("a.example"), &HAVE);
    assert_eq!((located.ttl, located.doubtful), (Duration::from_secs(60), false));
}

#[test]
fn a_server_whose_name_is_lost_leaves_the_others() {
    let mut script = Script::default()
        .srv("_sip._udp.a.example", &[(1, 0, 5060, "lost"), (2, 0, 5060, "here")])
        .host("here", &["192.0.2.2"]);
    assert_eq!(script.targets(&wish("a.example;udp"), &HAVE), ["udp 192.0.2.2:5060 here"]);
}

#[test]
fn where_nobody_answers_what_is_found_is_doubtful() {
    let mut script = Script { down: true, ..Script::default() }.host("a.example", &["192.0.2.1"]);
    let located = script.locate(&wish("a.example"), &HAVE);
    assert!(located.doubtful, "a service may exist that could not be asked for");
    assert_eq!(located.ways.len(), 1);
}

#[test]
fn a_zone_that_is_far_too_large_is_used_in_part() {
    let servers: Vec<(u16, u16, u16, &str)> = (0..100).map(|n| (100 - n, 0, 5060, "many.example")).collect();
    let addresses: Vec<String> = (0..100).map(|n| format!("192.0.2.{n}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut script = Script::default().srv("_sip._udp.a.example", &servers).host("many.example", &addresses);
    let located = script.locate(&wish("a.example;udp"), &HAVE);
    assert_eq!((located.ways.len(), located.ways[0].priority), (MAX_SERVERS, 1));
    assert_eq!(located.ways[0].addresses.len(), MAX_ADDRESSES);
    assert_eq!(located.targets(&mut Dice::for_test(1)).len(), 8);
}
