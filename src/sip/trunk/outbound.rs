//! What a registration says of its flow, so that the carrier calls us by it (RFC 5626 §4.2).

use std::fmt;
use std::time::Duration;

use sha1::{Digest, Sha1};

use crate::base::Dice;
use crate::sip::config::{Config, Trunk};
use crate::sip::message::{Name, NameAddr, Response};

/// The option tag (RFC 5626 §11.4).
pub const OPTION: &str = "outbound";
/// The one flow that we have to a carrier (RFC 5626 §4.2.1).
const REG_ID: &str = "1";
/// The status of a registrar that was reached by a proxy which keeps no flows (RFC 5626 §11.6).
pub const LACKS_OUTBOUND: u16 = 439;
/// What names of instances are made under (RFC 9562 §5.5): a number of our own.
const NAMESPACE: u128 = 0x6f2c_90d4_5b1e_4e0a_9d3c_7a86_12f0_b45e;
/// A `Flow-Timer` counts as at least this, so that nobody is asked all the time.
const LEAST_TIMER_S: u64 = 2;
/// And as at most this.
const MOST_TIMER_S: u64 = 3600;

/// Which device we are to a registrar (RFC 5626 §4.1): `urn:uuid:…`, which a registration with another `Call-ID` or by
/// another way takes the place of its predecessor by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance(u128);

impl Instance {
    /// The one of a gateway at a trunk: the same after each start, as long as both are called and reached as they are.
    /// Two gateways with one account at one carrier differ, unless they share their addresses too.
    pub fn of(config: &Config, name: &str, trunk: &Trunk) -> Instance {
        let mut hash = Sha1::new();
        hash.update(NAMESPACE.to_be_bytes());
        let account = trunk.profile.account.as_ref().or(trunk.user.as_ref()).map(String::as_str).unwrap_or_default();
        let listen = config.listen.iter().map(|listen| String::from(*listen));
        let parts = [name, account, config.advertise.as_deref().unwrap_or_default()].map(str::to_owned);
        let parts = parts.into_iter().chain([trunk.address.to_string()]).chain(config.domains.iter().cloned());
        for part in parts.chain(listen) {
            hash.update(part);
            hash.update([0]);
        }
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Instance::with_version(bytes, 5)
    }

    /// One that nobody has, for a registration beside that of the gateway (version 4).
    pub fn random(dice: &mut Dice) -> Instance {
        let mut bytes = [0; 16];
        dice.fill(&mut bytes);
        Instance::with_version(bytes, 4)
    }

    fn with_version(bytes: [u8; 16], version: u128) -> Instance {
        let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62);
        Instance(bits | (version << 76) | (0b10 << 62))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let part = |from, to| digits.get(from..to).unwrap_or_default();
        write!(f, "urn:uuid:{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }
}

/// That a carrier calls us by the flow of a registration, and so counts on it to be kept (RFC 5626 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Within which time it wants to hear of us (`Flow-Timer`), if it says one.
    pub flow_timer: Option<Duration>,
}

/// What a registration asks of its carrier, and whether it still does.
#[derive(Debug)]
pub struct Outbound {
    instance: Instance,
    /// The first hop lacks it, so that it is not asked for.
    is_lacking: bool,
    is_told: bool,
}

impl Outbound {
    /// Asks.
    pub fn new(instance: Instance) -> Outbound {
        Outbound { instance, is_lacking: false, is_told: false }
    }

    /// Whether the carrier is asked.
    pub fn is_asked(&self) -> bool {
        !self.is_lacking
    }

    /// Says in the contact of a REGISTER which device and flow it is of (RFC 5626 §4.2.1).
    pub fn mark(&self, contact: &mut NameAddr) {
        contact.params.set("+sip.instance", format!("\"<{}>\"", self.instance));
        contact.params.set("reg-id", REG_ID);
    }

    /// The first hop lacks it (RFC 5626 §6); whether that is news.
    pub fn refuse(&mut self) -> bool {
        !std::mem::replace(&mut self.is_lacking, true)
    }

    /// Another flow is to be made, perhaps by another first hop: asks anew.
    pub fn renew(&mut self) {
        self.is_lacking = false;
    }

    /// What a 200 says to it (RFC 5626 §4.2.1, §6).
    pub fn read(&self, response: &Response) -> Option<Kept> {
        let is_kept = self.is_asked() && response.headers.require().any(|tag| tag.eq_ignore_ascii_case(OPTION));
        let timer = || response.headers.get(&Name::FlowTimer)?.trim().parse::<u64>().ok();
        let timer = || timer().map(|timer_s| Duration::from_secs(timer_s.clamp(LEAST_TIMER_S, MOST_TIMER_S)));
        is_kept.then(|| Kept { flow_timer: timer() })
    }

    /// Whether it is to be told that the carrier does not know it: once.
    pub fn tell_unkept(&mut self) -> bool {
        self.is_asked() && !std::mem::replace(&mut self.is_told, true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn instance(change: impl Fn(&mut Config, &mut Trunk)) -> String {
        let mut trunk = Trunk::at("carrier.example:5070".parse().unwrap());
        trunk.user = Some("account".into());
        let mut config = Config { domains: vec!["example.org".into()], ..Config::default() };
        config.listen = vec!["udp:10.0.0.1:5060".parse().unwrap()];
        change(&mut config, &mut trunk);
        Instance::of(&config, "carrier", &trunk).to_string()
    }

    #[test]
    fn an_instance_is_the_same_after_each_start_and_another_for_each_gateway_and_trunk() {
        let usual = instance(|_, _| {});
        assert_eq!(usual, instance(|_, trunk| trunk.profile.expires_s = 60), "what else changes does not matter");
        let others = [
            instance(|config, _| config.domains = vec!["example.net".into()]),
            instance(|config, _| config.advertise = Some("203.0.113.7".into())),
            instance(|config, _| config.listen = vec!["udp:10.0.0.2:5060".parse().unwrap()]),
            instance(|_, trunk| trunk.user = Some("another".into())),
            instance(|_, trunk| trunk.address = "other.example".parse().unwrap()),
        ];
        assert!(others.iter().all(|other| *other != usual), "{others:?}");
        assert_ne!(Instance::random(&mut Dice::for_test(1)), Instance::random(&mut Dice::for_test(2)));
    }

    #[test]
    fn an_instance_is_a_uuid_as_a_urn() {
        let text = instance(|_, _| {});
        let parts: Vec<&str> = text.strip_prefix("urn:uuid:").unwrap().split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('5') && parts[3].starts_with(['8', '9', 'a', 'b']), "{text}");
    }
}
