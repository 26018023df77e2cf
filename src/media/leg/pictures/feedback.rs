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
    /// How much fits, by the receiver's estimate.
    pub remb: bool,
    /// How much fits, by a request.
    pub tmmbr: bool,
}

impl Feedback {
    /// What the peer's formats list.
    pub fn of(codecs: &[Codec]) -> Feedback {
        let has = |wanted: &str| {
            let is_wanted = |said: &String| said.split_whitespace().eq(wanted.split(' '));
            codecs.iter().any(|codec| codec.feedback.iter().any(is_wanted))
        };
        // RFC 5104 §7.1: how many packets a second its sender can say anything of may follow.
        let is_bounds = |said: &String| said.split_whitespace().take(2).eq(["ccm", "tmmbr"]);
        let tmmbr = codecs.iter().any(|codec| codec.feedback.iter().any(is_bounds));
        Feedback { nack: has("nack"), pli: has("nack pli"), fir: has("ccm fir"), remb: has("goog-remb"), tmmbr }
    }

    /// Whether the peer can be told how much fits.
    pub fn can_bound(self) -> bool {
        self.remb || self.tmmbr
    }

    /// Whether the peer can be asked for a whole picture.
    pub fn can_ask(self) -> bool {
        self.pli || self.fir
    }
}
