use patchcord::base::LegId;
use patchcord::call::Action;
use patchcord::model::{Codec, Direction, Signal, Source};

use super::ladder::{Ladder, phone_description};

fn talking() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser();
    let trunk = ladder.phone("sip:trunk");
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![trunk])]));
    let answer = ladder.answer_of(leg, &[Codec::pcmu()], false);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    (ladder, leg)
}

fn last_words(ladder: &Ladder, from: usize) -> Vec<String> {
    ladder.said[from..].iter().map(|(_, s)| format!("{s:?}").chars().take(11).collect()).collect()
}

fn directed(direction: Direction) -> patchcord::model::Description {
    let mut description = phone_description(&[Codec::pcmu()]);
    description.streams[0].direction = direction;
    description
}

#[test]
fn a_page_that_holds_is_a_re_offer_to_the_phone_and_neither_hears_the_other() {
    let (mut ladder, trunk) = talking();
    let before = ladder.said.len();
    ladder.hear(ladder.caller(), Signal::Hold(true));
    assert_eq!(ladder.last_description(trunk).audio().unwrap().direction, Direction::SendOnly);
    assert_eq!((ladder.hears(trunk), ladder.hears(ladder.caller())), (Source::Nothing, Source::Nothing));
    let mut answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    if let Signal::Answer(answer) = &mut answer {
        answer.description.streams[0].direction = Direction::RecvOnly;
    }
    ladder.hear(trunk, answer);
    ladder.hear(ladder.caller(), Signal::Hold(false));
    assert_eq!(ladder.last_description(trunk).audio().unwrap().direction, Direction::SendRecv);
    let answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    ladder.hear(trunk, answer);
    assert_eq!(ladder.hears(trunk), Source::Leg(ladder.caller()));
    assert_eq!(last_words(&ladder, before), ["Offer(Offer", "Offer(Offer"]);
}

#[test]
fn a_phone_that_holds_with_sendonly_keeps_its_music_audible_and_the_page_is_told() {
    let (mut ladder, trunk) = talking();
    let before = ladder.said.len();
    let offer = ladder.offer(directed(Direction::SendOnly));
    ladder.hear(trunk, offer);
    assert_eq!(ladder.last_description(trunk).audio().unwrap().direction, Direction::RecvOnly);
    assert_eq!(ladder.hears(ladder.caller()), Source::Leg(trunk), "the holder's music");
    assert!(ladder.graph.as_ref().unwrap().legs.iter().any(|l| l.leg == trunk && !l.sends));
    let offer = ladder.offer(directed(Direction::SendRecv));
    ladder.hear(trunk, offer);
    let words = last_words(&ladder, before);
    assert_eq!(words, ["Answer(Answ", "Hold(true)", "Answer(Answ", "Hold(false)"]);
}

#[test]
fn the_old_hold_by_a_zero_address_is_a_hold() {
    let (mut ladder, trunk) = talking();
    let mut zero = directed(Direction::SendRecv);
    zero.streams[0].transport.address = None;
    let offer = ladder.offer(zero);
    ladder.hear(trunk, offer);
    assert_eq!(ladder.said.last(), Some(&(ladder.caller(), Signal::Hold(true))));
    assert_eq!(ladder.last_description(trunk).audio().unwrap().direction, Direction::Inactive);
}

#[test]
fn both_hold_and_one_resumes_leaves_it_one_way() {
    let (mut ladder, trunk) = talking();
    ladder.hear(ladder.caller(), Signal::Hold(true));
    let answer = ladder.answer_of(trunk, &[Codec::pcmu()], false);
    ladder.hear(trunk, answer);
    let offer = ladder.offer(directed(Direction::SendOnly));
    ladder.hear(trunk, offer);
    assert_eq!(ladder.last_description(trunk).audio().unwrap().direction, Direction::Inactive);
    ladder.hear(ladder.caller(), Signal::Hold(false));
    assert_eq!(ladder.last_description(trunk).audio().unwrap().direction, Direction::RecvOnly);
}

#[test]
fn an_offer_that_cannot_be_spoken_is_refused_and_the_session_stays() {
    let (mut ladder, trunk) = talking();
    let offer = ladder.offer(phone_description(&[Codec::new(18, "G729", 8000, 1)]));
    ladder.hear(trunk, offer);
    assert!(matches!(ladder.said.last(), Some((leg, Signal::Refuse { .. })) if *leg == trunk));
    assert_eq!(ladder.hears(trunk), Source::Leg(ladder.caller()));
}

#[test]
fn a_phone_that_asks_for_an_offer_gets_a_whole_one_and_the_page_hears_nothing_of_it() {
    let (mut ladder, trunk) = talking();
    let before = ladder.said.len();
    let exchange = patchcord::base::ExchangeId::heard(9);
    ladder.hear(trunk, Signal::Solicit(exchange));
    let offer = ladder.last_description(trunk);
    let names: Vec<_> = offer.streams[0].codecs.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        ["opus", "PCMU", "PCMA", "telephone-event", "telephone-event"],
        "every format, not only the one in use"
    );
    let answer = ladder.answer_of(trunk, &[Codec::pcma()], false);
    ladder.hear(trunk, answer);
    assert_eq!(last_words(&ladder, before), ["Offer(Offer"]);
    assert_eq!(ladder.hears(trunk), Source::Leg(ladder.caller()));
}
