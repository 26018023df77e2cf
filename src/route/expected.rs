//! The dialplan's own test: a table asked → decided.

use super::decide::{Request, account, decide};
use super::entry::ADAPTERS;
use super::hours::Minute;
use super::normalise::Numbering;
use super::plan::Dialplan;
use crate::base::settings::{Problem, Problems, Section, Sheet};
use crate::model::{Address, Directory, Entry};

/// The most rows of a table.
pub const MAX_ROWS: usize = 10_000;

/// What one call is expected to come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The file and line.
    pub place: Problem,
    /// By which door.
    pub entry: Entry,
    /// Through which adapter.
    pub adapter: String,
    /// Who calls.
    pub from: Address,
    /// Who is dialled.
    pub to: Address,
    /// When.
    pub at: Minute,
    /// The decision, as [`super::Action`] prints itself.
    pub decided: String,
    /// The name of the rule that decides.
    pub rule: Option<String>,
}

impl Expected {
    /// Reads a table.
    ///
    /// # Errors
    /// Every mistake of the file.
    pub fn read(file: &str, text: &str) -> Result<Vec<Expected>, Problems> {
        let sheet = Sheet::new(file, text);
        let rows = sheet.open().sections("call", MAX_ROWS).iter_mut().filter_map(read_row).collect();
        let problems = sheet.into_problems();
        if problems.is_empty() { Ok(rows) } else { Err(Problems(problems)) }
    }

    /// Asks the plan; `Err` says what it decides instead.
    ///
    /// # Errors
    /// The place of the row, with what was expected and what was decided.
    pub fn check(&self, plan: &Dialplan, numbering: &Numbering, directory: &Directory) -> Result<(), Problem> {
        let request =
            Request::gather(numbering, directory, self.entry.clone(), &self.adapter, (&self.from, &self.to), self.at);
        let decision = decide(plan, &request);
        let decided = decision.action.to_string();
        let rule = decision.rule.and_then(|r| plan.name_of(r)).unwrap_or("none");
        let same_rule = self.rule.as_ref().is_none_or(|wanted| wanted == rule);
        if decided == self.decided && same_rule {
            return Ok(());
        }
        let wanted = self.rule.as_ref().map(|r| format!(" by rule \"{r}\"")).unwrap_or_default();
        let text = format!(
            "{} → {}: expected \"{}\"{wanted}, decided \"{decided}\" by rule \"{rule}\"",
            self.from, self.to, self.decided
        );
        Err(Problem { text, ..self.place.clone() })
    }
}

fn read_row(row: &mut Section<'_>) -> Option<Expected> {
    let address = |text: &str| text.parse::<Address>().ok();
    let from = row.value("from", "who calls, such as \"alice\" or \"+15550100\"", address);
    let to = row.value("to", "who is dialled, such as \"bob\" or \"+15550100\"", address);
    let doors = "a door: \"user:NAME\", \"trunk:NAME\", \"account:NAME@DOMAIN\" or \"open\"";
    let entry = row.value("entry", doors, read_entry);
    let adapter = row.value("adapter", "\"web\", \"sip\" or \"xmpp\"", |t| ADAPTERS.contains(&t).then(|| t.to_owned()));
    let at = row.value("at", "a minute of the week, such as \"Mo 10:00\"", Minute::read);
    let decided = row.text("decided", "a decision, such as \"echo\", \"dial user:bob\" or \"reject forbidden\"");
    let rule = row.text("rule", "the name of a rule, or \"none\"");
    let (Some(from), Some(to), Some(decided)) = (from, to, decided) else {
        row.complain("a row needs `from`, `to` and `decided`");
        return None;
    };
    let entry = entry.map_or_else(|| Entry::User(from.value.user.clone()), |e| e.value);
    let default_adapter = usual_adapter(&entry);
    let sheet = row.sheet();
    Some(Expected {
        place: Problem { file: sheet.file().to_owned(), line: sheet.line(row.at()), text: String::new() },
        entry,
        adapter: adapter.map_or_else(|| default_adapter.to_owned(), |a| a.value),
        from: from.value,
        to: to.value,
        at: at.map_or(Minute::of(0, 12, 0), |a| a.value),
        decided: decided.value,
        rule: rule.map(|r| r.value),
    })
}

/// The adapter that those come by whom this door lets in: users by the page, if nothing else is said.
pub fn usual_adapter(entry: &Entry) -> &'static str {
    match entry {
        Entry::User(_) => "web",
        Entry::Account(_) => "xmpp",
        Entry::Trunk(_) | Entry::Open => "sip",
    }
}

/// Reads `user:alice`, `trunk:carrier`, `account:romeo@example.org`, `open`.
pub fn read_entry(text: &str) -> Option<Entry> {
    match text.split_once(':') {
        Some(("user", name)) if !name.is_empty() => Some(Entry::User(name.to_owned())),
        Some(("trunk", name)) if !name.is_empty() => Some(Entry::Trunk(name.to_owned())),
        Some(("account", jid)) => account(jid).map(|jid| Entry::Account(jid.bare().to_string().to_lowercase())),
        None if text == "open" => Some(Entry::Open),
        _ => None,
    }
}
