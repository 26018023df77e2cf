//! Two parties that talk and show themselves.

use std::sync::Arc;
use std::time::Duration;

use patchcord::base::LegId;
use patchcord::media::shard::SocketId;
use patchcord::model::{
    Codec, GraphLeg, GraphVideo, IceMode, LegStats, LocalEnd, RelayCommand, RelayEvent, RemoteEnd, Source,
};

use super::super::peers::{Peer, Sort};
use super::super::world::{CALL, SHARED, World, at, legs, plain_leg};

/// What a party is.
#[derive(Debug, Clone)]
pub struct End {
    pub sort: Sort,
    pub bundled: bool,
    pub feedback: Vec<&'static str>,
    pub limit_kbps: Option<u32>,
}

impl Default for End {
    fn default() -> End {
        End {
            sort: Sort::Plain,
            bundled: true,
            feedback: vec!["nack", "nack pli", "ccm fir", "goog-remb"],
            limit_kbps: None,
        }
    }
}

pub fn vp8(payload_type: u8) -> Codec {
    Codec::new(payload_type, "VP8", 90_000, 1)
}

fn codecs(end: &End, payload_type: u8) -> Vec<Codec> {
    vec![Codec { feedback: end.feedback.iter().map(|f| (*f).to_owned()).collect(), ..vp8(payload_type) }]
}

pub fn video(end: &End, payload_type: u8, sees: Option<LegId>, remote: Option<RemoteEnd>) -> GraphVideo {
    GraphVideo {
        bundled: end.bundled,
        remote,
        codecs: codecs(end, payload_type),
        sends: true,
        receives: true,
        sees,
        limit_kbps: end.limit_kbps,
        expected: true,
        transport_cc: None,
        send_time: None,
    }
}

/// One party: its sound, and its pictures where they have a transport of their own.
struct Party {
    end: End,
    payload_type: u8,
    sound: Peer,
    pictures: Option<Peer>,
}

pub struct Scene {
    pub world: World,
    pub legs: [GraphLeg; 2],
    parties: [Party; 2],
    revision: u32,
}

fn sound() -> Vec<Codec> {
    vec![Codec::pcmu()]
}

impl Scene {
    /// A offers, B answers, and packets can flow.
    pub fn talking(a: End, b: End) -> Scene {
        let mut world = World::new();
        let mut pairs = 0;
        let mut wire = |end: &End| {
            if end.sort == Sort::DtlsWithIce {
                return SHARED;
            }
            pairs += 1;
            SocketId(2 * pairs)
        };
        let mut party = |end: End, host: &str, payload_type| {
            let address = |port| at(&format!("{host}:{port}"));
            let sound = Peer::new(&world, end.sort, address(4000), wire(&end));
            let pictures = (!end.bundled).then(|| Peer::new(&world, end.sort, address(4002), wire(&end)));
            Party { end, payload_type, sound, pictures }
        };
        let mut parties = [party(a, "203.0.113.1", 96), party(b, "203.0.113.2", 100)];
        let (one, other) = legs();
        let leg = |party: &Party, id, seen| GraphLeg {
            spec: party.end.sort.spec(),
            video: Some(Box::new(video(&party.end, party.payload_type, Some(seen), None))),
            ..plain_leg(id, None, &sound(), Source::Leg(seen))
        };
        let mut graph = [leg(&parties[0], one, other), leg(&parties[1], other, one)];
        parties[0].describe(&mut graph[0]);
        world.apply(1, &graph);
        let (end_a, end_b) = (world.ready(one), world.ready(other));
        parties[0].hear(&world, &end_a);
        parties[1].answer(&world, &end_b, &mut graph[1]);
        world.apply(2, &graph);
        let mut scene = Scene { world, legs: graph, parties, revision: 2 };
        if scene
            .parties
            .iter()
            .any(|party| party.end.sort.spec().ice != IceMode::None || party.end.sort == Sort::DtlsWithoutIce)
        {
            scene.pass(Duration::from_millis(300));
        }
        scene
    }

    /// Another graph.
    pub fn change(&mut self, change: impl FnOnce(&mut [GraphLeg; 2])) {
        change(&mut self.legs);
        self.revision += 1;
        self.world.apply(self.revision, &self.legs);
    }

    /// A party's pictures go on the transport of its sound from here on.
    pub fn bundle(&mut self, party: usize) {
        self.parties[party].pictures = None;
        let words = self.parties[party].words(&self.parties[party].sound);
        self.change(|legs| {
            let video = legs[party].video.as_mut().expect("pictures");
            (video.bundled, video.remote) = (true, Some(words));
        });
    }

    /// The parties send where the relay says that it listens from here on.
    pub fn follow(&mut self) {
        for (party, leg) in self.parties.iter_mut().zip(&self.legs) {
            let end = self.world.ready(leg.leg);
            if let (Some(peer), Some(video)) = (&mut party.pictures, end.video) {
                peer.wire = SocketId(u32::from(video.transport.address.expect("an address").port()) - 20_000);
            }
        }
    }

    pub fn pass(&mut self, time: Duration) {
        let end = self.world.now + time;
        while self.world.now < end {
            let step = Duration::from_millis(5).min(end - self.world.now);
            // What takes no time for one after the other has passed for all.
            let now = self.world.now;
            for party in &mut self.parties {
                for peer in std::iter::once(&mut party.sound).chain(&mut party.pictures) {
                    peer.tick(&mut self.world);
                }
            }
            self.world.pass((now + step).saturating_duration_since(self.world.now));
        }
    }

    pub fn show(&mut self, party: usize, packet: Vec<u8>) {
        let party = &mut self.parties[party];
        party.pictures.as_mut().unwrap_or(&mut party.sound).say(&mut self.world, packet);
    }

    pub fn say(&mut self, party: usize, packet: Vec<u8>) {
        self.parties[party].sound.say(&mut self.world, packet);
    }

    /// A compound about pictures.
    pub fn report(&mut self, party: usize, compound: Vec<u8>) {
        let party = &mut self.parties[party];
        party.pictures.as_mut().unwrap_or(&mut party.sound).report(&mut self.world, compound);
    }

    /// The compounds about pictures that a party got since it was asked before.
    pub fn reports(&mut self, party: usize) -> Vec<Vec<u8>> {
        let party = &mut self.parties[party];
        party.pictures.as_mut().unwrap_or(&mut party.sound).reports(&mut self.world)
    }

    /// The packets of pictures that a party got since it was asked before.
    pub fn saw(&mut self, party: usize) -> Vec<Vec<u8>> {
        let number = self.parties[party].payload_type;
        self.packets(party, true).into_iter().filter(|packet| packet[1] & 0x7f == number).collect()
    }

    /// The packets of sound that a party got since it was asked before. Where both come on one transport, each
    /// question forgets what is not asked for, unless [`Scene::saw`] was asked first.
    pub fn heard(&mut self, party: usize) -> Vec<Vec<u8>> {
        self.packets(party, false).into_iter().filter(|packet| packet[1] & 0x7f == 0).collect()
    }

    fn packets(&mut self, party: usize, pictures: bool) -> Vec<Vec<u8>> {
        let party = &mut self.parties[party];
        let is_apart = party.pictures.is_some();
        let peer = party.pictures.as_mut().filter(|_| pictures).unwrap_or(&mut party.sound);
        let mut packets = std::mem::take(&mut peer.kept);
        packets.extend(peer.packets(&mut self.world));
        if pictures && !is_apart {
            peer.kept = packets.iter().filter(|packet| packet[1] & 0x7f == 0).cloned().collect();
        }
        packets
    }

    /// Loses some of the packets of pictures that are on their way to a party.
    pub fn lose(&mut self, party: usize, mut is_lost: impl FnMut() -> bool) {
        let party = &self.parties[party];
        let address = party.pictures.as_ref().unwrap_or(&party.sound).address;
        self.world.sent.retain(|sent| sent.to != address || !sent.is_rtp() || !is_lost());
    }

    pub fn stats(&mut self) -> [LegStats; 2] {
        self.world.order(RelayCommand::Stats(CALL));
        let found = self.world.events.iter().rev().find_map(|event| match event {
            RelayEvent::Stats { legs, .. } => Some(legs.clone()),
            _ => None,
        });
        found.expect("figures").try_into().expect("two legs")
    }
}

impl Party {
    fn words(&self, peer: &Peer) -> RemoteEnd {
        peer.offer(&codecs(&self.end, self.payload_type))
    }

    /// Its offer.
    fn describe(&self, leg: &mut GraphLeg) {
        leg.remote = Some(Arc::new(self.sound.offer(&sound())));
        let words = self.words(self.pictures.as_ref().unwrap_or(&self.sound));
        leg.video.as_mut().expect("pictures").remote = Some(words);
    }

    fn hear(&mut self, world: &World, end: &LocalEnd) {
        self.sound.hear(world, end);
        if let Some(pictures) = &mut self.pictures {
            pictures.hear(world, &of_pictures(end));
        }
    }

    fn answer(&mut self, world: &World, end: &LocalEnd, leg: &mut GraphLeg) {
        leg.remote = Some(Arc::new(self.sound.answer(world, end, &sound())));
        let formats = codecs(&self.end, self.payload_type);
        let words = match &mut self.pictures {
            Some(pictures) => pictures.answer(world, &of_pictures(end), &formats),
            None => self.words(&self.sound),
        };
        leg.video.as_mut().expect("pictures").remote = Some(words);
    }
}

/// Our end of the pictures, as if they were all there is.
fn of_pictures(end: &LocalEnd) -> LocalEnd {
    let video = end.video.as_ref().expect("pictures");
    LocalEnd { transport: video.transport.clone(), ssrc: video.ssrc, cname: end.cname.clone(), video: None }
}
