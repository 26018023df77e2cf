//! `patchcord relay`: the simplest border controller.

use crate::sip::config::{HostPort, Listen};

/// Where it listens, and where every call goes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where SIP listens: ADDRESS:PORT for UDP and TCP, or udp:ADDRESS:PORT, or tcp:ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS", required = true, value_parser = read_listen)]
    pub listen: Vec<Sockets>,
    /// Where every call goes: a host or an address, with a port if it is not 5060
    #[arg(long, value_name = "ADDRESS")]
    pub to: HostPort,
}

/// The sockets of one `--listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sockets(pub Vec<Listen>);

fn read_listen(text: &str) -> Result<Sockets, String> {
    let both =
        || -> Option<Vec<Listen>> { ["udp", "tcp"].map(|t| format!("{t}:{text}").parse().ok()).into_iter().collect() };
    let one = text.parse::<Listen>().ok().map(|listen| vec![listen]);
    one.or_else(both).map(Sockets).ok_or_else(|| "write ADDRESS:PORT, such as 127.0.0.1:5060".to_owned())
}

/// Runs the relay.
///
/// # Errors
/// What keeps it from starting, for a person.
pub fn relay(arguments: &Arguments) -> Result<(), String> {
    let _ = (&arguments.listen, &arguments.to);
    Err("the relay cannot be run yet".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_alone_means_udp_and_tcp() {
        let listen = |text: &str| read_listen(text).map(|s| s.0.into_iter().map(String::from).collect::<Vec<_>>());
        assert_eq!(listen("127.0.0.1:5060"), Ok(vec!["udp:127.0.0.1:5060".into(), "tcp:127.0.0.1:5060".into()]));
        assert_eq!(listen("udp:[::1]:5060"), Ok(vec!["udp:[::1]:5060".into()]));
        assert!(listen("localhost").is_err());
    }
}
