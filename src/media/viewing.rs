//! Who sees whom among the legs of a shard, and what those who see want of those who show.

use std::time::Instant;

use tracing::warn;

use super::leg::{Heard, Leg, LinkId, Wish};
use super::shard::{Outgoing, Ports, Shard};
use crate::base::{CallId, LegId};
use crate::model::{Graph, GraphLeg};

impl Shard {
    /// Gives pictures that are not bundled a link of their own, and takes it from those that vanish.
    pub(super) fn lay_pictures(
        &mut self,
        now: Instant,
        graph: &Graph,
        wanted: &GraphLeg,
        place: usize,
        ports: &mut dyn Ports,
    ) {
        let apart = wanted.video.as_deref().filter(|video| !video.bundled);
        let has_link = self.legs.get(place).is_some_and(|leg| leg.picture_link().is_some());
        match apart {
            Some(video) if !has_link => match self.wires(now, graph.call, wanted, ports) {
                Ok(wires) => {
                    let id = LinkId { place, is_of_pictures: true };
                    self.set_uses(wires.pair, Some(id));
                    self.with_leg(now, place, |leg, cx| leg.lay_pictures(cx, video, wires));
                }
                Err(why) => warn!(call = %graph.call, leg = %wanted.leg, %why, "the pictures have no port"),
            },
            None if has_link => self.drop_picture_link(now, place),
            _ => {}
        }
    }

    /// Takes down the link that the pictures of a leg have for themselves.
    pub(super) fn drop_picture_link(&mut self, now: Instant, place: usize) {
        let link = self.with_leg(now, place, |leg, cx| leg.take_picture_link(cx)).flatten();
        if let Some(link) = link {
            self.forget_link(LinkId { place, is_of_pictures: true }, &link);
        }
    }

    /// Who sees whom, after each leg is as the graph wants it.
    pub(super) fn connect_pictures(&mut self, now: Instant, legs: &[(LegId, usize)]) {
        for (_, place) in legs {
            if let Some(leg) = self.legs.get_mut(*place) {
                leg.forget_viewers();
            }
        }
        for (id, place) in legs {
            let viewer = self.legs.get(*place);
            let (sees, most) = (viewer.and_then(Leg::sees), viewer.and_then(Leg::takes_at_most));
            let seen = sees.and_then(|sees| legs.iter().find(|(other, _)| *other == sees)).map(|(_, place)| *place);
            let shown = match seen.and_then(|seen| self.legs.get_mut(seen)) {
                Some(source) => {
                    source.add_viewer(now, *place, *id, most);
                    source.picture_codecs().to_vec()
                }
                None => Vec::new(),
            };
            if let Some(leg) = self.legs.get_mut(*place) {
                leg.connect_pictures_to(seen, &shown);
            }
        }
    }

    /// Passes on a packet of pictures that came in at one place.
    pub(super) fn show(&mut self, now: Instant, place: usize, heard: &Heard, buffer: &mut [u8]) -> Option<Outgoing> {
        let viewers = self.legs.get(place)?.viewers();
        let (first, count) = (viewers.first().copied(), viewers.len());
        if count > 1 {
            self.copy_to_others(now, place, heard, buffer);
        }
        let out = first.and_then(|first| self.legs.get_mut(first)?.send_rtp(now, heard, buffer));
        self.follow_pictures(now, place);
        out
    }

    /// After pictures came in at one place: sees to what follows from them where they are seen.
    fn follow_pictures(&mut self, now: Instant, place: usize) {
        let mut number = 0;
        while let Some(viewer) = self.legs.get(place).and_then(|leg| leg.viewers().get(number)).copied() {
            number += 1;
            self.carry_wish(now, viewer);
        }
    }

    /// Carries what the peer of a leg wants to the leg that it sees.
    pub(super) fn carry_wish(&mut self, now: Instant, place: usize) {
        let Some(viewer) = self.legs.get_mut(place) else { return };
        let (id, Some((seen, wish))) = (viewer.id(), viewer.take_wish()) else { return };
        if let Some(shown) = self.legs.get_mut(seen) {
            shown.grant(now, id, wish);
            self.after(now, seen);
        }
    }

    /// The call wants a whole picture of the peer of a leg, for those who see it.
    pub(super) fn refresh(&mut self, now: Instant, call: CallId, leg: LegId) {
        let Some(place) = self.place(call, leg) else { return };
        let viewer = self.legs.get(place).and_then(|shown| shown.viewers().first()).copied();
        let id = viewer.and_then(|viewer| self.legs.get(viewer)).map_or(leg, Leg::id);
        if let Some(shown) = self.legs.get_mut(place) {
            shown.grant(now, id, Wish { refresh: true, ..Wish::default() });
            self.after(now, place);
        }
    }
}
