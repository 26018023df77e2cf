//! Random scripts: whatever a peer and a call say to each other in whatever order, every request is answered once,
//! every leg begins once and ends once, and nothing is said after the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use patchcord::base::{Dice, ExchangeId};
use patchcord::model::{Cause, Offer, Progress, Signal, Stage};

use super::*;

/// What is known of a leg from outside.
#[derive(Default)]
struct Seen {
    heard_ends: usize,
    said_end: bool,
    /// Offers that we heard and have not answered.
    open: Option<ExchangeId>,
}

struct Script {
    rig: Rig,
    dice: Dice,
    legs: BTreeMap<LegId, Seen>,
    sids: Vec<String>,
    /// Requests of the peer that are not answered.
    unanswered: BTreeSet<String>,
    /// Requests of ours that the peer may answer.
    ours: Vec<Element>,
    exchanges: u32,
    /// How often we said what.
    said: BTreeMap<String, usize>,
}

impl Script {
    fn new(seed: u64) -> Script {
        let mut rig = Rig::new();
        // Two scripts of three begin with a call that is up, by either side.
        let up = match seed % 3 {
            0 => None,
            1 => Some((rig.up_call(), SID.to_owned())),
            _ => Some(rig.called_up()),
        };
        let (leg, sid) = up.unzip();
        Script {
            rig,
            dice: Dice::for_test(seed),
            legs: leg.into_iter().map(|leg| (leg, Seen::default())).collect(),
            sids: ["a".to_owned(), "b".to_owned()].into_iter().chain(sid).collect(),
            unanswered: BTreeSet::new(),
            ours: Vec::new(),
            exchanges: 1,
            said: BTreeMap::new(),
        }
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.dice.below(of.len() as u32) as usize].clone()
    }

    fn step(&mut self) {
        match self.dice.below(10) {
            0..=3 => self.peer_asks(),
            4 => self.peer_says(),
            5 => self.peer_answers(),
            6..=8 => self.call_says(),
            _ => self.world_turns(),
        }
        self.look();
    }

    fn peer_asks(&mut self) {
        let actions = [
            "session-initiate",
            "session-accept",
            "session-terminate",
            "session-info",
            "transport-info",
            "content-add",
            "content-accept",
            "content-reject",
            "content-remove",
            "content-modify",
            "transport-replace",
            "made-up",
        ];
        let contents = [
            content("audio", "actpass"),
            content("0", "active"),
            content("1", "active"),
            content("video", "actpass"),
            candidate("audio", "ufraudio", Some(9)),
            candidate("0", "other", None),
            "<content creator='initiator' name='0' senders='initiator'/>".into(),
            "<content creator='responder' name='video' senders='none'/>".into(),
            "<hold xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>".into(),
            "<reason><busy/></reason>".into(),
            String::new(),
        ];
        let (action, inner, sid) = (self.pick(&actions), self.pick(&contents), self.sid());
        let from = self.pick(&[PEER, PEER, PEER, "romeo@montague.lit/balcony"]);
        let id = self.rig.jingle_from(from, OURS, action, &sid, &inner);
        self.unanswered.insert(id);
    }

    fn peer_says(&mut self) {
        let sid = self.sid();
        let word = self.pick(&["propose", "ringing", "proceed", "reject", "retract", "finish", "accept"]);
        if word == "propose" {
            self.rig.propose(&sid);
        } else {
            self.rig.word(word, &sid);
        }
    }

    fn peer_answers(&mut self) {
        if self.ours.is_empty() {
            return;
        }
        let at = self.dice.below(self.ours.len() as u32) as usize;
        let request = self.ours.swap_remove(at);
        if self.dice.below(4) == 0 {
            let error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
            self.rig.answer_to(&request, "error", error);
        } else if request.name() == "iq" {
            self.rig.answer_to(&request, "result", "");
        }
    }

    fn call_says(&mut self) {
        if self.legs.is_empty() || self.dice.below(8) == 0 {
            let contact = self.pick(&["romeo@montague.lit", PEER]);
            let leg = self.rig.dial(contact, offer());
            self.legs.entry(leg).or_default();
            return;
        }
        let legs: Vec<LegId> = self.legs.iter().filter(|(_, s)| !s.said_end).map(|(leg, _)| *leg).collect();
        if legs.is_empty() {
            return;
        }
        let leg = self.pick(&legs);
        let open = self.legs[&leg].open;
        self.exchanges += 1;
        let signal = match self.dice.below(14) {
            0 => Signal::Progress(Progress { stage: Stage::Ringing, early_media: false }),
            1 => Signal::Solicit(ExchangeId::heard(1)),
            2 => Signal::Answer(answer(open.unwrap_or(ExchangeId::heard(1)), &["audio", "-video"])),
            3 => Signal::Accept,
            4 => {
                let mut description = if self.dice.below(2) == 0 { offer() } else { offer_with_video() };
                let stream = &mut description.streams[0];
                match self.dice.below(3) {
                    0 => stream.direction = patchcord::model::Direction::SendOnly,
                    1 => stream.transport.ice.iter_mut().for_each(|ice| ice.ufrag = "anew".into()),
                    _ => {}
                }
                Signal::Offer(Offer { exchange: ExchangeId::said(self.exchanges), description })
            }
            5 => Signal::Refuse { exchange: open.unwrap_or(ExchangeId::heard(1)), cause: Cause::NotSupported },
            6 => Signal::Hold(self.dice.below(2) == 0),
            7 => Signal::Mute(self.dice.below(2) == 0),
            8 => hangup(Cause::Normal),
            _ => Signal::Answer(answer(open.unwrap_or(ExchangeId::heard(1)), &["audio", "video"])),
        };
        if matches!(signal, Signal::Hangup(_))
            && let Some(seen) = self.legs.get_mut(&leg)
        {
            seen.said_end = true;
        }
        self.rig.say(leg, signal);
    }

    fn world_turns(&mut self) {
        match self.dice.below(6) {
            0 => self.rig.down(),
            1 => self.rig.up("phone.example.org", false),
            _ => {
                let seconds = u64::from(self.dice.below(20));
                self.rig.advance(Duration::from_secs(seconds));
            }
        }
    }

    fn sid(&mut self) -> String {
        let sids = self.sids.clone();
        self.pick(&sids)
    }

    /// Takes in what was said, and holds it to the rules.
    fn look(&mut self) {
        for (leg, signal) in std::mem::take(&mut self.rig.signals) {
            let is_new = matches!(signal, Signal::Start(_));
            assert!(!is_new || !self.legs.contains_key(&leg), "{leg} begins twice");
            let seen = self.legs.entry(leg).or_default();
            assert!(seen.heard_ends == 0, "{leg} says {} after its end", name(&signal));
            // What is under way when the call hangs up may still be heard; the end itself may not.
            match signal {
                Signal::Hangup(_) => {
                    assert!(!seen.said_end, "{leg} is ended by both");
                    seen.heard_ends += 1;
                    seen.said_end = true;
                }
                Signal::Offer(offer) => seen.open = Some(offer.exchange),
                _ => {}
            }
        }
        for stanza in self.rig.sent() {
            let kind = stanza.attr("type").unwrap_or_default().to_owned();
            let id = stanza.attr("id").unwrap_or_default().to_owned();
            *self.said.entry(words(&stanza).split(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
            match (stanza.name(), kind.as_str()) {
                ("iq", "result" | "error") => assert!(self.unanswered.remove(&id), "{id} is answered twice"),
                ("iq", "set") => {
                    self.sids.push(sid_of(&stanza));
                    self.ours.push(stanza);
                }
                ("message", "chat") => {
                    let sid = sid_of(&stanza);
                    self.sids.push(sid);
                    self.ours.push(stanza);
                }
                _ => {}
            }
        }
        if self.sids.len() > 12 {
            self.sids.drain(3..7);
        }
    }

    /// Everybody hangs up, and time passes.
    fn end(&mut self) {
        self.rig.up("phone.example.org", false);
        self.look();
        let legs: Vec<LegId> = self.legs.iter().filter(|(_, s)| !s.said_end).map(|(leg, _)| *leg).collect();
        for leg in legs {
            self.rig.say(leg, hangup(Cause::Normal));
            self.legs.entry(leg).or_default().said_end = true;
        }
        self.look();
        self.rig.advance(Duration::from_secs(600));
        assert!(self.rig.signals.is_empty(), "{:?}", self.rig.heard());
        assert!(self.rig.sent().is_empty());
        assert_eq!(self.rig.endpoint.poll_timeout(), None);
    }
}

#[test]
fn every_request_is_answered_once_and_every_leg_ends_once() {
    for seed in 0..120 {
        let mut script = Script::new(seed);
        for _ in 0..120 {
            script.step();
        }
        script.end();
        // What came while the stream was down was not heard at all.
        assert!(script.unanswered.len() <= 120, "{seed}");
    }
}

#[test]
fn with_a_stream_that_stays_every_request_is_answered() {
    let mut said: BTreeSet<String> = BTreeSet::new();
    for seed in 1000..1080 {
        let mut script = Script::new(seed);
        for _ in 0..120 {
            match script.dice.below(10) {
                0..=3 => script.peer_asks(),
                4 => script.peer_says(),
                5 | 6 => script.peer_answers(),
                _ => script.call_says(),
            }
            script.look();
            assert!(script.unanswered.is_empty(), "{seed}: {:?}", script.unanswered);
        }
        script.end();
        said.extend(script.said.into_keys());
    }
    for word in [
        "propose",
        "proceed",
        "reject",
        "retract",
        "finish",
        "session-initiate",
        "session-accept",
        "session-terminate",
        "session-info",
        "content-add",
        "content-accept",
        "content-reject",
        "content-modify",
        "error",
        "result",
    ] {
        assert!(said.contains(word), "the scripts come as far as {word}: {said:?}");
    }
}
