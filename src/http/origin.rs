//! Whose page asks.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Whose page a request comes from, by its `Origin` (RFC 6454 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// No page's: a program, or a page's own plain request.
    Nobody,
    /// The gateway's own page.
    Own,
    /// A page of an origin that the configuration lists.
    Listed,
    /// Any other page.
    Stranger,
}

/// Tells whose page asks. The scheme does not count for the gateway's own, as a proxy before it may do TLS.
pub fn of(headers: &HeaderMap, listed: &[String]) -> From {
    let Some(origin) = headers.get(ORIGIN) else { return From::Nobody };
    let Ok(origin) = origin.to_str() else { return From::Stranger };
    if listed.iter().any(|l| l.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return From::Listed;
    }
    let host = headers.get(HOST).and_then(|h| h.to_str().ok());
    match (split(origin), host) {
        (Some((scheme, authority)), Some(host)) if without_port(scheme, authority) == without_port(scheme, host) => {
            From::Own
        }
        _ => From::Stranger,
    }
}

/// Whether the request names a host that nobody else can point at this machine: an address, `localhost`, or
/// the host of a listed origin. A page of a stranger whose name resolves to loopback (DNS rebinding) has an
/// `Origin` that looks like the gateway's own; its name gives it away.
pub fn host_is_ours(headers: &HeaderMap, listed: &[String]) -> bool {
    let Some(host) = headers.get(HOST).and_then(|h| h.to_str().ok()) else { return false };
    let host = host_name(host);
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    literal.parse::<IpAddr>().is_ok()
        || host == "localhost"
        || listed.iter().filter_map(|l| split(l.trim_end_matches('/'))).any(|(_, a)| host_name(a) == host)
}

fn split(origin: &str) -> Option<(&str, &str)> {
    origin.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))
}

fn without_port(scheme: &str, authority: &str) -> String {
    let default = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(default).unwrap_or(authority).to_ascii_lowercase()
}

/// The host of `host:port`, in lower case; an IPv6 address keeps its brackets (RFC 3986 §3.2.2).
fn host_name(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.is_empty() => host,
        _ => authority,
    };
    host.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        headers
    }

    #[test]
    fn tells_the_gateways_own_page_from_a_listed_one_and_from_a_strangers() {
        let listed = ["https://app.example.org".to_owned()];
        for (host, origin, from) in [
            ("localhost:8080", None, From::Nobody),
            ("localhost:8080", Some("http://localhost:8080"), From::Own),
            ("LOCALHOST:8080", Some("http://localhost:8080"), From::Own),
            ("gw.example.org", Some("https://gw.example.org"), From::Own),
            ("gw.example.org:443", Some("https://gw.example.org"), From::Own),
            ("[::1]:8080", Some("http://[::1]:8080"), From::Own),
            ("localhost:8080", Some("http://localhost:8081"), From::Stranger),
            ("localhost:8080", Some("http://evil.example"), From::Stranger),
            ("localhost:8080", Some("null"), From::Stranger),
            ("localhost:8080", Some("https://app.example.org"), From::Listed),
            ("localhost:8080", Some("https://app.example.org.evil.example"), From::Stranger),
        ] {
            assert_eq!(of(&headers(host, origin), &listed), from, "{host} {origin:?}");
        }
    }

    #[test]
    fn a_name_that_a_stranger_can_point_here_is_not_ours() {
        let listed = ["https://app.example.org:8443/".to_owned()];
        for host in ["localhost", "localhost:80", "127.0.0.1:8080", "[::1]:8080", "[::1]", "app.example.org"] {
            assert!(host_is_ours(&headers(host, None), &listed), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io", ""] {
            assert!(!host_is_ours(&headers(host, None), &listed), "{host}");
        }
    }
}
