//! Direct calls that nobody takes, that have to be asked for, and that go on elsewhere.

use std::time::Duration;

use patchcord::base::{CallId, LegId};
use patchcord::call::Action;
use patchcord::model::{
    Answer, Cause, Codec, Hangup, MediaPath, MediaPolicy, Progress, RelayCommand, Signal, Source, Stage,
};

use super::ladder::{Ladder, RING, candidates, film_description, phone_description, refused};

const RINGING: Signal = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });

/// A page calls an IM client, and then a telephone.
fn ringing() -> (Ladder, LegId, LegId) {
    let mut ladder = Ladder::from_browser();
    let (client, phone) = (ladder.client("im:juliet"), ladder.phone("sip:desk"));
    let legs = (client.leg, phone.leg);
    let attempts = vec![Ladder::attempt("user:juliet", vec![client]), Ladder::attempt("trunk:desk", vec![phone])];
    ladder.open(Action::Dial(attempts));
    (ladder, legs.0, legs.1)
}

fn solicited() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_client();
    let page = ladder.page("web:bob");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:bob", vec![page])]));
    (ladder, leg)
}

#[test]
fn an_im_client_that_cannot_be_reached_is_followed_by_a_telephone_through_the_relay() {
    let (mut ladder, client, phone) = ringing();
    let ordered = ladder.orders_of(|ladder| {
        ladder.hear(ladder.caller(), candidates("0", 1..3, true));
        ladder.hear(client, candidates("0", 8..9, true));
        ladder.expect_no_relay();
        ladder.hear(client, refused(Cause::Unavailable));
        let answer = ladder.answer_of(phone, &[Codec::pcmu()], false);
        ladder.hear(phone, answer);
        ladder.hear(phone, Signal::Accept);
    });
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Trying─
                                ─Start─▶ im:juliet
                                ─Path direct─▶ im:juliet
        web:alice ─Candidates 2─▶
                                ─Candidates 2─▶ im:juliet
                                ◀─Candidates 1─ im:juliet
                                ◀─Hangup unavailable─ im:juliet
        web:alice ◀─Answer for now opus sendrecv─
                                ─Start─▶ sip:desk
                                ─Path relayed─▶ sip:desk
                                ◀─Answer PCMU sendrecv─ sip:desk
                                ◀─Accept─ sip:desk
        web:alice ◀─Path relayed─
        web:alice ◀─Answer PCMU sendrecv─
        web:alice ◀─Accept─
        ",
    );
    let Some(RelayCommand::Candidates { call, leg, candidates, .. }) = ordered.first() else { panic!("{ordered:?}") };
    assert_eq!((*call, *leg, candidates.len()), (CallId(7), ladder.caller(), 2), "the relay gets them too");
    assert_eq!(ladder.hears(phone), Source::Leg(ladder.caller()));
    ladder.hear(ladder.caller(), Signal::Hangup(Hangup::new(Cause::Normal)));
    let record = &ladder.records[0];
    assert_eq!(record.path, Some(MediaPath::Relayed));
    assert_eq!(record.relayed_because.as_deref(), Some("the callee does not speak ICE and DTLS-SRTP"));
}

#[test]
fn an_im_client_that_declines_ends_the_call_and_one_that_is_busy_too() {
    for cause in [Cause::Declined, Cause::Busy] {
        let (mut ladder, client, _) = ringing();
        ladder.hear(client, RINGING);
        ladder.hear(client, refused(cause));
        assert_eq!(ladder.said_on(ladder.caller(), 0), ["Trying", "Ringing", &format!("Hangup {cause}")]);
        assert_eq!(ladder.records[0].cause, cause);
        ladder.expect_no_relay();
    }
}

#[test]
fn an_im_client_that_nobody_picks_up_is_told_so_and_the_next_is_tried() {
    let (mut ladder, client, phone) = ringing();
    ladder.after(RING);
    assert_eq!(ladder.said_on(client, 0), ["Start", "Path direct", "Hangup no-answer"]);
    assert_eq!(ladder.said_on(phone, 0), ["Start", "Path relayed"]);
}

#[test]
fn a_caller_that_gives_up_cancels_the_im_client() {
    let (mut ladder, client, _) = ringing();
    ladder.hear(client, RINGING);
    ladder.hear(ladder.caller(), Signal::Hangup(Hangup::new(Cause::Normal)));
    assert_eq!(ladder.said_on(client, 0), ["Start", "Path direct", "Hangup cancelled"]);
    assert_eq!(ladder.records[0].cause, Cause::Cancelled);
    // What crosses it on the wire changes nothing any more.
    let answer = ladder.answer_with(client, film_description("late"));
    let before = ladder.said.len();
    ladder.hear(client, answer);
    ladder.hear(client, Signal::Accept);
    ladder.hear(client, Signal::Hangup(Hangup::new(Cause::Declined)));
    assert_eq!((ladder.said.len(), ladder.records.len()), (before, 1));
}

#[test]
fn an_im_client_that_picks_up_without_an_answer_is_not_put_through() {
    let (mut ladder, client, _) = ringing();
    ladder.hear(client, Signal::Accept);
    assert_eq!(ladder.said_on(client, 0), ["Start", "Path direct", "Hangup media-incompatible"]);
    let why = "the callee picked up without an answer to the offer";
    assert_eq!(ladder.records[0].why.as_deref(), Some(why));
}

#[test]
fn an_offer_that_the_im_client_refuses_ends_the_attempt() {
    let (mut ladder, client, _) = ringing();
    let exchange = patchcord::base::ExchangeId::said(1);
    ladder.hear(client, Signal::Refuse { exchange, cause: Cause::MediaIncompatible });
    assert_eq!(ladder.said_on(client, 0), ["Start", "Path direct", "Hangup media-incompatible"]);
    assert_eq!(ladder.records[0].cause, Cause::MediaIncompatible);
}

#[test]
fn an_answer_for_now_passes_only_to_a_wire_that_takes_one() {
    let for_now = |ladder: &Ladder, leg| {
        let Signal::Answer(answer) = ladder.answer_with(leg, film_description("now")) else { unreachable!() };
        Signal::Answer(Answer { provisional: true, ..answer })
    };
    let (mut ladder, client, _) = ringing();
    ladder.hear(client, candidates("0", 1..2, true));
    let answer = for_now(&ladder, client);
    ladder.hear(client, answer);
    let said = ladder.said_on(ladder.caller(), 0);
    assert_eq!(said, ["Trying", "Answer for now opus sendrecv", "Candidates 1"]);
    let (mut ladder, page) = solicited();
    let offer = ladder.solicited(film_description("client"));
    ladder.hear(ladder.caller(), offer);
    let answer = for_now(&ladder, page);
    ladder.hear(page, answer);
    assert_eq!(ladder.said_on(ladder.caller(), 0), ["Solicit", "Trying"]);
}

#[test]
fn media_that_must_go_directly_and_cannot_are_refused_in_a_sentence() {
    let mut ladder = Ladder::from_browser();
    let phone = ladder.phone("sip:desk");
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Direct, "trunk:desk", vec![phone])]));
    ladder.expect_no_relay();
    let record = &ladder.records[0];
    assert_eq!(record.cause, Cause::MediaIncompatible);
    let why =
        "trunk:desk: the dialplan wants the media to go directly, but the callee does not speak ICE and DTLS-SRTP";
    assert_eq!(record.why.as_deref(), Some(why));
}

#[test]
fn what_the_dialplan_wants_relayed_is_relayed() {
    let mut ladder = Ladder::from_browser();
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Relay, "user:juliet", vec![client])]));
    assert_eq!(ladder.said_on(leg, 0), ["Start", "Path relayed"]);
    assert_eq!(ladder.last_description(leg).streams[0].transport.ice.as_ref().unwrap().ufrag, "ours");
}

#[test]
fn a_call_that_the_relay_carries_does_not_turn_direct_for_a_later_target() {
    let mut ladder = Ladder::from_browser();
    let (phone, client) = (ladder.phone("sip:desk"), ladder.client("im:juliet"));
    let (one, two) = (phone.leg, client.leg);
    let attempts = vec![Ladder::attempt("trunk:desk", vec![phone]), Ladder::attempt("user:juliet", vec![client])];
    ladder.open(Action::Dial(attempts));
    ladder.hear(one, refused(Cause::Unavailable));
    assert_eq!(ladder.said_on(two, 0), ["Start", "Path relayed"]);
}

#[test]
fn the_dialplan_is_asked_before_the_caller_is() {
    let mut ladder = Ladder::from_client();
    ladder.open(Action::Reject(Cause::Forbidden));
    ladder.expect(
        "
        im:romeo ─Start─▶
        im:romeo ◀─Hangup forbidden─
        record forbidden
        ",
    );
}

#[test]
fn a_caller_that_retracts_while_it_is_asked_rings_nobody() {
    let (mut ladder, page) = solicited();
    ladder.hear(ladder.caller(), Signal::Hangup(Hangup::new(Cause::Normal)));
    assert_eq!(ladder.records[0].cause, Cause::Cancelled);
    let offer = ladder.solicited(film_description("client"));
    ladder.hear(ladder.caller(), offer);
    assert_eq!(ladder.said_on(page, 0), Vec::<String>::new());
    assert_eq!(ladder.said_on(ladder.caller(), 0), ["Solicit"]);
}

#[test]
fn a_caller_that_makes_no_offer_is_given_up() {
    let (mut ladder, page) = solicited();
    ladder.after(Duration::from_secs(34));
    assert_eq!(ladder.records.len(), 0);
    ladder.after(Duration::from_secs(1));
    assert_eq!(ladder.said_on(ladder.caller(), 0), ["Solicit", "Hangup timeout"]);
    assert_eq!(ladder.said_on(page, 0), Vec::<String>::new());
    let why = "the caller was asked for its offer and made none within 35 s";
    assert_eq!(ladder.records[0].why.as_deref(), Some(why));
}

#[test]
fn a_caller_that_offers_what_nobody_speaks_is_told_why_and_rings_nobody() {
    let (mut ladder, page) = solicited();
    let mut silent = film_description("client");
    silent.streams.remove(0);
    let offer = ladder.solicited(silent);
    ladder.hear(ladder.caller(), offer);
    assert_eq!(ladder.said_on(ladder.caller(), 0), ["Solicit", "Hangup media-incompatible"]);
    assert_eq!(ladder.said_on(page, 0), Vec::<String>::new());
    assert_eq!(ladder.records[0].why.as_deref(), Some("the offer has no audio"));
}

#[test]
fn the_echo_service_asks_an_im_client_for_its_offer_too() {
    let mut ladder = Ladder::from_client();
    ladder.open(Action::Echo);
    let offer = ladder.solicited(film_description("client"));
    ladder.hear(ladder.caller(), offer);
    assert_eq!(ladder.hears(ladder.caller()), Source::Echo);
    ladder.expect(
        "
        im:romeo ─Start─▶
        im:romeo ◀─Solicit─
        im:romeo ─Offer sendrecv─▶
        im:romeo ◀─Path relayed─
        im:romeo ◀─Answer opus sendrecv─
        im:romeo ◀─Accept─
        ",
    );
}

#[test]
fn a_phone_that_offers_nothing_is_still_one_that_answers() {
    let mut ladder = Ladder::from_phone_with(None);
    let phone = ladder.phone("sip:desk");
    let leg = phone.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:desk", vec![phone])]));
    assert_eq!(ladder.said_on(ladder.caller(), 0), ["Trying"]);
    let answer = ladder.answer_with(leg, phone_description(&[Codec::pcmu()]));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    assert_eq!(ladder.said_on(ladder.caller(), 0), ["Trying", "Path relayed", "Offer sendrecv", "Accept"]);
}
