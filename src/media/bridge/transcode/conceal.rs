//! What is heard where a packet is missing and its format has no way of its own: the last period of the
//! voice again and again, softer and softer (as in ITU-T G.711 appendix I).

/// Memory of what was heard, in milliseconds: the longest period twice.
const MEMORY_MS: usize = 32;

/// Periods of voices, in milliseconds: 400 Hz to 66 Hz.
const SHORTEST_US: usize = 2500;
const LONGEST_US: usize = 15_000;

/// What is compared to find the period, in milliseconds.
const COMPARED_MS: usize = 10;

/// The repetition is as loud as the voice for so long, and then fades.
const LOUD_MS: usize = 10;
/// Silence from here on.
const SILENT_MS: usize = 80;

/// How long the repetition goes over into the voice that is back.
const MEND_MS: usize = 5;

/// Fills gaps.
pub struct Concealer {
    rate_hz: usize,
    /// What was heard last, the newest last.
    memory: Vec<i16>,
    period: usize,
    /// Samples that were made up since the voice was lost; `None` while it is there.
    made: Option<usize>,
}

impl Concealer {
    /// For samples of `rate_hz`.
    pub fn new(rate_hz: u32) -> Concealer {
        let rate_hz = rate_hz as usize;
        Concealer { rate_hz, memory: vec![0; MEMORY_MS * rate_hz / 1000], period: rate_hz / 100, made: None }
    }

    /// What is heard, in its turn. Right after a gap its beginning is changed, so that the two join smoothly.
    pub fn hear(&mut self, samples: &mut [i16]) {
        if self.made.is_some() {
            let length = self.mend_length().min(samples.len());
            for (n, sample) in samples.iter_mut().take(length).enumerate() {
                let guess = self.next_guess();
                let weight = (n + 1) as f32 / (length + 1) as f32;
                *sample = (guess * (1.0 - weight) + f32::from(*sample) * weight) as i16;
            }
            self.made = None;
        }
        self.remember(samples);
    }

    /// The voice was made up by others: nothing is to be mended.
    pub fn skip(&mut self, samples: &[i16]) {
        self.made = None;
        self.remember(samples);
    }

    /// Makes up `samples`, added to `out`.
    pub fn make_up(&mut self, samples: usize, out: &mut Vec<i16>) {
        if self.made.is_none() {
            self.period = self.find_period();
            self.made = Some(0);
        }
        for _ in 0..samples {
            let guess = self.next_guess();
            out.push(guess as i16);
        }
    }

    fn mend_length(&self) -> usize {
        MEND_MS * self.rate_hz / 1000
    }

    fn next_guess(&mut self) -> f32 {
        let made = self.made.unwrap_or(0);
        self.made = Some(made.saturating_add(1));
        let (loud, silent) = (LOUD_MS * self.rate_hz / 1000, SILENT_MS * self.rate_hz / 1000);
        if made >= silent {
            return 0.0;
        }
        let loudness = 1.0 - made.saturating_sub(loud) as f32 / (silent - loud) as f32;
        let at = self.memory.len() - self.period + made % self.period;
        self.memory.get(at).map_or(0.0, |s| f32::from(*s) * loudness)
    }

    fn remember(&mut self, samples: &[i16]) {
        let room = self.memory.len();
        let newest = &samples[samples.len().saturating_sub(room)..];
        self.memory.copy_within(newest.len().., 0);
        self.memory[room - newest.len()..].copy_from_slice(newest);
    }

    /// The distance at which the voice is most like itself.
    fn find_period(&self) -> usize {
        let compared = COMPARED_MS * self.rate_hz / 1000;
        let start = self.memory.len() - compared;
        let last = &self.memory[start..];
        let likeness = |period: usize| {
            let before = &self.memory[start - period..start - period + compared];
            let (mut product, mut energy) = (0.0f32, 1.0f32);
            for (a, b) in last.iter().zip(before) {
                product += f32::from(*a) * f32::from(*b);
                energy += f32::from(*b) * f32::from(*b);
            }
            product / energy.sqrt()
        };
        let periods = SHORTEST_US * self.rate_hz / 1_000_000..=LONGEST_US * self.rate_hz / 1_000_000;
        let best = periods.map(|period| (likeness(period), period)).max_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(self.period, |(_, period)| period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(from: usize, samples: usize) -> Vec<i16> {
        let angle = |n: usize| std::f64::consts::TAU * 250.0 * n as f64 / 8000.0;
        (from..from + samples).map(|n| (8000.0 * angle(n).sin()) as i16).collect()
    }

    #[test]
    fn a_tone_goes_on_through_a_lost_packet_and_fades_when_more_are_lost() {
        let mut concealer = Concealer::new(8000);
        concealer.hear(&mut tone(0, 800));
        let mut made = Vec::new();
        concealer.make_up(800, &mut made);
        for (n, (made, wanted)) in made.iter().zip(tone(800, 80)).enumerate() {
            assert!((i32::from(*made) - i32::from(wanted)).abs() < 200, "sample {n}: {made} for {wanted}");
        }
        assert!(made[640..].iter().all(|s| *s == 0));
    }

    #[test]
    fn the_voice_that_is_back_joins_without_a_jump() {
        let mut concealer = Concealer::new(8000);
        concealer.hear(&mut tone(0, 800));
        let mut heard = Vec::new();
        concealer.make_up(160, &mut heard);
        let mut back = tone(993, 160);
        concealer.hear(&mut back);
        heard.extend(back);
        let jump = heard.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
        assert!(jump < Some(2200), "{jump:?}");
    }
}
