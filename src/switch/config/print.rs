//! The effective configuration, as a file that could be read again.

use std::fmt::Write;
use std::path::Path;

use super::transports::ANY;
use super::{Config, LogFormat, Tls, guarding, identity};
use crate::base::settings::print_duration;
use crate::jingle::config::{Connection, Login, Security};
use crate::media::config::RelayConfig;
use crate::model::{IceMode, SrtpPolicy};
use crate::route::{Rule, guard, services};
use crate::sip::config::{CallerPolicy, HostPort, IdentityForm, Own, Trunk};

/// What is printed for a secret.
const HIDDEN: &str = "(hidden)";

/// A table of the file, as lines.
pub(super) struct Table(pub(super) String);

impl Table {
    pub(super) fn new(title: &str) -> Table {
        Table(format!("\n{title}\n"))
    }

    pub(super) fn raw(mut self, key: &str, value: impl std::fmt::Display) -> Table {
        let _ = writeln!(self.0, "{key} = {value}");
        self
    }

    pub(super) fn text(self, key: &str, value: impl AsRef<str>) -> Table {
        let value = quoted(value.as_ref());
        self.raw(key, value)
    }

    pub(super) fn some(self, key: &str, value: Option<impl AsRef<str>>) -> Table {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    pub(super) fn list(self, key: &str, values: impl IntoIterator<Item = String>) -> Table {
        let values: Vec<String> = values.into_iter().map(|v| quoted(&v)).collect();
        if values.is_empty() { self } else { self.raw(key, format!("[{}]", values.join(", "))) }
    }

    /// A list whose absence would mean another.
    fn whole_list(self, key: &str, values: &[String]) -> Table {
        let values: Vec<String> = values.iter().map(|v| quoted(v)).collect();
        self.raw(key, format!("[{}]", values.join(", ")))
    }

    /// A certificate of ours and its key.
    fn own(self, own: Option<&Own>) -> Table {
        match own {
            Some(Own::Files { certificate, key }) => self.text("certificate", path(certificate)).text("key", path(key)),
            Some(Own::SelfSigned(_)) => {
                Table(self.0 + "# TLS with a self-signed certificate, kept in the state directory\n")
            }
            None => self,
        }
    }

    pub(super) fn flag(self, key: &str, value: bool) -> Table {
        if value { self.raw(key, true) } else { self }
    }
}

/// A string as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

pub(super) fn print(config: &Config) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "demo = {}", config.demo);
    let _ = writeln!(text, "state_directory = {}", quoted(&path(&config.state_directory)));
    for table in [sip(config), web(config), media(config), dialplan(config), others(config)] {
        text.push_str(&table);
    }
    for (name, file) in &config.sounds.files {
        text.push_str(&Table::new("[[sound]]").text("name", name).text("file", path(file)).0);
    }
    for (name, trunk) in &config.sip.trunks {
        text.push_str(&print_trunk(name, trunk, &config.routing.limits));
    }
    config.groups.values().for_each(|group| text.push_str(&group.print()));
    for connection in &config.xmpp.connections {
        text.push_str(&print_xmpp(connection));
    }
    for (name, user) in &config.directory.users {
        let table = Table::new("[[user]]").text("name", name).text("password", HIDDEN);
        let table = table.some("display", user.display.as_ref()).some("number", user.number.as_ref());
        text.push_str(&table.some("jid", user.jid.as_ref()).0);
    }
    text.push_str(&rules(config));
    text
}

fn sip(config: &Config) -> String {
    let sip = &config.sip;
    Table::new("[sip]")
        .list("listen", sip.listen.iter().map(|l| String::from(*l)))
        .some("advertise", sip.advertise.as_ref())
        .list("domains", sip.domains.iter().cloned())
        .list("name_servers", sip.name_servers.iter().map(ToString::to_string))
        .some("complaints", sip.complaints.as_ref())
        .flag("open", sip.open)
        .text("srtp", srtp(sip.srtp))
        .flag("srtp_over_plain", sip.srtp_over_plain)
        .text("dtmf", sip.dtmf.word())
        .raw("keep_sending", sip.keep_sending)
        .own(sip.tls.own.as_ref())
        .some("client_ca", sip.tls.client_ca.as_ref().map(|ca| path(ca)))
        .some("ca", sip.tls.ca.as_ref().map(|ca| path(ca)))
        .text("session_timer", sip.session_timer.mode.word())
        .text("session_expires", print_duration(sip.session_timer.expires))
        .0
        + &identity::print(&sip.stir)
}

fn srtp(policy: SrtpPolicy) -> &'static str {
    match policy {
        SrtpPolicy::Off => "off",
        SrtpPolicy::Optional => "optional",
        SrtpPolicy::Required => "required",
    }
}

fn web(config: &Config) -> String {
    let page = &config.page;
    let table = Table::new("[web]").text("listen", page.listen.to_string());
    let table = match &page.tls {
        Tls::Off => table,
        Tls::SelfSigned => Table(table.0 + "# HTTPS with a self-signed certificate, kept in the state directory\n"),
        Tls::Files { certificate, key } => table.text("certificate", path(certificate)).text("key", path(key)),
    };
    let proxies = page.proxies.networks().iter().map(ToString::to_string);
    table
        .list("origins", page.origins.iter().cloned())
        .list("trusted_proxies", proxies)
        .some("guest", config.web.guest.as_ref())
        .0
}

fn media(config: &Config) -> String {
    let media = &config.media;
    let bind = media.bind_v4.map(|a| a.to_string()).into_iter().chain(media.bind_v6.map(|a| a.to_string()));
    let advertised_v4 = media.advertised_v4.iter().map(ToString::to_string);
    let advertised_v6 = media.advertised_v6.iter().map(ToString::to_string);
    Table::new("[media]")
        .list("address", bind)
        .list("advertise", advertised_v4.chain(advertised_v6))
        .text("ports", format!("{}-{}", media.ports.start(), media.ports.end()))
        .raw("ice_port", media.ice_port)
        .text("ice", if config.web.offers.ice == IceMode::Full { "full" } else { "lite" })
        .raw("threads", media.shards)
        .text("driver", media.driver.name())
        .raw("opus_complexity", media.effort.complexity)
        .text("tones", config.sounds.zone.name())
        .some("hold_music", config.sounds.hold_music.as_ref().map(ToString::to_string))
        .0
        + &media.effort.bitrate.map(|bitrate| format!("opus_bitrate = {bitrate}\n")).unwrap_or_default()
        + &recording(media)
}

fn recording(media: &RelayConfig) -> String {
    let settings = super::recording::settings(media);
    let recording = settings.into_iter().fold(Table::new("[recording]"), |table, (key, value)| table.raw(key, value));
    let token = media.fork_token.as_ref().map(|_| format!("\n# [fork] token {HIDDEN}\n"));
    recording.0 + &token.unwrap_or_default()
}

fn dialplan(config: &Config) -> String {
    Table::new("[dialplan]")
        .some("directory", config.dialplan_directory.as_ref().map(|d| path(d)))
        .some("region", config.routing.numbering.region())
        .some("time_zone", config.routing.time_zone.iana_name())
        .some("expected", config.expected.as_ref().map(|e| path(e)))
        .0
}

fn others(config: &Config) -> String {
    let format = match config.log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    let records = config.records.as_ref().map_or_else(|| "off".to_owned(), |r| path(r));
    let log = Table::new("[log]").text("level", &config.log.level).text("format", format);
    let limits = Table::new("[limits]").raw("calls", config.limits.calls);
    let limits = limits.text("drain", print_duration(config.limits.drain));
    let limits = match config.limits.new_calls_per_second {
        Some(count) => limits.raw("new_calls_per_second", count),
        None => limits,
    };
    let used = &config.routing.limits;
    let limits = limits.whole_list("high_risk", &used.high_risk).0 + &guarding::print(used);
    let metrics = config.metrics.map(|listen| Table::new("[metrics]").text("listen", listen.to_string()).0);
    Table::new("[records]").text("file", records).0 + &metrics.unwrap_or_default() + &log.0 + &limits
}

fn print_trunk(name: &str, trunk: &Trunk, limits: &guard::Limits) -> String {
    let caller = match trunk.caller {
        CallerPolicy::OwnNumber => "own-number",
        CallerPolicy::PassThrough => "pass-through",
    };
    let table = Table::new("[[trunk]]")
        .text("name", name)
        .text("address", trunk.address.to_string())
        .text("transport", if trunk.profile.any_transport { ANY } else { trunk.transport.word() })
        .flag("tcp_for_large", trunk.tcp_for_large)
        .own(trunk.tls.own.as_ref())
        .some("ca", trunk.tls.ca.as_ref().map(|ca| path(ca)))
        .some("tls_name", trunk.tls.name.as_ref())
        .some("user", trunk.user.as_ref())
        .some("password", trunk.password.as_ref().map(|_| HIDDEN))
        .some("realm", trunk.realm.as_ref())
        .some("number", trunk.number.as_ref())
        .text("caller", caller)
        .some("from_domain", trunk.from_domain.as_ref())
        .flag("asserted_identity", trunk.asserted_identity)
        .flag("user_phone", trunk.user_phone)
        .flag("same_port", trunk.same_port)
        .flag("video", trunk.video)
        .text("srtp", srtp(trunk.srtp))
        .flag("srtp_over_plain", trunk.srtp_over_plain)
        .text("dtmf", trunk.dtmf.word())
        .raw("keep_sending", trunk.keep_sending)
        .text("session_timer", trunk.session_timer.mode.word())
        .text("session_expires", print_duration(trunk.session_timer.expires))
        .list("codecs", trunk.codecs.iter().cloned());
    let table = identity::print_trunk(print_profile(table, trunk), trunk.stir);
    guarding::print_trunk(table, name, limits).0
}

fn print_profile(table: Table, trunk: &Trunk) -> Table {
    let profile = &trunk.profile;
    table
        .flag("register", profile.register)
        .raw("register_expires", profile.expires_s)
        .some("account", profile.account.as_ref())
        .some("proxy", profile.proxy.as_ref().map(ToString::to_string))
        .some("health", profile.health.map(print_duration))
        .some("identity", profile.identity.map(IdentityForm::word))
        .text("number_format", profile.number_format.word())
        .text("diversion", profile.diversion.word())
        .flag("bulk", profile.bulk)
        .flag("outbound", profile.outbound)
        .flag("refer", profile.refer)
        .flag("user_to_user", profile.user_to_user)
}

fn print_xmpp(connection: &Connection) -> String {
    let table = Table::new("[[xmpp]]").text("name", &connection.name);
    let table = match &connection.login {
        Login::Component { domain, .. } => table.text("component", domain).text("secret", HIDDEN),
        Login::Client { jid, inbound, .. } => {
            table.text("login", jid.as_str()).text("password", HIDDEN).text("inbound", inbound.to_string())
        }
    };
    let server = connection.server.clone().map(|(host, port)| HostPort { host, port: Some(port) }.to_string());
    let tls = match connection.security {
        Security::Plain => "off",
        Security::StartTls => "starttls",
        Security::DirectTls => "direct",
    };
    table
        .some("server", server)
        .text("tls", tls)
        .some("ca", connection.ca.as_ref().map(|ca| path(ca)))
        .list("domains", connection.domains.iter().cloned())
        .flag("subscribe", connection.subscribe)
        .raw("video", connection.video)
        .0
}

/// Rules of the file itself are printed; those of the dialplan's own files stand there, and are only named.
fn rules(config: &Config) -> String {
    let mut named = String::from("\n# The rules, in order:\n");
    let mut own = String::new();
    for (index, rule) in config.routing.dialplan.rules().iter().enumerate() {
        let _ = writeln!(named, "#   {}  {}", rule.place, rule.name);
        if index >= config.rules_before {
            own.push_str(&print_rule(rule));
        }
    }
    named + &own
}

fn print_rule(rule: &Rule) -> String {
    let table = Table::new("[[rule]]");
    let table = if rule.name == rule.place { table } else { table.text("name", &rule.name) };
    let conditions = rule.when.conditions().map(|(key, value)| format!("{key} = {}", quoted(&value)));
    let conditions: Vec<String> = conditions.collect();
    let table =
        if conditions.is_empty() { table } else { table.raw("when", format!("{{ {} }}", conditions.join(", "))) };
    let mut table = table.flag("emergency", rule.emergency);
    for (key, value) in rule.then.settings().into_iter().chain(services::settings(&rule.services)) {
        table = table.raw(key, value);
    }
    table.0
}
