//! The demo trunk's sockets and tasks: one for SIP, one for each call.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tracing::{debug, warn};

use super::agent::{Agent, CallNumber, Output};
use super::answer::Media;
use super::line::{Line, Say};
use super::number::Plot;
use super::voice::MAX_PACKET;
use crate::base::Dice;

/// Octets of the largest datagram that is read.
const MAX_DATAGRAM: usize = 65_535;
/// What calls have said and the SIP task has not heard yet.
const MAX_SAID: usize = 256;
/// Agreements that a call has not heard yet.
const MAX_AGREED: usize = 8;

/// What a call's task tells the SIP task.
type Said = (CallNumber, Say);

/// What was counted since the start.
#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    keys: AtomicU64,
}

/// A running demo trunk. It ends when this is dropped.
#[derive(Debug)]
pub struct DemoTrunk {
    /// Where it is reached by SIP over UDP.
    pub address: SocketAddr,
    counters: Arc<Counters>,
    task: JoinHandle<()>,
}

impl DemoTrunk {
    /// Calls that came in.
    pub fn calls(&self) -> u64 {
        self.counters.calls.load(Ordering::Relaxed)
    }

    /// Keys that callers pressed.
    pub fn keys(&self) -> u64 {
        self.counters.keys.load(Ordering::Relaxed)
    }
}

impl Drop for DemoTrunk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts the demo trunk on a UDP port; port 0 takes a free one. The address is told to callers, so it cannot
/// be a wildcard.
pub async fn start(listen: SocketAddr) -> io::Result<DemoTrunk> {
    if listen.ip().is_unspecified() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the demo trunk needs an address, not a wildcard"));
    }
    let socket = UdpSocket::bind(listen).await?;
    let address = socket.local_addr()?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let counters = Arc::new(Counters::default());
    let trunk = Trunk::new(socket, address, Dice::from_seed(seed), Arc::clone(&counters));
    Ok(DemoTrunk { address, counters, task: tokio::spawn(trunk.run()) })
}

/// A call's task, as the SIP task sees it.
struct Running {
    agreed: mpsc::Sender<Media>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Trunk {
    socket: UdpSocket,
    address: SocketAddr,
    agent: Agent,
    dice: Dice,
    counters: Arc<Counters>,
    calls: HashMap<CallNumber, Running>,
    say: mpsc::Sender<Said>,
    said: mpsc::Receiver<Said>,
}

impl Trunk {
    fn new(socket: UdpSocket, address: SocketAddr, mut dice: Dice, counters: Arc<Counters>) -> Trunk {
        let (say, said) = mpsc::channel(MAX_SAID);
        let agent = Agent::new(address, dice.split());
        Trunk { socket, address, agent, dice, counters, calls: HashMap::new(), say, said }
    }

    async fn run(mut self) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            let due = self.agent.poll_timeout();
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => match received {
                    Ok((length, source)) => {
                        let datagram = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
                        self.agent.handle_datagram(Instant::now(), source, datagram);
                    }
                    // Linux tells here that a peer's port was closed: nothing to do about it.
                    Err(error) => debug!(%error, "demo trunk: receiving"),
                },
                Some((call, say)) = self.said.recv() => self.agent.handle_say(Instant::now(), call, say),
                () = sleep_until(due) => self.agent.handle_timeout(Instant::now()),
            }
            self.drain().await;
        }
    }

    async fn drain(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Send { to, bytes } => {
                    if let Err(error) = self.socket.send_to(&bytes, to).await {
                        debug!(%error, %to, "demo trunk: sending");
                    }
                }
                Output::Begin { call, plot } => self.begin(call, plot).await,
                Output::Media { call, media } => {
                    if let Some(running) = self.calls.get(&call)
                        && running.agreed.try_send(media).is_err()
                    {
                        warn!(?call, "demo trunk: a call does not keep up with what is agreed");
                    }
                }
                Output::End { call } => drop(self.calls.remove(&call)),
            }
        }
    }

    async fn begin(&mut self, call: CallNumber, plot: Plot) {
        self.counters.calls.fetch_add(1, Ordering::Relaxed);
        let bound = async {
            let socket = UdpSocket::bind((self.address.ip(), 0)).await?;
            let local = socket.local_addr()?;
            io::Result::Ok((socket, local))
        };
        match bound.await {
            Ok((socket, local)) => {
                self.agent.handle_ready(call, local);
                let (agreed, agreements) = mpsc::channel(MAX_AGREED);
                let line = Line::new(Instant::now(), plot, self.dice.split());
                let said = self.say.clone();
                let counters = Arc::clone(&self.counters);
                let task = tokio::spawn(talk(call, line, socket, agreements, said, counters)).abort_handle();
                self.calls.insert(call, Running { agreed, task });
            }
            Err(error) => {
                warn!(%error, "demo trunk: no port for media");
                self.agent.handle_say(Instant::now(), call, Say::Refuse(503));
            }
        }
    }
}

/// One call, until the SIP task ends it.
async fn talk(
    call: CallNumber,
    mut line: Line,
    socket: UdpSocket,
    mut agreements: mpsc::Receiver<Media>,
    said: mpsc::Sender<Said>,
    counters: Arc<Counters>,
) {
    let mut incoming = [0; 2048];
    let mut outgoing = [0; MAX_PACKET];
    let mut counted = 0;
    loop {
        while let Some(say) = line.poll_say() {
            if said.try_send((call, say)).is_err() {
                warn!(?call, "demo trunk: the SIP task does not keep up");
                return;
            }
        }
        counters.keys.fetch_add(line.keys() - counted, Ordering::Relaxed);
        counted = line.keys();
        let due = line.poll_timeout();
        tokio::select! {
            received = socket.recv_from(&mut incoming) => {
                if let Ok((length, source)) = received {
                    line.handle_packet(Instant::now(), source, incoming.get(..length).unwrap_or_default());
                }
            }
            agreed = agreements.recv() => match agreed {
                Some(media) => line.handle_media(Instant::now(), media),
                None => return,
            },
            () = sleep_until(due) => {}
        }
        let now = Instant::now();
        line.handle_timeout(now);
        while let Some((to, length)) = line.poll_packet(now, &mut outgoing) {
            // A lost packet is lost.
            let _ = socket.try_send_to(outgoing.get(..length).unwrap_or_default(), to);
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::time::Duration;

    use super::*;
    use crate::demo::g711::Law;
    use crate::demo::sound::{STEADY_HZ, power_at};
    use crate::rtp::Packet;
    use crate::sip::message::{Message, Response};

    /// Far longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn receive(socket: &UdpSocket) -> Bytes {
        let mut buffer = vec![0; 2048];
        let received = tokio::time::timeout(PATIENCE, socket.recv_from(&mut buffer)).await;
        let (length, _) = received.expect("something comes").unwrap();
        Bytes::copy_from_slice(&buffer[..length])
    }

    async fn response(socket: &UdpSocket) -> Response {
        match Message::read_datagram(receive(socket).await).unwrap() {
            Message::Response(response) => response,
            Message::Request(request) => panic!("{request:?}"),
        }
    }

    fn request(method: &str, cseq: u32, here: SocketAddr, tag: &str, body: &str) -> String {
        format!(
            "{method} sip:+15550106@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method};rport\r\n\
             From: <sip:me@127.0.0.1>;tag=me\r\nTo: <sip:+15550106@127.0.0.1>{tag}\r\nCall-ID: one@here\r\n\
             CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <sip:me@{here}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn the_tone_is_heard_over_real_sockets_until_the_caller_hangs_up() {
        let trunk = start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let sip = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let rtp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let here = sip.local_addr().unwrap();
        let port = rtp.local_addr().unwrap().port();
        let offer = format!("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio {port} RTP/AVP 0\r\n");
        sip.send_to(request("INVITE", 1, here, "", &offer).as_bytes(), trunk.address).await.unwrap();
        let answer = response(&sip).await;
        assert_eq!(answer.code(), 200);
        let tag = format!(";tag={}", answer.headers.to().unwrap().tag().unwrap());
        sip.send_to(request("ACK", 1, here, &tag, "").as_bytes(), trunk.address).await.unwrap();
        let mut heard = Vec::new();
        for _ in 0..10 {
            let packet = receive(&rtp).await;
            heard.extend(Packet::parse(&packet).unwrap().payload().iter().map(|o| Law::Mu.decode(*o)));
        }
        assert!(power_at(STEADY_HZ, &heard) > 0.99);
        sip.send_to(request("BYE", 2, here, &tag, "").as_bytes(), trunk.address).await.unwrap();
        while response(&sip).await.headers.cseq().unwrap().number != 2 {}
        assert_eq!((trunk.calls(), trunk.keys()), (1, 0));
    }

    #[tokio::test]
    async fn a_wildcard_is_no_address_to_be_called_at() {
        assert!(start("0.0.0.0:0".parse().unwrap()).await.is_err());
    }
}
