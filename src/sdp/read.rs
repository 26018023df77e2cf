//! Sections to a [Description].

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use super::attribute::{self, Said};
use super::format;
use super::split::{Line, Section, split};
use super::{MAX_OCTETS, MEDIA_EXTRA, SdpError};
use crate::model::{
    Candidate, Crypto, Description, Direction, Extra, Fingerprint, HeaderExtension, Ice, Kind, Mid, RtpSource, Sdes,
    Seal, Setup, SourceGroup, Stream, Transport,
};

/// Reads a description. Ends of lines may be CRLF, LF or CR.
///
/// A line of an unknown kind is skipped (RFC 8866 §5), an attribute that cannot be understood is kept as an
/// extra; an error means that a stream, its place or its keys cannot be known.
pub fn read(text: &str) -> Result<Description, SdpError> {
    let text = printable(text);
    let sections = split(&text)?;
    let mut description = Description::default();
    let session = session(&sections.session, &mut description)?;
    description.streams.reserve_exact(sections.streams.len());
    for section in &sections.streams {
        let stream = stream(section, &session)?;
        if let Some(mid) = &stream.mid
            && description.streams.iter().any(|s| s.mid.as_ref() == Some(mid))
        {
            return Err(section.media.error("a=mid", format!("{:?} names two streams", mid.0)));
        }
        description.streams.push(stream);
    }
    // RFC 8839 §5.3: an agent is lite as a whole, wherever it says so.
    if description.streams.iter().filter_map(|s| s.transport.ice.as_ref()).any(|i| i.lite) {
        description.streams.iter_mut().filter_map(|s| s.transport.ice.as_mut()).for_each(|i| i.lite = true);
    }
    Ok(description)
}

/// The text without control characters but its ends of lines; a tab separates as a space does.
fn printable(text: &str) -> Cow<'_, str> {
    let control = |b: u8| b.is_ascii_control() && !matches!(b, b'\r' | b'\n');
    if text.len() > MAX_OCTETS || !text.bytes().any(control) {
        return Cow::Borrowed(text);
    }
    let spaced = text.chars().map(|c| if c == '\t' { ' ' } else { c });
    Cow::Owned(spaced.filter(|c| !u8::try_from(*c).is_ok_and(control)).collect())
}

/// What the session says for those streams that do not say it themselves.
#[derive(Default)]
struct Session {
    connection: Option<IpAddr>,
    direction: Option<Direction>,
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
    ufrag: Option<String>,
    pwd: Option<String>,
    lite: bool,
    trickle: bool,
    end_of_candidates: bool,
    extensions: Vec<HeaderExtension>,
    mixed_extensions: bool,
}

fn session(lines: &[Line<'_>], description: &mut Description) -> Result<Session, SdpError> {
    let mut session = Session::default();
    for line in lines {
        match line.kind {
            'c' => session.connection = attribute::connection(line)?,
            'a' => match attribute::understand(line)? {
                Said::Direction(direction) => session.direction = Some(direction),
                Said::Fingerprint(fingerprint) => session.fingerprints.push(fingerprint),
                Said::Setup(setup) => session.setup = Some(setup),
                Said::IceUfrag(ufrag) => session.ufrag = Some(ufrag),
                Said::IcePwd(pwd) => session.pwd = Some(pwd),
                Said::IceLite => session.lite = true,
                Said::IceOptions { trickle, others } => {
                    session.trickle |= trickle;
                    description.extras.extend(ice_options(others));
                }
                Said::EndOfCandidates => session.end_of_candidates = true,
                Said::Extmap(extension) => session.extensions.push(extension),
                Said::ExtmapAllowMixed => session.mixed_extensions = true,
                Said::Group(group) => description.groups.push(group),
                _ => description.extras.extend(attribute::extra(line)),
            },
            _ => {}
        }
    }
    Ok(session)
}

fn ice_options(others: String) -> Option<Extra> {
    (!others.is_empty()).then(|| Extra { name: "ice-options".to_owned(), value: Some(others) })
}

/// An `m=` line's words.
struct Media<'a> {
    kind: Kind,
    port: u16,
    protocol: &'a str,
    formats: &'a str,
}

fn media<'a>(line: &Line<'a>) -> Result<Media<'a>, SdpError> {
    let wrong = |wrong: &str| line.error("m=", wrong);
    let (kind, rest) = line.value.split_once(' ').ok_or_else(|| wrong("the port is missing"))?;
    let (port, rest) = rest.trim_start().split_once(' ').ok_or_else(|| wrong("the protocol is missing"))?;
    let (protocol, formats) = rest.trim_start().split_once(' ').ok_or_else(|| wrong("the formats are missing"))?;
    // RFC 8866 §5.14: a number of ports may follow; the first is the stream's.
    let port = port.split('/').next().unwrap_or_default();
    let port = port.parse().map_err(|_| wrong("the port is no port"))?;
    let kind = match kind {
        k if k.eq_ignore_ascii_case("audio") => Kind::Audio,
        k if k.eq_ignore_ascii_case("video") => Kind::Video,
        other => Kind::Other(other.to_owned()),
    };
    Ok(Media { kind, port, protocol, formats: formats.trim_start() })
}

/// What an `m=` line's protocol means.
struct Protocol {
    rtp: bool,
    secure: bool,
    tls: bool,
    feedback: bool,
}

impl Protocol {
    fn of(name: &str) -> Protocol {
        let name = name.to_ascii_uppercase();
        let profile = name.rsplit('/').next().unwrap_or_default();
        let rtp = matches!(profile, "AVP" | "AVPF" | "SAVP" | "SAVPF");
        Protocol {
            rtp,
            secure: profile.starts_with("SAVP"),
            tls: name.contains("TLS"),
            feedback: rtp && profile.ends_with('F'),
        }
    }
}

/// What a stream's attributes say, before they become a [`Stream`].
#[derive(Default)]
struct Gathered {
    mid: Option<Mid>,
    direction: Option<Direction>,
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
    tls_id: Option<String>,
    cryptos: Vec<Crypto>,
    ufrag: Option<String>,
    pwd: Option<String>,
    lite: bool,
    trickle: bool,
    end_of_candidates: bool,
    candidates: Vec<Candidate>,
    rtcp: Option<(u16, Option<IpAddr>)>,
    rtcp_mux: bool,
    bundle_only: bool,
    sources: Vec<RtpSource>,
    source_groups: Vec<SourceGroup>,
    msid: Option<String>,
    extensions: Vec<HeaderExtension>,
    mixed_extensions: bool,
    reduced_rtcp: bool,
    ptime: Option<std::time::Duration>,
}

fn stream(section: &Section<'_>, session: &Session) -> Result<Stream, SdpError> {
    let media = media(&section.media)?;
    let protocol = Protocol::of(media.protocol);
    let mut said = Vec::with_capacity(section.lines.len());
    let mut connection = None;
    let mut bandwidth_kbps = None;
    for line in &section.lines {
        match line.kind {
            'c' if connection.is_none() => connection = Some(attribute::connection(line)?),
            'b' => bandwidth_kbps = bandwidth_kbps.or(attribute::bandwidth(line)),
            'a' => said.push((attribute::understand(line)?, line)),
            _ => {}
        }
    }
    let codecs = match protocol.rtp {
        true => {
            let payload_types = format::payload_types(media.formats.split_ascii_whitespace());
            format::codecs(&payload_types, said.iter().map(|(s, _)| s))
        }
        false => Vec::new(),
    };

    let has = |wanted: fn(&Said) -> bool| said.iter().any(|(s, _)| wanted(s));
    let ufrag = session.ufrag.is_some() || has(|s| matches!(s, Said::IceUfrag(_)));
    let pwd = session.pwd.is_some() || has(|s| matches!(s, Said::IcePwd(_)));
    let own_fingerprint = has(|s| matches!(s, Said::Fingerprint(_)));
    let session_fingerprint = !session.fingerprints.is_empty() && (protocol.rtp || protocol.tls);
    let known =
        Known { ice: ufrag && pwd, dtls: own_fingerprint || session_fingerprint || protocol.tls, rtp: protocol.rtp };
    let mut extras = Vec::new();
    let mut gathered = Gathered::default();
    for (said, line) in said {
        if let Some(said) = gathered.take(said, &codecs, &known) {
            let kept = match said {
                Said::IceOptions { others, .. } => ice_options(others),
                _ => attribute::extra(line),
            };
            extras.extend(kept);
        }
    }

    let accepted = media.port != 0 || gathered.bundle_only;
    let ip = connection.unwrap_or(session.connection);
    let ice = known.ice.then(|| gathered.ice(session));
    let mut direction = gathered.direction.or(session.direction).unwrap_or(Direction::SendRecv);
    if ice.is_none() && ip.is_some_and(|ip| ip.is_unspecified()) && !matches!(media.port, 0 | 9) {
        // RFC 3264 §8.4: the old way to say "do not send to me".
        direction = Direction::of(direction.sends(), false);
    }
    let transport = Transport {
        seal: gathered.seal(session, &protocol, &known),
        ice,
        address: place(ip, media.port),
        rtcp_address: gathered.rtcp.and_then(|(port, address)| place(address.or(ip), port)),
        feedback_profile: protocol.feedback,
    };
    if gathered.extensions.is_empty() && protocol.rtp {
        // RFC 8285 §7: what the session says is said of every stream.
        gathered.extensions.clone_from(&session.extensions);
    }
    let stream = Stream {
        mid: gathered.mid,
        kind: media.kind,
        accepted,
        direction,
        codecs,
        transport,
        rtcp_mux: gathered.rtcp_mux,
        sources: gathered.sources,
        source_groups: gathered.source_groups,
        msid: gathered.msid,
        header_extensions: gathered.extensions,
        mixed_extensions: gathered.mixed_extensions || (protocol.rtp && session.mixed_extensions),
        reduced_rtcp: gathered.reduced_rtcp,
        ptime: gathered.ptime,
        bandwidth_kbps,
        extras,
    };
    Ok(with_media_extra(stream, media.protocol, media.formats))
}

/// Keeps the `m=` line's protocol and formats where they do not follow from the rest.
fn with_media_extra(mut stream: Stream, protocol: &str, formats: &str) -> Stream {
    let value = if stream.codecs.is_empty() {
        Some(format!("{protocol} {formats}"))
    } else {
        (super::write::protocol(&stream.transport) != protocol).then(|| protocol.to_owned())
    };
    if let Some(value) = value {
        stream.extras.insert(0, Extra { name: MEDIA_EXTRA.to_owned(), value: Some(value) });
    }
    stream
}

/// An address one can send to: neither `0.0.0.0` nor the discard port (RFC 8829 §5.2.1).
fn place(ip: Option<IpAddr>, port: u16) -> Option<SocketAddr> {
    ip.filter(|ip| !ip.is_unspecified() && !matches!(port, 0 | 9)).map(|ip| SocketAddr::new(ip, port))
}

/// Which attributes have a place in the stream; the others stay extras.
struct Known {
    ice: bool,
    dtls: bool,
    rtp: bool,
}

impl Gathered {
    /// Takes what one attribute says, or gives it back if the stream has no place for it.
    fn take(&mut self, said: Said, codecs: &[crate::model::Codec], known: &Known) -> Option<Said> {
        let is_format = |payload_type: u8| codecs.iter().any(|c| c.payload_type == payload_type);
        match said {
            Said::Direction(direction) => self.direction = Some(direction),
            Said::Mid(mid) => self.mid = Some(mid),
            Said::Rtpmap { payload_type, .. } | Said::Fmtp { payload_type, .. } if is_format(payload_type) => {}
            Said::Feedback { payload_type: Some(payload_type), .. } if is_format(payload_type) => {}
            Said::Feedback { payload_type: None, .. } if !codecs.is_empty() => {}
            Said::Ptime(ptime) => self.ptime = Some(ptime),
            Said::Setup(setup) if known.dtls => self.setup = Some(setup),
            Said::TlsId(id) if known.dtls => self.tls_id = Some(id),
            Said::Fingerprint(fingerprint) => self.fingerprints.push(fingerprint),
            // A certificate counts more than keys that stand beside it; those are not kept for anybody to pass on.
            Said::Crypto(crypto) if known.rtp && !known.dtls => self.cryptos.push(Crypto::new(crypto)),
            Said::Crypto(_) => {}
            Said::IceUfrag(ufrag) if known.ice => self.ufrag = Some(ufrag),
            Said::IcePwd(pwd) if known.ice => self.pwd = Some(pwd),
            Said::IceLite if known.ice => self.lite = true,
            Said::Candidate(candidate) if known.ice => self.candidates.push(candidate),
            Said::EndOfCandidates if known.ice => self.end_of_candidates = true,
            Said::IceOptions { trickle, others } => {
                self.trickle |= trickle;
                return Some(Said::IceOptions { trickle, others });
            }
            Said::Rtcp { port, address } => self.rtcp = Some((port, address)),
            Said::RtcpMux => self.rtcp_mux = true,
            Said::Ssrc { ssrc, attribute } => match self.sources.iter_mut().find(|s| s.ssrc == ssrc) {
                Some(source) => source.attributes.push(attribute),
                None => self.sources.push(RtpSource { ssrc, attributes: vec![attribute] }),
            },
            Said::SsrcGroup(group) => self.source_groups.push(group),
            // Of several names of one stream the first counts, the others are kept behind it.
            Said::Msid(msid) if self.msid.is_none() => self.msid = Some(msid),
            Said::Extmap(extension) => self.extensions.push(extension),
            Said::ExtmapAllowMixed => self.mixed_extensions = true,
            Said::RtcpRsize => self.reduced_rtcp = true,
            Said::BundleOnly => {
                self.bundle_only = true;
                return Some(Said::BundleOnly);
            }
            other => return Some(other),
        }
        None
    }

    fn ice(&mut self, session: &Session) -> Ice {
        let trickle = self.trickle || session.trickle;
        Ice {
            ufrag: self.ufrag.take().or_else(|| session.ufrag.clone()).unwrap_or_default(),
            pwd: self.pwd.take().or_else(|| session.pwd.clone()).unwrap_or_default(),
            lite: self.lite || session.lite,
            candidates: std::mem::take(&mut self.candidates),
            // RFC 8838 §14: without trickle the description is all there is.
            more: trickle && !self.end_of_candidates && !session.end_of_candidates,
        }
    }

    fn seal(&mut self, session: &Session, protocol: &Protocol, known: &Known) -> Seal {
        if known.dtls {
            let fingerprints = match self.fingerprints.is_empty() {
                true => session.fingerprints.clone(),
                false => std::mem::take(&mut self.fingerprints),
            };
            // RFC 4145 §4: without the attribute the describer is active.
            let setup = self.setup.or(session.setup).unwrap_or(Setup::Active);
            Seal::Dtls { fingerprints, setup, tls_id: self.tls_id.take(), optional: !(protocol.secure || protocol.tls) }
        } else if protocol.secure || !self.cryptos.is_empty() {
            Seal::Sdes(Sdes { cryptos: std::mem::take(&mut self.cryptos).into(), optional: !protocol.secure })
        } else {
            Seal::Plain
        }
    }
}
