//! What the browsers' endpoint is told at its start.

use serde::{Deserialize, Serialize};

use crate::base::Secret;
use crate::model::LegSpec;

/// The settings of the browsers' endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What media leg we offer to a browser: ICE-lite or full, IPv4 or IPv6.
    pub offers: LegSpec,
    /// The name under which anybody may sign in without a password; `None`: nobody may.
    pub guest: Option<String>,
    /// What a page hands to its `RTCPeerConnection`, besides the candidates of the gateway itself.
    pub ice_servers: Vec<IceServer>,
    /// How many connections may be open at once; above it a new one is closed with 1013.
    pub max_connections: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config { offers: LegSpec::BROWSER, guest: None, ice_servers: Vec::new(), max_connections: 4096 }
    }
}

/// A STUN or TURN server, as `RTCIceServer` (WebRTC §4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IceServer {
    /// `stun:…`, `turn:…`, `turns:…`.
    pub urls: Vec<String>,
    /// The user name on a TURN server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password on a TURN server; hidden wherever it is printed but in the page's own `welcome`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Secret>,
}
