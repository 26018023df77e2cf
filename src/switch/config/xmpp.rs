//! The `[[xmpp]]`s: whom we are on which server.

use std::net::IpAddr;
use std::path::Path;

use xmpp_parsers::jid::{BareJid, DomainPart, Jid};

use super::people::{PASSWORD, SECRET, read_name, read_secret};
use super::read::read_path;
use crate::base::Secret;
use crate::base::settings::{Located, Section};
use crate::jingle::config::{Config, Connection, Login, Security};
use crate::model::Address;
use crate::sip::config::HostPort;

/// The most connections.
const MAX_CONNECTIONS: usize = 16;
/// The most domains of one.
const MAX_DOMAINS: usize = 256;
/// Where a component finds its server if nothing is said: beside it.
const COMPONENT_SERVER: (&str, u16) = ("127.0.0.1", 5347);
/// RFC 6120 §14.7.
const CLIENT_PORT: u16 = 5222;
/// XEP-0368.
const CLIENT_TLS_PORT: u16 = 5223;

/// Reads the `[[xmpp]]`s.
pub(super) fn connections(root: &mut Section<'_>, folder: &Path) -> Config {
    let mut config = Config::default();
    let mut names: Vec<String> = Vec::new();
    for mut section in root.sections("xmpp", MAX_CONNECTIONS) {
        let name = read_name(&mut section, "XMPP connection");
        let connection = read_connection(&mut section, folder);
        let Some(name) = name else { continue };
        if names.contains(&name.value) {
            let text = format!("there are two XMPP connections `{}`: give one another name", name.value);
            section.sheet().complain(name.at, text);
            continue;
        }
        names.push(name.value.clone());
        let Some(connection) = connection else { continue };
        let of = |login: &Login| match login {
            Login::Component { domain, .. } => domain.clone(),
            Login::Client { jid, .. } => jid.to_string(),
        };
        let whom = of(&connection.login);
        if config.connections.iter().any(|other| of(&other.login) == whom) {
            section.complain(format!("two XMPP connections are `{whom}`, and a server takes only one: leave one out"));
            continue;
        }
        config.connections.push(Connection { name: name.value, ..connection });
    }
    config
}

/// A connection whose name is read elsewhere.
fn read_connection(section: &mut Section<'_>, folder: &Path) -> Option<Connection> {
    let is_somebody = section.has("component") || section.has("login");
    let component = section.value("component", "a domain, such as \"phone.example.org\"", read_domain);
    let secret = read_secret(section, folder, &SECRET);
    let login = section.value("login", "an account, such as \"gateway@example.org\"", read_account);
    let password = read_secret(section, folder, &PASSWORD);
    let wanted = "who is called by whoever calls the account: a user, a number or an address";
    let inbound = section.value("inbound", wanted, |text| text.parse::<Address>().ok());
    let wanted = "a host or an address, with a port if it is not the usual one, such as \"127.0.0.1:5347\"";
    let server = section.value("server", wanted, |text| text.parse::<HostPort>().ok());
    let tls = section.value("tls", "\"off\", \"starttls\" or \"direct\"", |text| match text {
        "off" => Some(Security::Plain),
        "starttls" => Some(Security::StartTls),
        "direct" => Some(Security::DirectTls),
        _ => None,
    });
    let ca = read_ca(section, folder);
    let wanted = "domains of accounts, such as [\"example.org\"]";
    let domains = section.values("domains", wanted, MAX_DOMAINS, read_domain).unwrap_or_default();
    let subscribe = section.flag("subscribe").is_some_and(|f| f.value);
    let video = section.flag("video").is_none_or(|f| f.value);

    let login = match (component, login) {
        (Some(component), None) => read_component(section, component, secret, &password, &inbound)?,
        (None, Some(login)) => read_client(section, login, password, inbound, &secret)?,
        (Some(_), Some(login)) => {
            section
                .sheet()
                .complain(login.at, "a component and a login: write one, and a second [[xmpp]] for the other");
            return None;
        }
        (None, None) if is_somebody => return None,
        (None, None) => {
            section.complain("write `component` and `secret`, or `login`, `password` and `inbound`");
            return None;
        }
    };
    let security = secure(section, &login, server.as_ref(), tls.as_ref());
    let port = match (&login, security) {
        (Login::Component { .. }, _) => COMPONENT_SERVER.1,
        (Login::Client { .. }, Security::DirectTls) => CLIENT_TLS_PORT,
        (Login::Client { .. }, _) => CLIENT_PORT,
    };
    let server = match (&login, server) {
        (_, Some(server)) => Some((server.value.host, server.value.port.unwrap_or(port))),
        (Login::Component { .. }, None) => Some((COMPONENT_SERVER.0.to_owned(), COMPONENT_SERVER.1)),
        (Login::Client { .. }, None) => None,
    };
    if let Some(ca) = ca.as_ref().filter(|_| security == Security::Plain) {
        section.sheet().complain(ca.at, "`ca` is for TLS, and `tls` is off: leave it out, or write `tls`");
    }
    let domains = domains.into_iter().map(|d| d.value).collect();
    let ca = ca.map(|c| c.value);
    Some(Connection { name: String::new(), login, server, security, ca, domains, subscribe, video })
}

fn read_component(
    section: &Section<'_>,
    component: Located<String>,
    secret: Option<Located<Secret>>,
    password: &Option<Located<Secret>>,
    inbound: &Option<Located<Address>>,
) -> Option<Login> {
    if let Some(password) = password {
        section.sheet().complain(password.at, "a component has no password: write `secret`, as at the server");
    }
    if let Some(inbound) = inbound {
        section.sheet().complain(inbound.at, "every address of a component is somebody's own: leave `inbound` out");
    }
    let Some(secret) = secret else {
        let text = "a component without its secret: write `secret` or `secret_file` too, as at the server";
        section.sheet().complain(component.at, text);
        return None;
    };
    Some(Login::Component { domain: component.value, secret: secret.value })
}

fn read_client(
    section: &Section<'_>,
    login: Located<BareJid>,
    password: Option<Located<Secret>>,
    inbound: Option<Located<Address>>,
    secret: &Option<Located<Secret>>,
) -> Option<Login> {
    if let Some(secret) = secret {
        section.sheet().complain(secret.at, "a login has no secret: write `password`");
    }
    if password.is_none() {
        section.sheet().complain(login.at, "a login without its password: write `password` or `password_file` too");
    }
    if inbound.is_none() {
        let text = "calls to the account ring nobody: write `inbound`, such as \"reception\" or \"+15550100\"";
        section.sheet().complain(login.at, text);
    }
    Some(Login::Client { jid: login.value, password: password?.value, inbound: inbound?.value })
}

/// How the stream is protected. What crosses a network openly must be asked for by name, and a password never does.
fn secure(
    section: &Section<'_>,
    login: &Login,
    server: Option<&Located<HostPort>>,
    tls: Option<&Located<Security>>,
) -> Security {
    match (login, tls) {
        (Login::Component { .. }, Some(tls)) if tls.value == Security::StartTls => {
            let text = "`tls` is \"starttls\", which no component has: write \"off\" or \"direct\"";
            section.sheet().complain(tls.at, text);
            Security::Plain
        }
        (Login::Component { .. }, None) => {
            if let Some(server) = server.filter(|s| !is_near(&s.value)) {
                let text = "the secret and every word would cross the network openly: write `tls = \"direct\"`, or \
                            `tls = \"off\"` if the way there is protected otherwise";
                section.sheet().complain(server.at, text);
            }
            Security::Plain
        }
        (Login::Client { .. }, Some(tls))
            if tls.value == Security::Plain && !server.is_some_and(|s| is_loopback(&s.value)) =>
        {
            let text = "an account's password may cross no network openly: write \"starttls\" or \"direct\", or a \
                        `server` on this machine";
            section.sheet().complain(tls.at, text);
            Security::StartTls
        }
        (Login::Client { .. }, None) => Security::StartTls,
        (_, Some(tls)) => tls.value,
    }
}

fn is_loopback(server: &HostPort) -> bool {
    server.host == "localhost" || server.ip().is_some_and(|ip| ip.is_loopback())
}

/// This machine, or a network that is not routed (RFC 1918, RFC 4193, RFC 3927).
fn is_near(server: &HostPort) -> bool {
    is_loopback(server)
        || server.ip().is_some_and(|ip| match ip {
            IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
        })
}

fn read_ca(section: &mut Section<'_>, folder: &Path) -> Option<Located<std::path::PathBuf>> {
    let ca = read_path(section, "ca", folder)?;
    match super::read_file(&ca.value) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => {}
        Ok(_) => {
            let text = format!("`{}` holds no certificate: write the path of a PEM file", ca.value.display());
            section.sheet().complain(ca.at, text);
        }
        Err(error) => section.sheet().complain(ca.at, format!("`{}` {error}", ca.value.display())),
    }
    Some(ca)
}

fn read_domain(text: &str) -> Option<String> {
    let domain = DomainPart::new(text).ok()?;
    (!text.contains(['@', '/'])).then(|| domain.as_str().to_owned())
}

/// The account of a person: a bare JID with a localpart, in its normal form.
pub(super) fn read_account(text: &str) -> Option<BareJid> {
    let jid = Jid::new(text).ok()?;
    (jid.is_bare() && jid.node().is_some()).then(|| jid.to_bare())
}

/// A user's account must be an account: a JID of a component of ours would call in a circle.
pub(super) fn is_ours(config: &Config, jid: &str) -> bool {
    let domain = jid.rsplit_once('@').map_or(jid, |(_, domain)| domain);
    config.connections.iter().any(|connection| match &connection.login {
        Login::Component { domain: ours, .. } => ours == domain,
        Login::Client { jid: ours, .. } => ours.as_str() == jid,
    })
}
