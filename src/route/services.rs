//! What a rule adds to a call beside whom it rings: sounds and ears.

use std::collections::BTreeSet;

use super::ears;
use super::plan::Names;
use crate::base::settings::{Located, Section, nearest};
use crate::model::{Services, Sound, Tone};

/// Reads the services of a rule. Mistakes are noted on the sheet.
pub fn read_services(section: &mut Section<'_>, names: &Names) -> Services {
    let has_dial = section.has("dial");
    let ring_back = read_sound(section, "ring_back", &names.sounds);
    let hold_music = read_sound(section, "hold_music", &names.sounds);
    let announcement = read_sound(section, "announce", &names.sounds);
    if let Some(first) = [&ring_back, &hold_music, &announcement].into_iter().flatten().next()
        && !has_dial
    {
        section.sheet().complain(first.at, "this belongs to `dial`: write `dial` too, or `play` to play a sound alone");
    }
    let value = |sound: Option<Located<Sound>>| sound.map(|sound| sound.value);
    Services {
        ring_back: value(ring_back),
        hold_music: value(hold_music),
        announcement: value(announcement),
        record: ears::read_recording(section, &names.sounds),
        fork: ears::read_fork(section),
    }
}

/// Reads the name of a sound: `music`, one of those that are known, or `tone:busy`.
pub fn read_sound(section: &mut Section<'_>, key: &'static str, known: &BTreeSet<String>) -> Option<Located<Sound>> {
    let text = section.text(key, "a sound, such as \"music\" (the name of a [[sound]]) or \"tone:ringing\"")?;
    match sound_of(&text.value, known) {
        Ok(value) => Some(Located { value, at: text.at }),
        Err(advice) => {
            section.sheet().complain(text.at, format!("`{key}`: {advice}"));
            None
        }
    }
}

pub(super) fn sound_of(text: &str, known: &BTreeSet<String>) -> Result<Sound, String> {
    if let Some(name) = text.strip_prefix("tone:") {
        let tones = Tone::ALL.map(Tone::name);
        let tone = Tone::ALL.into_iter().find(|tone| tone.name() == name);
        return tone
            .map(Sound::Tone)
            .ok_or_else(|| format!("there is no tone `{name}`: write one of {}", tones.join(", ")));
    }
    if known.contains(text) {
        return Ok(Sound::Named(text.to_owned()));
    }
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(match nearest(text, &names) {
        Some(near) => format!("there is no sound `{text}`: write \"{near}\""),
        None => format!("there is no sound `{text}`: write a [[sound]] of this name into the configuration"),
    })
}

/// The services of a rule, as keys and values of TOML.
pub fn settings(services: &Services) -> Vec<(&'static str, String)> {
    let sounds = [
        ("announce", &services.announcement),
        ("ring_back", &services.ring_back),
        ("hold_music", &services.hold_music),
    ];
    let sounds = sounds.into_iter().filter_map(|(key, sound)| Some((key, format!("\"{}\"", sound.as_ref()?))));
    sounds.chain(ears::settings(services)).collect()
}
