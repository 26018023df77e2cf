//! The files of the dialplan, as types.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::MAX_TARGETS;
use super::entry::EntryPattern;
use super::group::{Group, Groups};
use super::hours::Hours;
use super::pattern::Pattern;
use super::services::{read_services, read_sound};
use super::template::Template;
use crate::base::settings::{Located, Problems, Section, Sheet, nearest};
use crate::model::{Cause, MediaPolicy, Services, Sound};

/// The most files of a plan.
pub const MAX_FILES: usize = 64;

/// The most rules of a plan.
pub const MAX_RULES: usize = 1000;

/// The longest that targets may ring.
pub const LONGEST_RING: Duration = Duration::from_secs(600);

/// How long each target rings if the rule does not say.
pub const DEFAULT_RING: Duration = Duration::from_secs(60);

/// The longest name of a rule, in characters.
const LONGEST_NAME: usize = 100;

/// The rules, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dialplan {
    rules: Vec<Rule>,
}

/// A rule that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, or else its place.
    pub name: String,
    /// Where it stands: `10-users.toml:4`.
    pub place: String,
    /// What must hold.
    pub when: When,
    /// What is then done.
    pub then: Then,
    /// No limit of the gateway may refuse the call.
    pub emergency: bool,
    /// What it adds to the call.
    pub services: Services,
}

/// The conditions of a rule; those that are absent always hold, but for `entry`: a rule without it does not
/// hold for callers whom no door knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct When {
    /// By which door.
    pub entry: Option<EntryPattern>,
    /// Who calls.
    pub from: Option<Pattern>,
    /// Who was dialled.
    pub to: Option<Pattern>,
    /// Which of our users was dialled, by name or by number.
    pub user: Option<Pattern>,
    /// Whom the call was meant for before others sent it on.
    pub meant_for: Option<Pattern>,
    /// At what time.
    pub hours: Option<Hours>,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Rings the targets.
    Dial {
        /// Whom, best first; empty only if it was `trunk:*` and there is no trunk.
        targets: Vec<TargetName>,
        /// The number that trunks are asked for.
        number: Template,
        /// All at once.
        parallel: bool,
        /// How long each rings.
        ring: Duration,
        /// Which way the media may go.
        media: MediaPolicy,
    },
    /// Lets the caller hear themselves.
    Echo,
    /// Plays a sound to the caller, once.
    Play {
        /// Which.
        sound: Sound,
        /// With what the call then ends, without having been answered; `None`: it is answered, and hung up.
        reject: Option<Cause>,
    },
    /// Ends the call.
    Reject(Cause),
}

/// A target as the rule names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetName {
    /// `user:alice`
    User(String),
    /// `user:{user}`: the one who was dialled.
    Callee,
    /// `trunk:carrier`
    Trunk(String),
    /// `group:carriers`
    Group(Arc<Group>),
    /// `xmpp:romeo@example.org`, `xmpp:{dialled}`
    Xmpp(Template),
}

/// The names that targets may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The users of the directory.
    pub users: BTreeSet<String>,
    /// The trunks, in the order of the configuration.
    pub trunks: Vec<String>,
    /// The trunk that only plays a telephone network: `trunk:*` does not mean it.
    pub demo: Option<String>,
    /// Whether the gateway is connected to an XMPP server.
    pub xmpp: bool,
    /// The sounds of the configuration.
    pub sounds: BTreeSet<String>,
    /// The groups of trunks.
    pub groups: Groups,
}

impl Dialplan {
    /// Reads files, given by name and text, in the order given.
    ///
    /// # Errors
    /// Every mistake of every file.
    pub fn read<'f>(files: impl IntoIterator<Item = (&'f str, &'f str)>, names: &Names) -> Result<Dialplan, Problems> {
        let mut plan = Dialplan::default();
        let mut problems = Vec::new();
        for (index, (file, text)) in files.into_iter().enumerate() {
            let sheet = Sheet::new(file, text);
            if index >= MAX_FILES {
                sheet.complain(0, format!("too many files of the dialplan: write at most {MAX_FILES}"));
                problems.extend(sheet.into_problems());
                break;
            }
            plan.read_rules(&mut sheet.open(), names);
            problems.extend(sheet.into_problems());
        }
        if problems.is_empty() { Ok(plan) } else { Err(Problems(problems)) }
    }

    /// Reads the `[[rule]]`s of a section, to stand after those already here. Mistakes are noted on the sheet.
    pub fn read_rules(&mut self, section: &mut Section<'_>, names: &Names) {
        for mut rule in section.sections("rule", MAX_RULES) {
            if self.rules.len() == MAX_RULES {
                rule.complain(format!("too many rules: write at most {MAX_RULES} in all"));
                return;
            }
            if let Some(rule) = read_rule(&mut rule, names) {
                self.rules.push(rule);
            }
        }
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The numbers that a rule may take for a call for help.
    pub fn emergency_numbers(&self) -> Vec<Pattern> {
        self.rules.iter().filter(|rule| rule.emergency).filter_map(|rule| rule.when.to.clone()).collect()
    }

    /// The name of the rule at a place in the plan.
    pub fn name_of(&self, rule: usize) -> Option<&str> {
        self.rules.get(rule).map(|r| r.name.as_str())
    }
}

fn read_rule(section: &mut Section<'_>, names: &Names) -> Option<Rule> {
    let place = format!("{}:{}", section.sheet().file(), section.sheet().line(section.at()));
    let name = section.value("name", "a name of at most 100 characters", |text| {
        let good = !text.trim().is_empty() && text.chars().count() <= LONGEST_NAME && !text.contains(char::is_control);
        good.then(|| text.to_owned())
    });
    let emergency = section.flag("emergency").is_some_and(|e| e.value);
    let when = read_when(&mut section.section("when"));
    let services = read_services(section, names);
    let then = read_then(section, &when, names)?;
    let then = by_relay(section, then, &services);
    let name = name.map_or_else(|| place.clone(), |n| n.value);
    Some(Rule { name, place, when, then, emergency, services })
}

/// What is heard of the gateway itself goes through the relay, and so does all that it goes with.
fn by_relay(section: &Section<'_>, mut then: Then, services: &Services) -> Then {
    if let Then::Dial { media, .. } = &mut then
        && services.need_relay()
    {
        if *media == MediaPolicy::Direct {
            let advice = "leave `media = \"direct\"` out, or what it is to play or to hear";
            section.complain(format!("the gateway plays and hears nothing where media go directly: {advice}"));
        }
        *media = MediaPolicy::Relay;
    }
    then
}

fn read_when(section: &mut Section<'_>) -> When {
    let sheet = section.sheet();
    let pattern = |text: Option<Located<String>>| {
        let Located { value, at } = text?;
        Pattern::read(&value).map_err(|e| sheet.complain(at, e.to_string())).ok()
    };
    let entry = section.text("entry", "a door, such as \"user\", \"web\", \"sip\" or \"trunk:NAME\"");
    let entry =
        entry.and_then(|text| EntryPattern::read(&text.value).map_err(|e| sheet.complain(text.at, e.to_string())).ok());
    When {
        entry,
        from: pattern(section.text("from", "a pattern, such as \"alice\" or \"+49*\"")),
        to: pattern(section.text("to", "a pattern, such as \"+49*\" or \"600..699\"")),
        user: pattern(section.text("user", "a pattern for names of users, such as \"*\"")),
        meant_for: pattern(section.text("meant_for", "a pattern, such as \"+49*\"")),
        hours: section
            .value("hours", "hours, such as \"Mo-Fr 08:00-18:00, Sa 09:00-12:00\"", Hours::read)
            .map(|h| h.value),
    }
}

fn read_then(section: &mut Section<'_>, when: &When, names: &Names) -> Option<Then> {
    let before = section.sheet().problem_count();
    let dial = section.values("dial", "targets, such as \"user:alice\" or [\"trunk:carrier\"]", MAX_TARGETS, |text| {
        Some(text.to_owned())
    });
    let number = section.text("number", "a number for the trunk, such as \"{e164}\" or \"0{rest}\"");
    let parallel = section.flag("parallel");
    let ring = section.duration("ring", Duration::from_secs(1)..=LONGEST_RING);
    let wanted = "\"auto\", \"direct\" or \"relay\"";
    let media = section.value("media", wanted, MediaPolicy::by_name);
    let echo = section.flag("echo");
    let causes = Cause::ALL.map(Cause::name).join(", ");
    let reject = section.value("reject", &format!("one of {causes}"), Cause::by_name);
    let play = read_sound(section, "play", &names.sounds);
    let of_dial = [
        number.as_ref().map(|n| n.at),
        parallel.as_ref().map(|p| p.at),
        ring.as_ref().map(|r| r.at),
        media.as_ref().map(|m| m.at),
    ];
    if dial.is_none()
        && let Some(at) = of_dial.into_iter().flatten().next()
    {
        section.sheet().complain(at, "this belongs to `dial`: write `dial` too, or leave it out");
    }
    let number = number.and_then(|n| read_template(section.sheet(), &n, when)).unwrap_or_default();
    let targets = dial.map(|d| read_targets(section, d, when, names));
    match (targets, echo, play, reject) {
        (Some(targets), None, None, None) => {
            let ring = ring.map_or(DEFAULT_RING, |r| r.value);
            let media = media.map_or(MediaPolicy::default(), |m| m.value);
            if let Some(parallel) = parallel.as_ref().filter(|p| p.value)
                && targets.iter().flatten().any(|target| matches!(target, TargetName::Group(_)))
            {
                let advice = "the trunks of a group are tried one after the other: leave `parallel` out, or the group";
                section.sheet().complain(parallel.at, advice);
            }
            Some(Then::Dial { targets: targets?, number, parallel: parallel.is_some_and(|p| p.value), ring, media })
        }
        (None, Some(Located { value: true, .. }), None, None) => Some(Then::Echo),
        (None, None, Some(sound), reject) => {
            Some(Then::Play { sound: sound.value, reject: reject.map(|cause| cause.value) })
        }
        (None, None, None, Some(cause)) => Some(Then::Reject(cause.value)),
        // Whoever wrote an action that cannot be read has been told so.
        (None, None, None, None) if section.sheet().problem_count() > before => None,
        _ => {
            section.complain("the rule must do one thing: write `dial = …`, `echo = true`, `play = …` or `reject = …`");
            None
        }
    }
}

fn read_template(sheet: &Sheet<'_>, number: &Located<String>, when: &When) -> Option<Template> {
    let template = Template::read(&number.value).map_err(|e| sheet.complain(number.at, e.to_string())).ok()?;
    rest_is_known(&template, when).map_err(|advice| sheet.complain(number.at, advice)).ok()?;
    Some(template)
}

fn rest_is_known(template: &Template, when: &When) -> Result<(), &'static str> {
    if template.has_rest() && !when.to.as_ref().is_some_and(Pattern::has_rest) {
        return Err("`{rest}` is what the `*` of `to` stood for: write `to` with a `*`, such as \"9*\"");
    }
    Ok(())
}

fn read_targets(
    section: &Section<'_>,
    dial: Vec<Located<String>>,
    when: &When,
    names: &Names,
) -> Option<Vec<TargetName>> {
    let mut targets = Vec::new();
    let mut good = true;
    if dial.is_empty() {
        section.complain("`dial` is empty: write a target, such as \"user:alice\"");
        good = false;
    }
    for Located { value, at } in dial {
        match read_target(&value, when, names) {
            Ok(some) => targets.extend(some),
            Err(advice) => {
                section.sheet().complain(at, format!("`{value}`: {advice}"));
                good = false;
            }
        }
    }
    good.then_some(targets)
}

fn read_target(text: &str, when: &When, names: &Names) -> Result<Vec<TargetName>, String> {
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    match (kind, name) {
        ("user", "{user}") if when.user.is_none() => {
            Err("nobody is known to be dialled: write `user = \"*\"` in `when`".to_owned())
        }
        ("user", "{user}") => Ok(vec![TargetName::Callee]),
        ("user", name) if names.users.contains(name) => Ok(vec![TargetName::User(name.to_owned())]),
        ("user", name) => {
            let known: Vec<&str> = names.users.iter().map(String::as_str).collect();
            Err(unknown("user", name, &known))
        }
        ("trunk" | "group", _) if when.entry.is_none() => {
            let advice = "write `entry` in `when`, such as entry = \"user\"";
            Err(format!("calls through a trunk cost money, so a rule must say who may: {advice}"))
        }
        ("trunk", "*") => {
            let real = names.trunks.iter().filter(|t| names.demo.as_ref() != Some(*t));
            Ok(real.cloned().map(TargetName::Trunk).collect())
        }
        ("trunk", name) if names.trunks.iter().any(|t| t == name) => Ok(vec![TargetName::Trunk(name.to_owned())]),
        ("trunk", name) => {
            let known: Vec<&str> = names.trunks.iter().map(String::as_str).collect();
            Err(unknown("trunk", name, &known))
        }
        ("group", name) => match names.groups.get(name) {
            Some(group) => Ok(vec![TargetName::Group(Arc::clone(group))]),
            None => {
                let known: Vec<&str> = names.groups.keys().map(String::as_str).collect();
                Err(unknown("group", name, &known))
            }
        },
        ("xmpp", _) if !names.xmpp => {
            Err("there is no connection to an XMPP server: write an [[xmpp]] into the configuration".to_owned())
        }
        ("xmpp", jid) => read_account(jid, when).map(|template| vec![TargetName::Xmpp(template)]),
        _ => {
            let kinds = "\"user:NAME\", \"user:{user}\", \"trunk:NAME\", \"group:NAME\" or \"xmpp:NAME@DOMAIN\"";
            Err(format!("no such kind of target: write {kinds}"))
        }
    }
}

fn read_account(jid: &str, when: &When) -> Result<Template, String> {
    let wanted = || {
        "write an account, such as \"xmpp:romeo@example.org\", \"xmpp:{rest}@example.org\" or, for what was \
                     dialled with its domain, \"xmpp:{dialled}\""
            .to_owned()
    };
    let template = Template::account(jid).ok_or_else(wanted)?;
    rest_is_known(&template, when).map_err(str::to_owned)?;
    Ok(template)
}

fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    const SHOWN: usize = 10;
    match nearest(name, known) {
        Some(near) => format!("there is no {kind} `{name}`: write \"{kind}:{near}\""),
        None if known.is_empty() => format!("there is no {kind} at all: write a [[{kind}]] into the configuration"),
        None => {
            let some: Vec<&str> = known.iter().copied().take(SHOWN).collect();
            format!("there is no {kind} `{name}`: known here: {}", some.join(", "))
        }
    }
}
