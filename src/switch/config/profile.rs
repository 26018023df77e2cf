//! What differs from carrier to carrier: how a trunk is registered at, asked after and told of callers.

use std::time::Duration;

use crate::base::settings::Section;
use crate::sip::config::{DiversionForm, HostPort, IdentityForm, NumberFormat, Profile};

/// For how long we may ask to be registered, in seconds.
const EXPIRES_S: std::ops::RangeInclusive<u64> = 60..=86_400;
/// How often a carrier may be asked whether it is there.
const HEALTH: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(3600);

/// A style of carriers: what is set of what is not written.
fn preset(name: &str) -> Option<Profile> {
    let profile = Profile::default();
    let health = Some(Duration::from_secs(60));
    match name {
        "registration" => Some(Profile { register: true, ..profile }),
        "static-ip" => Some(Profile { health, ..profile }),
        // SIPconnect 2.0: numbers in E.164, the caller asserted, registered by its account.
        "sipconnect" => Some(Profile { register: true, identity: Some(IdentityForm::Pai), ..profile }),
        "exchange" => {
            let diversion = DiversionForm::Diversion;
            Some(Profile { health, identity: Some(IdentityForm::Rpid), diversion, ..profile })
        }
        _ => None,
    }
}

/// Reads the profile of a trunk.
pub(super) fn read_profile(section: &mut Section<'_>) -> Profile {
    let wanted = "\"registration\", \"static-ip\", \"sipconnect\" or \"exchange\"";
    let set = section.value("preset", wanted, preset).map(|p| p.value).unwrap_or_default();
    let register = section.flag("register").map_or(set.register, |f| f.value);
    let expires_s = section.integer("register_expires", EXPIRES_S);
    let account = section.text("account", "the user part of the address to register").map(|a| a.value);
    let wanted = "a host or an address, with a port if it is not 5060, such as \"proxy.example.org\"";
    let proxy = section.value("proxy", wanted, |text| text.parse::<HostPort>().ok()).map(|p| p.value);
    let health = section.duration("health", HEALTH).map(|d| d.value);
    let identity = section.value("identity", "\"from\", \"pai\", \"ppi\" or \"rpid\"", IdentityForm::by_word);
    let number_format = section.value("number_format", "\"e164\", \"plain\" or \"00\"", NumberFormat::by_word);
    let wanted = "\"none\", \"diversion\" or \"history-info\"";
    let diversion = section.value("diversion", wanted, DiversionForm::by_word);
    let bulk = section.flag("bulk");
    if let Some(bulk) = bulk.as_ref().filter(|bulk| bulk.value && !register) {
        section.sheet().complain(bulk.at, "`bulk` is a way of registering: write `register = true` too");
    }
    let outbound = section.flag("outbound");
    if let Some(outbound) = outbound.as_ref().filter(|outbound| outbound.value && !register) {
        section.sheet().complain(outbound.at, "`outbound` is a way of registering: write `register = true` too");
    }
    let user_to_user = section.flag("user_to_user").map_or(set.user_to_user, |f| f.value);
    let refer = section.flag("refer").map_or(set.refer, |f| f.value);
    Profile {
        register,
        expires_s: expires_s.and_then(|e| u32::try_from(e.value).ok()).unwrap_or(set.expires_s),
        account,
        proxy,
        any_transport: false,
        health: health.or(set.health),
        identity: identity.map(|i| i.value).or(set.identity),
        number_format: number_format.map_or(set.number_format, |n| n.value),
        diversion: diversion.map_or(set.diversion, |d| d.value),
        bulk: bulk.map_or(set.bulk, |b| b.value),
        outbound: outbound.map_or(set.outbound, |o| o.value),
        refer,
        user_to_user,
    }
}
