//! Numbers as people dial them, in the one form that rules and trunks understand: E.164.

use std::fmt::Write;

use phonenumber::country::Id;
use phonenumber::metadata::{DATABASE, Descriptor};
use phonenumber::{Mode, PhoneNumber, Type};

use crate::model::Address;

/// A number of this many digits or fewer is a short code of the network (112, 911) or of the house (600); it
/// is never taken for a subscriber's.
pub const LONGEST_SHORT_CODE: usize = 6;

/// ITU-T E.164 §6: at most fifteen digits. Some networks use a few more.
pub const LONGEST_NUMBER: usize = 20;

/// Where the national prefix is a 0, a number of this many digits is a national one even without it: no
/// local number is that long.
const SHORTEST_WITHOUT_PREFIX: usize = 9;

/// An address as it was dialled, and in the form that rules are written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// As it came; a number of no domain without visual separators.
    pub typed: Address,
    /// A number in E.164 form (`+4930123456`), if it could be told from what was dialled.
    pub e164: Option<String>,
}

impl Dialled {
    /// The form to show and to keep: E.164 if there is one.
    pub fn text(&self) -> String {
        self.e164.clone().unwrap_or_else(|| self.typed.to_string())
    }

    /// Whether a telephone number was dialled.
    pub fn is_number(&self) -> bool {
        self.e164.is_some() || (self.typed.domain.is_none() && self.typed.is_number())
    }
}

/// How numbers are dialled here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbering {
    region: Option<Id>,
}

impl Numbering {
    /// Dialling as in a region, by its ISO 3166 code (`DE`); without one only numbers with a `+` can be told.
    pub fn of_region(code: &str) -> Option<Numbering> {
        let region: Id = code.to_ascii_uppercase().parse().ok()?;
        DATABASE.by_id(region.as_ref())?;
        Some(Numbering { region: Some(region) })
    }

    /// The region's ISO 3166 code.
    pub fn region(&self) -> Option<&str> {
        self.region.as_ref().map(AsRef::as_ref)
    }

    /// Reads an address. A number loses its visual separators and, if what was dialled is enough to tell,
    /// gets its E.164 form: `030 123456` in Germany is `+4930123456`. Short codes stay as they are, and so
    /// does what is no number of the region.
    pub fn read(&self, address: &Address) -> Dialled {
        if !address.is_number() {
            return Dialled { typed: address.clone(), e164: None };
        }
        // "+49 (0)30 …" shows the national prefix to those who dial from within; abroad it is not dialled.
        // Italy has none: there the zero is part of the number.
        let shown = if address.user.starts_with('+') && !address.user.starts_with("+39") {
            address.user.replacen("(0)", "", 1)
        } else {
            address.user.clone()
        };
        let digits: String = shown.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        let e164 = self.e164(&digits);
        // In the name of somebody elsewhere, a separator may be what tells them from others.
        let typed = if address.domain.is_some() { address.clone() } else { Address::here(digits) };
        Dialled { typed, e164 }
    }

    /// `digits`: digits only, perhaps with a `+` before them.
    fn e164(&self, digits: &str) -> Option<String> {
        if digits.len() > LONGEST_NUMBER {
            return None;
        }
        if let Some(international) = digits.strip_prefix('+') {
            // Whoever writes a `+` says that it is E.164. Numbers reserved for demonstrations are not in the
            // numbering plans and must come through.
            let good = international.len() > 3 && !international.starts_with('0');
            return good.then(|| digits.to_owned());
        }
        if digits.len() <= LONGEST_SHORT_CODE {
            return None;
        }
        let region = self.region?;
        let metadata = DATABASE.by_id(region.as_ref())?;
        if let Some(prefix) = metadata.international_prefix().and_then(|p| p.find(digits)).filter(|m| m.start() == 0) {
            let rest = digits.get(prefix.end()..)?;
            if rest.len() > LONGEST_SHORT_CODE && !rest.starts_with('0') {
                return Some(format!("+{rest}"));
            }
        }
        let national_prefix = metadata.national_prefix().unwrap_or("");
        let code = metadata.country_code();
        match digits.strip_prefix(national_prefix).filter(|_| !national_prefix.is_empty()) {
            Some(rest) if is_subscriber(code, rest) => Some(format!("+{code}{rest}")),
            _ if national_prefix.starts_with('0') && digits.len() < SHORTEST_WITHOUT_PREFIX => None,
            _ if is_subscriber(code, digits) => Some(format!("+{code}{digits}")),
            _ => by_custom(region, digits),
        }
    }
}

/// Whether the country's plan has such a national number. The plans are asked directly: the library's own
/// parser strips the national prefix twice, and so loses numbers that begin with it (+7 800 … by 8 800 …).
fn is_subscriber(code: u16, national: &str) -> bool {
    const KINDS: [Type; 10] = [
        Type::FixedLine,
        Type::Mobile,
        Type::TollFree,
        Type::PremiumRate,
        Type::SharedCost,
        Type::Voip,
        Type::PersonalNumber,
        Type::Pager,
        Type::Uan,
        Type::Voicemail,
    ];
    let has = |plan: &Descriptor| plan.national_number().find(national).is_some_and(|m| m.as_str() == national);
    DATABASE
        .by_code(&code)
        .into_iter()
        .flatten()
        .any(|country| KINDS.into_iter().any(|kind| country.descriptors().get(kind).is_some_and(has)))
}

/// Numbers whose national form differs by more than a prefix: carrier selection, mobile tokens.
fn by_custom(region: Id, digits: &str) -> Option<String> {
    parse(Some(region), digits).and_then(|number| print(&number, Mode::E164))
}

fn parse(region: Option<Id>, digits: &str) -> Option<PhoneNumber> {
    phonenumber::parse(region, digits).ok().filter(PhoneNumber::is_valid)
}

/// `PhoneNumber`'s `Display` fails for country codes it does not know, so its `to_string` could panic.
fn print(number: &PhoneNumber, mode: Mode) -> Option<String> {
    let mut text = String::new();
    write!(text, "{}", number.format().mode(mode)).ok()?;
    Some(text)
}

/// The digits to dial within the number's own country, with the national prefix: `+4930123456` is
/// `030123456`. `None` if the number is in no plan.
pub fn national(e164: &str) -> Option<String> {
    let number = parse(None, e164)?;
    let digits: String = print(&number, Mode::National)?.chars().filter(char::is_ascii_digit).collect();
    Some(digits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::base::Dice;

    fn read(region: &str, typed: &str) -> String {
        Numbering::of_region(region).unwrap().read(&typed.parse().unwrap()).text()
    }

    #[test]
    fn numbers_as_people_dial_them_become_e164() {
        for (region, typed, number) in [
            ("DE", "030 123456", "+4930123456"),
            ("DE", "+49 (0)30 / 12 34 56", "+4930123456"),
            ("DE", "+49 30 123456", "+4930123456"),
            ("DE", "0049 30 123456", "+4930123456"),
            ("DE", "tel:+49-30-123456;phone-context=x", "+4930123456"),
            ("DE", "001 650 253 0000", "+16502530000"),
            ("DE", "0151 23456789", "+4915123456789"),
            ("US", "(650) 253-0000", "+16502530000"),
            ("US", "1 650 253 0000", "+16502530000"),
            ("US", "011 49 30 123456", "+4930123456"),
            ("GB", "020 7946 0958", "+442079460958"),
            ("FR", "01 40 20 50 50", "+33140205050"),
            ("IT", "06 6982 1234", "+390669821234"),
            ("DE", "+39 (0)6 6982 1234", "+390669821234"),
            ("RU", "8 800 555 35 35", "+78005553535"),
            ("CO", "300 1234567", "+573001234567"),
            ("us", "+1 555 0100", "+15550100"),
        ] {
            assert_eq!(read(region, typed), number, "{region} {typed}");
        }
    }

    #[test]
    fn short_codes_and_house_numbers_stay_as_they_are() {
        for region in ["DE", "US", "GB", "FR", "IT", "AU", "RU", "IN"] {
            for typed in ["112", "911", "999", "110", "000", "600", "116117", "10"] {
                assert_eq!(read(region, typed), typed, "{region}");
            }
        }
        // A local number: without the area code nobody can tell which.
        assert_eq!(read("DE", "1234567"), "1234567");
        assert_eq!(read("US", "253-0000"), "2530000");
    }

    #[test]
    fn names_and_addresses_of_other_services_stay_as_they_are() {
        assert_eq!(read("DE", "alice"), "alice");
        assert_eq!(read("DE", "sip:Bob@example.org"), "Bob@example.org");
        assert_eq!(read("DE", "xmpp:19-84@example.org/Home"), "19-84@example.org/Home");
        let none = Numbering::default();
        assert_eq!(none.read(&Address::here("030 123456")).text(), "030123456");
        assert_eq!(none.read(&Address::here("+49 30 123456")).text(), "+4930123456");
        assert_eq!(Numbering::of_region("XX"), None);
    }

    #[test]
    fn a_trunk_can_be_asked_in_national_form() {
        assert_eq!(national("+4930123456").as_deref(), Some("030123456"));
        assert_eq!(national("+16502530000").as_deref(), Some("6502530000"));
        assert_eq!(national("+999123"), None);
    }

    #[test]
    fn no_digits_of_no_region_panic() {
        let mut dice = Dice::for_test(1);
        for metadata in DATABASE.iter() {
            let Some(numbering) = Numbering::of_region(metadata.id()) else { continue };
            for _ in 0..2 {
                let length = 2 + dice.below(20);
                let digits: String = (0..length).map(|_| char::from(b'0' + dice.below(10) as u8)).collect();
                let prefix = ["", "0", "00", "1", "+"][dice.below(5) as usize];
                let read = numbering.read(&Address::here(format!("{prefix}{digits}")));
                if let Some(number) = read.e164 {
                    national(&number);
                }
            }
        }
    }
}
