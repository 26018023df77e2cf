//! The loop.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::core::Core;
use super::families::Families;
use super::fetch::Fetcher;
use super::newcomers::Newcomers;
use super::resolve::Resolver;
use super::streams::Streams;
use super::udp::Udp;
use super::{Event, Order};
use crate::base::driver::Alarm;
use crate::model::{Binding, Cause, Directory, Switchboard, Undelivered};
use crate::sip::endpoint::{Output, ResolveId};
use crate::sip::flow::Transport;
use crate::sip::locate::Located;
use crate::stun;

/// Orders or events taken at once, before the sockets have their turn.
const BATCH: usize = 64;
/// Datagrams wait for others to be sent with them for so many turns at most.
const LONGEST_HELD: u32 = 4;
/// How long connections may take to send what they have when the endpoint stops.
const LINGER: Duration = Duration::from_secs(1);

/// All that the task owns.
pub struct Driver<C> {
    pub core: C,
    pub udp: Udp,
    pub newcomers: Newcomers,
    pub streams: Streams,
    pub resolver: Resolver,
    pub families: Families,
    pub fetcher: Fetcher,
    /// For whoever fetches.
    pub events: mpsc::Sender<Event>,
    pub directory: Arc<ArcSwap<Directory>>,
    /// The version of the directory that the endpoint has.
    pub known: Arc<Directory>,
    pub switchboard: Arc<dyn Switchboard>,
    pub inbox: mpsc::Receiver<Event>,
    pub said: mpsc::Receiver<Order>,
    pub alarm: Alarm,
}

enum Wake {
    Readable(usize),
    Accepted,
    Events(Vec<Event>),
    Orders(Vec<Order>),
    Due,
    /// Whoever might have had something to add to what waits to be sent has had a turn.
    Mail,
    /// There is nothing else to do, and new calls wait.
    Newcomers,
}

impl<C: Core> Driver<C> {
    /// Runs until it is told to stop or the last handle is gone.
    pub async fn run(mut self) {
        let mut held = 0;
        loop {
            self.drain();
            self.press();
            held = if self.udp.has_mail() { held + 1 } else { 0 };
            if held > LONGEST_HELD {
                self.udp.flush();
            }
            let wake = self.wake().await;
            self.refresh_directory();
            if !self.handle(wake) {
                break;
            }
        }
        self.leave().await;
        self.drain();
        self.udp.flush();
        if tokio::time::timeout(LINGER, self.streams.finish()).await.is_err() {
            debug!("some connections did not take what was still to be sent");
        }
    }

    /// `false` if this is the end.
    fn handle(&mut self, wake: Wake) -> bool {
        match wake {
            Wake::Readable(socket) => self.read(socket),
            Wake::Accepted => {}
            Wake::Events(events) => events.into_iter().for_each(|event| self.take(event)),
            Wake::Orders(orders) => return self.obey(orders),
            Wake::Due => self.core.handle_timeout(Instant::now()),
            Wake::Mail => self.udp.flush(),
            Wake::Newcomers => self.serve_newcomers(true),
        }
        true
    }

    /// Signs off at the carriers, and gives them a moment to say yes.
    async fn leave(&mut self) {
        self.core.leave(Instant::now());
        let until = tokio::time::Instant::now() + LINGER;
        while self.core.is_leaving() {
            self.drain();
            let Ok(wake) = tokio::time::timeout_at(until, self.wake()).await else { return };
            // Nobody is left who could wait for it.
            if !self.handle(wake) {
                return;
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let (pause, has_mail) = (self.newcomers.pause(Instant::now()), self.udp.has_mail());
        let due = self.core.poll_timeout().into_iter().chain(self.streams.paused_until()).min();
        let (udp, streams) = (&mut self.udp, &mut self.streams);
        let sockets = poll_fn(|context| {
            if let Poll::Ready(socket) = udp.poll_readable(context) {
                return Poll::Ready(Wake::Readable(socket));
            }
            streams.poll_accept(context, Instant::now()).map(|()| Wake::Accepted)
        });
        let (mut events, mut orders) = (Vec::new(), Vec::new());
        let others = async {
            tokio::select! {
                wake = sockets => wake,
                _ = self.inbox.recv_many(&mut events, BATCH) => Wake::Events(events),
                _ = self.said.recv_many(&mut orders, BATCH) => Wake::Orders(orders),
                () = self.alarm.ring(due) => Wake::Due,
            }
        };
        let mail = async {
            match has_mail {
                // What the calls say to a message goes with what the endpoint says to it.
                true => tokio::task::yield_now().await,
                false => std::future::pending().await,
            }
        };
        let newcomers = async {
            match pause {
                None => std::future::pending().await,
                // The calls have their turn as well, where there is one thread for both.
                Some(Duration::ZERO) => tokio::task::yield_now().await,
                Some(pause) => tokio::time::sleep(pause).await,
            }
        };
        tokio::select! {
            biased;
            wake = others => wake,
            () = mail => Wake::Mail,
            () = newcomers => Wake::Newcomers,
        }
    }

    fn refresh_directory(&mut self) {
        let directory = self.directory.load();
        if !Arc::ptr_eq(&directory, &self.known) {
            self.known = Arc::clone(&directory);
            self.core.set_directory(Arc::clone(&self.known));
        }
    }

    fn read(&mut self, socket: usize) {
        let (now, core, newcomers) = (Instant::now(), &mut self.core, &mut self.newcomers);
        let is_all = self.udp.read(socket, |flow, datagram| match stun::Message::parse(datagram) {
            Some(response) => core.handle_stun(now, flow, &response),
            None => newcomers.hear_datagram(now, flow, datagram, core),
        });
        if is_all && self.said.is_empty() && self.inbox.is_empty() {
            self.serve_newcomers(true);
        }
    }

    /// What new calls do not wait with until there is nothing else to do.
    fn press(&mut self) {
        if !self.newcomers.is_empty() && self.newcomers.is_pressing(Instant::now()) {
            self.serve_newcomers(false);
            self.drain();
        }
    }

    fn serve_newcomers(&mut self, is_idle: bool) {
        self.newcomers.serve(Instant::now(), is_idle, &mut self.core, &mut self.udp);
    }

    fn take(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Message { flow, message } => self.newcomers.hear(now, flow, message, &mut self.core),
            Event::Unframed { flow, id, wrong } => {
                self.core.handle_message(now, flow, Err(wrong));
                self.drain();
                if self.streams.ended(&flow, id) {
                    self.core.handle_closed(now, flow, None);
                }
            }
            Event::Client { flow, id, client } => match self.streams.belongs_to(&flow, id, client) {
                Some(true) => self.core.handle_client(flow, client),
                Some(false) => self.core.handle_closed(now, flow, None),
                None => {}
            },
            Event::Pong { flow } => self.core.handle_pong(now, flow),
            Event::Closed { flow, id, why } => {
                if self.streams.ended(&flow, id) {
                    self.core.handle_closed(now, flow, why);
                }
            }
            Event::Fetched { address, file } => self.core.handle_fetched(now, address, file),
            Event::Resolved { wish, located } => {
                for (id, located) in self.resolver.answered(wish, located, now) {
                    self.resolved(now, id, located);
                }
            }
        }
    }

    fn resolved(&mut self, now: Instant, id: ResolveId, located: Located) {
        self.streams.peers.note_answer(id, &located);
        self.families.note(id, &located);
        self.core.handle_resolved(now, id, located);
    }

    /// `false` if this is the end.
    fn obey(&mut self, orders: Vec<Order>) -> bool {
        let now = Instant::now();
        let mut go_on = !orders.is_empty();
        for order in orders {
            match order {
                Order::Say(leg, signal) => self.core.say(now, leg, *signal),
                Order::Deliver(text) => self.core.send_text(now, *text),
                Order::Delivered(id, result) => self.core.text_delivered(now, id, result),
                Order::Prove(stir, fetcher) => {
                    self.fetcher = fetcher;
                    self.core.set_stir(*stir);
                }
                Order::Stop => go_on = false,
            }
        }
        go_on
    }

    /// Does all that the endpoint wants done, and tells it who cannot be reached.
    fn drain(&mut self) {
        loop {
            self.drain_outputs();
            let unreachable = self.udp.take_unreachable();
            if unreachable.is_empty() {
                return;
            }
            for flow in unreachable {
                self.core.handle_unreachable(Instant::now(), flow);
            }
        }
    }

    fn drain_outputs(&mut self) {
        let mut gone = Vec::new();
        while let Some(output) = self.core.poll_output() {
            if matches!(output, Output::Bind(_)) {
                self.sign_out(&mut gone);
            }
            match output {
                Output::Transmit { flow, bytes } => match flow.transport {
                    Transport::Udp => self.udp.post(flow, bytes),
                    Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                        if !self.streams.send(&flow, bytes) {
                            self.core.handle_closed(Instant::now(), flow, None);
                        }
                    }
                },
                Output::Close { flow } => {
                    self.streams.close(&flow);
                    self.core.handle_closed(Instant::now(), flow, None);
                }
                Output::Signal { leg, signal } => {
                    if self.switchboard.hear(leg, signal).is_err() {
                        warn!(%leg, "the calls are too busy");
                        self.core.handle_overflow(Instant::now(), leg);
                    }
                }
                Output::Text(text) => {
                    let id = text.id;
                    if self.switchboard.text(*text).is_err() {
                        let failure = Err(Undelivered::new(Cause::Congestion));
                        self.core.text_delivered(Instant::now(), id, failure);
                    }
                }
                Output::Delivered(id, result) => self.switchboard.delivered(id, result),
                Output::Bind(binding) => self.switchboard.bind(binding),
                Output::Unbind(binding) => gone.push(binding),
                Output::Fetch { address } => self.fetcher.fetch(address, self.events.clone()),
                Output::Resolve { id, wish } => {
                    if wish.transport.is_none_or(|transport| transport == Transport::Tls) {
                        self.streams.peers.note_question(id, &wish.host);
                    }
                    let now = Instant::now();
                    if let Some((id, located)) = self.resolver.ask(id, wish, now) {
                        self.resolved(now, id, located);
                    }
                }
            }
        }
        self.sign_out(&mut gone);
    }

    /// Many devices may be gone at once, and the mailbox of the calls has room for fewer letters.
    fn sign_out(&self, gone: &mut Vec<Binding>) {
        if !gone.is_empty() {
            self.switchboard.unbind_all(std::mem::take(gone));
        }
    }
}
