//! Reading TOML so that every mistake is found at once, with its line and what to write instead.
//!
//! A [`Sheet`] is a file, a [`Section`] a table of it. Whoever reads asks a section for the keys it knows;
//! when the section is dropped, a key that nobody asked for is a mistake.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Secret;

/// The longest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// The most problems of one file that are kept; whoever has more begins with these.
pub const MAX_PROBLEMS: usize = 100;

/// A mistake in a file, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}:{line}: {text}")]
pub struct Problem {
    /// The file, as the reader was told.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub text: String,
}

/// All mistakes that were found, in the order of files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// A file being read.
#[derive(Debug)]
pub struct Sheet<'s> {
    file: &'s str,
    text: &'s str,
    most_bytes: usize,
    problems: RefCell<Vec<Problem>>,
}

impl<'s> Sheet<'s> {
    /// The file of that name with that content.
    pub fn new(file: &'s str, text: &'s str) -> Sheet<'s> {
        Sheet::longer(file, text, MAX_FILE_BYTES)
    }

    /// The same for a file that may have another length than [`MAX_FILE_BYTES`].
    pub fn longer(file: &'s str, text: &'s str, most_bytes: usize) -> Sheet<'s> {
        Sheet { file, text, most_bytes, problems: RefCell::default() }
    }

    /// The name of the file.
    pub fn file(&self) -> &'s str {
        self.file
    }

    /// The whole file as a section. If it is not TOML that is noted, and the section is empty.
    pub fn open(&self) -> Section<'_> {
        if self.text.len() > self.most_bytes {
            self.complain(0, format!("the file is too large: write at most {} bytes", self.most_bytes));
            return Section::new(self, String::new(), 0, DeTable::new());
        }
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            self.complain(error.span().map_or(0, |s| s.start), format!("not TOML: {}", error.message()));
        }
        let entries = if errors.is_empty() { table.into_inner() } else { DeTable::new() };
        Section::new(self, String::new(), 0, entries)
    }

    /// The line of a place in the file.
    pub fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|b| *b == b'\n').count()
    }

    /// Notes a mistake at a place in the file.
    pub fn complain(&self, at: usize, text: impl Into<String>) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            problems.push(Problem { file: self.file.to_owned(), line: self.line(at), text: text.into() });
        }
    }

    /// How many mistakes there are so far, not counting those that are too many.
    pub fn problem_count(&self) -> usize {
        self.problems.borrow().len()
    }

    /// The mistakes so far, by line.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort();
        problems.dedup();
        problems
    }
}

/// A value with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place, for [`Sheet::complain`].
    pub at: usize,
}

/// A table being read. Dropped, it complains of every key that was not asked for.
#[derive(Debug)]
pub struct Section<'s> {
    sheet: &'s Sheet<'s>,
    title: String,
    at: usize,
    entries: DeTable<'s>,
    known: Vec<&'static str>,
}

impl<'s> Section<'s> {
    fn new(sheet: &'s Sheet<'s>, title: String, at: usize, entries: DeTable<'s>) -> Section<'s> {
        Section { sheet, title, at, entries, known: Vec::new() }
    }

    /// The file it belongs to.
    pub fn sheet(&self) -> &'s Sheet<'s> {
        self.sheet
    }

    /// Where it begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether nothing is (any longer) in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the key is written and was not asked for yet.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Notes a mistake of the section as a whole.
    pub fn complain(&self, text: impl Into<String>) {
        self.sheet.complain(self.at, text);
    }

    fn take(&mut self, key: &'static str) -> Option<Located<DeValue<'s>>> {
        self.known.push(key);
        let value = self.entries.remove(key)?;
        let at = value.span().start;
        Some(Located { value: value.into_inner(), at })
    }

    fn wrong(&self, key: &str, at: usize, value: &DeValue<'_>, wanted: &str) {
        let found = match value {
            DeValue::String(text) => format!("\"{text}\""),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            other => format!("a {}", other.type_str()),
        };
        self.sheet.complain(at, format!("`{key}` is {found}: write {wanted}"));
    }

    /// A string that `read` understands; `wanted` says in words and by an example what to write.
    pub fn value<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Located<T>> {
        let Located { value, at } = self.take(key)?;
        match value.as_str().and_then(read) {
            Some(value) => Some(Located { value, at }),
            None => {
                self.wrong(key, at, &value, wanted);
                None
            }
        }
    }

    /// A string that is not empty.
    pub fn text(&mut self, key: &'static str, wanted: &str) -> Option<Located<String>> {
        self.value(key, wanted, |text| (!text.trim().is_empty()).then(|| text.to_owned()))
    }

    /// A password or a key: what is wrong with it is said without repeating it.
    pub fn secret(&mut self, key: &'static str) -> Option<Located<Secret>> {
        let Located { value, at } = self.take(key)?;
        match value.as_str() {
            Some(text) if !text.is_empty() => Some(Located { value: Secret::new(text), at }),
            _ => {
                self.sheet.complain(at, format!("`{key}` is no text: write it in quotes, and not empty"));
                None
            }
        }
    }

    /// A string or a list of strings, each of which `read` understands; at most `most`.
    pub fn values<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        most: usize,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<Located<T>>> {
        let Located { value, at } = self.take(key)?;
        let DeValue::Array(array) = value else {
            return match value.as_str().and_then(&read) {
                Some(value) => Some(vec![Located { value, at }]),
                None => {
                    self.wrong(key, at, &value, wanted);
                    None
                }
            };
        };
        if array.len() > most {
            self.sheet.complain(at, format!("`{key}` has {} entries: write at most {most}", array.len()));
            return None;
        }
        let mut all = Vec::new();
        let mut good = true;
        for entry in array {
            let at = entry.span().start;
            match entry.get_ref().as_str().and_then(&read) {
                Some(value) => all.push(Located { value, at }),
                None => {
                    self.wrong(key, at, entry.get_ref(), wanted);
                    good = false;
                }
            }
        }
        good.then_some(all)
    }

    /// A string that `read` understands, or `true` or `false`, which it is given as words.
    pub fn word<T>(&mut self, key: &'static str, wanted: &str, read: impl Fn(&str) -> Option<T>) -> Option<Located<T>> {
        let Located { value, at } = self.take(key)?;
        let flag = value.as_bool().map(|flag| if flag { "true" } else { "false" });
        match value.as_str().or(flag).and_then(read) {
            Some(value) => Some(Located { value, at }),
            None => {
                self.wrong(key, at, &value, wanted);
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Option<Located<bool>> {
        let Located { value, at } = self.take(key)?;
        match value.as_bool() {
            Some(value) => Some(Located { value, at }),
            None => {
                self.wrong(key, at, &value, "true or false, without quotes");
                None
            }
        }
    }

    /// A whole number of a range.
    pub fn integer(&mut self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Option<Located<u64>> {
        let Located { value, at } = self.take(key)?;
        let number = value.as_integer().and_then(|i| u64::from_str_radix(i.as_str(), i.radix()).ok());
        match number.filter(|n| range.contains(n)) {
            Some(value) => Some(Located { value, at }),
            None => {
                let wanted = format!("a number from {} to {}, without quotes", range.start(), range.end());
                self.wrong(key, at, &value, &wanted);
                None
            }
        }
    }

    /// A time with its unit, such as `"25s"`, of a range.
    pub fn duration(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<Duration>,
    ) -> Option<Located<Duration>> {
        let wanted = format!(
            "a time from {} to {} with its unit, such as \"25s\", \"500ms\" or \"2m\"",
            print_duration(*range.start()),
            print_duration(*range.end())
        );
        self.value(key, &wanted, |text| read_duration(text).filter(|d| range.contains(d)))
    }

    /// A table inside this one; empty if it is not there.
    pub fn section(&mut self, key: &'static str) -> Section<'s> {
        let title = self.inner_title(key, false);
        match self.take(key) {
            None => Section::new(self.sheet, title, self.at, DeTable::new()),
            Some(Located { value: DeValue::Table(entries), at }) => Section::new(self.sheet, title, at, entries),
            Some(Located { value, at }) => {
                self.wrong(key, at, &value, &format!("a table: [{key}] and its keys on the lines below"));
                Section::new(self.sheet, title, self.at, DeTable::new())
            }
        }
    }

    /// The tables of an array, in order; at most `most`.
    pub fn sections(&mut self, key: &'static str, most: usize) -> Vec<Section<'s>> {
        let title = self.inner_title(key, true);
        let Some(Located { value, at }) = self.take(key) else { return Vec::new() };
        let DeValue::Array(array) = value else {
            self.wrong(key, at, &value, &format!("[[{key}]], with two brackets on each side"));
            return Vec::new();
        };
        if array.len() > most {
            self.sheet.complain(at, format!("there are {} [[{key}]]: write at most {most}", array.len()));
            return Vec::new();
        }
        let mut all = Vec::new();
        for entry in array {
            let at = entry.span().start;
            match entry.into_inner() {
                DeValue::Table(entries) => {
                    all.push(Section::new(self.sheet, title.clone(), at, entries));
                }
                other => self.wrong(key, at, &other, &format!("[[{key}]], with two brackets on each side")),
            }
        }
        all
    }

    fn inner_title(&self, key: &str, many: bool) -> String {
        if !self.title.is_empty() {
            format!("`{key}`")
        } else if many {
            format!("[[{key}]]")
        } else {
            format!("[{key}]")
        }
    }

    fn unknown(&self, key: &Spanned<std::borrow::Cow<'_, str>>) {
        let name = key.get_ref();
        let inside = if self.title.is_empty() { String::new() } else { format!(" in {}", self.title) };
        let advice = match nearest(name, &self.known) {
            Some(near) => format!("write `{near}`"),
            None => format!("known here: {}", self.known.join(", ")),
        };
        self.sheet.complain(key.span().start, format!("unknown key `{name}`{inside}: {advice}"));
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for key in self.entries.keys() {
            self.unknown(key);
        }
    }
}

/// The one of `known` that `word` is most likely meant to be, if one is near.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|k| (distance(&word.to_ascii_lowercase(), k), *k))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// How many letters must be changed, added or left out (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let next = (diagonal + usize::from(x != *y)).min(*cell + 1).min(left + 1);
            diagonal = *cell;
            *cell = next;
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// A time with its unit: `500ms`, `25s`, `2m`, `1h`, `7d`.
pub fn read_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit.trim_start() {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// The same the other way, in the largest unit that leaves no fraction.
pub fn print_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [("d", 24 * 3600 * 1000), ("h", 3600 * 1000), ("m", 60 * 1000), ("s", 1000)];
    match units.into_iter().find(|(_, size)| milliseconds > 0 && milliseconds.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", milliseconds / size),
        None if milliseconds == 0 => "0s".to_owned(),
        None => format!("{milliseconds}ms"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn problems(text: &str, read: impl Fn(&mut Section<'_>)) -> Vec<String> {
        let sheet = Sheet::new("f.toml", text);
        {
            let mut root = sheet.open();
            read(&mut root);
        }
        sheet.into_problems().iter().map(Problem::to_string).collect()
    }

    #[test]
    fn every_mistake_is_found_at_once_with_its_line_and_what_to_write() {
        let text = "[sip]\nlisten = 3\nadvertize = \"x\"\n\n[limits]\ncalls = 0\ndrain = \"60\"\n";
        let found = problems(text, |root| {
            let mut sip = root.section("sip");
            assert_eq!(sip.text("listen", "an address"), None);
            assert_eq!(sip.text("advertise", "an address"), None);
            let mut limits = root.section("limits");
            limits.integer("calls", 1..=10);
            limits.duration("drain", Duration::from_secs(1)..=Duration::from_secs(3600));
        });
        assert_eq!(
            found,
            [
                "f.toml:2: `listen` is 3: write an address",
                "f.toml:3: unknown key `advertize` in [sip]: write `advertise`",
                "f.toml:6: `calls` is 0: write a number from 1 to 10, without quotes",
                "f.toml:7: `drain` is \"60\": write a time from 1s to 1h with its unit, such as \"25s\", \"500ms\" or \"2m\"",
            ]
        );
    }

    #[test]
    fn a_wrong_password_is_not_repeated() {
        let found = problems("password = 12345\n", |root| assert_eq!(root.secret("password"), None));
        assert_eq!(found, ["f.toml:1: `password` is no text: write it in quotes, and not empty"]);
    }

    #[test]
    fn what_is_not_toml_is_said_with_its_line() {
        let found = problems("a = 1\nb = = 2\n", |root| assert!(root.is_empty()));
        assert!(found.iter().any(|p| p.starts_with("f.toml:2: not TOML: ")), "{found:?}");
    }

    #[test]
    fn durations_keep_their_meaning_when_printed() {
        for text in ["500ms", "25s", "2m", "1h", "7d", "0s", "90s"] {
            let read = read_duration(text).unwrap();
            assert_eq!(read_duration(&print_duration(read)), Some(read), "{text}");
        }
        for wrong in ["", "5", "s", "-5s", "5x", "99999999999999999999s", "1.5s"] {
            assert_eq!(read_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn suggests_the_nearest_key_and_none_that_is_far() {
        assert_eq!(nearest("pasword", &["password", "name"]), Some("password"));
        assert_eq!(nearest("Name", &["password", "name"]), Some("name"));
        assert_eq!(nearest("colour", &["password", "name"]), None);
    }
}
