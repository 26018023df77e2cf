//! `patchcord dialplan test`.

use std::path::Path;

use crate::route::{Expected, defaults};
use crate::switch::config::Config;

/// What can be done with the dialplan.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Asks the dialplan every row of its expected.toml, and prints those that it decides otherwise.
    Test,
}

/// Does it.
pub fn dialplan(file: Option<&Path>, command: &Command) -> Result<(), String> {
    match command {
        Command::Test => super::print(&test(&super::load_without_sounds(file)?)?),
    }
    Ok(())
}

fn test(config: &Config) -> Result<String, String> {
    let rows = match (&config.expected, &config.file) {
        (Some(path), _) => {
            let file = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|e| format!("{file}: cannot be read: {e}"))?;
            Expected::read(&file, &text)
        }
        (None, None) => Expected::read(defaults::EXPECTED.0, defaults::EXPECTED.1),
        (None, Some(_)) => {
            let advice =
                "write `expected = \"expected.toml\"` into [dialplan], and the calls and what is decided into it";
            return Err(format!("the configuration has no expected.toml: {advice}"));
        }
    };
    let rows = rows.map_err(|problems| problems.to_string())?;
    let routing = &config.routing;
    let failed: Vec<String> = rows
        .iter()
        .filter_map(|row| row.check(&routing.dialplan, &routing.numbering, &config.directory).err())
        .map(|problem| problem.to_string())
        .collect();
    if failed.is_empty() {
        Ok(format!("{} calls are decided as expected.\n", rows.len()))
    } else {
        Err(format!("{}\n{} of {} calls are decided otherwise.", failed.join("\n"), failed.len(), rows.len()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::base::Dice;

    #[test]
    fn the_embedded_dialplan_passes_its_own_test() {
        let config = Config::embedded(&mut Dice::for_test(1)).unwrap();
        assert!(test(&config).unwrap().ends_with("calls are decided as expected.\n"));
    }

    #[test]
    fn a_call_that_is_decided_otherwise_is_said_and_fails() {
        let folder = tempfile::tempdir().unwrap();
        let rows = "call = [\n{ from = \"a\", to = \"echo\", decided = \"echo\" },\n\
                    { from = \"a\", to = \"b\", decided = \"echo\" },\n]\n";
        std::fs::write(folder.path().join("rows.toml"), rows).unwrap();
        let config = Config::read("g.toml", "dialplan.expected = \"rows.toml\"\n", folder.path()).unwrap();
        let said = test(&config).unwrap_err();
        assert!(said.contains("rows.toml:3: a → b: expected \"echo\", decided \"reject not-found\""), "{said}");
        assert!(said.ends_with("1 of 2 calls are decided otherwise."), "{said}");
    }
}
