//! From the configuration to what each room is told.

use std::net::SocketAddr;

use crate::demo;
use crate::http::{DialHint, HttpConfig, Tls};
use crate::sip::config::{HostPort, Trunk};
use crate::switch::config::{self, Config, DEMO_TRUNK};
use crate::switch::supervisor::Parts;

/// What each room is told, with the demo trunk at this address, if there is one.
pub fn of(config: &Config, demo: Option<SocketAddr>) -> Parts {
    let mut sip = config.sip.clone();
    if let Some(address) = demo {
        sip.trunks.insert(DEMO_TRUNK.to_owned(), Trunk::at(HostPort::from(address)));
    }
    Parts {
        sip,
        web: config.web.clone(),
        xmpp: config.xmpp.clone(),
        relay: config.media.clone(),
        sounds: config.sounds.library.clone(),
        routing: config.routing.clone(),
        directory: config.directory.clone(),
        most_calls: config.limits.calls,
        new_calls_per_second: config.limits.new_calls_per_second,
        records: config.records.clone(),
        state: config.state_directory.clone(),
    }
}

/// What the HTTP server is told.
pub fn http(config: &Config) -> HttpConfig {
    HttpConfig {
        listen: config.page.listen,
        tls: match &config.page.tls {
            config::Tls::Off => Tls::Off,
            config::Tls::SelfSigned => Tls::SelfSigned(config.state_directory.clone()),
            config::Tls::Files { certificate, key } => {
                Tls::Files { certificate: certificate.clone(), key: key.clone() }
            }
        },
        origins: config.page.origins.clone(),
        proxies: config.page.proxies.clone(),
        guest: config.web.guest.clone(),
        dial_hints: if config.demo { hints() } else { Vec::new() },
    }
}

/// What can be dialled in the demonstration.
pub fn hints() -> Vec<DialHint> {
    let echo = DialHint { to: "echo".into(), text: "Hear yourself".into() };
    let numbers = demo::NUMBERS.iter().map(|n| DialHint { to: n.number.into(), text: n.sentence.into() });
    std::iter::once(echo).chain(numbers).collect()
}
