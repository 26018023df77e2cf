//! The task of one TCP connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::{Event, Limits};
use crate::sip::flow::Flow;
use crate::sip::message::{Frame, Framer};

/// What is read at once, in octets.
const CHUNK: usize = 16 * 1024;

/// How long a peer may go on talking after the end.
const LINGER: Duration = Duration::from_millis(500);

/// RFC 5626 §4.4.1: the answer to a ping.
const PONG: &[u8] = b"\r\n";

/// Where the connection comes from.
pub enum Origin {
    /// The peer opened it.
    Accepted(TcpStream),
    /// We open it.
    Open,
}

/// One connection.
pub struct Connection {
    pub flow: Flow,
    /// Tells it from an earlier connection between the same two addresses.
    pub id: u64,
    pub limits: Limits,
    pub events: mpsc::Sender<Event>,
    pub outgoing: mpsc::Receiver<Bytes>,
}

/// Why a connection ends. Nobody is to blame but the peer or the network.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{0}")]
    Network(#[from] io::Error),
    #[error("the peer closed it")]
    Closed,
    #[error("the peer took too long to {0}")]
    Late(&'static str),
    #[error("the endpoint let go of it")]
    Released,
}

/// What was read of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Nothing,
    Some,
    /// Nobody knows where the next message begins.
    Last,
}

impl Connection {
    /// Serves the connection to its end, then says that it has ended.
    pub async fn run(mut self, origin: Origin) {
        let end = match self.open(origin).await {
            Ok(mut stream) => self.serve(&mut stream).await,
            Err(end) => end,
        };
        debug!(flow = %self.flow, %end, "a connection ended");
        // Only a task that is gone itself does not take it.
        let _ = self.events.send(Event::Closed { flow: self.flow, id: self.id }).await;
    }

    async fn open(&self, origin: Origin) -> Result<TcpStream, End> {
        let stream = match origin {
            Origin::Accepted(stream) => stream,
            Origin::Open => {
                let connecting = connect(self.flow.local, self.flow.remote);
                timeout(self.limits.connect, connecting).await.map_err(|_| End::Late("answer"))??
            }
        };
        // Signalling is small messages that somebody waits for.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn serve(&mut self, stream: &mut TcpStream) -> End {
        let mut framer = Framer::default();
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let mut deadline = Instant::now() + self.limits.idle;
        let mut in_message = false;
        let mut reading = true;
        loop {
            let step = tokio::select! {
                read = stream.read_buf(&mut buffer), if reading => match read {
                    Ok(0) => Err(End::Closed),
                    Ok(_) => {
                        framer.push(&buffer);
                        buffer.clear();
                        self.take_frames(&mut framer, stream).await.map(|taken| {
                            in_message &= taken == Taken::Nothing;
                            reading = taken != Taken::Last;
                        })
                    }
                    Err(error) => Err(error.into()),
                },
                bytes = self.outgoing.recv() => match bytes {
                    Some(bytes) => self.write(stream, &bytes).await,
                    None => Err(End::Released),
                },
                () = tokio::time::sleep_until(deadline) => {
                    Err(End::Late(if in_message { "finish a message" } else { "say anything" }))
                }
            };
            if let Err(end) = step {
                return self.close(end, stream).await;
            }
            // A message may take so long in all, not so long from octet to octet.
            match (in_message, framer.is_in_message()) {
                (true, true) => {}
                (_, true) => deadline = Instant::now() + self.limits.message,
                (_, false) => deadline = Instant::now() + self.limits.idle,
            }
            in_message = framer.is_in_message();
        }
    }

    /// Waits while the endpoint is busy, and TCP slows the peer down.
    async fn take_frames(&self, framer: &mut Framer, stream: &mut TcpStream) -> Result<Taken, End> {
        let mut taken = Taken::Nothing;
        loop {
            let message = match framer.poll() {
                Ok(None) => return Ok(taken),
                Ok(Some(Frame::Message(message))) => Ok(message),
                Ok(Some(Frame::Malformed(wrong))) => Err(wrong),
                Ok(Some(Frame::Ping)) => {
                    self.write(stream, PONG).await?;
                    continue;
                }
                Ok(Some(Frame::Pong)) => continue,
                Err(wrong) => {
                    let last = Event::Unframed { flow: self.flow, id: self.id, wrong };
                    self.events.send(last).await.map_err(|_| End::Released)?;
                    return Ok(Taken::Last);
                }
            };
            self.events.send(Event::Message { flow: self.flow, message }).await.map_err(|_| End::Released)?;
            taken = Taken::Some;
        }
    }

    async fn write(&self, stream: &mut TcpStream, bytes: &[u8]) -> Result<(), End> {
        let writing = stream.write_all(bytes);
        timeout(self.limits.write, writing).await.map_err(|_| End::Late("read what we send"))?.map_err(End::from)
    }

    /// Sends what is still to be sent, unless the connection is broken.
    async fn close(&mut self, end: End, stream: &mut TcpStream) -> End {
        if !matches!(end, End::Network(_) | End::Late(_)) {
            self.outgoing.close();
            while let Ok(bytes) = self.outgoing.try_recv() {
                if self.write(stream, &bytes).await.is_err() {
                    break;
                }
            }
            let _ = timeout(LINGER, discard(stream)).await;
        }
        end
    }
}

/// Closes our side and takes what the peer still says: closing with octets unread would reset the
/// connection, and with it what we have just sent.
async fn discard(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut nowhere = [0; 1024];
    while stream.read(&mut nowhere).await? > 0 {}
    Ok(())
}

async fn connect(local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // The peer may know us by the address that we listen on; the port is the system's choice.
    if !local.ip().is_unspecified() && local.is_ipv4() == remote.is_ipv4() {
        socket.bind(SocketAddr::new(local.ip(), 0))?;
    }
    socket.connect(remote).await
}
