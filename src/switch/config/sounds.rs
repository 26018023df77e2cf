//! The sounds of the configuration, and what of them everybody hears.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::people::read_name;
use super::read::read_path;
use crate::base::settings::{Located, Section};
use crate::media::sound::library::MOST_MEMORY;
use crate::media::sound::{Library, Samples, Zone, file};
use crate::model::Sound;
use crate::route::services::read_sound;

/// The most sounds.
const MAX_SOUNDS: usize = 200;

/// The longest file of a sound, in bytes.
const MAX_SOUND_BYTES: u64 = 256 << 20;

/// Whether the files of sounds are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SoundFiles {
    /// They are, to be played.
    Read,
    /// They are not: nobody is going to play them.
    LeftAlone,
}

/// What can be played.
#[derive(Debug, Clone)]
pub struct Sounds {
    /// Whose tones of the telephone network are played.
    pub zone: Zone,
    /// The names of the sounds, and their files.
    pub files: Vec<(String, PathBuf)>,
    /// What whoever is put on hold hears if the rule of the call does not say.
    pub hold_music: Option<Sound>,
    /// All of them.
    pub library: Arc<Library>,
}

impl Sounds {
    /// The names that rules may use.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.files.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// Reads every `[[sound]]` with its file, and what `[media]` says of sounds.
pub(super) fn read(root: &mut Section<'_>, media: &mut Section<'_>, folder: &Path, wanted: SoundFiles) -> Sounds {
    let names: Vec<&str> = Zone::NAMES.iter().map(|(name, _)| *name).collect();
    let zone = media.value("tones", &format!("one of {}", names.join(", ")), Zone::read);
    let zone = zone.map_or(Zone::default(), |zone| zone.value);
    let mut library = Library::new(zone);
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for mut section in root.sections("sound", MAX_SOUNDS) {
        let Some((name, path)) = read_one(&mut section, folder, wanted, &mut library) else { continue };
        if files.iter().any(|(other, _)| *other == name.value) {
            section.sheet().complain(name.at, format!("there are two sounds called `{}`", name.value));
        }
        files.push((name.value, path));
    }
    let mut sounds = Sounds { zone, files, hold_music: None, library: Arc::new(library) };
    sounds.hold_music = read_sound(media, "hold_music", &sounds.names()).map(|sound| sound.value);
    sounds
}

fn read_one(
    section: &mut Section<'_>,
    folder: &Path,
    wanted: SoundFiles,
    library: &mut Library,
) -> Option<(Located<String>, PathBuf)> {
    let name = read_name(section, "sound");
    let has_file = section.has("file");
    let path = read_path(section, "file", folder);
    if !has_file {
        section.complain("a sound needs `file`: the path of a .wav or .opus file");
    }
    let (name, path) = (name?, path?);
    if wanted == SoundFiles::LeftAlone {
        return Some((name, path.value));
    }
    match load(&path.value) {
        Ok(samples) => {
            if !library.add(&name.value, samples) {
                let advice = format!("all of them may take {} MiB of memory", MOST_MEMORY >> 20);
                section.sheet().complain(path.at, format!("the sounds are too long: {advice}"));
            }
        }
        Err(why) => section.sheet().complain(path.at, format!("`{}` {why}", path.value.display())),
    }
    Some((name, path.value))
}

fn load(path: &Path) -> Result<Samples, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let opened = File::open(path).map_err(unreadable)?;
    let about = opened.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err("is no file".to_owned());
    }
    if about.len() > MAX_SOUND_BYTES {
        return Err(format!("is too large: write at most {} MiB", MAX_SOUND_BYTES >> 20));
    }
    file::read(BufReader::new(opened))
}
