//! G.711: the two laws by which telephone networks make eight bits of a sample.

/// Samples a second of a telephone call.
pub const SAMPLE_RATE: u32 = 8000;

/// The law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// µ-law: `PCMU`.
    Mu,
    /// A-law: `PCMA`.
    A,
}

impl Law {
    /// The law of an encoding name (RFC 3551 §4.5.14).
    pub fn named(name: &str) -> Option<Law> {
        match name {
            n if n.eq_ignore_ascii_case("PCMU") => Some(Law::Mu),
            n if n.eq_ignore_ascii_case("PCMA") => Some(Law::A),
            _ => None,
        }
    }

    /// One sample to one octet.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Mu => encode_mu(sample),
            Law::A => encode_a(sample),
        }
    }

    /// One octet to one sample.
    pub fn decode(self, octet: u8) -> i16 {
        match self {
            Law::Mu => DECODE_MU[usize::from(octet)],
            Law::A => DECODE_A[usize::from(octet)],
        }
    }
}

const DECODE_MU: [i16; 256] = table(Law::Mu);
const DECODE_A: [i16; 256] = table(Law::A);

const fn table(law: Law) -> [i16; 256] {
    let mut samples = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        samples[octet] = match law {
            Law::Mu => decode_mu(octet as u8),
            Law::A => decode_a(octet as u8),
        };
        octet += 1;
    }
    samples
}

/// What µ-law adds to each magnitude so that the segments begin at powers of two, at 16 bits.
const BIAS: i32 = 0x84;
/// The largest magnitude that still has a µ-law code, at 16 bits.
const CLIP: i32 = 32_635;

fn encode_mu(sample: i16) -> u8 {
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    // The magnitude is at least 2^7, so that its highest bit is at least bit 7: segment 0.
    let segment = magnitude.ilog2() - 7;
    let mantissa = (magnitude >> (segment + 3)) & 0x0F;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment as u8) << 4 | mantissa as u8)
}

const fn decode_mu(octet: u8) -> i16 {
    let octet = !octet;
    let magnitude = ((((octet & 0x0F) as i32) << 3) + BIAS) << ((octet & 0x70) >> 4);
    let magnitude = magnitude - BIAS;
    if octet & 0x80 != 0 { -magnitude as i16 } else { magnitude as i16 }
}

fn encode_a(sample: i16) -> u8 {
    let sample = i32::from(sample) >> 3;
    // G.711 §3: even bits are inverted; the sign bit is set for positive samples.
    let (magnitude, mask) = if sample >= 0 { (sample, 0xD5) } else { (-sample - 1, 0x55) };
    let segment = if magnitude < 0x20 { 0 } else { magnitude.ilog2() - 4 };
    let mantissa = (magnitude >> segment.max(1)) & 0x0F;
    ((segment as u8) << 4 | mantissa as u8) ^ mask
}

const fn decode_a(octet: u8) -> i16 {
    let octet = octet ^ 0x55;
    let mantissa = ((octet & 0x0F) as i32) << 4;
    let segment = (octet & 0x70) >> 4;
    let magnitude = match segment {
        0 => mantissa + 8,
        _ => (mantissa + 0x108) << (segment - 1),
    };
    if octet & 0x80 != 0 { magnitude as i16 } else { -magnitude as i16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives_being_decoded_and_encoded() {
        for law in [Law::Mu, Law::A] {
            for octet in 0..=255u8 {
                let again = law.encode(law.decode(octet));
                // µ-law has two zeros.
                let expected = if (law, octet) == (Law::Mu, 0x7F) { 0xFF } else { octet };
                assert_eq!(again, expected, "{law:?} {octet:#04x}");
            }
        }
    }

    #[test]
    fn a_sample_is_kept_within_half_a_step_of_its_segment() {
        for law in [Law::Mu, Law::A] {
            for sample in (i16::MIN..=i16::MAX).step_by(7) {
                let error = (i32::from(law.decode(law.encode(sample))) - i32::from(sample)).abs();
                let allowed = i32::from(sample).abs() / 16 + 16;
                assert!(error <= allowed.max(16) || i32::from(sample).abs() > CLIP, "{law:?} {sample}: {error}");
            }
        }
    }

    #[test]
    fn known_codes_are_as_in_the_recommendation() {
        assert_eq!([Law::Mu.encode(0), Law::Mu.encode(i16::MAX), Law::Mu.encode(i16::MIN)], [0xFF, 0x80, 0x00]);
        assert_eq!([Law::A.encode(0), Law::A.encode(i16::MAX), Law::A.encode(i16::MIN)], [0xD5, 0xAA, 0x2A]);
        assert_eq!((Law::Mu.decode(0x80), Law::A.decode(0xAA)), (32_124, 32_256));
    }
}
