//! Certificates: which are shown, and which are believed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What protects the streams of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// What we show to whoever connects; needed where a socket listens by TLS.
    pub own: Option<Own>,
    /// Roots, as a PEM file. Whoever connects by TLS has to show a certificate that comes from one of them (mutual
    /// TLS); browsers need not.
    pub client_ca: Option<PathBuf>,
    /// Roots that are believed besides the system's when we connect, as a PEM file.
    pub ca: Option<PathBuf>,
}

/// A certificate of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Own {
    /// PEM files.
    Files {
        /// The certificate, with those between it and the root after it.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// Made here at the first start, signed by nobody but itself, and kept in this directory.
    SelfSigned(PathBuf),
}

/// Certificates towards one trunk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrunkTls {
    /// What we show when we connect, if the trunk asks (mutual TLS).
    pub own: Option<Own>,
    /// Roots that alone are believed of this trunk, as a PEM file; without it the endpoint's.
    pub ca: Option<PathBuf>,
    /// The name that its certificate has to carry, letter by letter; without it the trunk's host (RFC 5922 §7). The only
    /// way to a certificate with an asterisk in it, which RFC 5922 §7.2 does not allow.
    pub name: Option<String>,
}
