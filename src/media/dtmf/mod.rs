//! Keys of a keypad as tones in speech (ITU-T Q.23, Q.24): made for peers that take nothing else, and found in the
//! speech of peers that can send nothing else.
//!
//! ```text
//!          1209  1336  1477  1633 Hz
//!    697    1     2     3     A
//!    770    4     5     6     B
//!    852    7     8     9     C
//!    941    *     0     #     D
//! ```

pub mod detect;
pub mod ear;
pub mod tones;

/// The low frequencies, in hertz.
pub const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
/// The high frequencies, in hertz.
pub const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The height of a sine of 0 dBm0, of 32767: µ-law's loudest is 3.17 dBm0 (ITU-T G.711).
pub const HEIGHT_0_DBM0: f32 = 22_302.0;

/// The frequencies of a key; `None` if it is none.
pub fn frequencies(key: char) -> Option<(f32, f32)> {
    let key = key.to_ascii_uppercase();
    KEYS.iter().zip(ROWS).find_map(|(keys, row)| {
        let column = keys.iter().position(|k| *k == key)?;
        Some((row, *COLUMNS.get(column)?))
    })
}

/// The height of a sine at a level.
pub fn height(dbm0: f32) -> f32 {
    HEIGHT_0_DBM0 * 10f32.powf(dbm0 / 20.0)
}
