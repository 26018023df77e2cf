//! Feedback about a whole transport, and the time at which packets left, offered and answered in the descriptions of both
//! sides.

use patchcord::base::LegId;
use patchcord::call::Action;
use patchcord::model::{Codec, Description, Direction, GraphLeg, HeaderExtension, Kind, MediaPolicy, Signal, Stream};

use super::ladder::{Ladder, browser_description, phone_description, with_pictures};

const URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
/// Where a page that shows itself is told when packets left.
const TIMES: u16 = 2;

fn extension(id: u16, uri: &str, direction: Option<Direction>) -> HeaderExtension {
    HeaderExtension { id, uri: uri.into(), direction, parameters: None }
}

/// A page that shows itself and counts its packets at this number.
fn page(id: u16) -> Description {
    let sound = browser_description(&[Codec::new(111, "opus", 48_000, 2), Codec::pcmu()], 126);
    let mut description = with_pictures(sound, &[Codec::new(96, "VP8", 90_000, 1)], Direction::SendRecv);
    for stream in &mut description.streams {
        stream.header_extensions =
            vec![extension(1, "urn:x", None), extension(id, URI, None), extension(TIMES, SEND_TIME, None)];
        stream.codecs[0].feedback.push("transport-cc".into());
        if stream.kind == Kind::Video {
            stream.codecs[0].feedback.push("goog-remb".into());
        }
    }
    description
}

/// What is agreed on with such a page, for pictures alone.
fn agreed(id: u16, kind: &Kind) -> Vec<HeaderExtension> {
    let ours = [extension(id, URI, Some(Direction::RecvOnly)), extension(TIMES, SEND_TIME, Some(Direction::SendOnly))];
    if *kind == Kind::Video { ours.to_vec() } else { Vec::new() }
}

fn told_at(ladder: &Ladder, leg: LegId) -> Option<u8> {
    wanted(ladder, leg).video.expect("pictures").send_time
}

fn film() -> Description {
    let sound = [Codec::new(107, "opus", 48_000, 2), Codec::pcmu()];
    with_pictures(phone_description(&sound), &[Codec::new(99, "VP8", 90_000, 1)], Direction::SendRecv)
}

fn wanted(ladder: &Ladder, leg: LegId) -> GraphLeg {
    let graph = ladder.graph.as_ref().expect("a graph");
    graph.legs.iter().find(|l| l.leg == leg).expect("the leg").clone()
}

fn stream(ladder: &Ladder, leg: LegId, kind: Kind) -> Stream {
    ladder.last_description(leg).streams.into_iter().find(|s| s.kind == kind).expect("the stream")
}

fn counts(codec: &Codec) -> bool {
    codec.feedback.iter().any(|f| f == "transport-cc")
}

/// A page that counts at this number calls a telephone that answers so.
fn page_calls_phone(id: u16, answer: Description) -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser_with(page(id));
    let phone = ladder.phone("sip:desk");
    let leg = phone.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:desk", vec![phone])]));
    let answer = ladder.answer_with(leg, answer);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    (ladder, leg)
}

#[test]
fn a_page_that_counts_its_packets_is_answered_at_its_number_for_pictures_and_the_telephone_hears_nothing_of_it() {
    let (ladder, phone) = page_calls_phone(9, film());
    let caller = ladder.caller();
    let pictures = stream(&ladder, caller, Kind::Video);
    assert_eq!(pictures.header_extensions, agreed(9, &Kind::Video), "and no other extension");
    assert!(pictures.codecs.iter().all(counts));
    let sound = stream(&ladder, caller, Kind::Audio);
    assert_eq!(sound.header_extensions, agreed(9, &Kind::Audio));
    assert!(!sound.codecs.iter().any(counts), "{:?}", sound.codecs);
    assert_eq!((wanted(&ladder, caller).transport_cc, wanted(&ladder, phone).transport_cc), (Some(9), None));
    assert_eq!((told_at(&ladder, caller), told_at(&ladder, phone)), (Some(2), None));
    for kind in [Kind::Audio, Kind::Video] {
        let offered = stream(&ladder, phone, kind);
        assert!(offered.header_extensions.is_empty() && !offered.codecs.iter().any(counts));
    }
}

#[test]
fn a_call_that_has_no_pictures_has_no_such_feedback() {
    let mut refuses = film();
    refuses.streams[1].accepted = false;
    let (ladder, _) = page_calls_phone(9, refuses);
    let caller = ladder.caller();
    assert!(stream(&ladder, caller, Kind::Audio).header_extensions.is_empty());
    assert_eq!(wanted(&ladder, caller).transport_cc, None);
}

#[test]
fn a_page_that_is_called_is_offered_it_on_one_transport_and_heeded_as_it_answers() {
    let called = |answer: Description| {
        let mut ladder = Ladder::from_phone_with(Some(film()));
        let page = ladder.page("web:bob");
        let leg = page.leg;
        ladder.open(Action::Dial(vec![Ladder::attempt("user:bob", vec![page])]));
        for kind in [Kind::Audio, Kind::Video] {
            let offered = stream(&ladder, leg, kind.clone());
            assert_eq!(offered.header_extensions, agreed(3, &kind));
            assert!(offered.codecs.iter().all(|codec| counts(codec) == (kind == Kind::Video)), "{:?}", offered.codecs);
        }
        let answer = ladder.answer_with(leg, answer);
        ladder.hear(leg, answer);
        ladder.connected(leg);
        ladder.hear(leg, Signal::Accept);
        (wanted(&ladder, leg).transport_cc, wanted(&ladder, ladder.caller()).transport_cc)
    };
    assert_eq!(called(page(3)), (Some(3), None));
    assert_eq!(called(page(4)), (None, None), "another number was not offered");
    let mut silent = page(3);
    silent.streams.iter_mut().for_each(|s| s.header_extensions.clear());
    assert_eq!(called(silent), (None, None));
    let mut without_pictures = page(3);
    without_pictures.streams[1].accepted = false;
    assert_eq!(called(without_pictures), (None, None));
}

#[test]
fn a_page_that_does_not_say_its_estimates_or_answers_at_another_number_is_not_told_when_packets_left() {
    let called = |change: fn(&mut Stream)| {
        let mut ladder = Ladder::from_phone_with(Some(film()));
        let callee = ladder.page("web:bob");
        let leg = callee.leg;
        ladder.open(Action::Dial(vec![Ladder::attempt("user:bob", vec![callee])]));
        let mut answer = page(3);
        change(&mut answer.streams[1]);
        let answer = ladder.answer_with(leg, answer);
        ladder.hear(leg, answer);
        ladder.connected(leg);
        ladder.hear(leg, Signal::Accept);
        told_at(&ladder, leg)
    };
    assert_eq!(called(|_| ()), Some(2));
    assert_eq!(called(|video| video.codecs[0].feedback.retain(|f| f != "goog-remb")), None);
    assert_eq!(called(|video| video.header_extensions[2].id = 5), None);
    assert_eq!(called(|video| video.header_extensions[2].direction = Some(Direction::SendOnly)), None);
}

#[test]
fn between_two_pages_each_counts_at_its_own_number() {
    let mut ladder = Ladder::from_browser_with(page(9));
    let callee = ladder.page("web:bob");
    let leg = callee.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Relay, "user:bob", vec![callee])]));
    let answer = ladder.answer_with(leg, page(3));
    ladder.hear(leg, answer);
    ladder.connected(leg);
    ladder.hear(leg, Signal::Accept);
    let caller = ladder.caller();
    assert_eq!((wanted(&ladder, caller).transport_cc, wanted(&ladder, leg).transport_cc), (Some(9), Some(3)));
    // What the callee said of its extensions is not said on to the caller.
    assert_eq!(stream(&ladder, caller, Kind::Video).header_extensions, agreed(9, &Kind::Video));
    assert_eq!((told_at(&ladder, caller), told_at(&ladder, leg)), (Some(2), Some(2)));
}

#[test]
fn an_offer_of_ours_in_the_call_keeps_the_number_that_was_agreed_on() {
    let mut looks_on = film();
    looks_on.streams[1].direction = Direction::RecvOnly;
    let (mut ladder, phone) = page_calls_phone(9, looks_on);
    let caller = ladder.caller();
    let said = ladder.said.len();
    let offer = ladder.offer(film());
    ladder.hear(phone, offer);
    assert_eq!(ladder.said_on(caller, said), ["Offer sendrecv"], "the telephone shows itself too");
    for kind in [Kind::Audio, Kind::Video] {
        assert_eq!(stream(&ladder, caller, kind.clone()).header_extensions, agreed(9, &kind));
    }
}
