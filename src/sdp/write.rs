//! [Description] to text.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr};

use super::attribute::is_token;
use super::{MEDIA_EXTRA, candidate};
use crate::base::Printed;
use crate::model::{
    Codec, Description, Direction, Extra, Fingerprint, HeaderExtension, Ice, Kind, RtpSource, Seal, Setup, SourceGroup,
    Stream, Transport,
};

/// The attribute whose value `trickle` joins, so that there is one of it.
const ICE_OPTIONS: &str = "ice-options";

/// The writer's identity (RFC 8866 §5.2, the `o=` line) and what else the text says of it.
///
/// Who writes owns the version: one more whenever the description differs from the one before
/// (RFC 3264 §8), the same when it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Unique for the session; below 2^62 for browsers (RFC 8829 §5.2.1).
    pub session_id: u64,
    /// The version of the description.
    pub version: u64,
    /// The writer's address; browsers write 127.0.0.1.
    pub address: IpAddr,
    /// The user name, `-` for none.
    pub name: String,
    /// The canonical name of sources of which nothing else is said (RFC 3550 §6.5.1). Given, streams that a browser
    /// is to play and that have no name of their own get an `a=msid` of this name too (RFC 8830).
    pub cname: Option<String>,
    /// Say `a=ice-options:trickle`: the writer takes candidates that come later (RFC 8838), and ends its own
    /// with `a=end-of-candidates` if no more follow.
    pub trickle: bool,
}

impl Origin {
    /// A first description's origin, for a peer that does not trickle.
    pub fn new(session_id: u64, address: IpAddr) -> Origin {
        Origin { session_id, version: 1, address, name: "-".to_owned(), cname: None, trickle: false }
    }
}

/// Writes a description with CRLF line ends, in the order of RFC 8829 §5.2.
///
/// What is printed follows from what is described: without ICE, DTLS and mids it is the lean text of a phone.
pub fn write(description: &Description, origin: &Origin) -> String {
    let mut text = String::with_capacity(256 + 1024 * description.streams.len());
    // Writing to a String cannot fail.
    let _ = session(&mut text, description, origin);
    let shared = shared_address(description);
    for stream in &description.streams {
        let _ = self::stream(&mut text, stream, origin, shared);
    }
    text
}

/// The text without control characters: nothing that a description holds may begin a line of its own.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_control()) {
        Cow::Owned(text.chars().filter(|c| !c.is_ascii_control()).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The protocol of the `m=` line that follows from a transport.
pub(super) fn protocol(transport: &Transport) -> &'static str {
    let seal = if transport.seal.is_optional() { &Seal::Plain } else { &transport.seal };
    match (seal, transport.feedback_profile) {
        (Seal::Plain, false) => "RTP/AVP",
        (Seal::Plain, true) => "RTP/AVPF",
        (Seal::Sdes(_), false) => "RTP/SAVP",
        (Seal::Sdes(_), true) => "RTP/SAVPF",
        (Seal::Dtls { .. }, false) => "UDP/TLS/RTP/SAVP",
        (Seal::Dtls { .. }, true) => "UDP/TLS/RTP/SAVPF",
    }
}

/// The address that stands at session level: some phones look nowhere else. Browsers want it in each stream
/// (RFC 8829 §5.2.1).
fn shared_address(description: &Description) -> Option<IpAddr> {
    if description.streams.iter().any(|s| s.transport.ice.is_some()) {
        return None;
    }
    description.streams.iter().find_map(|s| s.transport.address.map(|a| a.ip()))
}

fn session(text: &mut String, description: &Description, origin: &Origin) -> fmt::Result {
    let name: String = origin.name.chars().filter(|c| c.is_ascii_graphic()).collect();
    let name = if name.is_empty() { "-" } else { &name };
    write!(text, "v=0\r\no={name} {} {} {}\r\ns=-\r\n", origin.session_id, origin.version, Net(origin.address))?;
    if let Some(ip) = shared_address(description) {
        write!(text, "c={}\r\n", Net(ip))?;
    }
    text.write_str("t=0 0\r\n")?;
    for group in &description.groups {
        write!(text, "a=group:{}", clean(&group.semantics))?;
        for mid in &group.mids {
            write!(text, " {}", clean(&mid.0))?;
        }
        text.write_str("\r\n")?;
    }
    if description.streams.iter().any(|s| s.transport.ice.as_ref().is_some_and(|i| i.lite)) {
        text.write_str("a=ice-lite\r\n")?;
    }
    description.extras.iter().try_for_each(|e| extra(text, e))
}

fn stream(text: &mut String, stream: &Stream, origin: &Origin, shared: Option<IpAddr>) -> fmt::Result {
    let bundle_only = stream.extras.iter().any(|e| e.name == "bundle-only" && e.value.is_none());
    media_line(text, stream, bundle_only)?;
    let transport = &stream.transport;
    match transport.address {
        Some(address) if shared == Some(address.ip()) => {}
        Some(address) => write!(text, "c={}\r\n", Net(address.ip()))?,
        None if !stream.accepted && shared.is_some() => {}
        None => write!(text, "c={}\r\n", Net(Ipv4Addr::UNSPECIFIED.into()))?,
    }
    if let Some(kbps) = stream.bandwidth_kbps {
        write!(text, "b=AS:{kbps}\r\n")?;
    }
    if let Some(mid) = &stream.mid {
        write!(text, "a=mid:{}\r\n", clean(&mid.0))?;
    }
    let default = stream.direction == Direction::SendRecv;
    if !default || (stream.accepted && !stream.codecs.is_empty()) {
        write!(text, "a={}\r\n", direction(stream.direction))?;
    }
    let feedback = shared_feedback(stream);
    stream.codecs.iter().try_for_each(|c| codec(text, c, feedback.is_none()))?;
    for feedback in feedback.into_iter().flatten() {
        write!(text, "a=rtcp-fb:* {}\r\n", clean(feedback))?;
    }
    if let Some(ptime) = stream.ptime {
        let micros = ptime.as_micros();
        let fraction = format!("{:03}", micros % 1000);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(text, "a=ptime:{}{point}{fraction}\r\n", micros / 1000)?;
    }
    extensions(text, stream)?;
    sources(text, stream, origin)?;
    if let Some(ice) = &transport.ice {
        write!(text, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", clean(&ice.ufrag), clean(&ice.pwd))?;
    }
    seal(text, &transport.seal)?;
    if let Some(rtcp) = transport.rtcp_address {
        write!(text, "a=rtcp:{} {}\r\n", rtcp.port(), Net(rtcp.ip()))?;
    }
    if stream.rtcp_mux {
        text.write_str("a=rtcp-mux\r\n")?;
    }
    if stream.reduced_rtcp {
        text.write_str("a=rtcp-rsize\r\n")?;
    }
    let trickle = transport.ice.as_ref().is_some_and(|ice| ice.more || origin.trickle);
    for kept in stream.extras.iter().filter(|e| e.name != MEDIA_EXTRA) {
        match &kept.value {
            Some(others) if trickle && kept.name == ICE_OPTIONS => {
                write!(text, "a={ICE_OPTIONS}:trickle {}\r\n", clean(others))?;
            }
            _ => extra(text, kept)?,
        }
    }
    if trickle && !stream.extras.iter().any(|e| e.name == ICE_OPTIONS) {
        write!(text, "a={ICE_OPTIONS}:trickle\r\n")?;
    }
    transport.ice.iter().try_for_each(|ice| candidates(text, ice, origin))
}

fn media_line(text: &mut String, stream: &Stream, bundle_only: bool) -> fmt::Result {
    let kind = match &stream.kind {
        Kind::Audio => "audio".into(),
        Kind::Video => "video".into(),
        Kind::Other(name) => clean(name),
    };
    let port = match stream.transport.address {
        _ if !stream.accepted => 0,
        Some(address) => address.port(),
        // RFC 9143 §6: port 0 and the attribute together say that the stream is offered within its bundle only.
        None if bundle_only => 0,
        None => 9,
    };
    let kept = stream.extras.iter().find(|e| e.name == MEDIA_EXTRA).and_then(|e| e.value.as_deref());
    let protocol = kept.unwrap_or_else(|| protocol(&stream.transport));
    // Formats that are no payload types count only as long as no codec stands against them.
    let (name, formats) = protocol.split_once(' ').unwrap_or((protocol, ""));
    write!(text, "m={kind} {port} {}", clean(name))?;
    if stream.codecs.is_empty() {
        // RFC 8866 §5.14: there is at least one format, even where the stream is refused.
        write!(text, " {}", if formats.is_empty() { "0".into() } else { clean(formats) })?;
    }
    for codec in &stream.codecs {
        text.push(' ');
        text.push_str(itoa::Buffer::new().format(codec.payload_type));
    }
    text.write_str("\r\n")
}

/// What a telephone is told once of all formats, where several have the same feedback (RFC 4585 §4.2): its INVITE is to
/// stay small.
fn shared_feedback(stream: &Stream) -> Option<&[String]> {
    let (first, rest) = stream.codecs.split_first()?;
    let is_shared = !rest.is_empty() && rest.iter().all(|c| c.feedback == first.feedback);
    (is_shared && stream.transport.ice.is_none()).then_some(&first.feedback)
}

fn codec(text: &mut String, codec: &Codec, says_feedback: bool) -> fmt::Result {
    let number = codec.payload_type;
    write!(text, "a=rtpmap:{number} {}/{}", clean(&codec.name), codec.clock_hz)?;
    if codec.channels > 1 {
        write!(text, "/{}", codec.channels)?;
    }
    text.write_str("\r\n")?;
    for feedback in codec.feedback.iter().filter(|_| says_feedback) {
        write!(text, "a=rtcp-fb:{number} {}\r\n", clean(feedback))?;
    }
    if let Some(parameters) = &codec.parameters {
        write!(text, "a=fmtp:{number} {}\r\n", clean(parameters))?;
    }
    Ok(())
}

/// `msid` (RFC 8830), `ssrc` and `ssrc-group` (RFC 5576).
fn sources(text: &mut String, stream: &Stream, origin: &Origin) -> fmt::Result {
    if let Some(msid) = msid(stream, origin) {
        write!(text, "a=msid:{msid}\r\n")?;
    }
    for SourceGroup { semantics, ssrcs } in stream.source_groups.iter().filter(|g| is_token(&g.semantics)) {
        write!(text, "a=ssrc-group:{semantics}")?;
        ssrcs.iter().try_for_each(|ssrc| write!(text, " {ssrc}"))?;
        text.write_str("\r\n")?;
    }
    stream.sources.iter().try_for_each(|s| source(text, s, origin))
}

/// What is said of a source, untouched; of one of which nothing is said, the writer's own `cname`.
fn source(text: &mut String, source: &RtpSource, origin: &Origin) -> fmt::Result {
    let ssrc = source.ssrc;
    match &origin.cname {
        _ if !source.attributes.is_empty() => {}
        Some(cname) => write!(text, "a=ssrc:{ssrc} cname:{}\r\n", clean(cname))?,
        None => write!(text, "a=ssrc:{ssrc} cname:{:x}\r\n", origin.session_id)?,
    }
    for Extra { name, value } in source.attributes.iter().filter(|a| is_token(&a.name)) {
        match value {
            Some(value) => write!(text, "a=ssrc:{ssrc} {name}:{}\r\n", clean(value))?,
            None => write!(text, "a=ssrc:{ssrc} {name}\r\n")?,
        }
    }
    Ok(())
}

/// The name of a stream and its track: a browser plays a track of its own for each stream with an `msid`, and
/// keeps those of one stream in step.
fn msid<'a>(stream: &'a Stream, origin: &Origin) -> Option<Cow<'a, str>> {
    if let Some(msid) = &stream.msid {
        return Some(clean(msid));
    }
    let for_browser = stream.transport.ice.is_some() && matches!(stream.kind, Kind::Audio | Kind::Video);
    let cname = origin.cname.as_deref().map(clean)?;
    if !for_browser || !stream.accepted || !stream.direction.sends() {
        return None;
    }
    let said = |a: &&Extra| a.name == "msid" && a.value.as_ref().is_some_and(|v| !v.trim().is_empty());
    if let Some(value) = stream.sources.iter().flat_map(|s| &s.attributes).find(said).and_then(|a| a.value.as_deref()) {
        return Some(clean(value));
    }
    let id: String = cname.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
    let track = stream.mid.as_ref().map_or("0".into(), |m| clean(&m.0));
    Some(Cow::Owned(format!("{id} {track}")))
}

/// `extmap` and `extmap-allow-mixed` (RFC 8285).
fn extensions(text: &mut String, stream: &Stream) -> fmt::Result {
    if stream.mixed_extensions {
        text.write_str("a=extmap-allow-mixed\r\n")?;
    }
    let sayable = |e: &&HeaderExtension| e.id > 0 && !e.uri.is_empty() && !e.uri.contains([' ', '\t']);
    for extension in stream.header_extensions.iter().filter(sayable) {
        write!(text, "a=extmap:{}", extension.id)?;
        if let Some(way) = extension.direction {
            write!(text, "/{}", direction(way))?;
        }
        write!(text, " {}", clean(&extension.uri))?;
        if let Some(parameters) = &extension.parameters {
            write!(text, " {}", clean(parameters))?;
        }
        text.write_str("\r\n")?;
    }
    Ok(())
}

fn candidates(text: &mut String, ice: &Ice, origin: &Origin) -> fmt::Result {
    for candidate in &ice.candidates {
        write!(text, "a={}\r\n", candidate::write(candidate))?;
    }
    if origin.trickle && !ice.more {
        text.write_str("a=end-of-candidates\r\n")?;
    }
    Ok(())
}

fn seal(text: &mut String, seal: &Seal) -> fmt::Result {
    match seal {
        Seal::Plain => Ok(()),
        Seal::Sdes(sdes) => {
            sdes.cryptos.iter().try_for_each(|crypto| write!(text, "a=crypto:{}\r\n", clean(crypto.expose())))
        }
        Seal::Dtls { fingerprints, setup, tls_id, optional: _ } => {
            for Fingerprint { algorithm, bytes } in fingerprints {
                write!(text, "a=fingerprint:{} ", clean(algorithm))?;
                for (at, byte) in bytes.iter().enumerate() {
                    write!(text, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
                }
                text.write_str("\r\n")?;
            }
            let role = match setup {
                Setup::Active => "active",
                Setup::Passive => "passive",
                Setup::ActPass => "actpass",
                Setup::HoldConn => "holdconn",
            };
            write!(text, "a=setup:{role}\r\n")?;
            tls_id.iter().try_for_each(|id| write!(text, "a=tls-id:{}\r\n", clean(id)))
        }
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

fn extra(text: &mut String, extra: &Extra) -> fmt::Result {
    match &extra.value {
        Some(value) => write!(text, "a={}:{}\r\n", clean(&extra.name), clean(value)),
        None => write!(text, "a={}\r\n", clean(&extra.name)),
    }
}

/// `IN IP4 192.0.2.1`.
struct Net(IpAddr);

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_ipv4() { "IN IP4 " } else { "IN IP6 " })?;
        Printed(self.0).fmt(f)
    }
}
