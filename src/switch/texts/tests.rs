#![allow(clippy::unwrap_used)]

use super::*;
use crate::switch::resolve::{SIP, WEB, XMPP};
use crate::switch::stub::{Stub, Switch, account, user};

const RULES: &str = r#"
rule = [
  { when = { entry = "account:*@montague.lit", user = "*" }, dial = "user:{user}" },
  { when = { entry = "user", to = "either" }, dial = ["user:alice", "trunk:carrier"], number = "100" },
  { when = { entry = "account|trunk", to = "echo" }, echo = true },
  { when = { to = "secret" }, reject = "declined" },
]"#;

fn failed(cause: Cause) -> Result<(), Undelivered> {
    Err(Undelivered::new(cause))
}

#[test]
fn a_message_reaches_every_device_and_is_delivered_once_the_first_takes_it() {
    let mut switch = Switch::new(RULES);
    switch.bind("bob", WEB, "page");
    switch.bind("bob", SIP, "phone");
    let id = switch.write(WEB, user("alice"), "whoever", "bob");
    let (page, phone, client) = (switch.web.taken(), switch.sip.taken(), switch.xmpp.taken());
    for (copies, contact, to) in
        [(&page, "page", "bob"), (&phone, "phone", "bob"), (&client, "bob@montague.lit", "bob@montague.lit")]
    {
        let [copy] = copies.as_slice() else { panic!("{copies:?}") };
        assert_eq!((copy.contact.as_ref().unwrap().0.as_str(), copy.to.to_string().as_str()), (contact, to));
        assert_eq!(copy.from.address, Address::here("alice"), "the door says who it is");
        assert_eq!(copy.from.display.as_deref(), Some("Alice"));
        assert_eq!(copy.body, "Wherefore art thou?");
    }
    switch.delivered(&phone[0], failed(Cause::NotSupported));
    assert_eq!(switch.web.told(), []);
    switch.delivered(&page[0], Ok(()));
    assert_eq!(switch.web.told(), [(id, Ok(()))]);
    switch.delivered(&client[0], Ok(()));
    switch.delivered(&page[0], failed(Cause::Timeout));
    switch.after(PATIENCE * 2);
    assert_eq!(switch.web.told(), [], "told once");
    assert_eq!(switch.calls.poll_timeout(), None);
}

#[test]
fn who_may_not_call_may_not_write_and_hears_the_cause() {
    let mut switch = Switch::new(RULES);
    switch.bind("alice", WEB, "page");
    for (adapter, entry, to, cause) in [
        (XMPP, account("tybalt@capulet.lit"), "alice", Cause::Forbidden),
        (SIP, Entry::Open, "alice", Cause::Forbidden),
        (WEB, user("bob"), "nobody", Cause::NotFound),
        (WEB, user("bob"), "+15550100", Cause::Forbidden),
        (WEB, user("bob"), "secret", Cause::Declined),
        (WEB, user("alice"), "112", Cause::Unavailable),
    ] {
        let by = [&switch.sip, &switch.web, &switch.xmpp][usize::from(adapter.0) - 1].clone();
        let id = switch.write(adapter, entry, "somebody", to);
        let outgoing = switch.sip.taken();
        if to == "112" {
            switch.delivered(&outgoing[0], failed(cause));
        }
        assert_eq!(by.told(), [(id, failed(cause))], "{to}");
        assert_eq!(switch.web.taken(), []);
    }
}

#[test]
fn accounts_and_users_write_to_each_other_by_the_rules_of_calls() {
    let mut switch = Switch::new(RULES);
    switch.bind("alice", SIP, "phone");
    let id = switch.write(XMPP, account("romeo@montague.lit"), "romeo@montague.lit/Orchard", "alice");
    let phone = switch.sip.taken();
    assert_eq!(phone[0].from.address, Address::at("romeo", "montague.lit"), "without the resource");
    switch.delivered(&phone[0], Ok(()));
    assert_eq!(switch.xmpp.told(), [(id, Ok(()))]);

    let id = switch.write(SIP, user("alice"), "alice", "romeo@montague.lit/Orchard");
    let client = switch.xmpp.taken();
    assert_eq!(client[0].to, Address::at("romeo", "montague.lit/Orchard"));
    assert_eq!(client[0].contact.as_ref().unwrap().0, "romeo@montague.lit/Orchard");
    let why = Undelivered { cause: Cause::NotFound, why: Some("No such account.".into()) };
    switch.delivered(&client[0], Err(why.clone()));
    assert_eq!(switch.sip.told(), [(id, Err(why))]);
}

#[test]
fn an_echo_comes_back_from_whom_it_was_sent_to() {
    let mut switch = Switch::new(RULES);
    let orchard = "romeo@montague.lit/Orchard";
    let id = switch.write(XMPP, account("romeo@montague.lit"), orchard, "echo");
    let back = switch.xmpp.taken();
    assert_eq!(
        (back[0].from.address.clone(), back[0].contact.as_ref().unwrap().0.as_str()),
        (Address::here("echo"), orchard)
    );
    switch.delivered(&back[0], Ok(()));
    assert_eq!(switch.xmpp.told(), [(id, Ok(()))]);

    switch.bind("alice", SIP, "phone");
    switch.write(SIP, user("alice"), "alice", "echo");
    let back = switch.sip.taken();
    assert_eq!(
        (back[0].from.address.clone(), back[0].contact.as_ref().unwrap().0.as_str()),
        (Address::here("echo"), "phone")
    );
    switch.write(SIP, Entry::Trunk("carrier".into()), "+15550100", "echo");
    let back = switch.sip.taken();
    assert_eq!((back[0].trunk.as_deref(), back[0].to.clone()), (Some("carrier"), Address::here("+15550100")));
}

#[test]
fn the_next_target_has_its_turn_when_all_of_the_first_have_failed_or_are_silent() {
    let mut switch = Switch::new(RULES);
    switch.bind("alice", WEB, "page");
    switch.bind("alice", WEB, "tablet");
    let id = switch.write(WEB, user("bob"), "bob", "either");
    let devices = switch.web.taken();
    assert_eq!(devices.len(), 2);
    switch.delivered(&devices[0], failed(Cause::Unavailable));
    assert_eq!(switch.sip.taken(), []);
    switch.delivered(&devices[1], failed(Cause::Unavailable));
    let trunk = switch.sip.taken();
    assert_eq!((trunk[0].trunk.as_deref(), trunk[0].to.clone()), (Some("carrier"), Address::here("100")));
    switch.delivered(&trunk[0], Ok(()));
    assert_eq!(switch.web.told(), [(id, Ok(()))]);

    let id = switch.write(WEB, user("bob"), "bob", "either");
    let late = switch.web.taken();
    switch.after(PATIENCE / 2 - Duration::from_millis(1));
    assert_eq!(switch.sip.taken(), []);
    switch.after(Duration::from_millis(1));
    let trunk = switch.sip.taken();
    assert_eq!(trunk.len(), 1, "half of the time each");
    switch.delivered(&late[0], Ok(()));
    assert_eq!(switch.web.told(), [], "its time was over");
    switch.delivered(&trunk[0], failed(Cause::Congestion));
    assert_eq!(switch.web.told(), [(id, failed(Cause::Timeout))]);
}

#[test]
fn a_message_that_nobody_answers_ends_before_a_sip_sender_gives_up() {
    let mut switch = Switch::new(RULES);
    switch.bind("alice", WEB, "page");
    let id = switch.write(SIP, user("bob"), "bob", "alice");
    switch.after(PATIENCE - Duration::from_millis(1));
    assert_eq!(switch.sip.told(), []);
    switch.after(Duration::from_millis(1));
    assert_eq!(switch.sip.told(), [(id, failed(Cause::Timeout))]);
    assert!(PATIENCE < Duration::from_secs(32));
    assert_eq!(switch.calls.poll_timeout(), None);
}

#[test]
fn nobody_there_and_adapters_that_take_nothing_are_said_at_once() {
    let mut switch = Switch::with(RULES, true, Stub { is_full: true, ..Stub::default() });
    let id = switch.write(SIP, user("bob"), "bob", "alice");
    assert_eq!(switch.sip.told(), [(id, failed(Cause::Unavailable))]);
    switch.bind("alice", WEB, "page");
    let id = switch.write(SIP, user("bob"), "bob", "alice");
    assert_eq!(switch.sip.told(), [(id, failed(Cause::Unavailable))]);
    let mut switch = Switch::with(RULES, false, Stub::default());
    let id = switch.write(WEB, user("alice"), "alice", "romeo@montague.lit");
    assert_eq!(switch.web.told(), [(id, failed(Cause::Unavailable))]);
}

#[test]
fn who_writes_too_fast_is_told_so_and_others_are_not_in_their_way() {
    let mut switch = Switch::new(RULES);
    switch.bind("alice", WEB, "page");
    for _ in 0..BURST {
        switch.write(SIP, user("bob"), "bob", "alice");
    }
    assert_eq!(switch.sip.told(), []);
    switch.write(SIP, user("bob"), "bob", "alice");
    let told = switch.sip.told();
    assert!(matches!(&told[..], [(_, Err(Undelivered { cause: Cause::Congestion, .. }))]), "{told:?}");
    switch.write(XMPP, account("romeo@montague.lit"), "romeo@montague.lit", "alice");
    assert_eq!(switch.xmpp.told(), []);
    switch.after(PACE);
    switch.write(SIP, user("bob"), "bob", "alice");
    assert_eq!(switch.sip.told(), []);
}

#[test]
fn the_table_of_messages_and_that_of_senders_are_bounded() {
    let mut switch = Switch::new(RULES);
    switch.bind("alice", WEB, "page");
    for n in 0..MOST_TEXTS {
        let jid = format!("romeo{n}@montague.lit");
        switch.write(XMPP, account(&jid), &jid, "alice");
    }
    assert_eq!(switch.xmpp.told(), []);
    let id = switch.write(SIP, user("bob"), "bob", "alice");
    let told = switch.sip.told();
    assert!(
        matches!(&told[..], [(told, Err(Undelivered { cause: Cause::Congestion, .. }))] if *told == id),
        "{told:?}"
    );
    switch.after(PATIENCE);
    assert_eq!(switch.xmpp.told().len(), MOST_TEXTS);

    let (mut senders, mut now) = (Senders::default(), Instant::now());
    let mut text = switch.web.taken().swap_remove(0);
    let mut may = |now, n: usize| {
        text.entry = user(&n.to_string());
        senders.may_write(now, &text)
    };
    assert!((0..MOST_SENDERS).all(|n| may(now, n)));
    assert!(!may(now, MOST_SENDERS), "no room for another");
    now += PACE;
    assert!(may(now, MOST_SENDERS), "those who have been silent are forgotten");
}

#[test]
fn a_gateway_that_goes_down_says_so_to_everybody_who_waits() {
    let mut switch = Switch::new(RULES);
    switch.bind("alice", WEB, "page");
    let waits = switch.write(SIP, user("bob"), "bob", "alice");
    switch.calls.drain();
    let comes_late = switch.write(SIP, user("bob"), "bob", "alice");
    assert_eq!(switch.sip.told(), [(comes_late, failed(Cause::Maintenance))]);
    switch.calls.hang_up_all(switch.now);
    assert_eq!(switch.sip.told(), [(waits, failed(Cause::Maintenance))]);
}
