//! Transfers of calls whose media go directly: who moves to the relay, when, and what becomes of the call if nobody answers
//! or somebody will not move.

use std::time::Duration;

use patchcord::base::{CallId, LegId};
use patchcord::call::Action;
use patchcord::model::{
    Address, Answer, Cause, Codec, Direction, Hangup, MediaPath, MediaPolicy, Offer, Play, Progress, RelayEvent, Seal,
    Signal, Sound, Source, Stage, Tone, Transfer,
};

use super::ladder::{Ladder, browser_description, film_description, phone_description, with_pictures};

const RINGING: Signal = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });
const FETCHED: [&str; 3] = ["Offer sendrecv", "Path relayed", "Connected callee"];

fn opus() -> Codec {
    Codec::new(111, "opus", 48_000, 2)
}

fn wish() -> Signal {
    Signal::Transfer(Transfer {
        to: Address::here("carol"),
        replaces: None,
        by: None,
        user_to_user: Default::default(),
    })
}

fn normal() -> Signal {
    Signal::Hangup(Hangup::new(Cause::Normal))
}

/// Alice's page talks to Bob's, directly.
fn talking() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser();
    let page = ladder.page("web:bob");
    let bob = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Direct, "user:bob", vec![page])]));
    let answer = ladder.answer_with(bob, browser_description(&[opus(), Codec::pcmu()], 126));
    ladder.hear(bob, answer);
    ladder.hear(bob, Signal::Accept);
    ladder.expect_no_relay();
    (ladder, bob)
}

/// The dialplan has Carol's telephone called.
fn dial(ladder: &mut Ladder) -> LegId {
    let carol = ladder.phone("sip:carol");
    let leg = carol.leg;
    ladder.decide(Action::Dial(vec![Ladder::attempt("user:carol", vec![carol])]));
    leg
}

fn pick_up(ladder: &mut Ladder, leg: LegId) {
    let answer = ladder.answer_of(leg, &[Codec::pcmu()], false);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
}

/// A page takes the offer of the relay.
fn come(ladder: &mut Ladder, leg: LegId) {
    let answer = ladder.answer_of(leg, &[opus(), Codec::pcmu()], false);
    ladder.hear(leg, answer);
}

/// A page refuses the offer of the relay.
fn stay_away(ladder: &mut Ladder, leg: LegId, cause: Cause) {
    let Signal::Answer(Answer { exchange, .. }) = ladder.answer_of(leg, &[], false) else { unreachable!() };
    ladder.hear(leg, Signal::Refuse { exchange, cause });
}

/// What one side offers reaches the other as it is: the call is direct.
fn expect_direct(ladder: &mut Ladder, bob: LegId) {
    let words = film_description("still direct");
    let offer = ladder.offer(words.clone());
    ladder.hear(ladder.caller(), offer);
    assert!(matches!(ladder.said.last(), Some((leg, Signal::Offer(o))) if *leg == bob && o.description == words));
    assert!(ladder.graph.as_ref().is_none_or(|g| g.legs.is_empty()), "the relay has nothing of it");
}

#[test]
fn the_party_that_stays_is_fetched_to_the_relay_once_somebody_picks_up_and_the_one_that_asked_never_moves() {
    for page_asks in [true, false] {
        let (mut ladder, bob) = talking();
        let alice = ladder.caller();
        let (asker, stays) = if page_asks { (alice, bob) } else { (bob, alice) };
        let before = ladder.said.len();
        ladder.hear(asker, wish());
        let carol = dial(&mut ladder);
        ladder.hear(carol, RINGING);
        assert!(ladder.said_on(stays, before).is_empty(), "they talk on meanwhile");
        pick_up(&mut ladder, carol);
        assert_eq!(ladder.said_on(stays, before), ["Offer sendrecv"]);
        come(&mut ladder, stays);
        let told = ["Transferring Trying", "Transferring Ringing", "Transferring Done", "Hangup normal"];
        assert_eq!(ladder.said_on(asker, before), told);
        assert_eq!(ladder.said_on(stays, before), FETCHED);
        assert_eq!((ladder.hears(stays), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(stays)));
        ladder.hear(carol, normal());
        assert_eq!(ladder.said_on(stays, before).last().map(String::as_str), Some("Hangup normal"));
        let record = ladder.records.pop().expect("a record");
        assert_eq!((record.transferred_to.as_deref(), record.path), (Some("user:carol"), Some(MediaPath::Relayed)));
        assert_eq!(record.relayed_because.as_deref(), Some("a party of the call was transferred"));
    }
}

#[test]
fn what_is_offered_to_the_party_that_stays_has_the_streams_it_knows_and_the_speech_that_both_speak() {
    let (mut ladder, bob) = talking();
    let mut filmed =
        with_pictures(browser_description(&[opus(), Codec::pcma()], 126), &[Codec::pcmu()], Direction::SendRecv);
    filmed.streams[1].codecs = vec![Codec::new(98, "VP8", 90_000, 1)];
    let offer = ladder.offer(filmed.clone());
    ladder.hear(ladder.caller(), offer);
    let answer = ladder.answer_with(bob, filmed.clone());
    ladder.hear(bob, answer);
    ladder.hear(ladder.caller(), wish());
    let carol = dial(&mut ladder);
    pick_up(&mut ladder, carol);
    let offered = ladder.last_description(bob);
    let mids: Vec<_> = offered.streams.iter().map(|s| (s.mid.clone(), s.accepted)).collect();
    assert_eq!(mids, [(filmed.streams[0].mid.clone(), true), (filmed.streams[1].mid.clone(), false)]);
    let audio = &offered.streams[0];
    let names: Vec<_> = audio.codecs.iter().map(|c| (c.name.as_str(), c.payload_type)).collect();
    assert_eq!(names, [("opus", 111), ("PCMA", 8), ("telephone-event", 126)], "in the numbers of its own");
    let theirs = &filmed.streams[0].transport;
    let ufrag = |t: &patchcord::model::Transport| t.ice.as_ref().map(|ice| ice.ufrag.clone());
    assert_ne!(ufrag(&audio.transport), ufrag(theirs));
    let fingerprints = |seal: &Seal| match seal {
        Seal::Dtls { fingerprints, .. } => fingerprints.clone(),
        _ => Vec::new(),
    };
    assert_ne!(fingerprints(&audio.transport.seal), fingerprints(&theirs.seal));
}

fn vp8() -> Codec {
    Codec::new(98, "VP8", 90_000, 1)
}

/// What a page describes that shows pictures and sees some.
fn filmed() -> patchcord::model::Description {
    with_pictures(browser_description(&[opus(), Codec::pcmu()], 126), &[vp8()], Direction::SendRecv)
}

/// The same two, with pictures.
fn showing() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser_with(filmed());
    let page = ladder.page("web:bob");
    let bob = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Direct, "user:bob", vec![page])]));
    let answer = ladder.answer_with(bob, filmed());
    ladder.hear(bob, answer);
    ladder.hear(bob, Signal::Accept);
    ladder.expect_no_relay();
    (ladder, bob)
}

/// Whose pictures a leg sees.
fn sees(ladder: &Ladder, leg: LegId) -> Option<LegId> {
    let graph = ladder.graph.as_ref().expect("a graph");
    graph.legs.iter().find(|l| l.leg == leg).and_then(|l| l.video.as_ref()).and_then(|v| v.sees)
}

/// Whether the last description that was said on a leg has pictures.
fn has_pictures(ladder: &Ladder, leg: LegId) -> bool {
    let kind = patchcord::model::Kind::Video;
    ladder.last_description(leg).streams.iter().any(|s| s.kind == kind && s.accepted)
}

#[test]
fn pictures_of_a_direct_call_go_on_with_a_newcomer_that_takes_them() {
    for takes in [true, false] {
        let (mut ladder, bob) = showing();
        ladder.hear(ladder.caller(), wish());
        let page = ladder.page("web:carol");
        let carol = page.leg;
        ladder.decide(Action::Dial(vec![Ladder::attempt("user:carol", vec![page])]));
        assert!(has_pictures(&ladder, carol));
        let plain = browser_description(&[opus(), Codec::pcmu()], 126);
        let answer = ladder.answer_with(carol, if takes { filmed() } else { plain });
        ladder.hear(carol, answer);
        ladder.hear(carol, Signal::Accept);
        ladder.connected(carol);
        assert_eq!(has_pictures(&ladder, bob), takes);
        let answer = ladder.answer_with(bob, if takes { filmed() } else { ladder.last_description(bob) });
        ladder.hear(bob, answer);
        let expected = if takes { (Some(carol), Some(bob)) } else { (None, None) };
        assert_eq!((sees(&ladder, bob), sees(&ladder, carol)), expected);
        assert_eq!((ladder.hears(bob), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(bob)));
    }
}

#[test]
fn a_party_that_stays_without_its_pictures_leaves_the_newcomer_with_the_sound() {
    let (mut ladder, bob) = showing();
    ladder.hear(ladder.caller(), wish());
    let page = ladder.page("web:carol");
    let carol = page.leg;
    ladder.decide(Action::Dial(vec![Ladder::attempt("user:carol", vec![page])]));
    let answer = ladder.answer_with(carol, filmed());
    ladder.hear(carol, answer);
    ladder.hear(carol, Signal::Accept);
    ladder.connected(carol);
    let mut without = filmed();
    without.streams[1].accepted = false;
    let answer = ladder.answer_with(bob, without);
    ladder.hear(bob, answer);
    assert_eq!((sees(&ladder, bob), sees(&ladder, carol)), (None, None));
    assert!(!has_pictures(&ladder, carol), "it is told that there are none any more");
    assert_eq!((ladder.hears(bob), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(bob)));
}

#[test]
fn pictures_of_a_direct_call_go_on_through_the_relay_if_the_newcomer_goes() {
    let (mut ladder, bob) = showing();
    let alice = ladder.caller();
    ladder.hear(alice, wish());
    let page = ladder.page("web:carol");
    let carol = page.leg;
    ladder.decide(Action::Dial(vec![Ladder::attempt("user:carol", vec![page])]));
    let answer = ladder.answer_with(carol, filmed());
    ladder.hear(carol, answer);
    ladder.hear(carol, Signal::Accept);
    ladder.connected(carol);
    let answer = ladder.answer_with(bob, filmed());
    ladder.hear(carol, normal());
    ladder.hear(bob, answer);
    let answer = ladder.answer_with(alice, ladder.last_description(alice));
    ladder.hear(alice, answer);
    assert_eq!((ladder.hears(bob), ladder.hears(alice)), (Source::Leg(alice), Source::Leg(bob)));
    assert_eq!(sees(&ladder, bob).is_some(), sees(&ladder, alice).is_some(), "both see, or neither");
}

#[test]
fn a_call_that_replaces_a_leg_of_a_direct_call_brings_its_pictures() {
    for codec in [vp8(), Codec::new(96, "VP9", 90_000, 1)] {
        let (mut ladder, bob) = showing();
        let alice = ladder.caller();
        let is_shared = codec.name == "VP8";
        let offer = with_pictures(phone_description(&[Codec::pcmu()]), &[codec], Direction::SendRecv);
        let carol = ladder.replace(alice, "sip:carol", offer);
        let answer = ladder.answer_with(bob, filmed());
        ladder.hear(bob, answer);
        assert_eq!(has_pictures(&ladder, carol), is_shared);
        let expected = if is_shared { (Some(carol), Some(bob)) } else { (None, None) };
        assert_eq!((sees(&ladder, bob), sees(&ladder, carol)), expected);
        assert_eq!((ladder.hears(bob), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(bob)));
    }
}

#[test]
fn who_is_busy_or_denied_or_does_not_answer_leaves_the_call_direct_and_nobody_is_disturbed() {
    let (mut ladder, bob) = talking();
    let alice = ladder.caller();
    for fails in ["busy", "denied", "silent"] {
        let before = ladder.said.len();
        ladder.hear(alice, wish());
        let cause = match fails {
            "denied" => {
                ladder.decide(Action::Reject(Cause::Forbidden));
                Cause::Forbidden
            }
            "busy" => {
                let carol = dial(&mut ladder);
                ladder.hear(carol, Signal::Hangup(Hangup::new(Cause::Busy)));
                Cause::Busy
            }
            _ => {
                dial(&mut ladder);
                ladder.after(Duration::from_secs(21));
                Cause::NoAnswer
            }
        };
        let told = ["Transferring Trying".to_owned(), format!("Transferring Failed {cause}")];
        assert_eq!(ladder.said_on(alice, before), told);
        assert!(ladder.said_on(bob, before).is_empty(), "{fails}");
    }
    expect_direct(&mut ladder, bob);
}

#[test]
fn a_party_that_does_not_take_the_offer_of_the_relay_keeps_its_call_and_the_newcomer_is_hung_up() {
    let (mut ladder, bob) = talking();
    let alice = ladder.caller();
    let before = ladder.said.len();
    ladder.hear(alice, wish());
    let carol = dial(&mut ladder);
    pick_up(&mut ladder, carol);
    stay_away(&mut ladder, bob, Cause::MediaIncompatible);
    assert_eq!(ladder.said_on(alice, before), ["Transferring Trying", "Transferring Failed media-incompatible"]);
    assert_eq!(ladder.said_on(carol, before), ["Start", "Path relayed", "Hangup cancelled"]);
    assert_eq!(ladder.said_on(bob, before), ["Offer sendrecv"]);
    expect_direct(&mut ladder, bob);
}

#[test]
fn an_offer_of_the_relay_that_meets_one_of_the_party_is_made_again() {
    let (mut ladder, bob) = talking();
    let alice = ladder.caller();
    ladder.hear(alice, wish());
    let carol = dial(&mut ladder);
    let before = ladder.said.len();
    pick_up(&mut ladder, carol);
    stay_away(&mut ladder, bob, Cause::Glare);
    assert_eq!(ladder.said_on(bob, before), ["Offer sendrecv"]);
    ladder.after(Duration::from_secs(1));
    come(&mut ladder, bob);
    assert_eq!(ladder.said_on(bob, before), ["Offer sendrecv", "Offer sendrecv", "Path relayed", "Connected callee"]);
    assert_eq!(ladder.hears(bob), Source::Leg(carol));
}

#[test]
fn an_offer_that_is_under_way_between_the_two_goes_first() {
    let (mut ladder, bob) = talking();
    let alice = ladder.caller();
    ladder.hear(alice, wish());
    let carol = dial(&mut ladder);
    let words = browser_description(&[opus()], 126);
    let offer = ladder.offer(words.clone());
    ladder.hear(alice, offer);
    let before = ladder.said.len();
    pick_up(&mut ladder, carol);
    assert!(ladder.said_on(bob, before).is_empty());
    let answer = ladder.answer_with(bob, words);
    ladder.hear(bob, answer);
    ladder.after(Duration::from_secs(1));
    come(&mut ladder, bob);
    assert_eq!(ladder.said_on(bob, before), FETCHED);
    assert_eq!(ladder.hears(bob), Source::Leg(carol));
}

#[test]
fn a_newcomer_that_goes_while_the_other_is_on_the_way_leaves_the_two_talking_through_the_relay() {
    for is_there in [false, true] {
        let (mut ladder, bob) = talking();
        let alice = ladder.caller();
        ladder.hear(alice, wish());
        let carol = dial(&mut ladder);
        pick_up(&mut ladder, carol);
        let before = ladder.said.len();
        if is_there {
            let offer = ladder.offer(browser_description(&[opus()], 126));
            ladder.hear(alice, offer);
            assert_eq!(ladder.said_on(alice, before), ["Refuse glare"], "the direct way is left");
        }
        let before = ladder.said.len();
        ladder.hear(carol, normal());
        assert_eq!(ladder.said_on(alice, before), ["Transferring Failed normal", "Offer sendrecv"]);
        for leg in [bob, alice] {
            come(&mut ladder, leg);
        }
        assert_eq!((ladder.hears(alice), ladder.hears(bob)), (Source::Leg(bob), Source::Leg(alice)));
        assert_eq!(ladder.said_on(bob, before), ["Path relayed"]);
        let after = ladder.said.len();
        ladder.hear(bob, normal());
        assert_eq!(ladder.said_on(alice, after), ["Hangup normal"]);
        assert_eq!(ladder.records[0].transferred_to, None);
    }
}

#[test]
fn who_asked_may_hang_up_at_once_and_the_other_hears_that_it_rings() {
    for answers in [true, false] {
        let (mut ladder, bob) = talking();
        let alice = ladder.caller();
        ladder.hear(alice, wish());
        let carol = dial(&mut ladder);
        ladder.hear(carol, RINGING);
        let before = ladder.said.len();
        ladder.hear(alice, normal());
        come(&mut ladder, bob);
        let tone = Source::Play(Play { sound: Sound::Tone(Tone::Ringing), repeats: true });
        assert_eq!(ladder.hears(bob), tone);
        if answers {
            pick_up(&mut ladder, carol);
            assert_eq!(ladder.said_on(bob, before), FETCHED);
            assert_eq!((ladder.hears(bob), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(bob)));
            ladder.hear(bob, normal());
        } else {
            ladder.hear(carol, Signal::Hangup(Hangup::new(Cause::Busy)));
            assert_eq!(ladder.said_on(bob, before), ["Offer sendrecv", "Path relayed", "Hangup busy"]);
        }
        assert_eq!(ladder.records.len(), 1);
    }
}

#[test]
fn a_call_that_replaces_a_leg_of_a_direct_call_waits_until_the_other_is_there() {
    let (mut ladder, bob) = talking();
    let alice = ladder.caller();
    let before = ladder.said.len();
    let carol = ladder.replace(alice, "sip:carol", phone_description(&[Codec::pcmu()]));
    assert!(ladder.said_on(carol, before).is_empty());
    come(&mut ladder, bob);
    assert_eq!(ladder.said_on(carol, before), ["Path relayed", "Answer PCMU sendrecv", "Accept"]);
    assert_eq!(ladder.said_on(alice, before), ["Hangup normal"]);
    assert_eq!(ladder.said_on(bob, before), ["Offer sendrecv", "Path relayed", "Connected carol"]);
    assert_eq!((ladder.hears(bob), ladder.hears(carol)), (Source::Leg(carol), Source::Leg(bob)));
}

#[test]
fn a_call_that_would_replace_a_leg_is_turned_away_if_the_other_does_not_come_and_may_itself_go() {
    let (mut ladder, bob) = talking();
    let alice = ladder.caller();
    let before = ladder.said.len();
    let carol = ladder.replace(alice, "sip:carol", phone_description(&[Codec::pcmu()]));
    stay_away(&mut ladder, bob, Cause::MediaIncompatible);
    assert_eq!(ladder.said_on(carol, before), ["Hangup media-incompatible"]);
    expect_direct(&mut ladder, bob);
    let (mut ladder, bob) = talking();
    let alice = ladder.caller();
    let carol = ladder.replace(alice, "sip:carol", phone_description(&[Codec::pcmu()]));
    ladder.hear(carol, normal());
    for leg in [bob, alice] {
        come(&mut ladder, leg);
    }
    assert_eq!((ladder.hears(alice), ladder.hears(bob)), (Source::Leg(bob), Source::Leg(alice)));
}

#[test]
fn a_party_that_was_held_is_told_that_the_hold_is_over_when_it_is_fetched() {
    let (mut ladder, bob) = talking();
    let alice = ladder.caller();
    ladder.hear(alice, Signal::Hold(true));
    ladder.hear(alice, wish());
    let carol = dial(&mut ladder);
    let before = ladder.said.len();
    pick_up(&mut ladder, carol);
    come(&mut ladder, bob);
    assert_eq!(ladder.said_on(bob, before), [&FETCHED[..], &["Hold false"]].concat());
    assert_eq!(ladder.hears(bob), Source::Leg(carol));
}

#[test]
fn a_party_that_answers_nothing_keeps_its_call_after_a_while() {
    let (mut ladder, _) = talking();
    let alice = ladder.caller();
    let before = ladder.said.len();
    ladder.hear(alice, wish());
    let carol = dial(&mut ladder);
    pick_up(&mut ladder, carol);
    ladder.after(Duration::from_secs(36));
    assert_eq!(ladder.said_on(carol, before).last().map(String::as_str), Some("Hangup cancelled"));
    let told = ["Transferring Trying", "Transferring Failed timeout", "Offer sendrecv"];
    assert_eq!(ladder.said_on(alice, before), told, "nobody knows whether it has moved: the other follows");
    ladder.after(Duration::from_secs(36));
    assert_eq!(ladder.records.len(), 1);
}

#[test]
fn a_transfer_in_a_call_that_was_fetched_is_one_of_a_relayed_call() {
    let (mut ladder, bob) = talking();
    ladder.hear(ladder.caller(), wish());
    let carol = dial(&mut ladder);
    pick_up(&mut ladder, carol);
    come(&mut ladder, bob);
    let before = ladder.said.len();
    ladder.hear(bob, wish());
    let dora = ladder.phone("sip:dora");
    let leg = dora.leg;
    ladder.decide(Action::Dial(vec![Ladder::attempt("user:dora", vec![dora])]));
    pick_up(&mut ladder, leg);
    assert_eq!((ladder.hears(carol), ladder.hears(leg)), (Source::Leg(leg), Source::Leg(carol)));
    assert_eq!(ladder.said_on(bob, before).last().map(String::as_str), Some("Hangup normal"));
    let offer = Signal::Offer(Offer {
        exchange: patchcord::base::ExchangeId::heard(9),
        description: phone_description(&[Codec::pcmu()]),
    });
    ladder.hear(carol, offer);
    assert_eq!(ladder.said_on(carol, before), ["Answer PCMU sendrecv"]);
}

#[test]
fn a_relay_that_has_no_room_for_the_party_that_stays_leaves_the_call_direct() {
    let (mut ladder, bob) = talking();
    let alice = ladder.caller();
    let before = ladder.said.len();
    ladder.hear(alice, wish());
    let carol = dial(&mut ladder);
    ladder.relay_is_quick = false;
    pick_up(&mut ladder, carol);
    ladder.relay(RelayEvent::Full { call: CallId(7), leg: bob, why: "no room".into() });
    assert_eq!(ladder.said_on(alice, before), ["Transferring Trying", "Transferring Failed congestion"]);
    assert_eq!(ladder.said_on(carol, before).last().map(String::as_str), Some("Hangup cancelled"));
    expect_direct(&mut ladder, bob);
}
