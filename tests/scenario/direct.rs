//! Calls whose media go from endpoint to endpoint.

use std::time::Duration;

use patchcord::base::{ExchangeId, LegId};
use patchcord::call::Action;
use patchcord::model::{Cause, Direction, Dtmf, Hangup, MediaPath, MediaPolicy, Offer, Progress, Signal, Stage};

use super::ladder::{Ladder, browser_description, candidates, film_description};

const RINGING: Signal = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });

/// A page calls an IM client that rings.
fn ringing() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser_with(film_description("page"));
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:juliet", vec![client])]));
    (ladder, leg)
}

fn talking() -> (Ladder, LegId) {
    let (mut ladder, client) = ringing();
    let answer = ladder.answer_with(client, film_description("client"));
    ladder.hear(client, answer);
    ladder.hear(client, Signal::Accept);
    (ladder, client)
}

#[test]
fn a_page_and_an_im_client_see_and_hear_each_other_and_the_relay_is_never_asked() {
    let (mut ladder, client) = ringing();
    let (page, offered) = (ladder.caller(), film_description("page"));
    assert_eq!(ladder.last_description(client), offered, "word for word");
    ladder.hear(page, candidates("audio", 1..3, true));
    ladder.hear(client, RINGING);
    ladder.hear(client, candidates("video", 7..8, true));
    ladder.hear(page, candidates("video", 3..3, false));
    let answer = ladder.answer_with(client, film_description("client"));
    ladder.hear(client, answer);
    ladder.hear(client, Signal::Accept);
    assert_eq!(ladder.last_description(page), film_description("client"), "word for word");
    ladder.hear(client, candidates("audio", 8..9, true));
    ladder.hear(page, candidates("audio", 4..5, true));
    ladder.hear(page, Signal::Hangup(Hangup::new(Cause::Normal)));
    ladder.expect(
        "
        web:alice ─Start─▶
        web:alice ◀─Trying─
                                ─Start─▶ im:juliet
                                ─Path direct─▶ im:juliet
        web:alice ─Candidates 2─▶
                                ─Candidates 2─▶ im:juliet
                                ◀─Ringing─ im:juliet
        web:alice ◀─Ringing─
                                ◀─Candidates 1─ im:juliet
        web:alice ─Candidates 0─▶
                                ─Candidates 0─▶ im:juliet
                                ◀─Answer opus sendrecv─ im:juliet
                                ◀─Accept─ im:juliet
        web:alice ◀─Path direct─
        web:alice ◀─Answer opus sendrecv─
        web:alice ◀─Candidates 1─
        web:alice ◀─Accept─
                                ◀─Candidates 1─ im:juliet
        web:alice ◀─Candidates 1─
        web:alice ─Candidates 1─▶
                                ─Candidates 1─▶ im:juliet
        web:alice ─Hangup normal─▶
                                ─Hangup normal─▶ im:juliet
        record normal
        ",
    );
    ladder.expect_no_relay();
    let record = &ladder.records[0];
    assert_eq!((record.path, record.relayed_because.as_deref()), (Some(MediaPath::Direct), None));
    assert_eq!((record.codec.as_deref(), record.answered_ms.is_some()), (Some("opus/48000"), true));
}

#[test]
fn an_im_client_is_asked_for_its_offer_and_reaches_a_page_directly() {
    let mut ladder = Ladder::from_client();
    let page = ladder.page("web:bob");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:bob", vec![page])]));
    let offer = ladder.solicited(film_description("client"));
    ladder.hear(ladder.caller(), offer);
    ladder.hear(leg, RINGING);
    let answer = ladder.answer_with(leg, film_description("page"));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.hear(leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    ladder.expect(
        "
        im:romeo ─Start─▶
        im:romeo ◀─Solicit─
        im:romeo ─Offer sendrecv─▶
        im:romeo ◀─Trying─
                                ─Start─▶ web:bob
                                ─Path direct─▶ web:bob
                                ◀─Ringing─ web:bob
        im:romeo ◀─Ringing─
                                ◀─Answer opus sendrecv─ web:bob
                                ◀─Accept─ web:bob
        im:romeo ◀─Path direct─
        im:romeo ◀─Answer opus sendrecv─
        im:romeo ◀─Accept─
                                ◀─Hangup normal─ web:bob
        im:romeo ◀─Hangup normal─
        record normal
        ",
    );
    ladder.expect_no_relay();
}

#[test]
fn an_im_client_that_offers_at_once_is_not_asked() {
    let mut ladder = Ladder::from_client_with(Some(film_description("client")));
    let page = ladder.page("web:bob");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:bob", vec![page])]));
    assert_eq!(ladder.last_description(leg), film_description("client"));
    assert_eq!(ladder.said_on(ladder.caller(), 0), ["Trying"]);
}

#[test]
fn candidates_that_came_with_the_offer_reach_the_callee_once() {
    let mut ladder = Ladder::from_client();
    let page = ladder.page("web:bob");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:bob", vec![page])]));
    ladder.hear(ladder.caller(), candidates("audio", 1..4, true));
    let offer = ladder.solicited(film_description("client"));
    ladder.hear(ladder.caller(), offer);
    assert_eq!(ladder.said_on(leg, 0), ["Start", "Path direct", "Candidates 3"]);
}

#[test]
fn either_side_may_offer_again_and_the_answer_finds_its_exchange() {
    let (mut ladder, client) = talking();
    for (asker, other) in [(ladder.caller(), client), (client, ladder.caller()), (ladder.caller(), client)] {
        let offer = ladder.offer(film_description("again"));
        let Signal::Offer(Offer { exchange: heard, .. }) = offer.clone() else { unreachable!() };
        ladder.hear(asker, offer);
        let Some((leg, Signal::Offer(passed))) = ladder.said.last().cloned() else { panic!("no offer") };
        assert_eq!((leg, passed.description), (other, film_description("again")));
        assert!(passed.exchange.is_said());
        let mut answered = film_description("answered");
        answered.streams[1].direction = Direction::RecvOnly;
        let answer = ladder.answer_with(other, answered.clone());
        ladder.hear(other, answer);
        let Some((leg, Signal::Answer(answer))) = ladder.said.last() else { panic!("no answer") };
        assert_eq!((*leg, answer.exchange, &answer.description), (asker, heard, &answered));
    }
    let said: Vec<ExchangeId> = ladder
        .said
        .iter()
        .filter(|(leg, _)| *leg == client)
        .filter_map(|(_, s)| match s {
            Signal::Start(start) => start.offer.as_ref().map(|o| o.exchange),
            Signal::Offer(offer) => Some(offer.exchange),
            _ => None,
        })
        .collect();
    assert_eq!(said, [1, 2, 3].map(ExchangeId::said), "no exchange is named twice");
    ladder.expect_no_relay();
}

#[test]
fn a_refusal_passes_back_and_the_next_offer_is_free() {
    let (mut ladder, client) = talking();
    let offer = ladder.offer(film_description("more"));
    ladder.hear(ladder.caller(), offer);
    let exchange = ExchangeId::said(2);
    ladder.hear(client, Signal::Refuse { exchange, cause: Cause::MediaIncompatible });
    let refused = Signal::Refuse { exchange: ExchangeId::heard(2), cause: Cause::MediaIncompatible };
    assert_eq!(ladder.said.last(), Some(&(ladder.caller(), refused)));
    let offer = ladder.offer(film_description("less"));
    ladder.hear(ladder.caller(), offer);
    assert!(matches!(ladder.said.last(), Some((leg, Signal::Offer(_))) if *leg == client));
}

#[test]
fn when_both_offer_at_once_the_second_is_refused_as_glare_and_the_first_goes_on() {
    let (mut ladder, client) = talking();
    let first = ladder.offer(film_description("first"));
    ladder.hear(ladder.caller(), first);
    let second = ladder.offer(film_description("second"));
    let Signal::Offer(Offer { exchange, .. }) = second else { unreachable!() };
    ladder.hear(client, second);
    assert_eq!(ladder.said.last(), Some(&(client, Signal::Refuse { exchange, cause: Cause::Glare })));
    let answer = ladder.answer_with(client, film_description("answer"));
    ladder.hear(client, answer);
    assert!(matches!(ladder.said.last(), Some((leg, Signal::Answer(_))) if *leg == ladder.caller()));
}

#[test]
fn an_offer_that_is_not_answered_is_refused_after_a_while_and_nothing_is_offered_over_it() {
    let (mut ladder, client) = talking();
    let offer = ladder.offer(film_description("again"));
    ladder.hear(ladder.caller(), offer);
    let late = ladder.answer_with(client, film_description("late"));
    ladder.after(Duration::from_secs(40));
    let refused = |n, cause| (ladder.caller(), Signal::Refuse { exchange: ExchangeId::heard(n), cause });
    let (too_late, glare) = (refused(2, Cause::Timeout), refused(3, Cause::Glare));
    assert_eq!(ladder.said.last(), Some(&too_late));
    let offer = ladder.offer(film_description("once more"));
    ladder.hear(ladder.caller(), offer);
    assert_eq!(ladder.said.last(), Some(&glare));
    ladder.hear(client, late);
    assert_eq!(ladder.said.last(), Some(&glare), "a late answer reaches nobody");
    let offer = ladder.offer(film_description("at last"));
    ladder.hear(ladder.caller(), offer);
    assert!(matches!(ladder.said.last(), Some((leg, Signal::Offer(_))) if *leg == client));
}

#[test]
fn hold_and_mute_pass_in_words_from_either_side() {
    let (mut ladder, client) = talking();
    for (holder, held) in [(ladder.caller(), client), (client, ladder.caller())] {
        let before = ladder.said.len();
        for signal in [Signal::Hold(true), Signal::Hold(true), Signal::Hold(false), Signal::Mute(true)] {
            ladder.hear(holder, signal);
        }
        assert_eq!(ladder.said_on(held, before), ["Hold true", "Hold false", "Mute true"]);
        assert_eq!(ladder.said_on(holder, before), Vec::<String>::new());
    }
    ladder.expect_no_relay();
}

#[test]
fn a_hold_before_the_answer_is_told_with_it() {
    let (mut ladder, client) = ringing();
    ladder.hear(ladder.caller(), Signal::Hold(true));
    assert_eq!(ladder.said_on(client, 0), ["Start", "Path direct"]);
    let answer = ladder.answer_with(client, film_description("client"));
    ladder.hear(client, answer);
    ladder.hear(client, Signal::Accept);
    assert_eq!(ladder.said_on(client, 0), ["Start", "Path direct", "Hold true"]);
}

#[test]
fn whoever_presses_a_key_that_nobody_can_hear_is_told_so_once() {
    let (mut ladder, client) = talking();
    let before = ladder.said.len();
    for digit in ['1', '2'] {
        let duration = Duration::from_millis(100);
        ladder.hear(ladder.caller(), Signal::Dtmf(Dtmf { digit, duration }));
    }
    assert_eq!(ladder.said_on(ladder.caller(), before), ["Notice"]);
    assert_eq!(ladder.said_on(client, before), Vec::<String>::new());
    ladder.expect_no_relay();
}

#[test]
fn figures_of_a_direct_call_are_empty_but_told() {
    let (mut ladder, client) = talking();
    let before = ladder.said.len();
    ladder.hear(ladder.caller(), Signal::AskStats);
    assert_eq!(ladder.said_on(ladder.caller(), before), ["Stats"]);
    ladder.hear(client, Signal::AskStats);
    assert_eq!(ladder.said_on(client, before), ["Stats"]);
    ladder.expect_no_relay();
}

#[test]
fn two_pages_go_directly_if_the_dialplan_says_so_and_digits_pass_in_words() {
    let mut ladder = Ladder::from_browser();
    let page = ladder.page("web:bob");
    let leg = page.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Direct, "user:bob", vec![page])]));
    let answer = ladder.answer_with(leg, browser_description(&[], 126));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    let digit = Signal::Dtmf(Dtmf { digit: '5', duration: Duration::from_millis(100) });
    ladder.hear(leg, digit.clone());
    assert_eq!(ladder.said.last(), Some(&(ladder.caller(), digit)));
    ladder.expect_no_relay();
}
