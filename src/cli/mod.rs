//! The command line.
//!
//! Floor 5. May import: base, model, route, switch, http, demo, sip, sdp, rtp, web, jingle, media, call.

mod check;
mod dialplan;
mod explain;
mod log;
mod parts;
mod relay;
mod run;
mod trunk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::base::Dice;
use crate::switch::config::Config;

/// Threads of the signalling plane, as far as there are processors: its tasks are few, and wake each other less across few
/// threads.
const SIGNALLING_THREADS: usize = 2;

/// Web browsers and telephones call each other.
///
/// Without a command the gateway runs; without a file it runs on this machine alone, with a demo trunk and
/// generated passwords.
#[derive(Debug, Parser)]
#[command(name = "patchcord", version)]
struct Arguments {
    /// The configuration file; docs/configuration.md lists what it may say.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks the configuration and prints it with every default filled in and every secret hidden.
    Check,
    /// Prints what the dialplan decides for a call, and for every rule before the deciding one why not.
    Explain(explain::Arguments),
    /// The dialplan.
    #[command(subcommand)]
    Dialplan(dialplan::Command),
    /// Trunks.
    #[command(subcommand)]
    Trunk(trunk::Command),
    /// Runs as a border controller: sends every call on to one target and relays its media.
    Relay(relay::Arguments),
}

/// Runs the program; an error is printed for a person.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let file = arguments.config.as_deref();
    let done = match &arguments.command {
        None => load(file).and_then(run::run),
        Some(Command::Check) => check::check(file),
        Some(Command::Explain(call)) => explain::explain(file, call),
        Some(Command::Dialplan(command)) => dialplan::dialplan(file, command),
        Some(Command::Trunk(command)) => trunk::trunk(file, command),
        Some(Command::Relay(relay)) => relay::relay(relay),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration of a file, or the one inside the binary.
fn load(file: Option<&Path>) -> Result<Config, String> {
    let config = match file {
        Some(file) => Config::load(file),
        None => Config::embedded(&mut dice()?),
    };
    config.map_err(|problems| problems.to_string())
}

/// The same for a command that plays nothing: no sound is read.
fn load_without_sounds(file: Option<&Path>) -> Result<Config, String> {
    file.map_or_else(|| load(None), |file| Config::load_without_sounds(file).map_err(|problems| problems.to_string()))
}

/// The signalling plane's tasks; the media plane has threads of its own.
fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let processors = std::thread::available_parallelism().map_or(SIGNALLING_THREADS, usize::from);
    let threads = SIGNALLING_THREADS.min(processors);
    let mut builder = match threads {
        // A thread that is alone needs none of what several share, and the first thread of the program has the heap that
        // grows in large steps.
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(threads).enable_all().build();
    runtime.map_err(|e| format!("no threads can be had: {e}"))
}

/// Chance from the system.
fn dice() -> Result<Dice, String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| format!("the system gives no random numbers: {e}"))?;
    Ok(Dice::from_seed(seed))
}

/// Prints, without minding a reader that closes early (`| head`).
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
