//! One ICE candidate's line (RFC 8839 §5.1), as browsers trickle it.

use std::fmt::Write;
use std::net::IpAddr;

use super::SdpError;
use super::write::clean;
use crate::model::{Candidate, CandidateHost, CandidateKind, CandidateProtocol};

/// The most octets of a candidate's line.
pub const MAX_OCTETS: usize = 1024;

/// Reads `candidate:…`, with or without `a=` before it.
pub fn read(line: &str) -> Result<Candidate, SdpError> {
    let wrong = |wrong: &str| SdpError::Candidate { wrong: wrong.to_owned() };
    if line.len() > MAX_OCTETS {
        return Err(wrong("the line is too long"));
    }
    let line = line.trim();
    let line = line.strip_prefix("a=").unwrap_or(line);
    let value = line.strip_prefix("candidate:").ok_or_else(|| wrong("the line does not begin with candidate:"))?;
    let mut words = value.split_ascii_whitespace();
    let mut word = |what: &str| words.next().ok_or_else(|| wrong(&format!("{what} is missing")));

    let foundation = word("the foundation")?.to_owned();
    let component = word("the component")?.parse().map_err(|_| wrong("the component is no number"))?;
    let protocol = word("the transport")?;
    let priority = word("the priority")?.parse().map_err(|_| wrong("the priority is no number of 32 bits"))?;
    let host = word("the address")?;
    let host = host.parse().map_or_else(|_| CandidateHost::Name(host.to_owned()), CandidateHost::Ip);
    let port = word("the port")?.parse().map_err(|_| wrong("the port is no port"))?;
    if word("typ")? != "typ" {
        return Err(wrong("typ is missing after the port"));
    }
    let kind = match word("the type")? {
        "host" => CandidateKind::Host,
        "srflx" => CandidateKind::Srflx,
        "prflx" => CandidateKind::Prflx,
        "relay" => CandidateKind::Relay,
        _ => return Err(wrong("the type is none of host, srflx, prflx, relay")),
    };
    let mut rest: Vec<&str> = words.collect();
    let related = take_related(&mut rest);
    let protocol = match protocol {
        p if p.eq_ignore_ascii_case("udp") => CandidateProtocol::Udp,
        p if p.eq_ignore_ascii_case("tcp") => CandidateProtocol::Tcp(take_tcptype(&mut rest)),
        other => CandidateProtocol::Other(other.to_owned()),
    };
    Ok(Candidate { foundation, component, protocol, priority, host, port, kind, related, rest: rest.join(" ") })
}

/// `raddr` and `rport`, which stand first. A name behind `raddr` (mDNS) stays in the rest.
fn take_related(rest: &mut Vec<&str>) -> Option<(IpAddr, u16)> {
    let ["raddr", address, "rport", port, ..] = rest.as_slice() else { return None };
    let related = (address.parse().ok()?, port.parse().ok()?);
    rest.drain(..4);
    Some(related)
}

/// The `tcptype` (RFC 6544 §4.5), wherever it stands among the pairs; empty if there is none.
fn take_tcptype(rest: &mut Vec<&str>) -> String {
    let at = rest.chunks_exact(2).position(|pair| matches!(pair, ["tcptype", _]));
    let Some(at) = at.map(|pair| 2 * pair) else { return String::new() };
    rest.drain(at..at + 2).nth(1).unwrap_or_default().to_owned()
}

/// Writes `candidate:…`, without `a=` and without an end of line.
pub fn write(candidate: &Candidate) -> String {
    let protocol = match &candidate.protocol {
        CandidateProtocol::Udp => "udp".into(),
        CandidateProtocol::Tcp(_) => "tcp".into(),
        CandidateProtocol::Other(other) => clean(other),
    };
    let host = match &candidate.host {
        CandidateHost::Ip(ip) => ip.to_string(),
        CandidateHost::Name(name) => clean(name).into_owned(),
    };
    let kind = match candidate.kind {
        CandidateKind::Host => "host",
        CandidateKind::Srflx => "srflx",
        CandidateKind::Prflx => "prflx",
        CandidateKind::Relay => "relay",
    };
    let Candidate { component, priority, port, .. } = candidate;
    let foundation = clean(&candidate.foundation);
    let mut line = format!("candidate:{foundation} {component} {protocol} {priority} {host} {port} typ {kind}");
    // Writing to a String cannot fail.
    if let Some((address, port)) = candidate.related {
        let _ = write!(line, " raddr {address} rport {port}");
    }
    if let CandidateProtocol::Tcp(tcptype) = &candidate.protocol
        && !tcptype.is_empty()
    {
        let _ = write!(line, " tcptype {}", clean(tcptype));
    }
    if !candidate.rest.is_empty() {
        let _ = write!(line, " {}", clean(&candidate.rest));
    }
    line
}
