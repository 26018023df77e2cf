//! `patchcord relay`: the simplest border controller.

use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::media::codec::opus::{BITRATES, COMPLEXITY, Effort};
use crate::media::config::{Driver, RelayConfig};
use crate::model::Directory;
use crate::route::{Dialplan, Names, Numbering, guard};
use crate::sip::config::{HostPort, Listen, Trunk};
use crate::switch::config::{Log, LogFormat, Routing};
use crate::switch::supervisor::{Gateway, Parts};
use crate::{jingle, sip, web};

/// The trunk that all calls go to.
const TARGET: &str = "target";
/// The only rule there is.
const PLAN: &str = r#"
[[rule]]
name = "everything goes to the target"
when = { entry = "open|trunk" }
dial = ["trunk:target"]
number = "{dialled}"
"#;
/// The most calls at once.
const MOST_CALLS: usize = 20_000;
/// Two pairs a call.
const MEDIA_PORTS: RangeInclusive<u16> = 16_384..=65_533;

/// Where it listens, and where every call goes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where SIP listens: ADDRESS:PORT for UDP and TCP, or udp:ADDRESS:PORT, or tcp:ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS", required = true, value_parser = read_listen)]
    pub listen: Vec<Sockets>,
    /// Where every call goes: a host or an address, with a port if it is not 5060
    #[arg(long, value_name = "ADDRESS")]
    pub to: HostPort,
    /// Lets SRTP keys stand in descriptions though the signalling is not protected by TLS: for networks of one's own
    #[arg(long)]
    pub srtp_over_plain: bool,
    /// How media reach the network: auto, epoll or io_uring
    #[arg(long, value_name = "WAY", default_value = "auto", value_parser = read_driver)]
    pub driver: Driver,
    /// How hard Opus is encoded where speech is translated, 0 to 10
    #[arg(long, value_name = "NUMBER", default_value_t = COMPLEXITY, value_parser = clap::value_parser!(u8).range(0..=10))]
    pub opus_complexity: u8,
    /// The bits a second of such Opus, 6000 to 64000, unless a peer wants fewer
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(i64::from(*BITRATES.start())..=i64::from(*BITRATES.end())))]
    pub opus_bitrate: Option<i32>,
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

fn read_driver(text: &str) -> Result<Driver, String> {
    Driver::parse(text).ok_or_else(|| "write auto, epoll or io_uring".to_owned())
}

/// Runs the relay.
///
/// # Errors
/// What keeps it from starting, for a person.
pub fn relay(arguments: &Arguments) -> Result<(), String> {
    super::log::start(&Log { level: "warn".into(), format: LogFormat::Text })?;
    let listen: Vec<Listen> = arguments.listen.iter().flat_map(|sockets| sockets.0.clone()).collect();
    super::runtime()?.block_on(async {
        let run = async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let gateway = Gateway::start(parts(listen, arguments)?).await?;
            let listens: Vec<String> = gateway.sip_listens.iter().map(|l| String::from(*l)).collect();
            super::print(&format!("Patchcord relays SIP from {} to {}.\n", listens.join(" "), arguments.to));
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            gateway.drain(Duration::ZERO, std::future::pending()).await;
            Ok::<(), io::Error>(())
        };
        run.await.map_err(|e| e.to_string())
    })
}

fn parts(listen: Vec<Listen>, arguments: &Arguments) -> io::Result<Parts> {
    let names = Names { trunks: vec![TARGET.into()], ..Names::default() };
    let dialplan = Dialplan::read([("relay", PLAN)], &names).map_err(|e| io::Error::other(e.to_string()))?;
    let address = |ipv6: bool| listen.iter().map(|l| l.address.ip()).find(|ip| ip.is_ipv6() == ipv6);
    let relay = RelayConfig {
        bind_v4: address(false).and_then(|ip| if let IpAddr::V4(v4) = ip { Some(v4) } else { None }),
        bind_v6: address(true).and_then(|ip| if let IpAddr::V6(v6) = ip { Some(v6) } else { None }),
        ports: MEDIA_PORTS,
        driver: arguments.driver,
        effort: Effort { complexity: arguments.opus_complexity, bitrate: arguments.opus_bitrate },
        ..RelayConfig::loopback()
    };
    let target = Trunk { srtp_over_plain: arguments.srtp_over_plain, ..Trunk::at(arguments.to.clone()) };
    let sip = sip::config::Config {
        listen,
        open: true,
        srtp_over_plain: arguments.srtp_over_plain,
        trunks: [(TARGET.to_owned(), target)].into(),
        ..sip::config::Config::default()
    };
    let routing = Routing {
        dialplan,
        numbering: Numbering::default(),
        time_zone: jiff::tz::TimeZone::UTC,
        domains: Vec::new(),
        hold_music: None,
        // Whoever sends the calls knows who is calling: here all of them are strangers.
        limits: guard::Limits::none(),
    };
    Ok(Parts {
        sounds: Arc::default(),
        sip,
        web: web::Config::default(),
        xmpp: jingle::config::Config::default(),
        relay,
        routing,
        directory: Directory::default(),
        most_calls: MOST_CALLS,
        new_calls_per_second: None,
        records: None,
        state: PathBuf::new(),
    })
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
