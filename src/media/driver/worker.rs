//! One shard's thread.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::batch::{self, Arrivals, BATCH, BUFFER, Departures};
use super::net::{Net, Ready};
use super::pace::Pace;
use super::ring::{Ring, Taken};
use super::sockets::Sockets;
use super::system::{Bell, dropped};
use super::taps::Taps;
use super::{OnEvents, Order};
use crate::media::budget::LEG_BUDGET;
use crate::media::shard::{Shard, SocketId};

/// Orders that are carried out in one turn.
pub const MAX_ORDERS: usize = 64;

/// Batches that are taken from the shared socket in one turn.
pub const MAX_BATCHES: usize = 8;

/// How often a ring is asked again in one turn.
pub const MAX_ROUNDS: usize = 32;

/// A turn that has taken so long asks no ring again: timers and orders wait for it.
pub const MAX_GATHERING: Duration = Duration::from_millis(20);

/// How often it is said that datagrams are dropped because they are stale.
pub const STALE_TOLD_EVERY: Duration = Duration::from_secs(10);

/// How a shard is told what to do.
pub struct Inbox {
    /// What it is told.
    pub orders: Receiver<Order>,
    /// Rung when it is to look.
    pub bell: Arc<Bell>,
    /// Set where the bell is still to be rung for an order.
    pub waiting: Arc<AtomicBool>,
}

/// What a shard's thread works with.
pub struct Worker {
    shard: Shard,
    sockets: Sockets,
    shared: Vec<SocketId>,
    net: Rc<RefCell<Net>>,
    inbox: Inbox,
    stopping: Arc<AtomicBool>,
    taps: Taps,
    on_events: OnEvents,
    arrivals: Arrivals,
    departures: Departures,
    stale: Stale,
}

/// One turn of the loop.
struct Turn {
    number: u32,
    now: Instant,
    /// What has waited longer is stale; `None`: nothing is.
    stale_after: Option<Duration>,
    datagrams: u32,
}

impl Turn {
    /// What arrived before, since 1970, is stale. Not the same all through the turn: the last of many sockets is come to
    /// late.
    fn stale_before(&self) -> Option<Duration> {
        let since_1970 = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.stale_after.map(|age| since_1970().saturating_sub(age))
    }
}

/// Datagrams that were dropped because they had waited too long.
struct Stale {
    count: u64,
    told: Option<Instant>,
}

impl Stale {
    fn tell(&mut self, now: Instant) {
        if self.count > 0 && self.told.is_none_or(|told| now.saturating_duration_since(told) >= STALE_TOLD_EVERY) {
            warn!(dropped = self.count, "the relay has more to do than it can: the oldest packets are dropped");
            *self = Stale { count: 0, told: Some(now) };
        }
    }
}

impl Worker {
    /// A worker whose sockets are open.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        shard: Shard,
        sockets: Sockets,
        shared: Vec<SocketId>,
        net: Rc<RefCell<Net>>,
        inbox: Inbox,
        stopping: Arc<AtomicBool>,
        taps: Taps,
        on_events: OnEvents,
    ) -> io::Result<Worker> {
        net.borrow_mut().watch_bell(inbox.bell.fd())?;
        Ok(Worker {
            shard,
            sockets,
            shared,
            net,
            inbox,
            stopping,
            taps,
            on_events,
            arrivals: Arrivals::new(),
            departures: Departures::new(),
            stale: Stale { count: 0, told: None },
        })
    }

    /// Works until it is to stop.
    pub fn run(mut self) {
        let mut pace = Pace::new(Instant::now());
        let mut number = 0u32;
        while !self.stopping.load(Ordering::Acquire) {
            let before = Instant::now();
            let due = self.shard.poll_timeout().map(|at| at.saturating_duration_since(before));
            self.net.borrow_mut().wait(due);
            let now = Instant::now();
            number = number.wrapping_add(1);
            let mut turn = Turn { number, now, stale_after: pace.stale_after(now), datagrams: 0 };
            self.turn(&mut turn);
            let rest = pace.rest(now, Instant::now(), turn.datagrams);
            self.net.borrow_mut().rest(rest);
        }
        let now = Instant::now();
        self.shard.shut(now);
        self.finish(now);
    }

    fn turn(&mut self, turn: &mut Turn) {
        // What was ordered holds for what has come since.
        self.obey(turn.now);
        let mut is_called = false;
        while let Some(ready) = self.ready() {
            match ready {
                Ready::Bell => is_called = true,
                Ready::Socket(number) => self.receive(turn, SocketId(number)),
            }
        }
        self.pass(turn);
        self.pass_ring(turn);
        if is_called {
            self.inbox.bell.hush();
            self.obey(turn.now);
        }
        self.finish(turn.now);
        self.stale.tell(turn.now);
    }

    fn ready(&self) -> Option<Ready> {
        self.net.borrow_mut().ready()
    }

    fn obey(&mut self, now: Instant) {
        // First, so that the bell is rung for what is ordered from here on.
        self.inbox.waiting.store(false, Ordering::Release);
        for _ in 0..MAX_ORDERS {
            match self.inbox.orders.try_recv() {
                Ok(Order::Command(command)) => self.shard.handle_command(now, command, &mut self.sockets),
                // Whoever asked may have gone.
                Ok(Order::Figures(tell)) => _ = tell.send(self.shard.figures()),
                Err(_) => return,
            }
        }
        // There may be more.
        self.inbox.bell.ring();
    }

    fn finish(&mut self, now: Instant) {
        self.shard.handle_timeout(now);
        let mut buffer = [0; BUFFER];
        while let Some(out) = self.shard.poll_transmit(&mut buffer) {
            if let (Some(fd), Some(datagram)) = (self.sockets.fd(out.socket), buffer.get(out.start..out.end)) {
                batch::send(fd, datagram, out.to);
            }
        }
        while let Some((socket, aim)) = self.shard.poll_aim() {
            self.sockets.aim(socket, aim);
        }
        self.shard.release_ports(now, &mut self.sockets);
        while let Some(news) = self.shard.poll_tap() {
            self.taps.take(news);
        }
        let events = self.shard.take_events();
        if !events.is_empty() {
            (self.on_events)(events);
        }
    }

    /// Takes what has come by a socket, as far as its budget allows.
    fn receive(&mut self, turn: &mut Turn, socket: SocketId) {
        let is_shared = self.shared.contains(&socket);
        let Some((fd, again)) = self.sockets.ready(socket, turn.number) else { return };
        let may_hold_more = again || turn.stale_after.is_some();
        let budget = match (is_shared, may_hold_more) {
            (true, _) => MAX_BATCHES * BATCH,
            (false, true) => usize::from(LEG_BUDGET),
            // Speech comes one by one: to look for a second would be a look for nothing.
            (false, false) => 1,
        };
        let mut taken = 0;
        while taken < budget {
            let wanted = (budget - taken).min(self.arrivals.room());
            let count = self.arrivals.receive(fd, socket, wanted, turn.stale_after.is_some());
            taken += count;
            if self.arrivals.room() == 0 {
                self.pass(turn);
            }
            if count < wanted {
                return;
            }
        }
        if !is_shared && may_hold_more {
            self.shard.note_overflow(turn.now, socket, dropped(fd));
        }
    }

    /// Handles what has come, and sends what is to be passed on. All is sent in one go: what is woken by the first
    /// packet is still awake when the last one comes.
    fn pass(&mut self, turn: &mut Turn) {
        let stale_before = turn.stale_before();
        for number in 0..self.arrivals.len() {
            let Some(arrival) = self.arrivals.get(number) else { continue };
            if arrival.stamp.zip(stale_before).is_some_and(|(stamp, stale)| stamp < stale) {
                self.stale.count += 1;
                self.shard.note_stale();
                continue;
            }
            let out =
                self.shard.handle_datagram(turn.now, arrival.socket, arrival.from, arrival.buffer, arrival.length);
            if let Some(out) = out {
                let is_aimed = self.sockets.is_aimed_at(out.socket, out.to);
                self.departures.push(&mut self.arrivals, number, out, is_aimed);
            }
        }
        turn.datagrams += self.arrivals.len() as u32;
        let sockets = &self.sockets;
        self.departures.flush(&mut self.arrivals, |socket| sockets.fd(socket));
        self.arrivals.clear();
    }

    /// The same for what came by a ring. Where it ran out of buffers it is asked again: a turn that is long, because many
    /// timers are due, would else take in less than comes.
    fn pass_ring(&mut self, turn: &mut Turn) {
        let net = self.net.clone();
        let mut net = net.borrow_mut();
        let Net::Ring(ring) = &mut *net else { return };
        for _ in 0..MAX_ROUNDS {
            self.pass_gathered(turn, ring);
            if turn.now.elapsed() >= MAX_GATHERING || !ring.again() {
                return;
            }
        }
        self.pass_gathered(turn, ring);
    }

    /// Passes on what a ring has gathered, in the buffers in which the kernel put it.
    fn pass_gathered(&mut self, turn: &mut Turn, ring: &mut Ring) {
        while let Some(taken) = ring.take() {
            turn.datagrams += 1;
            let arrived = match taken {
                Taken::Fresh(arrived) => arrived,
                Taken::TooMany(socket) => {
                    let full = self.sockets.fd(socket).map_or(0, dropped);
                    self.shard.note_overflow(turn.now, socket, full.saturating_add(ring.refused(socket)));
                    continue;
                }
            };
            if turn.stale_before().is_some_and(|stale| ring.stamp(arrived).is_some_and(|stamp| stamp < stale)) {
                self.stale.count += 1;
                self.shard.note_stale();
                ring.done(arrived);
                continue;
            }
            let out = ring.filled(arrived).and_then(|filled| {
                self.shard.handle_datagram(turn.now, arrived.socket, filled.from, filled.buffer, filled.length)
            });
            match out {
                Some(out) => {
                    let is_aimed = self.sockets.is_aimed_at(out.socket, out.to);
                    ring.send(arrived, out, is_aimed);
                }
                None => ring.done(arrived),
            }
        }
        ring.flush();
    }
}
