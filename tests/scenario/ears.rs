use std::path::PathBuf;
use std::time::Duration;

use patchcord::base::{CallId, LegId};
use patchcord::call::Action;
use patchcord::model::{
    Codec, Dtmf, Fork, MediaPolicy, Play, Recording, RecordingFormat, RelayCommand, RelayEvent, Services, Signal,
    Sound, Source, TapEnd, TapId, TapWord, Tone,
};

use super::ladder::{Ladder, film_description};

fn recorded(on_demand: bool) -> Services {
    let notice = Some(Sound::Tone(Tone::Recording));
    Services { record: Some(Recording { format: RecordingFormat::Wav, notice, on_demand }), ..Services::default() }
}

fn beep() -> Source {
    Source::Play(Play { sound: Sound::Tone(Tone::Recording), repeats: false })
}

fn talking_with(services: Services) -> (Ladder, LegId) {
    let mut ladder = Ladder::from_browser();
    ladder.services = services;
    let trunk = ladder.phone("sip:trunk");
    let leg = trunk.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("trunk:demo", vec![trunk])]));
    assert!(ladder.graph.as_ref().unwrap().taps.is_empty(), "nobody listens before the answer");
    let answer = ladder.answer_of(leg, &[Codec::pcmu()], false);
    ladder.hear(leg, answer);
    ladder.hear(leg, Signal::Accept);
    (ladder, leg)
}

fn taps(ladder: &Ladder) -> Vec<(u32, [Option<LegId>; 2], TapEnd)> {
    ladder.graph.as_ref().unwrap().taps.iter().map(|tap| (tap.id.0, tap.legs, tap.to.clone())).collect()
}

fn file(number: u32) -> TapEnd {
    let path = PathBuf::from(format!("{}-{number}.wav", CallId(7)));
    TapEnd::File { path, format: RecordingFormat::Wav }
}

fn played(ladder: &mut Ladder, leg: LegId) {
    ladder.relay(RelayEvent::Played { call: CallId(7), leg });
}

fn recording_words(ladder: &Ladder) -> Vec<(LegId, bool)> {
    ladder
        .said
        .iter()
        .filter_map(|(leg, s)| if let Signal::Record(on) = s { Some((*leg, *on)) } else { None })
        .collect()
}

#[test]
fn a_recorded_call_begins_with_a_beep_for_both_and_its_record_names_the_file() {
    let (mut ladder, trunk) = talking_with(recorded(false));
    let caller = ladder.caller();
    assert_eq!(taps(&ladder), [(1, [Some(caller), Some(trunk)], file(1))]);
    assert_eq!(recording_words(&ladder), [(caller, true), (trunk, true)]);
    assert_eq!((ladder.hears(caller), ladder.hears(trunk)), (beep(), beep()));
    played(&mut ladder, caller);
    assert_eq!((ladder.hears(caller), ladder.hears(trunk)), (Source::Leg(trunk), beep()));
    played(&mut ladder, trunk);
    assert_eq!(ladder.hears(trunk), Source::Leg(caller));
    ladder.hear(trunk, Signal::Hangup(patchcord::model::Hangup::new(patchcord::model::Cause::Normal)));
    ladder.relay(RelayEvent::Removed { call: CallId(7), legs: Vec::new() });
    let TapEnd::File { path, .. } = file(1) else { unreachable!() };
    assert_eq!((ladder.records[0].recordings.clone(), ladder.records[0].why.clone()), (vec![path], None));
}

#[test]
fn a_notice_that_never_ends_is_cut_off() {
    let (mut ladder, trunk) = talking_with(recorded(false));
    ladder.after(std::time::Duration::from_secs(30));
    assert_eq!(ladder.hears(trunk), Source::Leg(ladder.caller()));
    assert_eq!(taps(&ladder).len(), 1, "the recording goes on");
}

#[test]
fn either_party_may_begin_and_end_a_recording_where_the_dialplan_leaves_it_to_them() {
    let (mut ladder, trunk) = talking_with(recorded(true));
    let caller = ladder.caller();
    assert_eq!((taps(&ladder), ladder.hears(trunk)), (Vec::new(), Source::Leg(caller)));
    ladder.hear(caller, Signal::Record(true));
    ladder.hear(caller, Signal::Record(true));
    assert_eq!((taps(&ladder).len(), ladder.hears(trunk)), (1, beep()));
    ladder.hear(trunk, Signal::Record(false));
    assert_eq!((taps(&ladder), ladder.hears(trunk)), (Vec::new(), Source::Leg(caller)));
    ladder.hear(caller, Signal::Record(true));
    assert_eq!(taps(&ladder), [(2, [Some(caller), Some(trunk)], file(2))], "another file");
    let told: Vec<bool> = recording_words(&ladder).into_iter().filter(|(l, _)| *l == trunk).map(|(_, on)| on).collect();
    assert_eq!(told, [false, true, false, true]);
    ladder.hear(trunk, Signal::Hangup(patchcord::model::Hangup::new(patchcord::model::Cause::Normal)));
    ladder.relay(RelayEvent::Removed { call: CallId(7), legs: Vec::new() });
    let files = [1, 2].map(|number| PathBuf::from(format!("{}-{number}.wav", CallId(7))));
    assert_eq!(ladder.records[0].recordings, files, "the record names both");
}

#[test]
fn nobody_begins_a_recording_or_ends_one_against_the_dialplan() {
    let (mut ladder, _) = talking_with(Services::default());
    ladder.hear(ladder.caller(), Signal::Record(true));
    assert!(taps(&ladder).is_empty());
    assert!(matches!(ladder.said.last(), Some((_, Signal::Notice(text))) if text.contains("does not allow it")));
    let (mut ladder, trunk) = talking_with(recorded(false));
    ladder.hear(trunk, Signal::Record(false));
    assert_eq!(taps(&ladder).len(), 1);
    assert!(matches!(ladder.said.last(), Some((leg, Signal::Notice(_))) if *leg == trunk));
}

#[test]
fn a_recording_that_fails_ends_with_a_word_and_the_call_goes_on() {
    let (mut ladder, trunk) = talking_with(recorded(false));
    let why = "the recording ended: the disk is full".to_owned();
    ladder.relay(RelayEvent::TapEnded { call: CallId(7), tap: TapId(1), why: Some(why.clone()) });
    assert!(taps(&ladder).is_empty());
    assert_eq!(ladder.hears(trunk), Source::Leg(ladder.caller()));
    assert_eq!(recording_words(&ladder).last(), Some(&(trunk, false)));
    assert!(ladder.records.is_empty(), "the call goes on");
    ladder.hear(trunk, Signal::Hangup(patchcord::model::Hangup::new(patchcord::model::Cause::Normal)));
    ladder.relay(RelayEvent::Removed { call: CallId(7), legs: Vec::new() });
    assert_eq!(ladder.records[0].why, Some(why));
}

#[test]
fn a_fork_listens_from_the_answer_on() {
    let url = "ws://127.0.0.1:9000/listen".to_owned();
    let (ladder, trunk) = talking_with(forked(&url));
    let to = TapEnd::WebSocket { url, rate_hz: 24_000 };
    assert_eq!(taps(&ladder), [(1, [Some(ladder.caller()), Some(trunk)], to)]);
    assert_eq!(ladder.hears(trunk), Source::Leg(ladder.caller()));
}

fn forked(url: &str) -> Services {
    Services { fork: Some(Fork { url: url.to_owned(), rate_hz: 24_000 }), ..Services::default() }
}

#[test]
fn a_fork_is_told_of_each_key_once_whoever_pressed_it_and_of_the_end_before_it_is_let_go() {
    let (mut ladder, trunk) = talking_with(forked("ws://127.0.0.1:9000/"));
    let (caller, call, duration) = (ladder.caller(), CallId(7), Duration::from_millis(120));
    let words = |orders: Vec<RelayCommand>| -> Vec<TapWord> {
        orders
            .into_iter()
            .filter_map(|o| if let RelayCommand::Tell { word, .. } = o { Some(word) } else { None })
            .collect()
    };
    let by_word = ladder.orders_of(|l| l.hear(caller, Signal::Dtmf(Dtmf { digit: '5', duration })));
    assert_eq!(words(by_word), [TapWord::Digit { leg: caller, digit: '5', duration }]);
    let in_media = ladder.orders_of(|l| {
        l.relay(RelayEvent::Pressed { call, leg: trunk, digit: '#' });
        l.relay(RelayEvent::Dtmf { call, leg: trunk, digit: '#', duration });
    });
    assert_eq!(words(in_media), [TapWord::Digit { leg: trunk, digit: '#', duration }]);
    let end = Signal::Hangup(patchcord::model::Hangup::new(patchcord::model::Cause::Normal));
    let at_the_end = ladder.orders_of(|l| l.hear(trunk, end));
    assert_eq!(words(at_the_end), [TapWord::Over(patchcord::model::Cause::Normal)]);
}

#[test]
fn what_somebody_may_listen_to_goes_through_the_relay() {
    for (services, is_direct) in [(Services::default(), true), (recorded(true), false)] {
        let mut ladder = Ladder::from_browser_with(film_description("u"));
        ladder.services = services;
        let client = ladder.client("im:romeo");
        ladder.open(Action::Dial(vec![Ladder::attempt_by(MediaPolicy::Auto, "xmpp:romeo", vec![client])]));
        assert_eq!(ladder.graph.is_none(), is_direct);
    }
}
