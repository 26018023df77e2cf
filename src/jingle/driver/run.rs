//! The loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;
use xmpp_parsers::minidom::Element;

use super::core::Core;
use super::keep::Keeper;
use super::{Event, Lamp, Order, Outbox};
use crate::jingle::config::ConnectionId;
use crate::jingle::endpoint::{Input, Output};
use crate::model::{Cause, Directory, Switchboard, Undelivered};

/// Orders or events taken at once, before the others have their turn.
const BATCH: usize = 64;

/// All that the task owns.
pub struct Driver<C> {
    pub core: C,
    /// By connection; `None` while it is down.
    pub outboxes: Vec<Option<Outbox>>,
    /// The links.
    pub tasks: Vec<JoinHandle<()>>,
    pub lamps: Arc<Vec<Lamp>>,
    /// How many accounts are known to be online.
    pub online: Arc<AtomicUsize>,
    pub keeper: Keeper,
    pub directory: Arc<ArcSwap<Directory>>,
    /// The version of the directory that the endpoint has.
    pub known: Arc<Directory>,
    pub switchboard: Arc<dyn Switchboard>,
    pub inbox: mpsc::Receiver<Event>,
    pub said: mpsc::Receiver<Order>,
    pub stop: watch::Sender<bool>,
    /// How long streams may take to close.
    pub linger: Duration,
}

enum Wake {
    Events(Vec<Event>),
    Orders(Vec<Order>),
    Due,
}

impl<C: Core> Driver<C> {
    /// Runs until it is told to stop or the last handle is gone.
    pub async fn run(mut self) {
        let done = loop {
            self.drain();
            self.online.store(self.core.online(), Ordering::Relaxed);
            let wake = self.wake().await;
            self.refresh_directory();
            match wake {
                Wake::Events(events) => events.into_iter().for_each(|event| self.take(event)),
                Wake::Orders(orders) if orders.is_empty() => break None,
                Wake::Orders(orders) => {
                    if let Some(done) = self.obey(orders) {
                        break Some(done);
                    }
                }
                Wake::Due => self.core.handle_timeout(Instant::now()),
            }
        };
        self.core.handle(Instant::now(), Input::Leave);
        self.drain();
        self.leave(done).await;
    }

    async fn wake(&mut self) -> Wake {
        let due = self.core.poll_timeout();
        let sleep = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let (mut events, mut orders) = (Vec::new(), Vec::new());
        tokio::select! {
            _ = self.said.recv_many(&mut orders, BATCH) => Wake::Orders(orders),
            // Without a connection there are no events, and the channel is closed.
            Some(()) = async { (self.inbox.recv_many(&mut events, BATCH).await > 0).then_some(()) } => {
                Wake::Events(events)
            }
            () = sleep => Wake::Due,
        }
    }

    fn refresh_directory(&mut self) {
        let directory = self.directory.load();
        if !Arc::ptr_eq(&directory, &self.known) {
            self.known = Arc::clone(&directory);
            self.core.handle(Instant::now(), Input::Directory(Arc::clone(&self.known)));
        }
    }

    fn take(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Up { connection, jid, outbox } => {
                self.light(connection, Some(outbox));
                self.core.handle(now, Input::Up { connection, jid, resumed: false });
            }
            Event::Resumed { connection, jid } => {
                if self.outbox(connection).is_some() {
                    self.core.handle(now, Input::Up { connection, jid, resumed: true });
                }
            }
            Event::Down { connection } => self.down(connection),
            Event::Stanza { connection, stanza } => {
                // What was under way when the stream was given up belongs to nobody.
                if self.outbox(connection).is_some() {
                    self.core.handle(now, Input::Stanza { connection, stanza });
                }
            }
        }
        self.drain();
    }

    fn outbox(&self, connection: ConnectionId) -> Option<&Outbox> {
        self.outboxes.get(usize::from(connection.0))?.as_ref()
    }

    fn light(&mut self, connection: ConnectionId, outbox: Option<Outbox>) {
        let place = usize::from(connection.0);
        if let (Some(slot), Some(lamp)) = (self.outboxes.get_mut(place), self.lamps.get(place)) {
            lamp.is_up.store(outbox.is_some(), Ordering::Relaxed);
            *slot = outbox;
        }
    }

    fn down(&mut self, connection: ConnectionId) {
        if self.outbox(connection).is_some() {
            self.light(connection, None);
            self.core.handle(Instant::now(), Input::Down { connection });
        }
    }

    /// The reply to send when all is done, if this is the end.
    fn obey(&mut self, orders: Vec<Order>) -> Option<oneshot::Sender<()>> {
        for order in orders {
            let input = match order {
                Order::Say(leg, signal) => Input::Say(leg, signal),
                Order::Deliver(text) => Input::Deliver(text),
                Order::Delivered(id, result) => Input::Delivered(id, result),
                Order::Stop(done) => return Some(done),
            };
            self.core.handle(Instant::now(), input);
            self.drain();
        }
        None
    }

    /// Does all that the endpoint wants done.
    fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Send { connection, stanza } => self.send(connection, stanza),
                Output::Hear(leg, signal) => {
                    if self.switchboard.hear(leg, signal).is_err() {
                        warn!(%leg, "the calls are too busy");
                        self.core.handle(Instant::now(), Input::Overflow(leg));
                    }
                }
                Output::Text(text) => {
                    let id = text.id;
                    if self.switchboard.text(*text).is_err() {
                        let busy = Err(Undelivered::new(Cause::Congestion));
                        self.core.handle(Instant::now(), Input::Delivered(id, busy));
                    }
                }
                Output::Delivered(id, result) => self.switchboard.delivered(id, result),
                Output::Keep { connection, subscribers } => self.keeper.keep(connection, subscribers),
            }
        }
    }

    /// A server whose queue is full does not take what is sent to it: its stream is closed, and dialled again. A
    /// stanza for a stream that is down is lost, as it would be on its way.
    fn send(&mut self, connection: ConnectionId, stanza: Element) {
        let Some(outbox) = self.outbox(connection) else { return };
        if outbox.stanzas.try_send(stanza).is_err() {
            let name = self.lamps.get(usize::from(connection.0)).map(|lamp| lamp.name.as_str());
            warn!(connection = name, "the server does not take what is sent to it: the stream is closed");
            self.down(connection);
        }
    }

    async fn leave(mut self, done: Option<oneshot::Sender<()>>) {
        let _ = self.stop.send(true);
        self.outboxes.clear();
        self.inbox.close();
        let all = async {
            for task in self.tasks {
                let _ = task.await;
            }
            self.keeper.finish().await;
        };
        if timeout(self.linger * 2, all).await.is_err() {
            warn!("an XMPP server does not close its stream in time");
        }
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}
