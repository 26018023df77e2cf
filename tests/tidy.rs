//! The rules of the house, held by a test: each room's `mod.rs` says its floor and what it may import, and
//! the code is held to it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

struct Room {
    floor: u32,
    may_import: Vec<String>,
}

/// The files of code; a room's `tests.rs` has a clock like any test.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_some_and(|n| n != "tests.rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rooms() -> BTreeMap<String, Room> {
    let mut rooms = BTreeMap::new();
    for entry in fs::read_dir(source()).expect("src") {
        let path = entry.expect("an entry").path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(path.join("mod.rs")).unwrap_or_else(|_| panic!("{name} has no mod.rs"));
        let rule = text
            .lines()
            .find_map(|l| l.strip_prefix("//! Floor "))
            .unwrap_or_else(|| panic!("{name}/mod.rs does not say its floor"));
        let (floor, imports) = rule.split_once(". May import: ").unwrap_or_else(|| panic!("{name}: {rule}"));
        let may_import = imports
            .trim_end_matches('.')
            .split(", ")
            .map(str::trim)
            .filter(|i| *i != "nothing")
            .map(str::to_owned)
            .collect();
        rooms.insert(name, Room { floor: floor.parse().expect("a floor"), may_import });
    }
    rooms
}

/// The code of a file without its comments and without its test module at the end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end]
        .lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .map(|l| l.split(" // ").next().unwrap_or(l))
        .collect::<Vec<_>>()
        .join("\n")
}

fn room_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(source()).ok()?;
    (inside.components().count() > 1)
        .then(|| inside.components().next().map(|c| c.as_os_str().to_string_lossy().into_owned()))
        .flatten()
}

#[test]
fn rooms_import_only_what_their_first_lines_allow_and_only_from_below() {
    let rooms = rooms();
    let mut broken = Vec::new();
    for (name, room) in &rooms {
        for import in &room.may_import {
            match rooms.get(import) {
                None => broken.push(format!("{name} may import {import}, which is no room")),
                Some(other) if other.floor > room.floor || (other.floor == room.floor && room.floor < 4) => {
                    broken.push(format!("{name} (floor {}) may import {import} (floor {})", room.floor, other.floor));
                }
                Some(_) => {}
            }
        }
    }
    for path in rust_files(&source()) {
        let Some(name) = room_of(&path) else { continue };
        let text = code(&path);
        for (at, _) in text.match_indices("crate::") {
            let rest = &text[at + "crate::".len()..];
            let import: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let known = rooms.contains_key(&import) && import != name;
            if known && !rooms[&name].may_import.contains(&import) {
                broken.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn clocks_sockets_tasks_and_entropy_are_only_in_drivers_and_above() {
    const FORBIDDEN: [&str; 9] = [
        "tokio::",
        "Instant::now",
        "SystemTime::now",
        "std::thread",
        "UdpSocket",
        "TcpStream",
        "TcpListener",
        "getrandom",
        "from_os_rng",
    ];
    let rooms = rooms();
    let mut broken = Vec::new();
    for path in rust_files(&source()) {
        let Some(name) = room_of(&path) else { continue };
        let is_driver = path.components().any(|c| {
            let part = c.as_os_str().to_string_lossy();
            part == "driver" || part == "driver.rs"
        });
        if is_driver || rooms[&name].floor >= 4 {
            continue;
        }
        let text = code(&path);
        for word in FORBIDDEN {
            if text.contains(word) {
                broken.push(format!("{} says {word}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_queue_is_unbounded_and_no_path_climbs_twice() {
    let mut broken = Vec::new();
    for path in rust_files(&source()) {
        let text = code(&path);
        for word in ["unbounded_channel", "mpsc::channel()", "super::super"] {
            if text.contains(word) {
                broken.push(format!("{} says {word}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Every file of code and of tests, whatever it is called.
fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder of code") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(all_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs" || e == "mjs") {
            found.push(path);
        }
    }
    found
}

/// The last cell of each row of a table, where tests are named in back-quotes.
fn tests_named_in(document: &str) -> impl Iterator<Item = &str> {
    document
        .lines()
        .filter(|line| line.starts_with('|') && line.ends_with('|'))
        .filter_map(|line| line.trim_end_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
}

#[test]
fn every_test_that_the_conformance_document_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/conformance.md")).expect("the document");
    let (mut code, mut scenes) = (String::new(), Vec::new());
    for folder in ["src", "tests", "interop"] {
        for path in all_files(&root.join(folder)) {
            if !path.components().any(|c| c.as_os_str() == "node_modules") {
                code.push_str(&fs::read_to_string(&path).expect("a file of code"));
                scenes.push(path);
            }
        }
    }
    let named: Vec<_> = tests_named_in(&document).collect();
    assert!(named.len() > 20, "the document names {} tests", named.len());
    let is_file = |name: &str| name.ends_with(".mjs") && scenes.iter().any(|path| path.ends_with(name));
    let is_test = |name: &str| code.contains(&format!("fn {name}(")) || code.contains(&format!("\"{name}\""));
    let gone: Vec<_> = named.into_iter().filter(|name| !is_file(name) && !is_test(name)).collect();
    assert!(gone.is_empty(), "no test is called {}", gone.join(", "));
}
