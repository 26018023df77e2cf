#![allow(clippy::unwrap_used)]

use super::*;
use crate::base::Secret;
use crate::model::{Address, Cause, Directory, Entry, MediaPolicy, User};

fn directory(users: &[(&str, Option<&str>)]) -> Directory {
    let user = |number: &Option<&str>| User {
        password: Secret::new("secret"),
        display: None,
        number: number.map(str::to_owned),
        jid: None,
    };
    Directory { users: users.iter().map(|(name, number)| ((*name).to_owned(), user(number))).collect() }
}

fn names(users: &[&str], trunks: &[&str]) -> Names {
    Names {
        users: users.iter().map(|u| (*u).to_owned()).collect(),
        trunks: trunks.iter().map(|t| (*t).to_owned()).collect(),
        demo: Some("demo".to_owned()),
        xmpp: true,
        sounds: ["music".to_owned(), "closed".to_owned()].into(),
        ..Names::default()
    }
}

fn plan(text: &str) -> Dialplan {
    Dialplan::read([("plan.toml", text)], &names(&["alice", "bob"], &["a", "b", "demo"])).unwrap()
}

fn ask(entry: Entry, to: &str, at: &str) -> Request {
    let directory = directory(&[("alice", Some("+4930111111")), ("bob", None)]);
    let numbering = Numbering::of_region("DE").unwrap();
    let to: Address = to.parse().unwrap();
    Request::gather(&numbering, &directory, entry, "web", (&Address::here("bob"), &to), Minute::read(at).unwrap())
}

fn decided(plan: &Dialplan, entry: Entry, to: &str) -> String {
    decide(plan, &ask(entry, to, "Mo 10:00")).action.to_string()
}

fn bob() -> Entry {
    Entry::User("bob".into())
}

fn carrier() -> Entry {
    Entry::Trunk("a".into())
}

#[test]
fn the_embedded_dialplan_decides_as_its_table_says() {
    let names = names(&["web", "phone"], &["demo"]);
    let files = defaults::FILES.into_iter().chain([defaults::DEMO_FILE]);
    let plan = Dialplan::read(files, &names).unwrap();
    let directory = directory(&[("web", None), ("phone", None)]);
    let rows = Expected::read(defaults::EXPECTED.0, defaults::EXPECTED.1).unwrap();
    assert!(rows.len() > 15);
    for region in [Numbering::default(), Numbering::of_region("DE").unwrap(), Numbering::of_region("US").unwrap()] {
        for row in &rows {
            row.check(&plan, &region, &directory).unwrap();
        }
    }
}

#[test]
fn a_row_of_the_table_that_is_not_so_says_what_is() {
    let plan = plan("[[rule]]\nname = \"all\"\nreject = \"busy\"\n");
    let table = "\n[[call]]\nfrom = \"bob\"\nto = \"alice\"\ndecided = \"echo\"\nrule = \"echo\"\n";
    let rows = Expected::read("expected.toml", table).unwrap();
    let said = rows[0].check(&plan, &Numbering::default(), &Directory::default()).unwrap_err().to_string();
    let expected =
        "expected.toml:2: bob → alice: expected \"echo\" by rule \"echo\", decided \"reject busy\" by rule \"all\"";
    assert_eq!(said, expected);
}

#[test]
fn the_first_rule_whose_conditions_all_hold_wins() {
    let plan = plan(
        r#"
        rule = [
          { name = "closed", when = { to = "alice", hours = "Mo-Fr 18:00-08:00, Sa-Su" }, reject = "unavailable" },
          { name = "alice", when = { to = "alice", from = "bob" }, dial = "user:alice", ring = "25s" },
          { name = "rest", reject = "declined" },
        ]"#,
    );
    let at = |time: &str, to: &str| {
        let decision = decide(&plan, &ask(bob(), to, time));
        (decision.action.to_string(), decision.rule.and_then(|r| plan.name_of(r)).unwrap_or("none").to_owned())
    };
    assert_eq!(at("Mo 10:00", "alice"), ("dial user:alice".into(), "alice".into()));
    assert_eq!(at("Mo 19:00", "alice"), ("reject unavailable".into(), "closed".into()));
    assert_eq!(at("Mo 19:00", "carol"), ("reject declined".into(), "rest".into()));
}

#[test]
fn targets_and_numbers_are_filled_in() {
    let plan = plan(
        r#"
        rule = [
          { when = { entry = "user", to = "9*" }, dial = ["trunk:a", "trunk:b"], number = "{rest}", parallel = true },
          { when = { entry = "user", to = "+49*" }, dial = ["trunk:a", "user:alice"], number = "{national}" },
          { when = { entry = "user", to = "112" }, dial = "trunk:*", number = "{dialled}", emergency = true },
          { when = { user = "*" }, dial = "user:{user}" },
        ]"#,
    );
    assert_eq!(decided(&plan, bob(), "9 0151 1"), "dial at once trunk:a 01511, trunk:b 01511");
    assert_eq!(decided(&plan, bob(), "030 123456"), "dial trunk:a 030123456, user:alice");
    assert_eq!(decided(&plan, bob(), "112"), "dial trunk:a 112, trunk:b 112");
    assert_eq!(decided(&plan, bob(), "Alice"), "dial user:alice");
    assert!(decide(&plan, &ask(bob(), "112", "Mo 10:00")).emergency);
}

#[test]
fn a_user_is_found_by_name_and_by_number_in_any_form() {
    for (to, user) in [
        ("alice", Some("alice")),
        ("ALICE", Some("alice")),
        ("+49 30 111111", Some("alice")),
        ("030/111111", Some("alice")),
        ("4930111111", Some("alice")),
        ("+49 30 111112", None),
        ("alice@elsewhere.example", None),
        ("carol", None),
    ] {
        assert_eq!(ask(carrier(), to, "Mo 10:00").user.as_deref(), user, "{to}");
    }
}

#[test]
fn what_no_rule_allows_is_denied_and_strangers_learn_nothing() {
    let plan = Dialplan::default();
    assert_eq!(decided(&plan, bob(), "+1 900 1"), "reject forbidden");
    assert_eq!(decided(&plan, bob(), "alice"), "reject forbidden");
    assert_eq!(decided(&plan, bob(), "carol"), "reject not-found");
    for to in ["alice", "carol", "112"] {
        assert_eq!(decided(&plan, carrier(), to), "reject not-found");
        assert_eq!(decided(&plan, Entry::Open, to), "reject forbidden");
    }
}

#[test]
fn a_rule_without_entry_does_not_hold_for_strangers() {
    let plan = plan("[[rule]]\ndial = \"user:alice\"\n");
    assert_eq!(decided(&plan, bob(), "x"), "dial user:alice");
    assert_eq!(decided(&plan, Entry::Open, "x"), "reject forbidden");
}

fn romeo() -> Entry {
    Entry::Account("romeo@montague.lit".into())
}

#[test]
fn an_account_is_denied_until_a_rule_says_account() {
    let plan = plan(
        r#"
        rule = [
          { when = { to = "anybody" }, dial = "user:alice" },
          { when = { entry = "user|trunk|xmpp|sip|web|open", to = "known" }, dial = "user:alice" },
          { when = { entry = "account:*@montague.lit", to = "house" }, dial = "user:bob" },
          { when = { entry = "account", from = "romeo@*", to = "alice" }, dial = "user:alice" },
          { when = { entry = "account", from = "*@capulet.lit", to = "bob" }, dial = "user:bob" },
        ]"#,
    );
    for to in ["anybody", "known", "112", "bob", "nobody"] {
        assert_eq!(decided(&plan, romeo(), to), "reject forbidden", "{to}");
    }
    assert_eq!(decided(&plan, romeo(), "house"), "dial user:bob");
    assert_eq!(decided(&plan, romeo(), "alice"), "dial user:alice");
    let juliet = || Entry::Account("juliet@capulet.lit".into());
    assert_eq!(decided(&plan, juliet(), "house"), "reject forbidden");
    assert_eq!(decided(&plan, juliet(), "bob"), "dial user:bob");
    let request = ask(romeo(), "anybody", "Mo 10:00");
    let text = explain(&plan, &request, &decide(&plan, &request));
    assert!(text.contains("(entry account:romeo@montague.lit, by web)"), "{text}");
    assert!(text.contains("the rule does not say entry = \"account\""), "{text}");
}

#[test]
fn an_account_is_called_as_it_was_dialled_or_as_the_rule_makes_it() {
    let plan = plan(
        r#"
        rule = [
          { when = { to = "*@montague.lit" }, dial = "xmpp:{dialled}", media = "direct" },
          { when = { to = "im-*" }, dial = ["xmpp:{rest}@example.org", "user:bob"], media = "relay" },
          { when = { to = "juliet" }, dial = "xmpp:juliet@capulet.lit/Balcony" },
          { when = { to = "*" }, dial = "xmpp:{dialled}" },
        ]"#,
    );
    assert_eq!(decided(&plan, bob(), "Romeo@Montague.lit/Orchard"), "dial xmpp:Romeo@montague.lit/Orchard");
    assert_eq!(decided(&plan, bob(), "19-84@montague.lit"), "dial xmpp:19-84@montague.lit");
    assert_eq!(decided(&plan, bob(), "im-romeo"), "dial xmpp:romeo@example.org, user:bob");
    assert_eq!(decided(&plan, bob(), "juliet"), "dial xmpp:juliet@capulet.lit/Balcony");
    assert_eq!(decided(&plan, bob(), "nurse"), "reject unavailable", "a name alone is no account");
    let request = ask(bob(), "im-romeo", "Mo 10:00");
    let text = explain(&plan, &request, &decide(&plan, &request));
    assert!(text.ends_with("dial xmpp:romeo@example.org, user:bob, for 1m each, media relay\n"), "{text}");
    let Action::Dial(dial) = decide(&plan, &ask(bob(), "romeo@montague.lit", "Mo 10:00")).action else { panic!() };
    assert_eq!(dial.media, MediaPolicy::Direct);
    let printed: Vec<_> = plan.rules()[1].then.settings();
    let keys = printed.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join("; ");
    assert_eq!(keys, r#"dial = ["xmpp:{rest}@example.org", "user:bob"]; ring = "1m"; media = "relay""#);
}

#[test]
fn a_user_is_found_by_the_account_too_but_not_by_one_of_its_clients() {
    let mut directory = directory(&[("alice", None), ("bob", None)]);
    directory.users.get_mut("alice").unwrap().jid = Some("alice@montague.lit".into());
    for (to, user) in
        [("Alice@Montague.lit", Some("alice")), ("alice@montague.lit/Orchard", None), ("bob@montague.lit", None)]
    {
        let to: Address = to.parse().unwrap();
        let at = Minute::of(0, 10, 0);
        let request =
            Request::gather(&Numbering::default(), &directory, bob(), "web", (&Address::here("bob"), &to), at);
        assert_eq!(request.user.as_deref(), user, "{to}");
    }
}

#[test]
fn with_a_connection_users_call_accounts_and_accounts_still_nobody() {
    let files = defaults::FILES.into_iter().chain([defaults::IM_FILE, defaults::DEMO_FILE]);
    let plan = Dialplan::read(files, &names(&["alice", "bob"], &["demo"])).unwrap();
    assert_eq!(decided(&plan, bob(), "romeo@montague.lit"), "dial xmpp:romeo@montague.lit");
    assert_eq!(decided(&plan, bob(), "alice"), "dial user:alice");
    for (entry, to) in [(romeo(), "alice"), (romeo(), "juliet@capulet.lit"), (Entry::Open, "romeo@montague.lit")] {
        assert_eq!(decided(&plan, entry, to), "reject forbidden");
    }
    assert_eq!(decided(&plan, carrier(), "romeo@montague.lit"), "reject not-found");
    let three_lines = "[[rule]]\nwhen = { entry = \"account:*@montague.lit\", user = \"*\" }\ndial = \"user:{user}\"\n";
    let files = defaults::FILES.into_iter().chain([("mine.toml", three_lines)]);
    let plan = Dialplan::read(files, &names(&["alice", "bob"], &[])).unwrap();
    assert_eq!(decided(&plan, romeo(), "alice"), "dial user:alice");
    assert_eq!(decided(&plan, romeo(), "112"), "reject forbidden");
    assert_eq!(decided(&plan, Entry::Account("tybalt@capulet.lit".into()), "alice"), "reject forbidden");
}

#[test]
fn a_target_of_another_world_needs_a_connection_to_it() {
    let said = |dial: &str, xmpp: bool| {
        let text = format!("[[rule]]\nwhen = {{ to = \"1\" }}\ndial = \"{dial}\"\n");
        Dialplan::read([("a.toml", text.as_str())], &Names { xmpp, ..Names::default() }).unwrap_err().to_string()
    };
    assert!(said("xmpp:romeo@montague.lit", false).contains("write an [[xmpp]] into the configuration"));
    assert!(said("xmpp:romeo", true).contains("such as \"xmpp:romeo@example.org\""));
    assert!(said("xmpp:{rest}@example.org", true).contains("write `to` with a `*`"));
}

#[test]
fn every_mistake_of_every_file_is_said_with_what_to_write() {
    let first = r#"
[[rule]]
name = "typing errors"
whn = { to = "1" }
when = { too = "2", hours = "9-5", to = "tel:1" }
dial = ["user:alise", "trunk:c", "room:1", "user:{user}"]

[[rule]]
when = { to = "+49*" }
dial = "trunk:a"

[[rule]]
reject = "bussy"

[[rule]]
echo = true
reject = "busy"

[[rule]]
reject = "busy"
ring = "5s"

[[rule]]
when = { entry = "user", to = "9" }
dial = "trunk:a"
number = "{rest}"
ring = "2h"
"#;
    let known = names(&["alice", "bob"], &["a", "b"]);
    let problems = Dialplan::read([("a.toml", first), ("b.toml", "rule = 1\n")], &known).unwrap_err();
    let causes = Cause::ALL.map(Cause::name).join(", ");
    let expected = [
        "a.toml:4: unknown key `whn` in [[rule]]: write `when`",
        "a.toml:5: `hours` is \"9-5\": write hours, such as \"Mo-Fr 08:00-18:00, Sa 09:00-12:00\"",
        "a.toml:5: `tel:1` has a scheme: write it without `tel:`",
        "a.toml:5: unknown key `too` in `when`: write `to`",
        "a.toml:6: `room:1`: no such kind of target: write \"user:NAME\", \"user:{user}\", \"trunk:NAME\", \
         \"group:NAME\" or \"xmpp:NAME@DOMAIN\"",
        "a.toml:6: `trunk:c`: calls through a trunk cost money, so a rule must say who may: \
         write `entry` in `when`, such as entry = \"user\"",
        "a.toml:6: `user:alise`: there is no user `alise`: write \"user:alice\"",
        "a.toml:6: `user:{user}`: nobody is known to be dialled: write `user = \"*\"` in `when`",
        "a.toml:10: `trunk:a`: calls through a trunk cost money, so a rule must say who may: \
         write `entry` in `when`, such as entry = \"user\"",
        &format!("a.toml:13: `reject` is \"bussy\": write one of {causes}"),
        "a.toml:15: the rule must do one thing: write `dial = …`, `echo = true`, `play = …` or `reject = …`",
        "a.toml:21: this belongs to `dial`: write `dial` too, or leave it out",
        "a.toml:26: `{rest}` is what the `*` of `to` stood for: write `to` with a `*`, such as \"9*\"",
        "a.toml:27: `ring` is \"2h\": write a time from 1s to 10m with its unit, such as \"25s\", \"500ms\" or \"2m\"",
        "b.toml:1: `rule` is 1: write [[rule]], with two brackets on each side",
    ];
    let said: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
    assert_eq!(said, expected);
}

#[test]
fn a_sound_may_be_played_in_place_of_a_callee_and_beside_one() {
    let plan = plan(
        r#"
        rule = [
          { when = { to = "1" }, play = "closed" },
          { when = { to = "2" }, play = "tone:congestion", reject = "congestion" },
          { when = { to = "3" }, dial = "user:alice", announce = "closed", hold_music = "music", ring = "20s" },
        ]"#,
    );
    let told = |to: &str| {
        let request = ask(bob(), to, "Mo 10:00");
        explain(&plan, &request, &decide(&plan, &request)).lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(decided(&plan, bob(), "1"), "play closed");
    assert_eq!(told("1"), "play closed: answered, and hung up when it is over");
    assert_eq!(decided(&plan, bob(), "2"), "play tone:congestion, reject congestion");
    assert_eq!(told("2"), format!("play tone:congestion, reject congestion: {}", Cause::Congestion.sentence()));
    assert_eq!(decided(&plan, bob(), "3"), "dial user:alice");
    assert_eq!(told("3"), "dial user:alice, for 20s each, media relay, announce = \"closed\", hold_music = \"music\"");
}

#[test]
fn an_explanation_names_the_condition_that_failed_in_every_rule_before() {
    let plan = plan(
        r#"
        rule = [
          { name = "carrier", when = { entry = "trunk" }, dial = "user:alice" },
          { name = "abroad", when = { to = "+1*|+44*" }, reject = "forbidden" },
          { name = "bob only", when = { from = "carol" }, reject = "forbidden" },
          { name = "people", when = { user = "*" }, dial = "user:{user}" },
          { name = "night", when = { hours = "20:00-06:00" }, reject = "unavailable" },
          { name = "home", when = { entry = "user", to = "+49*" }, dial = "trunk:a", number = "{national}" },
        ]"#,
    );
    let request = ask(bob(), "030 123456", "Mo 10:00");
    let text = explain(&plan, &request, &decide(&plan, &request));
    let expected = "\
bob (entry user:bob, by web) calls 030123456 (number +4930123456) at Mo 10:00
  plan.toml:3  carrier   no: entry is user:bob, by web, not \"trunk\"
  plan.toml:4  abroad    no: to is +4930123456 (030123456), not \"+1*|+44*\"
  plan.toml:5  bob only  no: from is bob, not \"carol\"
  plan.toml:6  people    no: no user of ours has this name or number
  plan.toml:7  night     no: it is Mo 10:00, not \"20:00-06:00\"
  plan.toml:8  home      yes
dial trunk:a 030123456, for 1m each
";
    assert_eq!(text, expected);
    let denied = ask(Entry::Open, "x", "Mo 10:00");
    let text = explain(&plan, &denied, &decide(&plan, &denied));
    assert!(text.contains("no rule allows it\nreject forbidden: This call is not allowed."), "{text}");
}

#[test]
fn a_rule_may_ask_whom_a_call_was_meant_for_before_it_was_sent_on() {
    let plan = plan("[[rule]]\nname = \"sales\"\nwhen = { meant_for = \"+4930*\" }\ndial = \"user:alice\"\n");
    let explained = |meant_for: Option<&str>| {
        let mut request = ask(Entry::Trunk("a".into()), "600", "Mo 10:00");
        request.meant_for = meant_for.map(|number| Numbering::default().read(&Address::here(number)));
        explain(&plan, &request, &decide(&plan, &request))
    };
    assert!(explained(Some("+4930111111")).ends_with("dial user:alice, for 1m each\n"));
    assert!(explained(Some("+4989111111")).contains("the call was meant for +4989111111, not \"+4930*\""));
    assert!(explained(None).contains("nobody has sent the call on"));
}
