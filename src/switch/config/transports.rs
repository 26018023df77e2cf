//! The sockets of SIP, and what protects them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::read::read_path;
use crate::base::settings::{Located, Section};
use crate::sip;
use crate::sip::config::{Listen, Own, TrunkTls};
use crate::sip::flow::Transport;

/// The most sockets that SIP listens on.
const MAX_LISTEN: usize = 16;

/// The most name servers.
const MAX_NAME_SERVERS: usize = 4;

/// The port of the name service (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;

/// The word for a transport that the name service chooses.
pub(super) const ANY: &str = "any";

const LISTEN: [&str; 2] = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"];

/// Reads the sockets. `[::]` means every address of this machine, of either family.
pub(super) fn read_listen(section: &mut Section<'_>) -> Vec<Listen> {
    let wanted = "a socket, such as \"udp:0.0.0.0:5060\" or [\"udp:127.0.0.1:5060\", \"tcp:[::1]:5060\"]";
    let Some(sockets) = section.values("listen", wanted, MAX_LISTEN, |text| text.parse::<Listen>().ok()) else {
        return LISTEN.iter().filter_map(|s| s.parse().ok()).collect();
    };
    if sockets.is_empty() {
        section.complain(format!("`listen` is empty: write {wanted}"));
    }
    let mut listen: Vec<Listen> = Vec::new();
    for Located { value, at } in sockets {
        if value.transport == Transport::Ws && !value.address.ip().is_loopback() {
            let advice = "write \"wss:...\", or let it listen on 127.0.0.1 behind a proxy that does TLS";
            section.sheet().complain(at, format!("a plain WebSocket can be read by everybody on the way: {advice}"));
        }
        listen.push(value);
    }
    for at in 0..listen.len() {
        let Some(Listen { transport, address }) = listen.get(at).copied() else { continue };
        let four = Listen { transport, address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()) };
        let every = address.is_ipv6() && address.ip().is_unspecified();
        if every && !listen.contains(&four) {
            listen.push(four);
        }
    }
    listen
}

/// Reads the certificates of `[sip]`.
pub(super) fn read_tls(section: &mut Section<'_>, folder: &Path, listen: &[Listen], state: &Path) -> sip::config::Tls {
    let own = read_own(section, folder);
    let client_ca = read_file(section, "client_ca", folder);
    let ca = read_file(section, "ca", folder);
    let secure = listen.iter().any(|l| l.transport.is_secure());
    let own = own.or_else(|| secure.then(|| Own::SelfSigned(state.to_owned())));
    sip::config::Tls { own, client_ca, ca }
}

/// Reads the transport of a trunk, and whether the name service is to say another.
pub(super) fn read_trunk_transport(section: &mut Section<'_>) -> (Transport, bool) {
    let read = section.value("transport", "\"udp\", \"tcp\", \"tls\" or \"any\"", |text| match text {
        ANY => Some(None),
        word => Transport::by_word(word).filter(|transport| !transport.is_websocket()).map(Some),
    });
    match read.map(|read| read.value) {
        None => (Transport::Udp, false),
        Some(None) => (Transport::Udp, true),
        Some(Some(transport)) => (transport, false),
    }
}

/// Reads the name servers that are asked where trunks are.
pub(super) fn read_name_servers(section: &mut Section<'_>) -> Vec<SocketAddr> {
    let wanted = "addresses of name servers, such as [\"192.0.2.53\", \"127.0.0.1:5353\"]";
    let servers = section.values("name_servers", wanted, MAX_NAME_SERVERS, |text| {
        let whole = text.parse::<SocketAddr>().ok();
        whole.or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, DNS_PORT)))
    });
    servers.unwrap_or_default().into_iter().map(|server| server.value).collect()
}

/// Reads the certificates of a trunk.
pub(super) fn read_trunk_tls(section: &mut Section<'_>, folder: &Path) -> TrunkTls {
    let own = read_own(section, folder);
    let ca = read_file(section, "ca", folder);
    let name = section.text("tls_name", "the name in the trunk's certificate, such as \"sip.example.org\"");
    TrunkTls { own, ca, name: name.map(|n| n.value) }
}

/// A certificate and its key.
fn read_own(section: &mut Section<'_>, folder: &Path) -> Option<Own> {
    let before = section.sheet().problem_count();
    let certificate = read_file(section, "certificate", folder);
    let key = read_file(section, "key", folder);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Own::Files { certificate, key }),
        (Some(_), None) if section.sheet().problem_count() == before => {
            section.complain("a certificate without its key: write `key` too");
            None
        }
        (None, Some(_)) if section.sheet().problem_count() == before => {
            section.complain("a key without its certificate: write `certificate` too");
            None
        }
        _ => None,
    }
}

/// A file that can be read.
pub(super) fn read_file(section: &mut Section<'_>, key: &'static str, folder: &Path) -> Option<std::path::PathBuf> {
    let file = read_path(section, key, folder)?;
    if let Err(error) = super::read_file(&file.value) {
        section.sheet().complain(file.at, format!("`{}` {error}", file.value.display()));
    }
    Some(file.value)
}

/// A trunk by TLS leaves from a socket for TLS, by which its own requests come back.
pub(super) fn check(section: &Section<'_>, sip: &sip::config::Config) {
    let wants = sip.trunks.iter().find(|(_, trunk)| trunk.transport == Transport::Tls);
    if let Some((name, _)) = wants
        && !sip.listen.iter().any(|l| l.transport == Transport::Tls)
    {
        let advice = "add one to `listen` in [sip], such as \"tls:0.0.0.0:5061\"";
        section.complain(format!("the trunk `{name}` is reached by TLS, and no socket is for that: {advice}"));
    }
}
