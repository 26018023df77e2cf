//! Certificates of those who sign calls, fetched by https.
//!
//! The address of one stands in a message of a stranger, so that little is done for it: one GET, without redirections,
//! to a host of the public network, with limits of time and length, and nothing of ours in it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{CACHE_CONTROL, HOST, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Event;
use crate::base::certificates;
use crate::sip::config;
use crate::sip::stir::fetched::{File, MAX_BODY};
use crate::sip::stir::place::Place;

/// How long a host may take from its name's look-up to the last octet. A call waits for less: what comes later is there
/// for the next one.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most addresses of a host that are tried.
const MAX_ADDRESSES: usize = 2;

/// Fetches what calls wait for.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Option<Client>,
}

#[derive(Debug, Clone)]
struct Client {
    tls: Arc<ClientConfig>,
    /// Hosts that the configuration names are asked wherever they are.
    anywhere: bool,
}

impl Fetcher {
    /// As the configuration says; `None` fetches nothing.
    ///
    /// # Errors
    /// The roots cannot be read; the text names the file.
    pub fn new(fetch: Option<&config::Fetch>) -> io::Result<Fetcher> {
        let Some(fetch) = fetch else { return Ok(Fetcher { client: None }) };
        let mut roots = RootCertStore::empty();
        match &fetch.roots {
            Some(path) => {
                for certificate in certificates::chain(path)? {
                    roots.add(certificate).map_err(|error| certificates::wrong(path, &error))?;
                }
            }
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Fetcher { client: Some(Client { tls: Arc::new(tls), anywhere: !fetch.hosts.is_empty() }) })
    }

    /// Gets what lies at an address, in a task of its own; the core asks for few at once.
    pub fn fetch(&self, address: String, events: mpsc::Sender<Event>) {
        let client = self.client.clone();
        tokio::spawn(async move {
            let file = match client {
                None => Err("certificates are not fetched"),
                Some(client) => match tokio::time::timeout(PATIENCE, client.get(&address)).await {
                    Ok(file) => file,
                    Err(_) => Err("the certificate's host takes too long"),
                },
            };
            // A task that is gone needs no answer.
            let _ = events.send(Event::Fetched { address, file }).await;
        });
    }
}

impl Client {
    async fn get(&self, address: &str) -> Result<File, &'static str> {
        let place = Place::read(address)?;
        let stream = self.connect(&place).await?;
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_headers(64)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| "the certificate's host speaks no HTTP")?;
        let host = if place.port == 443 { place.host.clone() } else { format!("{}:{}", place.host, place.port) };
        let request = Request::get(place.path).header(HOST, host).body(Empty::<Bytes>::new());
        let request = request.map_err(|_| "the certificate's address is none")?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|_| "the certificate's host does not answer")?;
            if response.status() != StatusCode::OK {
                return Err("the certificate's host has no such file");
            }
            let max_age_s = max_age(response.headers());
            let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
            let body = body.map_err(|_| "the file of the certificate is too long, or breaks off")?;
            Ok(File { body: body.to_bytes().to_vec(), max_age_s })
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            biased;
            file = &mut exchange => return file,
            // What it has brought is still to be read; what it has not will not come.
            _ = &mut connection => {}
        }
        exchange.await
    }

    async fn connect(&self, place: &Place<'_>) -> Result<TlsStream<TcpStream>, &'static str> {
        let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await;
        let found = found.map_err(|_| "the certificate's host has no address")?;
        let allowed: Vec<SocketAddr> =
            found.filter(|address| self.anywhere || is_public(address.ip())).take(MAX_ADDRESSES).collect();
        if allowed.is_empty() {
            return Err("the certificate's host is none of the public network");
        }
        let name = ServerName::try_from(place.host.clone()).map_err(|_| "the certificate's host has no name")?;
        let mut last = "the certificate's host does not answer";
        for address in allowed {
            let Ok(stream) = TcpStream::connect(address).await else { continue };
            match TlsConnector::from(Arc::clone(&self.tls)).connect(name.clone(), stream).await {
                Ok(stream) => return Ok(stream),
                Err(_) => last = "the web server of the certificate's host is not believed",
            }
        }
        Err(last)
    }
}

/// For how many seconds an answer is good (RFC 9111 §5.2.2.1).
fn max_age(headers: &HeaderMap) -> Option<u64> {
    let all = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut words = all.flat_map(|value| value.split(',')).map(str::trim);
    words.find_map(|word| {
        if word.eq_ignore_ascii_case("no-store") || word.eq_ignore_ascii_case("no-cache") {
            return Some(0);
        }
        let (name, seconds) = word.split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| seconds.trim_matches('"').parse().ok()).flatten()
    })
}

/// Whether an address is one of the public network (RFC 6890): nobody is to reach our own by our hand.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => match embedded(ip) {
            Some(ip) => is_public_v4(ip),
            // Only 2000::/3 is given out, and of that not what is for documents, Teredo and the like.
            None => {
                let [first, second, ..] = ip.segments();
                first >> 13 == 1 && (first, second) != (0x2001, 0xdb8) && !(first == 0x2001 && second < 0x200)
            }
        },
    }
}

/// The address of IPv4 that one of IPv6 stands for: mapped, by NAT64 (RFC 6052), by 6to4 (RFC 3056).
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = ip.to_bits();
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(Ipv4Addr::from_bits(bits as u32)),
        [0x2002, ..] => Some(Ipv4Addr::from_bits((bits >> 80) as u32)),
        _ => None,
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_documentation();
    // "This" network, carriers' own (RFC 6598), protocol assignments, relays of 6to4, benchmarks, groups and the rest.
    let is_other = a == 0
        || (a == 100 && b >> 6 == 1)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b >> 1 == 9)
        || a >= 224;
    !is_special && !is_other
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_addresses_of_the_public_network_are_asked() {
        for public in ["8.8.8.8", "100.63.0.1", "198.20.0.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        let private = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
        ];
        for private in private {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn how_long_an_answer_is_good_its_cache_control_says() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CACHE_CONTROL, hyper::header::HeaderValue::from_static(value));
            }
            max_age(&headers)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["public, max-age=600"]), Some(600));
        assert_eq!(of(&["private", "Max-Age=\"7\""]), Some(7));
        assert_eq!(of(&["no-store, max-age=600"]), Some(0));
        assert_eq!(of(&["max-age=soon"]), None);
    }
}
