//! What both sides have described, and what changes from one description to the next.
//!
//! A slot never vanishes (RFC 3264 §8), while Jingle forgets a content that is removed: the table of slots keeps the
//! two together.

use crate::jingle::contents::{Contents, Hearing, Saying, Slot, Slots, direction};
use crate::jingle::stanza::grouping::Group as Named;
use crate::jingle::stanza::{Condition, Content, Creator, Jingle, Senders};
use crate::model::{Description, Direction, Group, MediaPath, Mid, Seal, Setup, Stream};

/// The most slots of a session, those of removed contents among them.
pub const MAX_SLOTS: usize = 32;

/// What both sides have described. Both descriptions have a stream for every slot once they are known.
#[derive(Debug)]
pub struct Media {
    /// Our role.
    pub role: Creator,
    /// The slots.
    pub slots: Slots,
    /// Who sends in each of them, as it was last said by either side.
    pub senders: Vec<Senders>,
    /// What we last told the peer.
    pub ours: Description,
    /// What the peer last told us.
    pub theirs: Description,
    /// Which way the media go.
    pub path: MediaPath,
    cname: String,
}

/// What changes from one description to the next, by slot.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Streams that are there from now on.
    pub added: Vec<usize>,
    /// Streams that are there no more.
    pub removed: Vec<usize>,
    /// Streams with other ICE credentials.
    pub restarted: Vec<usize>,
}

impl Difference {
    /// From one description to the next.
    pub fn between(before: &Description, after: &Description) -> Difference {
        let mut difference = Difference::default();
        for (at, now) in after.streams.iter().enumerate() {
            match before.streams.get(at).filter(|s| s.accepted) {
                None if now.accepted => difference.added.push(at),
                None => {}
                Some(_) if !now.accepted => difference.removed.push(at),
                Some(_) => {
                    // What shares a transport may have had one of its own before the answer (RFC 9143 §7.2).
                    let by = carrier(after, at);
                    let of = |d: &Description| d.streams.get(by).and_then(credentials).map(owned);
                    if of(after).is_some_and(|is| of(before).as_ref() != Some(&is)) {
                        difference.restarted.push(at);
                    }
                }
            }
        }
        difference
    }
}

/// The slot by whose transport the stream of a slot travels: the first of its bundle, or itself.
fn carrier(description: &Description, at: usize) -> usize {
    let mid = description.streams.get(at).and_then(|s| s.mid.as_ref());
    let has_it = |group: &&Group| group.semantics == "BUNDLE" && mid.is_some_and(|mid| group.mids.contains(mid));
    let first = description.groups.iter().find(has_it).and_then(|group| group.mids.first());
    let is_first = |s: &Stream| s.accepted && first.is_some() && s.mid.as_ref() == first;
    description.streams.iter().position(is_first).unwrap_or(at)
}

fn owned((ufrag, pwd): (&str, &str)) -> (String, String) {
    (ufrag.to_owned(), pwd.to_owned())
}

/// The ICE credentials of a stream.
pub fn credentials(stream: &Stream) -> Option<(&str, &str)> {
    stream.transport.ice.as_ref().map(|ice| (ice.ufrag.as_str(), ice.pwd.as_str()))
}

/// The stream as its slot looks when it is refused or removed.
pub fn refused(stream: &Stream) -> Stream {
    let mut transport = stream.transport.clone();
    transport.ice = None;
    Stream {
        mid: stream.mid.clone(),
        accepted: false,
        direction: Direction::Inactive,
        codecs: stream.codecs.iter().take(1).cloned().collect(),
        ..Stream::new(stream.kind.clone(), transport)
    }
}

impl Media {
    /// Nothing is described. `cname`: the canonical name of our sources, where nothing else is said of them.
    pub fn new(role: Creator, cname: &str) -> Media {
        Media {
            role,
            slots: Slots::default(),
            senders: Vec::new(),
            ours: Description::default(),
            theirs: Description::default(),
            // Until the call says which way the media go they may come to the relay, which takes less.
            path: MediaPath::Relayed,
            cname: cname.to_owned(),
        }
    }

    /// That a peer has the feature `urn:ietf:rfc:3264` is not taken for the end of its candidates: the feature says
    /// what the peer wants to get (XEP-0176 §5.2), and stanza has it and trickles all the same.
    fn hearing(&self) -> Hearing {
        Hearing { describer: self.role.other(), batch: false }
    }

    fn saying(&self) -> Saying<'_> {
        Saying { describer: self.role, cname: &self.cname }
    }

    /// The slot of a content that is live.
    pub fn live(&self, content: &Content) -> Option<usize> {
        self.slots.position(content.creator, &content.name).filter(|at| self.is_live(*at))
    }

    /// Whether neither side has refused or removed the content of a slot. What is not yet described counts as live.
    pub fn is_live(&self, at: usize) -> bool {
        let accepted = |d: &Description| d.streams.get(at).is_none_or(|s| s.accepted);
        accepted(&self.ours) && accepted(&self.theirs)
    }

    /// The slot of a stream of the model; the first live one if it has no name.
    pub fn slot_of(&self, mid: Option<&Mid>) -> Option<usize> {
        match mid {
            Some(mid) => self.slots.of_mid(mid),
            None => (0..self.slots.0.len()).find(|at| self.is_live(*at)),
        }
    }

    /// Takes in contents that the peer adds, the first ones or others, as slots behind those that are there.
    ///
    /// # Errors
    /// Why the contents are nothing for us; nothing is taken in then.
    pub fn hear_contents(&mut self, jingle: &Jingle) -> Result<Vec<usize>, Condition> {
        let is_call = |c: &&Content| c.rtp().is_some_and(|rtp| matches!(rtp.media.trim(), "audio" | "video"));
        let first = self.slots.0.len();
        if !jingle.contents.iter().any(|c| is_call(&c)) || first + jingle.contents.len() > MAX_SLOTS {
            return Err(Condition::UnsupportedApplications);
        }
        if !jingle.contents.iter().filter(is_call).any(|c| c.ice().is_some()) {
            return Err(Condition::UnsupportedTransports);
        }
        self.hearing().offer(jingle, &mut self.theirs, &mut self.slots);
        self.senders.extend(jingle.contents.iter().map(|c| c.senders.unwrap_or(Senders::Both)));
        Ok((first..self.slots.0.len()).collect())
    }

    /// Takes in the peer's answer to our first offer.
    pub fn hear_first_answer(&mut self, jingle: &Jingle) {
        self.theirs = self.hearing().answer(jingle, &self.ours, &self.slots);
        self.hear_senders(jingle);
    }

    /// Takes in the peer's answer to the contents of `slots` in our later offer.
    pub fn hear_answer(&mut self, jingle: &Jingle, offer: &Description, slots: &[usize]) {
        let mut answer = self.hearing().answer(jingle, offer, &self.slots);
        for at in slots {
            if let (Some(known), Some(heard)) = (self.theirs.streams.get_mut(*at), answer.streams.get_mut(*at)) {
                std::mem::swap(known, heard);
            }
        }
        if !jingle.groups.is_empty() {
            self.theirs.groups = self.groups_heard(&jingle.groups);
            self.trim_groups();
        }
        self.hear_senders(jingle);
    }

    /// Leaves in the peer's groups what is live.
    fn trim_groups(&mut self) {
        let streams = &self.theirs.streams;
        let is_live = |mid: &Mid| streams.iter().any(|s| s.accepted && s.mid.as_ref() == Some(mid));
        self.theirs.groups.iter_mut().for_each(|group| group.mids.retain(is_live));
        self.theirs.groups.retain(|group| !group.mids.is_empty());
    }

    fn hear_senders(&mut self, jingle: &Jingle) {
        for content in &jingle.contents {
            let slot = self.slots.position(content.creator, &content.name);
            if let (Some(known), Some(heard)) = (slot.and_then(|at| self.senders.get_mut(at)), content.senders) {
                *known = heard;
            }
        }
    }

    /// Says our first offer.
    pub fn say_first_offer(&mut self, offer: Description, jingle: &mut Jingle) {
        let saying = Saying { describer: self.role, cname: &self.cname };
        saying.offer(&offer, &mut self.slots).put(jingle);
        self.senders = offer.streams.iter().map(|s| direction::write(s.direction, self.role)).collect();
        self.ours = offer;
    }

    /// Says our answer to the peer's first offer.
    pub fn say_first_answer(&mut self, answer: Description, jingle: &mut Jingle) {
        let answer = self.fit_answer(answer);
        self.saying().answer(&answer, &self.theirs, &self.slots).put(jingle);
        self.ours = answer;
        self.agree_senders();
    }

    /// From an answer on, who sends is what the answer says.
    pub fn agree_senders(&mut self) {
        for (known, stream) in self.senders.iter_mut().zip(&self.ours.streams) {
            if stream.accepted {
                *known = direction::write(stream.direction, self.role);
            }
        }
    }

    /// Gives slots to the streams of an offer of ours that have none, or that come back (`added`).
    pub fn name_slots(&mut self, offer: &Description, added: &[usize]) {
        for (at, stream) in offer.streams.iter().enumerate() {
            let senders = direction::write(stream.direction, self.role);
            if at < self.slots.0.len() && !added.contains(&at) {
                continue;
            }
            if at >= self.slots.0.len() {
                self.slots.add_said(self.role, stream);
                self.senders.push(senders);
                continue;
            }
            self.slots.replace_said(at, self.role, stream);
            if let Some(known) = self.senders.get_mut(at) {
                *known = senders;
            }
        }
    }

    /// Our description as contents, those of `slots` only, with all groups.
    pub fn say_offer(&self, ours: &Description, slots: &[usize]) -> Contents {
        let written = self.saying().offer(ours, &mut self.slots.clone());
        self.only(written, slots)
    }

    /// Our answer as contents, those of `slots` only, with all groups.
    pub fn say_answer(&self, ours: &Description, slots: &[usize]) -> Contents {
        let written = self.saying().answer(ours, &self.theirs, &self.slots);
        self.only(written, slots)
    }

    fn only(&self, mut written: Contents, slots: &[usize]) -> Contents {
        let is_one = |slot: &Slot, content: &Content| slot.name == content.name && slot.creator == content.creator;
        let slots = || slots.iter().filter_map(|at| self.slots.0.get(*at));
        written.contents.retain(|content| slots().any(|slot| is_one(slot, content)));
        written
    }

    /// The contents of `slots`, with nothing but their names.
    pub fn bare(&self, slots: &[usize]) -> Vec<Content> {
        slots.iter().filter_map(|at| self.slots.0.get(*at)).map(Slot::content).collect()
    }

    /// The contents of `slots` whose senders differ from what was last said, with the senders that our description
    /// means; they count as said. `none` is not: Dino refuses it, and hold has a word of its own.
    pub fn turn(&mut self, ours: &Description, slots: impl IntoIterator<Item = usize>) -> Vec<Content> {
        let mut contents = Vec::new();
        for at in slots {
            let Some(stream) = ours.streams.get(at).filter(|s| s.accepted) else { continue };
            let wish = direction::write(stream.direction, self.role);
            let (Some(slot), Some(known)) = (self.slots.0.get(at), self.senders.get_mut(at)) else { continue };
            if wish != *known && wish != Senders::None {
                *known = wish;
                contents.push(Content { senders: Some(wish), ..slot.content() });
            }
        }
        contents
    }

    /// What the peer described, as an offer: who opens a DTLS handshake is not settled by it.
    pub fn theirs_as_offer(&self) -> Description {
        let mut offer = self.theirs.clone();
        for stream in &mut offer.streams {
            if let Seal::Dtls { setup, .. } = &mut stream.transport.seal {
                *setup = Setup::ActPass;
            }
        }
        offer
    }

    /// Takes a stream out of what the peer describes.
    pub fn remove(&mut self, at: usize) {
        if let Some(stream) = self.theirs.streams.get_mut(at) {
            *stream = refused(stream);
        }
        self.trim_groups();
    }

    /// Fits the call's answer to the slots: one stream each, in their names, with what an answer may say.
    pub fn fit_answer(&self, mut answer: Description) -> Description {
        let slots = self.slots.0.len();
        answer.streams.truncate(slots);
        for at in answer.streams.len()..slots {
            answer.streams.extend(self.theirs.streams.get(at).map(refused));
        }
        for (at, stream) in answer.streams.iter_mut().enumerate() {
            let theirs = self.theirs.streams.get(at);
            stream.mid = self.slots.0.get(at).and_then(|s| s.mid.clone());
            stream.accepted &= theirs.is_some_and(|s| s.accepted);
            settle_setup(stream, theirs);
            if self.path == MediaPath::Relayed {
                keep_one_codec(stream);
            }
        }
        answer
    }

    fn groups_heard(&self, groups: &[Named]) -> Vec<Group> {
        let slot = |name: &String| self.slots.0.iter().rfind(|s| s.name == *name);
        let groups = groups.iter().map(|group| Group {
            semantics: group.semantics.clone(),
            mids: group.contents.iter().filter_map(|name| slot(name)?.mid.clone()).collect(),
        });
        groups.filter(|group| !group.mids.is_empty()).collect()
    }
}

/// RFC 5763 §5: an answer says who opens the handshake; it is the answerer unless the other wants to.
fn settle_setup(stream: &mut Stream, theirs: Option<&Stream>) {
    let Seal::Dtls { setup, .. } = &mut stream.transport.seal else { return };
    if matches!(setup, Setup::Active | Setup::Passive) {
        return;
    }
    let peer_opens = theirs.is_some_and(|s| matches!(s.transport.seal, Seal::Dtls { setup: Setup::Active, .. }));
    *setup = if peer_opens { Setup::Passive } else { Setup::Active };
}

/// Dino takes the first format of an answer for the one that is spoken, whatever else is there: a single one leaves
/// no doubt. Digits stay, at the clock of that format.
fn keep_one_codec(stream: &mut Stream) {
    let Some(speech) = stream.codecs.iter().find(|c| c.is_speech()).cloned() else { return };
    stream.codecs.retain(|c| *c == speech || (c.is_telephone_event() && c.clock_hz == speech.clock_hz));
    // The speech comes first, whatever the order was.
    stream.codecs.sort_by_key(crate::model::Codec::is_telephone_event);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::model::{Ice, Kind, Transport};

    /// Sound and pictures with these user names; `bundled`: on the transport of the first.
    fn described(ufrags: [&str; 2], bundled: bool) -> Description {
        let ice = |ufrag: &str| Ice {
            ufrag: ufrag.into(),
            pwd: "p".repeat(22),
            lite: false,
            candidates: Vec::new(),
            more: false,
        };
        let stream = |(at, kind): (usize, Kind)| {
            let transport = Transport {
                seal: Seal::Plain,
                ice: Some(ice(ufrags[at])),
                address: None,
                rtcp_address: None,
                feedback_profile: true,
            };
            Stream { mid: Some(Mid(at.to_string())), ..Stream::new(kind, transport) }
        };
        let streams: Vec<Stream> = [Kind::Audio, Kind::Video].into_iter().enumerate().map(stream).collect();
        let mids = streams.iter().filter_map(|s| s.mid.clone()).take(if bundled { 2 } else { 1 }).collect();
        Description { streams, groups: vec![Group { semantics: "BUNDLE".into(), mids }], extras: Vec::new() }
    }

    fn restarted(before: &Description, after: &Description) -> Vec<usize> {
        Difference::between(before, after).restarted
    }

    #[test]
    fn pictures_that_were_taken_on_the_transport_of_the_sound_are_not_restarted_by_leaving_their_own() {
        let offered = described(["sound", "film"], true);
        assert_eq!(restarted(&offered, &described(["sound", "sound"], true)), Vec::<usize>::new());
        assert_eq!(restarted(&offered, &described(["again", "again"], true)), [0, 1]);
    }

    #[test]
    fn pictures_apart_are_restarted_by_their_own_credentials() {
        let before = described(["sound", "film"], false);
        assert_eq!(restarted(&before, &described(["sound", "again"], false)), [1]);
        assert_eq!(restarted(&before, &described(["again", "film"], false)), [0]);
        assert_eq!(restarted(&before, &before), Vec::<usize>::new());
    }
}
