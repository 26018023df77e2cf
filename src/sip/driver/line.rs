//! One way to one address of a trunk, for whoever speaks to it alone: to try the trunk, on a port of its own, beside a gateway
//! that runs.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::tls::{Certificates, Peer};
use super::{Limits, resolve};
use crate::sip::config::{Config, Trunk};
use crate::sip::flow::{Flow, Transport};
use crate::sip::locate::Located;
use crate::sip::message::{Frame, Framer, Message};

/// What is read at once, in octets; no datagram is longer.
const CHUNK: usize = 64 * 1024;

/// The way.
pub struct Line {
    /// Its two ends.
    pub flow: Flow,
    socket: Socket,
    buffer: Box<[u8]>,
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream, Framer),
    Tls(Box<TlsStream<TcpStream>>, Framer),
}

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum NoLine {
    /// The system has no socket, or the peer does not take the connection.
    #[error("{0}")]
    Connect(#[source] io::Error),
    /// Nobody says anything.
    #[error("nobody answers")]
    Slow,
    /// A certificate of ours, or a root, cannot be read.
    #[error("{0}")]
    Files(#[source] io::Error),
    /// The two do not agree on TLS, or the peer's certificate is not believed.
    #[error("{0}")]
    Tls(#[source] io::Error),
}

impl Line {
    /// Opens it, as the gateway would.
    ///
    /// # Errors
    /// [`NoLine`]
    pub async fn open(
        config: &Config,
        name: &str,
        trunk: &Trunk,
        transport: Transport,
        remote: SocketAddr,
    ) -> Result<Line, NoLine> {
        let limits = Limits::default();
        let (socket, local) = match transport {
            Transport::Udp => udp(remote).await?,
            transport => {
                let tcp = timeout(limits.connect, TcpStream::connect(remote)).await.map_err(|_| NoLine::Slow)?;
                let tcp = tcp.map_err(NoLine::Connect)?;
                let local = tcp.local_addr().map_err(NoLine::Connect)?;
                match transport {
                    Transport::Tls => (protect(config, name, trunk, tcp, limits.handshake).await?, local),
                    _ => (Socket::Tcp(tcp, Framer::default()), local),
                }
            }
        };
        let flow = Flow { transport, local, remote };
        Ok(Line { flow, socket, buffer: vec![0; CHUNK].into() })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The peer does not take it.
    pub async fn send(&mut self, bytes: &Bytes) -> io::Result<()> {
        match &mut self.socket {
            Socket::Udp(socket) => socket.send(bytes).await.map(|_| ()),
            Socket::Tcp(stream, _) => stream.write_all(bytes).await,
            Socket::Tls(stream, _) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// The next message that can be read; `None` if there is none until then.
    ///
    /// # Errors
    /// The peer is not there, or has ended the connection.
    pub async fn receive(&mut self, until: Instant) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.framed() {
                return Ok(Some(message));
            }
            let read = timeout_at(until.into(), self.read());
            let Ok(read) = read.await else { return Ok(None) };
            if let Some(message) = read? {
                return Ok(Some(message));
            }
        }
    }

    /// A message that has come whole already. One that has lost its frame ends the connection at the next reading.
    fn framed(&mut self) -> Option<Message> {
        let (Socket::Tcp(_, framer) | Socket::Tls(_, framer)) = &mut self.socket else { return None };
        while let Ok(Some(frame)) = framer.poll() {
            if let Frame::Message(message) = frame {
                return Some(message);
            }
        }
        None
    }

    async fn read(&mut self) -> io::Result<Option<Message>> {
        let count = match &mut self.socket {
            Socket::Udp(socket) => {
                let count = socket.recv(&mut self.buffer).await?;
                let datagram = Bytes::copy_from_slice(self.buffer.get(..count).unwrap_or_default());
                return Ok(Message::read_datagram(datagram).ok());
            }
            Socket::Tcp(stream, _) => stream.read(&mut self.buffer).await?,
            Socket::Tls(stream, _) => stream.read(&mut self.buffer).await?,
        };
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Socket::Tcp(_, framer) | Socket::Tls(_, framer) = &mut self.socket {
            framer.push(self.buffer.get(..count).unwrap_or_default());
        }
        Ok(None)
    }
}

/// Where a trunk is, as the gateway would find it (RFC 3263).
pub async fn locate(config: &Config, trunk: &Trunk) -> Located {
    let wish = trunk.wish();
    let mut have: Vec<Transport> = config.listen.iter().map(|listen| listen.transport).collect();
    have.extend((!have.contains(&trunk.transport)).then_some(trunk.transport));
    resolve::find(&wish, &have, &config.name_servers).await
}

/// A socket that hears the peer alone, so that the system tells of it if nobody listens there.
async fn udp(remote: SocketAddr) -> Result<(Socket, SocketAddr), NoLine> {
    let any = if remote.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(NoLine::Connect)?;
    socket.connect(remote).await.map_err(NoLine::Connect)?;
    let local = socket.local_addr().map_err(NoLine::Connect)?;
    Ok((Socket::Udp(socket), local))
}

async fn protect(
    config: &Config,
    name: &str,
    trunk: &Trunk,
    tcp: TcpStream,
    patience: Duration,
) -> Result<Socket, NoLine> {
    let remote = tcp.peer_addr().map_err(NoLine::Connect)?;
    let alone = Config { listen: Vec::new(), trunks: [(name.to_owned(), trunk.clone())].into(), ..config.clone() };
    let certificates = Certificates::load(&alone).map_err(NoLine::Files)?;
    let certificates = certificates.ok_or_else(|| NoLine::Files(ErrorKind::NotFound.into()))?;
    let peer = Peer::of_trunk(name, trunk);
    let (connector, host): (_, ServerName<'static>) = certificates.connector(&peer, remote).map_err(NoLine::Files)?;
    let stream = timeout(patience, connector.connect(host, tcp)).await.map_err(|_| NoLine::Slow)?;
    Ok(Socket::Tls(Box::new(stream.map_err(NoLine::Tls)?), Framer::default()))
}
