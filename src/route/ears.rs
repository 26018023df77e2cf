//! The ears that a rule gives to a call: a recording, a WebSocket that listens along.

use std::collections::BTreeSet;

use super::services::sound_of;
use crate::base::settings::{Located, Section};
use crate::model::{Recording, RecordingFormat, Services, Sound, Tone};

/// The longest URL of a WebSocket, in characters.
pub const LONGEST_URL: usize = 1000;

/// Reads how a rule wants the talk recorded. Who is recorded hears of it, unless the rule says otherwise in so many
/// words.
pub fn read_recording(section: &mut Section<'_>, sounds: &BTreeSet<String>) -> Option<Recording> {
    let format = section.word("record", "true, false, \"opus\" or \"wav\"", |text| match text {
        "true" | "opus" => Some(Some(RecordingFormat::Opus)),
        "wav" => Some(Some(RecordingFormat::Wav)),
        "false" => Some(None),
        _ => None,
    });
    let notice = read_notice(section, sounds);
    let on_demand = section.flag("record_on_demand");
    let stray =
        [notice.as_ref().map(|n| ("record_notice", n.at)), on_demand.as_ref().map(|d| ("record_on_demand", d.at))];
    let Some(format) = format.and_then(|f| f.value) else {
        for (key, at) in stray.into_iter().flatten() {
            section.sheet().complain(at, format!("`{key}` without a recording: write `record = true` too"));
        }
        return None;
    };
    let notice = notice.map_or(Some(Sound::Tone(Tone::Recording)), |n| n.value);
    Some(Recording { format, notice, on_demand: on_demand.is_some_and(|d| d.value) })
}

/// What both parties hear first.
fn read_notice(section: &mut Section<'_>, sounds: &BTreeSet<String>) -> Option<Located<Option<Sound>>> {
    let wanted = "true or \"beep\", false, or a sound, such as \"notice\" (the name of a [[sound]])";
    let Located { value, at } = section.word("record_notice", wanted, |text| Some(text.to_owned()))?;
    let notice = match value.as_str() {
        "true" | "beep" => Ok(Some(Sound::Tone(Tone::Recording))),
        "false" => Ok(None),
        name => sound_of(name, sounds).map(Some),
    };
    match notice {
        Ok(value) => Some(Located { value, at }),
        Err(advice) => {
            section.sheet().complain(at, format!("`record_notice`: {advice}"));
            None
        }
    }
}

/// Reads the WebSocket that is to hear the talk.
pub fn read_fork(section: &mut Section<'_>) -> Option<String> {
    let wanted = "a WebSocket, such as \"ws://127.0.0.1:9000/listen\" or \"wss://bot.example.org/\"";
    section.value("fork", wanted, |text| is_web_socket(text).then(|| text.to_owned())).map(|url| url.value)
}

/// Whether the text is a URL of a WebSocket (RFC 6455 §3) without a user and without a fragment.
fn is_web_socket(text: &str) -> bool {
    let rest = text.strip_prefix("ws://").or_else(|| text.strip_prefix("wss://"));
    let host = rest.map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    let is_clean =
        text.len() <= LONGEST_URL && text.bytes().all(|b| b.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&b));
    is_clean && host.is_some_and(|host| !host.is_empty() && !host.starts_with(':') && !host.contains('@'))
}

/// The ears as a rule writes them.
pub fn settings(services: &Services) -> Vec<(&'static str, String)> {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut settings = Vec::new();
    if let Some(recording) = &services.record {
        let format = match recording.format {
            RecordingFormat::Wav => "wav",
            RecordingFormat::Opus => "opus",
        };
        settings.push(("record", quoted(format)));
        settings.push((
            "record_notice",
            match &recording.notice {
                None => "false".to_owned(),
                Some(sound) => quoted(&sound.to_string()),
            },
        ));
        if recording.on_demand {
            settings.push(("record_on_demand", "true".to_owned()));
        }
    }
    settings.extend(services.fork.as_ref().map(|url| ("fork", quoted(url))));
    settings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::base::settings::Sheet;

    fn read(text: &str) -> Result<Services, String> {
        let sheet = Sheet::new("plan.toml", text);
        let sounds = ["ours", "our notice"].map(str::to_owned).into();
        let mut section = sheet.open();
        let services = Services {
            record: read_recording(&mut section, &sounds),
            fork: read_fork(&mut section),
            ..Services::default()
        };
        drop(section);
        let problems = sheet.into_problems();
        problems.first().map_or(Ok(services), |p| Err(p.text.clone()))
    }

    #[test]
    fn who_is_recorded_hears_a_beep_unless_the_rule_says_otherwise() {
        let notice = |text: &str| read(text).unwrap().record.unwrap().notice;
        assert_eq!(notice("record = true"), Some(Sound::Tone(Tone::Recording)));
        assert_eq!(notice("record = \"wav\"\nrecord_notice = \"our notice\""), Some(Sound::Named("our notice".into())));
        assert_eq!(notice("record = \"opus\"\nrecord_notice = false"), None);
        assert_eq!(read("record = false"), Ok(Services::default()));
    }

    #[test]
    fn settings_of_a_recording_that_is_none_are_mistakes() {
        assert!(read("record_notice = \"beep\"").unwrap_err().contains("write `record = true` too"));
        assert!(read("record_on_demand = true").unwrap_err().contains("write `record = true` too"));
        assert!(read("record = \"mp3\"").unwrap_err().contains("\"opus\" or \"wav\""));
    }

    #[test]
    fn a_fork_goes_to_a_web_socket_and_nowhere_else() {
        assert_eq!(
            read("fork = \"wss://bot.example.org/a?b=c\"").unwrap().fork.unwrap(),
            "wss://bot.example.org/a?b=c"
        );
        for bad in ["http://x/", "ws://", "ws://:90/", "ws://me:secret@x/", "ws://x/ y", "ws://x/#y"] {
            assert!(read(&format!("fork = \"{bad}\"")).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_printed_reads_the_same_again() {
        let text = "record = \"wav\"\nrecord_notice = \"ours\"\nrecord_on_demand = true\nfork = \"ws://x/\"";
        let services = read(text).unwrap();
        let printed: Vec<String> =
            settings(&services).into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
        assert_eq!(read(&printed.join("\n")), Ok(services));
    }
}
