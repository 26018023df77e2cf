//! One connection: it is dialled again and again for as long as the gateway runs.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::{info, warn};
use xmpp_parsers::jid::Jid;

use super::backoff::Backoff;
use super::fault::Fault;
use super::pump::{Alive, Pump, Session};
use super::stream::{Stream, Transport};
use super::{Event, OUTBOX, Outbox, Pace, component, connect};
use crate::base::Dice;
use crate::jingle::config::{Connection, ConnectionId, Login, Security};

/// The letters of the identifiers of signs of life.
const TOKEN: usize = 12;

/// A connection.
pub struct Link {
    id: ConnectionId,
    config: Connection,
    pace: Pace,
    tls: Option<Arc<ClientConfig>>,
    events: mpsc::Sender<Event>,
    stop: watch::Receiver<bool>,
    dice: Dice,
}

impl Link {
    /// A connection that is not up.
    ///
    /// # Errors
    /// The file of trusted certificates cannot be read.
    pub fn new(
        id: ConnectionId,
        config: Connection,
        pace: Pace,
        events: &mpsc::Sender<Event>,
        stop: &watch::Receiver<bool>,
        dice: Dice,
    ) -> io::Result<Link> {
        let tls = match config.security {
            Security::Plain => None,
            Security::StartTls | Security::DirectTls => Some(connect::tls(config.ca.as_deref())?),
        };
        Ok(Link { id, config, pace, tls, events: events.clone(), stop: stop.clone(), dice })
    }

    /// Runs until the gateway ends.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new(&self.pace);
        loop {
            let Some(fault) = self.once(&mut backoff).await else { return };
            let wait = backoff.after(&fault, &mut self.dice);
            let name = &self.config.name;
            warn!(connection = name, "XMPP is down: {fault}; the next attempt is in {:.1} s", wait.as_secs_f32());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    /// One attempt, and the stream if there is one; `None` if the gateway ends.
    async fn once(&mut self, backoff: &mut Backoff) -> Option<Fault> {
        let mut stop = self.stop.clone();
        let dialled = tokio::select! {
            dialled = timeout(self.pace.negotiate, self.dial()) => dialled.unwrap_or(Err(Fault::Silent)),
            () = stopped(&mut stop) => return None,
        };
        let (stream, jid) = match dialled {
            Ok(dialled) => dialled,
            Err(fault) => return Some(fault),
        };
        let since = Instant::now();
        info!(connection = self.config.name, "XMPP is up");
        let (stanzas, outbox) = mpsc::channel(OUTBOX);
        let (hold, let_go) = oneshot::channel();
        let mut session = Session { jid: jid.clone(), outbox, let_go };
        let outbox = Outbox { stanzas, _hold: hold };
        self.events.send(Event::Up { connection: self.id, jid, outbox }).await.ok()?;
        let alive = self.alive(&session.jid);
        let mut pump = Pump { connection: self.id, pace: &self.pace, events: &self.events, stop: &self.stop, alive };
        let ended = pump.run(stream, &mut session).await;
        backoff.lived(since.elapsed());
        self.events.send(Event::Down { connection: self.id }).await.ok()?;
        ended.err()
    }

    /// Connects and logs in.
    async fn dial(&mut self) -> Result<(Stream, Jid), Fault> {
        match self.config.login.clone() {
            Login::Component { domain, secret } => {
                let transport = self.transport(&domain).await?;
                let mut stream = Stream::new(transport, component::NAMESPACE);
                let jid = component::login(&mut stream, &domain, &secret).await?;
                Ok((stream, jid))
            }
            Login::Client { .. } => Err(Fault::Unsupported("clients are not made".into())),
        }
    }

    async fn transport(&mut self, domain: &str) -> Result<Box<dyn Transport>, Fault> {
        let tcp = match &self.config.server {
            Some((host, port)) => connect::to_server(host, *port).await?,
            None => connect::to_domain(domain, self.config.security, &mut self.dice).await?,
        };
        match (self.config.security, &self.tls) {
            (Security::DirectTls, Some(tls)) => Ok(connect::secure(Box::new(tcp), tls, domain).await?.transport),
            _ => Ok(Box::new(tcp)),
        }
    }

    /// A component's server has no address that is known to answer; what we send to ourselves goes through it.
    fn alive(&mut self, own: &Jid) -> Alive {
        let token = format!("alive{}", self.dice.token(TOKEN));
        let (asks, from) = match &self.config.login {
            Login::Component { .. } => (own.clone(), Some(own.clone())),
            Login::Client { jid, .. } => (Jid::from_parts(None, jid.domain(), None), None),
        };
        Alive { asks, from, token, count: 0 }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}
