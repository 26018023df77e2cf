//! The relay's threads, sockets and clock.

use std::io;
use std::sync::Arc;

use crate::media::config::RelayConfig;
use crate::model::{Overflow, Relay, RelayCommand, RelayEvent};

/// Who hears of the relay's events. Called on the relay's threads: must not wait.
pub type OnEvent = Arc<dyn Fn(RelayEvent) + Send + Sync>;

/// A running relay. Dropping the last clone stops it.
#[derive(Clone)]
pub struct RelayHandle {}

/// Starts the relay's threads.
///
/// # Errors
/// The sockets of ICE legs cannot be bound, or the configuration makes no sense.
pub fn start(_config: RelayConfig, _on_event: OnEvent) -> io::Result<RelayHandle> {
    Err(io::ErrorKind::Unsupported.into())
}

impl RelayHandle {
    /// Stops the threads, and waits until they are gone.
    pub fn stop(&self) {}
}

impl Relay for RelayHandle {
    fn order(&self, _command: RelayCommand) -> Result<(), Overflow> {
        Err(Overflow)
    }
}
