//! A peer of each kind, in memory: plain RTP, SRTP with keys in the description, DTLS-SRTP with and without ICE.

use std::net::SocketAddr;
use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::{Codec, Crypto, IceMode, LegSpec, LocalEnd, RemoteEnd, Sdes, Seal, SealKind, Setup};
use patchcord::rtp::{Packet, Profile, Srtp};

use super::browser::Browser;
use super::world::{SHARED, World, phone};

/// How a peer finds and protects its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Plain,
    Sdes(Profile),
    DtlsWithIce,
    DtlsWithoutIce,
}

impl Sort {
    pub const ALL: [Sort; 8] = [
        Sort::Plain,
        Sort::Sdes(Profile::AesCm128HmacSha1_80),
        Sort::Sdes(Profile::AesCm128HmacSha1_32),
        Sort::Sdes(Profile::AesCm256HmacSha1_80),
        Sort::Sdes(Profile::AeadAes128Gcm),
        Sort::Sdes(Profile::AeadAes256Gcm),
        Sort::DtlsWithIce,
        Sort::DtlsWithoutIce,
    ];

    pub fn spec(self) -> LegSpec {
        match self {
            Sort::Plain => LegSpec::PHONE,
            Sort::Sdes(_) => LegSpec { seal: SealKind::Sdes, ..LegSpec::PHONE },
            Sort::DtlsWithIce => LegSpec::BROWSER,
            Sort::DtlsWithoutIce => LegSpec { ice: IceMode::None, ..LegSpec::BROWSER },
        }
    }

    /// What the record says of its protection.
    pub fn seal(self) -> String {
        match self {
            Sort::Plain => "plain".into(),
            Sort::Sdes(profile) => format!("SDES {}", profile.name()),
            Sort::DtlsWithIce | Sort::DtlsWithoutIce => "DTLS AEAD_AES_128_GCM".into(),
        }
    }
}

/// Its end of SRTP with keys in the description.
pub struct Keys {
    profile: Profile,
    tag: u32,
    pub key: Vec<u8>,
    pub outward: Srtp,
    pub inward: Option<Srtp>,
}

impl Keys {
    pub fn new(profile: Profile, first: u8) -> Keys {
        let key: Vec<u8> = (first..).take(profile.key_length() + profile.salt_length()).collect();
        Keys { profile, tag: 5, outward: srtp(profile, &key), key, inward: None }
    }

    pub fn words(&self) -> Seal {
        let line = Crypto::of(self.tag, self.profile.name(), &self.key);
        Seal::Sdes(Sdes { cryptos: [line].into(), optional: false })
    }

    /// Takes the relay's line of its own transform.
    pub fn hear(&mut self, end: &LocalEnd) {
        let Seal::Sdes(sdes) = &end.transport.seal else { panic!("{:?}", end.transport.seal) };
        let lines: Vec<_> = sdes.cryptos.iter().map(|crypto| crypto.read().expect("a line")).collect();
        let ours = lines.into_iter().find(|line| line.suite == self.profile.name()).expect("the transform");
        self.tag = ours.tag;
        self.inward = Some(srtp(self.profile, &ours.key_and_salt));
    }
}

pub fn srtp(profile: Profile, key_and_salt: &[u8]) -> Srtp {
    let (key, salt) = key_and_salt.split_at(profile.key_length());
    Srtp::new(profile, key, salt).expect("keys")
}

enum Means {
    Plain,
    Sdes(Box<Keys>),
    Dtls(Box<Browser>),
}

pub struct Peer {
    pub sort: Sort,
    address: SocketAddr,
    wire: SocketId,
    means: Means,
}

impl Peer {
    /// `wire`: the socket of its leg, if that is not the one of all ICE legs.
    pub fn new(world: &World, sort: Sort, address: SocketAddr, wire: SocketId) -> Peer {
        let means = match sort {
            Sort::Plain => Means::Plain,
            Sort::Sdes(profile) => Means::Sdes(Box::new(Keys::new(profile, address.port() as u8))),
            Sort::DtlsWithIce | Sort::DtlsWithoutIce => Means::Dtls(Box::new(Browser::new(world.now, address, true))),
        };
        let mut peer = Peer { sort, address, wire, means };
        if let (Sort::DtlsWithoutIce, Means::Dtls(browser)) = (sort, &mut peer.means) {
            browser.wire = wire;
        } else if sort == Sort::DtlsWithIce {
            peer.wire = SHARED;
        }
        peer
    }

    pub fn offer(&self, codecs: &[Codec]) -> RemoteEnd {
        let mut words = phone(&self.address.to_string(), codecs);
        match &self.means {
            Means::Plain => {}
            Means::Sdes(keys) => words.transport.seal = keys.words(),
            Means::Dtls(browser) => {
                words = browser.words(codecs);
                if self.sort == Sort::DtlsWithoutIce {
                    words.transport.ice = None;
                    words.transport.address = Some(self.address);
                }
            }
        }
        words.is_offer = true;
        words
    }

    /// Its answer to an offer of the relay's.
    pub fn answer(&mut self, world: &World, end: &LocalEnd, codecs: &[Codec]) -> RemoteEnd {
        self.hear(world, end);
        let mut words = self.offer(codecs);
        words.is_offer = false;
        if let Seal::Dtls { setup, .. } = &mut words.transport.seal {
            *setup = Setup::Active;
        }
        words
    }

    /// Takes the relay's words.
    pub fn hear(&mut self, world: &World, end: &LocalEnd) {
        match &mut self.means {
            Means::Plain => {}
            Means::Sdes(keys) => keys.hear(end),
            Means::Dtls(browser) if self.sort == Sort::DtlsWithIce => browser.hear(world.now, end),
            Means::Dtls(browser) => {
                browser.hear_dtls(world.now, end);
                browser.target = end.transport.address;
            }
        }
    }

    pub fn pass(&mut self, world: &mut World, time: Duration) {
        match &mut self.means {
            Means::Dtls(browser) => browser.pass(world, time),
            Means::Plain | Means::Sdes(_) => world.pass(time),
        }
    }

    pub fn say(&mut self, world: &mut World, mut packet: Vec<u8>) {
        match &mut self.means {
            Means::Plain => {}
            Means::Sdes(keys) => {
                let length = packet.len();
                packet.resize(length + 32, 0);
                let length = keys.outward.protect_rtp(&mut packet, length).expect("room");
                packet.truncate(length);
            }
            Means::Dtls(browser) => return browser.say(world, packet),
        }
        world.arrive(self.wire, self.address, &packet);
    }

    /// The payloads that it heard since it was asked before.
    pub fn heard(&mut self, world: &mut World) -> Vec<Vec<u8>> {
        let packets: Vec<Vec<u8>> = match &mut self.means {
            Means::Dtls(browser) => {
                browser.exchange(world);
                std::mem::take(&mut browser.heard)
            }
            Means::Plain | Means::Sdes(_) => {
                let address = self.address;
                let (mine, others) = world.take_sent().into_iter().partition(|s| s.to == address);
                world.sent = others;
                let mine: Vec<super::world::Sent> = mine;
                mine.into_iter().filter(|s| s.is_rtp()).map(|s| s.bytes).collect()
            }
        };
        packets.into_iter().map(|packet| self.opened(packet)).collect()
    }

    fn opened(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        if let Means::Sdes(keys) = &mut self.means {
            let inward = keys.inward.as_mut().expect("keys before media");
            let length = inward.unprotect_rtp(&mut packet).expect("an authentic packet");
            packet.truncate(length);
        }
        Packet::parse(&packet).expect("an RTP packet").payload().to_vec()
    }
}
