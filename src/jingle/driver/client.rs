//! The login of a client: STARTTLS, SASL, and the resource or the old stream (RFC 6120 §5 to §7, XEP-0198).

use std::sync::Arc;

use rustls::ClientConfig;
use rxml::xml_ncname;
use xmpp_parsers::jid::{BareJid, Jid};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;

use super::connect::{Secured, secure};
use super::fault::Fault;
use super::management::Management;
use super::sasl::{self, Proof};
use super::stream::Stream;
use crate::base::Secret;
use crate::jingle::address::RESOURCE;

/// The namespace of what RFC 3921 wanted after the binding, and old servers still want.
const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";

/// An account on its server.
pub struct Account<'a> {
    /// Its address.
    pub jid: &'a BareJid,
    /// Its password.
    pub password: &'a Secret,
}

/// How a stream came up.
pub enum Begun {
    /// With this address of ours.
    Fresh(Jid, Option<Management>),
    /// As the stream before, of which the server has had so many stanzas.
    Resumed(u32),
}

/// Protects a stream that has not begun by TLS (RFC 6120 §5).
///
/// # Errors
/// [`Fault`]; without TLS there is no login.
pub async fn start_tls(mut stream: Stream, tls: &Arc<ClientConfig>, domain: &str) -> Result<Secured, Fault> {
    stream.open(domain).await?;
    let features = features(&mut stream).await?;
    if !features.has_child("starttls", ns::TLS) {
        return Err(Fault::Unsupported("the server offers no TLS".into()));
    }
    stream.send(&Element::bare("starttls", ns::TLS)).await?;
    if !stream.element().await?.is("proceed", ns::TLS) {
        return Err(Fault::Unsupported("the server does not begin TLS".into()));
    }
    // What was said in the open before TLS must not count as said under it.
    if !stream.unread.is_empty() {
        return Err(Fault::Malformed("there is more after the word for TLS".into()));
    }
    secure(stream.transport, tls, domain).await
}

/// Logs in on a stream that has not begun, and resumes the stream before if that can be.
///
/// # Errors
/// [`Fault`].
pub async fn login(
    stream: &mut Stream,
    account: Account<'_>,
    is_encrypted: bool,
    exporter: Option<Vec<u8>>,
    before: Option<&Management>,
) -> Result<Begun, Fault> {
    let domain = account.jid.domain().as_str();
    let user = account.jid.node().ok_or_else(|| Fault::Unsupported("the account has no name".into()))?;
    stream.open(domain).await?;
    let offered = features(stream).await?;
    let proof = Proof { user: user.as_str(), password: account.password, is_encrypted, exporter };
    sasl::authenticate(stream, &offered, proof).await?;
    stream.open(domain).await?;
    let offered = features(stream).await?;
    let is_managed = offered.has_child("sm", ns::SM);
    if let Some(resume) = before.and_then(Management::resume).filter(|_| is_managed) {
        stream.send(&resume).await?;
        let answer = managed(stream).await?;
        if let Some(h) = answer.attr("h").filter(|_| answer.name() == "resumed") {
            let h = h.parse().map_err(|_| Fault::Malformed("it has counted wrongly".into()))?;
            return Ok(Begun::Resumed(h));
        }
    }
    let jid = bind(stream).await?;
    if offered.get_child("session", SESSION).is_some_and(|session| !session.has_child("optional", SESSION)) {
        ask(stream, "session", Element::bare("session", SESSION)).await?;
    }
    let mut management = None;
    if is_managed {
        stream.send(&Management::enable()).await?;
        management = Management::enabled(&managed(stream).await?);
    }
    Ok(Begun::Fresh(jid, management))
}

async fn features(stream: &mut Stream) -> Result<Element, Fault> {
    let features = stream.element().await?;
    match features.is("features", ns::STREAM) {
        true => Ok(features),
        false => Err(Fault::Malformed(format!("it says <{}/> in place of its features", features.name()))),
    }
}

async fn bind(stream: &mut Stream) -> Result<Jid, Fault> {
    let resource = Element::builder("resource", ns::BIND).append(RESOURCE).build();
    let bound = ask(stream, "bind", Element::builder("bind", ns::BIND).append(resource).build()).await?;
    let jid = bound.get_child("bind", ns::BIND).and_then(|bind| bind.get_child("jid", ns::BIND)).map(Element::text);
    let jid = jid.and_then(|jid| Jid::new(&jid).ok());
    jid.ok_or_else(|| Fault::Malformed("it does not say our address".into()))
}

/// An IQ that sets something, and its result; nothing else comes before the first presence that counts.
async fn ask(stream: &mut Stream, id: &str, payload: Element) -> Result<Element, Fault> {
    let iq = Element::builder("iq", ns::JABBER_CLIENT)
        .attr(xml_ncname!("type").to_owned(), "set")
        .attr(xml_ncname!("id").to_owned(), id)
        .append(payload)
        .build();
    stream.send(&iq).await?;
    loop {
        let answer = stream.element().await?;
        if !answer.is("iq", ns::JABBER_CLIENT) || answer.attr("id") != Some(id) {
            continue;
        }
        return match answer.attr("type") {
            Some("result") => Ok(answer),
            _ => Err(Fault::Ended(format!("there is no {id}: {}", condition(&answer)))),
        };
    }
}

fn condition(answer: &Element) -> String {
    let error = answer.get_child("error", ns::JABBER_CLIENT);
    error.and_then(|error| error.children().next()).map_or("no reason", Element::name).to_owned()
}

/// The next word of stream management.
async fn managed(stream: &mut Stream) -> Result<Element, Fault> {
    loop {
        let answer = stream.element().await?;
        if answer.has_ns(ns::SM) && matches!(answer.name(), "enabled" | "resumed" | "failed") {
            return Ok(answer);
        }
    }
}
