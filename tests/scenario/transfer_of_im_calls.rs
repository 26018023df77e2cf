//! Transfers of calls whose media go directly between a page and an IM client: the client that stays is called anew, beside
//! the call that it is in.

use std::time::Duration;

use patchcord::base::{CallId, LegId};
use patchcord::call::Action;
use patchcord::model::{
    Address, Cause, Codec, Direction, Hangup, MediaPath, MediaPolicy, Play, Progress, RelayEvent, Replaces, Signal,
    Sound, Source, Stage, Start, Tone, Transfer,
};

use super::ladder::{Ladder, browser_description, candidates, film_description, phone_description, with_pictures};

const RINGING: Signal = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });

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

fn hangup(cause: Cause) -> Signal {
    Signal::Hangup(Hangup::new(cause))
}

fn ring_back() -> Source {
    Source::Play(Play { sound: Sound::Tone(Tone::Ringing), repeats: true })
}

/// A direct call of a page and an IM client, by the legs of the page and of the client.
struct Talk {
    ladder: Ladder,
    page: LegId,
    client: LegId,
}

/// Alice's page calls Juliet's client, and they talk directly.
fn page_called() -> Talk {
    let mut ladder = Ladder::from_browser_with(film_description("page"));
    let branch = ladder.client("im:juliet");
    let client = branch.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Direct, "user:juliet", vec![branch])]));
    let answer = ladder.answer_with(client, film_description("client"));
    ladder.hear(client, answer);
    ladder.hear(client, Signal::Accept);
    ladder.expect_no_relay();
    Talk { page: ladder.caller(), client, ladder }
}

/// A client calls a page, and they talk directly.
fn client_called() -> Talk {
    let mut ladder = Ladder::from_client_with(Some(film_description("client")));
    let branch = ladder.page("web:bob");
    let page = branch.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Direct, "user:bob", vec![branch])]));
    let answer = ladder.answer_with(page, film_description("page"));
    ladder.hear(page, answer);
    ladder.hear(page, Signal::Accept);
    ladder.expect_no_relay();
    Talk { client: ladder.caller(), page, ladder }
}

impl Talk {
    /// The page wishes that the client be connected with somebody, who is rung.
    fn transfer_to(&mut self, whom: &str) -> LegId {
        self.ladder.hear(self.page, wish());
        let branch = match whom {
            "page" => self.ladder.page("web:carol"),
            "client" => self.ladder.client("im:carol"),
            _ => self.ladder.phone("sip:carol"),
        };
        let leg = branch.leg;
        self.ladder.decide(Action::Dial(vec![Ladder::attempt("user:carol", vec![branch])]));
        leg
    }

    /// Somebody picks up, and packets can flow there.
    fn pick_up(&mut self, leg: LegId) {
        let answer = self.ladder.answer_of(leg, &[opus(), Codec::pcmu()], false);
        self.ladder.hear(leg, answer);
        self.ladder.hear(leg, Signal::Accept);
        self.ladder.connected(leg);
    }

    /// Carol's telephone picks up: the client is called anew.
    fn called_anew() -> (Talk, LegId, LegId) {
        let mut talk = page_called();
        let carol = talk.transfer_to("phone");
        talk.pick_up(carol);
        let second = talk.second();
        (talk, carol, second)
    }

    /// The second leg of the client.
    fn second(&self) -> LegId {
        let [(first, second)] = self.ladder.recalled.as_slice() else { panic!("{:?}", self.ladder.recalled) };
        assert_eq!(*first, self.client);
        *second
    }

    fn started(&self, leg: LegId) -> Start {
        let start = self.ladder.said.iter().find_map(|(l, signal)| match signal {
            Signal::Start(start) if *l == leg => Some((**start).clone()),
            _ => None,
        });
        start.expect("it was called")
    }

    /// What one side offers reaches the other as it is: the call is direct, and the relay has nothing of it.
    fn expect_direct(&mut self) {
        let words = browser_description(&[opus()], 126);
        let offer = self.ladder.offer(words.clone());
        self.ladder.hear(self.page, offer);
        let said = self.ladder.said.last();
        assert!(matches!(said, Some((leg, Signal::Offer(o))) if *leg == self.client && o.description == words));
        assert!(self.ladder.graph.as_ref().is_none_or(|g| g.legs.is_empty()), "{:?}", self.ladder.graph);
    }

    fn expect_over(&self, cause: Cause) {
        let [record] = self.ladder.records.as_slice() else { panic!("{:?}", self.ladder.records) };
        assert_eq!(record.cause, cause);
    }
}

#[test]
fn an_im_client_that_stays_is_called_anew_by_whoever_picked_up_and_leaves_its_first_call_when_it_accepts() {
    for begin in [page_called, client_called] {
        for whom in ["phone", "page", "client"] {
            let mut talk = begin();
            let (page, client) = (talk.page, talk.client);
            let before = talk.ladder.said.len();
            let carol = talk.transfer_to(whom);
            talk.ladder.hear(carol, RINGING);
            assert!(talk.ladder.said_on(client, before).is_empty() && talk.ladder.recalled.is_empty());
            talk.pick_up(carol);
            let second = talk.second();
            assert_eq!(talk.ladder.said_on(second, before), ["Start", "Path relayed"]);
            let start = talk.started(second);
            assert_eq!(start.about.replaces, Some(Replaces::Leg(client)));
            assert_eq!(start.from.address, Address::here("callee"), "it is called by who picked up");
            assert!(talk.ladder.said_on(client, before).is_empty(), "the two talk on meanwhile");
            assert_eq!(talk.ladder.hears(carol), ring_back());
            talk.ladder.hear(second, RINGING);
            talk.pick_up(second);
            assert_eq!(talk.ladder.said_on(client, before), ["Hangup normal"]);
            let told = ["Transferring Trying", "Transferring Ringing", "Transferring Done", "Hangup normal"];
            assert_eq!(talk.ladder.said_on(page, before), told, "{whom}");
            let hears = (talk.ladder.hears(second), talk.ladder.hears(carol));
            assert_eq!(hears, (Source::Leg(carol), Source::Leg(second)));
            talk.ladder.hear(client, hangup(Cause::Normal));
            assert!(talk.ladder.records.is_empty(), "what ends the first call comes late, and ends nothing else");
            talk.ladder.hear(second, hangup(Cause::Normal));
            assert_eq!(talk.ladder.said_on(carol, before).last().map(String::as_str), Some("Hangup normal"));
            let record = talk.ladder.records.pop().expect("a record");
            assert_eq!((record.transferred_to.as_deref(), record.path), (Some("user:carol"), Some(MediaPath::Relayed)));
        }
    }
}

#[test]
fn who_is_busy_or_does_not_answer_leaves_the_client_undisturbed() {
    for cause in [Cause::Busy, Cause::NoAnswer] {
        let mut talk = page_called();
        let before = talk.ladder.said.len();
        let carol = talk.transfer_to("phone");
        match cause {
            Cause::Busy => talk.ladder.hear(carol, hangup(Cause::Busy)),
            _ => talk.ladder.after(Duration::from_secs(21)),
        }
        let told = ["Transferring Trying".to_owned(), format!("Transferring Failed {cause}")];
        assert_eq!(talk.ladder.said_on(talk.page, before), told);
        assert!(talk.ladder.recalled.is_empty());
        talk.expect_direct();
    }
}

#[test]
fn a_client_that_does_not_take_the_second_call_keeps_its_first_and_the_newcomer_is_hung_up() {
    for cause in [Cause::Declined, Cause::Busy, Cause::NoAnswer, Cause::Glare] {
        let (mut talk, carol, second) = Talk::called_anew();
        let before = talk.ladder.said.len();
        match cause {
            Cause::NoAnswer => {
                talk.ladder.hear(second, RINGING);
                talk.ladder.after(Duration::from_secs(36));
                assert_eq!(talk.ladder.said_on(second, before), ["Hangup cancelled"]);
            }
            cause => talk.ladder.hear(second, hangup(cause)),
        }
        assert_eq!(talk.ladder.said_on(talk.page, before), [format!("Transferring Failed {cause}")]);
        assert_eq!(talk.ladder.said_on(carol, before), ["Hangup cancelled"]);
        talk.expect_direct();
        talk.ladder.hear(talk.client, hangup(Cause::Normal));
        talk.expect_over(Cause::Normal);
    }
}

#[test]
fn a_client_whose_answer_has_no_speech_that_was_offered_keeps_its_first_call() {
    let (mut talk, _, second) = Talk::called_anew();
    let before = talk.ladder.said.len();
    let answer = talk.ladder.answer_of(second, &[Codec::new(97, "speex", 16_000, 1)], false);
    talk.ladder.hear(second, answer);
    assert_eq!(talk.ladder.said_on(second, before), ["Hangup media-incompatible"]);
    assert_eq!(talk.ladder.said_on(talk.page, before), ["Transferring Failed media-incompatible"]);
    talk.expect_direct();
}

#[test]
fn a_client_that_gives_up_its_first_call_by_itself_is_waited_for_and_the_call_is_over_if_it_does_not_come() {
    for comes in [true, false] {
        let (mut talk, carol, second) = Talk::called_anew();
        talk.ladder.hear(talk.client, hangup(Cause::Normal));
        assert!(talk.ladder.records.is_empty());
        let before = talk.ladder.said.len();
        if comes {
            talk.pick_up(second);
            assert!(talk.ladder.said_on(talk.client, before).is_empty(), "it is over already");
            assert_eq!(talk.ladder.hears(carol), Source::Leg(second));
            talk.ladder.hear(carol, hangup(Cause::Normal));
            assert_eq!(talk.ladder.said_on(second, before), ["Hangup normal"]);
            talk.expect_over(Cause::Normal);
        } else {
            talk.ladder.hear(second, hangup(Cause::Declined));
            assert_eq!(talk.ladder.said_on(carol, before), ["Hangup cancelled"]);
            assert_eq!(talk.ladder.said_on(talk.page, before), ["Transferring Failed declined", "Hangup declined"]);
            assert!(talk.ladder.said_on(talk.client, before).is_empty());
            talk.expect_over(Cause::Declined);
        }
    }
}

#[test]
fn a_client_that_is_gone_from_both_calls_in_the_end_ends_the_call() {
    let (mut talk, carol, second) = Talk::called_anew();
    talk.ladder.hear(second, RINGING);
    talk.ladder.hear(talk.client, hangup(Cause::Network));
    let before = talk.ladder.said.len();
    talk.ladder.after(Duration::from_secs(36));
    assert_eq!(talk.ladder.said_on(second, before), ["Hangup cancelled"]);
    assert_eq!(talk.ladder.said_on(carol, before), ["Hangup cancelled"]);
    assert_eq!(talk.ladder.said_on(talk.page, before), ["Transferring Failed no-answer", "Hangup no-answer"]);
    talk.expect_over(Cause::NoAnswer);
}

#[test]
fn a_newcomer_that_goes_while_the_client_is_rung_takes_the_second_call_with_it() {
    let (mut talk, carol, second) = Talk::called_anew();
    let before = talk.ladder.said.len();
    talk.ladder.hear(carol, hangup(Cause::Normal));
    assert_eq!(talk.ladder.said_on(second, before), ["Hangup cancelled"]);
    assert_eq!(talk.ladder.said_on(talk.page, before), ["Transferring Failed normal"]);
    talk.ladder.hear(second, hangup(Cause::Cancelled));
    talk.expect_direct();
}

#[test]
fn a_newcomer_that_goes_when_the_client_has_given_up_its_first_call_leaves_it_to_the_page() {
    let (mut talk, carol, second) = Talk::called_anew();
    talk.ladder.hear(talk.client, hangup(Cause::Normal));
    let before = talk.ladder.said.len();
    talk.ladder.hear(carol, hangup(Cause::Normal));
    assert_eq!(talk.ladder.said_on(talk.page, before), ["Transferring Failed normal", "Offer sendrecv"]);
    let answer = talk.ladder.answer_of(talk.page, &[opus()], false);
    talk.ladder.hear(talk.page, answer);
    talk.pick_up(second);
    let hears = (talk.ladder.hears(second), talk.ladder.hears(talk.page));
    assert_eq!(hears, (Source::Leg(talk.page), Source::Leg(second)));
    talk.ladder.hear(talk.page, hangup(Cause::Normal));
    assert_eq!(talk.ladder.said_on(second, before).last().map(String::as_str), Some("Hangup normal"));
    talk.expect_over(Cause::Normal);
}

#[test]
fn when_the_page_leaves_at_once_the_client_is_called_by_whom_it_is_to_be_connected_with_and_hears_that_it_rings() {
    for answers in [true, false] {
        let mut talk = page_called();
        let carol = talk.transfer_to("phone");
        talk.ladder.hear(carol, RINGING);
        let before = talk.ladder.said.len();
        talk.ladder.hear(talk.page, hangup(Cause::Normal));
        let second = talk.second();
        assert_eq!(talk.started(second).from.address, Address::here("carol"));
        talk.pick_up(second);
        assert_eq!(talk.ladder.hears(second), ring_back());
        assert_eq!(talk.ladder.said_on(talk.client, before), ["Hangup normal"]);
        if answers {
            talk.pick_up(carol);
            let hears = (talk.ladder.hears(second), talk.ladder.hears(carol));
            assert_eq!(hears, (Source::Leg(carol), Source::Leg(second)));
            talk.ladder.hear(second, hangup(Cause::Normal));
            talk.expect_over(Cause::Normal);
        } else {
            talk.ladder.hear(carol, hangup(Cause::Busy));
            assert_eq!(talk.ladder.said_on(second, before).last().map(String::as_str), Some("Hangup busy"));
            talk.expect_over(Cause::Busy);
        }
    }
}

#[test]
fn a_client_that_the_page_has_left_and_that_declines_the_second_call_is_hung_up_with_whoever_was_rung() {
    let mut talk = page_called();
    let carol = talk.transfer_to("phone");
    talk.ladder.hear(talk.page, hangup(Cause::Normal));
    let (second, before) = (talk.second(), talk.ladder.said.len());
    talk.ladder.hear(second, hangup(Cause::Declined));
    assert_eq!(talk.ladder.said_on(carol, before), ["Hangup cancelled"]);
    assert_eq!(talk.ladder.said_on(talk.client, before), ["Hangup declined"]);
    talk.expect_over(Cause::Declined);
}

#[test]
fn a_call_that_replaces_the_page_s_leg_is_told_that_the_client_rings_and_answered_when_it_accepts() {
    let mut talk = page_called();
    let before = talk.ladder.said.len();
    let carol = talk.ladder.replace(talk.page, "sip:carol", phone_description(&[Codec::pcmu()]));
    let second = talk.second();
    assert_eq!(talk.started(second).from.address, Address::here("carol"));
    talk.ladder.hear(second, RINGING);
    assert_eq!(talk.ladder.said_on(carol, before), ["Ringing"]);
    talk.pick_up(second);
    assert_eq!(talk.ladder.said_on(carol, before), ["Ringing", "Path relayed", "Answer PCMU sendrecv", "Accept"]);
    assert_eq!(talk.ladder.said_on(talk.page, before), ["Hangup normal"]);
    assert_eq!(talk.ladder.said_on(talk.client, before), ["Hangup normal"]);
    assert_eq!((talk.ladder.hears(second), talk.ladder.hears(carol)), (Source::Leg(carol), Source::Leg(second)));
}

#[test]
fn a_call_that_would_replace_the_page_s_leg_is_turned_away_if_the_client_declines() {
    let mut talk = page_called();
    let before = talk.ladder.said.len();
    let carol = talk.ladder.replace(talk.page, "sip:carol", phone_description(&[Codec::pcmu()]));
    let second = talk.second();
    talk.ladder.hear(second, hangup(Cause::Declined));
    assert_eq!(talk.ladder.said_on(carol, before), ["Hangup declined"]);
    talk.expect_direct();
}

#[test]
fn candidates_of_the_second_call_are_for_the_relay_and_those_of_the_first_for_the_page() {
    let (mut talk, _, second) = Talk::called_anew();
    let before = talk.ladder.said.len();
    let orders = talk.ladder.orders_of(|l| l.hear(second, candidates("0", 5000..5002, true)));
    assert_eq!(orders.len(), 1, "{orders:?}");
    talk.ladder.hear(talk.client, candidates("audio", 6000..6002, true));
    assert_eq!(talk.ladder.said_on(talk.page, before), ["Candidates 2"]);
}

#[test]
fn a_relay_that_has_no_room_for_the_second_leg_leaves_the_call_direct() {
    let mut talk = page_called();
    let carol = talk.transfer_to("phone");
    talk.ladder.relay_is_quick = false;
    let before = talk.ladder.said.len();
    talk.pick_up(carol);
    let second = talk.second();
    talk.ladder.relay(RelayEvent::Full { call: CallId(7), leg: second, why: "no room".into() });
    assert_eq!(talk.ladder.said_on(talk.page, before), ["Transferring Failed congestion"]);
    assert!(talk.ladder.said_on(second, before).is_empty(), "it was never called");
    talk.expect_direct();
}

#[test]
fn when_the_page_ends_the_call_that_was_not_transferred_all_legs_are_hung_up_once() {
    let (mut talk, carol, second) = Talk::called_anew();
    let before = talk.ladder.said.len();
    talk.ladder.hear(talk.page, hangup(Cause::Normal));
    talk.ladder.hear(carol, hangup(Cause::Normal));
    assert_eq!(talk.ladder.said_on(second, before), ["Hangup cancelled"]);
    assert_eq!(talk.ladder.said_on(talk.client, before), ["Hangup normal"]);
    talk.expect_over(Cause::Normal);
}

#[test]
fn a_client_that_was_called_anew_holds_as_any_other() {
    let (mut talk, carol, second) = Talk::called_anew();
    talk.pick_up(second);
    let before = talk.ladder.said.len();
    talk.ladder.hear(second, Signal::Hold(true));
    assert_eq!(talk.ladder.said_on(carol, before), ["Offer sendonly"]);
}

#[test]
fn pictures_of_a_direct_call_are_offered_in_the_second_call_if_the_newcomer_takes_them() {
    let is_video = |description: &patchcord::model::Description| {
        description.streams.iter().any(|s| s.kind == patchcord::model::Kind::Video && s.accepted)
    };
    for takes in [true, false] {
        let mut talk = page_called();
        let carol = talk.transfer_to("page");
        assert!(is_video(&talk.ladder.last_description(carol)));
        let film = with_pictures(
            browser_description(&[opus(), Codec::pcmu()], 126),
            &[Codec::new(98, "VP8", 90_000, 1)],
            Direction::SendRecv,
        );
        let plain = browser_description(&[opus(), Codec::pcmu()], 126);
        let answer = talk.ladder.answer_with(carol, if takes { film.clone() } else { plain.clone() });
        talk.ladder.hear(carol, answer);
        talk.ladder.hear(carol, Signal::Accept);
        talk.ladder.connected(carol);
        let second = talk.second();
        assert_eq!(is_video(&talk.ladder.last_description(second)), takes);
        let answer = talk.ladder.answer_with(second, if takes { film } else { plain });
        talk.ladder.hear(second, answer);
        talk.ladder.hear(second, Signal::Accept);
        let graph = talk.ladder.graph.as_ref().expect("a graph");
        let sees = |leg| graph.legs.iter().find(|l| l.leg == leg).and_then(|l| l.video.as_ref()).and_then(|v| v.sees);
        let expected = if takes { (Some(carol), Some(second)) } else { (None, None) };
        assert_eq!((sees(second), sees(carol)), expected);
        assert_eq!((talk.ladder.hears(second), talk.ladder.hears(carol)), (Source::Leg(carol), Source::Leg(second)));
    }
}
