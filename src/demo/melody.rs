//! What the demo trunk plays: a melody, chords behind it, and a goodbye.

use std::f32::consts::TAU;

use super::g711::SAMPLE_RATE;

/// One note.
#[derive(Debug, Clone, Copy)]
struct Note {
    /// MIDI's number: 69 is 440 Hz.
    pitch: u8,
    /// When it begins, in beats.
    beat: f32,
    /// How long it is held, in beats.
    beats: f32,
}

const fn note(pitch: u8, beat: f32, beats: f32) -> Note {
    Note { pitch, beat, beats }
}

/// The first line of Beethoven's Ode to Joy, with a bass.
const GREETING: [Note; 19] = [
    note(76, 0.0, 1.0),
    note(76, 1.0, 1.0),
    note(77, 2.0, 1.0),
    note(79, 3.0, 1.0),
    note(79, 4.0, 1.0),
    note(77, 5.0, 1.0),
    note(76, 6.0, 1.0),
    note(74, 7.0, 1.0),
    note(72, 8.0, 1.0),
    note(72, 9.0, 1.0),
    note(74, 10.0, 1.0),
    note(76, 11.0, 1.0),
    note(76, 12.0, 1.5),
    note(74, 13.5, 0.5),
    note(74, 14.0, 2.0),
    note(60, 0.0, 4.0),
    note(55, 4.0, 4.0),
    note(57, 8.0, 4.0),
    note(55, 12.0, 4.0),
];

/// Chords in a loop: C, a minor, F, G.
const CHORDS: [Note; 12] = [
    note(60, 0.0, 4.0),
    note(64, 0.5, 3.5),
    note(67, 1.0, 3.0),
    note(57, 4.0, 4.0),
    note(64, 4.5, 3.5),
    note(72, 5.0, 3.0),
    note(53, 8.0, 4.0),
    note(65, 8.5, 3.5),
    note(69, 9.0, 3.0),
    note(55, 12.0, 4.0),
    note(62, 12.5, 3.5),
    note(71, 13.0, 3.0),
];

/// Three notes down.
const GOODBYE: [Note; 3] = [note(79, 0.0, 1.0), note(76, 1.0, 1.0), note(72, 2.0, 2.0)];

/// Something to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Melody {
    /// The melody once, then the chords in a loop, softly.
    Greeting,
    /// The last notes.
    Goodbye,
}

/// Samples of one beat: 0.36 s.
const BEAT: u32 = SAMPLE_RATE * 36 / 100;
/// Beats of the melody, and of one round of the chords.
const BAR_BEATS: u32 = 16;

impl Melody {
    /// The sample at this place, between -1 and 1.
    pub fn sample(self, at: u64) -> f32 {
        let round = u64::from(BEAT * BAR_BEATS);
        let (notes, at, loudness): (&[Note], u64, f32) = match self {
            Melody::Greeting if at < round => (&GREETING, at, 0.30),
            Melody::Greeting => (&CHORDS, at % round, 0.12),
            Melody::Goodbye => (&GOODBYE, at, 0.30),
        };
        let beat = at as f32 / BEAT as f32;
        loudness * notes.iter().map(|n| n.sample(beat)).sum::<f32>()
    }

    /// Samples until the end; `None`: it has none.
    pub fn length(self) -> Option<u64> {
        match self {
            Melody::Greeting => None,
            Melody::Goodbye => Some(u64::from(4 * BEAT)),
        }
    }
}

impl Note {
    /// A struck string: a quick attack, a slow decay, two overtones.
    fn sample(&self, beat: f32) -> f32 {
        let (since, left) = (beat - self.beat, self.beat + self.beats - beat);
        if since < 0.0 || left <= 0.0 {
            return 0.0;
        }
        let seconds = |beats: f32| beats * BEAT as f32 / SAMPLE_RATE as f32;
        let (since, left) = (seconds(since), seconds(left));
        let envelope = (since / 0.01).min(1.0) * (left / 0.03).min(1.0) * (-2.0 * since).exp();
        let hertz = 440.0 * ((f32::from(self.pitch) - 69.0) / 12.0).exp2();
        let turn = TAU * hertz * since;
        envelope * (turn.sin() + 0.3 * (2.0 * turn).sin() + 0.1 * (3.0 * turn).sin())
    }
}
