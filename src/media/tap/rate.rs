//! From the rate of ears to that of a program, and back.

use crate::media::codec::resample::Resampler;

/// The rate through which any other can be reached.
const MIDDLE_HZ: u32 = 48_000;

/// A stream of samples of one channel that changes its rate.
pub struct Rate {
    steps: Vec<Resampler>,
    /// What one step leaves to the next.
    between: Vec<i16>,
}

impl Rate {
    /// `None` where there is no way from one to the other: between 8, 16, 24 and 48 kHz there is one.
    pub fn new(from_hz: u32, to_hz: u32) -> Option<Rate> {
        let steps = match Resampler::new(from_hz, to_hz) {
            _ if from_hz == to_hz => Vec::new(),
            Some(step) => vec![step],
            None => vec![Resampler::new(from_hz, MIDDLE_HZ)?, Resampler::new(MIDDLE_HZ, to_hz)?],
        };
        Some(Rate { steps, between: Vec::new() })
    }

    /// Takes the next samples, and gives them at the other rate.
    pub fn process(&mut self, samples: &[i16]) -> Vec<i16> {
        let mut out = samples.to_vec();
        for step in &mut self.steps {
            std::mem::swap(&mut out, &mut self.between);
            out.clear();
            step.process(&self.between, &mut out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::Fork;

    #[test]
    fn a_tone_stays_itself_at_every_rate_and_back_and_a_frame_stays_as_long() {
        let tone: Vec<i16> = (0..16_000).map(|n| ((n as f64 * 0.2).sin() * 10_000.0) as i16).collect();
        for hz in Fork::RATES_HZ {
            let (mut there, mut back) = (Rate::new(16_000, hz).unwrap(), Rate::new(hz, 16_000).unwrap());
            let mut heard = Vec::new();
            for frame in tone.chunks(320) {
                let other = there.process(frame);
                assert_eq!(other.len(), hz as usize / 50);
                heard.extend(back.process(&other));
            }
            assert_eq!(heard.len(), tone.len());
            let power = |samples: &[i16]| samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
            let kept = power(&heard[2000..]) / power(&tone[2000..]);
            assert!((0.97..1.03).contains(&kept), "{hz}: {kept}");
        }
        assert!(Rate::new(16_000, 11_025).is_none());
    }
}
