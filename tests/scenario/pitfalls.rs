//! Twelve translations between telephony, browsers and Jingle that are most often subtly wrong, each in one
//! sentence, and the tests that hold us to it. What can be shown at the level of a call is shown here.

use std::collections::BTreeSet;
use std::time::Duration;

use patchcord::base::{ExchangeId, LegId};
use patchcord::call::Action;
use patchcord::model::{
    Cause, Codec, Description, Detail, Direction, Dtmf, Fingerprint, Hangup, Kind, MediaPolicy, Seal, Setup, Signal,
    Source,
};

use super::ladder::{Ladder, browser_description, candidates, film_description, phone_description};

/// Each pitfall, and where its tests are.
const INDEX: [(&str, &[(&str, &str)]); 12] = [
    (
        "1. Jingle's senders are by role, SDP's direction is by speaker.",
        &[
            ("src/jingle/contents/direction.rs", "senders_are_roles_whoever_describes"),
            ("tests/machine/jingle/pitfalls.rs", "the_roles_of_a_session_stay_when_the_peer_is_the_one_who_offers"),
        ],
    ),
    (
        "2. Hold in Jingle says that one does not listen; a zero address is a hold only without ICE.",
        &[
            ("tests/scenario/pitfalls.rs", "a_browsers_empty_address_is_no_hold"),
            ("tests/scenario/pitfalls.rs", "who_holds_by_jingles_word_does_not_listen_and_is_still_heard"),
            ("tests/scenario/pitfalls.rs", "two_holds_and_one_resume_leave_it_one_way"),
            ("src/sdp/tests.rs", "the_old_hold_by_address_means_not_to_send_and_a_browsers_empty_address_does_not"),
            ("tests/machine/jingle/pitfalls.rs", "hold_is_a_word_and_never_senders_none"),
        ],
    ),
    (
        "3. Slots of SDP stay for ever, contents of Jingle come and go, and a bundle-only slot is not refused.",
        &[
            ("tests/scenario/pitfalls.rs", "slots_never_vanish_and_every_answer_has_as_many_as_its_offer"),
            ("src/sdp/tests.rs", "a_bundle_only_stream_with_port_zero_is_not_refused_and_a_plain_one_is"),
            (
                "tests/machine/jingle/pitfalls.rs",
                "slots_only_grow_names_are_unique_for_ever_and_jingle_has_exactly_the_live_contents",
            ),
        ],
    ),
    (
        "4. Tables of causes are no inverses, so the wire's own words go along.",
        &[
            ("tests/scenario/pitfalls.rs", "why_a_callee_did_not_take_the_call_reaches_the_caller_word_for_word"),
            ("src/sip/cause.rs", "every_cause_has_a_status_and_a_value_that_read_back_as_the_same_cause"),
            ("src/jingle/session/cause.rs", "what_a_telephone_network_said_passes_two_gateways_with_the_same_value"),
            ("src/sip/cause.rs", "the_wire_s_own_q850_value_goes_on_unchanged"),
        ],
    ),
    (
        "5. Forked early dialogs meet a world that takes one answer.",
        &[
            ("tests/scenario/pitfalls.rs", "several_early_answers_become_one_answer"),
            (
                "tests/machine/sip/forks.rs",
                "of_a_forked_call_the_first_answer_wins_and_the_others_are_acknowledged_and_ended",
            ),
        ],
    ),
    (
        "6. Who offers nothing gets a whole offer, and Jingle has no call without one.",
        &[
            ("tests/scenario/pitfalls.rs", "who_offers_nothing_gets_a_whole_offer_of_every_slot"),
            ("tests/machine/sip/calls.rs", "an_invite_without_an_offer_gets_one_in_the_2xx_and_answers_in_the_ack"),
            ("tests/machine/sip/calls.rs", "an_ack_without_the_answer_that_it_owes_ends_the_call_at_once"),
            ("tests/machine/jingle/pitfalls.rs", "a_call_without_an_offer_begins_no_session"),
        ],
    ),
    (
        "7. DTLS roles and fingerprints are each leg's own; a restart of ICE is none of DTLS.",
        &[
            ("tests/scenario/pitfalls.rs", "no_fingerprint_of_one_leg_is_shown_on_the_other_of_a_relayed_call"),
            ("tests/machine/relay/dtls.rs", "an_ice_restart_makes_no_new_handshake_and_keeps_the_numbers"),
            ("tests/machine/relay/dtls.rs", "our_offer_is_actpass_and_the_role_follows_from_the_answer"),
            ("tests/machine/jingle/pitfalls.rs", "an_answer_says_active_or_passive_whatever_the_call_says"),
        ],
    ),
    (
        "8. The initiator of a Jingle session controls ICE, which is full; early candidates are kept.",
        &[
            ("tests/scenario/pitfalls.rs", "candidates_that_come_before_the_answer_follow_it"),
            (
                "tests/machine/relay/client.rs",
                "a_conflict_of_roles_heals_within_a_second_whoever_has_the_higher_number",
            ),
            ("tests/machine/relay/client.rs", "candidates_that_come_before_the_answer_are_kept_for_it"),
            (
                "tests/machine/jingle/pitfalls.rs",
                "candidates_before_session_accept_are_kept_and_not_answered_with_out_of_order",
            ),
            ("tests/machine/jingle/pitfalls.rs", "nothing_says_ice_lite_and_each_content_has_its_own_credentials"),
        ],
    ),
    (
        "9. Payload types, clocks and parameters are each receiver's own.",
        &[
            ("tests/scenario/pitfalls.rs", "each_side_keeps_its_own_numbers_and_digits_reach_it_in_them"),
            ("src/media/bridge/formats.rs", "an_event_in_another_clock_has_its_duration_scaled_and_never_wraps"),
            ("tests/wire/sdp.rs", "slots_formats_parameters_packet_times_names_and_keys_survive"),
        ],
    ),
    (
        "10. Identifiers are escaped exactly once, and believed only from whom may say them.",
        &[
            ("tests/property/jid.rs", "address_to_jid_and_back_is_identity"),
            ("src/jingle/address.rs", "escapes_of_a_uri_are_read_once_and_sips_is_refused"),
            ("tests/machine/sip/doors.rs", "a_trunk_is_known_by_its_address_and_its_asserted_identity_is_believed"),
            ("tests/machine/jingle/pitfalls.rs", "a_caller_who_wants_no_name_calls_as_nobody"),
        ],
    ),
    (
        "11. Whatever crosses whatever, each leg has one end.",
        &[
            ("tests/scenario/pitfalls.rs", "whatever_crosses_whatever_each_leg_has_one_end"),
            ("tests/scenario/direct_failures.rs", "a_caller_that_retracts_while_it_is_asked_rings_nobody"),
            ("tests/machine/sip/calls.rs", "a_2xx_that_crosses_the_cancel_is_acknowledged_and_ended"),
            ("tests/machine/jingle/pitfalls.rs", "a_retract_that_crosses_our_proceed_ends_the_call_once"),
            (
                "tests/machine/jingle/pitfalls.rs",
                "a_session_terminate_sent_twice_is_acknowledged_twice_and_ends_the_call_once",
            ),
            ("tests/machine/jingle/pitfalls.rs", "a_request_is_acknowledged_first_and_whatever_the_other_world_does"),
        ],
    ),
    (
        "12. Lengths are octets, frames are the transport's, and hops are counted across legs.",
        &[
            ("src/sip/message/tests.rs", "octets_that_are_no_utf8_harm_no_other_header_and_go_back_as_they_came"),
            ("tests/wire/sip.rs", "what_follows_a_request_is_noise_in_a_datagram_and_a_request_in_a_stream"),
            ("tests/program/relay.rs", "a_loop_ends_with_483"),
        ],
    ),
];

#[test]
fn every_pitfall_has_tests_and_they_are_where_the_index_says() {
    for (sentence, tests) in INDEX {
        assert!(!tests.is_empty(), "{sentence}");
        for (file, name) in tests {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{sentence} {file}: {why}"));
            assert!(text.contains(&format!("fn {name}(")), "{sentence} {file} has no {name}");
        }
    }
}

/// The caller and one callee, who has answered with this and is connected.
fn talking(mut ladder: Ladder, callee: patchcord::call::Branch, answer: Description) -> (Ladder, LegId) {
    let leg = callee.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Relay, "user:callee", vec![callee])]));
    let answer = ladder.answer_with(leg, answer);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    (ladder, leg)
}

fn client_and_phone() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_client_with(Some(browser_description(&[Codec::pcmu()], 126)));
    let phone = ladder.phone("sip:desk");
    talking(ladder, phone, phone_description(&[Codec::pcmu()]))
}

#[test]
fn a_browsers_empty_address_is_no_hold() {
    let ladder = Ladder::from_browser();
    assert_eq!(browser_description(&[], 126).streams[0].transport.address, None);
    let (mut ladder, callee) = {
        let mut ladder = ladder;
        let page = ladder.page("web:bob");
        talking(ladder, page, browser_description(&[Codec::pcmu()], 126))
    };
    assert_eq!(ladder.last_description(callee).streams[0].direction, Direction::SendRecv);
    let again = ladder.offer(browser_description(&[Codec::pcmu()], 126));
    ladder.hear(ladder.caller(), again);
    assert_eq!(ladder.last_description(ladder.caller()).streams[0].direction, Direction::SendRecv);
    assert!(!ladder.said.iter().any(|(_, s)| matches!(s, Signal::Hold(_))));
}

#[test]
fn who_holds_by_jingles_word_does_not_listen_and_is_still_heard() {
    let (mut ladder, phone) = client_and_phone();
    let client = ladder.caller();
    ladder.hear(client, Signal::Hold(true));
    assert_eq!(ladder.last_description(phone).streams[0].direction, Direction::SendOnly);
    assert_eq!((ladder.hears(phone), ladder.hears(client)), (Source::Leg(client), Source::Nothing));
}

#[test]
fn two_holds_and_one_resume_leave_it_one_way() {
    let (mut ladder, phone) = client_and_phone();
    let client = ladder.caller();
    ladder.hear(client, Signal::Hold(true));
    let answer = ladder.answer_of(phone, &[Codec::pcmu()], false);
    ladder.hear(phone, answer);
    let mut description = phone_description(&[Codec::pcmu()]);
    description.streams[0].direction = Direction::SendOnly;
    let offer = ladder.offer(description);
    ladder.hear(phone, offer);
    assert_eq!(ladder.last_description(phone).streams[0].direction, Direction::Inactive);
    ladder.hear(client, Signal::Hold(false));
    assert_eq!(ladder.last_description(phone).streams[0].direction, Direction::RecvOnly);
    assert_eq!(ladder.hears(client), Source::Leg(phone), "the phone's music");
}

#[test]
fn slots_never_vanish_and_every_answer_has_as_many_as_its_offer() {
    let (mut ladder, phone) = client_and_phone();
    let audio = phone_description(&[Codec::pcmu()]).streams.remove(0);
    let mut video = film_description("a").streams.remove(1);
    (video.mid, video.transport) = (None, audio.transport.clone());
    let mut gone = video.clone();
    gone.accepted = false;
    // Video is added, removed, and added once more in a slot of its own.
    for slots in [vec![&audio, &video], vec![&audio, &gone], vec![&audio, &gone, &video]] {
        let streams: Vec<_> = slots.into_iter().cloned().collect();
        let kinds: Vec<Kind> = streams.iter().map(|s| s.kind.clone()).collect();
        let offer = ladder.offer(Description { streams, ..Description::default() });
        let said = ladder.said.len();
        ladder.hear(phone, offer);
        if ladder.said_on(ladder.caller(), said) == ["Offer sendrecv"] {
            let answer = ladder.answer_of(ladder.caller(), &[Codec::pcmu()], false);
            ladder.hear(ladder.caller(), answer);
        }
        let answer = ladder.last_description(phone);
        assert_eq!(answer.streams.iter().map(|s| s.kind.clone()).collect::<Vec<_>>(), kinds);
        assert_eq!(answer.streams.iter().filter(|s| s.accepted).count(), 1, "the client takes sound alone");
    }
    // An offer of ours keeps the slots that the other has made.
    ladder.hear(ladder.caller(), Signal::Hold(true));
    assert!(matches!(ladder.said.last(), Some((leg, Signal::Offer(_))) if *leg == phone));
    assert_eq!(ladder.last_description(phone).streams.len(), 3);
    // Without sound nothing is left to speak of, and the session stays as it was.
    let answer = ladder.answer_of(phone, &[Codec::pcmu()], false);
    ladder.hear(phone, answer);
    let mut silent = audio.clone();
    silent.accepted = false;
    let streams = vec![silent, gone.clone(), video.clone()];
    let offer = ladder.offer(Description { streams, ..Description::default() });
    ladder.hear(phone, offer);
    assert!(matches!(ladder.said.last(), Some((leg, Signal::Refuse { .. })) if *leg == phone));
}

#[test]
fn why_a_callee_did_not_take_the_call_reaches_the_caller_word_for_word() {
    for policy in [MediaPolicy::Auto, MediaPolicy::Relay] {
        for cause in Cause::ALL {
            let mut ladder = Ladder::from_browser();
            let client = ladder.client("im:juliet");
            let leg = client.leg;
            ladder.open(Action::Dial(vec![Ladder::attempt_by(policy, "user:juliet", vec![client])]));
            let text = Some("as the wire says it".to_owned());
            let detail = Some(Detail { sip_status: Some(480), q850: Some(18), text, ..Detail::default() });
            let hangup = Signal::Hangup(Hangup { cause, detail });
            ladder.hear(leg, hangup.clone());
            assert_eq!(ladder.said.last(), Some(&(ladder.caller(), hangup)), "{policy:?} {cause}");
        }
    }
}

#[test]
fn several_early_answers_become_one_answer() {
    let mut ladder = Ladder::from_browser();
    let (one, two) = (ladder.phone("sip:one"), ladder.phone("sip:two"));
    let (first, second) = (one.leg, two.leg);
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:fork", vec![one, two])]));
    for (leg, codec) in [(first, Codec::pcma()), (second, Codec::pcmu())] {
        let early = ladder.answer_of(leg, &[codec], true);
        ladder.hear(leg, early);
    }
    let answer = ladder.answer_of(first, &[Codec::pcma()], false);
    ladder.hear(first, answer);
    ladder.hear(first, Signal::Accept);
    let to_caller =
        |(leg, s): &&(LegId, Signal)| *leg == ladder.caller() && matches!(s, Signal::Answer(a) if !a.provisional);
    let finals: Vec<_> = ladder.said.iter().filter(to_caller).collect();
    let [(_, Signal::Answer(answer))] = finals.as_slice() else { panic!("{finals:?}") };
    assert_eq!(answer.description.streams[0].codecs[0].name, "PCMA", "the winner's");
    assert_eq!(ladder.hears(ladder.caller()), Source::Leg(first));
    assert_eq!(ladder.said_on(second, 0).last().unwrap(), "Hangup answered-elsewhere");
}

#[test]
fn who_offers_nothing_gets_a_whole_offer_of_every_slot() {
    let (mut ladder, phone) = client_and_phone();
    let mut two = phone_description(&[Codec::pcmu()]);
    let mut video = two.streams[0].clone();
    video.kind = Kind::Video;
    two.streams.push(video);
    let offer = ladder.offer(two);
    ladder.hear(phone, offer);
    ladder.hear(phone, Signal::Solicit(ExchangeId::heard(9)));
    let offer = ladder.last_description(phone);
    let names: Vec<_> = offer.streams[0].codecs.iter().map(|c| c.name.as_str()).collect();
    assert_eq!((offer.streams.len(), names), (2, vec!["PCMU", "telephone-event"]));

    let mut ladder = Ladder::from_phone_with(None);
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:juliet", vec![client])]));
    let offer = ladder.last_description(leg);
    assert!(!offer.streams[0].codecs.is_empty(), "no call of an IM client begins without an offer");
    assert!(matches!(offer.streams[0].transport.seal, Seal::Dtls { setup: Setup::ActPass, .. }));
}

fn fingerprints(description: &Description) -> Vec<Fingerprint> {
    let of = |seal: &Seal| match seal {
        Seal::Dtls { fingerprints, .. } => fingerprints.clone(),
        other => panic!("{other:?}"),
    };
    description.streams.iter().flat_map(|s| of(&s.transport.seal)).collect()
}

#[test]
fn no_fingerprint_of_one_leg_is_shown_on_the_other_of_a_relayed_call() {
    let theirs = browser_description(&[Codec::new(111, "opus", 48_000, 2)], 126);
    let mut ladder = Ladder::from_browser();
    let client = ladder.client("im:juliet");
    let (ladder, client) = talking(ladder, client, theirs.clone());
    for leg in [ladder.caller(), client] {
        let shown = fingerprints(&ladder.last_description(leg));
        assert!(!shown.is_empty() && fingerprints(&theirs).iter().all(|f| !shown.contains(f)));
    }
}

#[test]
fn candidates_that_come_before_the_answer_follow_it() {
    let mut ladder = Ladder::from_browser();
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:juliet", vec![client])]));
    ladder.hear(leg, candidates("0", 1..2, true));
    ladder.hear(leg, candidates("0", 2..4, true));
    assert_eq!(ladder.said_on(ladder.caller(), 0), ["Trying"]);
    let answer = ladder.answer_with(leg, film_description("client"));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    let said = ladder.said_on(ladder.caller(), 0);
    assert_eq!(said[2..], ["Answer opus sendrecv", "Candidates 1", "Candidates 2", "Accept"]);
}

#[test]
fn each_side_keeps_its_own_numbers_and_digits_reach_it_in_them() {
    let numbered = |opus, narrow, wide| {
        let codecs = [Codec::new(opus, "opus", 48_000, 2), Codec::telephone_event(wide, 48_000)];
        browser_description(&codecs, narrow)
    };
    let mut ladder = Ladder::from_client_with(Some(numbered(111, 101, 110)));
    let page = ladder.page("web:bob");
    let (mut ladder, page) = talking(ladder, page, numbered(96, 97, 98));
    let numbers = |codecs: &[Codec]| codecs.iter().map(|c| c.payload_type).collect::<BTreeSet<_>>();
    let answer = ladder.last_description(ladder.caller());
    assert_eq!(numbers(&answer.streams[0].codecs), [110, 111].into(), "the caller's own, at the clock of its speech");
    let graph = ladder.graph.clone().unwrap();
    let sent_to_page = &graph.legs.iter().find(|l| l.leg == page).unwrap().remote.as_ref().unwrap().codecs;
    assert_eq!(numbers(sent_to_page), [96, 97, 98].into(), "the callee's own");
    let digit = Signal::Dtmf(Dtmf { digit: '5', duration: Duration::from_millis(100) });
    let ordered = ladder.orders_of(|ladder| ladder.hear(page, digit));
    assert_eq!(ordered.len(), 1, "into the media of the other side");
}

#[test]
fn whatever_crosses_whatever_each_leg_has_one_end() {
    let ends = || [Cause::Normal, Cause::Declined, Cause::Busy].map(|c| Signal::Hangup(Hangup::new(c)));
    for policy in [MediaPolicy::Auto, MediaPolicy::Relay] {
        for is_answered in [false, true] {
            for (caller_says, callee_says) in ends().into_iter().flat_map(|a| ends().map(|b| (a.clone(), b))) {
                for caller_first in [true, false] {
                    let mut ladder = Ladder::from_browser();
                    let client = ladder.client("im:juliet");
                    let leg = client.leg;
                    ladder.open(Action::Dial(vec![Ladder::attempt_by(policy, "user:juliet", vec![client])]));
                    let answer = ladder.answer_with(leg, browser_description(&[Codec::pcmu()], 126));
                    if is_answered {
                        ladder.hear(leg, answer.clone());
                        ladder.hear(leg, Signal::Accept);
                    }
                    let mut crossing = [(ladder.caller(), caller_says.clone()), (leg, callee_says.clone())];
                    if !caller_first {
                        crossing.reverse();
                    }
                    let (loser, _) = crossing[1];
                    for (leg, signal) in crossing {
                        ladder.hear(leg, signal);
                    }
                    // What was under way on the wire still arrives.
                    ladder.hear(leg, answer);
                    ladder.hear(leg, Signal::Accept);
                    ladder.after(Duration::from_secs(40));
                    let hangups: Vec<LegId> =
                        ladder.said.iter().filter(|(_, s)| matches!(s, Signal::Hangup(_))).map(|(l, _)| *l).collect();
                    assert_eq!(hangups, [loser], "only whoever did not hang up first is told");
                    assert_eq!(ladder.records.len(), 1);
                }
            }
        }
    }
}
