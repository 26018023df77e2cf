//! The relay's threads, sockets and clock.

mod batch;
mod forks;
mod net;
mod pace;
mod recorder;
mod ring;
mod sockets;
mod system;
mod taps;
#[cfg(test)]
mod tests;
mod worker;

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::net::Net;
use self::sockets::Sockets;
use self::system::Bell;
use self::taps::Taps;
use self::worker::{Inbox, Worker};
use crate::base::{CallId, Dice};
use crate::media::config::{MAX_SHARDS, RelayConfig};
use crate::media::leg::{Certificate, WallClock};
use crate::media::shard::{Shard, ShardConfig};
use crate::media::sound::{Library, Shelf};
use crate::model::{MediaFigures, Overflow, Relay, RelayCommand, RelayEvent};

/// Orders that may wait for one shard.
pub const MAX_ORDERS_WAITING: usize = 4096;

/// How long a shard may take to tell its figures.
const FIGURES_WITHIN: Duration = Duration::from_secs(2);

/// Who hears of the relay's events: of all of one turn at once, so that nobody is woken up for each. Called on the relay's
/// threads: must not wait.
pub type OnEvents = Arc<dyn Fn(Vec<RelayEvent>) + Send + Sync>;

/// A running relay. Dropping the last clone stops it.
#[derive(Clone)]
pub struct RelayHandle(Arc<Running>);

struct Running {
    lines: Vec<Line>,
    stopping: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    sounds: Shelf,
    /// Where the WebSockets of forks run.
    forks: Option<Runtime>,
}

/// What a shard is told or asked.
pub(super) enum Order {
    Command(RelayCommand),
    Figures(oneshot::Sender<MediaFigures>),
}

/// How orders reach a shard.
struct Line {
    orders: SyncSender<Order>,
    bell: Arc<Bell>,
    /// There may be orders that the bell was not rung for.
    waiting: Arc<AtomicBool>,
}

impl Line {
    fn order_later(&self, command: RelayCommand) -> Result<(), Overflow> {
        self.orders.try_send(Order::Command(command)).map_err(|_| Overflow)?;
        self.waiting.store(true, Ordering::Release);
        Ok(())
    }

    /// Rings for what the shard has not taken yet.
    fn wake(&self) {
        if self.waiting.swap(false, Ordering::AcqRel) {
            self.bell.ring();
        }
    }
}

/// Starts the relay's threads.
///
/// # Errors
/// The sockets of ICE legs cannot be bound, the system is out of descriptors, or the configuration makes no
/// sense.
pub fn start(config: RelayConfig, on_events: OnEvents) -> io::Result<RelayHandle> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
    if config.shards == 0 || config.shards > MAX_SHARDS {
        return Err(invalid(&format!("the relay takes 1 to {MAX_SHARDS} shards")));
    }
    if config.bind_v4.is_none() && config.bind_v6.is_none() {
        return Err(invalid("the relay needs an IPv4 or an IPv6 address"));
    }
    if [false, true].into_iter().flat_map(|ipv6| config.advertised(ipv6)).any(|ip| ip.is_unspecified()) {
        return Err(invalid("the relay listens on every address, so it must be told which to advertise"));
    }
    let certificate = Certificate::generate().map_err(io::Error::other)?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = WallClock { at: Instant::now(), since_1970 };
    let stopping = Arc::new(AtomicBool::new(false));
    let sounds = Shelf::default();
    let running = Running {
        lines: Vec::new(),
        stopping: stopping.clone(),
        threads: Mutex::default(),
        sounds: sounds.clone(),
        forks: None,
    };
    let (recorder, recorder_thread) = recorder::start(config.recording.clone(), on_events.clone())?;
    let runtime = forks::start()?;
    let runtime_handle = runtime.handle().clone();
    let mut handle = RelayHandle(Arc::new(running));
    for number in 0..config.shards {
        let (orders, queue) = sync_channel(MAX_ORDERS_WAITING);
        let bell = Arc::new(Bell::new()?);
        let waiting = Arc::new(AtomicBool::new(false));
        let (started, answer) = sync_channel(1);
        let seat = Seat {
            number,
            config: config.clone(),
            certificate: certificate.clone(),
            wall,
            sounds: sounds.clone(),
            queue,
            bell: bell.clone(),
            waiting: waiting.clone(),
            stopping: stopping.clone(),
            taps: Taps::new(recorder.clone(), runtime_handle.clone(), config.fork_token.clone(), on_events.clone()),
            on_events: on_events.clone(),
        };
        let work = move || match seat.worker() {
            Ok(worker) => {
                let _ = started.send(Ok(()));
                worker.run();
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name(format!("relay-{number}")).spawn(work)?;
        if let Some(running) = Arc::get_mut(&mut handle.0) {
            running.lines.push(Line { orders, bell, waiting });
            running.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        answer.recv().map_err(|_| io::Error::other("a relay thread ended at once"))??;
    }
    // The last to be waited for: it finishes its files when the shards have gone.
    if let Some(running) = Arc::get_mut(&mut handle.0) {
        running.forks = Some(runtime);
        running.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(recorder_thread);
    }
    Ok(handle)
}

/// What a shard's thread is started with.
struct Seat {
    number: usize,
    config: RelayConfig,
    certificate: Certificate,
    wall: WallClock,
    sounds: Shelf,
    queue: Receiver<Order>,
    bell: Arc<Bell>,
    waiting: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
    taps: Taps,
    on_events: OnEvents,
}

impl Seat {
    fn worker(self) -> io::Result<Worker> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let mut dice = Dice::from_seed(seed);
        let net = Rc::new(RefCell::new(Net::new(self.config.driver, self.number == 0)?));
        let bind = [self.config.bind_v4.map(IpAddr::V4), self.config.bind_v6.map(IpAddr::V6)];
        let ports = self.config.ports_of(self.number);
        let mut sockets = Sockets::new(net.clone(), bind, ports, &mut dice);
        let port = match self.config.ice_port {
            0 => 0,
            first => first.saturating_add(self.number as u16),
        };
        let ice_v4 = sockets.open_shared(false, port)?;
        let ice_v6 = sockets.open_shared(true, port)?;
        let config = ShardConfig {
            advertised_v4: self.config.advertised(false),
            advertised_v6: self.config.advertised(true),
            ice_v4,
            ice_v6,
            certificate: self.certificate,
            wall: self.wall,
            sounds: self.sounds,
            effort: self.config.effort,
        };
        let shared = [ice_v4, ice_v6].into_iter().flatten().map(|(socket, _)| socket).collect();
        let shard = Shard::new(config, dice);
        let inbox = Inbox { orders: self.queue, bell: self.bell, waiting: self.waiting };
        Worker::new(shard, sockets, shared, net, inbox, self.stopping, self.taps, self.on_events)
    }
}

impl RelayHandle {
    /// From here on sounds are taken from this library; what is being played goes on.
    pub fn set_sounds(&self, library: Arc<Library>) {
        self.0.sounds.set(library);
    }

    /// What all shards have counted.
    ///
    /// # Errors
    /// [`Overflow`] if a shard is too busy to tell, or gone.
    pub async fn figures(&self) -> Result<MediaFigures, Overflow> {
        let mut all = MediaFigures::default();
        for line in &self.0.lines {
            let (tell, told) = oneshot::channel();
            line.orders.try_send(Order::Figures(tell)).map_err(|_| Overflow)?;
            line.bell.ring();
            let part = timeout(FIGURES_WITHIN, told).await;
            all.add(&part.ok().and_then(Result::ok).ok_or(Overflow)?);
        }
        Ok(all)
    }

    /// Takes every call down, stops the threads, and waits until they are gone. Not to be called from
    /// [`OnEvents`].
    pub fn stop(&self) {
        self.0.ask_to_stop();
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Running {
    fn ask_to_stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.lines.iter().for_each(|line| line.bell.ring());
    }

    fn line(&self, call: CallId) -> Option<&Line> {
        self.lines.get((call.0 % self.lines.len().max(1) as u64) as usize)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ask_to_stop();
        // The last clone may go where nothing may wait.
        if let Some(forks) = self.forks.take() {
            forks.shutdown_background();
        }
    }
}

impl Relay for RelayHandle {
    fn order(&self, command: RelayCommand) -> Result<(), Overflow> {
        let line = self.0.line(command.call()).ok_or(Overflow)?;
        line.order_later(command)?;
        line.wake();
        Ok(())
    }

    fn order_later(&self, command: RelayCommand) -> Result<(), Overflow> {
        self.0.line(command.call()).ok_or(Overflow)?.order_later(command)
    }

    fn wake(&self) {
        self.0.lines.iter().for_each(Line::wake);
    }
}
