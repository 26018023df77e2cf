//! Makes the legs as the graphs want them.

use std::time::Instant;

use super::leg::link::Link;
use super::leg::{Leg, LinkId, Wires};
use super::shard::{Ports, Shard};
use crate::base::{CallId, LegId};
use crate::model::{Graph, GraphLeg, IceMode, LegStats, RelayCommand, RelayEvent, Source};

/// Legs that one call may have; more fail.
pub const MAX_LEGS_OF_CALL: usize = 64;

/// Calls whose end is remembered, so that an order that was overtaken by it does not bring them back.
pub const MAX_REMOVED: usize = 512;

/// Why a leg has no way to the network; the family of addresses that it would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoWires {
    #[error("the relay has no free {0} port for a leg")]
    NoPort(&'static str),
    #[error("the relay has no {0} address")]
    NoAddress(&'static str),
    #[error("the relay has no {0} socket for ICE")]
    NoIce(&'static str),
    #[error("a call may have {MAX_LEGS_OF_CALL} legs")]
    TooManyLegs,
}

/// A call, as far as the relay knows it.
pub(super) struct Call {
    revision: u32,
    legs: Vec<(LegId, usize)>,
    gone: Vec<LegStats>,
}

impl Shard {
    /// Takes an order.
    pub fn handle_command(&mut self, now: Instant, command: RelayCommand, ports: &mut dyn Ports) {
        match command {
            RelayCommand::Apply(graph) => self.apply(now, &graph, ports),
            RelayCommand::Remove(call) => self.remove(now, call),
            RelayCommand::Candidates { call, leg, pictures, candidates } => {
                if let Some(place) = self.place(call, leg) {
                    self.with_leg(now, place, |leg, cx| leg.add_candidates(cx, pictures, &candidates));
                    self.after(now, place);
                }
            }
            RelayCommand::Dtmf { call, leg, digit, duration } => {
                if let Some(place) = self.place(call, leg) {
                    self.with_leg(now, place, |leg, _| leg.press(now, digit, duration));
                    self.after(now, place);
                }
            }
            RelayCommand::Refresh { call, leg } => self.refresh(now, call, leg),
            RelayCommand::Tell { call, tap, word } => self.ears.tell(call, tap, word),
            RelayCommand::Stats(call) => {
                let legs = self.stats(call);
                self.events.push_back(RelayEvent::Stats { call, legs });
            }
        }
    }

    fn apply(&mut self, now: Instant, graph: &Graph, ports: &mut dyn Ports) {
        if self.removed.contains(&graph.call) {
            return;
        }
        let call = self.calls.entry(graph.call).or_insert(Call { revision: 0, legs: Vec::new(), gone: Vec::new() });
        if graph.revision <= call.revision && !(call.legs.is_empty() && call.gone.is_empty()) {
            return;
        }
        call.revision = graph.revision;
        let gone: Vec<_> = call.legs.extract_if(.., |(id, _)| !graph.legs.iter().any(|leg| leg.leg == *id)).collect();
        for (_, place) in gone {
            self.close(now, graph.call, place);
        }
        for wanted in &graph.legs {
            match self.place(graph.call, wanted.leg) {
                Some(place) => {
                    self.lay_pictures(now, graph, wanted, place, ports);
                    self.change(now, graph, wanted, place, false);
                }
                None => {
                    if let Some(place) = self.lay(now, graph, wanted, ports) {
                        self.lay_pictures(now, graph, wanted, place, ports);
                        self.change(now, graph, wanted, place, true);
                    }
                }
            }
        }
        let has_ears = !(graph.taps.is_empty() && self.ears.is_empty());
        if has_ears {
            self.ears.apply(now, graph.call, &graph.taps);
        }
        self.connect(now, graph.call);
        if has_ears {
            self.listen_along(now, graph);
        }
    }

    /// Lets the ears of a call hear its legs.
    fn listen_along(&mut self, now: Instant, graph: &Graph) {
        let Some(call) = self.calls.get(&graph.call) else { return };
        for (id, place) in &call.legs {
            let Some(leg) = self.legs.get_mut(*place) else { continue };
            leg.ears.clear();
            leg.ears.extend(self.ears.hearing(graph.call, *id));
            for (ear, channel) in &leg.ears {
                let hears_other = matches!(leg.hears(), Source::Leg(_));
                self.ears.expect(*ear, *channel, leg.codecs(), hears_other);
            }
        }
        self.take_turns(now);
    }

    /// Lets legs hear forks that speak, and no more those that are silent.
    pub(super) fn take_turns(&mut self, now: Instant) {
        while let Some((call, leg, turn)) = self.ears.poll_turn() {
            let Some(place) = self.place(call, leg) else { continue };
            self.with_leg(now, place, |leg, cx| leg.speak_over(cx, &turn));
            self.after(now, place);
        }
    }

    /// Opens a leg.
    fn lay(&mut self, now: Instant, graph: &Graph, wanted: &GraphLeg, ports: &mut dyn Ports) -> Option<usize> {
        let wires = match self.wires(now, graph.call, wanted, ports) {
            Ok(wires) => wires,
            Err(error) => {
                let (call, leg, why) = (graph.call, wanted.leg, error.to_string());
                self.events.push_back(match error {
                    NoWires::NoPort(_) => RelayEvent::Full { call, leg, why },
                    NoWires::NoAddress(_) | NoWires::NoIce(_) | NoWires::TooManyLegs => {
                        RelayEvent::Failed { call, leg, why }
                    }
                });
                return None;
            }
        };
        let pair = wires.pair;
        let place = self.make_leg(now, |cx| Leg::new(cx, graph.call, wanted, wires));
        self.set_uses(pair, Some(LinkId { place, is_of_pictures: false }));
        self.tally.opened(wanted.spec);
        self.calls.get_mut(&graph.call)?.legs.push((wanted.leg, place));
        Some(place)
    }

    pub(super) fn wires(
        &self,
        now: Instant,
        call: CallId,
        wanted: &GraphLeg,
        ports: &mut dyn Ports,
    ) -> Result<Wires, NoWires> {
        let ipv6 = wanted.spec.ipv6;
        let family = if ipv6 { "IPv6" } else { "IPv4" };
        if self.calls.get(&call).is_some_and(|call| call.legs.len() >= MAX_LEGS_OF_CALL) {
            return Err(NoWires::TooManyLegs);
        }
        let advertised = if ipv6 { &self.config.advertised_v6 } else { &self.config.advertised_v4 };
        if advertised.is_empty() {
            return Err(NoWires::NoAddress(family));
        }
        let (rtp, port, pair) = if matches!(wanted.spec.ice, IceMode::None | IceMode::LitePair) {
            let pair = ports.open_pair(now, ipv6).ok_or(NoWires::NoPort(family))?;
            (pair.rtp, pair.port, Some(pair))
        } else {
            let shared = if ipv6 { self.config.ice_v6 } else { self.config.ice_v4 };
            let (socket, port) = shared.ok_or(NoWires::NoIce(family))?;
            (socket, port, None)
        };
        Ok(Wires { rtp, pair, addresses: advertised.iter().map(|ip| (*ip, port).into()).collect() })
    }

    /// Brings a leg to what the graph says of it, and tells our end where it is new or the peer's is.
    fn change(&mut self, now: Instant, graph: &Graph, wanted: &GraphLeg, place: usize, is_new: bool) {
        let news_before = self.events.len();
        let ufrags_before = self.ufrags_of(place);
        let changed = self.with_leg(now, place, |leg, cx| leg.apply(cx, wanted)).unwrap_or(false);
        let Some(leg) = self.legs.get(place) else { return };
        if is_new || changed {
            let local = Box::new(leg.local_end(&self.config.certificate));
            let ready = RelayEvent::Ready { call: graph.call, leg: wanted.leg, revision: graph.revision, local };
            // Our end is told before what follows from it.
            self.events.insert(news_before, ready);
        }
        for ufrag in ufrags_before.into_iter().flatten() {
            self.ufrags.remove(&ufrag);
        }
        for (ufrag, is_of_pictures) in self.ufrags_of(place).into_iter().zip([false, true]) {
            if let Some(ufrag) = ufrag {
                self.ufrags.insert(ufrag, LinkId { place, is_of_pictures });
            }
        }
        self.after(now, place);
    }

    /// The user names that the peer of a leg calls its links by: that of the sound, that of the pictures.
    fn ufrags_of(&self, place: usize) -> [Option<String>; 2] {
        let leg = self.legs.get(place);
        let links = [leg.map(Leg::link), leg.and_then(Leg::picture_link)];
        links.map(|link| link.and_then(Link::ice).map(|ice| ice.ufrag().to_owned()))
    }

    /// Who hears whom.
    fn connect(&mut self, now: Instant, id: CallId) {
        let Some(legs) = self.calls.get(&id).map(|call| call.legs.clone()) else { return };
        for (_, place) in &legs {
            if let Some(leg) = self.legs.get_mut(*place) {
                leg.listeners.clear();
            }
        }
        for (leg, place) in &legs {
            let heard = match self.legs.get(*place).map(Leg::hears) {
                Some(Source::Leg(other)) => Some(*other),
                Some(Source::Echo) => Some(*leg),
                Some(Source::Nothing | Source::Play(_)) | None => None,
            };
            let source = heard.and_then(|heard| legs.iter().find(|(other, _)| *other == heard));
            let (codecs, own) = match source.and_then(|(_, source)| self.legs.get_mut(*source)) {
                Some(source) => {
                    source.listeners.push(*place);
                    (source.codecs().to_vec(), source.taken().to_vec())
                }
                None => Default::default(),
            };
            self.with_leg(now, *place, |leg, cx| leg.connect_to(cx, &codecs, &own));
            if self.legs.get_mut(*place).is_some_and(Leg::has_begun_to_speak) {
                self.after(now, *place);
            }
        }
        self.connect_pictures(now, &legs);
    }

    /// Takes a leg down; its figures stay with the call.
    fn close(&mut self, now: Instant, call: CallId, place: usize) {
        self.with_leg(now, place, |leg, cx| leg.close(cx));
        self.after(now, place);
        self.drop_picture_link(now, place);
        let Some(leg) = self.legs.try_remove(place) else { return };
        self.forget_link(LinkId { place, is_of_pictures: false }, leg.link());
        let figures = self.stats_of(place, &leg);
        self.tally.ended(leg.link().spec(), &figures, self.budgets.refused(place));
        self.budgets.close(place);
        if let Some(call) = self.calls.get_mut(&call) {
            call.gone.push(figures);
        }
    }

    /// A link is gone: nobody is to find it, and its ports are free after its last words.
    pub(super) fn forget_link(&mut self, id: LinkId, link: &Link) {
        if let Some(ice) = link.ice() {
            self.ufrags.remove(ice.ufrag());
            for address in ice.seen() {
                if self.peers.get(&address) == Some(&id) {
                    self.peers.remove(&address);
                }
            }
        }
        let pair = link.wires().pair;
        self.set_uses(pair, None);
        self.closing.extend(pair);
    }

    fn remove(&mut self, now: Instant, call: CallId) {
        let places = self.calls.get_mut(&call).map(|call| std::mem::take(&mut call.legs)).unwrap_or_default();
        for (_, place) in places {
            self.close(now, call, place);
        }
        self.ears.apply(now, call, &[]);
        let legs = self.calls.remove(&call).map(|call| call.gone).unwrap_or_default();
        if self.removed.len() >= MAX_REMOVED {
            self.removed.pop_front();
        }
        self.removed.push_back(call);
        self.events.push_back(RelayEvent::Removed { call, legs });
    }

    /// Takes every call down, as when each was removed.
    pub fn shut(&mut self, now: Instant) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.remove(now, call);
        }
    }

    fn stats(&self, call: CallId) -> Vec<LegStats> {
        let Some(call) = self.calls.get(&call) else { return Vec::new() };
        call.legs.iter().filter_map(|(_, place)| Some(self.stats_of(*place, self.legs.get(*place)?))).collect()
    }

    /// The figures of a leg, with what was refused before the leg saw it.
    fn stats_of(&self, place: usize, leg: &Leg) -> LegStats {
        let mut figures = leg.stats();
        figures.refused += self.budgets.refused(place);
        figures
    }

    pub(super) fn place(&self, call: CallId, leg: LegId) -> Option<usize> {
        self.calls.get(&call)?.legs.iter().find(|(id, _)| *id == leg).map(|(_, place)| *place)
    }
}
