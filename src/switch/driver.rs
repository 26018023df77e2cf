//! The task that owns the calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use tracing::info;

use super::board::Letter;
use super::calls::Calls;
use super::config::Routing;
use super::entrance::{Entrance, Output};
use super::figures::CallFigures;
use crate::base::driver::Alarm;
use crate::base::line;
use crate::model::{Directory, Switchboard};

/// Letters taken in one go before the clock is looked at again.
const BATCH: usize = 64;
/// Orders that wait for the task.
const ORDERS: usize = 8;
/// How long the other sides have to say good-bye once all calls are hung up.
const FAREWELL: Duration = Duration::from_secs(3);

enum Order {
    Replan(Arc<Routing>, Arc<Directory>),
    Figures(oneshot::Sender<CallFigures>),
    Drain { limit: Duration, done: oneshot::Sender<()> },
}

/// The calls' task, for those who steer it.
#[derive(Clone)]
pub struct CallsHandle {
    orders: mpsc::Sender<Order>,
    count: Arc<AtomicUsize>,
    newcomers: Arc<line::Figures>,
}

impl CallsHandle {
    /// What is counted of new calls that wait for the calls, those from pages and IM clients.
    pub fn newcomers(&self) -> &line::Figures {
        &self.newcomers
    }

    /// How many calls there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Decides new calls by another dialplan and for other users.
    pub async fn replan(&self, routing: Arc<Routing>, directory: Arc<Directory>) {
        let _ = self.orders.send(Order::Replan(routing, directory)).await;
    }

    /// What has been counted up to here; `None` if the task has ended.
    pub async fn figures(&self) -> Option<CallFigures> {
        let (tell, told) = oneshot::channel();
        self.orders.send(Order::Figures(tell)).await.ok()?;
        told.await.ok()
    }

    /// Takes no new calls, and returns once those that are up have ended, or were hung up after `limit`.
    pub async fn drain(&self, limit: Duration) {
        let (done, drained) = oneshot::channel();
        if self.orders.send(Order::Drain { limit, done }).await.is_ok() {
            let _ = drained.await;
        }
    }
}

/// Starts the task. It ends when it has been drained.
pub fn start(calls: Calls, letters: mpsc::Receiver<Letter>, switchboard: Arc<dyn Switchboard>) -> CallsHandle {
    let (orders, ordered) = mpsc::channel(ORDERS);
    let count = Arc::new(AtomicUsize::new(0));
    let entrance = Entrance::new(switchboard);
    let newcomers = entrance.figures();
    let task = Task { calls, entrance, count: Arc::clone(&count), drain: None, alarm: Alarm::default() };
    tokio::spawn(task.run(letters, ordered));
    CallsHandle { orders, count, newcomers }
}

struct Task {
    calls: Calls,
    entrance: Entrance,
    count: Arc<AtomicUsize>,
    drain: Option<Drain>,
    alarm: Alarm,
}

enum Wake {
    Order(Order),
    Letters(usize),
    Due,
    /// There is nothing else to do, and new calls wait.
    Newcomers,
}

struct Drain {
    until: Instant,
    is_farewell: bool,
    done: oneshot::Sender<()>,
}

impl Task {
    async fn run(mut self, mut letters: mpsc::Receiver<Letter>, mut orders: mpsc::Receiver<Order>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            match self.wake(&mut letters, &mut orders, &mut batch).await {
                Wake::Order(order) => self.obey(order),
                Wake::Letters(0) => return,
                Wake::Letters(_) => self.read(&mut batch),
                Wake::Due => {}
                Wake::Newcomers => self.serve(true),
            }
            if self.entrance.is_pressing(Instant::now()) {
                self.serve(false);
            }
            self.calls.handle_timeout(Instant::now());
            self.count.store(self.calls.len(), Ordering::Relaxed);
            if self.is_drained() {
                return;
            }
        }
    }

    async fn wake(
        &mut self,
        letters: &mut mpsc::Receiver<Letter>,
        orders: &mut mpsc::Receiver<Order>,
        batch: &mut Vec<Letter>,
    ) -> Wake {
        let pause = self.entrance.pause(Instant::now());
        let due = [self.calls.poll_timeout(), self.drain.as_ref().map(|d| d.until)].into_iter().flatten().min();
        let alarm = &mut self.alarm;
        let others = async {
            tokio::select! {
                Some(order) = orders.recv() => Wake::Order(order),
                count = letters.recv_many(batch, BATCH) => Wake::Letters(count),
                () = alarm.ring(due) => Wake::Due,
            }
        };
        let newcomers = async {
            match pause {
                None => std::future::pending().await,
                // The adapters have their turn as well, where there is one thread for all.
                Some(Duration::ZERO) => tokio::task::yield_now().await,
                Some(pause) => tokio::time::sleep(pause).await,
            }
        };
        tokio::select! {
            biased;
            wake = others => wake,
            () = newcomers => Wake::Newcomers,
        }
    }

    fn read(&mut self, batch: &mut Vec<Letter>) {
        let (now, wall_ms) = (Instant::now(), wall_ms());
        for letter in batch.drain(..) {
            self.entrance.handle(now, letter, |leg| self.calls.holds_back(leg));
            self.settle(now, wall_ms);
        }
    }

    fn serve(&mut self, is_idle: bool) {
        let now = Instant::now();
        self.entrance.serve(now, is_idle);
        self.settle(now, wall_ms());
    }

    /// Does what the entrance wants done.
    fn settle(&mut self, now: Instant, wall_ms: u64) {
        while let Some(output) = self.entrance.poll_output() {
            match output {
                Output::Read(letter) => self.calls.handle(now, wall_ms, letter),
                Output::TurnAway(leg) => self.calls.turn_away(leg),
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Replan(routing, directory) => self.calls.replan(routing, directory),
            // Whoever asked may have gone.
            Order::Figures(tell) => _ = tell.send(self.calls.figures()),
            Order::Drain { limit, done } => {
                info!(calls = self.calls.len(), "no new calls are taken; those that are up may finish");
                self.calls.drain();
                self.drain = Some(Drain { until: Instant::now() + limit, is_farewell: false, done });
            }
        }
    }

    fn is_drained(&mut self) -> bool {
        let Some(mut drain) = self.drain.take() else { return false };
        let now = Instant::now();
        let is_empty = self.calls.is_empty() && self.entrance.is_empty();
        if is_empty || (drain.is_farewell && drain.until <= now) {
            let _ = drain.done.send(());
            return true;
        }
        if drain.until <= now {
            info!(calls = self.calls.len(), "the time to finish is over: the rest are hung up");
            self.calls.hang_up_all(now);
            drain.is_farewell = true;
            drain.until = now + FAREWELL;
        }
        self.drain = Some(drain);
        false
    }
}

/// The time of day in milliseconds since the Unix epoch.
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
