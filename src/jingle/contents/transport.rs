//! Where and how the packets of a stream travel.

use std::borrow::Cow;

use super::groups::BUNDLE;
use super::{Hearing, Slot, candidates};
use crate::jingle::stanza::dtls;
use crate::jingle::stanza::ice_udp;
use crate::model::{Description, Fingerprint, Ice, Sdes, Seal, Setup, Stream, Transport};

/// Reads a transport. `sdes`: the description has keys of its own, which count only if there is no certificate: Dino
/// offers both, and takes DTLS if the answer has no keys.
pub(super) fn read(
    said: Option<&ice_udp::Transport>,
    hearing: &Hearing,
    offer: bool,
    sdes: bool,
    rtcp_mux: bool,
) -> Transport {
    let seal = said.and_then(|said| dtls(said, offer));
    // The keys are not kept: nobody may pass them on.
    let seal = seal.unwrap_or_else(|| if sdes { Seal::Sdes(Sdes::default()) } else { Seal::Plain });
    Transport {
        feedback_profile: matches!(seal, Seal::Dtls { .. }),
        seal,
        ice: said.and_then(|said| ice(said, hearing, rtcp_mux)),
        address: None,
        rtcp_address: None,
    }
}

fn dtls(said: &ice_udp::Transport, offer: bool) -> Option<Seal> {
    let first = said.fingerprints.first()?;
    // RFC 5763 §5: an offer says actpass; an answer that says nothing leaves the first step to the answerer.
    let usual = if offer { Setup::ActPass } else { Setup::Active };
    let fingerprint = |f: &dtls::Fingerprint| Fingerprint { algorithm: f.hash.clone(), bytes: f.bytes.clone() };
    let fingerprints = said.fingerprints.iter().map(fingerprint).collect();
    Some(Seal::dtls(fingerprints, first.setup.unwrap_or(usual)))
}

fn ice(said: &ice_udp::Transport, hearing: &Hearing, rtcp_mux: bool) -> Option<Ice> {
    let candidates = said.candidates.iter().filter_map(candidates::read);
    Some(Ice {
        ufrag: said.ufrag.clone()?,
        pwd: said.pwd.clone()?,
        lite: false,
        candidates: candidates.filter(|c| c.component == 1 || !rtcp_mux).collect(),
        more: !hearing.batch && !said.complete,
    })
}

/// Writes a transport. One without ICE is empty: no client goes on with it, and all say so in words of their own.
pub(super) fn write(transport: &Transport, slot: &Slot) -> ice_udp::Transport {
    let ice = transport.ice.as_ref();
    let fingerprints = match &transport.seal {
        Seal::Dtls { fingerprints, setup, .. } => fingerprints
            .iter()
            .take(ice_udp::MAX_FINGERPRINTS)
            .map(|f| dtls::Fingerprint { hash: f.algorithm.clone(), setup: Some(*setup), bytes: f.bytes.clone() })
            .collect(),
        Seal::Plain | Seal::Sdes(_) => Vec::new(),
    };
    ice_udp::Transport {
        ufrag: ice.map(|i| i.ufrag.clone()),
        pwd: ice.map(|i| i.pwd.clone()),
        fingerprints,
        candidates: ice.map(|i| candidates::write_all(&i.candidates, slot, &i.ufrag)).unwrap_or_default(),
        // XEP-0176 has no word for it.
        complete: false,
    }
}

/// RFC 5763 §5: an answer says who opens the handshake, and the answerer does unless it says otherwise.
pub(super) fn answer(stream: &mut Stream) {
    if let Seal::Dtls { setup, .. } = &mut stream.transport.seal
        && *setup == Setup::ActPass
    {
        *setup = Setup::Active;
    }
}

/// A stream with what it travels by. In SDP a bundled stream may leave that to the first of its group (RFC 9143
/// §7.1.3); in Jingle each content says it.
pub(super) fn bundled(description: &Description, at: usize) -> Cow<'_, Stream> {
    let stream = &description.streams[at];
    let has_keys =
        |s: &Stream| matches!(&s.transport.seal, Seal::Dtls { fingerprints, .. } if !fingerprints.is_empty());
    if stream.transport.ice.is_some() && has_keys(stream) {
        return Cow::Borrowed(stream);
    }
    let group =
        description.groups.iter().find(|g| g.semantics == BUNDLE && stream.mid.iter().any(|m| g.mids.contains(m)));
    let first = group.and_then(|g| description.streams.iter().find(|s| s.accepted && s.mid == g.mids.first().cloned()));
    let Some(first) = first else { return Cow::Borrowed(stream) };
    let mut stream = stream.clone();
    if stream.transport.ice.is_none() {
        stream.transport.ice = first.transport.ice.clone();
    }
    if !has_keys(&stream) {
        stream.transport.seal = first.transport.seal.clone();
    }
    Cow::Owned(stream)
}
