//! IM clients and telephones, and whatever else of theirs the relay carries.

use std::time::Duration;

use patchcord::base::LegId;
use patchcord::call::{Action, Branch};
use patchcord::model::{
    Cause, Codec, Description, Direction, Dtmf, Hangup, Kind, LegSpec, MediaPath, MediaPolicy, Progress, RelayCommand,
    RelayEvent, Seal, Setup, Signal, Source, Stage, Stream,
};

use super::ladder::{Ladder, browser_description, candidates, film_description, phone_description};

const RINGING: Signal = Signal::Progress(Progress { stage: Stage::Ringing, early_media: false });

fn opus() -> Codec {
    Codec::new(111, "opus", 48_000, 2)
}

/// What an IM client describes: no digits.
fn client_description(codecs: &[Codec]) -> Description {
    let mut description = browser_description(codecs, 101);
    description.streams[0].codecs.retain(Codec::is_speech);
    description
}

fn names(stream: &Stream) -> Vec<&str> {
    stream.codecs.iter().map(|c| c.name.as_str()).collect()
}

/// An IM client calls a telephone.
fn from_client(offer: Description) -> (Ladder, LegId) {
    let mut ladder = Ladder::from_client();
    let phone = ladder.phone("sip:desk");
    let leg = phone.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:desk", vec![phone])]));
    let offer = ladder.solicited(offer);
    ladder.hear(ladder.caller(), offer);
    (ladder, leg)
}

/// A telephone talks to an IM client.
fn to_client() -> (Ladder, LegId) {
    let mut ladder = Ladder::from_phone();
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:juliet", vec![client])]));
    let answer = ladder.answer_with(leg, client_description(&[Codec::pcmu()]));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    (ladder, leg)
}

#[test]
fn an_im_client_calls_a_telephone_and_its_pictures_are_refused_in_their_own_slot() {
    let mut offer = film_description("client");
    offer.streams[0].codecs.push(Codec::pcmu());
    let (mut ladder, phone) = from_client(offer);
    ladder.hear(phone, RINGING);
    let answer = ladder.answer_of(phone, &[Codec::pcmu()], false);
    ladder.hear(phone, answer);
    ladder.hear(phone, Signal::Accept);
    ladder.hear(ladder.caller(), Signal::Hangup(Hangup::new(Cause::Normal)));
    ladder.expect(
        "
        im:romeo ─Start─▶
        im:romeo ◀─Solicit─
        im:romeo ─Offer sendrecv─▶
        im:romeo ◀─Trying─
                                ─Start─▶ sip:desk
                                ─Path relayed─▶ sip:desk
                                ◀─Ringing─ sip:desk
        im:romeo ◀─Ringing─
                                ◀─Answer PCMU sendrecv─ sip:desk
                                ◀─Accept─ sip:desk
        im:romeo ◀─Path relayed─
        im:romeo ◀─Answer PCMU sendrecv─
        im:romeo ◀─Accept─
        im:romeo ─Hangup normal─▶
                                ─Hangup normal─▶ sip:desk
        record normal
        ",
    );
    let answer = ladder.last_description(ladder.caller());
    let slots: Vec<_> = answer.streams.iter().map(|s| (s.kind.clone(), s.accepted, s.mid.clone().unwrap().0)).collect();
    assert_eq!(slots, [(Kind::Audio, true, "audio".into()), (Kind::Video, false, "video".into())]);
    assert!(answer.groups.is_empty(), "BUNDLE is not answered where it was not offered");
    assert_eq!(ladder.records[0].path, Some(MediaPath::Relayed));
}

#[test]
fn the_relays_leg_towards_an_im_client_checks_by_itself_whoever_offers() {
    let spec_of =
        |ladder: &Ladder, leg| ladder.graph.as_ref().unwrap().legs.iter().find(|l| l.leg == leg).unwrap().spec;
    let (ladder, _) = from_client(client_description(&[Codec::pcmu()]));
    assert_eq!(spec_of(&ladder, ladder.caller()), LegSpec::CLIENT);
    let (ladder, client) = to_client();
    assert_eq!(spec_of(&ladder, client), LegSpec::CLIENT);
    let ladder = {
        let mut ladder = Ladder::from_browser();
        ladder.open(Action::Echo);
        ladder
    };
    assert_eq!(spec_of(&ladder, ladder.caller()), LegSpec::BROWSER);
}

#[test]
fn a_telephone_calls_an_im_client_which_is_offered_sound_alone_with_its_own_format_first() {
    let mut ladder = Ladder::from_phone();
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:juliet", vec![client])]));
    let offer = ladder.last_description(leg);
    assert_eq!(offer.streams.len(), 1);
    let offered = ["PCMU", "PCMA", "opus", "telephone-event", "telephone-event"];
    assert_eq!(names(&offer.streams[0]), offered);
    assert!(matches!(offer.streams[0].transport.seal, Seal::Dtls { setup: Setup::ActPass, .. }));
    ladder.hear(leg, RINGING);
    let answer = ladder.answer_with(leg, client_description(&[Codec::pcmu()]));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    ladder.hear(leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    ladder.expect(
        "
        sip:phone ─Start─▶
        sip:phone ◀─Trying─
                                ─Start─▶ im:juliet
                                ─Path relayed─▶ im:juliet
                                ◀─Ringing─ im:juliet
        sip:phone ◀─Ringing─
                                ◀─Answer PCMU sendrecv─ im:juliet
                                ◀─Accept─ im:juliet
        sip:phone ◀─Path relayed─
        sip:phone ◀─Answer PCMU sendrecv─
        sip:phone ◀─Accept─
                                ◀─Hangup normal─ im:juliet
        sip:phone ◀─Hangup normal─
        record normal
        ",
    );
}

#[test]
fn a_telephone_that_offers_nothing_gets_the_relays_offer_and_so_does_the_im_client() {
    let mut ladder = Ladder::from_phone_with(None);
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:juliet", vec![client])]));
    let answer = ladder.answer_with(leg, client_description(&[Codec::pcma()]));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    let offer = ladder.last_description(ladder.caller());
    assert_eq!(names(&offer.streams[0]), ["PCMU", "PCMA", "telephone-event"], "a whole offer");
    let answer = ladder.answer_of(ladder.caller(), &[Codec::pcmu()], false);
    ladder.hear(ladder.caller(), answer);
    ladder.expect(
        "
        sip:phone ─Start─▶
        sip:phone ◀─Trying─
                                ─Start─▶ im:juliet
                                ─Path relayed─▶ im:juliet
                                ◀─Answer PCMA sendrecv─ im:juliet
                                ◀─Accept─ im:juliet
        sip:phone ◀─Path relayed─
        sip:phone ◀─Offer sendrecv─
        sip:phone ◀─Accept─
        sip:phone ─Answer PCMU sendrecv─▶
        ",
    );
    assert_eq!(ladder.hears(leg), Source::Leg(ladder.caller()), "PCMU and PCMA are translated");
}

#[test]
fn a_relayed_page_and_an_im_client_keep_opus_first() {
    let mut ladder = Ladder::from_browser();
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Relay, "user:juliet", vec![client])]));
    assert_eq!(names(&ladder.last_description(leg).streams[0])[0], "opus");
}

#[test]
fn an_im_client_that_holds_is_a_re_offer_to_the_telephone_which_still_hears_its_music() {
    let (mut ladder, phone) = from_client(client_description(&[Codec::pcmu()]));
    let answer = ladder.answer_of(phone, &[Codec::pcmu()], false);
    ladder.hear(phone, answer);
    ladder.hear(phone, Signal::Accept);
    let client = ladder.caller();
    ladder.hear(client, Signal::Hold(true));
    assert_eq!(ladder.last_description(phone).streams[0].direction, Direction::SendOnly);
    assert_eq!((ladder.hears(phone), ladder.hears(client)), (Source::Leg(client), Source::Nothing));
    let answer = ladder.answer_of(phone, &[Codec::pcmu()], false);
    ladder.hear(phone, answer);
    ladder.hear(client, Signal::Hold(false));
    assert_eq!(ladder.last_description(phone).streams[0].direction, Direction::SendRecv);
    assert_eq!((ladder.hears(phone), ladder.hears(client)), (Source::Leg(client), Source::Leg(phone)));
}

#[test]
fn a_telephone_that_holds_is_told_to_the_im_client_in_its_own_word() {
    let (mut ladder, client) = to_client();
    let before = ladder.said.len();
    for direction in [Direction::SendOnly, Direction::SendRecv] {
        let mut description = phone_description(&[Codec::pcmu()]);
        description.streams[0].direction = direction;
        let offer = ladder.offer(description);
        ladder.hear(ladder.caller(), offer);
        assert_eq!(ladder.hears(client), Source::Leg(ladder.caller()), "the holder's music");
    }
    assert_eq!(ladder.said_on(client, before), ["Hold true", "Hold false"]);
}

#[test]
fn digits_are_agreed_to_only_where_the_im_client_takes_them() {
    for (takes, expected) in [(false, vec!["PCMU"]), (true, vec!["PCMU", "telephone-event"])] {
        let mut ladder = Ladder::from_phone();
        let client = ladder.client("im:juliet");
        let leg = client.leg;
        ladder.open(Action::Dial(vec![Ladder::attempt("user:juliet", vec![client])]));
        let plain = client_description(&[Codec::pcmu()]);
        let description = if takes { browser_description(&[Codec::pcmu()], 101) } else { plain };
        let answer = ladder.answer_with(leg, description);
        ladder.hear(leg, answer);
        ladder.hear(leg, Signal::Accept);
        ladder.connected(leg);
        assert_eq!(names(&ladder.last_description(ladder.caller()).streams[0]), expected);
    }
}

#[test]
fn a_telephone_with_a_law_alone_and_a_client_with_opus_alone_talk_whoever_calls() {
    let phone = || vec![Codec::pcma(), Codec::telephone_event(101, 8000)];
    let mut ladder = Ladder::from_phone_with(Some(phone_description(&phone())));
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:juliet", vec![client])]));
    let answer = ladder.answer_with(leg, client_description(&[opus()]));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    assert_eq!(names(&ladder.last_description(ladder.caller()).streams[0]), ["PCMA"], "the client takes no digits");

    let mut ladder = Ladder::from_client_with(Some(client_description(&[opus()])));
    let trunk = ladder.phone("sip:trunk");
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![trunk])]));
    let answer = ladder.answer_with(leg, phone_description(&phone()));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(ladder.caller());
    assert_eq!(names(&ladder.last_description(ladder.caller()).streams[0]), ["opus"]);
    let graph = ladder.graph.clone().unwrap();
    let spoken: Vec<_> = graph.legs.iter().map(|l| l.remote.as_ref().unwrap().codecs[0].name.as_str()).collect();
    assert_eq!(spoken, ["opus", "PCMA"]);
}

#[test]
fn a_page_that_presses_keys_towards_an_im_client_without_any_is_told_once() {
    let mut ladder = Ladder::from_browser();
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Relay, "user:juliet", vec![client])]));
    let answer = ladder.answer_with(leg, client_description(&[opus()]));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    let before = ladder.said.len();
    let ordered = ladder.orders_of(|ladder| {
        for digit in ['1', '2'] {
            let duration = Duration::from_millis(100);
            ladder.hear(ladder.caller(), Signal::Dtmf(Dtmf { digit, duration }));
        }
    });
    assert_eq!(ordered, []);
    assert_eq!(ladder.said_on(ladder.caller(), before), ["Notice"]);
}

#[test]
fn candidates_of_pictures_are_told_from_those_of_the_sound_and_count_only_on_a_transport_of_their_own() {
    let mut offer = film_description("client");
    offer.streams[0].codecs.push(Codec::pcmu());
    let (mut ladder, _) = from_client(offer);
    let ordered = ladder.orders_of(|ladder| {
        ladder.hear(ladder.caller(), candidates("video", 1..3, true));
        ladder.hear(ladder.caller(), candidates("audio", 3..4, true));
        ladder.hear(ladder.caller(), candidates("audio", 4..4, false));
    });
    let given = |ordered: &[RelayCommand]| -> Vec<(bool, Vec<u16>)> {
        let of = |order: &RelayCommand| match order {
            RelayCommand::Candidates { pictures, candidates, .. } => {
                (*pictures, candidates.iter().map(|c| c.port).collect())
            }
            other => panic!("{other:?}"),
        };
        ordered.iter().map(of).collect()
    };
    assert_eq!(given(&ordered), [(true, vec![1, 2]), (false, vec![3])]);
    let mut offer = film_description("client");
    offer.streams[0].codecs.push(Codec::pcmu());
    let mids = offer.streams.iter().filter_map(|s| s.mid.clone()).collect();
    offer.groups = vec![patchcord::model::Group { semantics: "BUNDLE".into(), mids }];
    let (mut ladder, _) = from_client(offer);
    let ordered = ladder.orders_of(|ladder| {
        ladder.hear(ladder.caller(), candidates("video", 1..3, true));
        ladder.hear(ladder.caller(), candidates("audio", 3..4, true));
    });
    assert_eq!(given(&ordered), [(false, vec![3])]);
}

#[test]
fn candidates_of_the_callee_reach_the_relay_before_its_answer() {
    let mut ladder = Ladder::from_phone();
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:juliet", vec![client])]));
    let ordered = ladder.orders_of(|ladder| ladder.hear(leg, candidates("0", 1..3, true)));
    assert!(matches!(ordered.as_slice(), [RelayCommand::Candidates { leg: l, .. }] if *l == leg));
}

#[test]
fn silence_is_told_to_an_im_client_and_to_the_record() {
    let (mut ladder, client) = to_client();
    let why = "no RTP came for 3 s".to_owned();
    ladder.relay(RelayEvent::Silent { call: patchcord::base::CallId(7), leg: client, why: why.clone() });
    assert_eq!(ladder.said.last(), Some(&(client, Signal::Notice(why))));
}

#[test]
fn nothing_in_common_is_said_with_both_lists_whoever_calls_whom() {
    type Callers = [(&'static str, fn() -> Ladder); 3];
    type Callees = [(&'static str, fn(&mut Ladder) -> Branch); 3];
    let callers: Callers = [
        ("browser", Ladder::from_browser),
        ("phone", Ladder::from_phone),
        ("client", || Ladder::from_client_with(Some(client_description(&[opus(), Codec::pcmu(), Codec::pcma()])))),
    ];
    let callees: Callees =
        [("browser", |l| l.page("callee")), ("phone", |l| l.phone("callee")), ("client", |l| l.client("callee"))];
    for (caller, open) in callers {
        for (callee, branch) in callees {
            let pairing = format!("{caller} to {callee}");
            let mut ladder = open();
            let branch = branch(&mut ladder);
            let leg = branch.leg;
            ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Relay, "user:callee", vec![branch])]));
            let answer = ladder.answer_of(leg, &[Codec::new(18, "G729", 8000, 1)], false);
            ladder.hear(leg, answer);
            assert_eq!(ladder.said_on(leg, 0).last().unwrap(), "Hangup media-incompatible", "{pairing}");
            let record = &ladder.records[0];
            assert_eq!(record.cause, Cause::MediaIncompatible, "{pairing}");
            let why = record.why.clone().unwrap();
            assert!(why.contains("PCMU, PCMA") && why.contains("G729"), "{pairing}: {why}");
        }
    }
}

#[test]
fn a_late_offer_that_is_answered_with_nothing_in_common_ends_the_call() {
    let mut ladder = Ladder::from_phone_with(None);
    let client = ladder.client("im:juliet");
    let leg = client.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:juliet", vec![client])]));
    let answer = ladder.answer_with(leg, client_description(&[Codec::pcma()]));
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    ladder.connected(leg);
    let answer = ladder.answer_of(ladder.caller(), &[Codec::new(18, "G729", 8000, 1)], false);
    ladder.hear(ladder.caller(), answer);
    assert_eq!(ladder.records[0].cause, Cause::MediaIncompatible);
    assert_eq!(ladder.records[0].why.as_deref(), Some("one side speaks PCMU, PCMA, the other G729"));
}
