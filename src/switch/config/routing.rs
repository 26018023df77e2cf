//! The dialplan's part of the file, and the dialplan's own files.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::Routing;
use super::read::read_path;
use crate::base::settings::{Located, Problem, Section};
use crate::model::Sound;
use crate::route::guard::Limits;
use crate::route::plan::MAX_FILES;
use crate::route::{Dialplan, Names, Numbering, defaults};

/// The dialplan's own test, if nothing else is said: a file beside the rules.
const EXPECTED: &str = "expected.toml";

/// What `[dialplan]` says, before the rules are read.
pub(super) struct Planning {
    pub(super) numbering: Numbering,
    time_zone: TimeZone,
    directory: Option<Located<PathBuf>>,
    expected: Option<PathBuf>,
    dialplan: Dialplan,
    rules_before: usize,
}

/// What is left once the rules are read.
pub(super) struct Planned {
    pub(super) routing: Routing,
    pub(super) expected: Option<PathBuf>,
    pub(super) rules_before: usize,
    pub(super) directory: Option<PathBuf>,
}

/// Reads `[dialplan]`.
pub(super) fn begin(section: &mut Section<'_>, folder: &Path) -> Planning {
    let directory = read_path(section, "directory", folder);
    let wanted = "a country by its two letters (ISO 3166), such as \"DE\"";
    let numbering = section.value("region", wanted, Numbering::of_region);
    let wanted = "a time zone by its IANA name, such as \"Europe/Berlin\"";
    let time_zone = section.value("time_zone", wanted, |text| TimeZone::get(text).ok());
    let expected = read_path(section, "expected", folder);
    let beside = directory.as_ref().map(|d| d.value.join(EXPECTED)).filter(|e| e.exists());
    Planning {
        numbering: numbering.map_or_else(Numbering::default, |n| n.value),
        time_zone: time_zone.map_or_else(TimeZone::system, |z| z.value),
        expected: expected.map(|e| e.value).or(beside),
        directory,
        dialplan: Dialplan::default(),
        rules_before: 0,
    }
}

impl Planning {
    /// Reads the rules: of the directory's files in the order of their names, or those inside the binary;
    /// then those of the file itself.
    pub(super) fn read_rules(
        &mut self,
        root: &mut Section<'_>,
        names: &Names,
        demo: bool,
        problems: &mut Vec<Problem>,
    ) {
        let files: Vec<(String, String)> = match &self.directory {
            Some(directory) => match plan_files(&directory.value) {
                Ok(files) => files,
                Err(error) => {
                    let path = directory.value.display();
                    root.sheet().complain(directory.at, format!("`{path}` {error}"));
                    return;
                }
            },
            None => {
                let im = names.xmpp.then_some(defaults::IM_FILE);
                let files = defaults::FILES.into_iter().chain(im).chain(demo.then_some(defaults::DEMO_FILE));
                files.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
            }
        };
        match Dialplan::read(files.iter().map(|(name, text)| (name.as_str(), text.as_str())), names) {
            Ok(dialplan) => self.dialplan = dialplan,
            Err(found) => problems.extend(found.0),
        }
        self.rules_before = self.dialplan.rules().len();
        self.dialplan.read_rules(root, names);
    }

    /// What the gateway needs of it, with the domains of its components, what whoever is put on hold hears, and what may
    /// be used of trunks.
    pub(super) fn finish(self, domains: Vec<String>, hold_music: Option<Sound>, limits: Limits) -> Planned {
        let Planning { numbering, time_zone, expected, dialplan, rules_before, directory } = self;
        let routing = Routing { dialplan, numbering, time_zone, domains, hold_music, limits };
        Planned { routing, expected, rules_before, directory: directory.map(|d| d.value) }
    }
}

/// The files of a directory, by name.
fn plan_files(directory: &Path) -> Result<Vec<(String, String)>, String> {
    let entries = std::fs::read_dir(directory).map_err(|e| format!("cannot be read: {e}"))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .filter(|path| path.file_name().is_none_or(|n| n != EXPECTED))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err("has no file whose name ends in .toml: write your rules into one".to_owned());
    }
    // One more than allowed is enough to be told so.
    paths.truncate(MAX_FILES + 1);
    paths
        .into_iter()
        .map(|path| {
            let text = super::read_file(&path).map_err(|e| format!("has `{}`, which {e}", path.display()))?;
            Ok((path.display().to_string(), text))
        })
        .collect()
}
