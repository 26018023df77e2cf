//! What happens on a number, and when.
//!
//! ```text
//!             Ringing ──▶ Early ──▶ Talking ──▶ Goodbye ──▶ Over
//!   refused ◀────┘           caller gives up, or hangs up: Over from anywhere
//! ```

use std::time::{Duration, Instant};

use super::g711::SAMPLE_RATE;
use super::melody::Melody;
use super::number::Plot;
use super::sound::Sound;

/// How long the phone rings before the ring-back is audible.
pub const SILENT_RING: Duration = Duration::from_millis(300);
/// How long the ring-back is audible before somebody answers.
pub const EARLY_MEDIA: Duration = Duration::from_secs(3);
/// How long somebody thinks before declining.
pub const THINK: Duration = Duration::from_secs(1);
/// After this long without an answer the network gives up, with 480.
pub const RING_LIMIT: Duration = Duration::from_secs(180);
/// How long [`Plot::Brief`] talks.
pub const BRIEF: Duration = Duration::from_secs(2);
/// The longest talk.
pub const TALK_LIMIT: Duration = Duration::from_secs(600);
/// The key that ends the talk of [`Plot::Greeting`].
pub const GOODBYE_KEY: char = '#';

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// 180.
    Ring,
    /// 183 with an answer.
    EarlyMedia,
    /// 200.
    Answer,
    /// A final refusal with this status.
    Refuse(u16),
    /// BYE.
    HangUp,
    /// From now on this is heard.
    Play(Sound),
    /// From now on the caller hears himself.
    Echo,
    /// This key is read back.
    ReadBack(char),
}

/// One call's script.
#[derive(Debug)]
pub struct Script {
    plot: Plot,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Until `then`.
    Ringing {
        then: Instant,
    },
    /// Until it is answered.
    Early {
        answer: Instant,
    },
    /// Until the limit.
    Talking {
        ends: Instant,
    },
    /// Until the last note has been heard.
    Goodbye {
        ends: Instant,
    },
    Over,
}

impl Script {
    /// A call comes in: what is done first.
    pub fn begin(now: Instant, plot: Plot) -> (Script, Vec<Step>) {
        let (state, steps) = match plot {
            Plot::Greeting => (State::Ringing { then: now + SILENT_RING }, vec![Step::Ring]),
            Plot::NoAnswer => (State::Ringing { then: now + RING_LIMIT }, vec![Step::Ring]),
            Plot::Decline => (State::Ringing { then: now + THINK }, vec![Step::Ring]),
            Plot::Busy => (State::Over, vec![Step::Refuse(486)]),
            Plot::Unknown => (State::Over, vec![Step::Refuse(404)]),
            Plot::Echo => (State::Talking { ends: now + TALK_LIMIT }, vec![Step::Answer, Step::Echo]),
            Plot::Tone => (State::Talking { ends: now + TALK_LIMIT }, vec![Step::Answer, Step::Play(Sound::Tone)]),
            Plot::Brief => {
                let melody = Sound::Music(Melody::Greeting);
                (State::Talking { ends: now + BRIEF }, vec![Step::Answer, Step::Play(melody)])
            }
        };
        (Script { plot, state }, steps)
    }

    /// When [`Script::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Ringing { then } => Some(then),
            State::Early { answer } => Some(answer),
            State::Talking { ends } | State::Goodbye { ends } => Some(ends),
            State::Over => None,
        }
    }

    /// Time has come to `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Step> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Vec::new();
        }
        let (state, steps) = match (&self.state, self.plot) {
            (State::Ringing { .. }, Plot::Greeting) => {
                (State::Early { answer: now + EARLY_MEDIA }, vec![Step::EarlyMedia, Step::Play(Sound::RingBack)])
            }
            (State::Ringing { .. }, Plot::Decline) => (State::Over, vec![Step::Refuse(603)]),
            (State::Ringing { .. }, _) => (State::Over, vec![Step::Refuse(480)]),
            (State::Early { .. }, _) => {
                let melody = Sound::Music(Melody::Greeting);
                (State::Talking { ends: now + TALK_LIMIT }, vec![Step::Answer, Step::Play(melody)])
            }
            (State::Talking { .. }, Plot::Greeting) => self.goodbye(now),
            (State::Talking { .. } | State::Goodbye { .. }, _) => (State::Over, vec![Step::HangUp]),
            (State::Over, _) => return Vec::new(),
        };
        self.state = state;
        steps
    }

    /// The caller pressed a key.
    pub fn handle_key(&mut self, now: Instant, key: char) -> Vec<Step> {
        if !matches!((&self.state, self.plot), (State::Talking { .. }, Plot::Greeting)) {
            return Vec::new();
        }
        if key != GOODBYE_KEY {
            return vec![Step::ReadBack(key)];
        }
        let (state, steps) = self.goodbye(now);
        self.state = state;
        steps
    }

    fn goodbye(&self, now: Instant) -> (State, Vec<Step>) {
        let samples = Melody::Goodbye.length().unwrap_or_default();
        let ends = now + Duration::from_millis(samples * 1000 / u64::from(SAMPLE_RATE));
        (State::Goodbye { ends }, vec![Step::Play(Sound::Music(Melody::Goodbye))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that happens until nothing more does, with the time since the call came.
    fn told(plot: Plot) -> Vec<(Duration, Step)> {
        let begin = Instant::now();
        let (mut script, steps) = Script::begin(begin, plot);
        let mut told: Vec<_> = steps.into_iter().map(|s| (Duration::ZERO, s)).collect();
        while let Some(due) = script.poll_timeout() {
            told.extend(script.handle_timeout(due).into_iter().map(|s| (due - begin, s)));
        }
        told
    }

    #[test]
    fn the_greeting_rings_audibly_answers_and_says_goodbye_after_the_limit() {
        let answered = SILENT_RING + EARLY_MEDIA;
        let goodbye = answered + TALK_LIMIT;
        assert_eq!(
            told(Plot::Greeting),
            [
                (Duration::ZERO, Step::Ring),
                (SILENT_RING, Step::EarlyMedia),
                (SILENT_RING, Step::Play(Sound::RingBack)),
                (answered, Step::Answer),
                (answered, Step::Play(Sound::Music(Melody::Greeting))),
                (goodbye, Step::Play(Sound::Music(Melody::Goodbye))),
                (goodbye + Duration::from_millis(1440), Step::HangUp),
            ]
        );
    }

    #[test]
    fn the_numbers_that_are_not_answered_end_with_their_status() {
        assert_eq!(told(Plot::Busy), [(Duration::ZERO, Step::Refuse(486))]);
        assert_eq!(told(Plot::Unknown), [(Duration::ZERO, Step::Refuse(404))]);
        assert_eq!(told(Plot::Decline), [(Duration::ZERO, Step::Ring), (THINK, Step::Refuse(603))]);
        assert_eq!(told(Plot::NoAnswer), [(Duration::ZERO, Step::Ring), (RING_LIMIT, Step::Refuse(480))]);
    }

    #[test]
    fn the_numbers_that_answer_at_once_hang_up_in_the_end() {
        for (plot, second, end) in [
            (Plot::Echo, Step::Echo, TALK_LIMIT),
            (Plot::Tone, Step::Play(Sound::Tone), TALK_LIMIT),
            (Plot::Brief, Step::Play(Sound::Music(Melody::Greeting)), BRIEF),
        ] {
            assert_eq!(
                told(plot),
                [(Duration::ZERO, Step::Answer), (Duration::ZERO, second), (end, Step::HangUp)],
                "{plot:?}"
            );
        }
    }

    #[test]
    fn keys_are_read_back_while_talking_only_and_the_last_one_says_goodbye() {
        let begin = Instant::now();
        let (mut script, _) = Script::begin(begin, Plot::Greeting);
        assert_eq!(script.handle_key(begin, '5'), []);
        script.handle_timeout(begin + SILENT_RING);
        let talking = begin + SILENT_RING + EARLY_MEDIA;
        script.handle_timeout(talking);
        assert_eq!(script.handle_key(talking, '5'), [Step::ReadBack('5')]);
        assert_eq!(script.handle_key(talking, '#'), [Step::Play(Sound::Music(Melody::Goodbye))]);
        assert_eq!(script.handle_key(talking, '5'), []);
        assert_eq!(script.handle_timeout(talking + Duration::from_secs(2)), [Step::HangUp]);
        assert_eq!(script.poll_timeout(), None);
    }
}
