//! One shard's thread.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::OnEvent;
use super::batch::{self, Arrivals, BATCH, BUFFER, Departures};
use super::pace::Pace;
use super::sockets::Sockets;
use super::system::{Bell, Epoll, dropped};
use super::taps::Taps;
use crate::media::budget::LEG_BUDGET;
use crate::media::shard::{Shard, SocketId};
use crate::model::RelayCommand;

/// Orders that are carried out in one turn.
pub const MAX_ORDERS: usize = 64;

/// Batches that are taken from the shared socket in one turn.
pub const MAX_BATCHES: usize = 8;

/// How often it is said that datagrams are dropped because they are stale.
pub const STALE_TOLD_EVERY: Duration = Duration::from_secs(10);

const BELL: u64 = u64::MAX;

/// What a shard's thread works with.
pub struct Worker {
    shard: Shard,
    sockets: Sockets,
    shared: Vec<SocketId>,
    epoll: Rc<RefCell<Epoll>>,
    orders: Receiver<RelayCommand>,
    bell: Arc<Bell>,
    stopping: Arc<AtomicBool>,
    taps: Taps,
    on_event: OnEvent,
    arrivals: Arrivals,
    departures: Departures,
    stale: Stale,
}

/// One turn of the loop.
struct Turn {
    number: u32,
    now: Instant,
    /// What arrived before, since 1970, is stale; `None`: nothing is.
    stale_before: Option<Duration>,
    datagrams: u32,
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
        epoll: Rc<RefCell<Epoll>>,
        orders: Receiver<RelayCommand>,
        bell: Arc<Bell>,
        stopping: Arc<AtomicBool>,
        taps: Taps,
        on_event: OnEvent,
    ) -> io::Result<Worker> {
        epoll.borrow().watch(bell.fd(), BELL)?;
        Ok(Worker {
            shard,
            sockets,
            shared,
            epoll,
            orders,
            bell,
            stopping,
            taps,
            on_event,
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
            let ready = self.epoll.borrow_mut().wait(millis(due));
            let now = Instant::now();
            number = number.wrapping_add(1);
            let stale_before = pace
                .stale_after(now)
                .map(|age| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(age));
            let mut turn = Turn { number, now, stale_before, datagrams: 0 };
            self.turn(&mut turn, ready);
            let rest = pace.rest(now, Instant::now(), turn.datagrams);
            if !rest.is_zero() {
                thread::sleep(rest);
            }
        }
        let now = Instant::now();
        self.shard.shut(now);
        self.finish(now);
    }

    fn turn(&mut self, turn: &mut Turn, ready: usize) {
        let mut is_called = false;
        for number in 0..ready {
            let token = self.epoll.borrow().token(number);
            match token {
                Some(BELL) => is_called = true,
                Some(token) => self.receive(turn, SocketId(token as u32)),
                None => {}
            }
        }
        self.pass(turn);
        if is_called {
            self.obey(turn.now);
        }
        self.finish(turn.now);
        self.stale.tell(turn.now);
    }

    fn obey(&mut self, now: Instant) {
        self.bell.hush();
        for _ in 0..MAX_ORDERS {
            match self.orders.try_recv() {
                Ok(order) => self.shard.handle_command(now, order, &mut self.sockets),
                Err(_) => return,
            }
        }
        // There may be more.
        self.bell.ring();
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
        while let Some(event) = self.shard.poll_event() {
            (self.on_event)(event);
        }
    }

    /// Takes what has come by a socket, as far as its budget allows.
    fn receive(&mut self, turn: &mut Turn, socket: SocketId) {
        let is_shared = self.shared.contains(&socket);
        let Some((fd, again)) = self.sockets.ready(socket, turn.number) else { return };
        let may_hold_more = again || turn.stale_before.is_some();
        let budget = match (is_shared, may_hold_more) {
            (true, _) => MAX_BATCHES * BATCH,
            (false, true) => usize::from(LEG_BUDGET),
            // Speech comes one by one: to look for a second would be a look for nothing.
            (false, false) => 1,
        };
        let mut taken = 0;
        while taken < budget {
            let wanted = (budget - taken).min(self.arrivals.room());
            let count = self.arrivals.receive(fd, socket, wanted, turn.stale_before.is_some());
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
        for number in 0..self.arrivals.len() {
            let Some(arrival) = self.arrivals.get(number) else { continue };
            if arrival.stamp.zip(turn.stale_before).is_some_and(|(stamp, stale)| stamp < stale) {
                self.stale.count += 1;
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
}

/// Time in whole milliseconds, rounded up so that what is due is due; -1 for none.
fn millis(due: Option<Duration>) -> i32 {
    match due {
        None => -1,
        Some(due) => i32::try_from(due.as_micros().div_ceil(1000)).unwrap_or(i32::MAX),
    }
}
