//! Time taken out of speech, or put into it, without a change of its pitch: two stretches that are alike, a few periods of
//! the voice apart, become one, or one becomes two (WSOLA, Verhelst and Roelands 1993).

/// The least and the most that is taken out of a voice or put into it at once, in microseconds: its periods.
const SHORTEST_US: usize = 2500;
/// See `SHORTEST_US`.
const LONGEST_US: usize = 15_000;

/// What is taken out of a pause or put into it at once, in microseconds: a frame, for packets are needed a frame earlier or
/// later, or not at all.
pub const PAUSE_US: usize = 20_000;

/// How long the one goes over into the other, and what is compared, in microseconds.
pub const JOIN_US: usize = 10_000;

/// How alike two stretches must be, of 1.
const ALIKE: f32 = 0.9;

/// Where time is taken out or put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where nobody speaks.
    Pause,
    /// In a voice, where it is like itself.
    Voice,
    /// Wherever it is most like itself.
    Anywhere,
}

/// Takes 2.5 to 20 ms out of the beginning of `samples`, of which 30 ms must be there; returns how many samples. `None` if
/// there is no such place.
pub fn shorten(samples: &mut Vec<i16>, rate_hz: u32, place: Place) -> Option<usize> {
    let join = count(JOIN_US, rate_hz);
    samples.get(..join + count(PAUSE_US, rate_hz))?;
    let lag = lag(samples.get(..join)?, rate_hz, place, |lag| samples.get(lag..lag + join))?;
    for n in 0..join {
        let later = samples.get(lag + n).copied().unwrap_or(0);
        if let Some(place) = samples.get_mut(n) {
            *place = mixed(*place, later, n, join);
        }
    }
    samples.drain(join..join + lag);
    Some(lag)
}

/// Puts 2.5 to 20 ms in before `samples`, of which 10 ms must be there, by what went `before` them, of which it must be
/// 20 ms; returns how many samples. `None` if there is no such place.
pub fn lengthen(before: &[i16], samples: &mut Vec<i16>, rate_hz: u32, place: Place) -> Option<usize> {
    let (join, longest) = (count(JOIN_US, rate_hz), count(PAUSE_US, rate_hz));
    let first = samples.get(..join)?;
    let both: Vec<i16> = [before.get(before.len().checked_sub(longest)?..)?, first].concat();
    let earlier = |lag: usize| both.get(longest - lag..longest - lag + join);
    let lag = lag(first, rate_hz, place, earlier)?;
    // From what follows by itself over to what was heard a few periods ago, and all that came after that.
    let again = both.get(longest - lag..)?;
    let put_in = again.iter().enumerate().map(|(n, again)| match first.get(n).filter(|_| n < join) {
        Some(sample) => mixed(*sample, *again, n, join),
        None => *again,
    });
    let put_in: Vec<i16> = put_in.collect();
    samples.splice(..join, put_in);
    Some(lag)
}

/// So much time in samples.
pub fn count(micros: usize, rate_hz: u32) -> usize {
    micros * rate_hz as usize / 1_000_000
}

/// The mean square of samples; nothing has none.
pub fn power(samples: &[i16]) -> f32 {
    samples.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / samples.len().max(1) as f32
}

/// The distance at which a stretch is most alike the `first`.
fn lag<'a>(first: &[i16], rate_hz: u32, place: Place, other: impl Fn(usize) -> Option<&'a [i16]>) -> Option<usize> {
    if place == Place::Pause {
        return Some(count(PAUSE_US, rate_hz));
    }
    let lags = count(SHORTEST_US, rate_hz)..=count(LONGEST_US, rate_hz);
    let likeness = |lag: usize| likeness(first, other(lag).unwrap_or_default());
    let (best, lag) = lags.map(|lag| (likeness(lag), lag)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best >= ALIKE || place == Place::Anywhere).then_some(lag)
}

/// How alike two stretches of the same length are, whatever their loudness: at most 1.
fn likeness(one: &[i16], other: &[i16]) -> f32 {
    let (mut product, mut of_one, mut of_other) = (0.0f32, 1.0f32, 1.0f32);
    for (a, b) in one.iter().zip(other) {
        let (a, b) = (f32::from(*a), f32::from(*b));
        product += a * b;
        of_one += a * a;
        of_other += b * b;
    }
    product / (of_one * of_other).sqrt()
}

/// The sample at `n` of `length`, where the one goes over into the other.
fn mixed(one: i16, other: i16, n: usize, length: usize) -> i16 {
    let weight = (n + 1) as f32 / (length + 1) as f32;
    (f32::from(one) * (1.0 - weight) + f32::from(other) * weight).round() as i16
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const TONES: [(u32, f64); 4] = [(8000, 440.0), (8000, 1000.0), (16_000, 613.0), (48_000, 350.0)];

    fn tone(hz: f64, rate_hz: u32, samples: usize) -> Vec<i16> {
        let angle = |n: usize| std::f64::consts::TAU * hz * n as f64 / f64::from(rate_hz);
        (0..samples).map(|n| (8000.0 * angle(n).sin()) as i16).collect()
    }

    fn noise(seed: u64) -> Vec<i16> {
        let mut dice = crate::base::Dice::for_test(seed);
        (0..320).map(|_| dice.u32() as i16 / 4).collect()
    }

    /// All of a sampled tone follows from two of its samples: s[n+1] = 2 cos(w) s[n] - s[n-1].
    fn assert_unbroken(samples: &[i16], hz: f64, rate_hz: u32) {
        let turn = 2.0 * (std::f64::consts::TAU * hz / f64::from(rate_hz)).cos();
        for three in samples.windows(3) {
            let [a, b, c] = [three[0], three[1], three[2]].map(f64::from);
            assert!((turn * b - a - c).abs() < 150.0, "{hz} at {rate_hz}: {three:?}");
        }
    }

    #[test]
    fn a_tone_goes_on_through_the_join_where_something_is_taken_out() {
        for (rate_hz, hz) in TONES {
            let mut samples = tone(hz, rate_hz, rate_hz as usize / 25);
            let before = samples.len();
            let taken = shorten(&mut samples, rate_hz, Place::Voice).unwrap();
            assert_eq!(samples.len(), before - taken);
            assert_unbroken(&samples, hz, rate_hz);
        }
    }

    #[test]
    fn a_tone_goes_on_through_the_join_where_something_is_put_in() {
        for (rate_hz, hz) in TONES {
            let frame = rate_hz as usize / 50;
            let all = tone(hz, rate_hz, 2 * frame);
            for ahead in [frame / 2, frame] {
                let mut samples = all[frame..frame + ahead].to_vec();
                let put_in = lengthen(&all[..frame], &mut samples, rate_hz, Place::Voice).unwrap();
                assert_eq!(samples.len(), ahead + put_in);
                assert_unbroken(&[&all[..frame], &samples].concat(), hz, rate_hz);
            }
        }
    }

    #[test]
    fn what_is_nowhere_like_itself_is_left_as_it_is_unless_it_must_not_be() {
        let (before, noise) = (noise(2), noise(3));
        let mut samples = noise.clone();
        assert_eq!(shorten(&mut samples, 8000, Place::Voice), None);
        assert_eq!(lengthen(&before, &mut samples, 8000, Place::Voice), None);
        assert_eq!(samples, noise);
        assert!(shorten(&mut samples, 8000, Place::Anywhere).is_some());
        assert!(lengthen(&before, &mut samples, 8000, Place::Anywhere).is_some());
    }

    #[test]
    fn nothing_is_changed_where_there_is_too_little() {
        let mut few = noise(4)[..100].to_vec();
        assert_eq!(shorten(&mut few, 8000, Place::Anywhere), None);
        assert_eq!(lengthen(&[1; 159], &mut few, 8000, Place::Anywhere), None);
        assert_eq!(lengthen(&[1; 160], &mut few[..79].to_vec(), 8000, Place::Anywhere), None);
        assert_eq!(few, noise(4)[..100]);
    }

    #[test]
    fn a_pause_is_changed_by_a_frame_whatever_it_sounds_like() {
        let mut samples = vec![3; 320];
        assert_eq!(shorten(&mut samples, 8000, Place::Pause), Some(160));
        assert_eq!(lengthen(&[3; 160], &mut samples, 8000, Place::Pause), Some(160));
        assert_eq!(samples, [3; 320]);
        assert_eq!(shorten(&mut noise(5), 8000, Place::Pause), Some(160));
    }
}
