//! What one attribute says, in the model's words. `webrtc-sdp` types it, after what it refuses without need
//! is put straight; what it would print otherwise than it was (`fmtp`, `rtcp-fb`, `crypto`) stays as it is.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use webrtc_sdp::address::ExplicitlyTypedAddress;
use webrtc_sdp::attribute_type::{SdpAttribute, SdpAttributeDirection, SdpAttributeSetup};
use webrtc_sdp::{SdpBandwidth, SdpType, parse_sdp_line};

use super::split::Line;
use super::{SdpError, candidate};
use crate::model::{Candidate, Direction, Extra, Fingerprint, Group, HeaderExtension, Mid, Setup, SourceGroup};

/// The longest packet somebody may ask for, in milliseconds: ten seconds are more than any jitter buffer has.
const MAX_PTIME_MS: f64 = 10_000.0;

/// What an attribute says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Direction(Direction),
    Mid(Mid),
    Rtpmap {
        payload_type: u8,
        name: String,
        clock_hz: u32,
        channels: u8,
    },
    Fmtp {
        payload_type: u8,
        parameters: String,
    },
    /// Without a payload type: for all.
    Feedback {
        payload_type: Option<u8>,
        value: String,
    },
    Ptime(Duration),
    Setup(Setup),
    TlsId(String),
    Fingerprint(Fingerprint),
    IceUfrag(String),
    IcePwd(String),
    IceLite,
    /// Whether `trickle` is among them, and the others.
    IceOptions {
        trickle: bool,
        others: String,
    },
    Candidate(Candidate),
    EndOfCandidates,
    Rtcp {
        port: u16,
        address: Option<IpAddr>,
    },
    RtcpMux,
    Ssrc {
        ssrc: u32,
        attribute: Extra,
    },
    SsrcGroup(SourceGroup),
    Msid(String),
    Extmap(HeaderExtension),
    ExtmapAllowMixed,
    RtcpRsize,
    Group(Group),
    Crypto(String),
    BundleOnly,
    /// Nothing that the model has a word for, or nothing that can be understood.
    Other,
}

/// Understands an `a=` line.
pub(super) fn understand(line: &Line<'_>) -> Result<Said, SdpError> {
    let (name, value) = line.attribute();
    let value = value.unwrap_or_default();
    Ok(match name {
        "fingerprint" => Said::Fingerprint(fingerprint(line, value)?),
        "setup" => match typed(line) {
            Some(SdpAttribute::Setup(setup)) => Said::Setup(setup_of(&setup)),
            _ => return Err(line.error("a=setup", format!("{value:?} is no role"))),
        },
        "tls-id" if is_tls_id(value) => Said::TlsId(value.to_owned()),
        "fmtp" => fmtp(value).unwrap_or(Said::Other),
        "rtcp-fb" => feedback(value).unwrap_or(Said::Other),
        "ptime" => ptime(value).map_or(Said::Other, Said::Ptime),
        "crypto" if !value.is_empty() => Said::Crypto(value.to_owned()),
        "candidate" => candidate::read(line.value).map_or(Said::Other, Said::Candidate),
        "group" => group(value).map_or(Said::Other, Said::Group),
        "ssrc" => source(value).unwrap_or(Said::Other),
        "ssrc-group" => source_group(value).map_or(Said::Other, Said::SsrcGroup),
        "msid" if !value.is_empty() => Said::Msid(value.to_owned()),
        "ice-options" => ice_options(value),
        "rtpmap" | "mid" | "ice-ufrag" | "ice-pwd" | "ice-lite" | "end-of-candidates" | "rtcp" | "rtcp-mux"
        | "rtcp-rsize" | "extmap" | "extmap-allow-mixed" | "bundle-only" | "sendrecv" | "sendonly" | "recvonly"
        | "inactive" => typed(line).map_or(Said::Other, said),
        _ => Said::Other,
    })
}

/// The line as an extra; `None` if its name is no name.
pub(super) fn extra(line: &Line<'_>) -> Option<Extra> {
    let (name, value) = line.attribute();
    (!name.is_empty() && !name.contains(['=', ' ']))
        .then(|| Extra { name: name.to_owned(), value: value.map(str::to_owned) })
}

/// The address of a `c=` line; `None` for a name, which nobody here resolves.
pub(super) fn connection(line: &Line<'_>) -> Result<Option<IpAddr>, SdpError> {
    // Nearly every line reads so, and the whole reader has names of hosts in mind.
    if let Some(ip) = line.value.strip_prefix("IN IP4 ").and_then(|ip| ip.parse::<Ipv4Addr>().ok()) {
        return Ok(Some(ip.into()));
    }
    if let Ok(SdpType::Connection(connection)) =
        parse_sdp_line(&format!("c={}", line.value), line.number).map(|l| l.sdp_type)
    {
        return Ok(ip(&connection.address));
    }
    // `IN IP4` before an IPv6 address happens (AirPlay); the address itself is plain enough.
    let address = line.value.rsplit(' ').next().and_then(|a| a.parse().ok());
    let wrong = || line.error("c=", format!("{:?} is no address of the form IN IP4 192.0.2.1", line.value));
    address.map(Some).ok_or_else(wrong)
}

/// The kilobits a second of a `b=AS` line.
pub(super) fn bandwidth(line: &Line<'_>) -> Option<u32> {
    match parse_sdp_line(&format!("b={}", line.value), line.number).ok()?.sdp_type {
        SdpType::Bandwidth(SdpBandwidth::As(kbps)) => Some(kbps),
        // RFC 3890: bits a second, without the headers below RTP.
        SdpType::Bandwidth(SdpBandwidth::Tias(bits)) => Some(bits.div_ceil(1000)),
        _ => None,
    }
}

fn ip(address: &ExplicitlyTypedAddress) -> Option<IpAddr> {
    match address {
        ExplicitlyTypedAddress::Ip(ip) => Some(*ip),
        ExplicitlyTypedAddress::Fqdn { .. } => None,
    }
}

fn typed(line: &Line<'_>) -> Option<SdpAttribute> {
    line.value.parse().ok()
}

fn said(attribute: SdpAttribute) -> Said {
    match attribute {
        SdpAttribute::Sendrecv => Said::Direction(Direction::SendRecv),
        SdpAttribute::Sendonly => Said::Direction(Direction::SendOnly),
        SdpAttribute::Recvonly => Said::Direction(Direction::RecvOnly),
        SdpAttribute::Inactive => Said::Direction(Direction::Inactive),
        SdpAttribute::Mid(mid) => Said::Mid(Mid(mid)),
        SdpAttribute::Rtpmap(map) => match u8::try_from(map.channels.unwrap_or(1)) {
            Ok(channels @ 1..) if map.frequency > 0 && !map.codec_name.is_empty() => {
                Said::Rtpmap { payload_type: map.payload_type, name: map.codec_name, clock_hz: map.frequency, channels }
            }
            _ => Said::Other,
        },
        SdpAttribute::IceUfrag(ufrag) => Said::IceUfrag(ufrag),
        SdpAttribute::IcePwd(pwd) => Said::IcePwd(pwd),
        SdpAttribute::IceLite => Said::IceLite,
        SdpAttribute::EndOfCandidates => Said::EndOfCandidates,
        SdpAttribute::Rtcp(rtcp) => Said::Rtcp { port: rtcp.port, address: rtcp.unicast_addr.as_ref().and_then(ip) },
        SdpAttribute::RtcpMux => Said::RtcpMux,
        SdpAttribute::RtcpRsize => Said::RtcpRsize,
        SdpAttribute::ExtmapAllowMixed => Said::ExtmapAllowMixed,
        // RFC 8285 §5: numbers begin at 1.
        SdpAttribute::Extmap(map) if map.id > 0 => Said::Extmap(HeaderExtension {
            id: map.id,
            uri: map.url,
            direction: map.direction.as_ref().map(direction_of),
            parameters: map.extension_attributes,
        }),
        SdpAttribute::BundleOnly => Said::BundleOnly,
        _ => Said::Other,
    }
}

fn setup_of(setup: &SdpAttributeSetup) -> Setup {
    match setup {
        SdpAttributeSetup::Active => Setup::Active,
        SdpAttributeSetup::Passive => Setup::Passive,
        SdpAttributeSetup::Actpass => Setup::ActPass,
        SdpAttributeSetup::Holdconn => Setup::HoldConn,
    }
}

fn direction_of(direction: &SdpAttributeDirection) -> Direction {
    match direction {
        SdpAttributeDirection::Recvonly => Direction::RecvOnly,
        SdpAttributeDirection::Sendonly => Direction::SendOnly,
        SdpAttributeDirection::Sendrecv => Direction::SendRecv,
    }
}

/// The names of hash functions are written in either case (RFC 8122 §5); `webrtc-sdp` knows lower case only,
/// and the SHA family only.
fn fingerprint(line: &Line<'_>, value: &str) -> Result<Fingerprint, SdpError> {
    const WHAT: &str = "a=fingerprint";
    let (algorithm, hash) =
        value.split_once(' ').ok_or_else(|| line.error(WHAT, "needs a hash function and a hash"))?;
    let algorithm = algorithm.to_ascii_lowercase();
    let hash = hash.trim();
    let known = algorithm.starts_with("sha-");
    if known && let Ok(typed) = format!("fingerprint:{algorithm} {hash}").parse() {
        let SdpAttribute::Fingerprint(typed) = typed else { return Err(line.error(WHAT, "is none")) };
        return Ok(Fingerprint { algorithm, bytes: typed.fingerprint });
    }
    let bytes: Option<Vec<u8>> =
        hash.split(':').map(|octet| u8::from_str_radix(octet, 16).ok().filter(|_| octet.len() == 2)).collect();
    match bytes {
        Some(bytes) if !["sha-1", "sha-224", "sha-256", "sha-384", "sha-512"].contains(&algorithm.as_str()) => {
            Ok(Fingerprint { algorithm, bytes })
        }
        Some(bytes) => Err(line.error(WHAT, format!("{} octets are no {algorithm}", bytes.len()))),
        None => Err(line.error(WHAT, "the hash is not of the form 0A:1B:…")),
    }
}

fn fmtp(value: &str) -> Option<Said> {
    let (payload_type, parameters) = value.split_once(' ')?;
    let payload_type = payload_type.parse().ok().filter(|p| *p < 128)?;
    let parameters = parameters.trim().to_owned();
    (!parameters.is_empty()).then_some(Said::Fmtp { payload_type, parameters })
}

fn feedback(value: &str) -> Option<Said> {
    let (payload_type, value) = value.split_once(' ')?;
    let payload_type = match payload_type {
        "*" => None,
        number => Some(number.parse().ok().filter(|p| *p < 128)?),
    };
    Some(Said::Feedback { payload_type, value: value.trim().to_owned() })
}

/// RFC 8866 §6.4 allows fractions (`0.125`), and some phones write `20.0`.
fn ptime(value: &str) -> Option<Duration> {
    let ms: f64 = value.parse().ok()?;
    (ms > 0.0 && ms <= MAX_PTIME_MS).then(|| Duration::from_micros((ms * 1000.0).round() as u64))
}

fn group(value: &str) -> Option<Group> {
    let mut words = value.split_ascii_whitespace();
    let semantics = words.next()?.to_owned();
    Some(Group { semantics, mids: words.map(|m| Mid(m.to_owned())).collect() })
}

/// `SSRC NAME[:VALUE]` (RFC 5576 §4.1); a number alone says nothing.
fn source(value: &str) -> Option<Said> {
    let (ssrc, attribute) = value.split_once(' ')?;
    let (name, value) = match attribute.trim_start().split_once(':') {
        Some((name, value)) => (name, Some(value.trim_start().to_owned())),
        None => (attribute.trim_start(), None),
    };
    let ssrc = ssrc.parse().ok()?;
    is_token(name).then(|| Said::Ssrc { ssrc, attribute: Extra { name: name.to_owned(), value } })
}

/// `webrtc-sdp` knows the registered semantics only; what is no token means nothing (RFC 5576 §10.2).
fn source_group(value: &str) -> Option<SourceGroup> {
    let mut words = value.split_ascii_whitespace();
    let semantics = words.next().filter(|word| is_token(word))?.to_owned();
    let ssrcs = words.map(|n| n.parse().ok()).collect::<Option<Vec<u32>>>()?;
    (!ssrcs.is_empty()).then_some(SourceGroup { semantics, ssrcs })
}

/// Whether it can be the name of an attribute (RFC 8866 §9, `token`, as far as it keeps a line whole).
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control() || "=:".contains(c))
}

/// RFC 8842 §4: 20 to 255 characters of these.
fn is_tls_id(value: &str) -> bool {
    (20..=255).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b))
}

fn ice_options(value: &str) -> Said {
    let trickle = value.split_ascii_whitespace().any(|o| o == "trickle");
    let others: Vec<&str> = value.split_ascii_whitespace().filter(|o| *o != "trickle").collect();
    Said::IceOptions { trickle, others: others.join(" ") }
}
