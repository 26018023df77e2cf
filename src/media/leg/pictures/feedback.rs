//! Which feedback a peer said that it heeds (RFC 4585 §4.2, RFC 5104 §7.1).

use crate::model::Codec;

/// What one who shows pictures can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Feedback {
    /// That packets are missing.
    pub nack: bool,
    /// That a picture is lost.
    pub pli: bool,
    /// That a whole picture is wanted.
    pub fir: bool,
    /// How much fits.
    pub remb: bool,
}

impl Feedback {
    /// What the peer's formats list.
    pub fn of(codecs: &[Codec]) -> Feedback {
        let has = |wanted: &str| {
            let is_wanted = |said: &String| said.split_whitespace().eq(wanted.split(' '));
            codecs.iter().any(|codec| codec.feedback.iter().any(is_wanted))
        };
        Feedback { nack: has("nack"), pli: has("nack pli"), fir: has("ccm fir"), remb: has("goog-remb") }
    }

    /// Whether the peer can be asked for a whole picture.
    pub fn can_ask(self) -> bool {
        self.pli || self.fir
    }
}
