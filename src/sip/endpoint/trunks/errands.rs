//! What we do at the trunks besides calling, on the wire: REGISTER and OPTIONS.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::{Endpoint, Trunks};
use crate::sip::config::Trunk;
use crate::sip::flow::Flow;
use crate::sip::locate::SHUNNED_FOR;
use crate::sip::message::{Header, Host, Method, Name, NameAddr, Request, Response, SipUri, Text, Uri};
use crate::sip::say;
use crate::sip::transaction::Tell;
use crate::sip::trunk::health::{Change, Due, PATIENCE};
use crate::sip::trunk::registration::{News, Step};
use crate::sip::trunk::{Errand, Health, Instance, KeepAlive, Registration};
use crate::sip::wire::{Owner, Wire};

/// How soon a trunk is registered at whose name has not been found yet.
const UNRESOLVED: Duration = Duration::from_secs(2);

/// What goes on at one trunk.
#[derive(Debug, Default)]
pub struct Line {
    pub(super) registration: Option<Registration>,
    pub(super) health: Option<Health>,
    /// The flow by which the carrier calls us, if it does so.
    pub(super) keep_alive: Option<KeepAlive>,
}

impl Line {
    pub(super) fn new(now: Instant, name: &str, trunk: &Trunk, wire: &mut Wire) -> Line {
        let instance = Instance::of(&wire.config, name, trunk);
        Line {
            registration: trunk.profile.register.then(|| Registration::new(now, trunk, instance, &mut wire.dice)),
            health: trunk.profile.health.map(|every| Health::new(now, every)),
            keep_alive: None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let registration = self.registration.as_ref().and_then(Registration::poll_timeout);
        let health = self.health.as_ref().map(Health::poll_timeout);
        let keep_alive = self.keep_alive.as_ref().and_then(KeepAlive::poll_timeout);
        registration.into_iter().chain(health.flatten()).chain(keep_alive).min()
    }
}

impl Endpoint {
    /// The program ends: signs off at the carriers.
    pub fn leave(&mut self, now: Instant) {
        for at in 0..self.trunks.lines.len() {
            let step =
                self.trunks.lines.get_mut(at).and_then(|l| l.registration.as_mut()).and_then(Registration::leave);
            self.trunks.obey(now, at, step, &mut self.wire);
        }
    }

    /// Whether a carrier has still to say yes to our going.
    pub fn is_leaving(&self) -> bool {
        self.trunks.lines.iter().filter_map(|l| l.registration.as_ref()).any(Registration::is_leaving)
    }
}

impl Trunks {
    /// Does what is due at all trunks.
    pub(super) fn run_errands(&mut self, now: Instant, wire: &mut Wire) {
        for at in 0..self.lines.len() {
            while let Some(step) = self.registration(at).and_then(|r| r.handle_timeout(now)) {
                self.obey(now, at, Some(step), wire);
            }
            self.keep_flow(now, at, wire);
            let (Some(line), Some(located)) = (self.lines.get_mut(at), self.located.get(at)) else { continue };
            let health = line.health.as_mut().filter(|h| h.poll_timeout().is_some_and(|due| due <= now));
            let due = health.map(|h| h.handle_timeout(now, &located.addresses())).unwrap_or_default();
            for due in due {
                match due {
                    Due::Ask(address) => self.ask(now, at, address, wire),
                    Due::Down(address) => {
                        let why = format!("does not answer within {} s", PATIENCE.as_secs());
                        tell_health(at, address, Change::Down, &why, wire);
                    }
                }
            }
        }
    }

    /// A response came to an errand of ours.
    pub fn handle_response(&mut self, now: Instant, at: usize, errand: Errand, response: &Response, wire: &mut Wire) {
        match errand {
            Errand::Register => {
                let config = wire.config.clone();
                let Some(trunk) = config.trunks.values().nth(at) else { return };
                let Some(registration) = self.registration(at) else { return };
                if let (Some(flow), 503) = (registration.flow(), response.code()) {
                    wire.shun.failed(now, &flow, response.headers.retry_after().unwrap_or(SHUNNED_FOR));
                }
                let step = registration.handle_response(now, response, trunk, &mut wire.dice);
                self.obey(now, at, step, wire);
            }
            Errand::Health(address) => {
                let health = self.lines.get_mut(at).and_then(|line| line.health.as_mut());
                if let Some(change) = health.and_then(|h| h.handle_response(&address, response.code())) {
                    tell_health(at, address, change, &format!("says {}", response.code()), wire);
                }
            }
        }
    }

    /// The transaction of an errand ended without a response.
    pub fn handle_failure(&mut self, now: Instant, at: usize, errand: Errand, tell: Tell, wire: &mut Wire) {
        match errand {
            Errand::Register => {
                if let Some(flow) = self.registration(at).and_then(|r| r.flow()) {
                    wire.shun.failed(now, &flow, SHUNNED_FOR);
                }
                let step = self.registration(at).map(|r| r.lost(now, &mut wire.dice));
                self.obey(now, at, step, wire);
            }
            Errand::Health(address) if tell == Tell::TransportFailed => {
                let health = self.lines.get_mut(at).and_then(|line| line.health.as_mut());
                if let Some(change) = health.and_then(|h| h.handle_failure(&address)) {
                    tell_health(at, address, change, "cannot be reached", wire);
                }
            }
            // It has been given up long before.
            Errand::Health(_) => {}
        }
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, now: Instant, flow: &Flow, wire: &mut Wire) {
        for at in 0..self.lines.len() {
            if self.registration(at).is_some_and(|registration| registration.handle_closed(now, flow)) {
                self.follow_flow(now, at, wire);
            }
        }
    }

    fn registration(&mut self, at: usize) -> Option<&mut Registration> {
        self.lines.get_mut(at).and_then(|line| line.registration.as_mut())
    }

    pub(super) fn obey(&mut self, now: Instant, at: usize, step: Option<Step>, wire: &mut Wire) {
        match step {
            Some(Step::Ask) => self.register(now, at, wire),
            Some(Step::AskPlainly) => {
                tell_plain(at, wire);
                self.register(now, at, wire);
            }
            Some(Step::Tell(news)) => tell_registration(at, &news, wire),
            None => {}
        }
        self.follow_flow(now, at, wire);
    }

    fn register(&mut self, now: Instant, at: usize, wire: &mut Wire) {
        let config = wire.config.clone();
        let Some((_, trunk)) = config.trunks.iter().nth(at) else { return };
        let Some(located) = self.located.get(at) else { return };
        let Some(registration) = self.lines.get_mut(at).and_then(|line| line.registration.as_mut()) else { return };
        let mut flows = wire.flows_to(located);
        // Where we are registered already we are again, for as long as that place is one of the trunk's and answers.
        let held = registration.held().map(|held| held.flow);
        let same = held.filter(|flow| flows.contains(flow) && !wire.shun.is_shunned(now, flow));
        let Some(flow) = registration.flow().or(same).or_else(|| wire.shun.take_next(now, &mut flows)) else {
            let why = match located.is_empty() {
                true => "its name has no address",
                false => "no socket of ours is for its transport and kind of address",
            };
            if let Some(Step::Tell(news)) = registration.postpone(now, UNRESOLVED, why) {
                tell_registration(at, &news, wire);
            }
            return;
        };
        let mut contact = SipUri::new(wire.host(&flow)).with_port(flow.local.port());
        if let Some(word) = flow.transport.uri_word() {
            contact = contact.with_param("transport", word);
        }
        let request = registration.request(flow, contact, &say::by_proxy(trunk));
        let request = request.with(Header::new(Name::UserAgent, &wire.config.agent));
        wire.request(now, request, flow, Owner::Trunk(at, Errand::Register));
    }

    fn ask(&mut self, now: Instant, at: usize, address: SocketAddr, wire: &mut Wire) {
        let config = wire.config.clone();
        let Some((_, trunk)) = config.trunks.iter().nth(at) else { return };
        let transport = self.located.get(at).and_then(|located| located.transport_of(&address));
        let Some(flow) = wire.flow_to(transport.unwrap_or(trunk.transport), address) else { return };
        let mut uri = SipUri::new(Host::from(trunk.address.host.as_str()));
        if let Some(port) = trunk.address.port {
            uri = uri.with_port(port);
        }
        let to = NameAddr::new(uri.clone());
        let from = NameAddr::new(SipUri::new(wire.domain(&flow)).with_user("patchcord")).with_tag(&wire.tag());
        let call_id: Text = wire.call_id();
        let uri = Uri::Sip(uri);
        let mut request = Request::new(Method::OPTIONS, uri.clone())
            .with(Header::of(Name::MaxForwards, 70))
            .with(Header::of(Name::From, from))
            .with(Header::of(Name::To, to))
            .with(Header::new(Name::CallId, call_id))
            .with_cseq(1)
            .with(wire.contact(&flow, &uri))
            .with(Header::new(Name::Accept, Text::fixed("application/sdp")))
            .with(Header::new(Name::UserAgent, &config.agent));
        for route in say::by_proxy(trunk) {
            request.headers.push(Header::of(Name::Route, route));
        }
        wire.request(now, request, flow, Owner::Trunk(at, Errand::Health(address)));
    }
}

fn tell_registration(at: usize, news: &News, wire: &Wire) {
    let trunk = wire.config.trunks.keys().nth(at).map(String::as_str).unwrap_or_default();
    if let News::Registered { unkept: true, .. } = news {
        let why = "its 200 has no `Require: outbound`";
        warn!(event = "trunk", trunk, state = "plain", why, "the trunk does not say that it calls us by our flow");
    }
    match news {
        News::Registered { expires_s, first: true, .. } => {
            info!(event = "trunk", trunk, state = "registered", expires_s, "is registered at the trunk");
        }
        News::Registered { expires_s, first: false, .. } => tracing::debug!(trunk, expires_s, "refreshed"),
        News::Failed { why, again_in, .. } => {
            let again_in_s = again_in.as_secs();
            warn!(event = "trunk", trunk, state = "unregistered", why, again_in_s, "cannot register at the trunk");
        }
        News::FlowFailed { why, again_in } => {
            let again_in_s = again_in.as_secs();
            warn!(event = "trunk", trunk, state = "flow-failed", why, again_in_s, "the flow to the trunk has failed");
        }
        News::Lapsed => warn!(event = "trunk", trunk, state = "unregistered", "the registration has run out"),
        News::Left => info!(event = "trunk", trunk, state = "signed-off", "has signed off at the trunk"),
    }
}

fn tell_plain(at: usize, wire: &Wire) {
    let trunk = wire.config.trunks.keys().nth(at).map(String::as_str).unwrap_or_default();
    let why = "the first hop keeps no flows (439)";
    warn!(event = "trunk", trunk, state = "plain", why, "registers without `outbound`");
}

fn tell_health(at: usize, address: SocketAddr, change: Change, why: &str, wire: &Wire) {
    let trunk = wire.config.trunks.keys().nth(at).map(String::as_str).unwrap_or_default();
    match change {
        Change::Up => info!(event = "trunk", trunk, state = "up", %address, why, "the trunk answers again"),
        Change::Down => warn!(event = "trunk", trunk, state = "down", %address, why, "the trunk is passed over"),
    }
}
