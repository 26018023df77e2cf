//! The number that a trunk is asked for, and the account that is called.

use super::decide::account;
use super::normalise::{Dialled, national};
use super::pattern::BadPattern;
use crate::model::Address;

/// The longest template, in characters.
pub const MAX_TEMPLATE: usize = 100;

/// What can be filled in.
const NAMES: [&str; 5] = ["{e164}", "{digits}", "{national}", "{dialled}", "{rest}"];

/// A number with places to be filled in: `{e164}`, `00{digits}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    E164,
    Digits,
    National,
    Dialled,
    Rest,
}

impl Default for Template {
    /// E.164 where it is known.
    fn default() -> Template {
        Template(vec![Piece::E164])
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`BadPattern`], with what to write instead.
    pub fn read(text: &str) -> Result<Template, BadPattern> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "+*#-._".contains(c);
        Template::with(text, legal).ok_or_else(|| {
            let names = NAMES.join(", ");
            let advice = format!("write digits and any of {names}, at most {MAX_TEMPLATE} characters");
            BadPattern::new(format!("`{text}` is no number for a trunk: {advice}"))
        })
    }

    /// Reads the template of an XMPP account: it has a domain, or the domain is in what is dialled.
    pub fn account(text: &str) -> Option<Template> {
        let template = Template::with(text, |c| !c.is_whitespace() && !c.is_control())?;
        let sample = Dialled { typed: Address::here("x"), e164: None };
        let is_account = account(&template.fill(&sample, "x")).is_some();
        (is_account || template.0 == [Piece::Dialled]).then_some(template)
    }

    fn with(text: &str, legal: impl Fn(char) -> bool) -> Option<Template> {
        if text.is_empty() || text.chars().count() > MAX_TEMPLATE {
            return None;
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let literal = rest.find('{').unwrap_or(rest.len());
            let (before, after) = rest.split_at(literal);
            if !before.is_empty() {
                if !before.chars().all(|c| c != '}' && legal(c)) {
                    return None;
                }
                pieces.push(Piece::Literal(before.to_owned()));
            }
            rest = after;
            if let Some(end) = after.find('}') {
                let (name, after) = after.split_at(end + 1);
                pieces.push(match name {
                    "{e164}" => Piece::E164,
                    "{digits}" => Piece::Digits,
                    "{national}" => Piece::National,
                    "{dialled}" => Piece::Dialled,
                    "{rest}" => Piece::Rest,
                    _ => return None,
                });
                rest = after;
            } else if !after.is_empty() {
                return None;
            }
        }
        Some(Template(pieces))
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether it needs what a `*` stood for.
    pub fn has_rest(&self) -> bool {
        self.0.contains(&Piece::Rest)
    }

    /// Fills it in. What has no E.164 form, such as 112, is left as it was dialled.
    pub fn fill(&self, dialled: &Dialled, rest: &str) -> String {
        let typed = || dialled.typed.to_string();
        let number = dialled.e164.as_deref();
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::E164 => text.push_str(&dialled.text()),
                Piece::Digits => text.push_str(&number.map_or_else(typed, |n| n.trim_start_matches('+').to_owned())),
                Piece::National => text.push_str(&number.and_then(national).unwrap_or_else(|| dialled.text())),
                Piece::Dialled => text.push_str(&typed()),
                Piece::Rest => text.push_str(rest),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::route::Numbering;

    #[test]
    fn fills_in_the_number_in_every_form() {
        let dialled = Numbering::of_region("DE").unwrap().read(&Address::here("030 123456"));
        let fill = |template: &str| Template::read(template).unwrap().fill(&dialled, "3456");
        assert_eq!(fill("{e164}"), "+4930123456");
        assert_eq!(fill("00{digits}"), "004930123456");
        assert_eq!(fill("{national}"), "030123456");
        assert_eq!(fill("#31#{dialled}"), "#31#030123456");
        assert_eq!(fill("0{rest}"), "03456");
        assert_eq!(fill("100"), "100");
        assert_eq!(Template::default().fill(&dialled, ""), "+4930123456");
    }

    #[test]
    fn a_short_code_is_left_as_it_was_dialled() {
        let dialled = Numbering::of_region("DE").unwrap().read(&Address::here("112"));
        for template in ["{e164}", "{digits}", "{national}", "{dialled}"] {
            assert_eq!(Template::read(template).unwrap().fill(&dialled, ""), "112", "{template}");
        }
    }

    #[test]
    fn an_account_has_a_domain_or_takes_it_from_what_is_dialled() {
        let dialled = Numbering::default().read(&Address::at("Romeo", "montague.lit/Orchard"));
        let fill = |template: &str| Template::account(template).unwrap().fill(&dialled, "romeo");
        assert_eq!(fill("{dialled}"), "Romeo@montague.lit/Orchard");
        assert_eq!(fill("{rest}@example.org"), "romeo@example.org");
        assert_eq!(fill("juliet@capulet.lit/Balcony"), "juliet@capulet.lit/Balcony");
        for wrong in ["", "{rest}", "romeo", "@example.org", "romeo@", "{rest}@a@b", "romeo @x", "{user}@x", "a}@b"] {
            assert_eq!(Template::account(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_template_is_said_with_what_to_write() {
        for wrong in ["", "{E164}", "{e164", "e164}", "+49 30", "{}", "a\nb"] {
            let said = Template::read(wrong).unwrap_err().to_string();
            assert!(said.contains("{e164}"), "{wrong}: {said}");
        }
    }
}
