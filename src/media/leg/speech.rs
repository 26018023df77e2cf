//! Speech that a leg makes by itself, a packet each twenty milliseconds: what it hears in another format than its peer
//! takes, or sounds of the relay's own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::frame::Frame;
use super::inward::Heard;
use super::own::{OwnSpeech, Taken};
use super::{Context, Leg};
use crate::media::bridge::{Route, Target, Transcoder};
use crate::media::codec::Speech;
use crate::media::codec::noise::Room;
use crate::media::outbox::Outbox;
use crate::media::shard::Outgoing;
use crate::media::tap::Turn;
use crate::model::{RelayEvent, RemoteEnd, Source};

/// So long after a packet of a keypad event that is passed on no speech is sent: the next may follow.
const EVENT_GOES_ON: Duration = Duration::from_millis(60);

/// Where the samples come from, with the encoder that they go to.
enum Voice {
    /// Another leg.
    Heard(Box<Transcoder>),
    /// The relay itself.
    Own(Box<OwnSpeech>),
}

impl Voice {
    fn encode(&mut self, out: &mut [u8]) -> Option<usize> {
        match self {
            Voice::Heard(transcoder) => transcoder.encode(out),
            Voice::Own(own) => own.encode(out),
        }
    }
}

/// What a leg needs for speaking by itself.
pub(super) struct Speaking {
    voice: Voice,
    /// How its packets go out.
    payload_type: u8,
    clock_hz: u32,
    /// The packet before went out, so that the next begins no talk spurt.
    goes_on: bool,
    /// The event that is passed on: its source and timestamp there, ours, and until when speech waits for it.
    event: Option<PassedEvent>,
    /// The shard has not been told yet that there is something to do.
    has_begun: bool,
}

#[derive(Clone, Copy)]
struct PassedEvent {
    source: (u32, u32),
    timestamp: u32,
    until: Instant,
}

impl Speaking {
    pub(super) fn new(target: &Target) -> Speaking {
        let clock_hz = target.speech.clock_hz();
        Speaking::of(Voice::Heard(Box::new(Transcoder::new(target.clone()))), 0, clock_hz)
    }

    fn own(own: OwnSpeech) -> Speaking {
        let (payload_type, clock_hz) = (own.payload_type(), own.clock_hz());
        Speaking { has_begun: true, ..Speaking::of(Voice::Own(Box::new(own)), payload_type, clock_hz) }
    }

    fn of(voice: Voice, payload_type: u8, clock_hz: u32) -> Speaking {
        Speaking { voice, payload_type, clock_hz, goes_on: false, event: None, has_begun: false }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.voice {
            Voice::Heard(transcoder) => transcoder.poll_timeout(),
            Voice::Own(own) => own.poll_timeout(),
        }
    }

    fn tick(&mut self, now: Instant, can_send: bool) -> Option<Instant> {
        match &mut self.voice {
            Voice::Heard(transcoder) => transcoder.tick(now),
            Voice::Own(own) => own.tick(now, can_send),
        }
    }

    /// The peer reports that it missed so much lately, in 256ths.
    pub(super) fn heed_loss(&mut self, fraction: u8) {
        match &mut self.voice {
            Voice::Heard(transcoder) => transcoder.heed_loss(fraction),
            Voice::Own(own) => own.heed_loss(fraction),
        }
    }

    fn take_end(&mut self) -> bool {
        match &mut self.voice {
            Voice::Heard(_) => false,
            Voice::Own(own) => own.take_end(),
        }
    }
}

impl Leg {
    /// Whether it speaks by itself since the last call of this, so that its deadline is another.
    pub fn has_begun_to_speak(&mut self) -> bool {
        let speaks = self.speaking.as_mut().is_some_and(|s| std::mem::take(&mut s.has_begun));
        self.filler.take_begun() || speaks
    }

    pub(super) fn is_speaking(&self) -> bool {
        self.speaking.as_ref().is_some_and(|s| s.poll_timeout().is_some())
    }

    /// Whether its peer hears speech of another leg in another format than it came in.
    pub fn is_transcoding(&self) -> bool {
        self.speaking.as_ref().is_some_and(|s| matches!(s.voice, Voice::Heard(_)) && s.poll_timeout().is_some())
    }

    pub(super) fn stop_speaking(&mut self) {
        if let Some(speaking) = self.speaking.as_mut().filter(|s| s.poll_timeout().is_some()) {
            if let Voice::Heard(transcoder) = &mut speaking.voice {
                transcoder.rest();
            }
            speaking.goes_on = false;
        }
    }

    /// Takes speech that is to go out in another format.
    pub(super) fn hear_speech(&mut self, now: Instant, speech: Speech, heard: &Heard, buffer: &[u8], route: Route) {
        let Some(payload) = buffer.get(heard.start..heard.end) else { return };
        let Some(speaking) = &mut self.speaking else { return };
        let Voice::Heard(transcoder) = &mut speaking.voice else { return };
        let was_resting = transcoder.poll_timeout().is_none();
        transcoder.hear(now, speech, heard.fields, payload);
        speaking.has_begun |= was_resting && transcoder.poll_timeout().is_some();
        speaking.payload_type = route.to;
    }

    /// The source of the speech that goes out in another format is silent in such a room.
    pub(super) fn quieten(&mut self, packet: crate::rtp::Fields, room: Room) {
        if let Some(Voice::Heard(transcoder)) = self.speaking.as_mut().map(|speaking| &mut speaking.voice) {
            transcoder.hear_noise(packet, room);
        }
    }

    /// Passes a packet of a keypad event on while the speech around it is our own: with our own numbers.
    pub(super) fn pass_event_amid_speech(
        &mut self,
        now: Instant,
        heard: &Heard,
        route: Route,
        to: SocketAddr,
        buffer: &mut [u8],
    ) -> Option<Outgoing> {
        let source = (heard.fields.ssrc, heard.fields.timestamp);
        let known = self.speaking.as_ref()?.event.filter(|event| event.source == source);
        let timestamp = match known {
            Some(event) => event.timestamp,
            None => self.track.timestamp_now(now, route.clock_hz),
        };
        let speaking = self.speaking.as_mut()?;
        speaking.event = Some(PassedEvent { source, timestamp, until: now + EVENT_GOES_ON });
        speaking.goes_on = false;
        let sequence = self.track.next_sequence();
        let (marker, payload_type, ssrc) = (known.is_none(), route.to, self.track.ssrc());
        let fields = crate::rtp::Fields { marker, payload_type, sequence, timestamp, ssrc };
        self.send_changed(fields, heard, route, to, buffer)
    }

    /// Sends the speech that is due.
    pub(super) fn speak(&mut self, cx: &mut Context) {
        if self.speaking.is_none() {
            return;
        }
        let can_send = self.target().is_some();
        while let Some(at) = self.speaking.as_mut().and_then(|s| s.tick(cx.now, can_send)) {
            self.speak_once(at, cx.outbox);
            self.tell_end(cx);
        }
    }

    /// Plays a sound, if that is what the leg hears: what it plays already goes on, and anything else begins. Nothing is
    /// left of what it is to hear no more.
    pub(super) fn speak_own(&mut self, cx: &mut Context) {
        if self.is_spoken_over {
            return;
        }
        let Source::Play(play) = &self.wants.hears else {
            self.speaking.take_if(|speaking| matches!(speaking.voice, Voice::Own(_)));
            return;
        };
        let taken = taken(self.remote.as_deref());
        let goes_on = |speaking: &Speaking| matches!(&speaking.voice, Voice::Own(own) if own.goes_on(play, taken));
        if self.speaking.as_deref().is_some_and(goes_on) {
            return;
        }
        let own = OwnSpeech::sound(cx.now, play, taken, cx.sounds);
        self.speaking = own.map(|own| Box::new(Speaking::own(own)));
        self.track.break_off();
        self.tell_end(cx);
    }

    /// A fork speaks, mixed with what the leg hears; or it is silent again.
    pub fn speak_over(&mut self, cx: &mut Context, turn: &Turn) {
        match turn {
            Turn::Begins(mouth) => {
                let Some(own) = OwnSpeech::words(cx.now, mouth, taken(self.remote.as_deref())) else { return };
                self.speaking = Some(Box::new(Speaking::own(own)));
                self.is_spoken_over = true;
                self.track.break_off();
            }
            Turn::Ends if self.is_spoken_over => {
                self.is_spoken_over = false;
                self.speaking = self.routes.target().map(|target| Box::new(Speaking::new(target)));
                self.track.break_off();
                self.speak_own(cx);
            }
            Turn::Ends => {}
        }
    }

    fn tell_end(&mut self, cx: &mut Context) {
        if self.speaking.as_mut().is_some_and(|speaking| speaking.take_end()) {
            cx.events.push_back(RelayEvent::Played { call: self.call, leg: self.id });
        }
    }

    fn speak_once(&mut self, at: Instant, outbox: &mut Outbox) {
        let target = self.target();
        let is_sounding = self.is_keying();
        let Some(mut speaking) = self.speaking.take() else { return };
        let event_goes_on = speaking.event.is_some_and(|event| at < event.until);
        match target.filter(|_| !is_sounding && !event_goes_on) {
            Some(to) => {
                let Speaking { voice, payload_type, clock_hz, goes_on, .. } = &mut *speaking;
                let frame = Frame { at, payload_type: *payload_type, clock_hz: *clock_hz };
                self.send_frame(outbox, to, frame, goes_on, |place| voice.encode(place));
            }
            None => speaking.goes_on = false,
        }
        self.speaking = Some(speaking);
    }
}

fn taken(remote: Option<&RemoteEnd>) -> Taken<'_> {
    remote.map_or((&[], None), |remote| (remote.codecs.as_slice(), remote.ptime))
}
