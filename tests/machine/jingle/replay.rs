//! Recorded calls of real clients, played to the endpoint: what it says is what the drawing expects.

use patchcord::model::{Cause, Mid, Progress, Signal, Stage};

use super::*;
use crate::shared;

const NUMBER: &str = "+15550002@phone.localhost";

/// What a client sent in a recorded flow.
fn recorded(file: &str, client: &str) -> Option<Vec<Element>> {
    let (_, bytes) = shared::files("fixtures/jingle").into_iter().find(|(name, _)| name == file)?;
    let text = String::from_utf8(bytes).unwrap().replacen("<flow ", "<flow xmlns='jabber:client' ", 1);
    let flow: Element = text.parse().unwrap();
    let sent = flow.children().filter(|s| s.attr("dir") == Some("C>S") && s.attr("session") == Some(client));
    let stanzas = sent.map(|s| s.children().next().unwrap().clone());
    // What they acknowledged in the recording were not our requests: those are acknowledged one by one.
    let is_said = |s: &Element| matches!(s.attr("type"), Some("set" | "chat"));
    Some(stanzas.filter(is_said).collect())
}

/// A call as it is drawn.
struct Drawing {
    rig: Rig,
    client: String,
    /// Refuse what the client wants, and how.
    refusal: Option<Cause>,
    leg: Option<LegId>,
    lines: Vec<String>,
}

impl Drawing {
    fn new(client: &str) -> Drawing {
        let login = Login::Component { domain: "phone.localhost".into(), secret: Secret::new("secret") };
        let rig = Rig::with(login, "phone.localhost");
        Drawing { rig, client: client.into(), refusal: None, leg: None, lines: Vec::new() }
    }

    /// The client says what it said, to us.
    fn play(&mut self, stanza: &Element, sid: Option<(&str, &str)>) {
        if stanza.attr("to").is_some_and(|to| to.starts_with(self.client.split('/').next().unwrap())) {
            // To its own other devices.
            return;
        }
        let mut text = String::from(stanza);
        if let Some((theirs, ours)) = sid {
            text = text.replace(theirs, ours);
        }
        let stanza: Element = to_us(&text.parse().unwrap(), &self.client).parse().unwrap();
        self.lines.push(format!("─▶ {}", words(&stanza)));
        self.rig.handle(Input::Stanza { connection: ConnectionId(0), stanza });
        self.settle();
    }

    /// The call does what calls do, and the client acknowledges what we ask.
    fn settle(&mut self) {
        loop {
            let sent = self.rig.sent();
            let signals = std::mem::take(&mut self.rig.signals);
            if sent.is_empty() && signals.is_empty() {
                return;
            }
            for stanza in sent {
                let line = words(&stanza);
                let is_request = stanza.attr("type") == Some("set");
                self.lines.push(format!("◀─ {}", if line.starts_with("result") { "result" } else { &line }));
                if is_request {
                    self.rig.answer_to(&stanza, "result", "");
                }
            }
            for (leg, signal) in signals {
                self.react(leg, signal);
            }
        }
    }

    fn react(&mut self, leg: LegId, signal: Signal) {
        self.leg = Some(leg);
        self.lines.push(format!("     {}", name(&signal)));
        match (signal, self.refusal) {
            (Signal::Start(start), Some(cause)) if start.offer.is_none() => self.rig.say(leg, hangup(cause)),
            (Signal::Start(start), _) => match start.offer {
                None => self.rig.say(leg, Signal::Solicit(ExchangeId::heard(1))),
                Some(offer) => self.accept(leg, offer),
            },
            (Signal::Offer(_), Some(cause)) => self.rig.say(leg, hangup(cause)),
            (Signal::Offer(offer), None) => self.accept(leg, offer),
            _ => {}
        }
    }

    fn accept(&mut self, leg: LegId, offer: Offer) {
        let mut description = offer.description;
        for stream in &mut description.streams {
            stream.transport = super::offer().streams[0].transport.clone();
            stream.direction = stream.direction.reversed();
        }
        self.rig.say(leg, Signal::Progress(Progress { stage: Stage::Ringing, early_media: false }));
        let answer = Answer { exchange: offer.exchange, description, provisional: false };
        self.rig.say(leg, Signal::Answer(answer));
        self.rig.say(leg, Signal::Accept);
    }

    /// We hang up, if the call is still up.
    fn end(mut self) -> Vec<String> {
        if let Some(leg) = self.leg.filter(|_| !self.lines.iter().any(|l| l.contains("Hangup"))) {
            self.rig.say(leg, hangup(Cause::Normal));
            self.settle();
        }
        self.lines
    }
}

/// A recorded client calls us.
fn calls(file: &str, client: &str, refusal: Option<Cause>) -> Vec<String> {
    let mut drawing = Drawing::new(client);
    drawing.refusal = refusal;
    for stanza in recorded(file, client).unwrap_or_default() {
        drawing.play(&stanza, None);
    }
    drawing.end()
}

/// We call a recorded client, by its account or its device.
fn is_called(file: &str, client: &str, dialled: &str) -> Vec<String> {
    let Some(stanzas) = recorded(file, client) else { return Vec::new() };
    let mut drawing = Drawing::new(client);
    let theirs = sid_of(&stanzas[0]);
    let mut offer = super::offer();
    let content =
        |s: &Element| s.children().next()?.children().find(|c| c.name() == "content")?.attr("name").map(str::to_owned);
    if let Some(name) = stanzas.iter().find_map(content) {
        offer.streams[0].mid = Some(Mid(name));
        offer.groups.clear();
    }
    let leg = drawing.rig.dial(dialled, offer);
    drawing.leg = Some(leg);
    let first =
        drawing.rig.raw().into_iter().find(|s| s.name() != "presence" && s.children().all(|c| c.name() != "query"));
    let first = first.unwrap();
    let ours = sid_of(&first);
    drawing.lines.push(format!("◀─ {}", words(&first)));
    for stanza in stanzas.iter().filter(|s| sid_of(s) == theirs) {
        drawing.play(stanza, Some((&theirs, &ours)));
    }
    drawing.end()
}

/// A stanza of the client's as it reaches us, in text.
fn to_us(stanza: &Element, client: &str) -> String {
    let to_device = stanza.attr("to").is_some_and(|to| to.contains('/'));
    let to = if to_device { format!("{NUMBER}/patchcord") } else { NUMBER.to_owned() };
    let mut stanza = stanza.clone();
    for (name, value) in [("from", client), ("to", &to)] {
        let name = xmpp_parsers::minidom::rxml::NcName::try_from(name).unwrap();
        stanza.set_attr(xmpp_parsers::minidom::rxml::Namespace::NONE, name, value);
    }
    String::from(&stanza)
}

/// Compares with a drawing, if the recording is there.
fn assert_drawn(lines: &[String], drawing: &str) {
    let expected: Vec<&str> = drawing.trim_matches('\n').lines().collect();
    if !lines.is_empty() {
        assert_eq!(lines, expected, "\n{}", lines.join("\n"));
    }
}

#[test]
fn dino_dials_a_number_and_is_answered() {
    assert_drawn(
        &calls("dino-calls-component-PCMA.xml", "alice@localhost/dino.alice", None),
        "
─▶ propose audio
     Start
◀─ proceed +store
─▶ session-initiate audio
◀─ result
     Offer
◀─ session-info <ringing/>
◀─ session-accept audio
─▶ transport-info audio
◀─ result
     Candidates 1
─▶ transport-info audio
◀─ result
◀─ session-terminate success
◀─ finish success +store
",
    );
}

#[test]
fn dino_dials_a_number_without_message_initiation() {
    assert_drawn(
        &calls("dino-calls-component-direct.xml", "alice@localhost/dino.alice", None),
        "
─▶ session-initiate audio
◀─ result
     Start with offer
◀─ session-info <ringing/>
◀─ session-accept audio
◀─ session-terminate success
",
    );
}

#[test]
fn dino_dials_a_busy_number() {
    assert_drawn(
        &calls("dino-calls-component-jmi-busy.xml", "alice@localhost/dino.alice", Some(Cause::Busy)),
        "
─▶ propose audio
     Start
◀─ reject busy +store
",
    );
}

#[test]
fn dino_mutes_itself_and_hangs_up() {
    assert_drawn(
        &calls("dino-audio-accept-mute-hangup-by-caller.xml", "alice@localhost/dino.alice", None),
        "
─▶ propose audio
     Start
◀─ proceed +store
─▶ session-initiate audio
◀─ result
     Offer
◀─ session-info <ringing/>
◀─ session-accept audio
─▶ session-info <mute/>
◀─ result
     Mute true
─▶ session-info <unmute/>
◀─ result
     Mute false
─▶ session-terminate success
◀─ result
◀─ finish success +store
     Hangup normal
",
    );
}

#[test]
fn dino_calls_with_video() {
    assert_drawn(
        &calls("dino-video-accept.xml", "alice@localhost/dino.alice", None),
        "
─▶ propose audio video
     Start
◀─ proceed +store
─▶ session-initiate audio video
◀─ result
     Offer
◀─ session-info <ringing/>
◀─ session-accept audio video
─▶ session-terminate success
◀─ result
◀─ finish success +store
     Hangup normal
",
    );
}

#[test]
fn dino_gives_up_before_it_is_answered() {
    assert_drawn(
        &calls("dino-audio-retract.xml", "alice@localhost/dino.alice", None),
        "
─▶ propose audio
     Start
◀─ proceed +store
─▶ retract
     Hangup cancelled
",
    );
}

#[test]
fn the_scripted_client_calls_directly() {
    assert_drawn(
        &calls("jbot-calls-dino-direct.xml", "carol@localhost/jbot", None),
        "
─▶ session-initiate 0
◀─ result
     Start with offer
◀─ session-info <ringing/>
◀─ session-accept 0
─▶ session-terminate success
◀─ result
     Hangup normal
",
    );
}

#[test]
fn the_scripted_client_says_all_that_can_be_said_in_a_call() {
    assert_drawn(
        &calls("dino-mid-call-probes.xml", "carol@localhost/jbot", None),
        "
─▶ propose audio +store
     Start
◀─ proceed +store
─▶ session-initiate 0
◀─ result
     Offer
◀─ session-info <ringing/>
◀─ session-accept 0
─▶ session-info <hold/>
◀─ result
     Hold true
─▶ session-info <active/>
◀─ result
     Hold false
─▶ session-info
◀─ result
─▶ session-info <x/>
◀─ error feature-not-implemented unsupported-info
─▶ session-info <dtmf/>
◀─ error feature-not-implemented unsupported-info
─▶ content-modify 0
◀─ result
     Offer
─▶ content-modify 0
◀─ result
     Offer
─▶ description-info 0
◀─ result
─▶ transport-info 0
◀─ result
     Offer
─▶ content-add video
◀─ result
     Offer
◀─ content-accept video
─▶ session-terminate success
◀─ result
◀─ finish success +store
     Hangup normal
",
    );
}

#[test]
fn stanza_calls_with_sound() {
    assert_drawn(
        &calls("stanza-calls-dino.xml", "carol@localhost/stanza", None),
        "
─▶ session-initiate 0 <group/>
◀─ result
     Start with offer
◀─ session-info <ringing/>
◀─ session-accept 0 <group/>
─▶ transport-info 0
◀─ result
     Candidates 1
─▶ transport-info 0
◀─ result
     Candidates 1
─▶ transport-info 0
◀─ result
─▶ session-terminate success
◀─ result
     Hangup normal
",
    );
}

#[test]
fn stanza_calls_with_sound_and_pictures() {
    assert_drawn(
        &calls("stanza-browser-av.xml", "carol@localhost/stanza", None),
        "
─▶ session-initiate 0 1 <group/>
◀─ result
     Start with offer
◀─ session-info <ringing/>
◀─ session-accept 0 1 <group/>
─▶ transport-info 0
◀─ result
     Candidates 1
─▶ transport-info 1
◀─ result
     Candidates 1
─▶ transport-info 0
◀─ result
     Candidates 1
─▶ transport-info 1
◀─ result
     Candidates 1
─▶ transport-info 0
◀─ result
     Candidates 1
─▶ transport-info 1
◀─ result
     Candidates 1
─▶ transport-info 0
◀─ result
─▶ session-info <mute/>
◀─ result
     Mute true
─▶ session-info <unmute/>
◀─ result
     Mute false
─▶ session-terminate success
◀─ result
     Hangup normal
",
    );
}

#[test]
fn dino_is_called_and_answers() {
    assert_drawn(
        &is_called("component-calls-dino-PCMU.xml", "alice@localhost/dino.alice", "alice@localhost"),
        "
◀─ propose audio +store
─▶ proceed
◀─ session-initiate 0
─▶ session-accept 0
◀─ result
     Answer
     Accept
─▶ transport-info 0
◀─ result
     Candidates 1
─▶ transport-info 0
◀─ result
◀─ session-terminate success
◀─ finish success +store
",
    );
}

#[test]
fn dino_is_called_and_hangs_up() {
    assert_drawn(
        &is_called("component-calls-dino-hangup-by-dino.xml", "alice@localhost/dino.alice", "alice@localhost"),
        "
◀─ propose audio +store
─▶ proceed
◀─ session-initiate 0
─▶ session-accept 0
◀─ result
     Answer
     Accept
─▶ session-terminate success
◀─ result
◀─ finish success +store
     Hangup normal
",
    );
}

#[test]
fn dino_is_called_and_refuses() {
    assert_drawn(
        &is_called("component-calls-dino-reject.xml", "alice@localhost/dino.alice", "alice@localhost"),
        "
◀─ propose audio +store
─▶ reject
     Hangup busy
",
    );
}

#[test]
fn a_device_of_dino_is_called_directly() {
    assert_drawn(
        &is_called("jbot-calls-dino-direct.xml", "alice@localhost/dino.alice", "alice@localhost/dino.alice"),
        "
◀─ session-initiate 0
─▶ session-info <ringing/>
◀─ result
     Progress Ringing
─▶ session-accept 0
◀─ result
     Answer
     Accept
◀─ session-terminate success
",
    );
}

#[test]
fn stanza_is_called_directly() {
    assert_drawn(
        &is_called("dino-calls-stanza.xml", "bob@localhost/stanza", "bob@localhost/stanza"),
        "
◀─ session-initiate audio
─▶ session-info <ringing/>
◀─ result
     Progress Ringing
─▶ session-accept audio
◀─ result
     Answer
     Accept
─▶ transport-info audio
◀─ result
     Candidates 1
─▶ transport-info audio
◀─ result
◀─ session-terminate success
",
    );
}

#[test]
fn whatever_is_damaged_in_a_recorded_call_requests_are_answered_once_and_nothing_breaks() {
    let clients = [
        ("dino-calls-component-PCMA.xml", "alice@localhost/dino.alice"),
        ("dino-video-accept.xml", "alice@localhost/dino.alice"),
        ("dino-mid-call-probes.xml", "carol@localhost/jbot"),
        ("stanza-browser-av.xml", "carol@localhost/stanza"),
    ];
    for (file, client) in clients {
        let Some(stanzas) = recorded(file, client) else { return };
        let texts: Vec<String> = stanzas.iter().map(|s| to_us(s, client)).collect();
        for damaged in 0..texts.len() {
            for bytes in shared::mutations(damaged as u64, texts[damaged].as_bytes(), 40) {
                let Some(text) = String::from_utf8(bytes).ok().filter(|t| t.parse::<Element>().is_ok()) else {
                    continue;
                };
                play_damaged(client, &texts, damaged, &text);
            }
        }
    }
}

fn play_damaged(client: &str, texts: &[String], damaged: usize, text: &str) {
    let mut drawing = Drawing::new(client);
    let mut answers: Vec<String> = Vec::new();
    for (at, whole) in texts.iter().enumerate() {
        let stanza: Element = if at == damaged { text.parse() } else { whole.parse() }.unwrap();
        let id = stanza.attr("id").unwrap_or_default().to_owned();
        let is_request = stanza.name() == "iq" && at != damaged;
        drawing.rig.handle(Input::Stanza { connection: ConnectionId(0), stanza });
        let sent = drawing.rig.sent();
        let is_answer = |s: &&Element| s.name() == "iq" && matches!(s.attr("type"), Some("result" | "error"));
        let new: Vec<String> = sent.iter().filter(is_answer).map(|s| s.attr("id").unwrap().to_owned()).collect();
        assert!(new.len() <= 1, "{new:?} to {text}");
        assert!(!is_request || new == [id.clone()], "{id}: {new:?} beside {text}");
        answers.extend(new);
        drawing.settle();
    }
    drawing.end();
}
