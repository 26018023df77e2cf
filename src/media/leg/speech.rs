//! Speech that goes out of a leg in another format than it was heard in: a packet each twenty milliseconds.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::inward::Heard;
use super::{Context, Leg};
use crate::media::bridge::{Route, Target, Transcoder};
use crate::media::codec::{MAX_PAYLOAD, Speech};
use crate::media::outbox::Outbox;
use crate::media::shard::Outgoing;
use crate::rtp::packet::FIXED_HEADER;

/// So long after a packet of a keypad event that is passed on no speech is sent: the next may follow.
const EVENT_GOES_ON: Duration = Duration::from_millis(60);

/// Room for the tag of the protection.
const TAG: usize = 32;

/// What a leg needs for speaking by itself.
pub(super) struct Speaking {
    transcoder: Transcoder,
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
        Speaking {
            transcoder: Transcoder::new(target.clone()),
            payload_type: 0,
            clock_hz: target.speech.clock_hz(),
            goes_on: false,
            event: None,
            has_begun: false,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.transcoder.poll_timeout()
    }
}

impl Leg {
    /// Whether it speaks by itself since the last call of this, so that its deadline is another.
    pub fn has_begun_to_speak(&mut self) -> bool {
        self.speaking.as_mut().is_some_and(|s| std::mem::take(&mut s.has_begun))
    }

    pub(super) fn is_speaking(&self) -> bool {
        self.speaking.as_ref().is_some_and(|s| s.poll_timeout().is_some())
    }

    pub(super) fn stop_speaking(&mut self) {
        if let Some(speaking) = self.speaking.as_mut().filter(|s| s.poll_timeout().is_some()) {
            speaking.transcoder.rest();
            speaking.goes_on = false;
        }
    }

    /// Takes speech that is to go out in another format.
    pub(super) fn hear_speech(&mut self, now: Instant, speech: Speech, heard: &Heard, buffer: &[u8], route: Route) {
        let Some(payload) = buffer.get(heard.start..heard.end) else { return };
        let Some(speaking) = &mut self.speaking else { return };
        let was_resting = speaking.poll_timeout().is_none();
        speaking.payload_type = route.to;
        speaking.transcoder.hear(now, speech, heard.fields, payload);
        speaking.has_begun |= was_resting && speaking.poll_timeout().is_some();
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
        while let Some(at) = self.speaking.as_mut().and_then(|s| s.transcoder.tick(cx.now)) {
            self.speak_once(at, cx.outbox);
        }
    }

    fn speak_once(&mut self, at: Instant, outbox: &mut Outbox) {
        let target = self.target();
        let is_sounding = self.keypad.is_sounding();
        let Some(speaking) = &mut self.speaking else { return };
        let event_goes_on = speaking.event.is_some_and(|event| at < event.until);
        let Some(to) = target.filter(|_| !is_sounding && !event_goes_on) else {
            speaking.goes_on = false;
            return;
        };
        let mut buffer = outbox.buffer();
        buffer.resize(FIXED_HEADER + MAX_PAYLOAD + TAG, 0);
        let encoded = buffer.get_mut(FIXED_HEADER..FIXED_HEADER + MAX_PAYLOAD);
        let Some(length) = encoded.and_then(|place| speaking.transcoder.encode(place)) else {
            speaking.goes_on = false;
            return outbox.put_back(buffer);
        };
        let marker = !std::mem::replace(&mut speaking.goes_on, true);
        let fields = self.track.frame(at, marker, speaking.payload_type, speaking.clock_hz);
        self.clock_hz = speaking.clock_hz;
        fields.write_new(&mut buffer);
        match self.link.seal.protect_rtp(&mut buffer, FIXED_HEADER + length) {
            Ok(whole) => {
                buffer.truncate(whole);
                self.track.count(length);
                outbox.push(self.link.wires.rtp, to, buffer);
            }
            Err(_) => outbox.put_back(buffer),
        }
    }
}
