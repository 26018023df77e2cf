//! µ-law and A-law (ITU-T G.711): to samples, from samples, and from one to the other.

/// The sample for each µ-law octet.
pub static LINEAR_OF_ULAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = linear_of_ulaw(octet as u8);
        octet += 1;
    }
    table
};

/// The sample for each A-law octet.
pub static LINEAR_OF_ALAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = linear_of_alaw(octet as u8);
        octet += 1;
    }
    table
};

/// The A-law octet for each µ-law octet.
pub static ALAW_OF_ULAW: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = alaw_of_linear(linear_of_ulaw(octet as u8));
        octet += 1;
    }
    table
};

/// The µ-law octet for each A-law octet.
pub static ULAW_OF_ALAW: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        // Both halves alike: what is -1 in one law is not -2 in the other.
        let sample = linear_of_alaw(octet as u8);
        table[octet] = if sample < 0 { ulaw_of_linear(-sample) & 0x7f } else { ulaw_of_linear(sample) };
        octet += 1;
    }
    table
};

const ULAW_BIAS: i32 = 0x84;
const ULAW_CLIP: i32 = 32_635;

const fn linear_of_ulaw(octet: u8) -> i16 {
    let octet = !octet;
    let exponent = (octet >> 4) & 7;
    let magnitude = ((((octet & 0x0f) as i32) << 3) + ULAW_BIAS) << exponent;
    let value = magnitude - ULAW_BIAS;
    (if octet & 0x80 != 0 { -value } else { value }) as i16
}

/// The µ-law octet of a sample.
pub const fn ulaw_of_linear(sample: i16) -> u8 {
    // The reference of G.191 takes the ones' complement of what is below zero.
    let (sign, magnitude) = if sample < 0 { (0x80, -(sample as i32) - 1) } else { (0, sample as i32) };
    let magnitude = if magnitude > ULAW_CLIP { ULAW_CLIP } else { magnitude };
    let magnitude = (magnitude & !3) + ULAW_BIAS;
    let mut exponent = 7;
    let mut mask = 0x4000;
    while exponent > 0 && magnitude & mask == 0 {
        exponent -= 1;
        mask >>= 1;
    }
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | ((exponent as u8) << 4) | mantissa as u8)
}

const fn linear_of_alaw(octet: u8) -> i16 {
    let octet = octet ^ 0x55;
    let exponent = (octet >> 4) & 7;
    let mantissa = ((octet & 0x0f) as i32) << 4;
    let value = match exponent {
        0 => mantissa + 8,
        _ => (mantissa + 0x108) << (exponent - 1),
    };
    (if octet & 0x80 != 0 { value } else { -value }) as i16
}

/// The A-law octet of a sample.
pub const fn alaw_of_linear(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, -(sample as i32) - 1) } else { (0x80, sample as i32) };
    let mut exponent = 7;
    let mut mask = 0x4000;
    while exponent > 0 && magnitude & mask == 0 {
        exponent -= 1;
        mask >>= 1;
    }
    let mantissa = if exponent == 0 { magnitude >> 4 } else { magnitude >> (exponent + 3) } & 0x0f;
    (sign | ((exponent as u8) << 4) | mantissa as u8) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_stays_silence_and_full_scale_stays_full_scale() {
        // G.711 table 2: µ-law 0xff and 0x7f are zero, 0x80 and 0x00 the loudest.
        assert_eq!((ALAW_OF_ULAW[0xff], ALAW_OF_ULAW[0x80], ALAW_OF_ULAW[0x00]), (0xd5, 0xaa, 0x2a));
        assert_eq!((ULAW_OF_ALAW[0xaa], ULAW_OF_ALAW[0x2a]), (0x80, 0x00));
    }

    #[test]
    fn there_and_back_stays_within_one_step_of_the_coarser_law() {
        for octet in 0..=255u8 {
            let before = i32::from(linear_of_ulaw(octet));
            let after = i32::from(linear_of_ulaw(ULAW_OF_ALAW[usize::from(ALAW_OF_ULAW[usize::from(octet)])]));
            assert!((before - after).abs() <= 16 + before.abs() / 16, "{octet}: {before} became {after}");
        }
    }

    #[test]
    fn each_law_decodes_what_it_encodes() {
        for octet in 0..=255u8 {
            assert_eq!(linear_of_alaw(alaw_of_linear(linear_of_alaw(octet))), linear_of_alaw(octet));
            assert_eq!(linear_of_ulaw(ulaw_of_linear(linear_of_ulaw(octet))), linear_of_ulaw(octet));
        }
    }
}
