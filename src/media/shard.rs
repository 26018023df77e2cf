//! One core's worth of legs: finds the leg of a datagram, passes on what it carries, and does what is due.
//!
//! The driver's turn: orders ([`Shard::handle_command`]), datagrams ([`Shard::handle_datagram`], each of which
//! may go out again from the buffer it came in), what is due ([`Shard::handle_timeout`]), then the datagrams
//! of the shard's own making ([`Shard::poll_transmit`]), the ports that are free again
//! ([`Shard::release_ports`]) and the news ([`Shard::poll_event`]).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use slab::Slab;
use tracing::warn;

use super::budget::{Budgets, Verdict};
use super::codec::Effort;
use super::figures::Tally;
use super::leg::{Certificate, Context, Heard, Leg, LinkId, WallClock};
use super::outbox::Outbox;
use super::reconcile::Call;
use super::sound::{Mouth, Shelf};
use super::tap::{CHANNELS, Ears, TapKey, TapNews};
use super::transactions::Transactions;
use crate::base::{CallId, Dice};
use crate::media::bridge::Content;
use crate::model::RelayEvent;
use crate::rtp::packet::{FIXED_HEADER, Kind, kind};
use crate::stun::{Class, Message};

/// Bytes that should be free behind a datagram, for the tag of its protection.
pub const TAILROOM: usize = 64;

/// A leg that wants to be looked after at once waits at least so long, so that none can hold up the others.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// A UDP socket of the driver: a small number, given out again when the socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId(pub u32);

/// Two neighbouring ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortPair {
    /// For RTP, on the even port.
    pub rtp: SocketId,
    /// For RTCP, on the next.
    pub rtcp: SocketId,
    /// The RTP port.
    pub port: u16,
}

/// The sockets that a shard asks its driver for.
pub trait Ports {
    /// Opens two neighbouring ports, the lower one even; `None` if none are free.
    fn open_pair(&mut self, now: Instant, ipv6: bool) -> Option<PortPair>;

    /// Closes a pair; its ports rest for a while before they are given out again.
    fn close_pair(&mut self, now: Instant, pair: PortPair);
}

/// What a shard is made with.
#[derive(Clone)]
pub struct ShardConfig {
    /// The addresses at which peers reach us over IPv4, best first.
    pub advertised_v4: Vec<IpAddr>,
    /// The same over IPv6.
    pub advertised_v6: Vec<IpAddr>,
    /// The socket of all ICE legs over IPv4, with its port.
    pub ice_v4: Option<(SocketId, u16)>,
    /// The same over IPv6.
    pub ice_v6: Option<(SocketId, u16)>,
    /// Our certificate.
    pub certificate: Certificate,
    /// The time of day.
    pub wall: WallClock,
    /// What can be played.
    pub sounds: Shelf,
    /// What encoding translated speech may take.
    pub effort: Effort,
}

/// A datagram that goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// The socket that it leaves by.
    pub socket: SocketId,
    /// Where to.
    pub to: SocketAddr,
    /// Its first byte in the buffer.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// What a socket is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Nothing,
    Shared,
    Rtp(LinkId),
    Rtcp(LinkId),
}

/// The legs of some calls.
pub struct Shard {
    pub(super) config: ShardConfig,
    pub(super) dice: Dice,
    pub(super) legs: Slab<Leg>,
    pub(super) calls: HashMap<CallId, Call>,
    /// The calls that were removed last.
    pub(super) removed: VecDeque<CallId>,
    uses: Vec<Use>,
    pub(super) peers: HashMap<SocketAddr, LinkId>,
    pub(super) ufrags: HashMap<String, LinkId>,
    transactions: Transactions,
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    outbox: Outbox,
    pub(super) events: VecDeque<RelayEvent>,
    seen: Vec<(SocketAddr, LinkId, bool)>,
    pub(super) closing: Vec<PortPair>,
    aims: VecDeque<(SocketId, Option<SocketAddr>)>,
    pub(super) ears: Ears,
    strangers: u64,
    pub(super) budgets: Budgets,
    pub(super) tally: Tally,
}

impl Shard {
    /// A shard without legs.
    pub fn new(config: ShardConfig, dice: Dice) -> Shard {
        let mut shard = Shard {
            dice,
            legs: Slab::new(),
            calls: HashMap::new(),
            removed: VecDeque::new(),
            uses: Vec::new(),
            peers: HashMap::new(),
            ufrags: HashMap::new(),
            transactions: Transactions::default(),
            timers: BinaryHeap::new(),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            seen: Vec::new(),
            closing: Vec::new(),
            aims: VecDeque::new(),
            ears: Ears::default(),
            strangers: 0,
            budgets: Budgets::default(),
            tally: Tally::default(),
            config,
        };
        for (socket, _) in [shard.config.ice_v4, shard.config.ice_v6].into_iter().flatten() {
            shard.set_use(socket, Use::Shared);
        }
        shard
    }

    /// Takes a datagram: the first `length` bytes of `buffer`, with [`TAILROOM`] behind them. If it is to be
    /// passed on, it has been made so in the same buffer.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        socket: SocketId,
        from: SocketAddr,
        buffer: &mut [u8],
        length: usize,
    ) -> Option<Outgoing> {
        let datagram = buffer.get(..length)?;
        let what = kind(datagram);
        let purpose = *self.uses.get(socket.0 as usize)?;
        let link = match purpose {
            Use::Nothing => None,
            Use::Rtp(link) => Some(link),
            Use::Rtcp(link) if matches!(what, Kind::Rtcp | Kind::Dtls | Kind::Stun) => Some(link),
            Use::Rtcp(_) => None,
            Use::Shared if what == Kind::Stun => {
                self.handle_stun(now, from, buffer.get(..length)?);
                return None;
            }
            Use::Shared => self.peers.get(&from).copied(),
        };
        if link.is_some_and(|link| self.is_shared(socket) && !self.may_take(now, link.place)) {
            return None;
        }
        let Some(link) = link else {
            self.strangers += 1;
            return None;
        };
        let (place, of_pictures) = (link.place, link.is_of_pictures);
        let for_rtcp = matches!(purpose, Use::Rtcp(_));
        match what {
            Kind::Rtp => return self.handle_rtp(now, link, from, buffer, length),
            Kind::Rtcp => {
                let packet = buffer.get_mut(..length)?;
                self.with_leg(now, place, |leg, cx| leg.receive_rtcp(cx, of_pictures, for_rtcp, from, packet));
                self.carry_wish(now, place);
            }
            Kind::Dtls => {
                let datagram = buffer.get(..length)?;
                self.with_leg(now, place, |leg, cx| leg.receive_dtls(cx, of_pictures, for_rtcp, from, datagram));
                self.after(now, place);
            }
            Kind::Stun if self.has_own_ice(link) => {
                let datagram = buffer.get(..length)?;
                self.with_leg(now, place, |leg, cx| leg.receive_stun(cx, of_pictures, for_rtcp, from, datagram));
                self.after(now, place);
            }
            // A phone that keeps its binding alive, or noise: no leg here answers it.
            Kind::Stun | Kind::TurnChannel | Kind::Other => self.strangers += 1,
        }
        None
    }

    /// A leg's own socket has been read as long as its budget allows, and so many datagrams in all did not fit in it.
    pub fn note_overflow(&mut self, now: Instant, socket: SocketId, dropped: u32) {
        let Some(Use::Rtp(link) | Use::Rtcp(link)) = self.uses.get(socket.0 as usize).copied() else { return };
        let place = link.place;
        if self.budgets.note_overflow(now, place, u64::from(dropped)) {
            self.tell_of_storm(place);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(Reverse((at, place))) = self.timers.peek().copied() {
            let scheduled = self.legs.get_mut(place).map(|leg| &mut leg.scheduled).filter(|s| **s == Some(at));
            // What is not wanted any more goes before its time: a shard that woke up for each leg that has ended would do
            // so as often as for those that have begun.
            let is_wanted = scheduled.is_some();
            if is_wanted && at > now {
                break;
            }
            if let Some(scheduled) = scheduled {
                *scheduled = None;
            }
            self.timers.pop();
            if is_wanted {
                self.with_leg(now, place, |leg, cx| leg.handle_timeout(cx));
                self.after(now, place);
            }
        }
        self.ears.handle_timeout(now);
        self.take_turns(now);
    }

    /// When [`Shard::handle_timeout`] should be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let legs = self.timers.peek().map(|Reverse((at, _))| *at);
        [legs, self.ears.poll_timeout()].into_iter().flatten().min()
    }

    /// The next datagram of the shard's own making, written to `buffer`.
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<Outgoing> {
        let (socket, to, length) = self.outbox.pop_into(buffer)?;
        Some(Outgoing { socket, to, start: 0, end: length })
    }

    /// A leg's own socket that listens to one address alone from here on, or again to any: to connect it makes sending
    /// cheaper, and keeps the packets of strangers away.
    pub fn poll_aim(&mut self) -> Option<(SocketId, Option<SocketAddr>)> {
        self.aims.pop_front()
    }

    /// Gives back the ports of legs that are gone, after their last datagrams were taken by
    /// [`Shard::poll_transmit`].
    pub fn release_ports(&mut self, now: Instant, ports: &mut dyn Ports) {
        for pair in self.closing.drain(..) {
            ports.close_pair(now, pair);
        }
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<RelayEvent> {
        self.events.pop_front()
    }

    /// All that there is to tell.
    pub fn take_events(&mut self) -> Vec<RelayEvent> {
        self.events.drain(..).collect()
    }

    /// The next thing that an ear tells.
    pub fn poll_tap(&mut self) -> Option<TapNews> {
        self.ears.poll_news()
    }

    /// Where that which a fork says to each of its channels is put.
    pub fn mouths(&self, key: TapKey) -> Option<&[Mouth; CHANNELS]> {
        self.ears.mouths(key)
    }

    /// How many legs there are.
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// Datagrams that belong to no leg.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }

    pub(super) fn set_use(&mut self, socket: SocketId, purpose: Use) {
        let at = socket.0 as usize;
        if self.uses.len() <= at {
            self.uses.resize(at + 1, Use::Nothing);
        }
        if let Some(entry) = self.uses.get_mut(at) {
            *entry = purpose;
        }
    }

    /// What a pair of sockets is there for from here on.
    pub(super) fn set_uses(&mut self, pair: Option<PortPair>, link: Option<LinkId>) {
        if let Some(pair) = pair {
            self.set_use(pair.rtp, link.map_or(Use::Nothing, Use::Rtp));
            self.set_use(pair.rtcp, link.map_or(Use::Nothing, Use::Rtcp));
        }
    }

    /// Works on a leg with all that legs work with.
    pub(super) fn with_leg<T>(
        &mut self,
        now: Instant,
        place: usize,
        work: impl FnOnce(&mut Leg, &mut Context) -> T,
    ) -> Option<T> {
        let leg = self.legs.get_mut(place)?;
        let mut cx = Context {
            now,
            dice: &mut self.dice,
            wall: &self.config.wall,
            certificate: &self.config.certificate,
            outbox: &mut self.outbox,
            events: &mut self.events,
            seen: &mut self.seen,
            place,
            sounds: &self.config.sounds,
            effort: self.config.effort,
            transactions: &mut self.transactions,
            tally: &mut self.tally,
        };
        Some(work(leg, &mut cx))
    }

    /// Makes a leg with all that legs work with.
    pub(super) fn make_leg(&mut self, now: Instant, make: impl FnOnce(&mut Context) -> Leg) -> usize {
        let place = self.legs.vacant_key();
        let mut cx = Context {
            now,
            dice: &mut self.dice,
            wall: &self.config.wall,
            certificate: &self.config.certificate,
            outbox: &mut self.outbox,
            events: &mut self.events,
            seen: &mut self.seen,
            place,
            sounds: &self.config.sounds,
            effort: self.config.effort,
            transactions: &mut self.transactions,
            tally: &mut self.tally,
        };
        let leg = make(&mut cx);
        self.legs.insert(leg)
    }

    /// After anything but plain media: notes where the peer was seen, and when the leg wants to be looked after.
    pub(super) fn after(&mut self, now: Instant, place: usize) {
        for (address, link, is_there) in self.seen.drain(..) {
            if is_there {
                self.peers.insert(address, link);
            } else if self.peers.get(&address) == Some(&link) {
                self.peers.remove(&address);
            }
        }
        let Some(leg) = self.legs.get_mut(place) else { return };
        while let Some(aim) = leg.take_aim() {
            self.aims.push_back(aim);
        }
        let at = leg.poll_timeout().max(now + LEAST_WAIT);
        if leg.scheduled.is_none_or(|scheduled| at < scheduled) {
            leg.scheduled = Some(at);
            self.timers.push(Reverse((at, place)));
        }
    }

    /// Whether a leg has not had its share of the turn on a socket that others need too.
    fn may_take(&mut self, now: Instant, place: usize) -> bool {
        let verdict = self.budgets.take(now, place);
        if verdict == Verdict::RefusedFirst {
            self.tell_of_storm(place);
        }
        verdict == Verdict::Granted
    }

    fn tell_of_storm(&self, place: usize) {
        if let Some(leg) = self.legs.get(place) {
            warn!(call = %leg.call(), leg = %leg.id(), "more comes in on this leg than it may take; the rest is dropped");
        }
    }

    /// Whether a link with ports of its own does ICE there.
    fn has_own_ice(&self, link: LinkId) -> bool {
        let leg = self.legs.get(link.place);
        let link = leg.and_then(|leg| if link.is_of_pictures { leg.picture_link() } else { Some(leg.link()) });
        link.is_some_and(|link| link.ice().is_some())
    }

    fn is_shared(&self, socket: SocketId) -> bool {
        [self.config.ice_v4, self.config.ice_v6].into_iter().flatten().any(|(shared, _)| shared == socket)
    }

    fn handle_rtp(
        &mut self,
        now: Instant,
        link: LinkId,
        from: SocketAddr,
        buffer: &mut [u8],
        length: usize,
    ) -> Option<Outgoing> {
        let place = link.place;
        let of_pictures = link.is_of_pictures;
        let heard = self.with_leg(now, place, |leg, cx| leg.receive_rtp(cx, of_pictures, from, buffer, length))?;
        if self.legs.get_mut(place).is_some_and(Leg::has_picture_news) {
            self.after(now, place);
        }
        let heard = heard?;
        if heard.content == Content::Picture {
            return self.show(now, place, &heard, buffer);
        }
        let has_news = |leg: &Leg| leg.hears_a_tone() || leg.has_new_aim();
        if heard.hurries || self.legs.get(place).is_some_and(has_news) {
            self.after(now, place);
        }
        let leg = self.legs.get(place)?;
        for (ear, channel) in &leg.ears {
            let payload = buffer.get(heard.start..heard.end)?;
            self.ears.hear(now, *ear, *channel, heard.fields, payload);
        }
        let first = *leg.listeners.first()?;
        if leg.listeners.len() > 1 {
            self.copy_to_others(now, place, &heard, buffer);
        }
        let listener = self.legs.get_mut(first)?;
        let out = listener.send_rtp(now, &heard, buffer);
        if listener.has_begun_to_speak() {
            self.after(now, first);
        }
        out
    }

    /// A leg that several others hear, or see: all but the first get a copy.
    pub(super) fn copy_to_others(&mut self, now: Instant, place: usize, heard: &Heard, buffer: &[u8]) {
        let Some(payload) = buffer.get(heard.start..heard.end) else { return };
        let copied = Heard { start: FIXED_HEADER, end: FIXED_HEADER + payload.len(), ..*heard };
        let mut number = 1;
        while let Some(listener) = self.legs.get(place).and_then(|leg| leg.audience(heard.content).get(number)).copied()
        {
            number += 1;
            let mut copy = self.outbox.buffer();
            copy.resize(FIXED_HEADER, 0);
            copy.extend_from_slice(payload);
            copy.resize(copied.end + TAILROOM, 0);
            let out = self.legs.get_mut(listener).and_then(|leg| leg.send_rtp(now, &copied, &mut copy));
            if self.legs.get_mut(listener).is_some_and(Leg::has_begun_to_speak) {
                self.after(now, listener);
            }
            match out {
                Some(out) => {
                    copy.truncate(out.end);
                    self.outbox.push(out.socket, out.to, copy);
                }
                None => self.outbox.put_back(copy),
            }
        }
    }

    fn handle_stun(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let link = Message::parse(datagram).and_then(|message| match message.class() {
            Class::Request | Class::Indication => self.ufrags.get(message.ufrags()?.0).copied(),
            Class::Success | Class::Error => self.transactions.find(&message.transaction()),
        });
        let Some(link) = link else {
            self.strangers += 1;
            return;
        };
        if !self.may_take(now, link.place) {
            return;
        }
        self.with_leg(now, link.place, |leg, cx| leg.receive_stun(cx, link.is_of_pictures, false, from, datagram));
        self.after(now, link.place);
    }
}
