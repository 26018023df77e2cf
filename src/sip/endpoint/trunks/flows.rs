//! The flows by which carriers call us, on the wire: they are kept, and made again when they have failed (RFC 5626 §4.4,
//! §4.5).

use std::time::Instant;

use super::{Endpoint, Trunks};
use crate::sip::endpoint::Output;
use crate::sip::flow::Flow;
use crate::sip::locate::SHUNNED_FOR;
use crate::sip::trunk::keep_alive::{Due, Failure};
use crate::sip::trunk::{KeepAlive, Registration};
use crate::sip::wire::Wire;
use crate::stun;

impl Endpoint {
    /// A CRLF came by a connection on which we have said one twice.
    pub fn handle_pong(&mut self, now: Instant, flow: Flow) {
        for kept in self.trunks.kept_on(flow) {
            kept.handle_pong(now, &mut self.wire.dice);
        }
    }

    /// A message of STUN that is no request came by UDP.
    pub fn handle_stun(&mut self, now: Instant, flow: Flow, response: &stun::Message<'_>) {
        for at in 0..self.trunks.lines.len() {
            let kept = self.trunks.lines.get_mut(at).and_then(|line| line.keep_alive.as_mut());
            let kept = kept.filter(|kept| kept.flow() == flow);
            if let Some(due) = kept.and_then(|kept| kept.handle_stun(now, response, &mut self.wire.dice)) {
                self.trunks.keep(now, at, due, &mut self.wire);
            }
        }
    }
}

impl Trunks {
    fn kept_on(&mut self, flow: Flow) -> impl Iterator<Item = &mut KeepAlive> {
        self.lines.iter_mut().filter_map(|line| line.keep_alive.as_mut()).filter(move |kept| kept.flow() == flow)
    }

    /// Keeps what the carrier calls us by, and nothing else.
    pub(super) fn follow_flow(&mut self, now: Instant, at: usize, wire: &mut Wire) {
        let Some(line) = self.lines.get_mut(at) else { return };
        let held = line.registration.as_ref().and_then(Registration::held);
        let wanted = held.and_then(|held| Some((held.flow, held.kept?)));
        match (wanted, &mut line.keep_alive) {
            (None, kept) => *kept = None,
            (Some((flow, wanted)), Some(kept)) if kept.flow() == flow => kept.set_timer(wanted.flow_timer),
            (Some((flow, wanted)), kept) => *kept = Some(KeepAlive::new(now, flow, wanted.flow_timer, &mut wire.dice)),
        }
        wire.kept = self.lines.iter().filter_map(|line| line.keep_alive.as_ref()).map(KeepAlive::flow).collect();
    }

    /// Does what is due for the flow of a trunk.
    pub(super) fn keep_flow(&mut self, now: Instant, at: usize, wire: &mut Wire) {
        let kept = self.lines.get_mut(at).and_then(|line| line.keep_alive.as_mut());
        if let Some(due) = kept.and_then(|kept| kept.handle_timeout(now, &mut wire.dice)) {
            self.keep(now, at, due, wire);
        }
    }

    fn keep(&mut self, now: Instant, at: usize, due: Due, wire: &mut Wire) {
        let Some(line) = self.lines.get_mut(at) else { return };
        let (Some(kept), Some(registration)) = (&line.keep_alive, &mut line.registration) else { return };
        let flow = kept.flow();
        let why = match due {
            Due::Send(bytes) => return wire.transmit(flow, bytes),
            Due::Failed(why) => why,
        };
        // Where somebody answers, it is there as well that we register again.
        if matches!(why, Failure::NoPong | Failure::NoAnswer) {
            wire.shun.failed(now, &flow, SHUNNED_FOR);
        }
        let step = registration.flow_failed(now, why.to_string(), kept.is_proven(), &mut wire.dice);
        self.obey(now, at, Some(step), wire);
        if flow.transport.is_reliable() {
            wire.outputs.push_back(Output::Close { flow });
        }
    }
}
