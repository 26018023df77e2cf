//! A decision in words: the rule that decided and, for every rule before it, the condition that failed.

use std::fmt::Write;

use super::decide::{Action, Condition, Decision, Request};
use super::plan::{Dialplan, Rule};
use super::services;
use crate::base::settings::print_duration;
use crate::model::{Entry, MediaPolicy};

/// Tells how a decision came about, in lines of text.
pub fn explain(plan: &Dialplan, request: &Request, decision: &Decision) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} calls {} at {}", caller(request), callee(request), request.at);
    let widest = |part: fn(&Rule) -> &str| {
        let rules = decision.steps.iter().filter_map(|s| plan.rules().get(s.rule));
        rules.map(|r| part(r).chars().count()).max().unwrap_or(0)
    };
    let (places, names) = (widest(|r| &r.place), widest(|r| if r.name == r.place { "" } else { &r.name }));
    for step in &decision.steps {
        let Some(rule) = plan.rules().get(step.rule) else { continue };
        let name = if rule.name == rule.place { "" } else { rule.name.as_str() };
        let outcome = step.failed.map_or_else(|| "yes".to_owned(), |c| format!("no: {}", failure(rule, c, request)));
        let _ = writeln!(text, "  {:places$}  {name:names$}  {outcome}", rule.place);
    }
    if decision.rule.is_none() {
        text.push_str("  no rule allows it\n");
    }
    let _ = write!(text, "{}", decision.action);
    match &decision.action {
        Action::Dial(dial) if dial.parallel => {
            let _ = write!(text, ", for {}", print_duration(dial.ring));
        }
        Action::Dial(dial) => {
            let _ = write!(text, ", for {} each", print_duration(dial.ring));
        }
        Action::Reject(cause) => {
            let _ = write!(text, ": {}", cause.sentence());
        }
        Action::Play { reject: None, .. } => text.push_str(": answered, and hung up when it is over"),
        Action::Play { reject: Some(cause), .. } => {
            let _ = write!(text, ": {}", cause.sentence());
        }
        Action::Echo => {}
    }
    if let Action::Dial(dial) = &decision.action
        && dial.media != MediaPolicy::default()
    {
        let _ = write!(text, ", media {}", dial.media.name());
    }
    for (key, value) in services::settings(&decision.services) {
        let _ = write!(text, ", {key} = {value}");
    }
    if decision.emergency {
        text.push_str(" (emergency: whatever the limits)");
    }
    text.push('\n');
    text
}

fn door(request: &Request) -> String {
    match &request.entry {
        Entry::User(name) => format!("user:{name}"),
        Entry::Trunk(name) => format!("trunk:{name}"),
        Entry::Account(jid) => format!("account:{jid}"),
        Entry::Open => "open".to_owned(),
    }
}

fn caller(request: &Request) -> String {
    format!("{} (entry {}, by {})", request.from.text(), door(request), request.adapter)
}

fn callee(request: &Request) -> String {
    let typed = request.to.typed.to_string();
    let mut also = Vec::new();
    also.extend(request.to.e164.as_ref().filter(|n| **n != typed).map(|n| format!("number {n}")));
    also.extend(request.user.as_ref().filter(|u| **u != typed).map(|u| format!("user {u}")));
    if also.is_empty() { typed } else { format!("{typed} ({})", also.join(", ")) }
}

/// What was wanted, and what was there instead.
fn failure(rule: &Rule, condition: Condition, request: &Request) -> String {
    let when = &rule.when;
    let shown = |pattern: Option<String>| pattern.unwrap_or_default();
    match condition {
        Condition::Entry => match &when.entry {
            Some(wanted) => format!("entry is {}, by {}, not \"{wanted}\"", door(request), request.adapter),
            None => {
                let word = if matches!(request.entry, Entry::Account(_)) { "account" } else { "open" };
                format!("the caller is not known, and the rule does not say entry = \"{word}\"")
            }
        },
        Condition::From => {
            format!("from is {}, not \"{}\"", request.from.text(), shown(when.from.as_ref().map(ToString::to_string)))
        }
        Condition::To => {
            let wanted = shown(when.to.as_ref().map(ToString::to_string));
            let typed = request.to.typed.to_string();
            match request.to.e164.as_ref().filter(|n| **n != typed) {
                Some(number) => format!("to is {number} ({typed}), not \"{wanted}\""),
                None => format!("to is {typed}, not \"{wanted}\""),
            }
        }
        Condition::User => match &request.user {
            Some(user) => format!("user is {user}, not \"{}\"", shown(when.user.as_ref().map(ToString::to_string))),
            None => "no user of ours has this name or number".to_owned(),
        },
        Condition::MeantFor => match &request.meant_for {
            Some(first) => {
                let wanted = shown(when.meant_for.as_ref().map(ToString::to_string));
                format!("the call was meant for {}, not \"{wanted}\"", first.text())
            }
            None => "nobody has sent the call on".to_owned(),
        },
        Condition::Hours => {
            format!("it is {}, not \"{}\"", request.at, shown(when.hours.as_ref().map(ToString::to_string)))
        }
    }
}
