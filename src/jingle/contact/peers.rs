//! What we know of peers: their resources, and what each can.

use std::collections::{BTreeMap, VecDeque};

use xmpp_parsers::caps::{Caps, compute_disco, hash_caps};
use xmpp_parsers::disco::DiscoInfoResult;
use xmpp_parsers::hashes::Algo;
use xmpp_parsers::jid::{BareJid, FullJid};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns as names;

use crate::jingle::stanza::ns;

/// The most accounts whose resources are known on a connection; beyond that the longest unheard is forgotten.
pub(super) const MAX_ACCOUNTS: usize = 4096;
/// The most resources of one account.
pub(super) const MAX_RESOURCES: usize = 16;
/// The most caps whose features are known.
const MAX_CAPS: usize = 1024;
/// The most features that are read of one answer.
const MAX_FEATURES: usize = 512;
/// The most questions that wait for their answer; beyond that the oldest is given up.
const MAX_QUESTIONS: usize = 256;

/// What a resource can, as far as calls go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Sessions over ICE: XEP-0166, 0167 and 0176.
    pub calls: bool,
    /// XEP-0353: is proposed to first.
    pub proposals: bool,
    /// XEP-0320.
    pub dtls: bool,
    /// `rtp:audio`
    pub audio: bool,
    /// `rtp:video`
    pub video: bool,
    /// XEP-0338: takes several contents on one transport.
    pub grouping: bool,
    /// XEP-0339.
    pub sources: bool,
    /// XEP-0293.
    pub feedback: bool,
    /// XEP-0294.
    pub header_extensions: bool,
    /// XEP-0176 §5.2: wants all candidates in the offer and the answer.
    pub batch: bool,
    /// XEP-0184.
    pub receipts: bool,
    /// XEP-0298: shows who is in a conference.
    pub lists: bool,
}

impl Features {
    /// Of an answer to disco#info; what is ill-formed in it is passed over.
    pub(super) fn read(query: &Element) -> Features {
        let features = query.children().filter(|c| c.is("feature", names::DISCO_INFO)).take(MAX_FEATURES);
        let all: Vec<&str> = features.filter_map(|f| f.attr("var")).collect();
        let has = |feature: &str| all.contains(&feature);
        Features {
            calls: has(ns::JINGLE) && has(ns::RTP) && has(ns::ICE_UDP),
            proposals: has(ns::JINGLE_MESSAGE),
            dtls: has(ns::DTLS),
            audio: has(ns::RTP_AUDIO),
            video: has(ns::RTP_VIDEO),
            grouping: has(ns::GROUPING_FEATURE),
            sources: has(ns::SSMA_FEATURE),
            feedback: has(ns::RTCP_FB),
            header_extensions: has(ns::RTP_HDREXT),
            batch: has(ns::BATCH_FEATURE),
            receipts: has(ns::RECEIPTS),
            lists: has(ns::COIN),
        }
    }
}

/// A resource of a peer that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its JID.
    pub jid: FullJid,
    /// How much it wants to be addressed (RFC 6121 §4.7.2.3).
    pub priority: i8,
    /// What it can; `None` as long as it has not said.
    pub features: Option<Features>,
}

/// A question of ours.
#[derive(Debug, Clone)]
struct Question {
    id: String,
    to: FullJid,
    caps: Option<Caps>,
}

/// The peers of a connection.
#[derive(Debug, Default)]
pub(super) struct Peers {
    accounts: BTreeMap<BareJid, (u64, Vec<Resource>)>,
    /// By hash: features are the same whoever says it, once it was verified.
    caps: BTreeMap<Vec<u8>, Features>,
    caps_order: VecDeque<Vec<u8>>,
    questions: VecDeque<Question>,
    clock: u64,
}

impl Peers {
    /// A resource is there. Gives what to ask it, if it can do what nobody has said yet.
    pub(super) fn available(&mut self, jid: &FullJid, priority: i8, caps: Option<Caps>, id: String) -> Option<Element> {
        let known = caps.as_ref().and_then(|c| self.caps.get(&c.ver)).copied();
        let before = self.find(jid).and_then(|r| r.features);
        let changed = caps.is_some() && known.is_none();
        let features = if changed { None } else { known.or(before) };
        self.put(Resource { jid: jid.clone(), priority, features });
        if features.is_some() || self.questions.iter().any(|q| q.to == *jid) {
            return None;
        }
        Some(self.ask(jid, caps, id))
    }

    /// A resource has spoken to us, and may never have said what it can. Gives what to ask it.
    pub(super) fn met(&mut self, jid: &FullJid, id: String) -> Option<Element> {
        let is_asked = self.questions.iter().any(|q| q.to == *jid);
        let is_known = self.find(jid).is_some_and(|r| r.features.is_some());
        if is_asked || is_known {
            return None;
        }
        if self.find(jid).is_none() {
            self.put(Resource { jid: jid.clone(), priority: 0, features: None });
        }
        Some(self.ask(jid, None, id))
    }

    fn ask(&mut self, jid: &FullJid, caps: Option<Caps>, id: String) -> Element {
        if self.questions.len() >= MAX_QUESTIONS {
            self.questions.pop_front();
        }
        let node = caps.as_ref().map(|c| xmpp_parsers::caps::query_caps(c.clone())).and_then(|q| q.node);
        self.questions.push_back(Question { id, to: jid.clone(), caps });
        xmpp_parsers::disco::DiscoInfoQuery { node }.into()
    }

    /// An answer to a question of ours, or an error (`None`). `false` if it was not asked.
    pub(super) fn answered(&mut self, from: &FullJid, id: &str, query: Option<&Element>) -> bool {
        let Some(at) = self.questions.iter().position(|q| q.id == id && q.to == *from) else { return false };
        let Some(question) = self.questions.remove(at) else { return false };
        let query = query.filter(|q| q.is("query", names::DISCO_INFO));
        // Whoever does not say what it can, can none of it.
        let features = query.map(Features::read).unwrap_or_default();
        if let (Some(query), Some(caps)) = (query, question.caps)
            && verifies(query, &caps)
        {
            self.remember(caps.ver, features);
        }
        let resources = self.accounts.get_mut(&from.to_bare()).map(|(_, resources)| resources);
        if let Some(resource) = resources.and_then(|r| r.iter_mut().find(|r| r.jid == *from)) {
            resource.features = Some(features);
        }
        true
    }

    fn remember(&mut self, ver: Vec<u8>, features: Features) {
        if self.caps.insert(ver.clone(), features).is_some() {
            return;
        }
        self.caps_order.push_back(ver);
        if self.caps_order.len() > MAX_CAPS
            && let Some(oldest) = self.caps_order.pop_front()
        {
            self.caps.remove(&oldest);
        }
    }

    /// A resource has gone; a bare JID: all of them.
    pub(super) fn unavailable(&mut self, account: &BareJid, resource: Option<&FullJid>) {
        if let Some((_, resources)) = self.accounts.get_mut(account) {
            resources.retain(|r| resource.is_some_and(|gone| r.jid != *gone));
            if resources.is_empty() {
                self.accounts.remove(account);
            }
        }
    }

    /// Nothing that was learnt on a lost stream holds on the next; verified caps do.
    pub(super) fn forget(&mut self) {
        self.accounts.clear();
        self.questions.clear();
    }

    /// How many accounts have a resource that is there.
    pub(super) fn online(&self) -> usize {
        self.accounts.len()
    }

    /// The resources of an account, the most wanted first.
    pub(super) fn of(&self, account: &BareJid) -> Vec<Resource> {
        let mut all = self.accounts.get(account).map(|(_, resources)| resources.clone()).unwrap_or_default();
        all.sort_by_key(|r| std::cmp::Reverse(r.priority));
        all
    }

    pub(super) fn find(&self, jid: &FullJid) -> Option<&Resource> {
        self.accounts.get(&jid.to_bare())?.1.iter().find(|r| r.jid == *jid)
    }

    fn put(&mut self, resource: Resource) {
        self.clock += 1;
        let account = resource.jid.to_bare();
        if !self.accounts.contains_key(&account) && self.accounts.len() >= MAX_ACCOUNTS {
            let oldest = self.accounts.iter().min_by_key(|(_, (heard, _))| *heard).map(|(jid, _)| jid.clone());
            oldest.map(|oldest| self.accounts.remove(&oldest));
        }
        let (heard, resources) = self.accounts.entry(account).or_default();
        *heard = self.clock;
        match resources.iter().position(|r| r.jid == resource.jid) {
            Some(at) => resources[at] = resource,
            None if resources.len() < MAX_RESOURCES => resources.push(resource),
            None => {}
        }
    }
}

/// Whether an answer is what its hash says (XEP-0115 §5.4): otherwise a peer could say what others can.
fn verifies(query: &Element, caps: &Caps) -> bool {
    // An unknown function has no hash here; those of XEP-0115 that nobody uses are not worth their time.
    if !matches!(caps.hash, Algo::Sha_1 | Algo::Sha_256 | Algo::Sha_512) || query.children().count() > MAX_FEATURES {
        return false;
    }
    let Ok(info) = DiscoInfoResult::try_from(query.clone()) else { return false };
    hash_caps(&compute_disco(&info), caps.hash.clone()).is_ok_and(|hash| hash.hash == caps.ver)
}
