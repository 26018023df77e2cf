//! `patchcord`: the gateway runs until it is told to end.

use crate::switch::config::Config;

/// Runs the gateway.
///
/// # Errors
/// What keeps it from starting, for a person.
pub fn run(config: Config) -> Result<(), String> {
    let _ = config;
    Err("the gateway cannot be run yet".to_owned())
}
