//! The loop.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::core::Core;
use super::resolve::Resolver;
use super::tcp::Tcp;
use super::udp::Udp;
use super::{Event, Order};
use crate::model::{Cause, Directory, Switchboard, Undelivered};
use crate::sip::config::DEFAULT_PORT;
use crate::sip::endpoint::Output;
use crate::sip::flow::Transport;

/// Orders or events taken at once, before the sockets have their turn.
const BATCH: usize = 64;
/// How long connections may take to send what they have when the endpoint stops.
const LINGER: Duration = Duration::from_secs(1);

/// All that the task owns.
pub struct Driver<C> {
    pub core: C,
    pub udp: Udp,
    pub tcp: Tcp,
    pub resolver: Resolver,
    pub directory: Arc<ArcSwap<Directory>>,
    /// The version of the directory that the endpoint has.
    pub known: Arc<Directory>,
    pub switchboard: Arc<dyn Switchboard>,
    pub inbox: mpsc::Receiver<Event>,
    pub said: mpsc::Receiver<Order>,
}

enum Wake {
    Readable(usize),
    Accepted,
    Events(Vec<Event>),
    Orders(Vec<Order>),
    Due,
}

impl<C: Core> Driver<C> {
    /// Runs until it is told to stop or the last handle is gone.
    pub async fn run(mut self) {
        loop {
            self.drain();
            let wake = self.wake().await;
            self.refresh_directory();
            match wake {
                Wake::Readable(socket) => self.read(socket),
                Wake::Accepted => {}
                Wake::Events(events) => events.into_iter().for_each(|event| self.take(event)),
                Wake::Orders(orders) => {
                    if !self.obey(orders) {
                        break;
                    }
                }
                Wake::Due => self.core.handle_timeout(Instant::now()),
            }
        }
        self.drain();
        if tokio::time::timeout(LINGER, self.tcp.finish()).await.is_err() {
            debug!("some connections did not take what was still to be sent");
        }
    }

    async fn wake(&mut self) -> Wake {
        let due = self.core.poll_timeout().into_iter().chain(self.tcp.paused_until()).min();
        let sleep = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let (udp, tcp) = (&mut self.udp, &mut self.tcp);
        let sockets = poll_fn(|context| {
            if let Poll::Ready(socket) = udp.poll_readable(context) {
                return Poll::Ready(Wake::Readable(socket));
            }
            tcp.poll_accept(context, Instant::now()).map(|()| Wake::Accepted)
        });
        let (mut events, mut orders) = (Vec::new(), Vec::new());
        tokio::select! {
            wake = sockets => wake,
            _ = self.inbox.recv_many(&mut events, BATCH) => Wake::Events(events),
            _ = self.said.recv_many(&mut orders, BATCH) => Wake::Orders(orders),
            () = sleep => Wake::Due,
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
        let (now, core) = (Instant::now(), &mut self.core);
        self.udp.read(socket, |flow, message| core.handle_message(now, flow, message));
    }

    fn take(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Message { flow, message } => self.core.handle_message(now, flow, message),
            Event::Unframed { flow, id, wrong } => {
                self.core.handle_message(now, flow, Err(wrong));
                self.drain();
                if self.tcp.ended(&flow, id) {
                    self.core.handle_closed(now, flow);
                }
            }
            Event::Closed { flow, id } => {
                if self.tcp.ended(&flow, id) {
                    self.core.handle_closed(now, flow);
                }
            }
            Event::Resolved { host, addresses } => {
                for (id, addresses) in self.resolver.answered(host, addresses, now) {
                    self.core.handle_resolved(now, id, addresses);
                }
            }
        }
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
                Order::Stop => go_on = false,
            }
        }
        go_on
    }

    /// Does all that the endpoint wants done.
    fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Transmit { flow, bytes } => match flow.transport {
                    Transport::Udp => self.udp.send(&flow, &bytes),
                    Transport::Tcp => {
                        if !self.tcp.send(&flow, bytes) {
                            self.core.handle_closed(Instant::now(), flow);
                        }
                    }
                },
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
                Output::Unbind(binding) => self.switchboard.unbind(&binding),
                Output::Resolve { id, host, port, .. } => {
                    let (now, port) = (Instant::now(), port.unwrap_or(DEFAULT_PORT));
                    if let Some((id, addresses)) = self.resolver.ask(id, host, port, now) {
                        self.core.handle_resolved(now, id, addresses);
                    }
                }
            }
        }
    }
}
