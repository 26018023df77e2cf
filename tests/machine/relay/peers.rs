//! A peer of each kind, in memory: plain RTP, SRTP with keys in the description and DTLS-SRTP, each with and without ICE.

use std::net::SocketAddr;
use std::time::Duration;

use patchcord::media::shard::SocketId;
use patchcord::model::crypto;
use patchcord::model::{Codec, Crypto, IceMode, LegSpec, LocalEnd, RemoteEnd, Sdes, Seal, SealKind, Setup};
use patchcord::rtp::{Packet, Profile, Srtp};

use super::browser::Browser;
use super::world::{SHARED, World, phone};

/// How a peer finds and protects its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Plain,
    Sdes(Profile),
    PlainWithIce,
    SdesWithIce(Profile),
    DtlsWithIce,
    DtlsWithoutIce,
}

impl Sort {
    pub const ALL: [Sort; 11] = [
        Sort::Plain,
        Sort::Sdes(Profile::AesCm128HmacSha1_80),
        Sort::Sdes(Profile::AesCm128HmacSha1_32),
        Sort::Sdes(Profile::AesCm256HmacSha1_80),
        Sort::Sdes(Profile::AeadAes128Gcm),
        Sort::Sdes(Profile::AeadAes256Gcm),
        Sort::PlainWithIce,
        Sort::SdesWithIce(Profile::AesCm128HmacSha1_80),
        Sort::SdesWithIce(Profile::AeadAes256Gcm),
        Sort::DtlsWithIce,
        Sort::DtlsWithoutIce,
    ];

    pub fn has_ice(self) -> bool {
        matches!(self, Sort::PlainWithIce | Sort::SdesWithIce(_) | Sort::DtlsWithIce)
    }

    pub fn spec(self) -> LegSpec {
        match self {
            Sort::Plain => LegSpec::PHONE,
            Sort::Sdes(_) => LegSpec { seal: SealKind::Sdes, ..LegSpec::PHONE },
            Sort::PlainWithIce => LegSpec { ice: IceMode::Lite, ..LegSpec::PHONE },
            Sort::SdesWithIce(_) => LegSpec { seal: SealKind::Sdes, ..LegSpec::BROWSER },
            Sort::DtlsWithIce => LegSpec::BROWSER,
            Sort::DtlsWithoutIce => LegSpec { ice: IceMode::None, ..LegSpec::BROWSER },
        }
    }

    /// Whether it finds what it does in an offer of ours.
    pub fn can_answer(self) -> bool {
        match self {
            Sort::Sdes(profile) | Sort::SdesWithIce(profile) => crypto::OFFERED.contains(&profile.name()),
            _ => true,
        }
    }

    /// What the record says of its protection.
    pub fn seal(self) -> String {
        match self {
            Sort::Plain | Sort::PlainWithIce => "plain".into(),
            Sort::Sdes(profile) | Sort::SdesWithIce(profile) => format!("SDES {}", profile.name()),
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

pub struct Peer {
    pub sort: Sort,
    pub address: SocketAddr,
    pub wire: SocketId,
    /// Its ICE and DTLS, if it does one of them.
    browser: Option<Box<Browser>>,
    /// Its keys, if they stand in descriptions.
    keys: Option<Box<Keys>>,
    /// Packets that were taken for another question.
    pub kept: Vec<Vec<u8>>,
}

impl Peer {
    /// `wire`: the socket of its leg, if that is not the one of all ICE legs.
    pub fn new(world: &World, sort: Sort, address: SocketAddr, wire: SocketId) -> Peer {
        let has_dtls = matches!(sort, Sort::DtlsWithIce | Sort::DtlsWithoutIce);
        let mut browser = (has_dtls || sort.has_ice()).then(|| Box::new(Browser::new(world.now, address, has_dtls)));
        let keys = match sort {
            Sort::Sdes(profile) | Sort::SdesWithIce(profile) => {
                Some(Box::new(Keys::new(profile, address.port() as u8)))
            }
            _ => None,
        };
        let wire = if sort.has_ice() { SHARED } else { wire };
        if let Some(browser) = &mut browser {
            browser.wire = wire;
        }
        Peer { sort, address, wire, browser, keys, kept: Vec::new() }
    }

    pub fn offer(&self, codecs: &[Codec]) -> RemoteEnd {
        let mut words = phone(&self.address.to_string(), codecs);
        if let Some(browser) = &self.browser {
            words = browser.words(codecs);
            if !self.sort.has_ice() {
                words.transport.ice = None;
                words.transport.address = Some(self.address);
            }
        }
        if let Some(keys) = &self.keys {
            words.transport.seal = keys.words();
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
        if let Some(keys) = &mut self.keys {
            keys.hear(end);
        }
        match &mut self.browser {
            Some(browser) if self.sort.has_ice() => browser.hear(world.now, end),
            Some(browser) => {
                browser.hear_dtls(world.now, end);
                browser.target = end.transport.address;
            }
            None => {}
        }
    }

    pub fn pass(&mut self, world: &mut World, time: Duration) {
        match &mut self.browser {
            Some(browser) => browser.pass(world, time),
            None => world.pass(time),
        }
    }

    /// Does what is due now.
    pub fn tick(&mut self, world: &mut World) {
        if let Some(browser) = &mut self.browser {
            browser.tick(world);
        }
    }

    pub fn say(&mut self, world: &mut World, mut packet: Vec<u8>) {
        if let Some(keys) = &mut self.keys {
            let length = packet.len();
            packet.resize(length + 32, 0);
            let length = keys.outward.protect_rtp(&mut packet, length).expect("room");
            packet.truncate(length);
        }
        match &mut self.browser {
            Some(browser) => browser.say(world, packet),
            None => world.arrive(self.wire, self.address, &packet),
        }
    }

    /// Says a compound of RTCP.
    pub fn report(&mut self, world: &mut World, mut compound: Vec<u8>) {
        if let Some(keys) = &mut self.keys {
            let length = compound.len();
            compound.resize(length + 32, 0);
            let length = keys.outward.protect_rtcp(&mut compound, length).expect("room");
            compound.truncate(length);
        }
        match &mut self.browser {
            Some(browser) => browser.report(world, compound),
            None => world.arrive(self.wire, self.address, &compound),
        }
    }

    /// The RTCP that it got since it was asked before.
    pub fn reports(&mut self, world: &mut World) -> Vec<Vec<u8>> {
        let reports: Vec<Vec<u8>> = match &mut self.browser {
            Some(browser) => {
                browser.exchange(world);
                std::mem::take(&mut browser.reports)
            }
            None => {
                let address = self.address;
                let (mine, others): (Vec<_>, Vec<_>) =
                    world.take_sent().into_iter().partition(|s| s.is_rtcp_for(address));
                world.sent = others;
                mine.into_iter().map(|s| s.bytes).collect()
            }
        };
        let open = |mut compound: Vec<u8>| {
            if let Some(keys) = &mut self.keys {
                let inward = keys.inward.as_mut().expect("keys before reports");
                let length = inward.unprotect_rtcp(&mut compound).expect("an authentic compound");
                compound.truncate(length);
            }
            compound
        };
        reports.into_iter().map(open).collect()
    }

    /// The payloads that it heard since it was asked before.
    pub fn heard(&mut self, world: &mut World) -> Vec<Vec<u8>> {
        let payload = |packet: Vec<u8>| Packet::parse(&packet).expect("an RTP packet").payload().to_vec();
        self.packets(world).into_iter().map(payload).collect()
    }

    /// The RTP packets that it heard since it was asked before, opened.
    pub fn packets(&mut self, world: &mut World) -> Vec<Vec<u8>> {
        let packets: Vec<Vec<u8>> = match &mut self.browser {
            Some(browser) => {
                browser.exchange(world);
                std::mem::take(&mut browser.heard)
            }
            None => {
                let address = self.address;
                let (mine, others): (Vec<_>, Vec<_>) =
                    world.take_sent().into_iter().partition(|s| s.to == address && s.is_rtp());
                world.sent = others;
                mine.into_iter().map(|s| s.bytes).collect()
            }
        };
        packets.into_iter().map(|packet| self.opened(packet)).collect()
    }

    fn opened(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        if let Some(keys) = &mut self.keys {
            let inward = keys.inward.as_mut().expect("keys before media");
            let length = inward.unprotect_rtp(&mut packet).expect("an authentic packet");
            packet.truncate(length);
        }
        packet
    }
}
