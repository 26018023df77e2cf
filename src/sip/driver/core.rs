//! What the task needs of the endpoint.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::stir;
use crate::base::LegId;
use crate::model::{Cause, Directory, Hangup, Signal, Text, TextId, Undelivered};
use crate::sip::endpoint::{Endpoint, Output, ResolveId};
use crate::sip::flow::Flow;
use crate::sip::locate::Located;
use crate::sip::message::{Malformed, Message, Request};
use crate::sip::stir::Stir;
use crate::sip::stir::fetched::File;
use crate::sip::transaction::key::ServerKey;
use crate::stun;

/// The endpoint, seen from the task. A trait, so that tests of the sockets can put a simpler one in its
/// place.
pub trait Core: Send + 'static {
    /// Another version of the directory.
    fn set_directory(&mut self, directory: Arc<Directory>);
    /// A message, or what was meant to be one and is to be answered.
    fn handle_message(&mut self, now: Instant, flow: Flow, message: Result<Message, Malformed>);
    /// Whether that transaction of a peer's is known.
    fn has_transaction(&self, _key: &ServerKey) -> bool {
        false
    }
    /// Whether a request has come before.
    fn has_request(&self, _request: &Request) -> bool {
        false
    }
    /// Answers a request that there is no time for.
    fn turn_away(&mut self, flow: Flow, request: Request);
    /// The connection of that name is gone, or cannot be had, and perhaps why.
    fn handle_closed(&mut self, now: Instant, flow: Flow, why: Option<&'static str>);
    /// The peer has answered a ping of ours by a connection.
    fn handle_pong(&mut self, _now: Instant, _flow: Flow) {}
    /// A message of STUN that is no request came by UDP.
    fn handle_stun(&mut self, _now: Instant, _flow: Flow, _response: &stun::Message<'_>) {}
    /// Whose connection it is that a proxy has opened.
    fn handle_client(&mut self, _flow: Flow, _client: IpAddr) {}
    /// Nobody is at the end of that flow.
    fn handle_unreachable(&mut self, now: Instant, flow: Flow);
    /// The answer to [`Output::Resolve`].
    fn handle_resolved(&mut self, now: Instant, id: ResolveId, located: Located);
    /// The answer to [`Output::Fetch`].
    fn handle_fetched(&mut self, _now: Instant, _address: String, _file: Result<File, &'static str>) {}
    /// Other roots and keys for callers' numbers.
    fn set_stir(&mut self, _stir: Stir) {}
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
    /// The end is near: signs off where we are signed in.
    fn leave(&mut self, _now: Instant) {}
    /// Whether somebody has still to say yes to that.
    fn is_leaving(&self) -> bool {
        false
    }
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
        set_clock(self, now);
        Endpoint::handle_message(self, now, flow, message);
    }

    fn has_transaction(&self, key: &ServerKey) -> bool {
        Endpoint::has_transaction(self, key)
    }

    fn has_request(&self, request: &Request) -> bool {
        Endpoint::has_request(self, request)
    }

    fn turn_away(&mut self, flow: Flow, request: Request) {
        Endpoint::turn_away(self, flow, request);
    }

    fn handle_closed(&mut self, now: Instant, flow: Flow, why: Option<&'static str>) {
        self.handle_transport_error(now, flow, why);
    }

    fn handle_pong(&mut self, now: Instant, flow: Flow) {
        Endpoint::handle_pong(self, now, flow);
    }

    fn handle_stun(&mut self, now: Instant, flow: Flow, response: &stun::Message<'_>) {
        Endpoint::handle_stun(self, now, flow, response);
    }

    fn handle_client(&mut self, flow: Flow, client: IpAddr) {
        Endpoint::handle_client(self, flow, client);
    }

    fn handle_unreachable(&mut self, now: Instant, flow: Flow) {
        Endpoint::handle_unreachable(self, now, flow);
    }

    fn handle_resolved(&mut self, now: Instant, id: ResolveId, located: Located) {
        Endpoint::handle_resolved(self, now, id, located);
    }

    fn handle_fetched(&mut self, now: Instant, address: String, file: Result<File, &'static str>) {
        set_clock(self, now);
        Endpoint::handle_fetched(self, now, address, file);
    }

    fn set_stir(&mut self, stir: Stir) {
        Endpoint::set_stir(self, stir);
    }

    fn handle_overflow(&mut self, now: Instant, leg: LegId) {
        // Nobody decides about the leg any more, so it ends as if the calls had said so.
        Endpoint::say(self, now, leg, Signal::Hangup(Hangup::new(Cause::Congestion)));
    }

    fn handle_timeout(&mut self, now: Instant) {
        Endpoint::handle_timeout(self, now);
    }

    fn say(&mut self, now: Instant, leg: LegId, signal: Signal) {
        set_clock(self, now);
        Endpoint::say(self, now, leg, signal);
    }

    fn send_text(&mut self, now: Instant, text: Text) {
        Endpoint::send_text(self, now, text);
    }

    fn text_delivered(&mut self, now: Instant, id: TextId, result: Result<(), Undelivered>) {
        Endpoint::text_delivered(self, now, id, result);
    }

    fn leave(&mut self, now: Instant) {
        Endpoint::leave(self, now);
    }

    fn is_leaving(&self) -> bool {
        Endpoint::is_leaving(self)
    }

    fn poll_output(&mut self) -> Option<Output> {
        Endpoint::poll_output(self)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Endpoint::poll_timeout(self)
    }
}

/// The time of day, which may be set while we run, as it is known at each message and word.
fn set_clock(endpoint: &mut Endpoint, now: Instant) {
    if endpoint.wants_wall_clock() {
        endpoint.set_wall_clock(now, stir::unix_s());
    }
}
