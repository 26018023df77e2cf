//! The dialplan, for all rules and all calls.

use patchcord::base::Secret;
use patchcord::model::{Address, Directory, Entry, User};
use patchcord::route::{
    Action, Decision, Dialplan, Minute, Names, Numbering, Request, decide, explain, pattern::Pattern,
};
use proptest::prelude::*;

const ENTRIES: [&str; 9] =
    ["user", "user:alice", "trunk", "trunk:a", "web", "sip|open", "open", "xmpp|account:*@*.example", "account:bob@*"];
const PATTERNS: [&str; 8] = ["*", "+49*", "alice|bob", "1*", "*@*.example", "600..699", "11?", "[0-9]*"];
const HOURS: [&str; 4] = ["Mo-Fr 08:00-18:00", "22:00-06:00", "Sa-Su", "Mo 00:00-24:00"];
const ACTIONS: [&str; 8] = [
    "echo = true",
    "reject = \"busy\"",
    "dial = \"user:alice\"",
    "dial = [\"user:alice\", \"user:bob\"], parallel = true",
    "dial = \"user:bob\", ring = \"25s\"",
    "reject = \"not-found\"",
    "dial = \"xmpp:{dialled}\"",
    "dial = \"xmpp:bob@x.example\", media = \"direct\"",
];

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(of))
}

/// A rule as a person would write it.
fn rule() -> impl Strategy<Value = String> {
    let conditions = (some(&ENTRIES), some(&PATTERNS), some(&PATTERNS), some(&PATTERNS), some(&HOURS));
    (conditions, prop::sample::select(&ACTIONS[..])).prop_map(|((entry, from, to, user, hours), action)| {
        let conditions = [("entry", entry), ("from", from), ("to", to), ("user", user), ("hours", hours)];
        let when: Vec<String> =
            conditions.iter().filter_map(|(key, value)| value.map(|v| format!("{key} = \"{v}\""))).collect();
        format!("{{ when = {{ {} }}, {action} }}", when.join(", "))
    })
}

fn request() -> impl Strategy<Value = Request> {
    let entry = prop::sample::select(vec![
        Entry::User("alice".into()),
        Entry::User("bob".into()),
        Entry::Trunk("a".into()),
        Entry::Account("bob@x.example".into()),
        Entry::Open,
    ]);
    let address = prop_oneof![
        "[+]?[0-9 ]{1,24}",
        "alice|bob|carol|echo",
        "[a-z*#日]{0,8}",
        "bob@[a-z]{1,4}.example(/[A-Z@/]{1,3})?"
    ];
    let region = prop::sample::select(vec!["DE", "US", "RU", "IT"]);
    (entry, address.clone(), address, 0_u8..7, 0_u8..24, 0_u8..60, region).prop_map(
        |(entry, from, to, day, hour, minute, region)| {
            let read = |text: &str| text.parse().unwrap_or_else(|_| Address::here(text));
            let user =
                User { password: Secret::new("x"), display: None, number: Some("+4930123456".into()), jid: None };
            let directory = Directory { users: [("alice".to_owned(), user)].into() };
            let numbering = Numbering::of_region(region).unwrap();
            let at = Minute::of(day, hour, minute);
            Request::gather(&numbering, &directory, entry, "web", (&read(&from), &read(&to)), at)
        },
    )
}

fn plan(rules: &[String]) -> Dialplan {
    let text = format!("rule = [\n{}\n]\n", rules.join(",\n"));
    let names = Names {
        users: ["alice".into(), "bob".into()].into(),
        trunks: vec!["a".into()],
        demo: None,
        xmpp: true,
        ..Names::default()
    };
    Dialplan::read([("plan.toml", text.as_str())], &names).unwrap_or_else(|p| panic!("{p}\n{text}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_first_rule_that_would_decide_alone_decides(
        rules in prop::collection::vec(rule(), 0..8),
        request in request(),
    ) {
        let decision = decide(&plan(&rules), &request);
        let alone: Vec<Decision> = rules.iter().map(|r| decide(&plan(std::slice::from_ref(r)), &request)).collect();
        let first = alone.iter().position(|d| d.rule.is_some());
        prop_assert_eq!(decision.rule, first);
        match first {
            Some(first) => prop_assert_eq!(&decision.action, &alone[first].action),
            None => prop_assert!(matches!(decision.action, Action::Reject(_))),
        }
    }

    #[test]
    fn an_explanation_names_a_failed_condition_for_every_rule_before_the_one_that_decided(
        rules in prop::collection::vec(rule(), 0..8),
        request in request(),
    ) {
        let plan = plan(&rules);
        let decision = decide(&plan, &request);
        prop_assert_eq!(decision.steps.len(), decision.rule.map_or(rules.len(), |r| r + 1));
        let text = explain(&plan, &request, &decision);
        let lines: Vec<&str> = text.lines().collect();
        for (step, line) in decision.steps.iter().zip(&lines[1..]) {
            let place = &plan.rules()[step.rule].place;
            prop_assert!(line.trim_start().starts_with(place.as_str()), "{}", line);
            prop_assert_eq!(step.failed.is_some(), line.contains("  no: "), "{}", line);
            prop_assert_eq!(step.failed.is_none(), Some(step.rule) == decision.rule);
        }
        prop_assert_eq!(decision.rule.is_none(), text.contains("no rule allows it"));
    }

    #[test]
    fn strangers_get_nowhere_unless_a_rule_says_their_door(
        rules in prop::collection::vec(rule(), 0..8),
        mut request in request(),
    ) {
        for (entry, word) in [(Entry::Open, "open"), (Entry::Account("bob@x.example".into()), "account")] {
            request.entry = entry;
            let decision = decide(&plan(&rules), &request);
            if let Some(rule) = decision.rule {
                prop_assert!(rules[rule].contains(word), "{}", rules[rule]);
            }
        }
    }

    #[test]
    fn a_pattern_is_read_or_refused_and_fits_or_not_but_never_panics(pattern in ".{0,40}", text in ".{0,40}") {
        if let Ok(pattern) = Pattern::read(&pattern) {
            let rest = pattern.fits(&text, None);
            prop_assert!(rest.is_none_or(|r| text.contains(r)));
        }
    }

    #[test]
    fn a_number_that_was_normalised_stays_the_same_when_normalised_again(request in request()) {
        if let Some(number) = &request.to.e164 {
            for region in ["DE", "US"] {
                let again = Numbering::of_region(region).unwrap().read(&Address::here(number.as_str()));
                prop_assert_eq!(again.e164.as_ref(), Some(number));
            }
        }
    }
}
