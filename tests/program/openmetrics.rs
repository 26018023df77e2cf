//! A strict reader of OpenMetrics 1.0: whatever a scraper could stumble over is a panic with the line.

use std::collections::BTreeMap;

/// The figures of a page, by their names with their labels in the order of the page: `calls{from="sip"}`.
pub struct Page(BTreeMap<String, f64>);

/// The family that lines belong to.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    has_samples: bool,
}

impl Page {
    /// Reads a page.
    pub fn read(text: &str) -> Page {
        let body = text.strip_suffix("# EOF\n").expect("the last line is # EOF");
        let (mut samples, mut families, mut family) = (BTreeMap::new(), Vec::new(), Family::default());
        for line in body.lines() {
            match line.strip_prefix("# ") {
                Some(words) => {
                    let (word, rest) = words.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                    let (name, value) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                    if family.name != name || family.has_samples {
                        assert!(!families.contains(&name.to_owned()), "a family comes twice: {line}");
                        assert!(is_name(name), "{line}");
                        families.push(name.to_owned());
                        family = Family { name: name.to_owned(), ..Family::default() };
                    }
                    match word {
                        "HELP" => assert!(!value.is_empty(), "{line}"),
                        "TYPE" => family.kind = value.to_owned(),
                        "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                        _ => panic!("an unknown word: {line}"),
                    }
                }
                None => {
                    let (name, value) = family.sample(line);
                    assert!(samples.insert(name, value).is_none(), "a figure comes twice: {line}");
                }
            }
        }
        let page = Page(samples);
        page.check_histograms();
        page
    }

    /// A figure.
    pub fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no {name} among {:#?}", self.0.keys()))
    }

    /// A figure, or nothing.
    pub fn find(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Every name with its labels.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The steps of a histogram rise, and the last of them holds all.
    fn check_histograms(&self) {
        let mut steps: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (name, count) in &self.0 {
            let Some((before, end)) = name.split_once("le=\"") else { continue };
            let (end, after) = end.split_once('"').unwrap();
            let end = if end == "+Inf" { f64::INFINITY } else { end.parse().unwrap() };
            let series = format!("{before}{after}").replace("{,", "{").replace(",}", "}").replace("{}", "");
            let series = series.replace("_bucket", "_count");
            steps.entry(series).or_default().push((end, *count));
        }
        for (series, mut steps) in steps {
            steps.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(steps.is_sorted_by_key(|(_, count)| *count), "{series}: {steps:?}");
            let (end, all) = *steps.last().unwrap();
            assert_eq!((end, all), (f64::INFINITY, self.get(&series)), "{series}");
        }
    }
}

impl Family {
    fn sample(&mut self, line: &str) -> (String, f64) {
        self.has_samples = true;
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (bare, labels) = name.split_once('{').map_or((name, ""), |(bare, labels)| (bare, labels));
        let suffix = bare.strip_prefix(&self.name).unwrap_or_else(|| panic!("{line} is not of {}", self.name));
        let is_fit = match self.kind.as_str() {
            "gauge" => suffix.is_empty(),
            "counter" => suffix == "_total",
            "info" => suffix == "_info",
            "histogram" => ["_bucket", "_count", "_sum"].contains(&suffix),
            other => panic!("an unknown type {other}: {line}"),
        };
        assert!(is_fit && is_name(bare), "{line} of a {}", self.kind);
        if name.contains('{') {
            let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
            for label in labels.split(',') {
                let (key, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
                let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
                assert!(is_name(key) && value.is_some_and(|v| !v.is_empty() && !v.contains(['"', '\\'])), "{line}");
            }
        }
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(value.is_finite() && value >= 0.0, "{line}");
        (name.to_owned(), value)
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
