//! `patchcord check`.

use std::path::Path;

/// Prints the effective configuration, or every mistake.
pub fn check(file: Option<&Path>) -> Result<(), String> {
    super::print(&super::load(file)?.to_toml());
    Ok(())
}
