//! The ears that a rule gives to a call: a recording, a WebSocket that listens along.

use std::collections::BTreeSet;

use super::services::sound_of;
use crate::base::settings::{Located, Section};
use crate::model::{Fork, Recording, RecordingFormat, Services, Sound, Tone};

/// The longest URL of a WebSocket, in characters.
pub const LONGEST_URL: usize = 1000;

/// The ways to record, by name: the form of the file, and whether a party has to ask for it.
const KINDS: [(&str, RecordingFormat, bool); 4] = [
    ("opus", RecordingFormat::Opus, false),
    ("wav", RecordingFormat::Wav, false),
    ("on-demand", RecordingFormat::Opus, true),
    ("on-demand-wav", RecordingFormat::Wav, true),
];

/// Reads how a rule wants the talk recorded. Who is recorded hears of it, unless the rule says otherwise in so many
/// words.
pub fn read_recording(section: &mut Section<'_>, sounds: &BTreeSet<String>) -> Option<Recording> {
    let wanted = "true, false, \"opus\", \"wav\", \"on-demand\" or \"on-demand-wav\"";
    let kind = section.word("record", wanted, |text| match text {
        "true" => Some(Some((RecordingFormat::Opus, false))),
        "false" => Some(None),
        word => {
            KINDS.into_iter().find(|(name, ..)| *name == word).map(|(_, format, on_demand)| Some((format, on_demand)))
        }
    });
    let notice = read_notice(section, sounds);
    let Some((format, on_demand)) = kind.and_then(|kind| kind.value) else {
        if let Some(notice) = notice {
            section.sheet().complain(notice.at, "`record_notice` without a recording: write `record = true` too");
        }
        return None;
    };
    let notice = notice.map_or(Some(Sound::Tone(Tone::Recording)), |n| n.value);
    Some(Recording { format, notice, on_demand })
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
pub fn read_fork(section: &mut Section<'_>) -> Option<Fork> {
    let wanted = "a WebSocket, such as \"ws://127.0.0.1:9000/listen\" or \"wss://bot.example.org/\"";
    let has_url = section.has("fork");
    let url = section.value("fork", wanted, |text| is_web_socket(text).then(|| text.to_owned()));
    let rate = section.integer("fork_rate", 0..=u64::from(u32::MAX));
    let rate_hz = match &rate {
        None => Some(Fork::USUAL_HZ),
        Some(rate) => Fork::RATES_HZ.into_iter().find(|hz| u64::from(*hz) == rate.value),
    };
    match &rate {
        Some(rate) if !has_url => section.sheet().complain(rate.at, "`fork_rate` without a fork: write `fork` too"),
        Some(rate) if rate_hz.is_none() => {
            section.sheet().complain(rate.at, "`fork_rate` is none that there is: write 8000, 16000, 24000 or 48000");
        }
        _ => {}
    }
    Some(Fork { url: url?.value, rate_hz: rate_hz? })
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
        let is_it = |kind: &&(_, RecordingFormat, bool)| (kind.1, kind.2) == (recording.format, recording.on_demand);
        settings.extend(KINDS.iter().find(is_it).map(|(name, ..): &(&str, _, _)| ("record", quoted(name))));
        settings.push((
            "record_notice",
            match &recording.notice {
                None => "false".to_owned(),
                Some(sound) => quoted(&sound.to_string()),
            },
        ));
    }
    if let Some(Fork { url, rate_hz }) = &services.fork {
        settings.extend([("fork", quoted(url)), ("fork_rate", rate_hz.to_string())]);
    }
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
        assert!(read("record = \"mp3\"").unwrap_err().contains("\"on-demand\""));
    }

    #[test]
    fn a_fork_goes_to_a_web_socket_and_nowhere_else() {
        let url = "wss://bot.example.org/a?b=c";
        for (more, rate_hz) in [("", 16_000), ("\nfork_rate = 8000", 8000), ("\nfork_rate = 24000", 24_000)] {
            let fork = read(&format!("fork = \"{url}\"{more}")).unwrap().fork;
            assert_eq!(fork, Some(Fork { url: url.into(), rate_hz }));
        }
        assert!(read("fork_rate = 8000").unwrap_err().contains("write `fork` too"));
        assert!(read("fork = \"ws://x/\"\nfork_rate = 11025").unwrap_err().contains("write 8000, 16000"));
        for bad in ["http://x/", "ws://", "ws://:90/", "ws://me:secret@x/", "ws://x/ y", "ws://x/#y"] {
            assert!(read(&format!("fork = \"{bad}\"")).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_printed_reads_the_same_again() {
        for (name, format, on_demand) in KINDS {
            let services =
                read(&format!("record = \"{name}\"\nrecord_notice = \"ours\"\nfork = \"ws://x/\"\nfork_rate = 48000"))
                    .unwrap();
            let recording = services.record.as_ref().unwrap();
            assert_eq!((recording.format, recording.on_demand), (format, on_demand));
            let printed: Vec<String> =
                settings(&services).into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
            assert_eq!(read(&printed.join("\n")), Ok(services));
        }
    }
}
