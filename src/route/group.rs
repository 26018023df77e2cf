//! Groups of trunks that lead to the same destinations: hunted by priority, and by chance after weight, as servers of one
//! name are (RFC 2782).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use crate::base::Dice;
use crate::base::settings::{Located, Section, nearest};

/// The most groups.
pub const MAX_GROUPS: usize = 100;

/// The most trunks of a group.
pub const MAX_MEMBERS: usize = 16;

/// The longest name of a group, in characters.
const LONGEST_NAME: usize = 64;

/// The groups, by name.
pub type Groups = BTreeMap<String, Arc<Group>>;

/// Trunks to the same destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What rules call it.
    pub name: String,
    /// The trunks, in the order of the configuration; never empty.
    pub members: Vec<Member>,
}

/// A trunk of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The trunk, by its name in the configuration.
    pub trunk: String,
    /// Lower first.
    pub priority: u16,
    /// How often it is tried first among those of its priority.
    pub weight: u16,
}

impl Group {
    /// The trunks in the order in which one call tries them.
    pub fn hunt(&self, dice: &mut Dice) -> Vec<&str> {
        let mut left = self.by_priority();
        let mut order = Vec::new();
        while let Some(first) = left.first() {
            let priority = first.priority;
            let same = left.iter().take_while(|member| member.priority == priority);
            let at = dice.weighted(same.map(|member| member.weight));
            order.push(left.remove(at.min(left.len() - 1)).trunk.as_str());
        }
        order
    }

    /// The trunks by priority alone.
    pub fn in_order(&self) -> Vec<&str> {
        self.by_priority().into_iter().map(|member| member.trunk.as_str()).collect()
    }

    fn by_priority(&self) -> Vec<&Member> {
        let mut members: Vec<&Member> = self.members.iter().collect();
        members.sort_by_key(|member| member.priority);
        members
    }

    /// The group as a table of the configuration.
    pub fn print(&self) -> String {
        let mut text = format!("\n[[group]]\nname = \"{}\"\nmember = [\n", self.name);
        for Member { trunk, priority, weight } in &self.members {
            let _ = writeln!(text, "  {{ trunk = \"{trunk}\", priority = {priority}, weight = {weight} }},");
        }
        text + "]\n"
    }
}

/// Reads the `[[group]]`s. Mistakes are noted on the sheet.
pub fn read(root: &mut Section<'_>, trunks: &[String]) -> Groups {
    let mut groups = Groups::new();
    for mut section in root.sections("group", MAX_GROUPS) {
        let wanted = "a name of letters, digits and . _ - without spaces";
        let name = section.value("name", wanted, |text| {
            let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let good = !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(legal);
            good.then(|| text.to_owned())
        });
        let before = section.sheet().problem_count();
        let members = read_members(&mut section, trunks);
        let Some(name) = name else {
            section.complain(format!("the group has no name: write `name`, {wanted}"));
            continue;
        };
        if members.is_empty() && section.sheet().problem_count() == before {
            section.complain("the group has no trunks: write `member = [{ trunk = \"NAME\" }, …]`");
        }
        if groups.contains_key(&name.value) {
            let advice = format!("there are two groups `{}`: give one another name", name.value);
            section.sheet().complain(name.at, advice);
        }
        groups.insert(name.value.clone(), Arc::new(Group { name: name.value, members }));
    }
    groups
}

fn read_members(section: &mut Section<'_>, trunks: &[String]) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for mut member in section.sections("member", MAX_MEMBERS) {
        let trunk = member.text("trunk", "the name of a trunk");
        let number = |found: Option<Located<u64>>| found.and_then(|n| u16::try_from(n.value).ok()).unwrap_or(1);
        let all = 0..=u64::from(u16::MAX);
        let (priority, weight) =
            (number(member.integer("priority", all.clone())), number(member.integer("weight", all)));
        let Some(trunk) = trunk else {
            member.complain("the member has no trunk: write `trunk`, the name of a trunk");
            continue;
        };
        if !trunks.contains(&trunk.value) {
            let known: Vec<&str> = trunks.iter().map(String::as_str).collect();
            let advice = nearest(&trunk.value, &known)
                .map_or_else(|| "write a [[trunk]] of that name".to_owned(), |near| format!("did you mean `{near}`?"));
            member.sheet().complain(trunk.at, format!("there is no trunk `{}`: {advice}", trunk.value));
        } else if members.iter().any(|known| known.trunk == trunk.value) {
            member.sheet().complain(trunk.at, format!("`{}` is in the group already: leave it out", trunk.value));
        } else {
            members.push(Member { trunk: trunk.value, priority, weight });
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings::{Problems, Sheet};

    fn read_text(text: &str) -> (Groups, String) {
        let sheet = Sheet::new("gateway.toml", text);
        let groups = read(&mut sheet.open(), &["a".to_owned(), "b".to_owned(), "c".to_owned()]);
        (groups, Problems(sheet.into_problems()).to_string())
    }

    const GROUP: &str = "[[group]]\nname = \"out\"\nmember = [\n  { trunk = \"c\", priority = 2, weight = 1 },\n  \
                         { trunk = \"a\", priority = 1, weight = 80 },\n  { trunk = \"b\", priority = 1, weight = 20 },\n]\n";

    #[test]
    fn trunks_of_a_group_come_by_priority_and_then_as_often_first_as_their_weights_say() {
        let (groups, problems) = read_text(GROUP);
        assert_eq!(problems, "");
        let group = &groups["out"];
        assert_eq!(group.print().trim_start(), GROUP);
        assert_eq!(group.in_order(), ["a", "b", "c"]);
        let mut dice = Dice::for_test(5);
        let mut firsts = 0;
        for _ in 0..2000 {
            let order = group.hunt(&mut dice);
            assert_eq!((order.len(), order[2]), (3, "c"));
            firsts += usize::from(order[0] == "a");
        }
        assert!((1500..1700).contains(&firsts), "{firsts}");
    }

    #[test]
    fn every_mistake_of_a_group_is_told_with_its_line() {
        let text = "[[group]]\nname = \"x\"\n[[group]]\nname = \"y\"\nmember = [\n{ trunk = \"aa\" },\n{ trunk = \"b\" },\n\
                    { trunk = \"b\" },\n{ priority = 1 },\n{ trunk = \"c\", weight = 65536 },\n]\n[[group]]\nname = \"y\"\n\
                    member = [{ trunk = \"a\" }]\n[[group]]\nmember = [{ trunk = \"a\" }]\n";
        let (_, problems) = read_text(text);
        for expected in [
            "gateway.toml:1: the group has no trunks",
            "gateway.toml:6: there is no trunk `aa`: did you mean `a`?",
            "gateway.toml:8: `b` is in the group already",
            "gateway.toml:9: the member has no trunk",
            "gateway.toml:10: `weight` is 65536: write a number from 0 to 65535",
            "gateway.toml:13: there are two groups `y`",
            "gateway.toml:15: the group has no name",
        ] {
            assert!(problems.contains(expected), "{expected}\n{problems}");
        }
    }
}
