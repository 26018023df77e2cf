//! One leg of a call: what its peer said of its media, and what we said.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{ExchangeId, LegId};
use crate::model::{
    Abilities, Address, Candidates, Codec, Description, Direction, Entry, Group, IceMode, Kind, LegSpec, LocalEnd, Mid,
    Party, RemoteEnd, RtpSource, Seal, SealKind, SessionIds, Stream, Transport,
};

use super::negotiate;
use super::once::Once;
use super::pictures::formats;
use super::plan::Branch;

pub mod pictures;

use pictures::Pictures;

/// The name of the stream of sound in offers of our own making.
const OUR_MID: &str = "0";

/// A packet of speech where nobody says otherwise (RFC 3551 §4.2).
const USUAL_PACKET: Duration = Duration::from_millis(20);

/// Offer and answer on one leg (RFC 3264), in JSEP's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// Nothing is open.
    Stable,
    /// We offered and wait for the answer.
    HaveLocalOffer(ExchangeId),
    /// The peer offered and waits for ours.
    HaveRemoteOffer(ExchangeId),
}

/// Who is at the peer's end of a leg.
#[derive(Debug, Clone)]
pub struct Who {
    /// By which door the party comes in, or would if it called.
    pub entry: Entry,
    /// Its name.
    pub party: Party,
}

impl Who {
    /// Whoever a branch rings.
    pub fn called(branch: &Branch) -> Who {
        let entry = match (&branch.trunk, &branch.to.domain) {
            (Some(trunk), _) => Entry::Trunk(trunk.clone()),
            (None, None) => Entry::User(branch.to.user.clone()),
            (None, Some(_)) => Entry::Account(branch.to.bare().to_string()),
        };
        Who { entry, party: Party::new(branch.to.clone()) }
    }

    /// The trunk that the party is behind.
    pub fn trunk(&self) -> Option<&str> {
        match &self.entry {
            Entry::Trunk(name) => Some(name),
            Entry::User(_) | Entry::Account(_) | Entry::Open => None,
        }
    }
}

/// One leg.
#[derive(Debug)]
pub struct Leg {
    pub id: LegId,
    pub who: Who,
    pub abilities: Abilities,
    pub spec: LegSpec,
    pub exchange: Exchange,
    /// The peer's last offer; an answer repeats its slots.
    offered: Option<Description>,
    /// The streams of the description that was agreed on last, whoever offered it, as we said them. Slots never vanish
    /// (RFC 3264 §8), so every offer of ours repeats them.
    slots: Vec<Stream>,
    /// The streams of our offer that waits for an answer.
    proposed: Vec<Stream>,
    /// The formats of pictures that we ever offered, with the numbers that they keep.
    said_pictures: Vec<Codec>,
    /// Names of streams that we made.
    mids_made: u32,
    /// The pictures that go with the sound, where there are any.
    pub pictures: Option<Box<Pictures>>,
    pub remote: Option<Arc<RemoteEnd>>,
    /// Who speaks, as the peer last said.
    pub remote_direction: Direction,
    /// The formats we told the peer that we receive.
    pub codecs: Arc<Vec<Codec>>,
    pub local: Option<LocalEnd>,
    /// The direction we last said.
    pub said_direction: Direction,
    /// The offer in which we said it met one of the peer's, and counts for nothing.
    pub is_unsaid: bool,
    /// The party said in words that it put the other on hold.
    pub holds_by_word: bool,
    /// Its wire has learnt that the party has a word for digits.
    pub takes_word: bool,
    /// The digits that the party says.
    pub once: Once,
    /// The party holds the other, might play something to it meanwhile, and does not.
    pub is_quiet_on_hold: bool,
    /// The party has been told that the digits it presses reach nobody.
    pub knows_digits_are_lost: bool,
    /// The peer has been told of the leg, or told us: until then nothing else may be said on it.
    pub is_open: bool,
    /// Packets can flow.
    pub connected: bool,
    /// The relay has heard something on it.
    pub heard: bool,
    exchanges_said: u32,
    /// What the party is called in the name of the call, and what it was told of the other.
    pub names: SessionIds,
}

impl Leg {
    /// A leg of which nothing is known yet but what it can say.
    pub fn new(id: LegId, abilities: Abilities, spec: LegSpec) -> Leg {
        Leg {
            id,
            who: Who { entry: Entry::Open, party: Party::new(Address::here("anonymous")) },
            abilities,
            spec,
            exchange: Exchange::Stable,
            offered: None,
            slots: Vec::new(),
            proposed: Vec::new(),
            said_pictures: Vec::new(),
            mids_made: 0,
            pictures: None,
            remote: None,
            remote_direction: Direction::SendRecv,
            codecs: Arc::default(),
            local: None,
            said_direction: Direction::SendRecv,
            is_unsaid: false,
            holds_by_word: false,
            takes_word: false,
            once: Once::default(),
            is_quiet_on_hold: false,
            knows_digits_are_lost: false,
            is_open: false,
            connected: false,
            heard: false,
            exchanges_said: 0,
            names: SessionIds::default(),
        }
    }

    /// Whether the party put the other on hold: by a word, or by a direction in which it does not listen.
    pub fn holds(&self) -> bool {
        self.holds_by_word || !self.remote_direction.receives()
    }

    /// Whether the party holds by a word that means that it is not to be heard either.
    pub fn is_silenced(&self) -> bool {
        self.holds_by_word && !self.abilities.plays_on_hold
    }

    /// Whether there is speech that the peer takes and we said.
    pub fn speaks(&self) -> bool {
        self.remote.as_ref().is_some_and(|r| r.codecs.iter().any(Codec::is_speech))
    }

    /// The formats that go both ways on the leg, most wanted by the peer first.
    pub fn passing(&self) -> Vec<Codec> {
        self.remote.as_ref().map(|remote| negotiate::agreed(&remote.codecs, &self.codecs)).unwrap_or_default()
    }

    /// Takes in an offer of the peer. Returns whether our own transport changes with it, so that the relay
    /// will say [`Ready`](crate::model::RelayEvent::Ready) before it can be answered.
    pub fn take_offer(&mut self, exchange: ExchangeId, mut description: Description) -> bool {
        self.exchange = Exchange::HaveRemoteOffer(exchange);
        self.fit_events(&mut description);
        let Some(stream) = description.audio() else {
            self.offered = Some(description);
            return false;
        };
        let transport = heard_transport(self.spec, stream);
        let restarts = self.remote.as_ref().is_some_and(|r| is_new_transport(&r.transport, &transport));
        self.remote_direction = direction_of(stream);
        self.remote = Some(Arc::new(RemoteEnd {
            transport,
            codecs: stream.codecs.clone(),
            rtcp_mux: stream.rtcp_mux,
            ptime: packet_time(stream),
            is_offer: true,
        }));
        self.offered = Some(description);
        restarts
    }

    /// Takes in an answer of the peer. `false` if it refuses the audio.
    pub fn take_answer(&mut self, description: &Description, provisional: bool) -> bool {
        if !provisional {
            self.exchange = Exchange::Stable;
            // An answer that is said again has nothing to take.
            if !self.proposed.is_empty() {
                self.slots = std::mem::take(&mut self.proposed);
            }
            for (at, slot) in self.slots.iter_mut().enumerate() {
                slot.accepted &= description.streams.get(at).is_some_and(|s| s.accepted);
            }
        }
        let Some(stream) = description.audio() else { return false };
        self.remote_direction = direction_of(stream);
        self.remote = Some(Arc::new(RemoteEnd {
            transport: heard_transport(self.spec, stream),
            codecs: negotiate::agreed(&stream.codecs, &self.codecs),
            rtcp_mux: stream.rtcp_mux,
            ptime: packet_time(stream),
            is_offer: false,
        }));
        true
    }

    /// The number of the header extension in which the peer counts packets of what travels with the sound.
    pub fn transport_cc(&self) -> Option<u8> {
        self.pictures.as_ref().filter(|pictures| pictures.bundled)?.extensions.transport_cc
    }

    /// The formats that we tell the peer that we receive are these.
    pub fn set_codecs(&mut self, codecs: Vec<Codec>) {
        self.codecs = Arc::new(codecs);
    }

    /// Leaves events of a keypad out of the formats that we tell the peer that we receive.
    pub fn leave_out_events(&mut self) {
        Arc::make_mut(&mut self.codecs).retain(|c| !c.is_telephone_event());
    }

    /// Leaves events of a keypad out of an offer of a party whose digits go by other ways.
    pub fn fit_events(&self, offer: &mut Description) {
        if !self.abilities.keys.has_events() {
            offer.streams.iter_mut().for_each(|s| s.codecs.retain(|c| !c.is_telephone_event()));
        }
    }

    /// Whether the peer's last description has keys.
    pub fn is_sealed(&self) -> bool {
        self.remote.as_ref().is_some_and(|r| r.transport.seal != Seal::Plain)
    }

    /// The peer's last offer.
    pub fn offered(&self) -> Option<&Description> {
        self.offered.as_ref()
    }

    /// Keeps what the peer said to another end than ours.
    pub fn keep_words(&mut self, description: Description) {
        self.offered = Some(description);
    }

    /// Begins anew as a leg of the relay, after the peer has talked to another end than ours: what is offered to it has
    /// the streams that it knows, and the speech that it shares with `far`. `false` if there is none.
    pub fn begin_anew(&mut self, far: &[Codec]) -> bool {
        let Some(offered) = &self.offered else { return false };
        let codecs = negotiate::for_caller(self.offered_codecs(), far, true);
        self.slots = offered.streams.clone();
        self.proposed.clear();
        self.exchange = Exchange::Stable;
        (self.remote, self.local, self.pictures) = (None, None, None);
        self.remote_direction = Direction::SendRecv;
        (self.connected, self.heard) = (false, false);
        self.set_codecs(codecs);
        if !self.abilities.keys.has_events() {
            self.leave_out_events();
        }
        self.codecs.iter().any(Codec::is_speech)
    }

    /// What may be said to the peer: what goes both ways, or, before anything was agreed, what it is to be offered.
    pub fn spoken(&self) -> Vec<Codec> {
        if self.remote.is_some() { self.passing() } else { self.codecs.to_vec() }
    }

    /// The peer's offer that waits for an answer.
    pub fn open_offer(&self) -> Option<(ExchangeId, &Description)> {
        match self.exchange {
            Exchange::HaveRemoteOffer(exchange) => self.offered.as_ref().map(|offered| (exchange, offered)),
            Exchange::Stable | Exchange::HaveLocalOffer(_) => None,
        }
    }

    /// Names an exchange of ours.
    pub fn next_exchange(&mut self) -> ExchangeId {
        self.exchanges_said += 1;
        ExchangeId::said(self.exchanges_said)
    }

    /// Whether candidates are for the pictures, where those have a transport of their own.
    pub fn is_for_pictures(&self, candidates: &Candidates) -> bool {
        let streams = match (&self.exchange, &self.offered) {
            (Exchange::HaveRemoteOffer(_), Some(offered)) => &offered.streams,
            (Exchange::HaveLocalOffer(_), _) => &self.proposed,
            _ => &self.slots,
        };
        let video = streams.iter().find(|s| s.kind == Kind::Video && s.accepted);
        let is_apart = self.pictures.as_ref().is_some_and(|p| !p.bundled);
        is_apart && candidates.mid.is_some() && candidates.mid.as_ref() == video.and_then(|s| s.mid.as_ref())
    }

    /// Whether candidates are for the audio. Without a name they are.
    pub fn is_for_audio(&self, candidates: &Candidates) -> bool {
        let ours = Mid(OUR_MID.into());
        let audio = match &self.offered {
            Some(offered) => offered.audio().and_then(|s| s.mid.as_ref()),
            None => Some(&ours),
        };
        candidates.mid.is_none() || audio.is_none() || candidates.mid.as_ref() == audio
    }

    /// What the peer offered to receive, before anybody agreed to it.
    pub fn offered_codecs(&self) -> &[Codec] {
        self.offered.as_ref().and_then(Description::audio).map_or(&[], |s| &s.codecs)
    }

    /// Opens an exchange of ours and gives the description to offer in it; `None` while our end is not
    /// ready or another exchange is open.
    pub fn offer(&mut self, direction: Direction) -> Option<(ExchangeId, Description)> {
        let exchange = ExchangeId::said(self.exchanges_said + 1);
        let description = self.offer_in(exchange, direction)?;
        self.exchanges_said += 1;
        Some((exchange, description))
    }

    /// The same in an exchange that the peer has opened by asking for an offer.
    pub fn offer_in(&mut self, exchange: ExchangeId, direction: Direction) -> Option<Description> {
        let local = self.local.as_ref()?;
        if self.exchange != Exchange::Stable {
            return None;
        }
        let has_dtls = self.spec.seal == SealKind::Dtls;
        let mut transport = local.transport.clone();
        if self.remote.is_none() {
            set_actpass(&mut transport);
        }
        // What was once described and is not there any more stays refused.
        let mut streams: Vec<Stream> = self.slots.iter().map(refused).collect();
        let slot = self.slot_of_sound();
        let mid = match slot {
            Some(slot) => self.slots[slot].mid.clone(),
            // A telephone has one stream and no use for its name.
            None => (has_dtls && self.spec.ice != IceMode::None).then(|| Mid(OUR_MID.into())),
        };
        let audio = Stream {
            mid: mid.clone(),
            direction,
            codecs: self.codecs.to_vec(),
            rtcp_mux: multiplexes(self.spec, self.remote.as_deref()),
            sources: if mid.is_some() { vec![RtpSource::new(local.ssrc)] } else { Vec::new() },
            ..Stream::new(Kind::Audio, transport)
        };
        put(&mut streams, slot, audio);
        let mut bundle: Vec<Mid> = mid.into_iter().collect();
        let has_pictures = self.pictures.is_some() && local.video.is_some();
        let video_mid = if has_pictures { self.mid_for_pictures(&bundle) } else { None };
        let local = self.local.as_ref()?;
        if let (Some(pictures), Some(video)) = (&mut self.pictures, &local.video) {
            let known: Vec<_> =
                self.offered.iter().flat_map(|o| &o.streams).flat_map(|s| &s.header_extensions).cloned().collect();
            pictures.settle_extensions(video, &known);
            let section = pictures.offer(self.spec, video, video_mid.clone());
            bundle.extend(video_mid.filter(|_| pictures.is_in_bundle()));
            put(&mut streams, slot_of_pictures(&self.slots), section);
        }
        streams.iter_mut().for_each(leave_out_component);
        let is_named = !bundle.is_empty();
        let groups = is_named.then(|| Group { semantics: "BUNDLE".into(), mids: bundle }).into_iter().collect();
        self.exchange = Exchange::HaveLocalOffer(exchange);
        (self.said_direction, self.is_unsaid) = (direction, false);
        self.proposed = streams.clone();
        Some(Description { streams, groups, extras: Vec::new() })
    }

    /// The slot of the sound in our next offer: that which it has, or one that was put aside, or none yet.
    fn slot_of_sound(&self) -> Option<usize> {
        let of = |accepted: bool| self.slots.iter().position(|s| s.kind == Kind::Audio && s.accepted == accepted);
        of(true).or_else(|| of(false))
    }

    /// The streams that were agreed on last are these.
    pub fn take_slots(&mut self, streams: &[Stream]) {
        self.slots = streams.to_vec();
    }

    /// The name of the pictures in our offer, beside sound of this name: the one that they have, or one that no other
    /// stream of the leg ever had (RFC 8829 §5.2.2).
    fn mid_for_pictures(&mut self, audio: &[Mid]) -> Option<Mid> {
        let live = self.slots.iter().find(|s| s.kind == Kind::Video && s.accepted);
        if let Some(live) = live {
            return live.mid.clone();
        }
        audio.first()?;
        loop {
            self.mids_made += 1;
            let mid = Mid(self.mids_made.to_string());
            let is_taken = |known: &Mid| *known == mid;
            if !audio.iter().chain(self.slots.iter().filter_map(|s| s.mid.as_ref())).any(is_taken) {
                return Some(mid);
            }
        }
    }

    /// Whether the description that was agreed on last has pictures.
    pub fn describes_pictures(&self) -> bool {
        self.slots.iter().any(|s| s.kind == Kind::Video && s.accepted)
    }

    /// Whether an offer of ours would say something else of pictures than what was said last.
    pub fn owes_pictures(&self) -> bool {
        match &self.pictures {
            Some(p) => !self.describes_pictures() || !p.agreed || p.changed || p.said_direction != p.wish,
            None => self.describes_pictures(),
        }
    }

    /// Whether there are pictures to be offered and the relay has not laid our end of them yet.
    pub fn awaits_pictures(&self) -> bool {
        self.pictures.is_some() && self.local.as_ref().is_some_and(|l| l.video.is_none())
    }

    /// Pictures that are to be offered to the peer.
    pub fn pictures_of(&self, codecs: Vec<Codec>) -> Box<Pictures> {
        Box::new(Pictures::to_offer(self.spec, self.abilities.bundles, codecs))
    }

    /// The formats to offer to the peer for what the far side can do.
    pub fn pictures_to_offer(&mut self, far: &[Codec]) -> Vec<Codec> {
        let heard = self.offered.iter().flat_map(|o| &o.streams).filter(|s| s.kind == Kind::Video);
        let known: Vec<Codec> = self.said_pictures.iter().chain(heard.flat_map(|s| &s.codecs)).cloned().collect();
        let ours = formats::to_offer(far, self.spec, &known, &self.numbers_of_sound());
        let new = ours.iter().filter(|o| !known.iter().any(|k| k.payload_type == o.payload_type)).cloned();
        self.said_pictures.extend(new);
        ours
    }

    /// Payload types that mean something else than pictures on the leg.
    pub fn numbers_of_sound(&self) -> Vec<u8> {
        let offered = self.offered.iter().flat_map(|o| &o.streams).filter(|s| s.kind != Kind::Video);
        self.codecs.iter().chain(offered.flat_map(|s| &s.codecs)).map(|c| c.payload_type).collect()
    }

    /// The answer to the peer's open offer with the formats in [`Leg::codecs`]; `None` while our end is not
    /// ready or no offer is open.
    pub fn answer(&mut self, wish: Direction, provisional: bool) -> Option<(ExchangeId, Description)> {
        let Exchange::HaveRemoteOffer(exchange) = self.exchange else { return None };
        let local = self.local.as_ref()?;
        let offered = self.offered.as_ref()?;
        let slot = offered.streams.iter().position(|s| s.kind == Kind::Audio && s.accepted)?;
        let direction = wish.answering(self.remote_direction);
        let mut streams: Vec<Stream> = offered.streams.iter().map(refused).collect();
        streams[slot] = accepted(&offered.streams[slot], local, &self.codecs, direction);
        let mut bundle: Vec<Mid> = streams[slot].mid.iter().cloned().collect();
        if let (Some(pictures), Some(video)) = (&mut self.pictures, &local.video)
            && (pictures.agreed || provisional)
            && let Some(at) = offered.streams.iter().position(|s| s.kind == Kind::Video && s.accepted)
        {
            streams[at] = pictures.answer(&offered.streams[at], video);
            bundle.extend(streams[at].mid.clone().filter(|_| pictures.bundled));
        }
        let asked = offered.groups.iter().find(|g| g.semantics == "BUNDLE");
        bundle.retain(|mid| asked.is_some_and(|group| group.mids.contains(mid)));
        streams.iter_mut().for_each(leave_out_component);
        let is_named = !bundle.is_empty();
        let groups = is_named.then(|| Group { semantics: "BUNDLE".into(), mids: bundle }).into_iter().collect();
        if !provisional {
            self.exchange = Exchange::Stable;
            self.slots = streams.clone();
        }
        (self.said_direction, self.is_unsaid) = (direction, false);
        Some((exchange, Description { streams, groups, extras: Vec::new() }))
    }
}

/// Who speaks by this stream. The old way to hold, a connection address of zero (RFC 2543), counts as
/// `inactive` on legs without ICE; with ICE it only says that no candidate is known yet (JSEP).
fn direction_of(stream: &Stream) -> Direction {
    let is_old_hold = stream.transport.address.is_none() && stream.transport.ice.is_none();
    if is_old_hold { Direction::Inactive } else { stream.direction }
}

/// How much speech the peer wants in a packet: what it asks for, and no more than it takes (RFC 8866 §6.4).
fn packet_time(stream: &Stream) -> Option<Duration> {
    let most =
        stream.extras.iter().find(|e| e.name == "maxptime").and_then(|e| e.value.as_deref()?.trim().parse().ok());
    let most = most.map(Duration::from_millis).filter(|most| *most < stream.ptime.unwrap_or(USUAL_PACKET));
    most.or(stream.ptime)
}

/// Whether the peer's new transport asks for a new one of ours: an ICE restart (RFC 8839 §4.4.3.1.1), or another
/// DTLS association (RFC 8842 §4), or other keys.
fn is_new_transport(old: &Transport, new: &Transport) -> bool {
    let ufrag = |t: &Transport| t.ice.as_ref().map(|i| (i.ufrag.clone(), i.pwd.clone()));
    let association = |t: &Transport| match &t.seal {
        Seal::Dtls { fingerprints, tls_id, .. } => (fingerprints.clone(), tls_id.clone()),
        Seal::Plain | Seal::Sdes(_) => (Vec::new(), None),
    };
    let keys = |t: &Transport| match &t.seal {
        Seal::Sdes(sdes) => sdes.cryptos.clone(),
        Seal::Plain | Seal::Dtls { .. } => Box::default(),
    };
    ufrag(old) != ufrag(new) || association(old) != association(new) || keys(old) != keys(new)
}

/// The peer's transport as a leg of this kind takes it: one without keys takes no notice of those that the peer would
/// only like to use (RFC 8643), one without ICE of candidates.
fn heard_transport(spec: LegSpec, stream: &Stream) -> Transport {
    let mut transport = stream.transport.clone();
    if spec.seal == SealKind::Plain && transport.seal.is_optional() {
        transport.seal = Seal::Plain;
    }
    if spec.ice == IceMode::None {
        transport.ice = None;
    }
    transport
}

/// Whether pictures of this seal go with the sound of a leg of this kind.
fn is_same_seal(leg: SealKind, seal: &Seal) -> bool {
    match (leg, seal) {
        (SealKind::Plain | SealKind::Opportunistic, Seal::Plain) => true,
        (SealKind::Plain, seal) => seal.is_optional(),
        (SealKind::Opportunistic | SealKind::Sdes, Seal::Sdes(_)) => true,
        (SealKind::Dtls, Seal::Dtls { .. }) => true,
        _ => false,
    }
}

/// The slot of the pictures in our next offer: that which they have, or one that they had, or none yet.
fn slot_of_pictures(slots: &[Stream]) -> Option<usize> {
    let of = |accepted: bool| slots.iter().position(|s| s.kind == Kind::Video && s.accepted == accepted);
    of(true).or_else(|| of(false))
}

/// Whether an offer of ours has RTP and RTCP on one port, to a peer that said this of its end. With DTLS-SRTP that spares
/// an association; whoever has ICE on two ports is not asked for one as long as it did not offer it.
fn multiplexes(spec: LegSpec, remote: Option<&RemoteEnd>) -> bool {
    match spec.ice {
        IceMode::Lite | IceMode::Full => true,
        IceMode::LitePair => remote.is_some_and(|remote| remote.rtcp_mux),
        IceMode::None => spec.seal == SealKind::Dtls,
    }
}

/// RTCP on the port of RTP has no candidates of its own (RFC 5761 §5.1.3).
fn leave_out_component(stream: &mut Stream) {
    if let Some(ice) = stream.transport.ice.as_mut().filter(|_| stream.rtcp_mux) {
        ice.candidates.retain(|candidate| candidate.component == 1);
    }
}

fn put(streams: &mut Vec<Stream>, slot: Option<usize>, stream: Stream) {
    match slot.and_then(|at| streams.get_mut(at)) {
        Some(place) => *place = stream,
        None => streams.push(stream),
    }
}

fn set_actpass(transport: &mut Transport) {
    if let Seal::Dtls { setup, .. } = &mut transport.seal {
        *setup = crate::model::Setup::ActPass;
    }
}

/// A transport of ours as it is said in an answer: its profile is the offer's (RFC 3264 §6).
fn in_answer(ours: &Transport, offered: &Transport) -> Transport {
    let mut transport = ours.clone();
    transport.feedback_profile = offered.feedback_profile;
    match (&mut transport.seal, &offered.seal) {
        (Seal::Sdes(ours), Seal::Sdes(theirs)) => ours.optional = theirs.optional,
        (Seal::Dtls { optional, tls_id, .. }, Seal::Dtls { optional: theirs, tls_id: name, .. }) => {
            *optional = *theirs;
            // RFC 8842 §5.3: whoever gave the association no name is answered as in RFC 5763.
            tls_id.take_if(|_| name.is_none());
        }
        _ => {}
    }
    transport
}

fn accepted(offered: &Stream, local: &LocalEnd, codecs: &[Codec], direction: Direction) -> Stream {
    let transport = in_answer(&local.transport, &offered.transport);
    let names_sources = offered.mid.is_some();
    Stream {
        mid: offered.mid.clone(),
        direction,
        codecs: codecs.to_vec(),
        rtcp_mux: offered.rtcp_mux,
        sources: if names_sources { vec![RtpSource::new(local.ssrc)] } else { Vec::new() },
        extras: offered.profile_extra(),
        ..Stream::new(offered.kind.clone(), transport)
    }
}

/// A stream as it is refused.
pub fn refused(offered: &Stream) -> Stream {
    let mut transport = offered.transport.clone();
    transport.ice = None;
    transport.address = None;
    transport.rtcp_address = None;
    if let Seal::Sdes(sdes) = &mut transport.seal {
        // Nobody's keys are repeated.
        sdes.cryptos = Box::default();
    }
    Stream {
        mid: offered.mid.clone(),
        accepted: false,
        direction: Direction::Inactive,
        codecs: offered.codecs.first().cloned().into_iter().collect(),
        rtcp_mux: offered.rtcp_mux,
        extras: offered.profile_extra(),
        ..Stream::new(offered.kind.clone(), transport)
    }
}
