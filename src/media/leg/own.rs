//! Speech of the relay's own making: a sound that is played, or what a fork says over what the other party says,
//! encoded for one peer.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::media::bridge::transcode::packing::Packing;
use crate::media::bridge::{Listening, Pace, Target, formats};
use crate::media::codec::{FRAME_MS, Speech};
use crate::media::sound::{Feed, Mouth, Player, Shelf};
use crate::model::{Codec, Play, Source, TapId};
use crate::rtp::Fields;

/// While nothing can be sent to the peer, it is looked so often whether something can.
const WAITS: Duration = Duration::from_millis(100);

enum Pcm {
    Sound(Play, Player),
    Fork(Box<Fork>),
}

/// Two who speak at once.
struct Fork {
    tap: TapId,
    feed: Option<Feed>,
    said: Vec<i16>,
    listening: Listening,
}

impl Fork {
    fn fill(&mut self, at: Instant, frame: &mut [i16]) {
        self.listening.fill(at);
        frame.copy_from_slice(self.listening.frame());
        self.said.resize(frame.len(), 0);
        if self.feed.as_mut().is_some_and(|feed| feed.fill(&mut self.said)) {
            frame.iter_mut().zip(&self.said).for_each(|(sample, said)| *sample = sample.saturating_add(*said));
        }
    }
}

/// Samples that are made here, and the encoder for the peer.
pub(super) struct OwnSpeech {
    pcm: Pcm,
    payload_type: u8,
    target: Target,
    packing: Packing,
    frame: Vec<i16>,
    pace: Pace,
}

impl OwnSpeech {
    /// What a leg is to say that hears this source, in the format that its peer wants most of those that can be
    /// encoded; `None` if the source is another leg or nothing, or if there is no such format.
    pub(super) fn new(
        now: Instant,
        source: &Source,
        (taken, ptime): (&[Codec], Option<Duration>),
        sounds: &Shelf,
        mouth: Option<&Mouth>,
    ) -> Option<OwnSpeech> {
        let (payload_type, target) = formats::own_speech(taken)?;
        let target = target.paced(ptime);
        let pcm = match source {
            Source::Play(play) => {
                let sound = sounds.find(&play.sound);
                if sound.is_none() {
                    warn!(sound = ?play.sound, "a sound that is to be played is not there, so there is silence");
                }
                Pcm::Sound(play.clone(), Player::new(sound, target.rate_hz, play.repeats))
            }
            Source::Fork(tap) => Pcm::Fork(Box::new(Fork {
                tap: *tap,
                feed: mouth.and_then(|mouth| mouth.feed(target.rate_hz)),
                said: Vec::new(),
                listening: Listening::new(target.rate_hz),
            })),
            Source::Nothing | Source::Leg(_) | Source::Echo => return None,
        };
        let packing = Packing::new(&target);
        let mut pace = Pace::default();
        pace.begin(now);
        let frame = vec![0; (FRAME_MS * target.rate_hz / 1000) as usize];
        Some(OwnSpeech { pcm, payload_type, packing, frame, pace, target })
    }

    /// Whether it goes on as it is for a leg that hears this source and whose peer takes these formats.
    pub(super) fn goes_on(&self, source: &Source, (taken, ptime): (&[Codec], Option<Duration>)) -> bool {
        let is_same = match (&self.pcm, source) {
            (Pcm::Sound(present, _), Source::Play(play)) => present == play,
            (Pcm::Fork(fork), Source::Fork(tap)) => fork.tap == *tap && fork.feed.is_some(),
            _ => false,
        };
        let same_format = |(payload_type, target): (u8, Target)| {
            payload_type == self.payload_type && target.paced(ptime) == self.target
        };
        is_same && formats::own_speech(taken).is_some_and(same_format)
    }

    pub(super) fn payload_type(&self) -> u8 {
        self.payload_type
    }

    pub(super) fn clock_hz(&self) -> u32 {
        self.target.speech.clock_hz()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.pace.poll_timeout()
    }

    /// The time of the packet that is due at `now`, whose samples [`OwnSpeech::encode`] then encodes. Nothing
    /// moves on while the peer cannot be reached.
    pub(super) fn tick(&mut self, now: Instant, can_send: bool) -> Option<Instant> {
        if !can_send {
            if self.pace.poll_timeout().is_some_and(|at| at <= now) {
                self.pace.rest();
                self.pace.begin(now + WAITS);
            }
            return None;
        }
        loop {
            if let Some(at) = self.packing.next_packet() {
                return Some(at);
            }
            let at = self.pace.tick(now)?;
            match &mut self.pcm {
                Pcm::Sound(_, player) => player.fill(&mut self.frame),
                Pcm::Fork(fork) => fork.fill(at, &mut self.frame),
            }
            self.packing.add(at, &self.frame);
        }
    }

    /// The peer reports that it missed so much lately, in 256ths.
    pub(super) fn heed_loss(&mut self, fraction: u8) {
        self.packing.heed_loss(fraction);
    }

    /// Takes a packet of the party that speaks too.
    pub(super) fn hear(&mut self, now: Instant, speech: Speech, fields: Fields, payload: &[u8]) {
        if let Pcm::Fork(fork) = &mut self.pcm {
            fork.listening.hear(now, speech, fields, payload);
        }
    }

    /// Encodes what the last tick brought; returns the length of the payload in `out`. `None` in silence that needs
    /// no packet.
    pub(super) fn encode(&mut self, out: &mut [u8]) -> Option<usize> {
        self.packing.encode(out)
    }

    /// Whether the sound has come to its end; `true` once.
    pub(super) fn take_end(&mut self) -> bool {
        let is_over =
            self.pace.poll_timeout().is_some() && matches!(&self.pcm, Pcm::Sound(_, player) if player.is_over());
        if is_over {
            self.pace.rest();
        }
        is_over
    }
}
