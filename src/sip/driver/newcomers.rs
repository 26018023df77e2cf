//! New calls, between the sockets and the endpoint: what belongs to calls that are up goes past them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::warn;

use super::core::Core;
use super::udp::Udp;
use crate::base::Dice;
use crate::base::line::{Account, BATCH, Figures, Hold};
use crate::model::Switchboard;
use crate::sip::flow::Flow;
use crate::sip::message::{Malformed, Message, Method, Name, Request};
use crate::sip::overload::sketch::{Asked, Sketch, turn_away};
use crate::sip::overload::{Arrival, Gate, Mark, Next};

/// One new call.
pub enum Newcomer {
    /// As it came, plain enough to be answered so.
    Datagram(Flow, Bytes),
    /// As it was read.
    Request(Flow, Box<Request>),
}

/// All of them.
pub struct Newcomers {
    gate: Gate<Newcomer>,
    /// Those of whom it was clear when they came.
    turned_away: Vec<(Mark, Newcomer)>,
    agent: String,
    switchboard: Arc<dyn Switchboard>,
    hold: Hold,
    account: Account,
}

impl Newcomers {
    /// Without any.
    pub fn new(agent: &str, switchboard: Arc<dyn Switchboard>, dice: &mut Dice) -> Newcomers {
        let (gate, turned_away, agent) = (Gate::new(dice), Vec::new(), agent.to_owned());
        Newcomers { gate, turned_away, agent, switchboard, hold: Hold::default(), account: Account::default() }
    }

    /// What is counted of them.
    pub fn figures(&self) -> Arc<Figures> {
        self.account.figures()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.gate.is_empty() && self.turned_away.is_empty()
    }

    /// A datagram has come. What is no new call goes to the endpoint at once.
    pub fn hear_datagram(&mut self, now: Instant, flow: Flow, datagram: &[u8], core: &mut impl Core) {
        let sketch = Sketch::read(datagram);
        let tag = sketch.and_then(|sketch| sketch.to_tag.filter(|_| sketch.asked == Asked::Ack));
        if tag.is_some_and(|tag| self.gate.is_of_turned_away(tag)) {
            return;
        }
        let bytes = Bytes::copy_from_slice(datagram);
        let Some(sketch) = sketch.filter(|sketch| sketch.asked != Asked::Ack) else {
            return self.hear(now, flow, Message::read_datagram(bytes), core);
        };
        let mark = self.gate.mark_of_sketch(flow.remote, &sketch);
        if sketch.is_new_call() && !core.has_transaction(&sketch.key()) {
            let is_spared = self.switchboard.is_emergency(user_of(sketch.uri));
            return self.arrive(now, mark, is_spared, Newcomer::Datagram(flow, bytes), core);
        }
        if sketch.asked == Asked::Cancel {
            self.take_up_cancelled(now, mark, core);
        }
        core.handle_message(now, flow, Message::read_datagram(bytes));
    }

    /// A message has come, or what was meant to be one, that is read already.
    pub fn hear(&mut self, now: Instant, flow: Flow, message: Result<Message, Malformed>, core: &mut impl Core) {
        let request = match message {
            Ok(Message::Request(request)) => request,
            other => return core.handle_message(now, flow, other),
        };
        if is_new_call(&request) && !core.has_request(&request) {
            let mark = self.gate.mark_of_request(flow.remote, &request);
            let is_spared = request.uri.user().is_some_and(|user| self.switchboard.is_emergency(&user));
            return self.arrive(now, mark, is_spared, Newcomer::Request(flow, Box::new(request)), core);
        }
        if request.method == Method::CANCEL {
            let mark = self.gate.mark_of_request(flow.remote, &request);
            self.take_up_cancelled(now, mark, core);
        }
        core.handle_message(now, flow, Ok(Message::Request(request)));
    }

    /// When there is something to be done: at once, if nothing else is, or after a while; `None` if nobody waits.
    pub fn pause(&mut self, now: Instant) -> Option<Duration> {
        self.hold.turn();
        if self.is_empty() {
            return None;
        }
        let is_late = !self.turned_away.is_empty() || self.gate.is_late(now);
        Some(self.hold.pause(now, is_late, self.switchboard.backlog()))
    }

    /// Whether somebody is to be turned away, or has waited for long, whatever else there is to do.
    pub fn is_pressing(&mut self, now: Instant) -> bool {
        !self.turned_away.is_empty() || (!self.gate.is_empty() && (!self.hold.is_held(now) || self.gate.is_late(now)))
    }

    /// Turns away who has waited too long, and takes one up, if there is room for it: where there is nothing else to do, or
    /// if none was taken up for a while.
    pub fn serve(&mut self, now: Instant, is_idle: bool, core: &mut impl Core, udp: &mut Udp) {
        for (mark, newcomer) in std::mem::take(&mut self.turned_away) {
            self.turn_away(now, mark, newcomer, core, udp);
        }
        for _ in 0..BATCH {
            let has_room = !self.hold.is_held(now) || (is_idle && self.hold.has_room(now, self.switchboard.backlog()));
            if !has_room && !self.gate.is_late(now) {
                break;
            }
            match self.gate.next(now, || self.switchboard.admits(now)) {
                None => break,
                Some(Next::TurnAway(mark, newcomer)) => self.turn_away(now, mark, newcomer, core, udp),
                Some(Next::TakeUp(newcomer)) => {
                    self.hold.note(now);
                    take_up(now, newcomer, core);
                    break;
                }
            }
        }
        self.account.set_waiting(self.gate.len());
    }

    fn arrive(&mut self, now: Instant, mark: Mark, is_spared: bool, newcomer: Newcomer, core: &mut impl Core) {
        let is_first = self.is_empty();
        match self.gate.arrive(now, mark, is_spared, newcomer) {
            Arrival::Again => {}
            Arrival::TurnedAway(mark, newcomer) => self.turned_away.push((mark, newcomer)),
            Arrival::Waits if is_first && self.hold.is_in_order(now, self.switchboard.backlog()) => {
                match self.gate.next(now, || self.switchboard.admits(now)) {
                    None => {}
                    Some(Next::TurnAway(mark, newcomer)) => self.turned_away.push((mark, newcomer)),
                    Some(Next::TakeUp(newcomer)) => {
                        self.hold.note(now);
                        take_up(now, newcomer, core);
                    }
                }
            }
            Arrival::Waits => {}
        }
    }

    /// A CANCEL is about to be heard: its INVITE comes before it.
    fn take_up_cancelled(&mut self, now: Instant, mark: Mark, core: &mut impl Core) {
        if let Some(newcomer) = self.gate.take_out(mark) {
            take_up(now, newcomer, core);
        }
    }

    fn turn_away(&mut self, now: Instant, mark: Mark, newcomer: Newcomer, core: &mut impl Core, udp: &mut Udp) {
        match newcomer {
            Newcomer::Request(flow, request) => core.turn_away(flow, *request),
            Newcomer::Datagram(flow, datagram) => {
                let tag = self.gate.tag(mark);
                if let Some(answer) = turn_away(&datagram, flow.remote, &tag, &self.agent) {
                    udp.send(&flow, &answer);
                }
            }
        }
        if let Some(turned_away) = self.account.turn_away(now) {
            let (a_second, waiting) = (self.gate.a_second(), self.gate.len());
            warn!(
                turned_away,
                a_second, waiting, "more new calls come than can be taken up: some are answered with 503"
            );
        }
    }
}

fn take_up(now: Instant, newcomer: Newcomer, core: &mut impl Core) {
    match newcomer {
        Newcomer::Datagram(flow, datagram) => core.handle_message(now, flow, Message::read_datagram(datagram)),
        Newcomer::Request(flow, request) => core.handle_message(now, flow, Ok(Message::Request(*request))),
    }
}

/// Whether it asks for a new call, and not for a change of one, nor to take the place of one.
fn is_new_call(request: &Request) -> bool {
    let headers = &request.headers;
    request.method == Method::INVITE
        && headers.to().is_ok_and(|to| to.tag().is_none())
        && headers.get(&Name::Replaces).is_none()
}

/// Whom a Request-URI names.
fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let user = rest.split_once('@').map_or(rest, |(user, _)| user);
    user.split([';', ':']).next().unwrap_or_default()
}
