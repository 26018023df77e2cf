//! Whether sound comes: a port that takes RTP, and sends silence.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::media::codec::g711::{LINEAR_OF_ALAW, LINEAR_OF_ULAW};
use crate::rtp::{Fields, Packet};
use crate::switch::config::Config;

/// A packet of speech.
const PACKET: Duration = Duration::from_millis(20);
/// Its samples of G.711.
const SAMPLES: usize = 160;
/// How many ports of the configuration are tried, from the last one downwards, before any is good.
const TRIES: u16 = 50;
/// What is louder than the noise of a line, of 32 767.
const LOUD: u16 = 400;
/// Silence in PCMU and in PCMA, by payload type.
const SILENCE: [(u8, u8); 2] = [(0, 0xff), (8, 0xd5)];
/// No datagram of speech is longer.
const LONGEST: usize = 2048;

/// Where to send, and what comes.
#[derive(Debug, Clone, Copy)]
pub struct Aim {
    /// The peer's address.
    pub address: SocketAddr,
    /// The format that it wants.
    pub payload_type: u8,
    /// Whether what comes can be read.
    pub plain: bool,
}

/// The port.
pub struct Ear {
    /// Where the peer is to send.
    pub address: SocketAddr,
    heard: Arc<Heard>,
    aim: watch::Sender<Option<Aim>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Heard {
    packets: AtomicU32,
    loud: AtomicU32,
    /// Some packet was one whose speech can be judged.
    understood: AtomicBool,
}

impl Ear {
    /// Opens a port, if possible one of those that the configuration has for media, for a firewall may let no others
    /// through. `local` is where the trunk reaches us.
    ///
    /// # Errors
    /// There is no port.
    pub async fn open(config: &Config, local: IpAddr) -> io::Result<Ear> {
        let last = *config.media.ports.end();
        let known = (0..TRIES).map(|n| last.saturating_sub(2 * n)).filter(|port| config.media.ports.contains(port));
        let mut socket = None;
        for port in known.chain([0]) {
            socket = UdpSocket::bind((local, port)).await.ok();
            if socket.is_some() {
                break;
            }
        }
        let socket = socket.ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))?;
        let advertised = match local {
            IpAddr::V4(_) => config.media.advertised_v4.first().copied().map(IpAddr::from),
            IpAddr::V6(_) => config.media.advertised_v6.first().copied().map(IpAddr::from),
        };
        let address = SocketAddr::new(advertised.unwrap_or(local), socket.local_addr()?.port());
        let heard = Arc::new(Heard::default());
        let (aim, aimed) = watch::channel(None);
        let task = tokio::spawn(run(socket, Arc::clone(&heard), aimed));
        Ok(Ear { address, heard, aim, task })
    }

    /// Sends silence there from now on.
    pub fn aim(&self, aim: Aim) {
        self.aim.send_replace(Some(aim));
    }

    /// How many packets have come.
    pub fn packets(&self) -> u32 {
        self.heard.packets.load(Ordering::Relaxed)
    }

    /// In how many of them something is to be heard.
    pub fn loud(&self) -> u32 {
        self.heard.loud.load(Ordering::Relaxed)
    }

    /// Whether that can be told at all.
    pub fn is_understood(&self) -> bool {
        self.heard.understood.load(Ordering::Relaxed)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(socket: UdpSocket, heard: Arc<Heard>, aimed: watch::Receiver<Option<Aim>>) {
    let mut buffer = [0; LONGEST];
    let mut ticks = interval(PACKET);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut next = Fields { marker: true, payload_type: 0, sequence: 1, timestamp: 0, ssrc: 0x5061_7463 };
    loop {
        tokio::select! {
            read = socket.recv_from(&mut buffer) => {
                // What is said of a port that is not open there is no reason to stop listening.
                let Ok((length, _)) = read else { continue };
                hear(buffer.get(..length).unwrap_or_default(), &heard, aimed.borrow().as_ref());
            }
            _ = ticks.tick() => {
                let Some(aim) = *aimed.borrow() else { continue };
                let Some((_, octet)) = SILENCE.iter().find(|(number, _)| *number == aim.payload_type && aim.plain) else {
                    continue;
                };
                let mut packet = [*octet; 12 + SAMPLES];
                Fields { payload_type: aim.payload_type, ..next }.write_new(&mut packet);
                next = Fields {
                    marker: false,
                    sequence: next.sequence.wrapping_add(1),
                    timestamp: next.timestamp.wrapping_add(SAMPLES as u32),
                    ..next
                };
                // Lost like any other packet.
                let _ = socket.try_send_to(&packet, aim.address);
            }
        }
    }
}

fn hear(datagram: &[u8], heard: &Heard, aim: Option<&Aim>) {
    let Some(packet) = Packet::parse(datagram).filter(|_| !crate::rtp::is_rtcp(datagram)) else { return };
    heard.packets.fetch_add(1, Ordering::Relaxed);
    let law = match packet.payload_type() {
        0 => &LINEAR_OF_ULAW,
        8 => &LINEAR_OF_ALAW,
        _ => return,
    };
    // Speech may come before the answer that says how; what is protected sounds like noise.
    if aim.is_some_and(|aim| !aim.plain) {
        return;
    }
    heard.understood.store(true, Ordering::Relaxed);
    let linear = |octet: &u8| law.get(usize::from(*octet)).copied().unwrap_or_default();
    if packet.payload().iter().any(|octet| linear(octet).unsigned_abs() > LOUD) {
        heard.loud.fetch_add(1, Ordering::Relaxed);
    }
}
