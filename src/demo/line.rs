//! One call as the telephone network sees it: its script and its voice.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use super::answer::Media;
use super::number::Plot;
use super::script::{Script, Step};
use super::voice::{MAX_PACKET, Voice};
use crate::base::Dice;

/// What the line wants said in SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// 180.
    Ring,
    /// 183 with an answer.
    EarlyMedia,
    /// 200.
    Answer,
    /// A final refusal with this status.
    Refuse(u16),
    /// BYE.
    HangUp,
}

/// The line.
#[derive(Debug)]
pub struct Line {
    script: Script,
    voice: Voice,
    say: VecDeque<Say>,
    keys: u64,
}

impl Line {
    /// A call comes in.
    pub fn new(now: Instant, plot: Plot, mut dice: Dice) -> Line {
        let (script, steps) = Script::begin(now, plot);
        let mut line = Line { script, voice: Voice::new(&mut dice), say: VecDeque::new(), keys: 0 };
        line.take(steps);
        line
    }

    fn take(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Ring => self.say.push_back(Say::Ring),
                Step::EarlyMedia => self.say.push_back(Say::EarlyMedia),
                Step::Answer => self.say.push_back(Say::Answer),
                Step::Refuse(status) => self.say.push_back(Say::Refuse(status)),
                Step::HangUp => self.say.push_back(Say::HangUp),
                Step::Play(sound) => self.voice.play(sound),
                Step::Echo => self.voice.echo(),
                Step::ReadBack(key) => self.voice.press(key),
            }
        }
    }

    /// What was agreed on, first or again.
    pub fn handle_media(&mut self, now: Instant, media: Media) {
        self.voice.agree(now, media);
    }

    /// A packet came.
    pub fn handle_packet(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        self.voice.handle_packet(now, source, datagram);
        self.hear_keys(now);
    }

    fn hear_keys(&mut self, now: Instant) {
        while let Some(key) = self.voice.poll_key() {
            self.keys += 1;
            let steps = self.script.handle_key(now, key);
            self.take(steps);
        }
    }

    /// When [`Line::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.script.poll_timeout(), self.voice.poll_timeout()].into_iter().flatten().min()
    }

    /// Time has come to `now`; then packets may be due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let steps = self.script.handle_timeout(now);
        self.take(steps);
        self.voice.handle_timeout(now);
        self.hear_keys(now);
    }

    /// What is to be said, first first.
    pub fn poll_say(&mut self) -> Option<Say> {
        self.say.pop_front()
    }

    /// The next packet that is due: where to, and how many octets of `buffer` it has.
    pub fn poll_packet(&mut self, now: Instant, buffer: &mut [u8; MAX_PACKET]) -> Option<(SocketAddr, usize)> {
        self.voice.poll_packet(now, buffer)
    }

    /// How many keys were pressed so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::demo::g711::Law;
    use crate::demo::script::{EARLY_MEDIA, SILENT_RING};
    use crate::demo::sound::{FRAME, STEADY_HZ, power_at};
    use crate::demo::voice::{MAX_LATE, PACKET_TIME};
    use crate::rtp::event::EventWriter;
    use crate::rtp::{Fields, Packet};

    /// A caller on a line, in virtual time.
    struct Caller {
        now: Instant,
        line: Line,
        said: Vec<(Duration, Say)>,
        begin: Instant,
        packets: Vec<Vec<u8>>,
    }

    fn home() -> SocketAddr {
        "127.0.0.1:9000".parse().unwrap()
    }

    fn media(law: Law, heard: bool) -> Media {
        Media { remote: Some(home()), heard, law, payload_type: 8, keys: Some((101, 8000)) }
    }

    impl Caller {
        fn dial(plot: Plot) -> Caller {
            let begin = Instant::now();
            let line = Line::new(begin, plot, Dice::for_test(1));
            let mut caller = Caller { now: begin, line, said: Vec::new(), begin, packets: Vec::new() };
            caller.collect();
            caller
        }

        fn collect(&mut self) {
            let mut buffer = [0; MAX_PACKET];
            while let Some((to, length)) = self.line.poll_packet(self.now, &mut buffer) {
                assert_eq!(to, home());
                self.packets.push(buffer[..length].to_vec());
            }
            while let Some(say) = self.line.poll_say() {
                self.said.push((self.now - self.begin, say));
                if matches!(say, Say::EarlyMedia | Say::Answer) {
                    self.line.handle_media(self.now, media(Law::A, true));
                }
            }
        }

        /// Lets time pass, from deadline to deadline.
        fn wait(&mut self, time: Duration) {
            let end = self.now + time;
            while let Some(due) = self.line.poll_timeout().filter(|due| *due < end) {
                self.now = due.max(self.now);
                self.line.handle_timeout(self.now);
                self.collect();
            }
            self.now = end;
        }

        fn press(&mut self, key: char) {
            for (sequence, packet) in EventWriter::new(key, Duration::from_millis(80), 8000).unwrap().enumerate() {
                let mut bytes = [0; 16];
                let timestamp = (self.now - self.begin).as_millis() as u32 * 8;
                let sequence = sequence as u16;
                let fields = Fields { marker: packet.marker, payload_type: 101, sequence, timestamp, ssrc: 7 };
                let header = fields.write_new(&mut bytes);
                bytes[header..].copy_from_slice(&packet.event.to_bytes());
                self.line.handle_packet(self.now, home(), &bytes);
            }
        }

        fn heard(&mut self) -> Vec<i16> {
            let packets = std::mem::take(&mut self.packets);
            packets
                .iter()
                .flat_map(|p| Packet::parse(p).unwrap().payload().to_vec())
                .map(|octet| Law::A.decode(octet))
                .collect()
        }
    }

    #[test]
    fn ring_back_is_heard_before_the_answer_and_music_after_it() {
        let mut caller = Caller::dial(Plot::Greeting);
        caller.wait(SILENT_RING + Duration::from_secs(2));
        let heard = caller.heard();
        assert!(power_at(440.0, &heard) > 0.45 && power_at(480.0, &heard) > 0.45);
        caller.wait(Duration::from_secs(3));
        let answered = SILENT_RING + EARLY_MEDIA;
        assert_eq!(caller.said, [(Duration::ZERO, Say::Ring), (SILENT_RING, Say::EarlyMedia), (answered, Say::Answer)]);
        assert!(caller.heard().iter().skip(8000).any(|s| s.unsigned_abs() > 1000));
    }

    #[test]
    fn a_key_is_counted_once_and_read_back() {
        let mut caller = Caller::dial(Plot::Greeting);
        caller.wait(Duration::from_secs(4));
        caller.heard();
        caller.press('5');
        assert_eq!(caller.line.keys(), 1);
        caller.wait(Duration::from_millis(200));
        let heard = caller.heard();
        assert!(power_at(770.0, &heard) > 0.4 && power_at(1336.0, &heard) > 0.4);
    }

    #[test]
    fn the_last_key_brings_the_goodbye_and_the_end() {
        let mut caller = Caller::dial(Plot::Greeting);
        caller.wait(Duration::from_secs(4));
        caller.press('#');
        caller.wait(Duration::from_secs(2));
        let end = Duration::from_millis(4000 + 1440);
        assert_eq!(caller.said.last(), Some(&(end, Say::HangUp)));
    }

    #[test]
    fn packets_are_twenty_milliseconds_apart_for_ever_and_count_on() {
        let mut caller = Caller::dial(Plot::Tone);
        caller.wait(Duration::from_secs(10));
        assert_eq!(caller.packets.len(), 500);
        let fields: Vec<Fields> = caller.packets.iter().map(|p| Packet::parse(p).unwrap().fields()).collect();
        assert!(fields[0].marker && !fields[1].marker);
        for pair in fields.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(FRAME as u32));
        }
        assert!(power_at(STEADY_HZ, &caller.heard()[..8000]) > 0.99);
    }

    #[test]
    fn a_little_delay_is_made_good_and_a_long_one_is_not() {
        let mut caller = Caller::dial(Plot::Tone);
        caller.wait(PACKET_TIME);
        caller.packets.clear();
        caller.now += MAX_LATE / 2;
        caller.collect();
        assert_eq!(caller.packets.len(), 6);
        caller.packets.clear();
        caller.now += Duration::from_secs(60);
        caller.collect();
        assert_eq!(caller.packets.len(), 1);
    }

    #[test]
    fn a_held_caller_hears_nothing_until_he_comes_back() {
        let mut caller = Caller::dial(Plot::Tone);
        caller.wait(Duration::from_secs(1));
        caller.line.handle_media(caller.now, media(Law::A, false));
        caller.packets.clear();
        caller.wait(Duration::from_secs(1));
        assert!(caller.packets.is_empty());
        caller.line.handle_media(caller.now, media(Law::A, true));
        caller.wait(Duration::from_secs(1));
        assert_eq!(caller.packets.len(), 50);
        assert!(Packet::parse(&caller.packets[0]).unwrap().marker());
    }

    #[test]
    fn the_echo_comes_back_and_silence_where_nothing_came() {
        let mut caller = Caller::dial(Plot::Echo);
        let mut packet = [0x3A; MAX_PACKET];
        Fields { marker: true, payload_type: 8, sequence: 1, timestamp: 1, ssrc: 9 }.write_new(&mut packet);
        caller.line.handle_packet(caller.now, home(), &packet);
        caller.line.handle_packet(caller.now, "127.0.0.2:9000".parse().unwrap(), &packet);
        caller.wait(2 * PACKET_TIME);
        let payloads: Vec<u8> = caller.packets.iter().map(|p| Packet::parse(p).unwrap().payload()[0]).collect();
        assert_eq!(payloads, [0x3A, Law::A.encode(0)]);
    }
}
