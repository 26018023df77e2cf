//! Who we are, shown without giving the password away where the server lets us (RFC 6120 §6, RFC 5802).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rxml::xml_ncname;
use sasl::client::Mechanism;
use sasl::client::mechanisms::{Plain, Scram};
use sasl::common::scram::{Sha1, Sha256};
use sasl::common::{ChannelBinding, Credentials};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;

use super::fault::Fault;
use super::stream::Stream;
use crate::base::Secret;

/// The most rounds of hashing that a server may ask for; each costs us time.
const MOST_ITERATIONS: u32 = 1_000_000;

/// What is shown, and how.
pub struct Proof<'a> {
    /// The local part of the account.
    pub user: &'a str,
    /// Its password.
    pub password: &'a Secret,
    /// Whether nobody listens.
    pub is_encrypted: bool,
    /// What ties the proof to this connection (RFC 9266), if it has that.
    pub exporter: Option<Vec<u8>>,
}

/// Logs in with the best mechanism that both sides have; the stream is to be opened anew then.
///
/// # Errors
/// [`Fault::Refused`] if the server does not believe us, or does not know the password itself.
pub async fn authenticate(stream: &mut Stream, features: &Element, proof: Proof<'_>) -> Result<(), Fault> {
    let mut mechanism = choose(features, proof)?;
    let first = encode(&mechanism.initial());
    let auth = Element::builder("auth", ns::SASL).attr(xml_ncname!("mechanism").to_owned(), mechanism.name());
    stream.send(&auth.append(first).build()).await?;
    let mut is_server_proven = !mechanism.name().starts_with("SCRAM");
    loop {
        let answer = stream.element().await?;
        if !answer.has_ns(ns::SASL) {
            return Err(Fault::Malformed(format!("<{}/> in the middle of the login", answer.name())));
        }
        match answer.name() {
            "challenge" => {
                let challenge = decode(&answer.text())?;
                let response = match challenge.starts_with(b"v=") {
                    true => {
                        mechanism.success(&challenge).map_err(unproven)?;
                        is_server_proven = true;
                        Vec::new()
                    }
                    false => {
                        check_iterations(&challenge)?;
                        mechanism.response(&challenge).map_err(|e| Fault::Malformed(e.to_string()))?
                    }
                };
                stream.send(&Element::builder("response", ns::SASL).append(BASE64.encode(response)).build()).await?;
            }
            "success" => {
                if !is_server_proven {
                    mechanism.success(&decode(&answer.text())?).map_err(unproven)?;
                }
                return Ok(());
            }
            _ => return Err(refused(&answer)),
        }
    }
}

fn choose(features: &Element, proof: Proof<'_>) -> Result<Box<dyn Mechanism + Send + Sync>, Fault> {
    let offered: Vec<String> = features
        .get_child("mechanisms", ns::SASL)
        .map(|list| list.children().map(Element::text).collect())
        .unwrap_or_default();
    let is_offered = |name: &str| offered.iter().any(|o| o == name);
    // Without this list (XEP-0440) nobody knows which kinds of binding the server has.
    let can_bind = features
        .get_child("sasl-channel-binding", ns::SASL_CB)
        .is_some_and(|list| list.children().any(|binding| binding.attr("type") == Some("tls-exporter")));
    let exporter = proof.exporter.filter(|_| can_bind);
    let escaped = proof.user.replace('=', "=3D").replace(',', "=2C");
    let scram = |binding| credentials(&escaped, proof.password, binding);
    let wrong = |e: sasl::client::MechanismError| Fault::Unsupported(e.to_string());
    if let Some(exporter) = exporter {
        let binding = ChannelBinding::TlsExporter(exporter);
        if is_offered("SCRAM-SHA-256-PLUS") {
            return Ok(Box::new(Scram::<Sha256>::from_credentials(scram(binding)).map_err(wrong)?));
        }
        if is_offered("SCRAM-SHA-1-PLUS") {
            return Ok(Box::new(Scram::<Sha1>::from_credentials(scram(binding)).map_err(wrong)?));
        }
    }
    if is_offered("SCRAM-SHA-256") {
        return Ok(Box::new(Scram::<Sha256>::from_credentials(scram(ChannelBinding::None)).map_err(wrong)?));
    }
    if is_offered("SCRAM-SHA-1") {
        return Ok(Box::new(Scram::<Sha1>::from_credentials(scram(ChannelBinding::None)).map_err(wrong)?));
    }
    if is_offered("PLAIN") && proof.is_encrypted {
        let plain = credentials(proof.user, proof.password, ChannelBinding::None);
        return Ok(Box::new(Plain::from_credentials(plain).map_err(wrong)?));
    }
    Err(Fault::Unsupported(match offered.is_empty() {
        true => "the server offers no login on such a connection: it may want TLS".into(),
        false => format!("the server offers only logins that are not ours: {}", offered.join(" ")),
    }))
}

fn credentials(user: &str, password: &Secret, binding: ChannelBinding) -> Credentials {
    Credentials::default().with_username(user).with_password(password.expose()).with_channel_binding(binding)
}

fn check_iterations(challenge: &[u8]) -> Result<(), Fault> {
    let text = String::from_utf8_lossy(challenge);
    let asked = text.split(',').find_map(|part| part.strip_prefix("i=")).and_then(|n| n.parse::<u64>().ok());
    match asked {
        Some(n) if n > u64::from(MOST_ITERATIONS) => {
            Err(Fault::Unsupported(format!("the server wants a password to be hashed {n} times")))
        }
        _ => Ok(()),
    }
}

fn unproven(error: sasl::client::MechanismError) -> Fault {
    Fault::Refused(format!("the server does not know the password itself ({error})"))
}

fn refused(failure: &Element) -> Fault {
    let condition = failure.children().find(|child| child.name() != "text").map_or("no reason", Element::name);
    let text = failure.get_child("text", ns::SASL).map(Element::text).filter(|text| !text.is_empty());
    let sentence = text.map_or(condition.to_owned(), |text| format!("{condition}, {text}"));
    match condition {
        "temporary-auth-failure" => Fault::Ended(sentence),
        _ => Fault::Refused(sentence),
    }
}

/// As RFC 6120 §6.4.2 writes it: `=` is data of no length.
fn encode(data: &[u8]) -> String {
    if data.is_empty() { "=".into() } else { BASE64.encode(data) }
}

fn decode(text: &str) -> Result<Vec<u8>, Fault> {
    match text.trim() {
        "=" => Ok(Vec::new()),
        text => BASE64.decode(text).map_err(|_| Fault::Malformed("the login is not in base 64".into())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chosen(offered: &[&str], binding: bool, is_encrypted: bool) -> Result<String, String> {
        let list: String = offered.iter().map(|name| format!("<mechanism>{name}</mechanism>")).collect();
        let features: Element = format!(
            "<features xmlns='{}'><mechanisms xmlns='{}'>{list}</mechanisms>{}</features>",
            ns::STREAM,
            ns::SASL,
            if binding { "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/></sasl-channel-binding>" } else { "" }
        )
        .parse()
        .unwrap();
        let password = Secret::new("p");
        let proof = Proof { user: "a", password: &password, is_encrypted, exporter: Some(vec![1; 32]) };
        choose(&features, proof).map(|m| m.name().to_owned()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_best_mechanism_is_taken_and_a_password_never_crosses_the_wire_in_the_open() {
        assert_eq!(chosen(&["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"], true, true).unwrap(), "SCRAM-SHA-1-PLUS");
        assert_eq!(chosen(&["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"], false, true).unwrap(), "SCRAM-SHA-1");
        assert_eq!(chosen(&["SCRAM-SHA-1", "SCRAM-SHA-256"], true, true).unwrap(), "SCRAM-SHA-256");
        assert_eq!(chosen(&["PLAIN", "EXTERNAL"], false, true).unwrap(), "PLAIN");
        assert!(chosen(&["PLAIN"], false, false).unwrap_err().contains("PLAIN"));
        assert!(chosen(&[], false, false).unwrap_err().contains("TLS"));
    }

    #[test]
    fn a_server_cannot_keep_us_busy_with_hashing() {
        assert!(check_iterations(b"r=abc,s=c2FsdA==,i=4096").is_ok());
        assert!(check_iterations(b"r=abc,s=c2FsdA==,i=4000000000").is_err());
    }
}
