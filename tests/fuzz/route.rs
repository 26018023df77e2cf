//! Whatever stands in a dialplan and whatever is dialled: an answer, never a panic.

use patchcord::base::Dice;
use patchcord::model::{Address, Directory, Entry};
use patchcord::route::{
    Dialplan, Expected, Minute, Names, Numbering, Request, decide, defaults, explain, pattern::Pattern,
};

/// The body of the fuzz target: the first half is a dialplan and a pattern, the second is dialled.
pub fn dialplan(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let middle = (0..=text.len() / 2).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let (file, dialled) = text.split_at(middle);
    let names =
        Names { users: ["web".into()].into(), trunks: vec!["demo".into()], demo: None, xmpp: true, ..Names::default() };
    let plan = Dialplan::read([("fuzz.toml", file)], &names).unwrap_or_default();
    let _ = Expected::read("fuzz.toml", file);
    let address = dialled.parse().unwrap_or_else(|_| Address::here(dialled));
    let numbering = Numbering::of_region("DE").unwrap_or_default();
    let caller = Entry::User("web".into());
    let parties = (&address, &address);
    let request = Request::gather(&numbering, &Directory::default(), caller, "web", parties, Minute::of(0, 0, 0));
    explain(&plan, &request, &decide(&plan, &request));
    if let Ok(pattern) = Pattern::read(file) {
        pattern.fits(dialled, Some(dialled));
    }
}

#[test]
fn no_mutation_of_the_embedded_files_panics() {
    let mut dice = Dice::for_test(2);
    let seeds = [
        defaults::FILES[0].1,
        defaults::FILES[1].1,
        defaults::DEMO_FILE.1,
        defaults::IM_FILE.1,
        "[[rule]]\nwhen = { to = \"9*|600..699|[*#]?@*.example\" }\ndial = \"user:web\"\n0049 (0)30/12-3.4",
    ];
    for round in 0..2_000 {
        let mut data = seeds[round % seeds.len()].as_bytes().to_vec();
        for _ in 0..=dice.below(6) {
            let at = dice.below(data.len() as u32) as usize;
            match dice.below(4) {
                0 => data[at] = dice.u32() as u8,
                1 => drop(data.drain(at..(at + 1 + dice.below(20) as usize).min(data.len()))),
                2 => data.insert(at, b"[]{}*|@?.\"=+"[dice.below(12) as usize]),
                _ => data.extend_from_within(at..),
            }
            if data.is_empty() {
                break;
            }
        }
        dialplan(&data);
    }
}
