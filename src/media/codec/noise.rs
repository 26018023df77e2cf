//! The noise of a room in which nobody speaks: as RFC 3389 describes it, and as it sounds.

/// Coefficients of a spectrum that are heeded; more are left out.
const MAX_ORDER: usize = 12;

/// The loudest room, in decibels below the overload of the system: whatever a packet says, nobody is frightened.
const LOUDEST: u8 = 30;

/// For so many samples the noise goes over to another loudness.
const GLIDE: f32 = 400.0;

/// The noise of a room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// Decibels below the overload of the system.
    level: u8,
    /// The spectrum, as reflection coefficients of an all-pole filter.
    reflections: [f32; MAX_ORDER],
}

impl Room {
    /// A quiet room, for silence that nobody described.
    pub const QUIET: Room = Room { level: 70, reflections: [0.0; MAX_ORDER] };

    /// Reads the payload of a packet of comfort noise (RFC 3389 §3); `None` if it is none.
    pub fn read(payload: &[u8]) -> Option<Room> {
        let (level, spectrum) = payload.split_first()?;
        let mut reflections = [0.0; MAX_ORDER];
        for (place, quantised) in reflections.iter_mut().zip(spectrum) {
            // Close to one the filter would ring for ever.
            *place = ((f32::from(*quantised) - 127.0) / 128.0).clamp(-0.95, 0.95);
        }
        Some(Room { level: (level & 0x7f).max(LOUDEST), reflections })
    }

    /// A room as loud as these samples.
    pub fn like(samples: &[i16]) -> Room {
        let power = samples.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / samples.len().max(1) as f32;
        let level = -10.0 * (power / f32::from(i16::MAX).powi(2)).max(1e-12).log10();
        Room { level: (level.round() as u8).clamp(LOUDEST, 127), reflections: [0.0; MAX_ORDER] }
    }

    /// The payload that describes its loudness alone.
    pub fn payload(&self) -> [u8; 1] {
        [self.level]
    }

    /// The root of the mean power of its samples.
    fn loudness(&self) -> f32 {
        f32::from(i16::MAX) * 10f32.powf(-f32::from(self.level) / 20.0)
    }

    /// What the filter makes of noise of the power one.
    fn gain(&self) -> f32 {
        self.reflections.iter().map(|k| 1.0 - k * k).product::<f32>().sqrt()
    }
}

/// A source of the noise of a room.
#[derive(Debug, Clone)]
pub struct Noise {
    room: Room,
    loudness: f32,
    state: u32,
    backward: [f32; MAX_ORDER + 1],
}

impl Noise {
    /// The noise of a room.
    pub fn new(room: Room) -> Noise {
        Noise { room, loudness: room.loudness(), state: 0x2545_f491, backward: [0.0; MAX_ORDER + 1] }
    }

    /// Goes over to the noise of another room.
    pub fn set(&mut self, room: Room) {
        self.room = room;
    }

    /// Adds so many samples to `out`.
    pub fn fill(&mut self, samples: usize, out: &mut Vec<i16>) {
        let (wanted, gain) = (self.room.loudness(), self.room.gain());
        for _ in 0..samples {
            self.loudness += (wanted - self.loudness) / GLIDE;
            let mut forward = self.excitation() * gain;
            for (at, k) in self.room.reflections.iter().enumerate().rev() {
                let before = self.backward.get(at).copied().unwrap_or(0.0);
                forward -= k * before;
                if let Some(place) = self.backward.get_mut(at + 1) {
                    *place = before + k * forward;
                }
            }
            self.backward[0] = forward;
            out.push((forward * self.loudness).clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16);
        }
    }

    /// White noise of the power one: the sum of four even ones is near to a bell.
    fn excitation(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..4 {
            // xorshift (Marsaglia 2003): nobody's secret depends on it.
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            sum += self.state as f32 / u32::MAX as f32 - 0.5;
        }
        sum * 3f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn heard(room: Room) -> Vec<i16> {
        let mut out = Vec::new();
        Noise::new(room).fill(16_000, &mut out);
        out
    }

    fn level(samples: &[i16]) -> f64 {
        let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * (power / f64::from(i16::MAX).powi(2)).log10()
    }

    #[test]
    fn noise_has_the_level_that_its_packet_says_whatever_its_spectrum() {
        for payload in [&[40][..], &[50, 200], &[45, 40, 180, 100, 150], &[60, 127, 127, 20]] {
            let level = level(&heard(Room::read(payload).unwrap()));
            assert!((level + f64::from(payload[0])).abs() < 1.5, "{payload:?}: {level} dB");
        }
        assert!(level(&heard(Room::read(&[0]).unwrap())) < -28.0);
        assert!(heard(Room::read(&[127]).unwrap()).iter().all(|s| s.abs() <= 1));
        assert_eq!(Room::read(&[]), None);
    }

    #[test]
    fn the_spectrum_of_a_room_is_heard() {
        let rough = |payload: &[u8]| {
            let samples = heard(Room::read(payload).unwrap());
            let steps: Vec<i16> = samples.windows(2).map(|w| w[1].saturating_sub(w[0])).collect();
            level(&steps) - level(&samples)
        };
        // A first coefficient below zero is a low rumble, one above it a hiss.
        assert!(rough(&[40, 20]) < rough(&[40]) - 3.0);
        assert!(rough(&[40, 230]) > rough(&[40]) + 1.5);
    }

    #[test]
    fn a_room_is_as_loud_as_what_was_heard_of_it() {
        for level in [35, 50, 66] {
            let found = Room::like(&heard(Room::read(&[level]).unwrap())).level;
            assert!(found.abs_diff(level) <= 1, "{level}: {found}");
        }
        assert_eq!((Room::like(&[]).level, Room::like(&[i16::MAX]).level), (120, LOUDEST));
    }

    #[test]
    fn any_spectrum_stays_within_bounds() {
        for octet in 0..=255u8 {
            let samples =
                heard(Room::read(&[40, octet, 255 - octet, octet, 7, 255, 0, octet, 9, 9, 9, 9, 9, 9, 9]).unwrap());
            assert!(level(&samples) < -25.0, "{octet}: {}", level(&samples));
        }
    }
}
