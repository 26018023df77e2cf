//! Announcements, ring-back and music on hold: who hears what of the gateway itself, and what is said of it.

use std::time::Duration;

use patchcord::base::{CallId, LegId};
use patchcord::call::Action;
use patchcord::model::{
    Cause, Codec, Direction, Hangup, Play, Progress, RelayEvent, Services, Signal, Sound, Source, Stage, Tone,
};

use super::ladder::{Ladder, browser_description, phone_description, refused};

const RINGING: Signal = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });
const EARLY: Signal = Signal::Progress(Progress { stage: Stage::Session, early_media: true });

fn named(name: &str) -> Sound {
    Sound::Named(name.into())
}

fn once(name: &str) -> Source {
    Source::Play(Play { sound: named(name), repeats: false })
}

fn again(name: &str) -> Source {
    Source::Play(Play { sound: named(name), repeats: true })
}

fn played(ladder: &mut Ladder) {
    let leg = ladder.caller();
    ladder.relay(RelayEvent::Played { call: CallId(7), leg });
}

fn dialled(mut ladder: Ladder, services: Services) -> (Ladder, LegId) {
    ladder.services = services;
    let trunk = ladder.phone("sip:trunk");
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![trunk])]));
    (ladder, leg)
}

fn talking(ladder: Ladder, services: Services) -> (Ladder, LegId) {
    let (mut ladder, trunk) = dialled(ladder, services);
    let answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    ladder.hear(trunk, answer);
    ladder.hear(trunk, Signal::Accept);
    (ladder, trunk)
}

fn ring_back() -> Services {
    Services { ring_back: Some(named("bells")), ..Services::default() }
}

fn music() -> Services {
    Services { hold_music: Some(named("music")), ..Services::default() }
}

fn announced() -> Services {
    Services { announcement: Some(named("welcome")), ..Services::default() }
}

#[test]
fn a_telephone_hears_the_dialplans_ring_back_as_early_media_and_its_answer_stays_the_same() {
    let (mut ladder, trunk) = dialled(Ladder::from_phone(), ring_back());
    assert_eq!(ladder.hears(ladder.caller()), Source::Nothing);
    ladder.hear(trunk, RINGING);
    assert_eq!(ladder.hears(ladder.caller()), again("bells"));
    ladder.hear(trunk, RINGING);
    let answer = ladder.answer_of(trunk, &[Codec::pcma()], false);
    ladder.hear(trunk, answer);
    ladder.hear(trunk, Signal::Accept);
    assert_eq!(ladder.hears(ladder.caller()), Source::Leg(trunk));
    ladder.expect(
        "
        sip:phone ─Start─▶
        sip:phone ◀─Trying─
                                ─Start─▶ sip:trunk
                                ─Path relayed─▶ sip:trunk
                                ◀─Ringing─ sip:trunk
        sip:phone ◀─Answer for now PCMU sendrecv─
        sip:phone ◀─Ringing with media─
                                ◀─Ringing─ sip:trunk
                                ◀─Answer PCMA sendrecv─ sip:trunk
                                ◀─Accept─ sip:trunk
        sip:phone ◀─Path relayed─
        sip:phone ◀─Answer PCMU sendrecv─
        sip:phone ◀─Accept─
        ",
    );
}

#[test]
fn a_page_hears_the_ring_back_on_the_answer_that_it_has_and_the_networks_own_tones_instead_once_they_come() {
    let (mut ladder, trunk) = dialled(Ladder::from_browser(), ring_back());
    ladder.hear(trunk, RINGING);
    assert_eq!(ladder.hears(ladder.caller()), again("bells"));
    let early = ladder.answer_of(trunk, &[Codec::pcma()], true);
    ladder.hear(trunk, early);
    ladder.hear(trunk, EARLY);
    assert_eq!(ladder.hears(ladder.caller()), Source::Leg(trunk));
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Trying─
        web:alice ◀─Answer for now opus sendrecv─
                                ─Start─▶ sip:trunk
                                ─Path relayed─▶ sip:trunk
                                ◀─Ringing─ sip:trunk
        web:alice ◀─Ringing with media─
                                ◀─Answer for now PCMA sendrecv─ sip:trunk
        web:alice ◀─Answer for now PCMA sendrecv─
                                ◀─Session with media─ sip:trunk
        ",
    );
}

#[test]
fn the_ring_back_begins_when_our_end_is_ready_if_somebody_rings_before_that() {
    let mut ladder = Ladder::from_phone();
    ladder.relay_is_quick = false;
    let (mut ladder, trunk) = dialled(ladder, ring_back());
    ladder.ready(trunk);
    ladder.hear(trunk, RINGING);
    let caller = ladder.caller();
    let before = ladder.said.len();
    ladder.ready(caller);
    assert_eq!(ladder.said_on(caller, before), ["Answer for now PCMU sendrecv", "Ringing with media"]);
    assert_eq!(ladder.hears(caller), again("bells"));
}

#[test]
fn without_a_word_of_the_dialplan_a_telephone_plays_its_own_tone() {
    let (mut ladder, trunk) = dialled(Ladder::from_phone(), Services::default());
    ladder.hear(trunk, RINGING);
    assert_eq!(ladder.hears(ladder.caller()), Source::Nothing);
    assert_eq!(ladder.said_on(ladder.caller(), 0), ["Trying", "Ringing"]);
}

#[test]
fn an_im_client_has_no_early_media_and_is_told_that_it_rings() {
    let mut ladder = Ladder::from_client_with(Some(browser_description(&[Codec::new(111, "opus", 48_000, 2)], 126)));
    ladder.services = Services { announcement: Some(named("welcome")), ..ring_back() };
    let trunk = ladder.phone("sip:trunk");
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![trunk])]));
    ladder.hear(leg, RINGING);
    assert_eq!(ladder.hears(ladder.caller()), Source::Nothing);
    assert_eq!(ladder.said_on(ladder.caller(), 0), ["Trying", "Ringing"]);
}

#[test]
fn whoever_a_page_puts_on_hold_hears_music_until_the_talk_goes_on() {
    let (mut ladder, trunk) = talking(Ladder::from_browser(), music());
    let caller = ladder.caller();
    ladder.hear(caller, Signal::Hold(true));
    assert_eq!(ladder.last_description(trunk).audio().unwrap().direction, Direction::SendOnly, "we send music");
    assert_eq!((ladder.hears(trunk), ladder.hears(caller)), (again("music"), Source::Nothing));
    let mut answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    if let Signal::Answer(answer) = &mut answer {
        answer.description.streams[0].direction = Direction::RecvOnly;
    }
    ladder.hear(trunk, answer);
    assert_eq!(ladder.hears(trunk), again("music"));
    let graph = ladder.graph.clone().unwrap();
    assert!(graph.legs.iter().all(|l| !l.answered), "silence is worth no word");
    ladder.hear(caller, Signal::Hold(false));
    let answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    ladder.hear(trunk, answer);
    assert_eq!((ladder.hears(trunk), ladder.hears(caller)), (Source::Leg(caller), Source::Leg(trunk)));
}

#[test]
fn whoever_a_phone_puts_on_hold_hears_its_music_and_ours_if_it_has_none() {
    let (mut ladder, trunk) = talking(Ladder::from_browser(), music());
    let caller = ladder.caller();
    let directed = |direction| {
        let mut description = phone_description(&[Codec::pcmu()]);
        description.streams[0].direction = direction;
        description
    };
    for _ in 0..2 {
        let offer = ladder.offer(directed(Direction::SendOnly));
        ladder.hear(trunk, offer);
        assert_eq!(ladder.hears(caller), Source::Leg(trunk), "it may have music of its own");
        let graph = ladder.graph.clone().unwrap();
        assert!(graph.legs.iter().all(|l| l.answered == (l.leg == trunk)), "it is listened for");
        let before = ladder.said.len();
        ladder.relay(RelayEvent::Silent { call: CallId(7), leg: trunk, why: "nothing came".into() });
        assert_eq!(ladder.hears(caller), again("music"));
        assert!(ladder.said[before..].is_empty(), "nobody need be told");
        let offer = ladder.offer(directed(Direction::SendRecv));
        ladder.hear(trunk, offer);
        assert_eq!(ladder.hears(caller), Source::Leg(trunk));
    }
    let offer = ladder.offer(directed(Direction::Inactive));
    ladder.hear(trunk, offer);
    assert_eq!(ladder.hears(caller), again("music"), "it says itself that it sends none");
    ladder.hear(caller, Signal::Hold(true));
    assert_eq!((ladder.hears(caller), ladder.hears(trunk)), (Source::Nothing, Source::Nothing), "nobody listens");
    ladder.hear(caller, Signal::Hangup(Hangup::new(Cause::Normal)));
    assert_eq!(ladder.records[0].why, None);
}

#[test]
fn an_im_client_hears_music_from_a_page_that_holds_it_and_may_send_its_own_when_it_holds() {
    let mut ladder = Ladder::from_browser();
    ladder.services = music();
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    let media = patchcord::model::MediaPolicy::Relay;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(media, "xmpp:juliet@example.org", vec![client])]));
    let answer = ladder.answer_of(leg, &[Codec::new(111, "opus", 48_000, 2)], false);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    let caller = ladder.caller();
    ladder.hear(caller, Signal::Hold(true));
    assert_eq!(ladder.hears(leg), again("music"));
    ladder.hear(caller, Signal::Hold(false));
    assert_eq!(ladder.hears(leg), Source::Leg(caller));
    ladder.hear(leg, Signal::Hold(true));
    assert_eq!(ladder.hears(caller), Source::Leg(leg));
    ladder.relay(RelayEvent::Silent { call: CallId(7), leg, why: "nothing came".into() });
    assert_eq!(ladder.hears(caller), again("music"));
}

#[test]
fn an_announcement_is_heard_before_anybody_rings() {
    let (mut ladder, trunk) = dialled(Ladder::from_phone(), announced());
    assert_eq!(ladder.hears(ladder.caller()), once("welcome"));
    played(&mut ladder);
    ladder.hear(trunk, RINGING);
    let tone = Source::Play(Play { sound: Sound::Tone(Tone::Ringing), repeats: true });
    assert_eq!(ladder.hears(ladder.caller()), tone, "whoever heard us plays no tone by itself");
    let answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    ladder.hear(trunk, answer);
    ladder.hear(trunk, Signal::Accept);
    ladder.expect(
        "
        sip:phone ─Start─▶
        sip:phone ◀─Answer for now PCMU sendrecv─
        sip:phone ◀─Session with media─
                                ─Start─▶ sip:trunk
                                ─Path relayed─▶ sip:trunk
                                ◀─Ringing─ sip:trunk
        sip:phone ◀─Answer for now PCMU sendrecv─
        sip:phone ◀─Ringing with media─
                                ◀─Answer PCMU sendrecv─ sip:trunk
                                ◀─Accept─ sip:trunk
        sip:phone ◀─Path relayed─
        sip:phone ◀─Answer PCMU sendrecv─
        sip:phone ◀─Accept─
        ",
    );
}

#[test]
fn a_page_hears_the_announcement_and_speaks_what_the_callee_does_afterwards() {
    let (mut ladder, trunk) = dialled(Ladder::from_browser(), announced());
    let caller = ladder.caller();
    ladder.connected(caller);
    assert_eq!(ladder.hears(caller), once("welcome"));
    played(&mut ladder);
    let answer = ladder.answer_of(trunk, &[Codec::pcma()], false);
    ladder.hear(trunk, answer);
    ladder.hear(trunk, Signal::Accept);
    assert_eq!(ladder.last_description(caller).audio().unwrap().codecs[0].name, "PCMA");
}

#[test]
fn an_announcement_that_never_ends_or_cannot_be_heard_holds_nobody_up() {
    let (mut ladder, trunk) = dialled(Ladder::from_browser(), announced());
    ladder.after(Duration::from_secs(10));
    assert!(
        ladder.said.iter().any(|(leg, s)| *leg == trunk && matches!(s, Signal::Start(_))),
        "its media never came up"
    );

    let (mut ladder, trunk) = dialled(Ladder::from_phone(), announced());
    let caller = ladder.caller();
    ladder.connected(caller);
    ladder.after(Duration::from_secs(600));
    assert!(!ladder.said.iter().any(|(leg, _)| *leg == trunk));
    ladder.after(Duration::from_secs(20));
    assert!(ladder.said.iter().any(|(leg, _)| *leg == trunk));
}

#[test]
fn a_caller_may_hang_up_amid_an_announcement() {
    let (mut ladder, _) = dialled(Ladder::from_phone(), announced());
    ladder.hear(ladder.caller(), refused(Cause::Cancelled));
    ladder.expect(
        "
        sip:phone ─Start─▶
        sip:phone ◀─Answer for now PCMU sendrecv─
        sip:phone ◀─Session with media─
        sip:phone ─Hangup cancelled─▶
        record cancelled
        ",
    );
}

#[test]
fn a_sound_in_place_of_a_callee_is_answered_heard_and_hung_up() {
    let mut ladder = Ladder::from_browser();
    ladder.open(Action::Play { sound: named("closed"), reject: None });
    assert_eq!(ladder.hears(ladder.caller()), once("closed"));
    played(&mut ladder);
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Path relayed─
        web:alice ◀─Answer opus sendrecv─
        web:alice ◀─Accept─
        web:alice ◀─Hangup normal─
        record normal
        ",
    );
    let record = &ladder.records[0];
    assert_eq!((record.target.as_deref(), record.answered_ms.is_some()), (Some("play closed"), true));
}

#[test]
fn a_caller_that_offers_late_hears_it_once_it_has_said_where() {
    let mut ladder = Ladder::from_phone_with(None);
    ladder.open(Action::Play { sound: named("closed"), reject: None });
    let caller = ladder.caller();
    let answer = ladder.answer_of(caller, &[Codec::pcma()], false);
    ladder.hear(caller, answer);
    assert_eq!(ladder.hears(caller), once("closed"));
    ladder.hear(caller, refused(Cause::Normal));
    assert_eq!(ladder.records[0].cause, Cause::Normal);
}

#[test]
fn a_sound_with_a_cause_is_heard_without_an_answer_and_the_call_ends_with_the_cause() {
    let mut ladder = Ladder::from_phone();
    ladder.open(Action::Play { sound: named("no-such-number"), reject: Some(Cause::NotFound) });
    assert_eq!(ladder.hears(ladder.caller()), once("no-such-number"));
    played(&mut ladder);
    ladder.expect(
        "
        sip:phone ─Start─▶
        sip:phone ◀─Answer for now PCMU sendrecv─
        sip:phone ◀─Session with media─
        sip:phone ◀─Hangup not-found─
        record not-found
        ",
    );
    assert_eq!(ladder.records[0].answered_ms, None);

    let mut late = Ladder::from_phone_with(None);
    late.open(Action::Play { sound: named("no-such-number"), reject: Some(Cause::NotFound) });
    late.expect("sip:phone ─Start─▶\nsip:phone ◀─Hangup not-found─\nrecord not-found");
}
