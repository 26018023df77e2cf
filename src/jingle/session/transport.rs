//! Candidates and restarts of ICE (XEP-0176), both ways.

use super::change::Change;
use super::exchange::Exchange;
use super::media::{self, Media};
use super::requests::Asked;
use super::{Leg, MAX_EARLY, Said, Stage};
use crate::jingle::contents::candidates;
use crate::jingle::stanza::jingle::Transport;
use crate::jingle::stanza::{Action, Content, Jingle, StanzaError, ice_udp};
use crate::model::{Candidates, Description, Ice, Signal};

/// Adds candidates to the description they belong to.
pub(super) fn merge(description: &mut Description, media: &Media, heard: Candidates) {
    let at = match &heard.mid {
        Some(mid) => {
            media.slots.of_mid(mid).or_else(|| description.streams.iter().position(|s| s.mid.as_ref() == Some(mid)))
        }
        None => description.streams.iter().position(|s| s.accepted),
    };
    let stream = at.and_then(|at| description.streams.get_mut(at));
    if let Some(ice) = stream.and_then(|s| s.transport.ice.as_mut()) {
        let room = MAX_EARLY.saturating_sub(ice.candidates.len());
        ice.candidates.extend(heard.candidates.into_iter().take(room));
    }
}

impl Leg {
    /// The call found candidates of our side.
    pub(super) fn say_candidates(&mut self, said: Candidates, out: &mut Said) {
        // XEP-0176 has no word for the end of candidates.
        if said.candidates.is_empty() {
            return;
        }
        match &mut self.stage {
            Stage::Proposing { offer, .. } => merge(&mut offer.description, &self.media, said),
            Stage::Offered { answer: Some(answer), .. } => merge(answer, &self.media, said),
            Stage::Offered { answer: None, .. } => self.keep_early(said),
            Stage::Initiated { .. } | Stage::Active => {
                let Some(at) = self.media.slot_of(said.mid.as_ref()) else { return };
                let Some(ice) = self.our_ice(at, said.ufrag.as_deref()) else { return };
                let Some(slot) = self.media.slots.0.get(at) else { return };
                let Some(content) = candidates::to_content(&said.candidates, slot, &ice) else { return };
                let mut jingle = Jingle::new(Action::TransportInfo, &self.ends.sid);
                jingle.contents = vec![content];
                self.request(jingle, Asked::Other, out);
            }
            Stage::Proposed { .. } | Stage::Proceeding { .. } | Stage::Ended => {}
        }
    }

    /// The credentials that candidates of ours belong to: those of the open offer where they are new in it.
    fn our_ice(&self, at: usize, ufrag: Option<&str>) -> Option<Ice> {
        let offered = match &self.exchange {
            Exchange::Said(said) => said.offer.streams.get(at),
            Exchange::Stable | Exchange::Heard(_) => None,
        };
        let described = offered.into_iter().chain(self.media.ours.streams.get(at));
        let mut ices = described.filter_map(|s| s.transport.ice.as_ref());
        let ice = ices.find(|ice| ufrag.is_none_or(|u| u == ice.ufrag))?;
        Some(Ice { candidates: Vec::new(), ..ice.clone() })
    }

    /// Keeps candidates until the description is there that they belong to.
    fn keep_early(&mut self, mut candidates: Candidates) {
        let kept: usize = self.early.iter().map(|c| c.candidates.len()).sum();
        candidates.candidates.truncate(MAX_EARLY.saturating_sub(kept));
        if !candidates.candidates.is_empty() {
            self.early.push(candidates);
        }
    }

    /// Other credentials for `slots`: ICE is restarted, or our answer to a restart (XEP-0176 §5.7).
    pub(super) fn say_credentials(&self, ours: &Description, slots: &[usize]) -> Option<Jingle> {
        let content = |at: &usize| {
            let ice = ours.streams.get(*at)?.transport.ice.as_ref()?;
            let transport = ice_udp::Transport {
                ufrag: Some(ice.ufrag.clone()),
                pwd: Some(ice.pwd.clone()),
                ..ice_udp::Transport::default()
            };
            let transport = Some(Transport::IceUdp(Box::new(transport)));
            Some(Content { transport, ..self.media.slots.0.get(*at)?.content() })
        };
        let contents: Vec<Content> = slots.iter().filter_map(content).collect();
        let mut jingle = Jingle::new(Action::TransportInfo, &self.ends.sid);
        jingle.contents = contents;
        (!jingle.contents.is_empty()).then_some(jingle)
    }

    /// Candidates that came with new credentials follow them in words of their own: clients take credentials without
    /// candidates for a restart.
    pub(super) fn say_described_candidates(&mut self, ours: &Description, slots: &[usize], out: &mut Said) {
        for at in slots {
            let Some(ice) = ours.streams.get(*at).and_then(|s| s.transport.ice.as_ref()) else { continue };
            let Some(slot) = self.media.slots.0.get(*at) else { continue };
            if let Some(content) = candidates::to_content(&ice.candidates, slot, ice) {
                let mut jingle = Jingle::new(Action::TransportInfo, &self.ends.sid);
                jingle.contents = vec![content];
                self.request(jingle, Asked::Other, out);
            }
        }
    }

    /// The peer found candidates of its side, or restarts ICE.
    pub(super) fn hear_transport(&mut self, jingle: Jingle, out: &mut Said) -> Result<(), StanzaError> {
        let is_active = matches!(self.stage, Stage::Active);
        if is_active && self.restarts(&jingle) {
            return self.hear_change(jingle, out);
        }
        // Before the answer they would belong to nothing.
        let waits = matches!(self.stage, Stage::Initiated { .. });
        for content in &jingle.contents {
            let Some(heard) = candidates::of_content(content, &self.media.slots, false) else { continue };
            let at = self.media.slots.position(content.creator, &content.name);
            let is_pending = self.exchange.adds(at);
            if heard.candidates.is_empty() || !(is_pending || at.is_some_and(|at| self.media.is_live(at))) {
                continue;
            }
            match waits || is_pending {
                true => self.keep_early(heard),
                false => out.signals.push(Signal::Candidates(heard)),
            }
        }
        Ok(())
    }

    /// Whether a transport-info has credentials unlike those that the peer described.
    fn restarts(&self, jingle: &Jingle) -> bool {
        jingle.contents.iter().any(|content| self.restarted(content).is_some())
    }

    /// The slot in which a content restarts ICE.
    pub(super) fn restarted(&self, content: &Content) -> Option<usize> {
        let at = self.media.live(content)?;
        let (ufrag, pwd) = content.ice().and_then(|t| Some((t.ufrag.as_deref()?, t.pwd.as_deref()?)))?;
        let known = self.media.theirs.streams.get(at).and_then(media::credentials)?;
        (known != (ufrag, pwd)).then_some(at)
    }

    /// Takes in the credentials of a restart. Streams that shared the old ones share the others too (BUNDLE).
    pub(super) fn take_restart(&mut self, content: &Content, changed: &mut Change) {
        let (Some(at), Some(transport)) = (self.restarted(content), content.ice()) else { return };
        let (Some(ufrag), Some(pwd)) = (transport.ufrag.clone(), transport.pwd.clone()) else { return };
        let found = candidates::of_content(content, &self.media.slots, false).map(|c| c.candidates).unwrap_or_default();
        let Some(old) = self.media.theirs.streams.get(at).and_then(|s| s.transport.ice.clone()) else { return };
        for (other, stream) in self.media.theirs.streams.iter_mut().enumerate() {
            let Some(ice) = stream.transport.ice.as_mut() else { continue };
            if (&ice.ufrag, &ice.pwd) == (&old.ufrag, &old.pwd) {
                let candidates = if other == at { found.clone() } else { Vec::new() };
                *ice = Ice { ufrag: ufrag.clone(), pwd: pwd.clone(), candidates, ..ice.clone() };
                changed.restarted.push(other);
            }
        }
    }
}
