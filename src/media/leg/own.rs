//! Speech of the relay's own making: a sound that is played, or what a fork says (mixed with the other party by
//! [`tap`](crate::media::tap)), encoded for one peer.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::media::bridge::transcode::packing::Packing;
use crate::media::bridge::{Pace, Target, formats};
use crate::media::codec::FRAME_MS;
use crate::media::sound::{Feed, Mouth, Player, Shelf};
use crate::model::{Codec, Play};

/// While nothing can be sent to the peer, it is looked so often whether something can.
const WAITS: Duration = Duration::from_millis(100);

enum Pcm {
    Sound(Play, Player),
    Words(Feed),
}

/// The formats that a peer takes, most wanted first, and how much speech it wants in a packet.
pub(super) type Taken<'a> = (&'a [Codec], Option<Duration>);

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
    /// A sound, in the format that the peer wants most of those that can be encoded; `None` if there is no such format.
    pub(super) fn sound(now: Instant, play: &Play, taken: Taken<'_>, sounds: &Shelf) -> Option<OwnSpeech> {
        OwnSpeech::new(now, taken, |rate_hz| {
            let sound = sounds.find(&play.sound);
            if sound.is_none() {
                warn!(sound = ?play.sound, "a sound that is to be played is not there, so there is silence");
            }
            Some(Pcm::Sound(play.clone(), Player::new(sound, rate_hz, play.repeats)))
        })
    }

    /// What is said into this mouth, likewise.
    pub(super) fn words(now: Instant, mouth: &Mouth, taken: Taken<'_>) -> Option<OwnSpeech> {
        OwnSpeech::new(now, taken, |rate_hz| mouth.feed(rate_hz).map(Pcm::Words))
    }

    fn new(now: Instant, (taken, ptime): Taken<'_>, pcm: impl FnOnce(u32) -> Option<Pcm>) -> Option<OwnSpeech> {
        let (payload_type, target) = formats::own_speech(taken)?;
        let target = target.paced(ptime);
        let pcm = pcm(target.rate_hz)?;
        let packing = Packing::new(&target);
        let mut pace = Pace::default();
        pace.begin(now);
        let frame = vec![0; (FRAME_MS * target.rate_hz / 1000) as usize];
        Some(OwnSpeech { pcm, payload_type, packing, frame, pace, target })
    }

    /// Whether it goes on as it is for a leg that plays this sound and whose peer takes these formats.
    pub(super) fn goes_on(&self, play: &Play, (taken, ptime): Taken<'_>) -> bool {
        let is_same = matches!(&self.pcm, Pcm::Sound(present, _) if present == play);
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
                Pcm::Words(feed) => {
                    feed.fill(&mut self.frame);
                }
            }
            self.packing.add(at, &self.frame);
        }
    }

    /// The peer reports that it missed so much lately, in 256ths.
    pub(super) fn heed_loss(&mut self, fraction: u8) {
        self.packing.heed_loss(fraction);
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
