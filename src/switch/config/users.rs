//! The users: those of the configuration file, and those of a file of their own, for where there are many.

use std::collections::BTreeSet;
use std::path::Path;

use super::people::{PASSWORD, read_name, read_number, read_secret};
use super::read::read_path;
use super::xmpp::{is_ours, read_account};
use crate::base::settings::{Located, Problem, Section, Sheet};
use crate::jingle;
use crate::model::{Directory, User};
use crate::route::Numbering;

/// The most users. A hundred thousand of them, each registered by a telephone, take some 300 MB.
const MAX_USERS: usize = 100_000;

/// The longest file of users, in octets: 160 for each.
const MAX_USERS_BYTES: usize = 16 * 1024 * 1024;

/// Off loopback, whoever guesses a password makes calls at somebody else's cost.
const SHORTEST_PASSWORD: usize = 8;

/// The `[[user]]`s as they are read.
pub(super) struct Users {
    pub(super) directory: Directory,
    /// Also of those that have a mistake elsewhere.
    pub(super) names: BTreeSet<String>,
}

/// What has to be known to read a user.
pub(super) struct Around<'a> {
    /// Where relative paths begin.
    pub(super) folder: &'a Path,
    pub(super) numbering: &'a Numbering,
    /// Strangers can try passwords.
    pub(super) open_to_others: bool,
    /// Whose accounts are the gateway's own.
    pub(super) xmpp: &'a jingle::config::Config,
}

/// Reads the `[[user]]`s, and those of `users_file`, whose mistakes go to `others`.
pub(super) fn users(root: &mut Section<'_>, around: &Around<'_>, others: &mut Vec<Problem>) -> Users {
    let mut reader = Reader { around, all: Directory::default(), names: BTreeSet::new(), taken: BTreeSet::new() };
    let file = read_path(root, "users_file", around.folder);
    for section in root.sections("user", MAX_USERS) {
        reader.read(section);
    }
    if let Some(file) = file {
        match super::read_long_file(&file.value, MAX_USERS_BYTES) {
            Ok(text) => others.extend(reader.read_file(&file.value, &text)),
            Err(error) => root.sheet().complain(file.at, format!("`{}` {error}", file.value.display())),
        }
    }
    Users { directory: reader.all, names: reader.names }
}

struct Reader<'a> {
    around: &'a Around<'a>,
    all: Directory,
    names: BTreeSet<String>,
    /// The numbers and the accounts of those that were read; no number has the `@` of an account.
    taken: BTreeSet<String>,
}

impl Reader<'_> {
    fn read_file(&mut self, file: &Path, text: &str) -> Vec<Problem> {
        let name = file.display().to_string();
        let sheet = Sheet::longer(&name, text, MAX_USERS_BYTES);
        let mut root = sheet.open();
        for section in root.sections("user", MAX_USERS) {
            self.read(section);
        }
        drop(root);
        if self.names.len() > MAX_USERS {
            sheet.complain(0, format!("there are {} users in all: write at most {MAX_USERS}", self.names.len()));
        }
        sheet.into_problems()
    }

    fn read(&mut self, mut section: Section<'_>) {
        let name = read_name(&mut section, "user");
        let secret = read_secret(&mut section, self.around.folder, &PASSWORD);
        let display = section.text("display", "the name to show to those who are called").map(|d| d.value);
        let number = read_number(&mut section, self.around.numbering);
        let wanted = "an XMPP account, such as \"alice@example.org\"";
        let jid = section.value("jid", wanted, |text| read_account(text).map(|jid| jid.to_string()));
        let Some(name) = name else { return };
        let sheet = section.sheet();
        if !self.names.insert(name.value.clone()) {
            return sheet.complain(name.at, format!("there are two users `{}`: give one another name", name.value));
        }
        if let Some(number) = &number
            && !self.taken.insert(number.value.clone())
        {
            sheet.complain(number.at, format!("two users have the number {}: write it once", number.value));
        }
        if let Some(jid) = &jid {
            self.check_account(&section, jid);
        }
        let Some(password) = secret else {
            return section.complain(format!("{} has no password: write `password` or `password_file`", name.value));
        };
        if self.around.open_to_others && password.value.expose().chars().count() < SHORTEST_PASSWORD {
            let why = "the gateway can be reached from elsewhere, and a guessed password costs money";
            let advice = format!("write at least {SHORTEST_PASSWORD} characters");
            sheet.complain(password.at, format!("the password is too short: {advice}; {why}"));
        }
        let (number, jid) = (number.map(|n| n.value), jid.map(|j| j.value));
        self.all.users.insert(name.value, User { password: password.value, display, number, jid });
    }

    fn check_account(&mut self, section: &Section<'_>, jid: &Located<String>) {
        if !self.taken.insert(jid.value.clone()) {
            section.sheet().complain(jid.at, format!("two users have the account {}: write it once", jid.value));
        }
        if is_ours(self.around.xmpp, &jid.value) {
            let text = format!("`{}` is the gateway itself: write an account of the user's own", jid.value);
            section.sheet().complain(jid.at, text);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::super::Config;
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("patchcord-users-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn users_may_stand_in_a_file_of_their_own_and_their_mistakes_are_told_with_its_lines() {
        let folder = folder("own-file");
        let file = folder.join("users.toml");
        let text = "users_file = \"users.toml\"\n[[user]]\nname = \"alice\"\npassword = \"secret of alice\"\n";
        std::fs::write(&file, "[[user]]\nname = \"bob\"\npassword = \"secret of bob\"\nnumber = \"+4930123456\"\n")
            .unwrap();
        let config = Config::read("gateway.toml", text, &folder).unwrap();
        let names: Vec<&str> = config.directory.users.keys().map(String::as_str).collect();
        assert_eq!((names, config.directory.users.by_number("+4930123456")), (vec!["alice", "bob"], Some("bob")));
        std::fs::write(&file, "[[user]]\nname = \"alice\"\npassword = \"other\"\n[[users]]\nname = \"carol\"\n")
            .unwrap();
        let problems = Config::read("gateway.toml", text, &folder).unwrap_err().to_string();
        let shown = file.display();
        assert!(problems.contains(&format!("{shown}:2: there are two users `alice`")), "{problems}");
        assert!(problems.contains(&format!("{shown}:4: ")), "an unknown key: {problems}");
        std::fs::remove_file(&file).unwrap();
        let problems = Config::read("gateway.toml", text, &folder).unwrap_err().to_string();
        assert!(problems.starts_with("gateway.toml:1: ") && problems.contains("cannot be read"), "{problems}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_of_users_may_have_as_many_as_may_be_and_no_more() {
        let folder = folder("many");
        let user = |n: usize| format!("[[user]]\nname = \"u{n:06}\"\npassword = \"password{n:06}\"\n");
        std::fs::write(folder.join("users.toml"), (0..MAX_USERS).map(user).collect::<String>()).unwrap();
        let config = Config::read("gateway.toml", "users_file = \"users.toml\"", &folder).unwrap();
        assert_eq!(config.directory.users.len(), MAX_USERS);
        let text = format!("users_file = \"users.toml\"\n{}", user(MAX_USERS));
        let problems = Config::read("gateway.toml", &text, &folder).unwrap_err().to_string();
        assert!(problems.contains(&format!("{} users in all", MAX_USERS + 1)), "{problems}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
