//! What our JIDs say of themselves: identities and features (XEP-0030), and their hash (XEP-0115).

use std::collections::BTreeSet;

use xmpp_parsers::caps::{Caps, compute_disco, hash_caps};
use xmpp_parsers::disco::{DiscoInfoResult, Identity};
use xmpp_parsers::hashes::Algo;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns as names;

use crate::jingle::stanza::ns;

/// The name of the program, in identities and versions.
pub(super) const NAME: &str = "Patchcord";

/// The node of our caps (XEP-0115 §4): the same for every gateway of this make.
const NODE: &str = "urn:patchcord:gateway";

/// XEP-0100 §3.1.3, the prompt.
pub(super) const GATEWAY: &str = "jabber:iq:gateway";

/// What every JID of ours answers.
const COMMON: [&str; 6] = [names::DISCO_INFO, names::DISCO_ITEMS, ns::CAPS, names::PING, names::VERSION, JID_ESCAPING];

/// XEP-0106 §6.
const JID_ESCAPING: &str = r"jid\20escaping";

/// What whoever can be called has beside that.
const CALLS: [&str; 11] = [
    ns::JINGLE,
    ns::RTP,
    ns::RTP_AUDIO,
    ns::ICE_UDP,
    ns::DTLS,
    ns::JINGLE_MESSAGE,
    ns::RTCP_FB,
    ns::RTP_HDREXT,
    ns::GROUPING_FEATURE,
    ns::SSMA_FEATURE,
    ns::RECEIPTS,
];

/// What a JID of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// The component itself.
    Host,
    /// Somebody without video: a telephone number, or a party of another world.
    Voice,
    /// Somebody with video: a user, where the connection shows it.
    Video,
}

/// What one sort of our JIDs says of itself.
#[derive(Debug, Clone)]
pub(super) struct Info {
    result: DiscoInfoResult,
    /// `<c/>`
    caps: Element,
    /// The node that the caps name: `node#ver`.
    node: Option<String>,
}

impl Info {
    pub(super) fn of(sort: Sort) -> Info {
        let identity = |category: &str, kind: &str| Identity {
            category: category.to_owned(),
            type_: kind.to_owned(),
            lang: None,
            name: Some(NAME.to_owned()),
        };
        let identities = match sort {
            Sort::Host => vec![identity("gateway", "pstn"), identity("gateway", "sip")],
            Sort::Voice | Sort::Video => vec![identity("client", "phone")],
        };
        let more: &[&str] = match sort {
            Sort::Host => &[GATEWAY],
            Sort::Voice | Sort::Video => &CALLS,
        };
        let video = (sort == Sort::Video).then_some(ns::RTP_VIDEO);
        let features: BTreeSet<String> = COMMON.iter().chain(more).copied().chain(video).map(str::to_owned).collect();
        let result = DiscoInfoResult { node: None, identities, features, extensions: Vec::new() };
        let (caps, node) = match hash_caps(&compute_disco(&result), Algo::Sha_1) {
            Ok(hash) => {
                let node = format!("{NODE}#{}", hash.to_base64());
                (Element::from(Caps::new(NODE, hash)), Some(node))
            }
            // Never: SHA-1 is one of the library's own. A presence without caps is asked by disco#info.
            Err(_) => (Element::bare("c", ns::CAPS), None),
        };
        Info { result, caps, node }
    }

    /// `<c/>` for a presence.
    pub(super) fn caps(&self) -> Element {
        self.caps.clone()
    }

    /// The answer to disco#info; `None` if the node is neither absent nor that of the caps.
    pub(super) fn answer(&self, node: Option<&str>) -> Option<Element> {
        let known = node.is_none() || node == self.node.as_deref();
        known.then(|| DiscoInfoResult { node: node.map(str::to_owned), ..self.result.clone() }.into())
    }
}
