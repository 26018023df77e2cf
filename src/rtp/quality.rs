//! What speech is worth to whoever hears it: the E-model (ITU-T G.107), from format, loss and delay.
//!
//! ```text
//!  R = 93.2 - Idd(delay) - Ie,eff(format, loss)          MOS = a curve of R (G.107 Annex B)
//! ```
//!
//! All other parameters have the defaults of G.107 §7.7: good handsets, a quiet room, echo that is cancelled. Every
//! format is judged on the one scale of telephones, so that the figures of two legs can be compared; what wide bands
//! are worth beyond a good telephone does not show in it.

/// The rating of a line without any fault of its own (G.107 §7.7).
pub const BEST: f64 = 93.2;

/// How a format bears the loss of packets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Robustness {
    /// What the format itself takes away (Ie).
    pub impairment: f64,
    /// How well it bears loss (Bpl): the share of lost packets, in percent, that takes half of what is left.
    pub packet_loss: f64,
}

impl Robustness {
    /// G.711 whose gaps are concealed, under random loss (G.113 Appendix I).
    pub const G711: Robustness = Robustness { impairment: 0.0, packet_loss: 25.1 };
    /// G.722 at 64 kbit/s. G.113 has values for it on the scale of wide bands alone (Appendix IV, for G.107.1), where it
    /// lies above the best telephone: nothing is taken away on this scale. How it bears loss is measured: with the
    /// concealment of the relay PESQ falls by 1.25 times as much as that of G.711 does (`docs/media.md`).
    pub const G722: Robustness = Robustness { impairment: 0.0, packet_loss: 19.0 };
    /// Opus, by M. Alahmadi, P. Pocta and H. Melvin, "An Adaptive Bitrate Switching Algorithm for Speech Applications in
    /// Context of WebRTC", ACM TOMM 17(4), 2021: on the narrow band at the highest of their constant rates an impairment of
    /// 2.03 (6.20 at 10 kbit/s, 2.03 at 11), so none at the rates of calls, and 15.95 under random loss, without in-band
    /// FEC. No value in G.113 is known of.
    pub const OPUS: Robustness = Robustness { impairment: 0.0, packet_loss: 16.0 };

    /// That of a format by its name in descriptions; `None` if nothing is known of it.
    pub fn of(codec: &str) -> Option<Robustness> {
        [("PCMU", Self::G711), ("PCMA", Self::G711), ("G722", Self::G722), ("opus", Self::OPUS)]
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(codec))
            .map(|(_, robustness)| robustness)
    }
}

/// The rating factor R, 0 to 93.2.
///
/// `loss`: the share of packets that are lost, 0 to 1. `burst_ratio`: how much longer the gaps are than under random
/// loss (G.107 §7.5), 1 for random loss. `delay_ms`: from mouth to ear.
pub fn rating(format: Robustness, loss: f64, burst_ratio: f64, delay_ms: f64) -> f64 {
    let percent = 100.0 * loss.clamp(0.0, 1.0);
    let Robustness { impairment, packet_loss } = format;
    let by_loss = (95.0 - impairment) * percent / (percent / burst_ratio.max(1.0) + packet_loss);
    (BEST - delay_impairment(delay_ms) - impairment - by_loss).max(0.0)
}

/// Idd (G.107 §7.4): nothing up to 100 ms, and with the defaults for the sensitivity to delay.
fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
}

/// The mean opinion score of a rating, 1 to 4.5 (G.107 Annex B).
pub fn mos(rating: f64) -> f64 {
    match rating {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, printed: f64, within: f64) {
        assert!((found - printed).abs() <= within, "{found}, not {printed}");
    }

    #[test]
    fn ratings_give_the_scores_that_g_107_prints() {
        for (rating, score) in [(93.2, 4.41), (90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            near(mos(rating), score, 0.01);
        }
        assert_eq!((mos(-3.0), mos(100.0), mos(140.0)), (1.0, 4.5, 4.5));
        assert!((0..100).all(|r| (1.0..=4.5).contains(&mos(f64::from(r)))));
    }

    #[test]
    fn a_line_without_faults_has_the_default_rating() {
        for format in [Robustness::G711, Robustness::G722, Robustness::OPUS] {
            near(rating(format, 0.0, 1.0, 0.0), 93.2, 1e-9);
            near(mos(rating(format, 0.0, 1.0, 100.0)), 4.41, 0.006);
        }
    }

    #[test]
    fn delay_takes_nothing_up_to_a_tenth_of_a_second_and_then_what_g_107_says() {
        for (delay_ms, taken) in [(0.0, 0.0), (100.0, 0.0), (150.0, 0.16), (200.0, 3.04), (400.0, 24.1)] {
            near(delay_impairment(delay_ms), taken, 0.05);
        }
    }

    #[test]
    fn loss_takes_what_g_113_says_of_the_format() {
        // Ie,eff of G.711 by (7-29) of G.107 with Bpl 25.1.
        for (percent, taken) in [(1.0, 3.64), (2.0, 7.01), (5.0, 15.78), (10.0, 27.07), (20.0, 42.13)] {
            near(BEST - rating(Robustness::G711, percent / 100.0, 1.0, 0.0), taken, 0.01);
        }
        let bare = Robustness { packet_loss: 4.3, ..Robustness::G711 };
        near(BEST - rating(bare, 0.02, 1.0, 0.0), 30.16, 0.01);
        assert!(
            rating(Robustness::G711, 0.05, 2.0, 0.0) < rating(Robustness::G711, 0.05, 1.0, 0.0),
            "bursts are worse"
        );
    }

    #[test]
    fn nothing_makes_a_rating_leave_its_range() {
        for loss in [-1.0, 0.0, 0.5, 1.0, 7.0] {
            for delay_ms in [-5.0, 0.0, 99.0, 1e4, 1e9] {
                let found = rating(Robustness::OPUS, loss, 0.0, delay_ms);
                assert!((0.0..=BEST).contains(&found), "{loss} {delay_ms}: {found}");
            }
        }
    }

    #[test]
    fn formats_are_known_by_their_names_in_any_case() {
        assert_eq!(Robustness::of("pcma"), Some(Robustness::G711));
        assert_eq!(Robustness::of("OPUS"), Some(Robustness::OPUS));
        assert_eq!(Robustness::of("G729"), None);
    }
}
