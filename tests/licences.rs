//! Every crate that is linked in has a licence that goes with ours, told by its own manifest.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

/// Licences that allow linking into a permissively licensed program. MPL-2.0 asks only that changes to its own
/// files are published.
const ALLOWED: [&str; 13] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "CC0-1.0",
];

/// Crates whose manifest names a file instead of a licence; the file was read.
const READ_BY_HAND: [(&str, &str); 2] = [("rsip", "MIT"), ("rsip-derives", "MIT")];

/// Whether an SPDX expression can be met with allowed licences: of each `AND` part, one `OR` branch.
fn is_allowed(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], " ").replace('/', " OR ");
    let flat = flat.split_whitespace().collect::<Vec<_>>().join(" ");
    if !expression.contains('(') {
        return flat.split(" OR ").any(|branch| branch.split(" AND ").all(|l| ALLOWED.contains(&l)));
    }
    // With brackets: stricter than need be, every name in it must be allowed.
    flat.split(" AND ").flat_map(|p| p.split(" OR ")).all(|l| ALLOWED.contains(&l))
}

#[test]
fn every_dependency_has_a_licence_that_goes_with_ours() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--offline",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let linked: Vec<&str> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|n| n["id"].as_str().unwrap()).collect();
    let mut bad = Vec::new();
    let packages = metadata["packages"].as_array().unwrap();
    for package in packages.iter().filter(|p| linked.contains(&p["id"].as_str().unwrap())) {
        let name = package["name"].as_str().unwrap();
        let by_hand = READ_BY_HAND.iter().find(|(n, _)| *n == name).map(|(_, l)| *l);
        let licence = package["license"].as_str().or(by_hand).unwrap_or("none named");
        if !is_allowed(licence) {
            bad.push(format!("{name}: {licence}"));
        }
    }
    assert!(packages.len() > 50, "the list is too short to be true");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
