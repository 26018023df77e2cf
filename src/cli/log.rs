//! Where log lines go: standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::switch::config::{Log, LogFormat};

/// Starts the log. The environment variable `PATCHCORD_LOG` wins over the configuration's level.
///
/// # Errors
/// The filter cannot be read.
pub fn start(log: &Log) -> Result<(), String> {
    let level = std::env::var("PATCHCORD_LOG").unwrap_or_else(|_| log.level.clone());
    // The DTLS stack warns of every hello extension that it does not know, and browsers send some in each.
    let filter = EnvFilter::try_new(format!("rtc_dtls=error,{level}"));
    let filter = filter.map_err(|e| format!("the log level `{level}`: {e}"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
