//! What a call may have beside the two who talk: sounds that are played, and ears that listen along.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Cause;
use crate::base::LegId;

/// The longest name of a sound, in characters.
pub const LONGEST_SOUND_NAME: usize = 100;

/// What the dialplan adds to a call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Services {
    /// What the caller hears while a callee rings that sends no sound of its own.
    pub ring_back: Option<Sound>,
    /// What a party hears whom the other has put on hold.
    pub hold_music: Option<Sound>,
    /// What the caller hears before anybody rings.
    pub announcement: Option<Sound>,
    /// The talk is recorded from the answer on.
    pub record: Option<Recording>,
    /// A WebSocket that hears the talk from the answer on, and may speak.
    pub fork: Option<Fork>,
}

/// A WebSocket that listens along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// `ws://` or `wss://`.
    pub url: String,
    /// The rate of the samples that it hears and says, in hertz: one of [`Fork::RATES_HZ`].
    pub rate_hz: u32,
}

impl Fork {
    /// The rates that there are.
    pub const RATES_HZ: [u32; 4] = [8000, 16_000, 24_000, 48_000];
    /// The usual one.
    pub const USUAL_HZ: u32 = 16_000;
}

impl Services {
    /// Whether any of it needs the media of the call to go through the relay.
    pub fn need_relay(&self) -> bool {
        *self != Services::default()
    }
}

/// Something that can be played.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sound {
    /// A tone of the telephone network.
    Tone(Tone),
    /// A sound of the configuration, by its name.
    Named(String),
}

/// The tones that a relay makes by itself (ITU-T E.180).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// Somebody's telephone rings.
    Ringing,
    /// Somebody's line is busy.
    Busy,
    /// The call cannot be put through.
    Congestion,
    /// One beep: a recording goes on.
    Recording,
}

impl Tone {
    /// All of them.
    pub const ALL: [Tone; 4] = [Tone::Ringing, Tone::Busy, Tone::Congestion, Tone::Recording];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Tone::Ringing => "ringing",
            Tone::Busy => "busy",
            Tone::Congestion => "congestion",
            Tone::Recording => "recording",
        }
    }
}

impl fmt::Display for Sound {
    /// `music`, `tone:ringing`: as settings say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sound::Tone(tone) => write!(f, "tone:{}", tone.name()),
            Sound::Named(name) => f.write_str(name),
        }
    }
}

/// A sound that goes out of a leg.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Play {
    /// What.
    pub sound: Sound,
    /// Again and again; otherwise once, and then [`RelayEvent::Played`](super::RelayEvent::Played) tells of its end.
    pub repeats: bool,
}

/// How a talk is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The form of the file.
    pub format: RecordingFormat,
    /// What both parties hear first, so that they know of it.
    pub notice: Option<Sound>,
    /// It begins when a party asks for it, and not with the answer; either way a party may stop it only then.
    pub on_demand: bool,
}

/// The form of a recording: always two channels, the caller on the left and the callee on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingFormat {
    /// Linear samples (RIFF WAVE).
    Wav,
    /// Opus in Ogg (RFC 7845).
    Opus,
}

/// An ear that listens along; the number is the call's own and never used twice in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TapId(pub u32);

/// An ear in the graph of a call. It hears what comes in on both legs, each on a channel of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tap {
    /// Its number.
    pub id: TapId,
    /// The legs that it hears: left, right.
    pub legs: [Option<LegId>; 2],
    /// Where it goes.
    pub to: TapEnd,
}

/// Where a tap goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TapEnd {
    /// Into a file.
    File {
        /// Which, in the relay's folder of recordings.
        path: PathBuf,
        /// In which form.
        format: RecordingFormat,
    },
    /// To a WebSocket, which may speak too: what it says to a party is mixed with what the party hears of the other.
    WebSocket {
        /// `ws://` or `wss://`.
        url: String,
        /// The rate of its samples, in hertz: one of [`Fork::RATES_HZ`].
        rate_hz: u32,
    },
}

/// What the end of a tap is told beside what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TapWord {
    /// The party of a leg pressed a key, by whatever way it came.
    Digit {
        /// The leg.
        leg: LegId,
        /// One of `0-9*#A-D`.
        digit: char,
        /// How long it was held.
        duration: Duration,
    },
    /// The call is over.
    Over(Cause),
}
