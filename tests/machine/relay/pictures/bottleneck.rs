//! A network of one who sees that takes less than is shown, and drops the rest: the one who shows is bound by it.

use std::time::Duration;

use patchcord::rtp::Packet;
use patchcord::rtp::rtcp::{ReportBlock, Rtcp, read};

use super::refresh::end;
use super::scene::{End, Scene};
use crate::relay::world::Speaker;

const TURN: Duration = Duration::from_millis(10);
const TURNS_A_SECOND: u64 = 100;
const PACKET: u64 = 1000;
/// What the one who shows would like to send.
const WISH: u64 = 1_200_000;

/// A network that takes so much and has hardly a queue.
struct Policer {
    bits_per_second: u64,
    credit: u64,
}

impl Policer {
    fn turn(&mut self) {
        let most = 4 * PACKET * 8;
        self.credit = (self.credit + self.bits_per_second / TURNS_A_SECOND).min(most);
    }

    fn drops(&mut self) -> bool {
        let cost = (PACKET + 40) * 8;
        let is_dropped = self.credit < cost;
        self.credit -= if is_dropped { 0 } else { cost };
        is_dropped
    }
}

/// One who shows as much as it is told, one who sees and reports each second, and the network between.
struct Talk {
    scene: Scene,
    speaker: Speaker,
    policer: Policer,
    rate: u64,
    credit: u64,
    newest: Option<u16>,
    expected: u64,
    received: u64,
    source: u32,
}

impl Talk {
    fn new(viewer: End, bits_per_second: u64) -> Talk {
        Talk {
            scene: Scene::talking(End::default(), viewer),
            speaker: Speaker::new(40, 96, 900),
            policer: Policer { bits_per_second, credit: 0 },
            rate: WISH,
            credit: 0,
            newest: None,
            expected: 0,
            received: 0,
            source: 0,
        }
    }

    /// Shows for so many seconds; returns how much came of each that was shown, in hundredths, and the rate of the last.
    fn seconds(&mut self, count: u64) -> (u64, u64) {
        let (mut shown, mut came) = (0, 0);
        for turn in 1..=count * TURNS_A_SECOND {
            self.credit += self.rate / TURNS_A_SECOND;
            while self.credit >= PACKET * 8 {
                self.credit -= PACKET * 8;
                shown += 1;
                self.scene.show(0, self.speaker.next(&[1; PACKET as usize]));
            }
            self.policer.turn();
            self.scene.lose(1, || self.policer.drops());
            self.scene.pass(TURN);
            came += self.see();
            if turn % TURNS_A_SECOND == 0 {
                self.report();
            }
            self.obey();
        }
        (100 * came / shown, self.rate)
    }

    fn see(&mut self) -> u64 {
        let packets = self.scene.saw(1);
        for packet in &packets {
            let packet = Packet::parse(packet).expect("a packet");
            let before = self.newest.unwrap_or_else(|| packet.sequence().wrapping_sub(1));
            self.expected += u64::from(packet.sequence().wrapping_sub(before));
            self.newest = Some(packet.sequence());
            self.source = packet.ssrc();
        }
        self.received += packets.len() as u64;
        packets.len() as u64
    }

    fn report(&mut self) {
        let lost = self.expected - self.received;
        let fraction_lost = (256 * lost / self.expected.max(1)).min(255) as u8;
        (self.expected, self.received) = (0, 0);
        let block = ReportBlock {
            ssrc: self.source,
            fraction_lost,
            lost: 0,
            highest: 0,
            jitter: 0,
            last_sender_report: 0,
            delay: 0,
        };
        let mut buffer = [0; 200];
        let mut writer = patchcord::rtp::rtcp::Writer::new(&mut buffer);
        writer.report(50, None, &[block]);
        let length = writer.length();
        self.scene.report(1, buffer[..length].to_vec());
    }

    fn obey(&mut self) {
        for compound in self.scene.reports(0) {
            for packet in read(&compound) {
                if let Rtcp::MaximumBitrate { bits_per_second } = packet {
                    self.rate = bits_per_second.min(WISH);
                }
            }
        }
    }
}

#[test]
fn who_shows_follows_the_network_of_who_sees_down_and_up_again_though_it_estimates_nothing() {
    for viewer in [End::default(), end(&["nack pli"])] {
        let mut talk = Talk::new(viewer, 10_000_000);
        assert_eq!(talk.seconds(5), (100, WISH), "a wide network bounds nothing");
        talk.policer.bits_per_second = 400_000;
        talk.seconds(15);
        let (came, rate) = talk.seconds(10);
        assert!(came >= 85, "{came} of 100 packets came");
        assert!((250_000..=480_000).contains(&rate), "{rate}");
        talk.policer.bits_per_second = 10_000_000;
        let (came, rate) = talk.seconds(25);
        assert!(came >= 99 && rate == WISH, "{came} of 100 packets came, at {rate}");
    }
}

#[test]
fn a_loss_that_is_not_of_anybodys_making_leaves_pictures() {
    let mut talk = Talk::new(End::default(), 0);
    let (_, rate) = talk.seconds(3);
    assert_eq!(rate, WISH, "nothing came, and nothing was reported");
    talk.policer.bits_per_second = 20_000;
    talk.seconds(40);
    assert!(talk.rate >= 99_000, "{}", talk.rate);
}
