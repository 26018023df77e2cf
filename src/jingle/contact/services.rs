//! The STUN and TURN servers of a client's own server (XEP-0215).

use std::collections::VecDeque;

use xmpp_parsers::jid::{BareJid, Jid};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns as names;

use crate::base::Secret;
use crate::jingle::address::Home;
use crate::jingle::config::ConnectionId;
use crate::jingle::endpoint::Output;
use crate::jingle::stanza::Iq;

/// The most services that are kept.
const MAX_SERVICES: usize = 16;

/// A STUN or TURN server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `stun`, `stuns`, `turn` or `turns`.
    pub kind: String,
    /// Its name or address.
    pub host: String,
    /// Its port; 3478 if none was said.
    pub port: u16,
    /// `udp` or `tcp`; UDP if nothing was said.
    pub transport: String,
    /// The name to use there.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
}

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Services {
    question: Option<(BareJid, String)>,
    all: Vec<Service>,
}

impl Services {
    /// Asks the server of a client.
    pub(super) fn ask(
        &mut self,
        home: Option<&Home>,
        id: String,
        connection: ConnectionId,
        out: &mut VecDeque<Output>,
    ) {
        let Some(home) = home else { return };
        let server = BareJid::from_parts(None, home.jid().domain());
        let query = Element::bare("services", names::EXT_DISCO);
        let iq = Iq::get(home.jid(), &Jid::from(server.clone()), &id, query);
        out.push_back(Output::Send { connection, stanza: iq.write() });
        self.question = Some((server, id));
    }

    /// An answer, or an error (`None`). `false` if it was not asked.
    pub(super) fn answered(&mut self, from: Option<&Jid>, id: &str, payload: Option<&Element>) -> bool {
        let asked =
            self.question.as_ref().is_some_and(|(server, asked)| asked == id && from.is_some_and(|f| f == server));
        if !asked {
            return false;
        }
        self.question = None;
        let services = payload.filter(|p| p.is("services", names::EXT_DISCO));
        let children = services.into_iter().flat_map(Element::children);
        self.all = children.filter_map(Service::read).take(MAX_SERVICES).collect();
        true
    }

    pub(super) fn all(&self) -> &[Service] {
        &self.all
    }
}

impl Service {
    fn read(element: &Element) -> Option<Service> {
        const PORT: u16 = 3478;
        let text = |name: &str| element.attr(name).filter(|v| !v.is_empty()).map(str::to_owned);
        let kind = text("type").filter(|k| ["stun", "stuns", "turn", "turns"].contains(&k.as_str()))?;
        if !element.is("service", names::EXT_DISCO) {
            return None;
        }
        Some(Service {
            kind,
            host: text("host")?,
            port: element.attr("port").map_or(Some(PORT), |p| p.trim().parse().ok())?,
            transport: text("transport").unwrap_or_else(|| "udp".to_owned()),
            username: text("username"),
            password: text("password").map(Secret::new),
        })
    }
}
