//! Requests and their answers (RFC 6120 §8.2.3).

use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use super::error::StanzaError;
use super::ns;
use super::xml::Tag;

/// `<iq/>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Iq {
    /// Who sends it; absent means the own account or server.
    pub from: Option<Jid>,
    /// To whom.
    pub to: Option<Jid>,
    /// Its name, which the answer repeats.
    pub id: String,
    /// What it says.
    pub kind: IqKind,
}

/// What an [`Iq`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum IqKind {
    /// Asks for something.
    Get(Element),
    /// Asks to do something.
    Set(Element),
    /// It was done.
    Result(Option<Element>),
    /// It was not done.
    Error(StanzaError),
}

impl Iq {
    /// A request to do something.
    pub fn set(from: &Jid, to: &Jid, id: &str, payload: Element) -> Iq {
        Iq { from: Some(from.clone()), to: Some(to.clone()), id: id.to_owned(), kind: IqKind::Set(payload) }
    }

    /// A request for something.
    pub fn get(from: &Jid, to: &Jid, id: &str, payload: Element) -> Iq {
        Iq { from: Some(from.clone()), to: Some(to.clone()), id: id.to_owned(), kind: IqKind::Get(payload) }
    }

    /// The answer that it was done.
    pub fn result(&self, payload: Option<Element>) -> Iq {
        self.answer(IqKind::Result(payload))
    }

    /// The answer that it was not done.
    pub fn error(&self, error: StanzaError) -> Iq {
        self.answer(IqKind::Error(error))
    }

    fn answer(&self, kind: IqKind) -> Iq {
        Iq { from: self.to.clone(), to: self.from.clone(), id: self.id.clone(), kind }
    }

    /// Writes it.
    pub fn write(&self) -> Element {
        let (name, payload) = match &self.kind {
            IqKind::Get(payload) => ("get", Some(payload.clone())),
            IqKind::Set(payload) => ("set", Some(payload.clone())),
            IqKind::Result(payload) => ("result", payload.clone()),
            IqKind::Error(error) => ("error", Some(error.write())),
        };
        Tag::new("iq", ns::CLIENT)
            .maybe("from", self.from.as_ref())
            .maybe("to", self.to.as_ref())
            .with("id", &self.id)
            .with("type", name)
            .children(payload)
            .build()
    }
}
