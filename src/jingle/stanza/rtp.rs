//! RTP sessions (XEP-0167).

use xmpp_parsers::minidom::Element;

use super::ns;
use super::roles::Creator;
use super::rtcp_fb::Feedback;
use super::rtp_hdrext::HeaderExtension;
use super::ssma::{Source, SourceGroup};
use super::xml::{Tag, attr, text_attr};

/// The most payload types of a description.
pub const MAX_PAYLOAD_TYPES: usize = 128;
/// The most parameters of a payload type, and kinds of feedback of one or of a description.
pub const MAX_PARAMETERS: usize = 64;
/// The most sources, groups of them, and header extensions of a description.
pub const MAX_SOURCES: usize = 64;

/// `<description/>` of RTP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// `audio`, `video`.
    pub media: String,
    /// The source that the describer sends.
    pub ssrc: Option<u32>,
    /// The formats, most wanted first.
    pub payload_types: Vec<PayloadType>,
    /// `<encryption/>` is there: keys in the description (SDES). The keys are not kept.
    pub encryption: bool,
    /// RTP and RTCP on one port.
    pub rtcp_mux: bool,
    /// RTCP packets may be of reduced size; as the client stanza says it, no XEP.
    pub reduced_rtcp: bool,
    /// What the describer can take: the kind (`AS`, `TIAS`) and its value.
    pub bandwidth: Option<(String, String)>,
    /// Milliseconds in a packet, as Movim says it; the XEP has it on payload types.
    pub ptime: Option<String>,
    /// Feedback that may be used with every format.
    pub feedback: Vec<Feedback>,
    /// RTP header extensions.
    pub header_extensions: Vec<HeaderExtension>,
    /// Header extensions of one and of two bytes may be mixed.
    pub mixed_extensions: bool,
    /// The sources.
    pub sources: Vec<Source>,
    /// Sources that belong together.
    pub source_groups: Vec<SourceGroup>,
    /// The stream and the track, as the client stanza says them; no XEP.
    pub msid: Option<(String, String)>,
}

impl Description {
    /// Reads a `<description/>`; what is ill-formed in it is passed over.
    pub fn read(element: &Element) -> Description {
        let msid = element.get_child("stream", ns::MSID);
        let bandwidth = element.get_child("bandwidth", ns::RTP);
        Description {
            media: text_attr(element, "media").unwrap_or_default(),
            ssrc: attr(element, "ssrc"),
            payload_types: each(element, PayloadType::read, MAX_PAYLOAD_TYPES),
            encryption: element.has_child("encryption", ns::RTP),
            rtcp_mux: element.has_child("rtcp-mux", ns::RTP),
            reduced_rtcp: element.has_child("rtcp-reduced-size", ns::RTP),
            bandwidth: bandwidth.and_then(|b| Some((text_attr(b, "type")?, b.text().trim().to_owned()))),
            ptime: text_attr(element, "ptime"),
            feedback: each(element, Feedback::read, MAX_PARAMETERS),
            header_extensions: each(element, HeaderExtension::read, MAX_SOURCES),
            mixed_extensions: element.has_child("extmap-allow-mixed", ns::RTP_HDREXT),
            sources: each(element, Source::read, MAX_SOURCES),
            source_groups: each(element, SourceGroup::read, MAX_SOURCES),
            msid: msid.and_then(|m| Some((text_attr(m, "id")?, text_attr(m, "track")?))),
        }
    }

    /// Writes it; never with `<encryption/>`, which we do not offer.
    pub fn write(&self) -> Element {
        let bandwidth = self.bandwidth.as_ref();
        let bandwidth = bandwidth.map(|(kind, v)| Tag::new("bandwidth", ns::RTP).with("type", kind).text(v).build());
        let msid = self.msid.as_ref();
        let msid = msid.map(|(id, track)| Tag::new("stream", ns::MSID).with("id", id).with("track", track).build());
        Tag::new("description", ns::RTP)
            .with("media", &self.media)
            .maybe("ssrc", self.ssrc)
            .maybe("ptime", self.ptime.as_ref())
            .children(self.payload_types.iter().map(PayloadType::write))
            .children(bandwidth)
            .children(self.feedback.iter().map(Feedback::write))
            .children(self.header_extensions.iter().map(HeaderExtension::write))
            .flag(self.mixed_extensions, "extmap-allow-mixed", ns::RTP_HDREXT)
            .children(self.sources.iter().map(Source::write))
            .children(self.source_groups.iter().map(SourceGroup::write))
            .children(msid)
            .flag(self.rtcp_mux, "rtcp-mux", ns::RTP)
            .flag(self.reduced_rtcp, "rtcp-reduced-size", ns::RTP)
            .build()
    }
}

/// The children that `read` knows, `most` of them.
fn each<T>(element: &Element, read: fn(&Element) -> Option<T>, most: usize) -> Vec<T> {
    element.children().filter_map(read).take(most).collect()
}

/// `<payload-type/>`: a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadType {
    /// The number, 0 to 127.
    pub id: u8,
    /// The encoding name; may be absent for the numbers that RFC 3551 assigns.
    pub name: Option<String>,
    /// The RTP clock, in hertz.
    pub clockrate: Option<u32>,
    /// Channels; absent means 1.
    pub channels: Option<u8>,
    /// Milliseconds in a packet, as asked for.
    pub ptime: Option<String>,
    /// The most milliseconds in a packet.
    pub maxptime: Option<String>,
    /// The format parameters.
    pub parameters: Vec<Parameter>,
    /// Feedback that may be used with this format.
    pub feedback: Vec<Feedback>,
}

impl PayloadType {
    /// A format of which only the number is said.
    pub fn new(id: u8) -> PayloadType {
        PayloadType {
            id,
            name: None,
            clockrate: None,
            channels: None,
            ptime: None,
            maxptime: None,
            parameters: Vec::new(),
            feedback: Vec::new(),
        }
    }

    /// Reads a child of a description; `None` if it is none or has no number.
    pub fn read(element: &Element) -> Option<PayloadType> {
        if !element.is("payload-type", ns::RTP) {
            return None;
        }
        Some(PayloadType {
            id: attr(element, "id").filter(|id| *id < 128)?,
            name: text_attr(element, "name").filter(|n| !n.is_empty()),
            clockrate: attr(element, "clockrate").filter(|c| *c > 0),
            channels: attr(element, "channels").filter(|c| *c > 0),
            ptime: text_attr(element, "ptime"),
            maxptime: text_attr(element, "maxptime"),
            parameters: each(element, Parameter::read, MAX_PARAMETERS),
            feedback: each(element, Feedback::read, MAX_PARAMETERS),
        })
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        Tag::new("payload-type", ns::RTP)
            .with("id", self.id.to_string())
            .maybe("name", self.name.as_ref())
            .maybe("clockrate", self.clockrate)
            .maybe("channels", self.channels)
            .maybe("ptime", self.ptime.as_ref())
            .maybe("maxptime", self.maxptime.as_ref())
            .children(self.parameters.iter().map(Parameter::write))
            .children(self.feedback.iter().map(Feedback::write))
            .build()
    }
}

/// `<parameter/>` of a format: one of `a=fmtp`. A value without a name is in the wild in three forms: an empty
/// name, no name, or a name without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: Option<String>,
    /// Its value.
    pub value: Option<String>,
}

impl Parameter {
    /// Reads a child of a payload type; `None` if it is none or says nothing.
    pub fn read(element: &Element) -> Option<Parameter> {
        if !element.is("parameter", ns::RTP) {
            return None;
        }
        let parameter = Parameter { name: text_attr(element, "name"), value: text_attr(element, "value") };
        (parameter.name.is_some() || parameter.value.is_some()).then_some(parameter)
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        let parameter = Tag::new("parameter", ns::RTP);
        parameter.maybe("name", self.name.as_ref()).maybe("value", self.value.as_ref()).build()
    }
}

/// What a `session-info` says of a call (XEP-0167 §8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Info {
    /// The call is active: back from hold.
    Active,
    /// The call is on hold.
    Hold,
    /// The sender does not send for now.
    Mute(Of),
    /// The sender sends again.
    Unmute(Of),
    /// A device rings.
    Ringing,
}

/// Which content a [`Info::Mute`] is about; all if it has no name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Of {
    /// Who created the content.
    pub creator: Option<Creator>,
    /// The name of the content.
    pub name: Option<String>,
}

impl Info {
    /// Reads a child of `<jingle/>`; `None` if it is none of these.
    pub fn read(element: &Element) -> Option<Info> {
        if !element.has_ns(ns::RTP_INFO) {
            return None;
        }
        let of = || Of { creator: attr(element, "creator"), name: text_attr(element, "name") };
        Some(match element.name() {
            // `unhold` is another word for the end of a hold.
            "active" | "unhold" => Info::Active,
            "hold" => Info::Hold,
            "mute" => Info::Mute(of()),
            "unmute" => Info::Unmute(of()),
            "ringing" => Info::Ringing,
            _ => return None,
        })
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        let (name, of) = match self {
            Info::Active => ("active", None),
            Info::Hold => ("hold", None),
            Info::Mute(of) => ("mute", Some(of)),
            Info::Unmute(of) => ("unmute", Some(of)),
            Info::Ringing => ("ringing", None),
        };
        Tag::new(name, ns::RTP_INFO)
            .maybe("creator", of.and_then(|of| of.creator).map(Creator::name))
            .maybe("name", of.and_then(|of| of.name.as_ref()))
            .build()
    }
}
