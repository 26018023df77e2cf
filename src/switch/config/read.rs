//! The file as a whole, and its small sections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sounds::SoundFiles;
use super::{
    Config, DEMO_TRUNK, Limits, Log, LogFormat, Page, Tls, guarding, identity, metrics, people, recording, routing,
    sounds, transports, users, xmpp,
};
use crate::base::Proxies;
use crate::base::settings::{Located, Problem, Problems, Section, Sheet};
use crate::media::codec::opus::{BITRATES, COMPLEXITY, Effort};
use crate::media::config::{Driver, MAX_SHARDS, RecordingConfig, RelayConfig};
use crate::model::{IceMode, LegSpec};
use crate::route::{Names, group};
use crate::{sip, web};

/// The most origins, domains and addresses of one key.
const MAX_LIST: usize = 64;

const WEB_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const PORTS: RangeInclusive<u16> = 20_000..=29_999;
const ICE_PORT: u16 = 30_000;
const CALLS: usize = 1000;
const DRAIN: Duration = Duration::from_secs(60);

pub(super) fn read(file: &str, text: &str, folder: &Path, files: SoundFiles) -> Result<Config, Problems> {
    let sheet = Sheet::new(file, text);
    let mut others = Vec::new();
    let config = read_root(&mut sheet.open(), folder, files, &mut others);
    let mut problems = sheet.into_problems();
    problems.extend(others);
    if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
}

fn read_root(root: &mut Section<'_>, folder: &Path, files: SoundFiles, others: &mut Vec<Problem>) -> Config {
    let demo = root.flag("demo").is_some_and(|d| d.value);
    let state_directory = read_path(root, "state_directory", folder).map_or_else(default_state_directory, |d| d.value);
    let (mut sip, sip_at) = read_sip(&mut root.section("sip"), folder, &state_directory);
    sip.stir = identity::read(&mut root.section("stir"), folder);
    let (page, guest) = read_page(&mut root.section("web"), folder);
    let mut media_section = root.section("media");
    let sounds = sounds::read(root, &mut media_section, folder, files);
    let (mut media, ice) = read_media(&mut media_section, &sip, &page);
    drop(media_section);
    media.recording = recording::read_recording(&mut root.section("recording"), folder, &state_directory);
    media.fork_token = recording::read_fork(&mut root.section("fork"), folder);
    if sip.advertise.is_none() && sip.listen.iter().any(|l| l.address.ip().is_unspecified()) {
        sip.advertise = media.advertised(media.bind_v4.is_none()).first().map(ToString::to_string);
        if sip.advertise.is_none() {
            let advice = "write `advertise`, the address that phones and trunks reach you at";
            root.sheet().complain(sip_at, format!("SIP listens on every address: {advice}"));
        }
    }

    let open_to_others = !page.listen.ip().is_loopback() || sip.listen.iter().any(|l| !l.address.ip().is_loopback());
    let mut planning = routing::begin(&mut root.section("dialplan"), folder);
    let speaks_xmpp = root.has("xmpp");
    let mut xmpp = xmpp::connections(root, folder);
    xmpp.name_servers = sip.name_servers.clone();
    let around = users::Around { folder, numbering: &planning.numbering, open_to_others, xmpp: &xmpp };
    let users::Users { directory, names: users } = users::users(root, &around, others);
    let mut limits_section = root.section("limits");
    let mut used = guarding::read_limits(&mut limits_section);
    let limits = read_limits(&mut limits_section);
    drop(limits_section);
    let (trunks, mut trunk_names) = people::trunks(root, folder, &planning.numbering, &mut used);
    sip.trunks = trunks;
    transports::check(root, &sip);
    identity::check(root, &sip);
    sip.origins = page.origins.clone();
    sip.proxies = page.proxies.clone();
    sip.ice = ice;
    if demo {
        if trunk_names.iter().any(|name| name == DEMO_TRUNK) {
            root.complain("there is a trunk called `demo` and `demo = true`: give the trunk another name");
        }
        trunk_names.push(DEMO_TRUNK.to_owned());
        used.free.insert(DEMO_TRUNK.to_owned());
    }
    check_guest(root.sheet(), guest.as_ref(), &page, &users);
    let groups = group::read(root, &trunk_names);
    let names = Names {
        users,
        trunks: trunk_names,
        demo: Some(DEMO_TRUNK.to_owned()),
        xmpp: speaks_xmpp,
        sounds: sounds.names(),
        groups: groups.clone(),
    };
    planning.read_rules(root, &names, demo, others);

    let records = read_records(&mut root.section("records"), folder, &state_directory);
    let metrics = metrics::read(&mut root.section("metrics"), &page);
    let log = read_log(&mut root.section("log"));
    let ipv6 = media.bind_v4.is_none();
    let offers = LegSpec { ice, ipv6, ..LegSpec::BROWSER };
    let web = web::config::Config { offers, guest: guest.map(|g| g.value), ..web::config::Config::default() };
    let planned = planning.finish(xmpp.component_domains(), sounds.hold_music.clone(), used);
    Config {
        file: None,
        sip,
        page,
        web,
        xmpp,
        media,
        sounds,
        directory,
        routing: planned.routing,
        groups,
        dialplan_directory: planned.directory,
        rules_before: planned.rules_before,
        expected: planned.expected,
        demo,
        records,
        metrics,
        log,
        limits,
        state_directory,
    }
}

/// A path, taken from the folder of the file if it is relative.
pub(super) fn read_path(section: &mut Section<'_>, key: &'static str, folder: &Path) -> Option<Located<PathBuf>> {
    let text = section.text(key, "a path, from the folder of this file or from the root")?;
    Some(Located { value: folder.join(&text.value), at: text.at })
}

fn default_state_directory() -> PathBuf {
    let directory = |name: &str| std::env::var_os(name).filter(|d| !d.is_empty()).map(PathBuf::from);
    directory("XDG_STATE_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".local/state")))
        .map_or_else(|| PathBuf::from("patchcord-state"), |state| state.join("patchcord"))
}

fn read_sip(section: &mut Section<'_>, folder: &Path, state: &Path) -> (sip::config::Config, usize) {
    let listen = transports::read_listen(section);
    let tls = transports::read_tls(section, folder, &listen, state);
    let advertise = section.value("advertise", "a host name or an address, such as \"203.0.113.7\"", read_host);
    let domains = section.values("domains", "a domain, such as \"example.org\"", MAX_LIST, read_host);
    let open = section.flag("open").is_some_and(|o| o.value);
    let wanted = "where a caller who is blocked may complain, such as \"https://example.org/card\"";
    let complaints = section.value("complaints", wanted, identity::read_url);
    let config = sip::config::Config {
        listen,
        advertise: advertise.map(|a| a.value),
        domains: domains.unwrap_or_default().into_iter().map(|d| d.value).collect(),
        open,
        srtp: people::read_srtp(section),
        srtp_over_plain: section.flag("srtp_over_plain").is_some_and(|f| f.value),
        dtmf: people::read_dtmf(section),
        keep_sending: section.flag("keep_sending").is_none_or(|f| f.value),
        tls,
        session_timer: people::read_session_timer(section),
        name_servers: transports::read_name_servers(section),
        complaints: complaints.map(|c| c.value),
        ..sip::config::Config::default()
    };
    (config, section.at())
}

/// A host name or an address, without a port.
fn read_host(text: &str) -> Option<String> {
    let is_name = text.contains(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    (is_name || text.parse::<IpAddr>().is_ok()).then(|| text.to_ascii_lowercase())
}

fn read_page(section: &mut Section<'_>, folder: &Path) -> (Page, Option<Located<String>>) {
    let listen = section.value("listen", "an address and a port, such as \"127.0.0.1:8080\"", |t| t.parse().ok());
    let listen = listen.map_or(WEB_LISTEN, |l| l.value);
    let certificate = read_path(section, "certificate", folder);
    let key = read_path(section, "key", folder);
    for file in [&certificate, &key].into_iter().flatten() {
        if let Err(error) = super::read_file(&file.value) {
            section.sheet().complain(file.at, format!("`{}` {error}", file.value.display()));
        }
    }
    let tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Tls::Files { certificate: certificate.value, key: key.value },
        (Some(one), None) => {
            section.sheet().complain(one.at, "a certificate without its key: write `key` too");
            Tls::Off
        }
        (None, Some(one)) => {
            section.sheet().complain(one.at, "a key without its certificate: write `certificate` too");
            Tls::Off
        }
        (None, None) if listen.ip().is_loopback() => Tls::Off,
        (None, None) => Tls::SelfSigned,
    };
    let wanted = "an origin, such as \"https://example.org\" (scheme, host, port if unusual, nothing behind)";
    let origins = section.values("origins", wanted, MAX_LIST, |text| {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let good = !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '*']);
        good.then(|| text.to_ascii_lowercase())
    });
    let wanted = "addresses of proxies, such as [\"127.0.0.1\", \"10.0.0.0/8\"]";
    let proxies = section.values("trusted_proxies", wanted, MAX_LIST, |text| text.parse().ok()).unwrap_or_default();
    let proxies = Proxies::new(proxies.into_iter().map(|network| network.value).collect());
    let guest = section.text("guest", "the name of a user");
    let origins = origins.unwrap_or_default().into_iter().map(|o| o.value).collect();
    (Page { listen, tls, origins, proxies }, guest)
}

fn check_guest(
    sheet: &Sheet<'_>,
    guest: Option<&Located<String>>,
    page: &Page,
    users: &std::collections::BTreeSet<String>,
) {
    let Some(guest) = guest else { return };
    if !page.listen.ip().is_loopback() {
        let advice = "leave `guest` out, or let the page listen on 127.0.0.1";
        sheet.complain(guest.at, format!("anybody who reaches the page could call: {advice}"));
    }
    if !users.contains(&guest.value) {
        sheet.complain(guest.at, format!("there is no user `{}`: write a [[user]] of this name", guest.value));
    }
}

fn read_media(section: &mut Section<'_>, sip: &sip::config::Config, page: &Page) -> (RelayConfig, IceMode) {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    let wanted = "an IP address, such as \"203.0.113.7\", or one of each family";
    let given = section.values("address", wanted, 2, address);
    let advertise = section.values("advertise", wanted, MAX_LIST, address).unwrap_or_default();
    let advertise: Vec<IpAddr> = advertise.into_iter().map(|a| a.value).collect();
    let ports = section.value("ports", "a range of ports, such as \"20000-29999\"", read_ports);
    let ice_port = section.integer("ice_port", 0..=u64::from(u16::MAX));
    let threads = section.integer("threads", 1..=MAX_SHARDS as u64);
    let driver = section.value("driver", "\"auto\", \"epoll\" or \"io_uring\"", Driver::parse);
    let effort = read_effort(section);
    let ice = section.value("ice", "\"lite\" or \"full\" (behind a NAT)", |text| match text {
        "lite" => Some(IceMode::Lite),
        "full" => Some(IceMode::Full),
        _ => None,
    });

    let addresses: Vec<IpAddr> = match &given {
        Some(given) => given.iter().map(|a| a.value).collect(),
        None => bind_addresses(sip.listen.iter().map(|l| l.address.ip()).chain([page.listen.ip()])),
    };
    let bind_v4 = addresses.iter().find_map(|a| if let IpAddr::V4(a) = a { Some(*a) } else { None });
    let bind_v6 = addresses.iter().find_map(|a| if let IpAddr::V6(a) = a { Some(*a) } else { None });
    if given.is_some_and(|g| g.len() != usize::from(bind_v4.is_some()) + usize::from(bind_v6.is_some())) {
        section.complain(format!("`address` has two of one family: write {wanted}"));
    }
    let mut media = RelayConfig {
        bind_v4,
        bind_v6,
        advertised_v4: advertise.iter().filter_map(|a| if let IpAddr::V4(a) = a { Some(*a) } else { None }).collect(),
        advertised_v6: advertise.iter().filter_map(|a| if let IpAddr::V6(a) = a { Some(*a) } else { None }).collect(),
        ports: ports.map_or(PORTS, |p| p.value),
        ice_port: 0,
        shards: 1,
        driver: driver.map_or(Driver::Auto, |d| d.value),
        effort,
        recording: RecordingConfig::default(),
        fork_token: None,
    };
    advertise_own(section, &mut media);
    let is_local = addresses.iter().all(IpAddr::is_loopback);
    media.ice_port = match ice_port {
        Some(port) => u16::try_from(port.value).unwrap_or(0),
        None => {
            if is_local {
                0
            } else {
                ICE_PORT
            }
        }
    };
    let cores = || std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_SHARDS));
    media.shards = threads.map_or_else(cores, |t| usize::try_from(t.value).unwrap_or(1));
    (media, ice.map_or(IceMode::Lite, |i| i.value))
}

fn read_effort(section: &mut Section<'_>) -> Effort {
    let complexity = section.integer("opus_complexity", 0..=10).and_then(|c| u8::try_from(c.value).ok());
    let bitrate =
        section.integer("opus_bitrate", BITRATES.start().unsigned_abs().into()..=BITRATES.end().unsigned_abs().into());
    Effort { complexity: complexity.unwrap_or(COMPLEXITY), bitrate: bitrate.and_then(|b| i32::try_from(b.value).ok()) }
}

/// Where media is received if nothing is said: wherever signalling is. Of each family every address, as soon
/// as there are two.
fn bind_addresses(signalling: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for ip in signalling {
        match found.iter_mut().find(|f| f.is_ipv4() == ip.is_ipv4()) {
            Some(known) if *known == ip => {}
            Some(IpAddr::V4(known)) => *known = Ipv4Addr::UNSPECIFIED,
            Some(IpAddr::V6(known)) => *known = Ipv6Addr::UNSPECIFIED,
            None => found.push(ip),
        }
    }
    found
}

/// Where media is received on every address, peers must be told one: this machine's, unless the file says.
fn advertise_own(section: &Section<'_>, media: &mut RelayConfig) {
    let advice =
        "media is received on every address: write `advertise` in [media], the address that peers reach you at";
    if media.bind_v4.is_some_and(|a| a.is_unspecified()) && media.advertised_v4.is_empty() {
        match own_address("0.0.0.0:0", "192.0.2.1:9") {
            Some(IpAddr::V4(own)) => media.advertised_v4.push(own),
            _ => section.complain(advice),
        }
    }
    if media.bind_v6.is_some_and(|a| a.is_unspecified()) && media.advertised_v6.is_empty() {
        match own_address("[::]:0", "[2001:db8::1]:9") {
            Some(IpAddr::V6(own)) => media.advertised_v6.push(own),
            _ => section.complain(advice),
        }
    }
}

/// The address by which this machine would send to the outside. Nothing is sent.
fn own_address(any: &str, outside: &str) -> Option<IpAddr> {
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(outside).ok()?;
    socket.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_unspecified())
}

fn read_ports(text: &str) -> Option<RangeInclusive<u16>> {
    const FEWEST: u16 = 10;
    let (low, high) = text.split_once('-')?;
    let (low, high): (u16, u16) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    (low >= 1024 && high.checked_sub(low)? >= FEWEST).then_some(low..=high)
}

fn read_records(section: &mut Section<'_>, folder: &Path, state: &Path) -> Option<PathBuf> {
    match read_path(section, "file", folder) {
        Some(file) if file.value == folder.join("off") => None,
        Some(file) => Some(file.value),
        None => Some(state.join("calls.jsonl")),
    }
}

fn read_log(section: &mut Section<'_>) -> Log {
    let wanted = "a level, such as \"info\" or \"info,patchcord::sip=debug\"";
    let level = section.value("level", wanted, |text| {
        let good = text.parse::<tracing_subscriber::filter::Targets>().is_ok() && !text.is_empty();
        good.then(|| text.to_owned())
    });
    let format = section.value("format", "\"text\" or \"json\"", |text| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    Log {
        level: level.map_or_else(|| "info".to_owned(), |l| l.value),
        format: format.map_or(LogFormat::Text, |f| f.value),
    }
}

fn read_limits(section: &mut Section<'_>) -> Limits {
    let calls = section.integer("calls", 1..=1_000_000).map_or(CALLS, |c| usize::try_from(c.value).unwrap_or(CALLS));
    let drain = section.duration("drain", Duration::ZERO..=Duration::from_secs(24 * 3600));
    let a_second = section.integer("new_calls_per_second", 1..=1_000_000);
    let new_calls_per_second = a_second.and_then(|count| u32::try_from(count.value).ok());
    Limits { calls, drain: drain.map_or(DRAIN, |d| d.value), new_calls_per_second }
}
