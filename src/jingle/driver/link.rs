//! One connection: it is dialled again and again for as long as the gateway runs.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::{info, warn};
use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;

use super::backoff::Backoff;
use super::client::{Account, Begun};
use super::connect::Secured;
use super::fault::Fault;
use super::management::Management;
use super::names::Names;
use super::pump::{Alive, Pump, Session};
use super::stream::Stream;
use super::{Event, OUTBOX, Outbox, Pace, client, component, connect};
use crate::base::Dice;
use crate::jingle::config::{Connection, ConnectionId, Login, Security};

/// The letters of the identifiers of signs of life.
const TOKEN: usize = 12;

/// A stream whose connection is lost, and which the server may still have.
struct Held {
    session: Session,
    until: Instant,
}

/// A connection.
pub struct Link {
    id: ConnectionId,
    config: Connection,
    names: Names,
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
        names: Names,
        pace: Pace,
        events: &mpsc::Sender<Event>,
        stop: &watch::Receiver<bool>,
        dice: Dice,
    ) -> io::Result<Link> {
        let tls = match config.security {
            Security::Plain => None,
            Security::StartTls | Security::DirectTls => Some(connect::tls(config.ca.as_deref())?),
        };
        Ok(Link { id, config, names, pace, tls, events: events.clone(), stop: stop.clone(), dice })
    }

    /// Runs until the gateway ends.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new(&self.pace);
        let mut held = None;
        while let Some(fault) = self.once(&mut backoff, &mut held).await {
            let wait = backoff.after(&fault, &mut self.dice);
            let name = &self.config.name;
            warn!(connection = name, "XMPP is down: {fault}; the next attempt is in {:.1} s", wait.as_secs_f32());
            if held.as_ref().is_some_and(|held| fault.is_stubborn() || held.until < Instant::now() + wait) {
                held = None;
                self.tell(Event::Down { connection: self.id }).await;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    /// One attempt, and the stream if there is one; `None` if the gateway ends.
    async fn once(&mut self, backoff: &mut Backoff, held: &mut Option<Held>) -> Option<Fault> {
        let (mut stop, order) = (self.stop.clone(), self.dice.split());
        let before = held.as_ref().and_then(|held| held.session.management.as_ref());
        let dialled = tokio::select! {
            dialled = timeout(self.pace.negotiate, self.dial(before, order)) => dialled.unwrap_or(Err(Fault::Silent)),
            () = stopped(&mut stop) => return None,
        };
        let (stream, begun) = match dialled {
            Ok(dialled) => dialled,
            Err(fault) => return Some(fault),
        };
        let since = Instant::now();
        let (mut session, again) = match self.begin(begun, held.take()).await {
            Ok(begun) => begun,
            Err(fault) => return Some(fault),
        };
        let alive = self.alive(&session.jid);
        let mut pump = Pump { connection: self.id, pace: &self.pace, events: &self.events, stop: &self.stop, alive };
        let ended = pump.run(stream, &mut session, &again).await;
        backoff.lived(since.elapsed());
        let fault = ended.err()?;
        let hold = session.management.as_ref().and_then(Management::hold);
        match (&fault, hold) {
            // The server closes nothing here: it holds the stream, and so do we.
            (Fault::Network(_) | Fault::Silent, Some(hold)) => {
                *held = Some(Held { session, until: Instant::now() + hold });
            }
            _ => self.tell(Event::Down { connection: self.id }).await,
        }
        Some(fault)
    }

    /// Makes the stream known to the task; the stanzas are those that the server has not had.
    async fn begin(&mut self, begun: Begun, held: Option<Held>) -> Result<(Session, Vec<Element>), Fault> {
        let (connection, name) = (self.id, &self.config.name);
        match (begun, held) {
            (Begun::Resumed(h), Some(Held { mut session, .. })) => {
                let again = session.management.as_mut().map_or(Ok(Vec::new()), |management| management.resumed(h));
                match again {
                    Ok(again) => {
                        info!(connection = name, "XMPP is up again, and nothing was lost");
                        self.tell(Event::Resumed { connection, jid: session.jid.clone() }).await;
                        Ok((session, again))
                    }
                    Err(fault) => {
                        self.tell(Event::Down { connection }).await;
                        Err(fault)
                    }
                }
            }
            (Begun::Resumed(_), None) => Err(Fault::Malformed("it resumes what was not".into())),
            (Begun::Fresh(jid, management), held) => {
                if held.is_some() {
                    self.tell(Event::Down { connection }).await;
                }
                info!(connection = name, "XMPP is up");
                let (stanzas, outbox) = mpsc::channel(OUTBOX);
                let (hold, let_go) = oneshot::channel();
                let session = Session { jid: jid.clone(), outbox, let_go, management };
                self.tell(Event::Up { connection, jid, outbox: Outbox { stanzas, _hold: hold } }).await;
                Ok((session, Vec::new()))
            }
        }
    }

    /// Tells the task, which is gone only when the gateway ends.
    async fn tell(&self, event: Event) {
        let _ = self.events.send(event).await;
    }

    /// Connects and logs in; as the stream before, if that can be.
    async fn dial(&self, before: Option<&Management>, order: Dice) -> Result<(Stream, Begun), Fault> {
        match &self.config.login {
            Login::Component { domain, secret } => {
                let Secured { transport, .. } = self.connect(domain, order).await?;
                let mut stream = Stream::new(transport, component::NAMESPACE);
                let jid = component::login(&mut stream, domain, secret).await?;
                Ok((stream, Begun::Fresh(jid, None)))
            }
            Login::Client { jid, password, .. } => {
                let domain = jid.domain().as_str();
                let mut secured = self.connect(domain, order).await?;
                if let (Security::StartTls, Some(tls)) = (self.config.security, &self.tls) {
                    let stream = Stream::new(secured.transport, ns::JABBER_CLIENT);
                    secured = client::start_tls(stream, tls, domain).await?;
                }
                let mut stream = Stream::new(secured.transport, ns::JABBER_CLIENT);
                let account = Account { jid, password };
                let begun = client::login(&mut stream, account, self.tls.is_some(), secured.exporter, before).await?;
                Ok((stream, begun))
            }
        }
    }

    async fn connect(&self, domain: &str, mut order: Dice) -> Result<Secured, Fault> {
        let tcp = match &self.config.server {
            Some((host, port)) => connect::to_server(host, *port, &self.names).await?,
            None => connect::to_domain(domain, self.config.security, &self.names, &mut order).await?,
        };
        match (self.config.security, &self.tls) {
            (Security::DirectTls, Some(tls)) => connect::secure(Box::new(tcp), tls, domain).await,
            _ => Ok(Secured { transport: Box::new(tcp), exporter: None }),
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
