//! Starts the rooms, ties them together, reloads and drains.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::board::Board;
use super::calls::Calls;
use super::config::Routing;
use super::driver::{self, CallsHandle, wall_ms};
use super::figures::Watch;
use super::records;
use super::resolve::{Resolver, SIP, WEB, XMPP};
use crate::base::Dice;
use crate::jingle::driver::XmppHandle;
use crate::media::config::RelayConfig;
use crate::media::driver::RelayHandle;
use crate::media::sound::Library;
use crate::model::{Adapter, Directory};
use crate::sip::config::Listen;
use crate::sip::driver::SipHandle;
use crate::web::WebHandle;
use crate::{jingle, media, sip, web};

/// How long the last words of SIP may take to leave once all calls have ended: a BYE and its answer.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long carriers may take to say yes to our going, and connections to take what is still to be sent.
const SIGNING_OFF: Duration = Duration::from_secs(3);

/// What each room is told at its start.
pub struct Parts {
    /// The SIP endpoint.
    pub sip: sip::config::Config,
    /// The browsers' endpoint.
    pub web: web::Config,
    /// The connections to XMPP servers; with none there is no XMPP.
    pub xmpp: jingle::config::Config,
    /// The relay.
    pub relay: RelayConfig,
    /// What the relay can play.
    pub sounds: Arc<Library>,
    /// Who may call what.
    pub routing: Routing,
    /// The users.
    pub directory: Directory,
    /// The most calls at once.
    pub most_calls: usize,
    /// The most new calls that are taken up in a second, whatever they come by; without it as many as can be.
    pub new_calls_per_second: Option<u32>,
    /// Where records go.
    pub records: Option<PathBuf>,
    /// Where rooms keep what outlives a restart.
    pub state: PathBuf,
}

/// The running gateway.
pub struct Gateway {
    /// The calls.
    pub calls: CallsHandle,
    /// The browsers' endpoint, to be served over HTTP.
    pub web: WebHandle,
    /// Where SIP listens, with the ports that the system chose.
    pub sip_listens: Vec<Listen>,
    sip: SipHandle,
    sip_task: JoinHandle<()>,
    /// XMPP, if there is a connection.
    pub xmpp: Option<XmppHandle>,
    board: Board,
    /// The users, shared with the adapters.
    pub directory: Arc<ArcSwap<Directory>>,
    relay: RelayHandle,
    records: Option<records::Written>,
}

impl Gateway {
    /// Starts every room.
    ///
    /// # Errors
    /// A socket cannot be bound or a file not be opened; the text says which.
    pub async fn start(parts: Parts) -> io::Result<Gateway> {
        let mut dice = seeded()?;
        let directory = Arc::new(ArcSwap::from_pointee(parts.directory));
        let (board, letters) = Board::new(parts.new_calls_per_second);
        let events = board.clone();
        let bound = parts.relay.bind_v4.map(IpAddr::V4).or(parts.relay.bind_v6.map(IpAddr::V6));
        let relay = media::driver::start(parts.relay, Arc::new(move |told| events.relay(told)))?;
        relay.set_sounds(parts.sounds);
        board.set_emergency(parts.routing.dialplan.emergency_numbers());
        let switchboard = Arc::new(board.clone());
        let limits = sip::driver::Limits::default();
        let users = Arc::clone(&directory);
        let running = sip::driver::start(SIP, parts.sip, limits, users, switchboard.clone(), dice.split())
            .map_err(|e| io::Error::new(e.kind(), e.to_string()))?;
        let (sip, sip_listens, sip_task) = (running.handle, running.listen, running.task);
        let web = web::driver::start(WEB, parts.web, Arc::clone(&directory), switchboard.clone(), dice.split());
        let xmpp = match parts.xmpp.connections.is_empty() {
            true => None,
            false => {
                let users = Arc::clone(&directory);
                Some(jingle::driver::start(XMPP, parts.xmpp, parts.state, users, switchboard.clone(), dice.split())?)
            }
        };
        let chance = dice.split();
        let (writer, written) = records::start(parts.records).await?;
        let mut adapters: HashMap<_, Arc<dyn Adapter>> =
            HashMap::from([(SIP, Arc::new(sip.clone()) as Arc<dyn Adapter>), (WEB, Arc::new(web.clone()) as _)]);
        if let Some(xmpp) = &xmpp {
            adapters.insert(XMPP, Arc::new(xmpp.clone()));
        }
        let resolver = Resolver::new(Arc::new(parts.routing), directory.load_full(), chance);
        // Calls of another run are told apart by when the run began.
        let first_call = wall_ms() << 20;
        let calls =
            Calls::new(adapters, Arc::new(relay.clone()), Box::new(writer), resolver, parts.most_calls, first_call);
        let calls = bound.into_iter().fold(calls, Calls::joined_at);
        let calls = driver::start(calls, letters, switchboard);
        Ok(Gateway { calls, web, sip_listens, sip, sip_task, xmpp, board, directory, relay, records: written })
    }

    /// For whoever watches the gateway.
    pub fn watch(&self) -> Watch {
        Watch {
            calls: self.calls.clone(),
            relay: self.relay.clone(),
            sip: self.sip.clone(),
            web: self.web.clone(),
            xmpp: self.xmpp.clone(),
        }
    }

    /// Reads the certificates of SIP again, which it does by itself too, soon after a file has changed.
    ///
    /// # Errors
    /// A file cannot be read or used; the text names it, and all stays as it was.
    pub fn reload_certificates(&self) -> io::Result<()> {
        self.sip.reload_certificates()
    }

    /// Goes by another dialplan, for other users and with other sounds; calls that are up notice nothing.
    pub async fn replan(&self, routing: Routing, directory: Directory, sounds: Arc<Library>) {
        self.relay.set_sounds(sounds);
        let directory = Arc::new(directory);
        self.directory.store(Arc::clone(&directory));
        self.board.set_emergency(routing.dialplan.emergency_numbers());
        self.calls.replan(Arc::new(routing), directory).await;
        info!("the dialplan, the users and the sounds have been read again");
    }

    /// Takes no new calls, lets those that are up finish within `limit`, or until `hurry` is ready, hangs up the
    /// rest, and stops.
    pub async fn drain(self, limit: Duration, hurry: impl Future<Output = ()>) {
        tokio::select! {
            () = self.calls.drain(limit) => {}
            () = hurry => self.calls.drain(Duration::ZERO).await,
        }
        tokio::time::sleep(LAST_WORDS).await;
        self.sip.stop().await;
        if let Some(xmpp) = &self.xmpp {
            xmpp.stop().await;
        }
        self.relay.stop();
        if tokio::time::timeout(SIGNING_OFF, self.sip_task).await.is_err() {
            warn!("not every carrier has said yes to our going");
        }
        if let Some(records) = self.records
            && tokio::time::timeout(LAST_WORDS, records).await.is_err()
        {
            warn!("the last call records may not be on disk");
        }
    }
}

/// Chance from the system's entropy.
///
/// # Errors
/// The system has none to give.
pub fn seeded() -> io::Result<Dice> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(Dice::from_seed(seed))
}
