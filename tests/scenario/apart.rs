//! Pictures that travel apart from the sound: peers with ICE that know no BUNDLE, or need not.

use patchcord::base::LegId;
use patchcord::call::Action;
use patchcord::model::{
    Abilities, Codec, Description, Direction, GraphVideo, Group, Kind, MediaPolicy, RelayCommand, Signal, Stream,
};

use super::ladder::{Ladder, browser_description, candidates, film_description, with_pictures};

fn vp8(payload_type: u8) -> Codec {
    Codec::new(payload_type, "VP8", 90_000, 1)
}

fn page_offer(direction: Direction) -> Description {
    let sound = browser_description(&[Codec::new(111, "opus", 48_000, 2), Codec::pcmu()], 126);
    with_pictures(sound, &[vp8(98)], direction)
}

/// What a client without BUNDLE answers to an offer: each stream in the name that it was offered by.
fn apart(offered: &Description, ufrag: &str) -> Description {
    let mut answer = film_description(ufrag);
    for (stream, offered) in answer.streams.iter_mut().zip(&offered.streams) {
        stream.mid.clone_from(&offered.mid);
    }
    answer
}

fn together(offered: &Description) -> Description {
    let mut answer = apart(offered, "theirs");
    answer.streams[1].transport = answer.streams[0].transport.clone();
    let mids = answer.streams.iter().filter_map(|s| s.mid.clone()).collect();
    answer.groups = vec![Group { semantics: "BUNDLE".into(), mids }];
    answer
}

/// A page that shows itself calls somebody, and the dialplan has the media relayed.
fn page_calls(abilities: Abilities) -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser_with(page_offer(Direction::SendRecv));
    let mut client = ladder.client("im:juliet");
    client.abilities = abilities;
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Relay, "user:juliet", vec![client])]));
    (ladder, leg)
}

fn answered(abilities: Abilities, answer: impl Fn(&Description) -> Description) -> (Ladder, LegId) {
    let (mut ladder, leg) = page_calls(abilities);
    let answer = ladder.answer_with(leg, answer(&ladder.last_description(leg)));
    ladder.hear(leg, answer);
    ladder.connected(leg);
    ladder.hear(leg, Signal::Accept);
    (ladder, leg)
}

fn video(ladder: &Ladder, leg: LegId) -> Option<Box<GraphVideo>> {
    let graph = ladder.graph.as_ref().expect("a graph");
    graph.legs.iter().find(|l| l.leg == leg).expect("the leg").video.clone()
}

fn pictures(ladder: &Ladder, leg: LegId) -> Stream {
    let description = ladder.last_description(leg);
    description.streams.into_iter().find(|s| s.kind == Kind::Video).expect("a slot for pictures")
}

fn ufrag(stream: &Stream) -> &str {
    &stream.transport.ice.as_ref().expect("ICE").ufrag
}

/// Of which stream the relay is given the candidates with these names.
fn given(ladder: &mut Ladder, leg: LegId, mid: &str) -> Vec<bool> {
    let orders = ladder.orders_of(|ladder| ladder.hear(leg, candidates(mid, 1..3, true)));
    let of = |order: &RelayCommand| match order {
        RelayCommand::Candidates { pictures, .. } => *pictures,
        other => panic!("{other:?}"),
    };
    orders.iter().map(of).collect()
}

#[test]
fn a_peer_without_bundle_gets_its_pictures_on_a_transport_of_their_own() {
    for abilities in [Abilities::CLIENT, Abilities::WEB_PHONE] {
        let (ladder, leg) = page_calls(abilities);
        let offer = ladder.last_description(leg);
        assert_eq!(offer.groups[0].mids.len(), 2, "it may bundle them");
        assert_ne!(ufrag(&offer.streams[0]), ufrag(&offer.streams[1]), "and need not");
        let (mut ladder, leg) = answered(abilities, |offered| apart(offered, "theirs"));
        let page = ladder.caller();
        let (near, far) = (video(&ladder, page).unwrap(), video(&ladder, leg).unwrap());
        assert!(near.bundled && !far.bundled);
        assert_eq!((near.sees, far.sees), (Some(leg), Some(page)));
        assert!(far.expected && near.expected);
        let theirs = far.remote.unwrap().transport.ice.unwrap();
        assert_eq!(theirs.ufrag, "theirs-video");
        let mid = pictures(&ladder, leg).mid.unwrap().0;
        assert_eq!((given(&mut ladder, leg, &mid), given(&mut ladder, leg, "0")), (vec![true], vec![false]));
    }
}

#[test]
fn a_peer_that_bundles_leaves_the_transport_that_was_offered_for_its_pictures() {
    let (mut ladder, leg) = answered(Abilities::CLIENT, together);
    let far = video(&ladder, leg).unwrap();
    assert!(far.bundled && far.sees.is_some());
    let mid = pictures(&ladder, leg).mid.unwrap().0;
    assert_eq!(given(&mut ladder, leg, &mid), Vec::<bool>::new(), "nothing listens there");
    ladder.ready(leg);
    let offer = ladder.offer(page_offer(Direction::RecvOnly));
    ladder.hear(ladder.caller(), offer);
    let next = ladder.last_description(leg);
    assert_eq!(ufrag(&next.streams[0]), ufrag(&next.streams[1]), "one transport from here on");
    assert!(next.streams[1].transport.ice.as_ref().unwrap().candidates.is_empty());
}

#[test]
fn a_page_is_offered_one_transport_for_both() {
    let (ladder, leg) = page_calls(Abilities::BROWSER);
    let offer = ladder.last_description(leg);
    assert_eq!(ufrag(&offer.streams[0]), ufrag(&offer.streams[1]));
    assert!(video(&ladder, leg).unwrap().bundled);
}

#[test]
fn a_client_without_bundle_that_calls_is_answered_on_both_of_its_transports() {
    let mut offer = film_description("theirs");
    offer.streams[0].codecs.push(Codec::pcmu());
    let mut ladder = Ladder::from_client_with(Some(offer));
    let page = ladder.page("web:bob");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Relay, "user:bob", vec![page])]));
    let answer = ladder.answer_with(leg, page_offer(Direction::SendRecv));
    ladder.hear(leg, answer);
    ladder.connected(leg);
    ladder.hear(leg, Signal::Accept);
    let client = ladder.caller();
    let answer = ladder.last_description(client);
    assert!(answer.groups.is_empty() && answer.streams[1].accepted);
    assert_ne!(ufrag(&answer.streams[0]), ufrag(&answer.streams[1]));
    assert!(!video(&ladder, client).unwrap().bundled);
    assert_eq!(given(&mut ladder, client, "video"), [true]);
    assert_eq!(given(&mut ladder, client, "audio"), [false]);

    // It restarts ICE: both are answered anew.
    let mut again = film_description("again");
    again.streams[0].codecs.push(Codec::pcmu());
    let offer = ladder.offer(again);
    ladder.hear(client, offer);
    assert!(pictures(&ladder, client).accepted);
    let theirs = video(&ladder, client).unwrap().remote.unwrap().transport.ice.unwrap().ufrag;
    assert_eq!(theirs, "again-video");

    // It removes its pictures: the page is told, and nothing is left of them.
    let mut without = film_description("again");
    without.streams[0].codecs.push(Codec::pcmu());
    without.streams[1].accepted = false;
    let offer = ladder.offer(without);
    ladder.hear(client, offer);
    assert!(!pictures(&ladder, client).accepted && !pictures(&ladder, leg).accepted);
    assert_eq!((video(&ladder, client), video(&ladder, leg)), (None, None));
    assert_eq!(given(&mut ladder, client, "video"), Vec::<bool>::new());
}

#[test]
fn a_camera_that_is_opened_in_the_call_is_shown_to_a_client_without_bundle() {
    let mut ladder = Ladder::from_browser();
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Relay, "user:juliet", vec![client])]));
    let mut alone = apart(&ladder.last_description(leg), "theirs");
    alone.streams.truncate(1);
    let answer = ladder.answer_with(leg, alone);
    ladder.hear(leg, answer);
    ladder.connected(leg);
    ladder.hear(leg, Signal::Accept);
    let offer = ladder.offer(page_offer(Direction::SendRecv));
    ladder.hear(ladder.caller(), offer);
    let offered = ladder.last_description(leg);
    assert_ne!(ufrag(&offered.streams[0]), ufrag(&offered.streams[1]));
    let answer = ladder.answer_with(leg, apart(&offered, "theirs"));
    ladder.hear(leg, answer);
    let far = video(&ladder, leg).unwrap();
    assert!(!far.bundled && far.sees == Some(ladder.caller()));
    assert_eq!(pictures(&ladder, ladder.caller()).direction, Direction::SendRecv);
    let mid = pictures(&ladder, leg).mid.unwrap().0;
    assert_eq!(given(&mut ladder, leg, &mid), [true]);
}

#[test]
fn pictures_that_do_not_come_are_told_to_both_and_to_the_record_and_so_is_their_return() {
    use patchcord::model::RelayEvent;
    let (mut ladder, leg) = answered(Abilities::CLIENT, |offered| apart(offered, "theirs"));
    let call = patchcord::base::CallId(7);
    let why = "the client sends no pictures".to_owned();
    let said = ladder.said.len();
    ladder.relay(RelayEvent::Unseen { call, leg, why: why.clone() });
    for told in [leg, ladder.caller()] {
        assert_eq!(ladder.said_on(told, said), ["Notice"]);
    }
    assert_eq!(ladder.said.last(), Some(&(leg, Signal::Notice(why.clone()))));
    ladder.relay(RelayEvent::SeenAgain { call, leg });
    assert_eq!(ladder.said.last(), Some(&(leg, Signal::Notice("You are seen again.".into()))));
    ladder.hear(leg, Signal::Hangup(patchcord::model::Hangup::new(patchcord::model::Cause::Normal)));
    assert_eq!(ladder.records[0].why.as_deref(), Some(why.as_str()));
}

#[test]
fn who_says_that_it_shows_nothing_is_not_missed() {
    let (mut ladder, leg) = answered(Abilities::CLIENT, |offered| {
        let mut answer = apart(offered, "theirs");
        answer.streams[1].direction = Direction::RecvOnly;
        answer
    });
    assert!(!video(&ladder, leg).unwrap().expected);
    assert!(video(&ladder, ladder.caller()).unwrap().expected);
    // Nor is anybody while one side holds.
    ladder.hear(leg, Signal::Hold(true));
    assert!(!video(&ladder, ladder.caller()).unwrap().expected);
}
