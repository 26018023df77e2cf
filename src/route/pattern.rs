//! Patterns for numbers, names and domains.
//!
//! ```text
//! pattern     = alternative *("|" alternative)
//! alternative = low ".." high              a range of numbers of the same length: 600..699
//!             / part ["@" part]            a name or number, and the domain of another service
//! part        = *( char / "?" / set / "*") at most one "*"
//! set         = "[" 1*(char / char "-" char) "]"
//! ```
//! `*` stands for any text, also for none; `?` for one character; everything else for itself, in either
//! case. A pattern fits as a whole or not at all. With one `*` in a part, the text before and the text after
//! it are compared once each: the work is linear in the text.

use std::fmt;

/// The longest pattern, in characters.
pub const MAX_PATTERN: usize = 512;

/// The most alternatives of one pattern.
pub const MAX_ALTERNATIVES: usize = 64;

/// A pattern that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    alternatives: Vec<Alternative>,
}

/// Why a text is no pattern, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPattern(String);

impl BadPattern {
    /// Said so.
    pub fn new(text: impl Into<String>) -> BadPattern {
        BadPattern(text.into())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Alternative {
    Range { low: String, high: String },
    Glob { user: Glob, domain: Option<Glob> },
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Glob {
    head: Vec<Item>,
    /// What follows the `*`; `None` if there is no `*`.
    tail: Option<Vec<Item>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Is(char),
    Any,
    OneOf(Vec<(char, char)>),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`BadPattern`], with what to write instead.
    pub fn read(text: &str) -> Result<Pattern, BadPattern> {
        if text.chars().count() > MAX_PATTERN {
            return Err(BadPattern(format!("the pattern is too long: write at most {MAX_PATTERN} characters")));
        }
        let alternatives: Vec<&str> = text.split('|').map(str::trim).collect();
        if alternatives.len() > MAX_ALTERNATIVES {
            let most = MAX_ALTERNATIVES;
            return Err(BadPattern(format!("too many alternatives: write at most {most}, or several rules")));
        }
        let alternatives = alternatives.into_iter().map(Alternative::read).collect::<Result<_, _>>()?;
        Ok(Pattern { text: text.to_owned(), alternatives })
    }

    /// Whether it fits, and if so, what the `*` of the part before the `@` stood for (empty without one).
    pub fn fits<'t>(&self, user: &'t str, domain: Option<&str>) -> Option<&'t str> {
        self.alternatives.iter().find_map(|a| a.fits(user, domain))
    }

    /// Whether every alternative names a domain.
    pub fn has_domain(&self) -> bool {
        self.alternatives.iter().all(|a| matches!(a, Alternative::Glob { domain: Some(_), .. }))
    }

    /// Whether it fits a bare JID: `romeo@example.org`, or a domain alone.
    pub fn fits_jid(&self, jid: &str) -> bool {
        let (user, domain) = jid.split_once('@').unwrap_or(("", jid));
        self.fits(user, Some(domain)).is_some()
    }

    /// Whether every alternative has a `*` in the part before the `@`, so that there is something it stood for.
    pub fn has_rest(&self) -> bool {
        self.alternatives.iter().all(|a| matches!(a, Alternative::Glob { user, .. } if user.tail.is_some()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Alternative {
    fn read(text: &str) -> Result<Alternative, BadPattern> {
        if text.is_empty() {
            return Err(BadPattern("there is nothing beside a `|`: write a number, a name or `*`".into()));
        }
        if text.contains(char::is_whitespace) {
            return Err(BadPattern(format!("`{text}` has a space: write numbers and names without spaces")));
        }
        if let Some(scheme) = ["tel:", "sip:", "sips:"].into_iter().find(|s| text.starts_with(s)) {
            return Err(BadPattern(format!("`{text}` has a scheme: write it without `{scheme}`")));
        }
        if let Some((low, high)) = text.split_once("..")
            && is_digits(low)
        {
            return Alternative::range(low, high);
        }
        let (user, domain) = match text.split_once('@') {
            Some((user, domain)) => (Glob::read(user)?, Some(Glob::read(domain)?)),
            None => (Glob::read(text)?, None),
        };
        Ok(Alternative::Glob { user, domain })
    }

    fn range(low: &str, high: &str) -> Result<Alternative, BadPattern> {
        let alike = low.len() == high.len() && low.starts_with('+') == high.starts_with('+');
        if !is_digits(high) || !alike || low > high {
            let advice = "write two numbers of the same length, the lower one first, such as 600..699";
            return Err(BadPattern(format!("`{low}..{high}` is no range: {advice}")));
        }
        Ok(Alternative::Range { low: low.to_owned(), high: high.to_owned() })
    }

    fn fits<'t>(&self, user: &'t str, domain: Option<&str>) -> Option<&'t str> {
        match self {
            // Digit strings of the same length compare like their numbers.
            Alternative::Range { low, high } => {
                let within =
                    user.len() == low.len() && is_digits(user) && (low.as_str()..=high.as_str()).contains(&user);
                (domain.is_none() && within).then_some("")
            }
            Alternative::Glob { user: glob, domain: wanted } => {
                match (wanted, domain) {
                    (None, None) => {}
                    (Some(wanted), Some(domain)) => drop(wanted.fits(domain)?),
                    _ => return None,
                }
                glob.fits(user)
            }
        }
    }
}

/// Digits, perhaps with a `+` before them.
fn is_digits(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

impl Glob {
    fn read(text: &str) -> Result<Glob, BadPattern> {
        let mut glob = Glob::default();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let item = match c {
                '*' if glob.tail.is_some() => {
                    let advice = "write one, or two alternatives with `|`; a star key is `[*]`";
                    return Err(BadPattern(format!("`{text}` has two `*`: {advice}")));
                }
                '*' => {
                    glob.tail = Some(Vec::new());
                    continue;
                }
                '?' => Item::Any,
                '[' => {
                    let (set, rest) = chars
                        .as_str()
                        .split_once(']')
                        .ok_or_else(|| BadPattern(format!("`{text}` has a `[` without a `]`: write [0-9]")))?;
                    chars = rest.chars();
                    Item::OneOf(read_set(set).ok_or_else(|| {
                        BadPattern(format!("`[{set}]` is no set: write characters and ranges, such as [0-9] or [*#]"))
                    })?)
                }
                ']' => return Err(BadPattern(format!("`{text}` has a `]` without a `[`: write [0-9]"))),
                other => Item::Is(other),
            };
            glob.tail.as_mut().unwrap_or(&mut glob.head).push(item);
        }
        Ok(glob)
    }

    fn fits<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut chars = text.chars();
        for item in &self.head {
            if !item.fits(chars.next()?) {
                return None;
            }
        }
        let Some(tail) = &self.tail else {
            return chars.as_str().is_empty().then_some("");
        };
        for item in tail.iter().rev() {
            if !item.fits(chars.next_back()?) {
                return None;
            }
        }
        Some(chars.as_str())
    }
}

fn read_set(text: &str) -> Option<Vec<(char, char)>> {
    let chars: Vec<char> = text.chars().collect();
    let mut rest = chars.as_slice();
    let mut set = Vec::new();
    while let [first, after @ ..] = rest {
        if let ['-', last, after @ ..] = after {
            if first > last {
                return None;
            }
            set.push((*first, *last));
            rest = after;
        } else {
            set.push((*first, *first));
            rest = after;
        }
    }
    (!set.is_empty()).then_some(set)
}

impl Item {
    fn fits(&self, c: char) -> bool {
        match self {
            Item::Is(own) => own.eq_ignore_ascii_case(&c),
            Item::Any => true,
            Item::OneOf(set) => {
                let within = |c: char| set.iter().any(|(low, high)| (*low..=*high).contains(&c));
                within(c) || within(c.to_ascii_lowercase()) || within(c.to_ascii_uppercase())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn fits(pattern: &str, user: &str) -> bool {
        Pattern::read(pattern).unwrap().fits(user, None).is_some()
    }

    #[test]
    fn fits_as_a_whole_or_not_at_all() {
        for (pattern, yes, no) in [
            ("112|911", &["112", "911"][..], &["1121", "0112", "91", ""][..]),
            ("+49*", &["+49", "+4930123456"], &["49", "+4", "+1555"]),
            ("+155501[0-9][0-9]", &["+15550100", "+15550199"], &["+155501", "+1555010a", "+155501000"]),
            ("sales-*-desk", &["sales-north-desk", "sales--desk"], &["sales-desk", "sales-north-desks"]),
            ("600..699", &["600", "650", "699"], &["599", "700", "6000", "60", "6a0"]),
            ("+15550100..+15550109", &["+15550105"], &["+15550110", "15550105"]),
            ("[*]9?", &["*97"], &["997", "*9", "*977"]),
            ("Alice", &["alice", "ALICE"], &["alic"]),
            ("*", &["", "anything", "日本"], &[]),
        ] {
            for text in yes {
                assert!(fits(pattern, text), "{pattern} {text}");
            }
            for text in no {
                assert!(!fits(pattern, text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn a_pattern_without_a_domain_fits_nobody_of_another_service() {
        let here = Pattern::read("*").unwrap();
        assert_eq!(here.fits("bob", Some("example.org")), None);
        let there = Pattern::read("*@*.example.org").unwrap();
        assert_eq!(there.fits("bob", Some("chat.example.org")), Some("bob"));
        assert_eq!(there.fits("bob", None), None);
        assert_eq!(there.fits("bob", Some("example.com")), None);
    }

    #[test]
    fn tells_what_the_star_stood_for() {
        let outside = Pattern::read("9*").unwrap();
        assert_eq!(outside.fits("9030123456", None), Some("030123456"));
        assert!(outside.has_rest());
        assert!(!Pattern::read("9*|112").unwrap().has_rest());
    }

    #[test]
    fn what_is_no_pattern_is_said_with_what_to_write() {
        for (wrong, advice) in [
            ("", "write a number, a name or `*`"),
            ("112||911", "write a number, a name or `*`"),
            ("+49 30*", "without spaces"),
            ("tel:+49*", "without `tel:`"),
            ("*1*", "write one"),
            ("[0-9", "write [0-9]"),
            ("0-9]", "write [0-9]"),
            ("[9-0]", "such as [0-9]"),
            ("[]", "such as [0-9]"),
            ("699..600", "such as 600..699"),
            ("60..600", "such as 600..699"),
        ] {
            let said = Pattern::read(wrong).unwrap_err().to_string();
            assert!(said.contains(advice), "{wrong}: {said}");
        }
        assert!(Pattern::read(&"1".repeat(MAX_PATTERN + 1)).is_err());
        assert!(Pattern::read(&"1|".repeat(MAX_ALTERNATIVES)).is_err());
    }
}
