//! Which way the media of a call goes.

use serde::{Deserialize, Serialize};

/// Which way the media of a call may go, by the dialplan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaPolicy {
    /// Direct where both sides can and one of them gets through any NAT by itself (see
    /// [`Abilities::traverses`](super::Abilities::traverses)), otherwise by the relay.
    #[default]
    Auto,
    /// Direct, or not at all.
    Direct,
    /// By the relay.
    Relay,
}

impl MediaPolicy {
    /// Every policy.
    pub const ALL: [MediaPolicy; 3] = [MediaPolicy::Auto, MediaPolicy::Direct, MediaPolicy::Relay];

    /// The name in the dialplan: `auto`.
    pub fn name(self) -> &'static str {
        match self {
            MediaPolicy::Auto => "auto",
            MediaPolicy::Direct => "direct",
            MediaPolicy::Relay => "relay",
        }
    }

    /// The policy of that name.
    pub fn by_name(name: &str) -> Option<MediaPolicy> {
        MediaPolicy::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// Which way the media of a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaPath {
    /// From endpoint to endpoint: the gateway sees none of it and has no key.
    Direct,
    /// Through the relay.
    Relayed,
}
