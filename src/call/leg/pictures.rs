//! The pictures of one leg: what its peer said of them, and what we said.

use super::{heard_transport, in_answer, is_new_transport, is_same_seal, multiplexes};
use crate::call::pictures::extensions::Numbers;
use crate::call::pictures::{formats, send_time, transport_cc};
use crate::model::{
    Codec, Description, Direction, Group, HeaderExtension, IceMode, Kind, LegSpec, LocalVideo, Mid, RemoteEnd,
    RtpSource, Seal, Stream,
};

/// The pictures of one leg, from the first offer that has them until one side wants them no more.
#[derive(Debug, Clone)]
pub struct Pictures {
    /// They share the transport of the sound (RFC 9143).
    pub bundled: bool,
    /// We offer them a transport of their own, and the peer may take that of the sound instead (RFC 9143 §7.2).
    pub may_bundle: bool,
    /// The formats we told the peer that we receive.
    pub codecs: Vec<Codec>,
    /// What the peer said of its end.
    pub remote: Option<RemoteEnd>,
    /// Who shows something, as the peer last said.
    pub remote_direction: Direction,
    /// The direction we last said.
    pub said_direction: Direction,
    /// The direction to say next: what the far side shows and takes, seen from here.
    pub wish: Direction,
    /// What the far side can take, in kilobits a second, to be said.
    pub far_limit_kbps: Option<u32>,
    /// What the peer can take, in kilobits a second.
    pub limit_kbps: Option<u32>,
    /// The header extensions that were agreed on.
    pub extensions: Numbers,
    /// Those of our last offer.
    pub extensions_offered: Numbers,
    /// Both parties of the call have agreed on them.
    pub agreed: bool,
    /// They are in another format than the peer was last told.
    pub changed: bool,
}

impl Pictures {
    /// Pictures that are to be offered to the peer of a leg: on a transport of their own, and on that of the sound unless
    /// it is a telephone. `bundles`: it takes them there always.
    pub fn to_offer(spec: LegSpec, bundles: bool, codecs: Vec<Codec>) -> Pictures {
        let has_ice = spec.ice != IceMode::None;
        Pictures { may_bundle: has_ice && !bundles, ..Pictures::new(has_ice && bundles, codecs) }
    }

    fn new(bundled: bool, codecs: Vec<Codec>) -> Pictures {
        Pictures {
            bundled,
            may_bundle: false,
            codecs,
            remote: None,
            remote_direction: Direction::Inactive,
            said_direction: Direction::Inactive,
            wish: Direction::SendRecv,
            far_limit_kbps: None,
            limit_kbps: None,
            extensions: Numbers::default(),
            extensions_offered: Numbers::default(),
            agreed: false,
            changed: false,
        }
    }

    /// Pictures that the peer of a leg offers.
    pub fn offered(spec: LegSpec, heard: &Heard) -> Pictures {
        let mut pictures = Pictures::new(heard.bundled, Vec::new());
        pictures.hear(spec, &heard.stream, true);
        pictures
    }

    /// Takes in what the peer says of its end.
    pub fn hear(&mut self, spec: LegSpec, stream: &Stream, is_offer: bool) {
        let codecs = match is_offer {
            true => stream.codecs.iter().filter(|c| formats::passes(c)).cloned().collect(),
            false => formats::agreed(&stream.codecs, &self.codecs),
        };
        let transport = heard_transport(spec, stream);
        self.remote = Some(RemoteEnd { transport, codecs, rtcp_mux: stream.rtcp_mux, ptime: None, is_offer });
        self.remote_direction = super::direction_of(stream);
        self.limit_kbps = stream.bandwidth_kbps;
        let theirs = Numbers::heard(stream);
        self.extensions = if is_offer { theirs } else { theirs.as_offered(self.extensions_offered) };
    }

    /// The peer takes them on the transport of the sound, or on their own; whether it was offered that.
    pub fn take_transport(&mut self, bundled: bool) -> bool {
        self.bundled |= bundled && self.may_bundle;
        self.bundled == bundled
    }

    /// Whether an offer of ours puts them into the bundle of the sound.
    pub fn is_in_bundle(&self) -> bool {
        self.bundled || self.may_bundle
    }

    /// Whether the peer's new offer asks for another transport of ours than its last one.
    pub fn restarts(&self, stream: &Stream) -> bool {
        let old = self.remote.as_ref().map(|r| &r.transport);
        !self.bundled && old.is_some_and(|old| is_new_transport(old, &stream.transport))
    }

    /// The formats that the peer takes.
    pub fn taken(&self) -> &[Codec] {
        self.remote.as_ref().map_or(&[], |r| &r.codecs)
    }

    /// The format that goes over the leg, once both sides agreed.
    pub fn codec(&self) -> Option<&Codec> {
        self.taken().first().filter(|_| self.agreed)
    }

    /// Settles the header extensions of our next offer, to a peer that named these in its own. A telephone without ICE is
    /// not asked for any.
    pub fn settle_extensions(&mut self, local: &LocalVideo, known: &[HeaderExtension]) {
        let has_ice = local.transport.ice.is_some();
        self.extensions_offered = if has_ice { self.extensions.to_offer(known) } else { Numbers::default() };
    }

    /// Our section of an offer on a leg of this kind; [`Pictures::settle_extensions`] goes before.
    pub fn offer(&mut self, spec: LegSpec, local: &LocalVideo, mid: Option<Mid>) -> Stream {
        // A peer that has not bundled them once is not asked again.
        self.may_bundle &= self.remote.is_none();
        let mut section = self.section(local, self.wish);
        section.sources = if mid.is_some() { vec![RtpSource::new(local.ssrc)] } else { Vec::new() };
        section.mid = mid;
        section.rtcp_mux = multiplexes(spec, self.remote.as_ref());
        // With a telephone the profile is the old one, and feedback is said in attributes alone, which one that knows
        // neither can answer; what else there is has the profile of WebRTC (RFC 8834 §4.2).
        section.transport.feedback_profile = section.transport.ice.is_some();
        if let Some(number) = self.extensions_offered.transport_cc {
            transport_cc::offer(&mut section, number);
        }
        if let Some(number) = self.extensions_offered.send_time {
            send_time::EXTENSION.add_to(&mut section, number);
        }
        if self.remote.is_none()
            && let Seal::Dtls { setup, .. } = &mut section.transport.seal
        {
            *setup = crate::model::Setup::ActPass;
        }
        section
    }

    /// Our section of an answer to the peer's offer of them. Before the far side has agreed they rest.
    pub fn answer(&mut self, offered: &Stream, local: &LocalVideo) -> Stream {
        let wish = if self.agreed { self.wish } else { Direction::Inactive };
        let mut section = self.section(local, wish.answering(self.remote_direction));
        section.sources = if offered.mid.is_some() { vec![RtpSource::new(local.ssrc)] } else { Vec::new() };
        section.mid.clone_from(&offered.mid);
        section.rtcp_mux = offered.rtcp_mux;
        section.transport = in_answer(&section.transport, &offered.transport);
        section.extras = offered.profile_extra();
        transport_cc::answer(&mut section, offered);
        send_time::answer(&mut section, offered);
        section
    }

    fn section(&mut self, local: &LocalVideo, direction: Direction) -> Stream {
        self.said_direction = direction;
        self.changed = false;
        let mut transport = local.transport.clone();
        if let Some(ice) = transport.ice.as_mut().filter(|_| self.bundled) {
            // They are reached on the way of the sound; a peer that has not bundled them yet is not to look for another.
            ice.candidates.clear();
        }
        Stream {
            direction,
            codecs: self.codecs.clone(),
            bandwidth_kbps: self.far_limit_kbps,
            ..Stream::new(Kind::Video, transport)
        }
    }
}

/// The pictures in a peer's description.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The stream.
    pub stream: Stream,
    /// It shares the transport of the sound.
    pub bundled: bool,
}

/// The pictures in a peer's description, if a leg of this kind can carry them; else why not, in one clause.
pub fn heard(spec: LegSpec, description: &Description) -> Result<Option<Heard>, &'static str> {
    let Some(video) = description.streams.iter().find(|s| s.kind == Kind::Video && s.accepted) else {
        return Ok(None);
    };
    if !video.codecs.iter().any(formats::passes) {
        return Err("none of the formats of its pictures passes");
    }
    let has_ice = spec.ice != IceMode::None;
    let audio = description.audio().and_then(|s| s.mid.as_ref());
    let bundled = has_ice && is_bundled(&description.groups, audio, video.mid.as_ref());
    let transport = &video.transport;
    if !bundled {
        if !is_same_seal(spec.seal, &transport.seal) {
            return Err("its pictures are not protected as its sound is");
        }
        let has_pair = spec.ice == IceMode::LitePair;
        if has_ice && (transport.ice.is_none() || !(video.rtcp_mux || has_pair)) {
            return Err("its pictures do not travel as its sound does");
        }
    }
    Ok(Some(Heard { stream: video.clone(), bundled }))
}

/// Whether the two share the transport that the first of them describes (RFC 9143 §7.1).
fn is_bundled(groups: &[Group], audio: Option<&Mid>, video: Option<&Mid>) -> bool {
    let (Some(audio), Some(video)) = (audio, video) else { return false };
    groups.iter().filter(|g| g.semantics == "BUNDLE").any(|group| {
        let place = |mid: &Mid| group.mids.iter().position(|m| m == mid);
        place(audio).zip(place(video)).is_some_and(|(audio, video)| audio < video)
    })
}
