//! What the task needs of the endpoint.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::base::LegId;
use crate::model::{Cause, Directory, Hangup, Signal, Text, TextId, Undelivered};
use crate::sip::endpoint::{Endpoint, Output, ResolveId};
use crate::sip::flow::Flow;
use crate::sip::message::{Malformed, Message};

/// The endpoint, seen from the task. A trait, so that tests of the sockets can put a simpler one in its
/// place.
pub trait Core: Send + 'static {
    /// Another version of the directory.
    fn set_directory(&mut self, directory: Arc<Directory>);
    /// A message, or what was meant to be one and is to be answered.
    fn handle_message(&mut self, now: Instant, flow: Flow, message: Result<Message, Malformed>);
    /// The connection of that name is gone, or cannot be had.
    fn handle_closed(&mut self, now: Instant, flow: Flow);
    /// The answer to [`Output::Resolve`].
    fn handle_resolved(&mut self, now: Instant, id: ResolveId, addresses: Vec<SocketAddr>);
    /// The calls were too busy to hear a signal of that leg.
    fn handle_overflow(&mut self, now: Instant, leg: LegId);
    /// The deadline has come.
    fn handle_timeout(&mut self, now: Instant);
    /// The calls say a signal.
    fn say(&mut self, now: Instant, leg: LegId, signal: Signal);
    /// The switch has a message to deliver.
    fn send_text(&mut self, now: Instant, text: Text);
    /// What became of a message that came in.
    fn text_delivered(&mut self, now: Instant, id: TextId, result: Result<(), Undelivered>);
    /// What to do next.
    fn poll_output(&mut self) -> Option<Output>;
    /// The deadline.
    fn poll_timeout(&self) -> Option<Instant>;
}

impl Core for Endpoint {
    fn set_directory(&mut self, directory: Arc<Directory>) {
        Endpoint::set_directory(self, directory);
    }

    fn handle_message(&mut self, now: Instant, flow: Flow, message: Result<Message, Malformed>) {
        Endpoint::handle_message(self, now, flow, message);
    }

    fn handle_closed(&mut self, now: Instant, flow: Flow) {
        self.handle_transport_error(now, flow);
    }

    fn handle_resolved(&mut self, now: Instant, id: ResolveId, addresses: Vec<SocketAddr>) {
        Endpoint::handle_resolved(self, now, id, addresses);
    }

    fn handle_overflow(&mut self, now: Instant, leg: LegId) {
        // Nobody decides about the leg any more, so it ends as if the calls had said so.
        Endpoint::say(self, now, leg, Signal::Hangup(Hangup::new(Cause::Congestion)));
    }

    fn handle_timeout(&mut self, now: Instant) {
        Endpoint::handle_timeout(self, now);
    }

    fn say(&mut self, now: Instant, leg: LegId, signal: Signal) {
        Endpoint::say(self, now, leg, signal);
    }

    fn send_text(&mut self, now: Instant, text: Text) {
        Endpoint::send_text(self, now, text);
    }

    fn text_delivered(&mut self, now: Instant, id: TextId, result: Result<(), Undelivered>) {
        Endpoint::text_delivered(self, now, id, result);
    }

    fn poll_output(&mut self) -> Option<Output> {
        Endpoint::poll_output(self)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Endpoint::poll_timeout(self)
    }
}
