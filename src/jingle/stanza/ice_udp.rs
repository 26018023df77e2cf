//! ICE (XEP-0176).

use xmpp_parsers::minidom::Element;

use super::dtls::Fingerprint;
use super::ns;
use super::xml::{Tag, attr, text_attr};

/// The most candidates of a transport.
pub const MAX_CANDIDATES: usize = 64;
/// The most certificates of a transport.
pub const MAX_FINGERPRINTS: usize = 8;

/// The element that ends the candidates.
const COMPLETE: &str = "gathering-complete";

/// `<transport/>` of ICE, with the certificates of DTLS in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transport {
    /// The user name fragment.
    pub ufrag: Option<String>,
    /// The password.
    pub pwd: Option<String>,
    /// The certificates.
    pub fingerprints: Vec<Fingerprint>,
    /// The candidates.
    pub candidates: Vec<Candidate>,
    /// No candidates follow; as the client stanza says it, XEP-0371 has it.
    pub complete: bool,
}

impl Transport {
    /// Reads a `<transport/>`; what is no candidate or no certificate is passed over.
    pub fn read(element: &Element) -> Transport {
        Transport {
            ufrag: text_attr(element, "ufrag").filter(|u| !u.is_empty()),
            pwd: text_attr(element, "pwd").filter(|p| !p.is_empty()),
            fingerprints: element.children().filter_map(Fingerprint::read).take(MAX_FINGERPRINTS).collect(),
            candidates: element.children().filter_map(Candidate::read).take(MAX_CANDIDATES).collect(),
            complete: element.has_child(COMPLETE, ns::ICE_UDP),
        }
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        Tag::new("transport", ns::ICE_UDP)
            .maybe("ufrag", self.ufrag.as_ref())
            .maybe("pwd", self.pwd.as_ref())
            .children(self.fingerprints.iter().map(Fingerprint::write))
            .children(self.candidates.iter().map(Candidate::write))
            .flag(self.complete, COMPLETE, ns::ICE_UDP)
            .build()
    }
}

/// `<candidate/>`. The XEP requires all but the related address; clients leave out `id`, `network` and
/// `generation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// 1 for RTP, 2 for RTCP.
    pub component: u16,
    /// Equal for candidates of the same base and kind.
    pub foundation: String,
    /// Counts the restarts of ICE.
    pub generation: Option<u32>,
    /// Its name, unlike any other of the session.
    pub id: Option<String>,
    /// The address, or an mDNS name.
    pub ip: String,
    /// The interface, for diagnosis.
    pub network: Option<u32>,
    /// The port.
    pub port: u16,
    /// Higher is better.
    pub priority: u32,
    /// `udp`, in lower case.
    pub protocol: String,
    /// `host`, `srflx`, `prflx`, `relay`.
    pub kind: String,
    /// The base or mapped address behind it.
    pub related: Option<(String, u16)>,
    /// `active`, `passive`, `so`: of candidates for TCP, which some clients send although XEP-0176 has none.
    pub tcptype: Option<String>,
}

impl Candidate {
    /// Reads a child of a transport; `None` if it is none or nobody could send to it.
    pub fn read(element: &Element) -> Option<Candidate> {
        if !element.is("candidate", ns::ICE_UDP) {
            return None;
        }
        let related = text_attr(element, "rel-addr").zip(attr(element, "rel-port"));
        Some(Candidate {
            component: attr(element, "component").unwrap_or(1),
            foundation: text_attr(element, "foundation").filter(|f| !f.is_empty()).unwrap_or_else(|| "0".into()),
            generation: attr(element, "generation"),
            id: text_attr(element, "id"),
            ip: text_attr(element, "ip").map(|ip| ip.trim().to_owned()).filter(|ip| !ip.is_empty())?,
            network: attr(element, "network"),
            port: attr(element, "port")?,
            priority: attr(element, "priority")?,
            protocol: text_attr(element, "protocol").map_or_else(|| "udp".into(), |p| p.trim().to_ascii_lowercase()),
            kind: text_attr(element, "type").unwrap_or_else(|| "host".into()),
            related,
            tcptype: text_attr(element, "tcptype"),
        })
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        let (address, port) = self.related.as_ref().map(|(address, port)| (address, port)).unzip();
        Tag::new("candidate", ns::ICE_UDP)
            .with("component", self.component.to_string())
            .with("foundation", &self.foundation)
            .maybe("generation", self.generation)
            .maybe("id", self.id.as_ref())
            .with("ip", &self.ip)
            .maybe("network", self.network)
            .with("port", self.port.to_string())
            .with("priority", self.priority.to_string())
            .with("protocol", &self.protocol)
            .maybe("rel-addr", address)
            .maybe("rel-port", port)
            .maybe("tcptype", self.tcptype.as_ref())
            .with("type", &self.kind)
            .build()
    }
}
