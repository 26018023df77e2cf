//! From a configuration to a TCP connection, and to TLS upon it.
//!
//! `tokio-xmpp` connects. What it would do beyond that is done here and in the files beside: it takes the servers of a
//! domain in the order of the answer, whatever their priority; it takes no roots of trust but the system's; it does not
//! verify the server's side of SCRAM; it wants a version in the header of a component's server, where XEP-0114 has none; and
//! its streams end at an attribute of more than 8 KiB, which any stranger can send.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::Name;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_xmpp::connect::DnsConfig;
use tracing::debug;

use super::fault::Fault;
use super::names::{MOST_SERVERS, Names, Target};
use super::stream::Transport;
use crate::base::Dice;
use crate::jingle::config::Security;

/// How long one of the addresses of a server may take to answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// Connects to a server by its name or address: to whichever of its addresses answers first, or where name servers are
/// configured to the first one that answers.
///
/// # Errors
/// [`Fault::Network`].
pub async fn to_server(host: &str, port: u16, names: &Names) -> Result<TcpStream, Fault> {
    if host.parse::<IpAddr>().is_err() && names.are_asked_for(host) {
        return to_one_of(names.addresses(host).await, port).await;
    }
    let place = match host.parse::<IpAddr>() {
        Ok(ip) => DnsConfig::addr(&SocketAddr::new(ip, port).to_string()),
        Err(_) => DnsConfig::no_srv(host, port),
    };
    let stream = match place.resolve().await {
        Ok(stream) => stream,
        Err(tokio_xmpp::Error::Io(error)) => return Err(Fault::Network(error)),
        // A name may be known to the system alone, and of addresses that all refuse the crate does not say why.
        Err(error) => {
            debug!(host, port, %error, "asks the system for the server");
            TcpStream::connect((host, port)).await?
        }
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn to_one_of(addresses: Vec<IpAddr>, port: u16) -> Result<TcpStream, Fault> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name servers know no address of it");
    for address in addresses {
        match timeout(CONNECT_WITHIN, TcpStream::connect((address, port))).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Fault::Network(last))
}

/// Connects to the server of a domain: by its SRV records (RFC 6120 §3.2.1, XEP-0368), or else to the domain itself.
///
/// # Errors
/// [`Fault::Network`] with the last that was tried, [`Fault::Unsupported`] if the domain says that it has none.
pub async fn to_domain(domain: &str, security: Security, names: &Names, dice: &mut Dice) -> Result<TcpStream, Fault> {
    let (service, port) = match security {
        Security::DirectTls => ("_xmpps-client._tcp", 5223),
        Security::StartTls | Security::Plain => ("_xmpp-client._tcp", 5222),
    };
    let mut targets = names.services(domain, service).await;
    if let [Target { host, .. }] = &targets[..]
        && host == "."
    {
        return Err(Fault::Unsupported(format!("{domain} says that it has no {service}")));
    }
    if targets.is_empty() {
        targets.push(Target { priority: 0, weight: 0, host: domain.to_owned(), port });
    }
    let mut last = Fault::Network(io::ErrorKind::NotFound.into());
    for target in in_order(targets, dice).into_iter().take(MOST_SERVERS) {
        match to_server(target.host.trim_end_matches('.'), target.port, names).await {
            Ok(stream) => return Ok(stream),
            Err(fault) => {
                debug!(host = target.host, port = target.port, %fault, "a server cannot be reached");
                last = fault;
            }
        }
    }
    Err(last)
}

/// The order in which servers are tried (RFC 2782): by priority, and by chance according to weight within it.
fn in_order(mut targets: Vec<Target>, dice: &mut Dice) -> Vec<Target> {
    targets.sort_by_key(|target| target.priority);
    let mut ordered = Vec::with_capacity(targets.len());
    while let Some(first) = targets.first() {
        let priority = first.priority;
        let group = targets.iter().take_while(|t| t.priority == priority).count();
        let total: u32 = targets[..group].iter().map(|t| u32::from(t.weight)).sum();
        let mut left = dice.below(total.saturating_add(1));
        let chosen = targets[..group].iter().position(|target| {
            let weight = u32::from(target.weight);
            let is_it = left <= weight;
            left = left.saturating_sub(weight);
            is_it
        });
        ordered.push(targets.remove(chosen.unwrap_or(0)));
    }
    ordered
}

/// What TLS connections to servers trust: the system's roots, and those of a file.
///
/// # Errors
/// The file cannot be read, or has no certificate in it; the text says which.
pub fn tls(ca: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        debug!(%error, "a root certificate of the system cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca {
        let wrong = |e: &dyn std::fmt::Display| io::Error::other(format!("{}: {e}", path.display()));
        let mut any = false;
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))? {
            roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
            any = true;
        }
        if !any {
            return Err(wrong(&"no certificate in it"));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What is known of a connection under TLS.
pub struct Secured {
    /// The connection.
    pub transport: Box<dyn Transport>,
    /// What ties a login to this very connection (RFC 9266), where TLS is new enough for it.
    pub exporter: Option<Vec<u8>>,
}

/// Puts TLS upon a connection; the certificate must be the domain's (RFC 6120 §13.7.2), wherever the server is.
///
/// # Errors
/// [`Fault::Network`] with what is wrong with the certificate.
pub async fn secure(transport: Box<dyn Transport>, config: &Arc<ClientConfig>, domain: &str) -> Result<Secured, Fault> {
    let name = Name::from_utf8(domain).map(|name| name.to_ascii()).unwrap_or_else(|_| domain.to_owned());
    let name = ServerName::try_from(name)
        .map_err(|_| Fault::Unsupported(format!("{domain} is no name that a certificate could have")))?;
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, transport).await?;
    let exporter = exporter(&stream);
    Ok(Secured { transport: Box::new(stream), exporter })
}

fn exporter(stream: &TlsStream<Box<dyn Transport>>) -> Option<Vec<u8>> {
    let (_, connection) = stream.get_ref();
    if connection.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
        return None;
    }
    connection.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", None).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn target(priority: u16, weight: u16, host: &str) -> Target {
        Target { priority, weight, host: host.into(), port: 5222 }
    }

    #[test]
    fn servers_are_tried_by_priority_and_then_as_often_first_as_their_weight_says() {
        let targets = [target(20, 0, "backup"), target(10, 90, "often"), target(10, 10, "seldom")];
        let mut dice = Dice::for_test(3);
        let mut firsts = 0;
        for _ in 0..1000 {
            let ordered = in_order(targets.to_vec(), &mut dice);
            assert_eq!(ordered[2].host, "backup");
            firsts += usize::from(ordered[0].host == "often");
        }
        assert!((800..980).contains(&firsts), "{firsts}");
    }
}
