//! What is wrong with a trunk, and what to change in the configuration, in words.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use rustls::{CertificateError, Error as TlsError};

use super::talk::{Broken, Talk};
use crate::model::{Description, SrtpPolicy};
use crate::sip::config::Trunk;
use crate::sip::digest;
use crate::sip::driver::line::NoLine;
use crate::sip::flow::Transport;
use crate::sip::message::{Name, Request, Response};
use crate::sip::trunk::outbound::Kept;

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What.
    pub what: String,
    /// What to change.
    change: String,
}

impl Wrong {
    /// Without a full stop at the end of either.
    pub fn new(what: impl Into<String>, change: impl Into<String>) -> Wrong {
        Wrong { what: what.into(), change: change.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.\n  What to do: {}.", self.what, self.change)
    }
}

/// A response in short: `403 Forbidden`, and what it says itself of why.
pub fn said(response: &Response) -> String {
    let words = response.reason.as_str().trim();
    let mut text = format!("{} {words}", response.code());
    for name in [Name::Warning, Name::Reason] {
        if let Some(value) = response.headers.get(&name) {
            text += &format!(" ({value})");
        }
    }
    text.trim_end().to_owned()
}

/// The key that names the host.
fn key_of_host(trunk: &Trunk) -> &'static str {
    if trunk.profile.proxy.is_some() { "proxy" } else { "address" }
}

/// The trunk's name has no address.
pub fn not_found(trunk: &Trunk, is_doubtful: bool) -> Wrong {
    let (host, key) = (&trunk.hop().host, key_of_host(trunk));
    if is_doubtful {
        let change = "see that this machine reaches its name servers, or name others by `name_servers` of [sip]";
        return Wrong::new(format!("the name service does not say where `{host}` is"), change);
    }
    let change = format!("correct `{key}`, which may be a name without an address for `transport`");
    Wrong::new(format!("`{host}` is no host that the name service knows"), change)
}

/// There is no way to one of its addresses.
pub fn no_line(trunk: &Trunk, transport: Transport, address: SocketAddr, no_line: &NoLine) -> Wrong {
    let (key, word) = (key_of_host(trunk), transport.word());
    match no_line {
        NoLine::Connect(error) if error.kind() == ErrorKind::ConnectionRefused => nobody_listens(key, word, address),
        NoLine::Connect(error) => {
            let change = format!("correct `{key}`, or the network of this machine");
            Wrong::new(format!("{address} cannot be reached by {word}: {error}"), change)
        }
        NoLine::Slow => {
            let change = format!("correct `{key}` or `transport`, or let a firewall on the way pass it");
            Wrong::new(format!("{address} does not take a connection by {word}"), change)
        }
        NoLine::Files(error) => {
            let change = "correct `ca`, `certificate` or `key` of the trunk";
            Wrong::new(format!("a file for TLS cannot be used: {error}"), change)
        }
        NoLine::Tls(error) => no_tls(trunk, address, error),
    }
}

fn nobody_listens(key: &str, word: &str, address: SocketAddr) -> Wrong {
    let change = format!("correct the port of `{key}`, or `transport`");
    Wrong::new(format!("nobody listens at {address} by {word}"), change)
}

fn no_tls(trunk: &Trunk, address: SocketAddr, error: &io::Error) -> Wrong {
    let wanted = trunk.tls.name.as_deref().unwrap_or(&trunk.hop().host);
    let found = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    match found {
        Some(TlsError::InvalidCertificate(wrong)) => wrong_certificate(wanted, key_of_host(trunk), wrong),
        Some(TlsError::AlertReceived(alert)) => {
            let change = "if it asks for a certificate of ours, write `certificate` and `key` for the trunk";
            Wrong::new(format!("{address} ends the handshake of TLS: {alert:?}"), change)
        }
        Some(TlsError::InvalidMessage(_)) => {
            let change = "correct the port: that of TLS is 5061 in most places, and 5060 is not";
            Wrong::new(format!("{address} does not speak TLS"), change)
        }
        _ => {
            let change = "correct the port of TLS, or ask the carrier which versions it speaks: ours are 1.2 and 1.3";
            Wrong::new(format!("{address} and we do not agree on TLS: {error}"), change)
        }
    }
}

fn wrong_certificate(wanted: &str, key: &str, wrong: &CertificateError) -> Wrong {
    match wrong {
        CertificateError::NotValidForNameContext { presented, .. } => {
            let first = presented.first().map(String::as_str).unwrap_or("the name in it");
            let first = first.strip_prefix("sip:").unwrap_or(first);
            let names = if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") };
            let change =
                format!("write `tls_name = \"{first}\"` if that is the carrier's own name, or correct `{key}`");
            Wrong::new(format!("its certificate is for {names}, and not for `{wanted}`"), change)
        }
        CertificateError::NotValidForName => {
            let change = format!("write its name as `tls_name`, or correct `{key}`");
            Wrong::new(format!("its certificate is not for `{wanted}`"), change)
        }
        CertificateError::UnknownIssuer => {
            let change = "write `ca` with the root that the carrier gives out";
            Wrong::new("its certificate comes from nobody that is believed here", change)
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Wrong::new(
            "its certificate has run out",
            "tell the carrier, and see that the clock of this machine is right",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Wrong::new("its certificate is not valid yet", "see that the clock of this machine is right")
        }
        other => Wrong::new(format!("its certificate is not good: {other}"), "tell the carrier"),
    }
}

/// A request had no answer.
pub fn broken(what: &str, talk: &Talk<'_>, broken: &Broken) -> Wrong {
    let (flow, key) = (talk.line.flow, key_of_host(talk.trunk));
    let (address, word) = (flow.remote, flow.transport.word());
    match broken {
        Broken::Line(error) if error.kind() == ErrorKind::ConnectionRefused => nobody_listens(key, word, address),
        Broken::Line(error) => {
            let change =
                format!("correct `transport` and the port of `{key}`; some carriers so refuse whom they do not know");
            let how = if error.kind() == ErrorKind::UnexpectedEof { "closed".to_owned() } else { error.to_string() };
            Wrong::new(format!("the connection to {address} ended without an answer to {what}: {how}"), change)
        }
        Broken::Silent { .. } => {
            let change = format!(
                "correct `{key}` or `transport`; let a firewall on the way pass it; \
                 and ask the carrier whether it knows the address of this machine"
            );
            Wrong::new(format!("{address} says nothing by {word} to {what}"), change)
        }
    }
}

/// It says that it is not there.
pub fn not_there(said: &str) -> Wrong {
    Wrong::new(format!("it is not there for us now: it says {said}"), "ask the carrier, or try again later")
}

/// Its first hop answers 439.
pub const NO_FLOWS: &str = "the first hop keeps no flows (439 First Hop Lacks Outbound Support): registers without; \
                            leave `outbound` away";
/// It does not say that it calls by the flow.
pub const UNKEPT: &str = "it does not say that it calls us by our flow (no `Require: outbound`): leave `outbound` away";

/// It calls by the flow.
pub fn kept(kept: Kept) -> String {
    let within = kept.flow_timer.map(|timer| format!(", and wants to hear of it every {} s", timer.as_secs()));
    format!("it calls us by our flow{}", within.unwrap_or_default())
}

/// The registration was refused.
pub fn unregistered(trunk: &Trunk, response: &Response, why: &str) -> Wrong {
    let status = response.code();
    if matches!(status, 401 | 407) {
        return unproven(trunk, response);
    }
    let change = match status {
        403 | 404 => {
            "compare `account` (or `user`) and `from_domain` with what the carrier gave you; it may have closed the account"
        }
        405 | 501 => "it registers nobody there: write `register = false`, or the registrar's host as `address`",
        420 => "leave away what it does not know: `bulk`",
        423 => "write another `register_expires`",
        500.. => "ask the carrier, or try again later",
        _ => "compare `address`, `account` and `from_domain` with what the carrier gave you",
    };
    Wrong::new(format!("it does not register us: {why}"), change)
}

fn unproven(trunk: &Trunk, response: &Response) -> Wrong {
    let said = said(response);
    let (Some(user), Some(_)) = (&trunk.user, &trunk.password) else {
        let change = "write `user` and `password_file` as the carrier gave them to you";
        return Wrong::new(format!("it asks for a password and none is configured ({said})"), change);
    };
    let asked = if response.code() == 407 { Name::ProxyAuthenticate } else { Name::WwwAuthenticate };
    let challenges = digest::challenges(&response.headers, &asked);
    if let (Some(realm), Some(first)) = (&trunk.realm, challenges.first())
        && challenges.iter().all(|challenge| challenge.realm != *realm)
    {
        let change = format!("write `realm = \"{}\"`, or leave `realm` away", first.realm);
        return Wrong::new(format!("it asks for a password for `{}`, and `realm` is `{realm}`", first.realm), change);
    }
    let change = "compare `user` and the password with what the carrier gave you; where that is two names, `user` is the one \
                  that goes with the password, and `account` the one that is registered";
    Wrong::new(format!("it does not take the password of `{user}` ({said})"), change)
}

/// The call was refused.
pub fn refused(talk: &Talk<'_>, invite: &Request, offer: &Description, response: &Response) -> Wrong {
    let (trunk, said) = (talk.trunk, said(response));
    let from = invite.headers.from().map(|from| from.uri.to_string()).unwrap_or_default();
    match response.code() {
        401 | 407 => unproven(trunk, response),
        300..=399 => Wrong::new(format!("it sends the call elsewhere: {said}"), "call a number that is not sent on"),
        403 => {
            let change = "write `number` as the carrier gave it to you, the domain that it expects as `from_domain`, or another \
                          `identity`; it may also refuse the number that is called";
            Wrong::new(format!("it refuses the call: {said}. It was told that {from} calls"), change)
        }
        404 | 410 | 416 | 484 | 485 | 604 => {
            let change = "call a number that there is, or write another `number_format`";
            Wrong::new(format!("it does not know {}: {said}", invite.uri), change)
        }
        406 | 415 | 488 | 606 => {
            let change = "write the `codecs` that the carrier takes, or another `srtp`";
            Wrong::new(format!("it takes nothing of what it is offered ({}): {said}", offered(trunk, offer)), change)
        }
        408 | 480 => {
            let change = "the trunk takes calls; call a number that answers";
            Wrong::new(format!("nobody can be reached at that number now: {said}"), change)
        }
        486 | 600 | 603 => Wrong::new(
            format!("that number does not take the call: {said}"),
            "the trunk takes calls; call another number",
        ),
        420 | 421 => Wrong::new(format!("it wants what we do not do: {said}"), "ask the carrier to do without"),
        503 => {
            let change = "ask the carrier how many calls it takes, and write `calls` and `calls_per_second`";
            Wrong::new(format!("it has no room for the call: {said}"), change)
        }
        _ => Wrong::new(format!("the call failed: {said}"), "ask the carrier what that means there"),
    }
}

fn offered(trunk: &Trunk, offer: &Description) -> String {
    let codecs = offer.audio().map(|stream| stream.codecs.as_slice()).unwrap_or_default();
    let mut names: Vec<&str> = codecs.iter().filter(|c| c.is_speech()).map(|c| c.name.as_str()).collect();
    names.push(if trunk.srtp == SrtpPolicy::Required { "protected by SRTP" } else { "not protected" });
    names.join(", ")
}

/// It rings and rings.
pub fn nobody_answers(waited: Duration, packets: u32) -> Wrong {
    let seconds = waited.as_secs();
    let sound = if packets > 0 { format!("; {packets} packets of sound came") } else { String::new() };
    let change = "the trunk takes calls; call a number that answers by itself, such as its mailbox";
    Wrong::new(format!("nobody picks up within {seconds} s{sound}"), change)
}

/// The call is up and nothing is heard.
pub fn no_sound(address: SocketAddr) -> Wrong {
    let change = "let a firewall on the way pass the `ports` of [media], and write under which address this machine is reached \
                  as `advertise` of [media]";
    Wrong::new(format!("the call is answered, and no sound comes to {address}"), change)
}

/// There is no port to listen on.
pub fn no_port(error: &io::Error) -> Wrong {
    Wrong::new(format!("there is no port to listen on: {error}"), "look at `ports` of [media]")
}

/// A response that nobody can go on from.
pub fn unreadable(said: &str, why: &str) -> Wrong {
    Wrong::new(format!("its answer {said} cannot be understood: {why}"), "tell the carrier")
}
