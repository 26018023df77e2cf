//! What may be used of trunks, against toll fraud: `[limits]` and the limits of each trunk.

use super::print::Table;
use crate::base::settings::Section;
use crate::route::guard::{Allowance, Limits};

/// The most beginnings of numbers that are refused.
const MAX_PREFIXES: usize = 1000;

/// As much as nobody uses: who wants no limit writes it.
const MOST: u64 = 1_000_000;

/// Reads what `[limits]` says of it.
pub(super) fn read_limits(section: &mut Section<'_>) -> Limits {
    let defaults = Limits::default();
    let wanted = "beginnings of numbers in E.164 form, such as [\"+882\", \"+1900\"]";
    let high_risk = section.values("high_risk", wanted, MAX_PREFIXES, |text| {
        let digits = text.strip_prefix('+')?;
        (!digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())).then(|| text.to_owned())
    });
    let high_risk = high_risk.map(|list| list.into_iter().map(|p| p.value).collect());
    Limits {
        caller: read_allowance(&mut section.section("caller"), defaults.caller),
        strangers: read_allowance(&mut section.section("strangers"), defaults.strangers),
        high_risk: high_risk.unwrap_or(defaults.high_risk),
        ..Limits::none()
    }
}

/// Reads what a trunk says of it into the limits.
pub(super) fn read_trunk(section: &mut Section<'_>, name: Option<&str>, limits: &mut Limits) {
    let allowed = read_allowance(section, Allowance::default());
    let is_free = section.flag("free").is_some_and(|f| f.value);
    let Some(name) = name else { return };
    if allowed != Allowance::default() {
        limits.trunks.insert(name.to_owned(), allowed);
    }
    if is_free {
        limits.free.insert(name.to_owned());
    }
}

fn read_allowance(section: &mut Section<'_>, default: Allowance) -> Allowance {
    let mut number =
        |key, default: Option<u32>| section.integer(key, 0..=MOST).map_or(default, |n| u32::try_from(n.value).ok());
    Allowance {
        calls: number("calls", default.calls),
        calls_per_second: number("calls_per_second", default.calls_per_second),
        minutes_per_day: number("minutes_per_day", default.minutes_per_day),
    }
}

/// The tables of `[limits]` that stand beneath it.
pub(super) fn print(limits: &Limits) -> String {
    let table = |name: &str, allowed: &Allowance| print_allowance(Table::new(name), allowed).0;
    table("[limits.caller]", &limits.caller) + &table("[limits.strangers]", &limits.strangers)
}

/// The limits of a trunk, added to its table.
pub(super) fn print_trunk(table: Table, name: &str, limits: &Limits) -> Table {
    let allowed = limits.trunks.get(name).copied().unwrap_or_default();
    let table = print_allowance(table, &allowed);
    if limits.free.contains(name) { table.flag("free", true) } else { table }
}

fn print_allowance(table: Table, allowed: &Allowance) -> Table {
    let keys = [
        ("calls", allowed.calls),
        ("calls_per_second", allowed.calls_per_second),
        ("minutes_per_day", allowed.minutes_per_day),
    ];
    keys.into_iter().fold(table, |table, (key, value)| match value {
        Some(value) => table.raw(key, value),
        None => table,
    })
}
