//! What the HTTP server is told at its start.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use crate::base::Proxies;

/// The settings of the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Whether and with what the connections are protected.
    pub tls: Tls,
    /// Pages of these origins (`https://example.org`) may sign in and open the WebSocket, besides the
    /// gateway's own.
    pub origins: Vec<String>,
    /// The proxies that are believed when they say whose request they pass on.
    pub proxies: Proxies,
    /// The name under which anybody may sign in without a password; `None`: nobody may.
    pub guest: Option<String>,
    /// What the page proposes to dial.
    pub dial_hints: Vec<DialHint>,
}

/// Something that can be dialled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DialHint {
    /// What to type.
    pub to: String,
    /// What one hears.
    pub text: String,
}

/// HTTP or HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP: on loopback, and behind a proxy that does TLS.
    Off,
    /// A certificate and its key, as PEM files.
    Files {
        /// The certificate, with those between it and the root after it.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// A self-signed certificate, made at the first start and kept in this directory.
    SelfSigned(PathBuf),
}

impl Tls {
    /// What fits an address if nothing is said: browsers give a page the microphone over plain HTTP on
    /// loopback only (Secure Contexts §3.1).
    pub fn fitting(listen: SocketAddr, state: PathBuf) -> Tls {
        if listen.ip().is_loopback() { Tls::Off } else { Tls::SelfSigned(state) }
    }
}
