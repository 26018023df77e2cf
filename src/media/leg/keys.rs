//! Keys of a keypad as tones in the speech of a leg: heard where the peer can send nothing else, and kept from those who
//! are told of them otherwise; said where the peer takes nothing else.

use std::time::{Duration, Instant};

use super::frame::Frame;
use super::inward::{Heard, news_of};
use super::{Context, Leg};
use crate::media::bridge::transcode::packing::Packing;
use crate::media::bridge::{Pace, Target, formats};
use crate::media::codec::{FRAME_MS, Speech};
use crate::media::dtmf::ear::Ear;
use crate::media::dtmf::tones::Tones;
use crate::model::GraphKeys;

/// A frame of Opus without anything to hear (RFC 6716 §3.1: 20 ms of CELT, one channel).
const OPUS_SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
/// G.711's octets of silence.
const ULAW_SILENCE: u8 = 0xff;
const ALAW_SILENCE: u8 = 0xd5;
/// The octet of G.722 after which, said again and again, the least is heard whatever came before.
const G722_SILENCE: u8 = 0xfa;

/// Tones that go out in place of speech.
struct Mouth {
    tones: Tones,
    packing: Packing,
    payload_type: u8,
    clock_hz: u32,
    frame: Vec<i16>,
    pace: Pace,
    goes_on: bool,
}

impl Mouth {
    fn new(now: Instant, (payload_type, target): (u8, Target)) -> Mouth {
        let (speech, rate_hz) = (target.speech, target.rate_hz);
        let mut pace = Pace::default();
        pace.begin(now);
        Mouth {
            // What decodes G.722 has to forget first what it heard from another encoder.
            tones: if speech == Speech::G722 { Tones::after_a_pause(rate_hz) } else { Tones::new(rate_hz) },
            packing: Packing::new(&target),
            payload_type,
            clock_hz: speech.clock_hz(),
            frame: vec![0; (FRAME_MS * rate_hz / 1000) as usize],
            pace,
            goes_on: false,
        }
    }
}

/// The tones of a leg.
#[derive(Default)]
pub(super) struct ToneKeys {
    ear: Option<Box<Ear>>,
    says: bool,
    /// There while a tone goes out, or the silence after it.
    mouth: Option<Box<Mouth>>,
}

impl ToneKeys {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let ear = self.ear.as_ref().and_then(|ear| ear.poll_timeout());
        let mouth = self.mouth.as_ref().and_then(|mouth| mouth.pace.poll_timeout());
        ear.into_iter().chain(mouth).min()
    }
}

impl Leg {
    /// Takes what the graph says of tones.
    pub(super) fn want_tones(&mut self, cx: &mut Context, keys: GraphKeys) {
        self.tones.says = keys.says_tones;
        match (&mut self.tones.ear, keys.hears_tones) {
            (None, true) => self.tones.ear = Some(Box::default()),
            (Some(ear), false) => {
                let over = ear.end();
                cx.events.extend(over.map(|key| news_of(self.call, self.id, key)));
                self.tones.ear = None;
            }
            _ => {}
        }
    }

    /// Whether a digit goes out: speech waits meanwhile.
    pub(super) fn is_keying(&self) -> bool {
        self.keypad.is_sounding() || self.tones.mouth.is_some()
    }

    /// Whether digits go out as tones.
    pub(super) fn says_tones(&self) -> bool {
        self.tones.says
    }

    /// Whether a tone comes in, whose end may have to be told though nothing comes any more.
    pub fn hears_a_tone(&self) -> bool {
        self.tones.ear.as_ref().is_some_and(|ear| ear.poll_timeout().is_some())
    }

    /// Listens to a packet of speech for keys, and takes away what is a tone: the payload is silence then.
    pub(super) fn hear_tones(&mut self, cx: &mut Context, heard: Heard, buffer: &mut [u8]) -> Heard {
        let Some(ear) = &mut self.tones.ear else { return heard };
        let Some(payload) = buffer.get_mut(heard.start..heard.end) else { return heard };
        let number = heard.fields.payload_type;
        let speech = || self.codecs.iter().find(|c| c.payload_type == number).and_then(Speech::of);
        let (call, leg) = (self.call, self.id);
        ear.hear(cx.now, heard.fields, payload, speech, |key| cx.events.push_back(news_of(call, leg, key)));
        if !ear.is_sounding() {
            return heard;
        }
        let length = speech().map_or(payload.len(), |speech| silence(speech, payload));
        Heard { end: heard.start + length, ..heard }
    }

    /// Queues a digit as a tone.
    pub(super) fn press_tone(&mut self, now: Instant, digit: char, duration: Duration) -> bool {
        if let (None, Some(remote)) = (&self.tones.mouth, &self.remote) {
            let own = formats::own_speech(&remote.codecs);
            let mouth = own.map(|(number, target)| Mouth::new(now, (number, target.paced(remote.ptime))));
            self.tones.mouth = mouth.map(Box::new);
        }
        self.tones.mouth.as_mut().is_some_and(|mouth| mouth.tones.press(digit, duration))
    }

    /// Does what is due of tones.
    pub(super) fn wake_tones(&mut self, cx: &mut Context) {
        let over = self.tones.ear.as_mut().and_then(|ear| ear.handle_timeout(cx.now));
        cx.events.extend(over.map(|key| news_of(self.call, self.id, key)));
        let Some(mut mouth) = self.tones.mouth.take() else { return };
        while let Some(at) = mouth.pace.tick(cx.now) {
            if mouth.tones.is_over() {
                return;
            }
            mouth.tones.fill(&mut mouth.frame);
            mouth.packing.add(at, &mouth.frame);
            while let Some(at) = mouth.packing.next_packet() {
                self.say_tone(cx, &mut mouth, at);
            }
        }
        self.tones.mouth = Some(mouth);
    }

    fn say_tone(&mut self, cx: &mut Context, mouth: &mut Mouth, at: Instant) {
        let Some(to) = self.target() else {
            mouth.goes_on = false;
            return;
        };
        let Mouth { packing, payload_type, clock_hz, goes_on, .. } = mouth;
        let frame = Frame { at, payload_type: *payload_type, clock_hz: *clock_hz };
        self.send_frame(cx.outbox, to, frame, goes_on, |place| packing.encode(place));
    }
}

/// Makes a payload one of silence; returns how long it is then.
fn silence(speech: Speech, payload: &mut [u8]) -> usize {
    let octet = match speech {
        Speech::Pcmu => ULAW_SILENCE,
        Speech::Pcma => ALAW_SILENCE,
        Speech::G722 => G722_SILENCE,
        Speech::Opus => {
            let place = payload.get_mut(..OPUS_SILENCE.len());
            return place.map_or(0, |place| {
                place.copy_from_slice(&OPUS_SILENCE);
                OPUS_SILENCE.len()
            });
        }
    };
    payload.fill(octet);
    payload.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::media::codec::{Decoder, Encoder, MAX_PAYLOAD};

    #[test]
    fn what_is_silenced_is_silent_in_every_format_whatever_came_before() {
        for speech in [Speech::Pcmu, Speech::Pcma, Speech::G722, Speech::Opus] {
            let rate_hz = speech.rate_hz().unwrap_or(16_000);
            let mut tones = Tones::new(rate_hz);
            tones.press('7', Duration::from_secs(1));
            let mut encoder = Encoder::new(speech, rate_hz, None).unwrap();
            let mut decoder = Decoder::new(speech, 8000).unwrap();
            let (mut frame, mut payload) = (vec![0; rate_hz as usize / 50], [0; MAX_PAYLOAD]);
            let (mut loud, mut quiet) = (Vec::new(), Vec::new());
            for number in 0..20 {
                tones.fill(&mut frame);
                let length = encoder.encode(&frame, &mut payload).unwrap();
                if number < 10 {
                    assert!(decoder.decode(&payload[..length], &mut loud));
                } else {
                    let length = silence(speech, &mut payload[..length]);
                    assert!(decoder.decode(&payload[..length], &mut quiet));
                }
            }
            let power =
                |samples: &[i16]| samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
            let decibels = 10.0 * (power(&loud[800..]) / power(&quiet[160..]).max(1e-3)).log10();
            assert!(decibels > 30.0, "{speech:?}: {decibels}");
        }
    }
}
