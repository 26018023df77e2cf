//! Pictures of relayed calls.

use std::time::Duration;

use patchcord::base::LegId;
use patchcord::call::Action;
use patchcord::model::{
    Abilities, Cause, Codec, Direction, GraphVideo, Hangup, Kind, MediaPolicy, Progress, RelayCommand, RelayEvent,
    Seal, Signal, Stage, Stream,
};

use super::ladder::{Ladder, browser_description, phone_description, with_pictures};

fn vp8(payload_type: u8) -> Codec {
    Codec::new(payload_type, "VP8", 90_000, 1)
}

fn h264(payload_type: u8, profile_level: &str) -> Codec {
    let parameters = Some(format!("packetization-mode=1;profile-level-id={profile_level}"));
    Codec { parameters, ..Codec::new(payload_type, "H264", 90_000, 1) }
}

fn rtx(payload_type: u8) -> Codec {
    Codec { parameters: Some("apt=96".into()), ..Codec::new(payload_type, "rtx", 90_000, 1) }
}

fn page_offer(direction: Direction) -> patchcord::model::Description {
    let sound = browser_description(&[Codec::new(111, "opus", 48_000, 2), Codec::pcmu()], 126);
    with_pictures(sound, &[vp8(96), rtx(97), h264(102, "42e01f")], direction)
}

fn phone_film(codecs: &[Codec], direction: Direction) -> patchcord::model::Description {
    with_pictures(phone_description(&[Codec::pcmu()]), codecs, direction)
}

/// A page that shows itself calls a telephone.
fn page_calls_phone() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser_with(page_offer(Direction::SendRecv));
    ladder.draws_pictures = true;
    let phone = ladder.phone("sip:desk");
    let leg = phone.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:desk", vec![phone])]));
    (ladder, leg)
}

/// A page and a telephone that talk and see each other.
fn film() -> (Ladder, LegId) {
    let (mut ladder, phone) = page_calls_phone();
    let answer = ladder.answer_with(phone, phone_film(&[vp8(99)], Direction::SendRecv));
    ladder.hear(phone, answer);
    ladder.hear(phone, Signal::Accept);
    (ladder, phone)
}

/// A page and a telephone that talk.
fn talk() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser();
    ladder.draws_pictures = true;
    let phone = ladder.phone("sip:desk");
    let leg = phone.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:desk", vec![phone])]));
    let answer = ladder.answer_of(leg, &[Codec::pcmu()], false);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    (ladder, leg)
}

fn seen(ladder: &Ladder, leg: LegId) -> Option<Box<GraphVideo>> {
    let graph = ladder.graph.as_ref().expect("a graph");
    graph.legs.iter().find(|l| l.leg == leg).expect("the leg").video.clone()
}

fn pictures(ladder: &Ladder, leg: LegId) -> Stream {
    let description = ladder.last_description(leg);
    description.streams.into_iter().find(|s| s.kind == Kind::Video).expect("a slot for pictures")
}

fn names(codecs: &[Codec]) -> Vec<String> {
    codecs.iter().map(|c| format!("{} {}", c.payload_type, c.name)).collect()
}

#[test]
fn a_page_and_a_video_telephone_see_each_other() {
    let (mut ladder, phone) = page_calls_phone();
    let offered = pictures(&ladder, phone);
    assert_eq!(names(&offered.codecs), ["96 VP8", "102 H264"], "no retransmission");
    assert_eq!(offered.transport.seal, Seal::Plain);
    assert!(!offered.transport.feedback_profile && offered.mid.is_none(), "a telephone knows RTP/AVP");
    assert!(offered.codecs.iter().all(|c| c.feedback.contains(&"nack pli".to_owned())));
    let sound = ladder.last_description(phone).streams[0].transport.address;
    assert_ne!(offered.transport.address, sound, "they have a port of their own");
    let answer = ladder.answer_with(phone, phone_film(&[vp8(99)], Direction::SendRecv));
    ladder.hear(phone, answer);
    ladder.hear(phone, Signal::Accept);

    let page = ladder.caller();
    let (near, far) = (seen(&ladder, page).unwrap(), seen(&ladder, phone).unwrap());
    assert_eq!((near.bundled, near.sends, near.receives, near.sees), (true, true, true, Some(phone)));
    assert_eq!((far.bundled, far.sends, far.receives, far.sees), (false, true, true, Some(page)));
    assert_eq!(names(&near.codecs), ["96 VP8"], "in the page's number");
    assert_eq!(names(&far.remote.unwrap().codecs), ["99 VP8"], "in the telephone's number");
    let answered = ladder.last_description(page);
    assert_eq!(answered.groups[0].mids.len(), 2, "one transport for both");
    assert_eq!(pictures(&ladder, page).sources[0].ssrc, 2);
    ladder.hear(page, Signal::Hangup(Hangup::new(Cause::Normal)));
    ladder.expect(
        "
        web:alice ─Start + VP8 sendrecv─▶
        web:alice ◀─Trying─
        web:alice ◀─Answer for now opus sendrecv + VP8 inactive─
                                ─Start + VP8 sendrecv─▶ sip:desk
                                ─Path relayed─▶ sip:desk
                                ◀─Answer PCMU sendrecv + VP8 sendrecv─ sip:desk
                                ◀─Accept─ sip:desk
        web:alice ◀─Path relayed─
        web:alice ◀─Answer PCMU sendrecv + VP8 sendrecv─
        web:alice ◀─Accept─
        web:alice ─Hangup normal─▶
                                ─Hangup normal─▶ sip:desk
        record normal
        ",
    );
    assert_eq!(ladder.records[0].video.as_deref(), Some("VP8"));
}

#[test]
fn a_telephone_without_pictures_refuses_them_and_the_sound_goes_on() {
    for takes in [vec![], vec![Codec::new(34, "H263", 90_000, 1)], vec![h264(97, "64001f")]] {
        let (mut ladder, phone) = page_calls_phone();
        let mut description = phone_film(&takes, Direction::SendRecv);
        description.streams[1].accepted = !takes.is_empty();
        let answer = ladder.answer_with(phone, description);
        ladder.draws_pictures = !takes.is_empty();
        ladder.hear(phone, answer);
        ladder.hear(phone, Signal::Accept);
        let page = ladder.caller();
        assert!(!pictures(&ladder, page).accepted, "the slot stays, refused");
        assert_eq!(ladder.last_description(page).groups[0].mids.len(), 1);
        assert_eq!((seen(&ladder, page), seen(&ladder, phone)), (None, None));
        let asked_again = matches!(ladder.said.last(), Some((leg, Signal::Offer(_))) if *leg == phone);
        assert_eq!(asked_again, !takes.is_empty(), "what it took for nothing is taken back: {takes:?}");
        assert!(ladder.records.is_empty());
    }
}

#[test]
fn who_cannot_show_pictures_is_not_asked_for_any() {
    let mut ladder = Ladder::from_browser_with(page_offer(Direction::SendRecv));
    let mut trunk = ladder.phone("sip:trunk");
    trunk.abilities = Abilities { video: false, ..trunk.abilities };
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:carrier", vec![trunk])]));
    assert_eq!(ladder.last_description(leg).streams.len(), 1);
    assert!(!pictures(&ladder, ladder.caller()).accepted);
    let answer = ladder.answer_of(leg, &[Codec::pcmu()], false);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    let offer = ladder.offer(page_offer(Direction::SendRecv));
    let before = ladder.said.len();
    ladder.hear(ladder.caller(), offer);
    assert!(!pictures(&ladder, ladder.caller()).accepted);
    assert!(ladder.said_on(leg, before).is_empty());
}

#[test]
fn a_video_telephone_calls_a_page_that_shows_itself() {
    let mut offer = phone_film(&[h264(97, "42801f"), vp8(98)], Direction::SendRecv);
    offer.streams[1].bandwidth_kbps = Some(512);
    let mut ladder = Ladder::from_phone_with(Some(offer));
    ladder.draws_pictures = true;
    let page = ladder.page("web:bob");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:bob", vec![page])]));
    let offered = pictures(&ladder, leg);
    assert_eq!(names(&offered.codecs), ["97 H264", "98 VP8"]);
    assert!(offered.transport.feedback_profile && offered.rtcp_mux);
    assert_eq!(offered.bandwidth_kbps, Some(512), "what the telephone can take is said on");
    assert_eq!(ladder.last_description(leg).groups[0].mids.len(), 2);
    let mut numbers: Vec<u8> =
        ladder.last_description(leg).streams.iter().flat_map(|s| &s.codecs).map(|c| c.payload_type).collect();
    numbers.sort_unstable();
    let all = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "no number means two formats on one transport");
    let sound = browser_description(&[Codec::pcmu()], 126);
    let answer = ladder.answer_with(leg, with_pictures(sound, &[vp8(98)], Direction::RecvOnly));
    ladder.hear(leg, answer);
    ladder.connected(leg);
    ladder.hear(leg, Signal::Accept);
    ladder.expect(
        "
        sip:phone ─Start + H264 sendrecv─▶
        sip:phone ◀─Trying─
                                ─Start + H264 sendrecv─▶ web:bob
                                ─Path relayed─▶ web:bob
                                ◀─Answer PCMU sendrecv + VP8 recvonly─ web:bob
                                ◀─Accept─ web:bob
        sip:phone ◀─Path relayed─
        sip:phone ◀─Answer PCMU sendrecv + VP8 recvonly─
        sip:phone ◀─Accept─
        ",
    );
    assert_eq!(seen(&ladder, ladder.caller()).unwrap().limit_kbps, Some(512));
    assert_eq!(names(&seen(&ladder, leg).unwrap().codecs), ["98 VP8"]);
}

#[test]
fn a_camera_that_is_opened_in_the_call_is_shown_once_the_telephone_took_it() {
    let (mut ladder, phone) = talk();
    let page = ladder.caller();
    let said = ladder.said.len();
    let offer = ladder.offer(page_offer(Direction::SendRecv));
    ladder.hear(page, offer);
    assert_eq!(ladder.said_on(phone, said), ["Offer sendrecv"]);
    assert!(ladder.said_on(page, said).is_empty(), "its offer waits");
    let answer = ladder.answer_with(phone, phone_film(&[vp8(96)], Direction::SendRecv));
    ladder.hear(phone, answer);
    assert_eq!(ladder.said_on(page, said), ["Answer PCMU sendrecv"]);
    assert_eq!(pictures(&ladder, page).direction, Direction::SendRecv);
    assert_eq!(seen(&ladder, page).unwrap().sees, Some(phone));

    // Closed again: the page still looks on. It is answered at once, and the telephone is told.
    let offer = ladder.offer(page_offer(Direction::RecvOnly));
    ladder.hear(page, offer);
    assert_eq!(pictures(&ladder, page).direction, Direction::SendOnly);
    assert_eq!(pictures(&ladder, phone).direction, Direction::RecvOnly);
    let answer = ladder.answer_with(phone, phone_film(&[vp8(96)], Direction::SendOnly));
    ladder.hear(phone, answer);
    let (near, far) = (seen(&ladder, page).unwrap(), seen(&ladder, phone).unwrap());
    assert_eq!((near.sends, near.receives, far.sends, far.receives), (true, false, false, true));

    // And opened once more: the telephone is asked, for it was told that there is nothing to see.
    let offer = ladder.offer(page_offer(Direction::SendRecv));
    let said = ladder.said.len();
    ladder.hear(page, offer);
    assert!(ladder.said_on(page, said).is_empty());
    assert_eq!(pictures(&ladder, phone).direction, Direction::SendRecv);
    assert_eq!(ladder.last_description(phone).streams.len(), 2, "in the same slot");
    let answer = ladder.answer_with(phone, phone_film(&[vp8(96)], Direction::SendRecv));
    ladder.hear(phone, answer);
    assert_eq!(pictures(&ladder, page).direction, Direction::SendRecv);
}

#[test]
fn a_telephone_that_wants_no_pictures_refuses_late_ones_in_any_way_and_the_talk_goes_on() {
    type Says = fn(&mut Ladder, LegId);
    let ways: [Says; 3] = [
        |ladder, phone| {
            let answer = ladder.answer_of(phone, &[Codec::pcmu()], false);
            ladder.hear(phone, answer);
        },
        |ladder, phone| {
            let Some(Signal::Offer(offer)) = ladder.said.last().map(|(_, s)| s.clone()) else { panic!("an offer") };
            ladder.hear(phone, Signal::Refuse { exchange: offer.exchange, cause: Cause::MediaIncompatible });
        },
        |ladder, _| ladder.after(Duration::from_secs(10)),
    ];
    for says in ways {
        let (mut ladder, phone) = talk();
        let page = ladder.caller();
        let offer = ladder.offer(page_offer(Direction::SendRecv));
        ladder.hear(page, offer);
        says(&mut ladder, phone);
        let answer = ladder.last_description(page);
        assert!(answer.streams[0].accepted && !answer.streams[1].accepted, "{answer:?}");
        assert_eq!((seen(&ladder, page), seen(&ladder, phone)), (None, None));
        assert!(ladder.records.is_empty());
    }
}

#[test]
fn pictures_that_are_taken_too_late_are_taken_back() {
    let (mut ladder, phone) = talk();
    let offer = ladder.offer(page_offer(Direction::SendRecv));
    ladder.hear(ladder.caller(), offer);
    ladder.after(Duration::from_secs(10));
    let answer = ladder.answer_with(phone, phone_film(&[vp8(96)], Direction::SendRecv));
    ladder.hear(phone, answer);
    assert!(matches!(ladder.said.last(), Some((leg, Signal::Offer(_))) if *leg == phone));
    let offer = ladder.last_description(phone);
    assert!(offer.streams.len() == 2 && offer.streams[0].accepted && !offer.streams[1].accepted);
}

#[test]
fn a_telephone_that_begins_to_show_itself_is_seen_by_the_page() {
    let (mut ladder, phone) = talk();
    let page = ladder.caller();
    let offer = ladder.offer(phone_film(&[vp8(96)], Direction::SendRecv));
    ladder.hear(phone, offer);
    let offered = ladder.last_description(page);
    assert_eq!(offered.groups[0].mids.len(), 2);
    assert_ne!(offered.streams[0].mid, offered.streams[1].mid);
    let sound = browser_description(&[Codec::pcmu()], 126);
    let number = offered.streams[1].codecs[0].payload_type;
    let answer = ladder.answer_with(page, with_pictures(sound, &[vp8(number)], Direction::RecvOnly));
    ladder.hear(page, answer);
    assert_eq!(pictures(&ladder, phone).direction, Direction::RecvOnly);
    assert_eq!(seen(&ladder, page).unwrap().sees, Some(phone));

    // It stops: the page's slot is closed, and comes back under another name.
    let mut offer = phone_film(&[vp8(96)], Direction::SendRecv);
    offer.streams[1].accepted = false;
    let offer = ladder.offer(offer);
    ladder.hear(phone, offer);
    assert!(!pictures(&ladder, phone).accepted && !pictures(&ladder, page).accepted);
    assert_eq!((seen(&ladder, page), seen(&ladder, phone)), (None, None));
    let answer = ladder.answer_of(page, &[Codec::pcmu()], false);
    ladder.hear(page, answer);
    let old = offered.streams[1].mid.clone();
    let offer = ladder.offer(phone_film(&[vp8(96)], Direction::SendRecv));
    ladder.hear(phone, offer);
    let again = pictures(&ladder, page);
    assert!(again.accepted && again.mid != old, "{:?}", again.mid);
    assert_eq!(ladder.last_description(page).streams.len(), 2);
    assert_eq!(again.codecs[0].payload_type, number, "the format keeps its number");
}

#[test]
fn both_open_their_cameras_at_once_and_see_each_other() {
    let (mut ladder, phone) = talk();
    let page = ladder.caller();
    let offer = ladder.offer(page_offer(Direction::SendRecv));
    ladder.hear(page, offer);
    // The telephone has not seen our offer yet, as the adapter says with its own.
    let Some(Signal::Offer(ours)) = ladder.said.last().map(|(_, s)| s.clone()) else { panic!("an offer") };
    let said = ladder.said.len();
    ladder.hear(phone, Signal::Refuse { exchange: ours.exchange, cause: Cause::Glare });
    assert!(ladder.said_on(page, said).is_empty(), "the page's offer waits on");
    let offer = ladder.offer(phone_film(&[vp8(96)], Direction::SendRecv));
    ladder.hear(phone, offer);
    assert_eq!(ladder.said_on(page, said), ["Answer PCMU sendrecv"]);
    for leg in [page, phone] {
        assert_eq!(pictures(&ladder, leg).direction, Direction::SendRecv);
    }
    assert_eq!(seen(&ladder, phone).unwrap().sees, Some(page));
    let said = ladder.said.len();
    ladder.after(Duration::from_secs(10));
    assert_eq!(ladder.said.len(), said, "there is nothing left to be said");
}

/// The offer that was last said on a leg meets one of its peer's.
fn meets(ladder: &mut Ladder, leg: LegId) {
    let ours = ladder.said.iter().rev().filter(|(l, _)| *l == leg).find_map(|(_, signal)| match signal {
        Signal::Offer(offer) => Some(offer.exchange),
        _ => None,
    });
    ladder.hear(leg, Signal::Refuse { exchange: ours.expect("an offer"), cause: Cause::Glare });
}

#[test]
fn an_offer_of_pictures_that_met_another_is_made_again_by_itself() {
    let (mut ladder, phone) = talk();
    let page = ladder.caller();
    let offer = ladder.offer(page_offer(Direction::SendRecv));
    ladder.hear(page, offer);
    meets(&mut ladder, phone);
    let said = ladder.said.len();
    ladder.after(Duration::from_millis(2000));
    assert!(ladder.said_on(phone, said).is_empty(), "its own offer has time to come");
    ladder.after(Duration::from_millis(100));
    assert_eq!(ladder.said_on(phone, said), ["Offer sendrecv"]);
    let answer = ladder.answer_with(phone, phone_film(&[vp8(96)], Direction::SendRecv));
    ladder.hear(phone, answer);
    assert_eq!(ladder.said_on(page, said), ["Answer PCMU sendrecv"]);
    assert_eq!(pictures(&ladder, page).direction, Direction::SendRecv);
}

#[test]
fn an_offer_that_meets_others_for_ever_is_given_up() {
    let (mut ladder, phone) = talk();
    let page = ladder.caller();
    let offer = ladder.offer(page_offer(Direction::SendRecv));
    ladder.hear(page, offer);
    let said = ladder.said.len();
    for _ in 0..5 {
        meets(&mut ladder, phone);
        ladder.after(Duration::from_millis(2100));
    }
    assert_eq!(ladder.said_on(phone, said).len(), 4);
    assert!(!pictures(&ladder, page).accepted, "the page is answered");
}

#[test]
fn a_hold_that_met_another_offer_is_said_again() {
    let (mut ladder, phone) = talk();
    ladder.hear(ladder.caller(), Signal::Hold(true));
    meets(&mut ladder, phone);
    let said = ladder.said.len();
    ladder.after(Duration::from_millis(2100));
    assert_eq!(ladder.said_on(phone, said), ["Offer sendonly"]);
}

#[test]
fn a_telephone_that_holds_neither_hears_nor_sees_until_it_resumes() {
    let (mut ladder, phone) = film();
    let page = ladder.caller();
    let mut held = phone_film(&[vp8(99)], Direction::SendOnly);
    held.streams[0].direction = Direction::SendOnly;
    let offer = ladder.offer(held);
    let said = ladder.said.len();
    ladder.hear(phone, offer);
    assert_eq!(ladder.said_on(page, said), ["Hold true"], "no offer is needed to say so");
    assert_eq!(pictures(&ladder, phone).direction, Direction::RecvOnly);
    assert!(!seen(&ladder, phone).unwrap().sends);
    let offer = ladder.offer(phone_film(&[vp8(99)], Direction::SendRecv));
    ladder.hear(phone, offer);
    assert_eq!(pictures(&ladder, phone).direction, Direction::SendRecv);
    assert!(seen(&ladder, phone).unwrap().sends);
    assert_eq!(seen(&ladder, page).unwrap().sees, Some(phone));
}

#[test]
fn a_page_that_holds_shows_and_sees_nothing_meanwhile() {
    let (mut ladder, phone) = film();
    let page = ladder.caller();
    ladder.hear(page, Signal::Hold(true));
    assert_eq!((seen(&ladder, page).unwrap().sees, seen(&ladder, phone).unwrap().sees), (None, None));
    assert_eq!(pictures(&ladder, phone).direction, Direction::SendOnly);
    let answer = ladder.answer_with(phone, phone_film(&[vp8(99)], Direction::RecvOnly));
    ladder.hear(phone, answer);
    ladder.hear(page, Signal::Hold(false));
    assert_eq!(pictures(&ladder, phone).direction, Direction::SendRecv);
    let answer = ladder.answer_with(phone, phone_film(&[vp8(99)], Direction::SendRecv));
    ladder.hear(phone, answer);
    assert_eq!(seen(&ladder, page).unwrap().sees, Some(phone));
    assert_eq!(seen(&ladder, phone).unwrap().sees, Some(page));
}

#[test]
fn a_whole_picture_is_asked_for_in_words_where_there_is_no_rtcp() {
    let (mut ladder, phone) = film();
    let page = ladder.caller();
    let ordered = ladder.orders_of(|ladder| ladder.hear(phone, Signal::Refresh));
    assert!(matches!(ordered.as_slice(), [RelayCommand::Refresh { leg, .. }] if *leg == page), "{ordered:?}");
    let said = ladder.said.len();
    let call = patchcord::base::CallId(7);
    ladder.relay(RelayEvent::RefreshWanted { call, leg: page });
    assert_eq!(ladder.said_on(phone, said), ["Refresh"]);
    ladder.relay(RelayEvent::RefreshWanted { call, leg: phone });
    assert!(ladder.said_on(page, said).is_empty(), "a page has no word for it");
    let (mut ladder, phone) = talk();
    let ordered = ladder.orders_of(|ladder| ladder.hear(phone, Signal::Refresh));
    assert!(ordered.is_empty(), "there is nothing to see: {ordered:?}");
}

#[test]
fn a_relay_without_a_port_for_pictures_carries_the_sound() {
    let mut ladder = Ladder::from_browser_with(page_offer(Direction::SendRecv));
    ladder.lays_pictures = false;
    let phone = ladder.phone("sip:desk");
    let leg = phone.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:desk", vec![phone])]));
    assert_eq!(ladder.last_description(leg).streams.len(), 1);
    let answer = ladder.answer_of(leg, &[Codec::pcmu()], false);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    assert!(!pictures(&ladder, ladder.caller()).accepted);
    // Nor does a camera that is opened later hold up the sound for ever.
    let offer = ladder.offer(page_offer(Direction::SendRecv));
    ladder.hear(ladder.caller(), offer);
    ladder.after(Duration::from_secs(10));
    assert!(!pictures(&ladder, ladder.caller()).accepted);
}

#[test]
fn two_pages_whose_media_the_dialplan_relays_see_each_other() {
    let mut ladder = Ladder::from_browser_with(page_offer(Direction::SendRecv));
    ladder.draws_pictures = true;
    let page = ladder.page("web:bob");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Relay, "user:bob", vec![page])]));
    ladder.hear(leg, Signal::Progress(Progress { stage: Stage::Ringing, early_media: false }));
    let answer = ladder.answer_with(leg, page_offer(Direction::SendRecv));
    ladder.hear(leg, answer);
    ladder.connected(leg);
    ladder.hear(leg, Signal::Accept);
    let (near, far) = (seen(&ladder, ladder.caller()).unwrap(), seen(&ladder, leg).unwrap());
    assert!(near.bundled && far.bundled);
    assert_eq!((near.sees, far.sees), (Some(leg), Some(ladder.caller())));
}

#[test]
fn a_late_offer_of_a_telephones_call_has_sound_alone() {
    let mut ladder = Ladder::from_phone_with(None);
    let page = ladder.page("web:bob");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:bob", vec![page])]));
    assert_eq!(ladder.last_description(leg).streams.len(), 1);
    let answer = ladder.answer_of(leg, &[Codec::pcmu()], false);
    ladder.hear(leg, answer);
    ladder.connected(leg);
    ladder.hear(leg, Signal::Accept);
    assert_eq!(ladder.last_description(ladder.caller()).streams.len(), 1);
}
