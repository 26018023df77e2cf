//! What is said of recordings and of forks.

use std::path::Path;
use std::time::Duration;

use super::read::read_path;
use crate::base::Secret;
use crate::base::settings::Section;
use crate::media::config::{RecordingConfig, RelayConfig};

/// How long a recording may last, by the file.
const LONGEST: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(18 * 3600);

/// How many there may be at once.
const MOST: std::ops::RangeInclusive<u64> = 1..=10_000;

/// Megabytes that recordings may be told to leave free.
const KEEP_FREE_MB: std::ops::RangeInclusive<u64> = 0..=1_000_000;

/// The longest token of a file, in bytes.
const LONGEST_TOKEN: usize = 4096;

/// Reads `[recording]`.
pub(super) fn read_recording(section: &mut Section<'_>, folder: &Path, state: &Path) -> RecordingConfig {
    let usual = RecordingConfig::default();
    let directory = read_path(section, "directory", folder).map_or_else(|| state.join("recordings"), |d| d.value);
    RecordingConfig {
        directory: Some(directory),
        longest: section.duration("longest", LONGEST).map_or(usual.longest, |l| l.value),
        most: section.integer("at_once", MOST).and_then(|m| usize::try_from(m.value).ok()).unwrap_or(usual.most),
        keep_free: section.integer("keep_free_mb", KEEP_FREE_MB).map_or(usual.keep_free, |m| m.value << 20),
    }
}

/// Reads `[fork]`: the token that WebSockets are shown.
pub(super) fn read_fork(section: &mut Section<'_>, folder: &Path) -> Option<Secret> {
    let file = read_path(section, "token_file", folder)?;
    let token = super::read_file(&file.value).map(|text| text.trim().to_owned());
    let is_good = |token: &String| {
        (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(|octet| octet.is_ascii_graphic())
    };
    match token {
        Ok(token) if is_good(&token) => Some(Secret::new(token)),
        Ok(_) => {
            section.sheet().complain(file.at, "the file has no token in it: write one line without blanks into it");
            None
        }
        Err(error) => {
            section.sheet().complain(file.at, format!("`{}` {error}", file.value.display()));
            None
        }
    }
}

/// Both sections, as they would be written.
pub(super) fn settings(media: &RelayConfig) -> Vec<(&'static str, String)> {
    let RecordingConfig { directory, longest, most, keep_free } = &media.recording;
    let quoted = |text: String| toml::Value::String(text).to_string();
    let directory = directory.as_ref().map(|d| ("directory", quoted(d.display().to_string())));
    let longest = quoted(crate::base::settings::print_duration(*longest));
    let others = [("longest", longest), ("at_once", most.to_string()), ("keep_free_mb", (keep_free >> 20).to_string())];
    directory.into_iter().chain(others).collect()
}
