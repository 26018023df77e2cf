//! What the task needs of the endpoint.

use std::time::Instant;

use crate::jingle::endpoint::{Endpoint, Input, Output};

/// The endpoint, seen from the task. A trait, so that tests of the streams can put a simpler one in its place.
pub trait Core: Send + 'static {
    /// What happened.
    fn handle(&mut self, now: Instant, input: Input);
    /// The deadline has come.
    fn handle_timeout(&mut self, now: Instant);
    /// The deadline.
    fn poll_timeout(&self) -> Option<Instant>;
    /// What to do next.
    fn poll_output(&mut self) -> Option<Output>;
    /// How many accounts are known to be online.
    fn online(&self) -> usize {
        0
    }
}

impl Core for Endpoint {
    fn handle(&mut self, now: Instant, input: Input) {
        Endpoint::handle(self, now, input);
    }

    fn handle_timeout(&mut self, now: Instant) {
        Endpoint::handle_timeout(self, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Endpoint::poll_timeout(self)
    }

    fn poll_output(&mut self) -> Option<Output> {
        Endpoint::poll_output(self)
    }

    fn online(&self) -> usize {
        Endpoint::online(self)
    }
}
