//! How one carrier wants to be spoken to, besides where it is and who we are there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HostPort, Trunk};
use crate::sip::flow::Transport;
use crate::sip::locate::Wish;

/// What differs from carrier to carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Whether we tell the carrier where we are (RFC 3261 §10.2).
    pub register: bool,
    /// For how long we ask to be registered, in seconds; the carrier may grant less.
    pub expires_s: u32,
    /// The user part of the address that is registered; without it the user of the credentials.
    pub account: Option<String>,
    /// All requests go by this host first (RFC 3261 §8.1.2); without it straight to the trunk's address.
    pub proxy: Option<HostPort>,
    /// The name service says by which transport it is reached (RFC 3263 §4.1), and `transport` counts only where it does
    /// not.
    pub any_transport: bool,
    /// How often the carrier is asked whether it is there; never without it.
    pub health: Option<Duration>,
    /// Which header tells who calls.
    pub identity: Option<IdentityForm>,
    /// How numbers are written towards the carrier, and read from it.
    pub number_format: NumberFormat,
    /// How the carrier is told who sends a call on to it.
    pub diversion: DiversionForm,
    /// All numbers of the account are registered at once (RFC 6140).
    pub bulk: bool,
    /// The carrier is asked to call us by the flow that we register by, and that is kept alive (RFC 5626).
    pub outbound: bool,
    /// Whether it takes its party somewhere else by itself when it is asked to (REFER, RFC 5589).
    pub refer: bool,
    /// Whether it is told, and believed, what users' systems tell each other (`User-to-User`, RFC 7433).
    pub user_to_user: bool,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            register: false,
            expires_s: 600,
            account: None,
            proxy: None,
            any_transport: false,
            health: None,
            identity: None,
            number_format: NumberFormat::default(),
            diversion: DiversionForm::default(),
            bulk: false,
            outbound: false,
            refer: false,
            user_to_user: false,
        }
    }
}

/// Which header tells a trunk who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityForm {
    /// `From` alone.
    From,
    /// `P-Asserted-Identity` (RFC 3325 §9.1).
    Pai,
    /// `P-Preferred-Identity` (RFC 3325 §9.2).
    Ppi,
    /// `Remote-Party-ID` (draft-ietf-sip-privacy-04), which older exchanges want.
    Rpid,
}

/// How a trunk is told who sends a call on to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiversionForm {
    /// Not at all.
    #[default]
    None,
    /// `Diversion` (RFC 5806).
    Diversion,
    /// `History-Info` (RFC 7044).
    HistoryInfo,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberFormat {
    /// As the dialplan gives them.
    #[default]
    AsIs,
    /// `4930123456`: E.164 without its plus.
    Plain,
    /// `004930123456`
    #[serde(rename = "00")]
    Zeros,
}

/// The least digits of a number that has its country: shorter ones are the carrier's own.
const LEAST_DIGITS: usize = 8;

impl NumberFormat {
    /// What the configuration calls it.
    pub fn by_word(word: &str) -> Option<NumberFormat> {
        match word {
            "e164" => Some(NumberFormat::AsIs),
            "plain" => Some(NumberFormat::Plain),
            "00" => Some(NumberFormat::Zeros),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            NumberFormat::AsIs => "e164",
            NumberFormat::Plain => "plain",
            NumberFormat::Zeros => "00",
        }
    }

    /// A number of ours as the trunk wants it. What is not in E.164 form stays as it is.
    pub fn write(self, number: &str) -> String {
        match (self, number.strip_prefix('+')) {
            (NumberFormat::Plain, Some(digits)) => digits.to_owned(),
            (NumberFormat::Zeros, Some(digits)) => format!("00{digits}"),
            _ => number.to_owned(),
        }
    }

    /// The trunk's way of writing a number, in E.164 form. What is no such number stays as it is.
    pub fn read(self, number: &str) -> String {
        let digits = match self {
            NumberFormat::AsIs => None,
            NumberFormat::Plain => Some(number).filter(|n| !n.starts_with('0')),
            NumberFormat::Zeros => number.strip_prefix("00"),
        };
        match digits {
            Some(digits) if digits.len() >= LEAST_DIGITS && digits.bytes().all(|b| b.is_ascii_digit()) => {
                format!("+{digits}")
            }
            _ => number.to_owned(),
        }
    }
}

impl DiversionForm {
    /// What the configuration calls it.
    pub fn by_word(word: &str) -> Option<DiversionForm> {
        match word {
            "none" => Some(DiversionForm::None),
            "diversion" => Some(DiversionForm::Diversion),
            "history-info" => Some(DiversionForm::HistoryInfo),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            DiversionForm::None => "none",
            DiversionForm::Diversion => "diversion",
            DiversionForm::HistoryInfo => "history-info",
        }
    }
}

impl IdentityForm {
    /// What the configuration calls it.
    pub fn by_word(word: &str) -> Option<IdentityForm> {
        match word {
            "from" => Some(IdentityForm::From),
            "pai" => Some(IdentityForm::Pai),
            "ppi" => Some(IdentityForm::Ppi),
            "rpid" => Some(IdentityForm::Rpid),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            IdentityForm::From => "from",
            IdentityForm::Pai => "pai",
            IdentityForm::Ppi => "ppi",
            IdentityForm::Rpid => "rpid",
        }
    }
}

impl Trunk {
    /// Where requests to the trunk go first: the outbound proxy, or the trunk itself.
    pub fn hop(&self) -> &HostPort {
        self.profile.proxy.as_ref().unwrap_or(&self.address)
    }

    /// What is looked for, to find where that is (RFC 3263 §4).
    pub fn wish(&self) -> Wish {
        let HostPort { host, port } = self.hop().clone();
        Wish { host, port, transport: (!self.profile.any_transport).then_some(self.transport), secure: false }
    }

    /// Whether it is reached by TLS, or may be.
    pub fn may_be_by_tls(&self) -> bool {
        self.transport == Transport::Tls || self.profile.any_transport
    }

    /// Which header tells it who calls: a trunk that is trusted with identities is told by `P-Asserted-Identity`.
    pub fn identity_form(&self) -> IdentityForm {
        let default = if self.asserted_identity { IdentityForm::Pai } else { IdentityForm::From };
        self.profile.identity.unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_carrier_wants_them_and_read_back() {
        for (format, there) in [
            (NumberFormat::AsIs, "+4930123456"),
            (NumberFormat::Plain, "4930123456"),
            (NumberFormat::Zeros, "004930123456"),
        ] {
            assert_eq!(format.write("+4930123456"), there);
            assert_eq!(format.read(there), "+4930123456");
            for kept in ["110", "030123456", "alice", "600", "*100#"] {
                assert_eq!((format.write(kept), format.read(kept)), (kept.to_owned(), kept.to_owned()));
            }
        }
    }
}
