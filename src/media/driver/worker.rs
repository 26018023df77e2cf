//! One shard's thread.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use super::OnEvent;
use super::sockets::Sockets;
use super::system::{self, BUFFER, Batch, Bell, Epoll};
use crate::media::shard::{Outgoing, Shard, SocketId};
use crate::model::RelayCommand;

/// How long packets are gathered before a busy shard handles them together: waking up for each costs more than
/// relaying it. This is the delay that a busy relay adds at most.
pub const GATHER: Duration = Duration::from_micros(500);

/// From how many datagrams a second on a shard gathers.
pub const BUSY: u32 = 500;

/// The same for a shard that has a good part of its core to do: the longer it gathers, the more it can carry.
pub const GATHER_FULL: Duration = Duration::from_millis(1);

/// From how many datagrams a second on a shard gathers for [`GATHER_FULL`].
pub const FULL: u32 = 30_000;

/// How often it is judged whether the shard is busy.
pub const JUDGED_EVERY: Duration = Duration::from_millis(50);

/// Orders that are carried out in one turn.
pub const MAX_ORDERS: usize = 64;

/// Batches that are taken from the shared socket in one turn.
pub const MAX_BATCHES: usize = 8;

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
    on_event: OnEvent,
    arrivals: Batch,
    departures: Departures,
}

/// Datagrams for one socket that leave together.
struct Departures {
    batch: Batch,
    socket: SocketId,
    count: usize,
}

impl Departures {
    fn flush(&mut self, sockets: &Sockets) {
        if let Some(fd) = sockets.fd(self.socket).filter(|_| self.count > 0) {
            self.batch.send(fd, self.count);
        }
        self.count = 0;
    }

    /// The datagram in the buffer of the next place is to go out.
    fn take(&mut self, sockets: &Sockets, shared: &[SocketId], out: Outgoing) {
        if !shared.contains(&out.socket) {
            let datagram = self.batch.buffer(self.count).and_then(|buffer| buffer.get(out.start..out.end));
            if let (Some(fd), Some(datagram)) = (sockets.fd(out.socket), datagram) {
                system::send(fd, datagram, out.to);
            }
            return;
        }
        if out.socket != self.socket && self.count > 0 {
            // The new one is sent alone, so that those before it need not be moved.
            let datagram = self.batch.buffer(self.count).and_then(|buffer| buffer.get(out.start..out.end));
            if let (Some(fd), Some(datagram)) = (sockets.fd(out.socket), datagram) {
                system::send(fd, datagram, out.to);
            }
            return;
        }
        self.socket = out.socket;
        self.batch.address(self.count, out.start, out.end, out.to);
        self.count += 1;
        if self.count == system::BATCH {
            self.flush(sockets);
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
        on_event: OnEvent,
    ) -> io::Result<Worker> {
        epoll.borrow().watch(bell.fd(), BELL)?;
        let departures = Departures { batch: Batch::new(), socket: SocketId(0), count: 0 };
        Ok(Worker {
            shard,
            sockets,
            shared,
            epoll,
            orders,
            bell,
            stopping,
            on_event,
            arrivals: Batch::new(),
            departures,
        })
    }

    /// Works until it is to stop.
    pub fn run(mut self) {
        let mut judged = Instant::now();
        let mut datagrams = 0u32;
        let mut gather = Duration::ZERO;
        while !self.stopping.load(Ordering::Acquire) {
            let before = Instant::now();
            let due = self.shard.poll_timeout().map(|at| at.saturating_duration_since(before));
            let ready = self.epoll.borrow_mut().wait(millis(due));
            let now = Instant::now();
            datagrams += self.turn(now, ready);
            let passed = now.saturating_duration_since(judged);
            if passed >= JUDGED_EVERY {
                gather = gather_at(datagrams, passed);
                (judged, datagrams) = (now, 0);
            }
            if !gather.is_zero() {
                thread::sleep(gather.saturating_sub(now.elapsed()));
            }
        }
        let now = Instant::now();
        self.shard.shut(now);
        self.finish_turn(now);
    }

    /// One turn of the loop; returns how many datagrams came.
    fn turn(&mut self, now: Instant, ready: usize) -> u32 {
        let mut datagrams = 0;
        let mut is_called = false;
        for number in 0..ready {
            let token = self.epoll.borrow().token(number);
            match token {
                Some(BELL) => is_called = true,
                Some(token) => {
                    let socket = SocketId(token as u32);
                    datagrams += if self.shared.contains(&socket) {
                        self.receive_many(now, socket)
                    } else {
                        self.receive_one(now, socket)
                    };
                }
                None => {}
            }
        }
        if is_called {
            self.obey(now);
        }
        self.finish_turn(now);
        datagrams
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

    fn finish_turn(&mut self, now: Instant) {
        self.shard.handle_timeout(now);
        self.departures.flush(&self.sockets);
        let mut buffer = [0; BUFFER];
        while let Some(out) = self.shard.poll_transmit(&mut buffer) {
            if let (Some(fd), Some(datagram)) = (self.sockets.fd(out.socket), buffer.get(out.start..out.end)) {
                system::send(fd, datagram, out.to);
            }
        }
        self.shard.release_ports(now, &mut self.sockets);
        while let Some(event) = self.shard.poll_event() {
            (self.on_event)(event);
        }
    }

    fn receive_one(&mut self, now: Instant, socket: SocketId) -> u32 {
        let place = self.departures.count;
        let (Some(fd), Some(buffer)) = (self.sockets.fd(socket), self.departures.batch.buffer(place)) else { return 0 };
        let Some((length, from)) = system::receive(fd, buffer) else { return 0 };
        if let Some(out) = self.shard.handle_datagram(now, socket, from, buffer, length) {
            self.departures.take(&self.sockets, &self.shared, out);
        }
        1
    }

    fn receive_many(&mut self, now: Instant, socket: SocketId) -> u32 {
        let Some(fd) = self.sockets.fd(socket) else { return 0 };
        let mut datagrams = 0;
        for _ in 0..MAX_BATCHES {
            let count = self.arrivals.receive(fd);
            datagrams += count as u32;
            for number in 0..count {
                let Some((buffer, length, from)) = self.arrivals.datagram(number) else { continue };
                let Some(out) = self.shard.handle_datagram(now, socket, from, buffer, length) else { continue };
                let Some(datagram) = buffer.get(out.start..out.end) else { continue };
                match self.departures.batch.buffer(self.departures.count) {
                    Some(place) if self.shared.contains(&out.socket) => {
                        place[..datagram.len()].copy_from_slice(datagram);
                        let out = Outgoing { start: 0, end: datagram.len(), ..out };
                        self.departures.take(&self.sockets, &self.shared, out);
                    }
                    _ => {
                        if let Some(fd) = self.sockets.fd(out.socket) {
                            system::send(fd, datagram, out.to);
                        }
                    }
                }
            }
            if count < system::BATCH {
                break;
            }
        }
        datagrams
    }
}

/// How long to gather at this rate.
fn gather_at(datagrams: u32, passed: Duration) -> Duration {
    let exceeds = |rate: u32| u128::from(datagrams) * 1000 > passed.as_millis() * u128::from(rate);
    match () {
        () if exceeds(FULL) => GATHER_FULL,
        () if exceeds(BUSY) => GATHER,
        () => Duration::ZERO,
    }
}

/// Time in whole milliseconds, rounded up so that what is due is due; -1 for none.
fn millis(due: Option<Duration>) -> i32 {
    match due {
        None => -1,
        Some(due) => i32::try_from(due.as_micros().div_ceil(1000)).unwrap_or(i32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_gathers_the_longer_the_more_it_has_to_do_and_an_idle_one_not_at_all() {
        let at = |datagrams| gather_at(datagrams, Duration::from_millis(50));
        assert_eq!(
            [at(0), at(25), at(26), at(1_500), at(1_501)],
            [Duration::ZERO, Duration::ZERO, GATHER, GATHER, GATHER_FULL]
        );
    }
}
