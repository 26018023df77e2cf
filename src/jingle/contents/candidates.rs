//! Places where a side may be reached.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Slot, Slots};
use crate::jingle::stanza::jingle::Transport;
use crate::jingle::stanza::{Content, ice_udp};
use crate::model::{Candidate, CandidateHost, CandidateKind, CandidateProtocol, Candidates, Ice};

/// Reads the candidates of a `transport-info`'s content. `None` if the session has no such content, or it is not of
/// ICE. Candidates for RTCP alone are passed over: it shares the port of RTP (RFC 5761).
///
/// Credentials unlike those of the last description are a restart of ICE, which is for the session to notice.
pub fn of_content(content: &Content, slots: &Slots, batch: bool) -> Option<Candidates> {
    let transport = content.ice()?;
    let slot = slots.0.get(slots.position(content.creator, &content.name)?)?;
    Some(Candidates {
        mid: slot.mid.clone(),
        ufrag: transport.ufrag.clone(),
        candidates: transport.candidates.iter().filter_map(read).filter(|c| c.component == 1).collect(),
        more: !batch && !transport.complete,
    })
}

/// Writes the content of a `transport-info`. `ice` has the credentials of our last description, which are repeated:
/// Monal drops the candidates otherwise. `None` if nothing is left to be said.
pub fn to_content(candidates: &[Candidate], slot: &Slot, ice: &Ice) -> Option<Content> {
    let candidates = write_all(candidates, slot, &ice.ufrag);
    if candidates.is_empty() {
        return None;
    }
    let transport = ice_udp::Transport {
        ufrag: Some(ice.ufrag.clone()),
        pwd: Some(ice.pwd.clone()),
        candidates,
        ..ice_udp::Transport::default()
    };
    Some(Content { transport: Some(Transport::IceUdp(Box::new(transport))), ..slot.content() })
}

/// Reads a candidate; `None` for kinds nobody has heard of.
pub(super) fn read(said: &ice_udp::Candidate) -> Option<Candidate> {
    let kind = match said.kind.as_str() {
        "host" => CandidateKind::Host,
        "srflx" => CandidateKind::Srflx,
        "prflx" => CandidateKind::Prflx,
        "relay" => CandidateKind::Relay,
        _ => return None,
    };
    let protocol = match said.protocol.as_str() {
        "udp" => CandidateProtocol::Udp,
        "tcp" => CandidateProtocol::Tcp(said.tcptype.clone().unwrap_or_default()),
        other => CandidateProtocol::Other(other.to_owned()),
    };
    let host = said.ip.parse().map_or_else(|_| CandidateHost::Name(said.ip.clone()), CandidateHost::Ip);
    let related = said.related.as_ref();
    let mut rest = said.generation.map(|g| format!("generation {g}")).unwrap_or_default();
    // Those who know nothing of their interfaces say 0.
    if let Some(network) = said.network.filter(|n| *n > 0) {
        rest = format!("{rest} network-id {network}").trim_start().to_owned();
    }
    Some(Candidate {
        foundation: said.foundation.clone(),
        component: said.component,
        protocol,
        priority: said.priority,
        host,
        port: said.port,
        kind,
        related: related.and_then(|(address, port)| Some((address.trim().parse().ok()?, *port))),
        rest,
    })
}

/// Writes the candidates that Jingle has words for: UDP, an address, and the one component of RTP with RTCP.
pub(super) fn write_all(candidates: &[Candidate], slot: &Slot, ufrag: &str) -> Vec<ice_udp::Candidate> {
    candidates.iter().filter_map(|candidate| write(candidate, slot, ufrag)).take(ice_udp::MAX_CANDIDATES).collect()
}

fn write(candidate: &Candidate, slot: &Slot, ufrag: &str) -> Option<ice_udp::Candidate> {
    let CandidateHost::Ip(ip) = candidate.host else { return None };
    if candidate.protocol != CandidateProtocol::Udp || candidate.component != 1 {
        return None;
    }
    let kind = match candidate.kind {
        CandidateKind::Host => "host",
        CandidateKind::Srflx => "srflx",
        CandidateKind::Prflx => "prflx",
        CandidateKind::Relay => "relay",
    };
    Some(ice_udp::Candidate {
        component: candidate.component,
        foundation: candidate.foundation.clone(),
        generation: Some(number(&candidate.rest, "generation")),
        id: Some(id(candidate, slot, ufrag)),
        ip: ip.to_string(),
        network: Some(number(&candidate.rest, "network-id")),
        port: candidate.port,
        priority: candidate.priority,
        protocol: "udp".into(),
        kind: kind.into(),
        related: candidate.related.map(|(ip, port)| (ip.to_string(), port)),
        tcptype: None,
    })
}

/// The number behind a word of a candidate's rest, 0 if it is not there.
fn number(rest: &str, word: &str) -> u32 {
    let mut words = rest.split_ascii_whitespace();
    let value = words.by_ref().find(|w| *w == word).and_then(|_| words.next());
    value.and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// A name unlike that of any other candidate of the session (XEP-0176 §5.4), and the same if it is said again.
fn id(candidate: &Candidate, slot: &Slot, ufrag: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (&slot.name, slot.creator, ufrag, candidate.port, candidate.priority, &candidate.foundation).hash(&mut hasher);
    if let CandidateHost::Ip(ip) = candidate.host {
        ip.hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}
