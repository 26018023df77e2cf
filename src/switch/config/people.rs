//! Trunks, and what they have in common with users: a name and a secret.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::guarding;
use super::identity;
use super::profile::read_profile;
use super::read::read_path;
use super::transports::{read_trunk_tls, read_trunk_transport};
use crate::base::Secret;
use crate::base::settings::{Located, Section};
use crate::model::{Address, KeyPolicy, SrtpPolicy};
use crate::route::Numbering;
use crate::route::guard::Limits;
use crate::sip::config::{CallerPolicy, HostPort, Profile, Trunk};
use crate::sip::session::timer::{CEILING_S, FLOOR_S, TimerMode, TimerPolicy};

/// The most trunks.
const MAX_TRUNKS: usize = 100;

/// The longest name of a user or trunk, in characters.
const LONGEST_NAME: usize = 64;

/// Where a secret is written: in the file itself, in another file, or in the environment.
pub(super) struct Keys(&'static str, &'static str, &'static str);
pub(super) const PASSWORD: Keys = Keys("password", "password_file", "password_env");
pub(super) const SECRET: Keys = Keys("secret", "secret_file", "secret_env");

/// Reads the `[[trunk]]`s, and their names in the order of the file.
pub(super) fn trunks(
    root: &mut Section<'_>,
    folder: &Path,
    numbering: &Numbering,
    limits: &mut Limits,
) -> (BTreeMap<String, Trunk>, Vec<String>) {
    let mut trunks = BTreeMap::new();
    let mut names = Vec::new();
    for mut section in root.sections("trunk", MAX_TRUNKS) {
        let name = read_name(&mut section, "trunk");
        guarding::read_trunk(&mut section, name.as_ref().map(|n| n.value.as_str()), limits);
        let trunk = read_trunk(&mut section, folder, numbering);
        let Some(name) = name else { continue };
        if names.contains(&name.value) {
            section.sheet().complain(name.at, format!("there are two trunks `{}`: give one another name", name.value));
        } else {
            names.push(name.value.clone());
            trunks.extend(trunk.map(|t| (name.value, t)));
        }
    }
    (trunks, names)
}

fn read_trunk(section: &mut Section<'_>, folder: &Path, numbering: &Numbering) -> Option<Trunk> {
    const MAX_CODECS: usize = 16;
    let at = section.at();
    let has_address = section.has("address");
    let wanted = "a host or an address, with a port if it is not 5060, such as \"sip.example.org\"";
    let address = section.value("address", wanted, |text| text.parse::<HostPort>().ok());
    let (transport, any_transport) = read_trunk_transport(section);
    let tls = read_trunk_tls(section, folder);
    let stir = identity::read_trunk(section);
    let tcp_for_large = section.flag("tcp_for_large").is_some_and(|f| f.value);
    let user = section.text("user", "the user name that the trunk gave you");
    let password = read_secret(section, folder, &PASSWORD);
    let realm = section.text("realm", "the realm of the trunk's challenges");
    let number = read_number(section, numbering);
    let caller = section.value("caller", "\"own-number\" or \"pass-through\"", |text| match text {
        "own-number" => Some(CallerPolicy::OwnNumber),
        "pass-through" => Some(CallerPolicy::PassThrough),
        _ => None,
    });
    let from_domain = section.text("from_domain", "a domain, such as \"example.org\"");
    let asserted_identity = section.flag("asserted_identity").is_some_and(|f| f.value);
    let user_phone = section.flag("user_phone").is_some_and(|f| f.value);
    let video = section.flag("video").is_some_and(|f| f.value);
    let same_port = section.flag("same_port").is_some_and(|f| f.value);
    let srtp = read_srtp(section);
    let srtp_over_plain = section.flag("srtp_over_plain").is_some_and(|f| f.value);
    let dtmf = read_dtmf(section);
    let keep_sending = section.flag("keep_sending").is_none_or(|f| f.value);
    let session_timer = read_session_timer(section);
    let profile = Profile { any_transport, ..read_profile(section) };
    let codecs = section.values("codecs", "names of codecs, such as [\"PCMA\", \"PCMU\"]", MAX_CODECS, |text| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)).then(|| text.to_owned())
    });
    if profile.register && user.is_none() && profile.account.is_none() {
        section.complain("`register` needs to know as whom: write `user` and `password_file`");
    }
    match (&user, &password) {
        (Some(user), None) => section.sheet().complain(user.at, "a user without a password: write `password_file` too"),
        (None, Some(password)) => section.sheet().complain(password.at, "a password without a user: write `user` too"),
        _ => {}
    }
    if number.is_none()
        && let Some(caller) = caller.as_ref().filter(|c| c.value == CallerPolicy::OwnNumber)
    {
        section.sheet().complain(caller.at, "`caller` is \"own-number\" and there is none: write `number` too");
    }
    let Some(address) = address else {
        if !has_address {
            section.sheet().complain(at, format!("the trunk has no address: write `address`, {wanted}"));
        }
        return None;
    };
    // A carrier that gave us a number refuses calls from others.
    let default_caller = if number.is_some() { CallerPolicy::OwnNumber } else { CallerPolicy::PassThrough };
    Some(Trunk {
        address: address.value,
        transport,
        tcp_for_large,
        tls,
        stir,
        user: user.map(|u| u.value),
        password: password.map(|p| p.value),
        realm: realm.map(|r| r.value),
        caller: caller.map_or(default_caller, |c| c.value),
        number: number.map(|n| n.value),
        from_domain: from_domain.map(|d| d.value),
        asserted_identity,
        user_phone,
        codecs: codecs.unwrap_or_default().into_iter().map(|c| c.value).collect(),
        same_port,
        video,
        srtp,
        srtp_over_plain,
        dtmf,
        keep_sending,
        session_timer,
        profile,
    })
}

/// Whether sessions have to be refreshed, and how often.
pub(super) fn read_session_timer(section: &mut Section<'_>) -> TimerPolicy {
    let usual = TimerPolicy::default();
    let mode = section.value("session_timer", "\"off\", \"accept\" or \"request\"", |text| {
        TimerMode::ALL.into_iter().find(|mode| mode.word() == text)
    });
    let range = Duration::from_secs(FLOOR_S.into())..=Duration::from_secs(CEILING_S.into());
    let expires = section.duration("session_expires", range);
    TimerPolicy { mode: mode.map_or(usual.mode, |m| m.value), expires: expires.map_or(usual.expires, |e| e.value) }
}

/// Whether media are to be protected.
pub(super) fn read_srtp(section: &mut Section<'_>) -> SrtpPolicy {
    let srtp = section.value("srtp", "\"off\", \"optional\" or \"required\"", |text| match text {
        "off" => Some(SrtpPolicy::Off),
        "optional" => Some(SrtpPolicy::Optional),
        "required" => Some(SrtpPolicy::Required),
        _ => None,
    });
    srtp.map_or(SrtpPolicy::default(), |s| s.value)
}

/// How digits of a keypad reach a peer.
pub(super) fn read_dtmf(section: &mut Section<'_>) -> KeyPolicy {
    let wanted = "\"auto\", \"rfc4733\", \"info\" or \"inband\"";
    section.value("dtmf", wanted, KeyPolicy::by_word).map_or(KeyPolicy::default(), |d| d.value)
}

pub(super) fn read_name(section: &mut Section<'_>, what: &str) -> Option<Located<String>> {
    let has_name = section.has("name");
    let wanted = "a name of letters, digits and . _ - without spaces";
    let name = section.value("name", wanted, |text| {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let good = !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(legal);
        good.then(|| text.to_owned())
    });
    if !has_name {
        section.complain(format!("the {what} has no name: write `name`, {wanted}"));
    }
    name
}

/// A number of ours in E.164 form, or as it is dialled in the region.
pub(super) fn read_number(section: &mut Section<'_>, numbering: &Numbering) -> Option<Located<String>> {
    section.value("number", "a number with its country, such as \"+4930123456\"", |text| {
        numbering.read(&text.parse::<Address>().ok()?).e164
    })
}

/// A secret: written down, or in a file, or in the environment.
pub(super) fn read_secret(section: &mut Section<'_>, folder: &Path, keys: &Keys) -> Option<Located<Secret>> {
    let Keys(word, file, variable) = *keys;
    let before = section.sheet().problem_count();
    let written = section.secret(word);
    let file_given = read_path(section, file, folder);
    let variable_given = section.text(variable, "the name of a variable of the environment");
    let sheet = section.sheet();
    let from_file = file_given.and_then(|file| {
        let text = super::read_file(&file.value).map(|t| t.trim_end_matches(['\r', '\n']).to_owned());
        match text {
            Ok(text) if !text.is_empty() => Some(Located { value: Secret::new(text), at: file.at }),
            Ok(_) => {
                sheet.complain(file.at, format!("`{}` is empty: write the {word} into it", file.value.display()));
                None
            }
            Err(error) => {
                sheet.complain(file.at, format!("`{}` {error}", file.value.display()));
                None
            }
        }
    });
    let from_variable = variable_given.and_then(|variable| match std::env::var(&variable.value) {
        Ok(text) if !text.is_empty() => Some(Located { value: Secret::new(text), at: variable.at }),
        _ => {
            sheet.complain(variable.at, format!("`{}` is not set: export it before the start", variable.value));
            None
        }
    });
    let mut all = [written, from_file, from_variable].into_iter().flatten();
    let first = all.next();
    if let Some(second) = all.next() {
        sheet.complain(second.at, format!("two {word}s: write one of `{word}`, `{file}`, `{variable}`"));
    }
    // Whoever wrote one that cannot be had is not told that there is none.
    match first {
        None if sheet.problem_count() > before => Some(Located { value: Secret::new("unreadable"), at: section.at() }),
        first => first,
    }
}
