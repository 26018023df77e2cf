//! Who hears whom while somebody is rung to take a place.

use super::Step;
use crate::base::LegId;
use crate::call::two_party::Call;
use crate::model::{GraphLeg, Play, Source};

impl Call {
    /// Puts those who may take a place into the graph. The party that stays hears the one whose early media there are,
    /// or ring-back, or what whoever is held hears; the party that asked hears nothing.
    pub(in crate::call) fn wire_newcomers(&self, legs: &mut Vec<GraphLeg>) {
        let Some(transfer) = self.transfer.as_deref() else { return };
        let Some(stays) = self.staying() else { return };
        let (early, rings) = match &transfer.step {
            Step::Ringing(ringing) => (ringing.early, ringing.rings.then(|| ringing.ring_back.clone())),
            Step::Connecting { .. } => (None, None),
            Step::Deciding | Step::Joining { .. } | Step::Sent(_) | Step::GoingBack => {
                return self.add_newcomers(legs, stays, None);
            }
        };
        for leg in legs.iter_mut() {
            if leg.leg == transfer.place {
                (leg.hears, leg.answered) = (Source::Nothing, false);
            } else if leg.leg == stays && !self.leg(stays).is_some_and(|l| l.holds()) {
                let music = || self.services.hold_music.clone();
                let own = rings.clone().or_else(music).map(|sound| Source::Play(Play { sound, repeats: true }));
                leg.hears = early.map(Source::Leg).or(own).unwrap_or(Source::Nothing);
            }
            if let Some(video) = &mut leg.video {
                video.sees = None;
            }
        }
        self.add_newcomers(legs, stays, early);
    }

    fn add_newcomers(&self, legs: &mut Vec<GraphLeg>, stays: LegId, early: Option<LegId>) {
        let newcomers = self.transfer.iter().flat_map(|t| &t.newcomers);
        legs.extend(newcomers.map(|newcomer| {
            let mut wanted = self.graph_leg(newcomer, Some(stays), None);
            let meanwhile = || self.heard_while_recalling().unwrap_or(Source::Nothing);
            let hears = if early == Some(newcomer.id) { wanted.hears } else { meanwhile() };
            if let Some(video) = &mut wanted.video {
                video.sees = None;
            }
            GraphLeg { hears, answered: false, keeps_sending: false, ..wanted }
        }));
    }
}
