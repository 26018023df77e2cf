//! The task of one connection: TCP, TLS upon it, or a WebSocket upon either.

mod websocket;

pub use websocket::Doors;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls::CertificateError;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tracing::{debug, warn};

use super::{Event, Limits};
use crate::sip::flow::Flow;
use crate::sip::message::{Frame, Framer};
use crate::sip::trunk::keep_alive::PING;

/// What is read at once, in octets.
const CHUNK: usize = 16 * 1024;

/// How long a peer may go on talking after the end.
const LINGER: Duration = Duration::from_millis(500);

/// RFC 5626 §4.4.1: the answer to a ping.
const PONG: &[u8] = b"\r\n";

/// How often we ping on a connection that we opened, unless the endpoint does (RFC 5626 §4.4.1: every 95 to 120 seconds), so that no NAT on the
/// way forgets it.
const PING_EVERY: Duration = Duration::from_secs(100);

/// Where the connection comes from.
pub enum Origin {
    /// The peer opened it.
    Accepted {
        /// What the system gave.
        stream: TcpStream,
        /// What wraps it.
        tls: Option<TlsAcceptor>,
        /// Who may open a WebSocket, and by which proxies.
        doors: Arc<Doors>,
    },
    /// We open it; with what wraps it, and the name to ask for.
    Open(Option<(TlsConnector, ServerName<'static>)>),
}

/// What octets travel on.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A stream of either kind.
type AnyStream = Box<dyn Stream>;

/// One connection.
pub struct Connection {
    pub flow: Flow,
    /// Tells it from an earlier connection between the same two addresses.
    pub id: u64,
    pub limits: Limits,
    pub events: mpsc::Sender<Event>,
    pub outgoing: mpsc::Receiver<Bytes>,
    pub pings: Pings,
}

/// Who keeps a connection alive, and whether the peer has still to answer to it.
#[derive(Debug, Default)]
pub struct Pings {
    /// The endpoint does, and is told of answers.
    is_kept: bool,
    is_awaited: bool,
}

/// Why a connection ends. Nobody is to blame but the peer or the network.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{0}")]
    Network(#[from] io::Error),
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("no WebSocket: {0}")]
    WebSocket(String),
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
        let is_ours = matches!(origin, Origin::Open(_));
        let end = match origin {
            Origin::Accepted { stream, tls, doors } => match self.accept(stream, tls).await {
                Ok(stream) if self.flow.transport.is_websocket() => self.serve_websocket(stream, &doors).await,
                Ok(stream) => self.serve(stream, is_ours).await,
                Err(end) => end,
            },
            Origin::Open(tls) => match self.open(tls).await {
                Ok(stream) => self.serve(stream, is_ours).await,
                Err(end) => end,
            },
        };
        match &end {
            End::Tls(error) if is_ours => warn!(flow = %self.flow, %error, "a peer cannot be reached by TLS"),
            end => debug!(flow = %self.flow, %end, "a connection ended"),
        }
        let why = match &end {
            End::Tls(error) if is_ours => Some(wrong_with_tls(error)),
            _ => None,
        };
        // Only a task that is gone itself does not take it.
        let _ = self.events.send(Event::Closed { flow: self.flow, id: self.id, why }).await;
    }

    async fn accept(&self, stream: TcpStream, tls: Option<TlsAcceptor>) -> Result<AnyStream, End> {
        // Signalling is small messages that somebody waits for.
        stream.set_nodelay(true)?;
        let Some(tls) = tls else { return Ok(Box::new(stream)) };
        let accepting = timeout(self.limits.handshake, tls.accept(stream));
        let stream = accepting.await.map_err(|_| End::Late("agree on TLS"))?.map_err(End::Tls)?;
        Ok(Box::new(stream))
    }

    async fn open(&self, tls: Option<(TlsConnector, ServerName<'static>)>) -> Result<AnyStream, End> {
        let connecting = connect(self.flow.local, self.flow.remote);
        let stream = timeout(self.limits.connect, connecting).await.map_err(|_| End::Late("answer"))??;
        stream.set_nodelay(true)?;
        let Some((tls, name)) = tls else { return Ok(Box::new(stream)) };
        let connecting = timeout(self.limits.handshake, tls.connect(name, stream));
        let stream = connecting.await.map_err(|_| End::Late("agree on TLS"))?.map_err(End::Tls)?;
        Ok(Box::new(stream))
    }

    /// Serves a stream of octets.
    async fn serve(&mut self, mut stream: AnyStream, is_ours: bool) -> End {
        let stream = &mut stream;
        let mut framer = Framer::default();
        let mut buffer = BytesMut::with_capacity(CHUNK);
        // Whoever connects has something to say.
        let mut deadline =
            Instant::now() + if is_ours { self.limits.idle } else { self.limits.first.min(self.limits.idle) };
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let mut in_message = false;
        let mut reading = true;
        loop {
            let mut heard = false;
            let step = tokio::select! {
                read = stream.read_buf(&mut buffer), if reading => match read {
                    Ok(0) => Err(End::Closed),
                    Ok(_) => {
                        heard = true;
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
                    Some(bytes) => {
                        self.pings.is_kept |= bytes == PING;
                        self.pings.is_awaited |= bytes == PING;
                        self.write(stream, &bytes).await
                    }
                    None => Err(End::Released),
                },
                _ = ping.tick(), if is_ours && !self.pings.is_kept => {
                    self.pings.is_awaited = true;
                    self.write(stream, PING).await
                }
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
                (false, true) => deadline = Instant::now() + self.limits.message,
                (true, false) => deadline = Instant::now() + self.limits.idle,
                (false, false) if heard => deadline = Instant::now() + self.limits.idle,
                (false, false) => {}
            }
            in_message = framer.is_in_message();
        }
    }

    /// Waits while the endpoint is busy, and TCP slows the peer down.
    async fn take_frames(&mut self, framer: &mut Framer, stream: &mut AnyStream) -> Result<Taken, End> {
        let mut taken = Taken::Nothing;
        loop {
            let message = match framer.poll() {
                // What comes after a lone CRLF decides what it is, and to a ping of ours nothing has to come after it.
                Ok(None) if self.pings.is_awaited && framer.take_pong() => {
                    self.take_pong().await?;
                    continue;
                }
                Ok(None) => return Ok(taken),
                Ok(Some(Frame::Message(message))) => Ok(message),
                Ok(Some(Frame::Malformed(wrong))) => Err(wrong),
                Ok(Some(Frame::Ping)) => {
                    self.write(stream, PONG).await?;
                    continue;
                }
                Ok(Some(Frame::Pong)) => {
                    self.take_pong().await?;
                    continue;
                }
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

    async fn take_pong(&mut self) -> Result<(), End> {
        let is_news = std::mem::take(&mut self.pings.is_awaited) && self.pings.is_kept;
        if !is_news {
            return Ok(());
        }
        self.events.send(Event::Pong { flow: self.flow }).await.map_err(|_| End::Released)
    }

    async fn write(&self, stream: &mut AnyStream, bytes: &[u8]) -> Result<(), End> {
        let writing = async {
            stream.write_all(bytes).await?;
            // TLS keeps what the socket did not take.
            stream.flush().await
        };
        timeout(self.limits.write, writing).await.map_err(|_| End::Late("read what we send"))?.map_err(End::from)
    }

    /// Sends what is still to be sent, unless the connection is broken.
    async fn close(&mut self, end: End, stream: &mut AnyStream) -> End {
        if !matches!(end, End::Network(_) | End::Late(_) | End::Tls(_)) {
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

/// What is wrong with a peer that we would speak TLS with, in words for its trunk's record.
fn wrong_with_tls(error: &io::Error) -> &'static str {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(wrong)) => match wrong {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            CertificateError::UnknownIssuer => "its certificate comes from no root that is believed",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name"
            }
            _ => "its certificate is not good",
        },
        _ => "it does not agree with us on TLS",
    }
}

/// Closes our side and takes what the peer still says: closing with octets unread would reset the
/// connection, and with it what we have just sent.
async fn discard(stream: &mut AnyStream) -> io::Result<()> {
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
