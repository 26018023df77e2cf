#![allow(clippy::unwrap_used)]

use super::*;

const FLOW: &str = "udp:10.0.0.1:5060-10.0.0.2:5060";

fn registrar() -> (Registrar, Dice) {
    let mut dice = Dice::for_test(1);
    (Registrar::new(AdapterId(1), RegistrarLimits::default(), &mut dice), dice)
}

/// The user of that number registers, with one telephone; how many bindings that told.
fn register(registrar: &mut Registrar, now: Instant, n: usize, cseq: u32, flow: &str) -> usize {
    let (user, call_id) = (format!("u{n}"), format!("call-{n}"));
    let contact = format!("<sip:{user}@10.0.0.2>");
    let register = Register {
        user: &user,
        call_id: &call_id,
        cseq,
        expires_s: Some(600),
        wish: Wish::Contacts(vec![contact.parse().unwrap()]),
        flow: flow.parse().unwrap(),
        path: Vec::new(),
    };
    registrar.register(now, register).unwrap().len()
}

#[test]
fn a_device_whose_flows_register_under_ever_other_call_ids_leaves_nothing_behind() {
    let (mut registrar, mut dice) = registrar();
    let now = Instant::now();
    let flow: Flow = FLOW.parse().unwrap();
    for n in 0..100u32 {
        let contact = format!("<sip:a@10.0.0.2>;reg-id={};+sip.instance=\"<urn:x:1>\"", 1 + n % 2);
        let (call_id, wish) = (n.to_string(), Wish::Contacts(vec![contact.parse().unwrap()]));
        let register =
            Register { user: "alice", call_id: &call_id, cseq: 1, expires_s: Some(60), wish, flow, path: vec![] };
        registrar.register(now, register).unwrap();
        let alias = registrar.alias("alice", "\"<urn:x:1>\"", &mut dice).unwrap();
        assert_eq!(registrar.behind(&alias).unwrap().0, "alice");
        assert_eq!(registrar.by_alias.len(), 1);
    }
    registrar.handle_timeout(now + Duration::from_secs(61));
    assert!(registrar.by_alias.is_empty() && registrar.location.count() == 0);
    assert_eq!((registrar.location.users().count(), registrar.poll_timeout()), (0, None));
}

#[test]
fn what_happens_to_one_of_twenty_thousand_users_is_no_look_at_the_others() {
    let mut looks = Vec::new();
    for users in [200, 20_000] {
        let (mut registrar, _) = registrar();
        let start = Instant::now();
        let at = |n: usize| start + Duration::from_millis(n as u64);
        // Two users share a connection.
        let flow = |n: usize| format!("tcp:10.0.0.1:5060-10.0.0.2:{}", 10_000 + n / 2);
        for n in 0..users {
            register(&mut registrar, at(n), n, 1, &flow(n));
        }
        registrar.location.looks.set(0);
        let now = at(users);
        for n in 0..50 {
            assert_eq!(register(&mut registrar, now, n, 2, &flow(n)), 1, "the same binding is told again");
            // Nothing is due, and asking costs nothing.
            assert!(registrar.handle_timeout(now).is_empty());
        }
        let of_refreshes = registrar.location.looks.get();
        let closed = registrar.drop_flow(&flow(100).parse().unwrap());
        assert_eq!(closed.len(), 2, "{closed:?}");
        // The first fifty have come again, and end later.
        let mut ended = 0;
        for n in 50..100 {
            assert_eq!(registrar.poll_timeout(), Some(at(n) + Duration::from_secs(600)));
            ended += registrar.handle_timeout(at(n) + Duration::from_secs(600)).len();
        }
        assert_eq!((ended, registrar.location.count()), (50, users - 52));
        looks.push((of_refreshes, registrar.location.looks.get()));
    }
    assert_eq!(looks[0], looks[1]);
    assert!(looks[0].1 < 20 * 102, "{looks:?}");
}

#[test]
fn all_who_end_at_once_are_taken_out_in_parts_and_nobody_is_left() {
    let (mut registrar, _) = registrar();
    let now = Instant::now();
    for n in 0..1000 {
        register(&mut registrar, now, n, 1, FLOW);
    }
    let later = now + Duration::from_secs(600);
    let mut parts = Vec::new();
    while registrar.poll_timeout().is_some_and(|due| due <= later) {
        parts.push(registrar.handle_timeout(later).len());
    }
    assert_eq!((parts.iter().sum::<usize>(), parts.iter().max()), (1000, Some(&ENDS_AT_ONCE)));
    assert_eq!(registrar.poll_timeout(), None);
}
