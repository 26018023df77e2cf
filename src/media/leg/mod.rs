//! One leg: a link, by which its packets travel, and what goes out and comes in by it.
//!
//! ```text
//!            apply: description           path found, keys there            first packet
//!  Laid ───────────────────────▶ Described ───────────────────▶ Connected ─────────────▶ Heard
//! ```

mod arriving;
mod component;
pub mod control;
pub mod digits;
pub mod dtls;
mod filler;
mod frame;
pub mod hearing;
pub mod ice;
mod inward;
mod keys;
pub mod latch;
pub mod link;
mod outward;
mod own;
pub mod path;
pub mod pictures;
pub mod quality;
pub mod refusal;
mod report;
pub mod sdes;
pub mod seal;
mod speech;
pub mod track;
pub mod watch;

pub use control::WallClock;
pub use dtls::{Certificate, Dtls, Role};
pub use inward::Heard;
pub use link::{LinkId, Wires};
pub use pictures::Wish;
pub use sdes::Sdes;
pub use seal::{Seal, SealError};

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tracing::{info, warn};

use self::control::Control;
use self::digits::{EventFormat, Keypad};
use self::filler::Filler;
use self::hearing::Hearing;
use self::ice::IcePath;
use self::keys::ToneKeys;
use self::link::Link;
use self::pictures::Pictures;
use self::speech::Speaking;
use self::track::Track;
use self::watch::Watch;
use super::bridge::{Format, Routes, formats};
use super::codec::Effort;
use super::figures::Tally;
use super::outbox::Outbox;
use super::shard::SocketId;
use super::sound::Shelf;
use super::transactions::Transactions;
use crate::base::{CallId, Dice, LegId};
use crate::model::{Candidate, Codec, GraphLeg, LocalEnd, RelayEvent, RemoteEnd, Source};

/// What every leg of a shard works with.
pub struct Context<'a> {
    /// The time.
    pub now: Instant,
    /// Chance.
    pub dice: &'a mut Dice,
    /// The time of day.
    pub wall: &'a WallClock,
    /// Our certificate.
    pub certificate: &'a Certificate,
    /// Where datagrams of our own making go.
    pub outbox: &'a mut Outbox,
    /// Where news goes.
    pub events: &'a mut VecDeque<RelayEvent>,
    /// Addresses at which the leg's peer proved to be (`true`), or that are forgotten (`false`), for the shard
    /// to find the link by.
    pub seen: &'a mut Vec<(SocketAddr, LinkId, bool)>,
    /// The place of the leg in its shard.
    pub place: usize,
    /// What can be played.
    pub sounds: &'a Shelf,
    /// What encoding translated speech may take.
    pub effort: Effort,
    /// The checks under way, for the shard to find the leg by their answers.
    pub transactions: &'a mut Transactions,
    /// What is counted over all legs.
    pub tally: &'a mut Tally,
}

/// What the call wants of the leg.
#[derive(Debug, Clone)]
struct Wants {
    sends: bool,
    receives: bool,
    hears: Source,
}

/// One leg.
pub struct Leg {
    call: CallId,
    id: LegId,
    link: Link,
    cname: String,
    wants: Wants,
    remote: Option<Arc<RemoteEnd>>,
    codecs: Arc<Vec<Codec>>,
    formats: Vec<Format>,
    event_format: Option<EventFormat>,
    routes: Routes,
    hearing: Hearing,
    track: Track,
    clock_hz: u32,
    passing_event: Option<(u32, u32)>,
    speaking: Option<Box<Speaking>>,
    filler: Filler,
    control: Control,
    keypad: Keypad,
    tones: ToneKeys,
    watch: Watch,
    quality: quality::Quality,
    pictures: Option<Box<Pictures>>,
    /// The link of the pictures alone, where they are not bundled with the sound.
    picture_link: Option<Box<Link>>,
    refusals: Option<Box<refusal::Refusals>>,
    /// When the shard looks after the leg next.
    pub(super) scheduled: Option<Instant>,
    /// The legs that hear this one, by their places in the shard.
    pub(super) listeners: Vec<usize>,
    /// The ears that hear this leg, by their places in the shard, and the channel of each that is the leg's.
    pub(super) ears: Vec<(usize, usize)>,
    /// A fork speaks to the peer, and what the leg hears is in that.
    is_spoken_over: bool,
}

impl Leg {
    /// A leg that waits for the peer's description.
    pub fn new(cx: &mut Context, call: CallId, graph: &GraphLeg, wires: Wires) -> Leg {
        let link = Link::new(cx, graph.spec, wires, graph.remote.is_none());
        Leg {
            call,
            id: graph.leg,
            link,
            cname: cx.dice.token(16),
            wants: Wants { sends: false, receives: false, hears: Source::Nothing },
            remote: None,
            codecs: Arc::default(),
            formats: Vec::new(),
            event_format: None,
            routes: Routes::default(),
            hearing: Hearing::default(),
            track: Track::new(cx.dice.u32(), cx.dice.u32() as u16, cx.dice.u32()),
            clock_hz: 8000,
            passing_event: None,
            speaking: None,
            filler: Filler::default(),
            control: Control::new(cx.now, cx.dice),
            keypad: Keypad::default(),
            tones: ToneKeys::default(),
            watch: Watch::default(),
            quality: quality::Quality::default(),
            pictures: None,
            picture_link: None,
            refusals: None,
            scheduled: None,
            listeners: Vec::new(),
            ears: Vec::new(),
            is_spoken_over: false,
        }
    }

    /// The call that it belongs to.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// Whether [`Leg::take_aim`] has something to tell of the link of its sound.
    pub fn has_new_aim(&self) -> bool {
        self.link.has_new_aim()
    }

    /// A socket of its own that listens to another address alone than the driver was told, or to any again.
    pub fn take_aim(&mut self) -> Option<(SocketId, Option<SocketAddr>)> {
        let links = [Some(&mut self.link), self.picture_link.as_deref_mut()];
        links.into_iter().flatten().find_map(Link::take_aim)
    }

    /// Its name.
    pub fn id(&self) -> LegId {
        self.id
    }

    /// How its packets travel.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Whether its path is ICE, on the socket that such legs share.
    pub fn has_ice(&self) -> bool {
        self.link.ice().is_some()
    }

    /// ICE, if it has that.
    pub fn ice(&self) -> Option<&IcePath> {
        self.link.ice()
    }

    /// What goes out of it.
    pub fn hears(&self) -> &Source {
        &self.wants.hears
    }

    /// The formats that its peer may send.
    pub fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    /// Makes the leg as the graph wants it; returns whether the peer's description is another than before, so
    /// that our own end should be told (anew).
    pub fn apply(&mut self, cx: &mut Context, graph: &GraphLeg) -> bool {
        if self.codecs != graph.codecs {
            self.codecs = graph.codecs.clone();
            self.formats = formats::formats(&self.codecs);
            self.hearing.forget_speech();
        }
        let changed = graph.remote.is_some() && graph.remote != self.remote;
        if let Some(remote) = graph.remote.as_ref().filter(|_| changed) {
            self.describe(cx, remote);
        }
        if (graph.sends, &graph.hears) != (self.wants.sends, &self.wants.hears) {
            self.track.break_off();
            self.stop_speaking();
            self.filler.restart();
        }
        self.filler.want(cx.now, graph.keeps_sending && graph.sends);
        self.wants = Wants { sends: graph.sends, receives: graph.receives, hears: graph.hears.clone() };
        self.watch.expect(cx.now, graph.answered && graph.receives);
        self.want_tones(cx, graph.keys);
        let is_shown_anew = self.apply_pictures(cx, graph.video.as_deref());
        self.link.count_arrivals(cx.now, graph.transport_cc);
        self.settle(cx);
        changed || is_shown_anew
    }

    /// The formats that its peer has said it takes: it sends no others as a rule, whatever it may send.
    pub fn taken(&self) -> &[Codec] {
        self.remote.as_ref().map_or(&[], |remote| &remote.codecs)
    }

    /// The ways from the leg that is heard here to this leg's peer; or what the relay says there by itself. `heard`: what
    /// may come there; `own`: what the peer there takes.
    pub fn connect_to(&mut self, cx: &mut Context, heard: &[Codec], own: &[Codec]) {
        let (taken, ptime) = self.remote.as_ref().map_or((&[][..], None), |r| (r.codecs.as_slice(), r.ptime));
        let routes = Routes::between(heard, taken).expecting(own).paced(ptime).trying(cx.effort);
        if routes != self.routes {
            if !self.is_spoken_over {
                self.speaking = routes.target().map(|target| Box::new(Speaking::new(target)));
            }
            self.routes = routes;
            self.track.break_off();
            self.filler.restart();
        }
        self.speak_own(cx);
    }

    /// Our own end, for descriptions.
    pub fn local_end(&self, certificate: &Certificate) -> LocalEnd {
        let transport = self.link.transport(certificate);
        let video = self.local_video(certificate);
        LocalEnd { transport, ssrc: self.track.ssrc(), cname: self.cname.clone(), video }
    }

    /// More candidates of the peer, for one of its links.
    pub fn add_candidates(&mut self, cx: &mut Context, of_pictures: bool, candidates: &[Candidate]) {
        if let Some(ice) = self.link_mut(of_pictures).and_then(|link| link.path.ice_mut()) {
            ice.add_candidates(cx.now, candidates);
        }
        self.settle(cx);
    }

    /// The leg comes to its end: says goodbye to the peer.
    pub fn close(&mut self, cx: &mut Context) {
        self.say_goodbye(cx);
        self.close_pictures(cx);
        self.link.close(cx);
    }

    fn link_mut(&mut self, of_pictures: bool) -> Option<&mut Link> {
        if of_pictures { self.picture_link.as_deref_mut() } else { Some(&mut self.link) }
    }

    fn describe(&mut self, cx: &mut Context, remote: &Arc<RemoteEnd>) {
        self.link.describe(cx, remote);
        self.event_format = formats::event_format(&remote.codecs)
            .map(|c| EventFormat { payload_type: c.payload_type, clock_hz: c.clock_hz });
        if let Some(first) = remote.codecs.iter().find(|c| c.is_speech()) {
            self.clock_hz = first.clock_hz;
        }
        self.remote = Some(remote.clone());
    }

    /// Sends what the machines have to send and tells what has changed with them.
    pub(super) fn settle(&mut self, cx: &mut Context) {
        let news = self.link.settle(cx);
        if let Some(why) = news.failed {
            cx.events.push_back(RelayEvent::Failed { call: self.call, leg: self.id, why });
        }
        if news.is_connected {
            let seal = self.link.seal.name().unwrap_or_default();
            info!(call = %self.call, leg = %self.id, seal, "media can flow");
            cx.events.push_back(RelayEvent::Connected { call: self.call, leg: self.id });
        }
        if let Some(why) = news.lacks_rtcp {
            warn!(call = %self.call, leg = %self.id, why, "the reports on sound have no keys");
        }
        self.settle_pictures(cx);
    }
}
