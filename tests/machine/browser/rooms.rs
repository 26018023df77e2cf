//! Conference rooms: what is dialled along with the number, and who is there.

use patchcord::model::{Address, Keys, Member, MemberState, Roster, Signal};
use serde_json::json;

use super::{OFFER, Rig};

fn roster(name: &str) -> Signal {
    let member = Member {
        id: "sip:bob@example.org".into(),
        name: Some(name.into()),
        address: Some(Address::at("bob", "example.org")),
        state: MemberState::OnHold,
        muted: true,
        talking: false,
        you: false,
    };
    Signal::Roster(Box::new(Roster { subject: Some("Monday".into()), members: vec![member], count: 1 }))
}

#[test]
fn keys_behind_a_number_are_no_part_of_it() {
    let mut rig = Rig::new();
    let (alice, _) = rig.sign_in("alice");
    rig.send(alice, &json!({"type": "call", "call": "1", "to": "600,,1234#", "sdp": OFFER}));
    let (_, Signal::Start(start)) = rig.signal() else { panic!("no start") };
    assert_eq!(start.to, Address::here("600"));
    assert!(start.about.keys == ",,1234#".parse::<Keys>().unwrap());
}

#[test]
fn who_is_in_the_room_is_told_and_told_again_to_a_page_that_comes_back() {
    let mut rig = Rig::new();
    let (alice, welcome) = rig.sign_in("alice");
    let leg = rig.connected(alice, "1");
    rig.frames(alice);
    rig.say(leg, roster("Bob"));
    let members = json!([{"id": "sip:bob@example.org", "name": "Bob", "address": "bob@example.org",
        "state": "on-hold", "muted": true, "talking": false, "you": false}]);
    assert_eq!(
        rig.frame(alice),
        json!({"type": "roster", "call": "1", "subject": "Monday", "count": 1, "members": members})
    );
    rig.close(alice);
    let (_, welcome) = rig.come_back(&welcome);
    assert_eq!(welcome["calls"][0]["roster"], json!({"subject": "Monday", "count": 1, "members": members}));
}
