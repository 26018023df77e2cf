//! How much fits into the network of one who sees by how much of it is lost there, whether or not the peer estimates
//! anything itself: a queue that is short drops packets without delaying the others, and then estimates by delay see
//! nothing. The bound falls with much loss and rises with little, as draft-ietf-rmcat-gcc-02 §6 has it.

use std::time::{Duration, Instant};

/// The least time that is judged at once: what was sent before the last bound is over by then.
pub const LEAST_TIME: Duration = Duration::from_millis(800);

/// The least number of packets that is judged at once.
pub const LEAST_PACKETS: u64 = 20;

/// The longest time that the bound rises for at once.
const LONGEST_RISE: Duration = Duration::from_secs(2);

/// More of the packets than this part of 256 is much: the bound falls by half of what is lost.
const MUCH: u64 = 26;

/// Less than this part of 256 is little: the bound rises by [`RISE`] a second.
const LITTLE: u64 = 5;

/// In hundredths.
const RISE: u64 = 8;

/// No loss bounds pictures to less than so many bits a second: who loses a tenth of any stream still sees something.
pub const LEAST: u64 = 100_000;

/// A bound that has risen to so much rises no more: it bounds nothing.
pub const MOST: u64 = 30_000_000;

/// What went out since the pictures began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Packets, each once.
    pub packets: u64,
    /// Their payload, in octets.
    pub octets: u64,
    /// Those of them that were asked for again.
    pub asked: u64,
}

/// What the reports of the peer say since the bound was looked at last.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    start: Sent,
    /// What had gone out by the last report.
    last: Sent,
    /// Packets that were lost by the reports, in 256ths.
    lost: u64,
}

/// The bound by loss.
#[derive(Debug, Default)]
pub struct Lossy {
    window: Option<Window>,
    most: Option<u64>,
}

impl Lossy {
    /// Takes in the loss of a report, in 256ths of the packets since the one before.
    pub fn hear(&mut self, now: Instant, fraction_lost: u8, sent: Sent) {
        let new = Window { since: now, start: sent, last: sent, lost: 0 };
        let window = self.window.get_or_insert(new);
        window.lost += sent.packets.saturating_sub(window.last.packets) * u64::from(fraction_lost);
        window.last = sent;
        let packets = sent.packets.saturating_sub(window.start.packets);
        let time = now.saturating_duration_since(window.since);
        if packets < LEAST_PACKETS || time < LEAST_TIME {
            return;
        }
        // A packet that came when it went out again counts as received, and was lost all the same.
        let asked = sent.asked.saturating_sub(window.start.asked).min(packets);
        let lost = (window.lost / packets).max(256 * asked / packets);
        let octets = sent.octets.saturating_sub(window.start.octets);
        let rate = octets.saturating_mul(8000) / (time.as_millis() as u64).max(1);
        self.window = Some(new);
        self.judge(lost, rate, time);
    }

    fn judge(&mut self, lost: u64, rate: u64, time: Duration) {
        if lost > MUCH {
            let most = self.most.map_or(rate, |most| most.min(rate));
            self.most = Some((most - most / 512 * lost).max(LEAST));
        } else if lost < LITTLE
            && let Some(most) = &mut self.most
        {
            let millis = time.min(LONGEST_RISE).as_millis() as u64;
            *most = (*most + *most / 100 * RISE * millis / 1000).min(MOST);
        }
    }

    /// What may be sent, in bits a second; `None`: there has been no loss to speak of.
    pub fn most(&self) -> Option<u64> {
        self.most
    }

    /// The peer is another one.
    pub fn forget(&mut self) {
        *self = Lossy::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports each so often, of a sender that sends 100 packets of 1000 octets a second.
    struct Reports {
        lossy: Lossy,
        now: Instant,
        sent: Sent,
    }

    impl Reports {
        fn new() -> Reports {
            let mut reports = Reports { lossy: Lossy::default(), now: Instant::now(), sent: Sent::default() };
            reports.lossy.hear(reports.now, 200, reports.sent);
            reports
        }

        fn hear(&mut self, millis: u64, fraction_lost: u8, asked: u64) -> Option<u64> {
            self.now += Duration::from_millis(millis);
            self.sent.packets += millis / 10;
            self.sent.octets += 100 * millis;
            self.sent.asked += asked;
            self.lossy.hear(self.now, fraction_lost, self.sent);
            self.lossy.most()
        }
    }

    #[test]
    fn much_loss_bounds_what_was_sent_some_changes_nothing_and_little_lets_the_bound_rise() {
        let mut reports = Reports::new();
        assert_eq!(reports.hear(1000, 0, 0), None);
        assert_eq!(reports.hear(1000, 25, 0), None, "some");
        let bound = reports.hear(1000, 64, 0).unwrap_or_default();
        assert!((699_000..=701_000).contains(&bound), "an eighth of 800 kbit/s less: {bound}");
        assert_eq!(reports.hear(1000, 10, 0), Some(bound));
        let risen = reports.hear(1000, 2, 0).unwrap_or_default();
        assert!((bound + bound / 100 * 7..=bound + bound / 100 * 8).contains(&risen), "{risen}");
        let later = reports.hear(60_000, 0, 0).unwrap_or_default();
        assert!(later <= risen + risen / 100 * 16, "no leap after a long silence: {later}");
        for _ in 0..100 {
            reports.hear(1000, 0, 0);
        }
        assert_eq!(reports.hear(1000, 0, 0), Some(MOST));
        let bound = reports.hear(1000, 64, 0).unwrap_or_default();
        assert!(bound < 701_000, "what was sent counts, not what might have been: {bound}");
    }

    #[test]
    fn what_came_when_it_went_out_again_was_lost() {
        let mut reports = Reports::new();
        assert_eq!(reports.hear(1000, 0, 5), None);
        let bound = reports.hear(1000, 0, 25).unwrap_or_default();
        assert!((699_000..=701_000).contains(&bound), "an eighth of 800 kbit/s less: {bound}");
    }

    #[test]
    fn few_packets_and_short_times_are_judged_together() {
        let mut reports = Reports::new();
        assert_eq!([100; 7].map(|millis| reports.hear(millis, 255, 0)), [None; 7]);
        assert!(reports.hear(100, 255, 0).is_some());
        let mut few = Reports::new();
        few.now += Duration::from_secs(10);
        assert_eq!(few.hear(190, 255, 0), None, "19 packets");
        assert!(few.hear(10, 255, 0).is_some());
    }

    #[test]
    fn loss_without_end_leaves_a_picture_and_figures_that_make_no_sense_do_no_harm() {
        let mut reports = Reports::new();
        for _ in 0..100 {
            reports.hear(1000, 255, 10_000);
        }
        assert_eq!(reports.lossy.most(), Some(LEAST));
        reports.lossy.hear(reports.now, 255, Sent { packets: u64::MAX / 512, octets: u64::MAX, asked: 0 });
        reports.lossy.hear(reports.now + LEAST_TIME, 255, Sent::default());
        assert!(reports.lossy.most().is_some_and(|most| most >= LEAST));
        reports.lossy.forget();
        assert_eq!(reports.lossy.most(), None);
    }
}
