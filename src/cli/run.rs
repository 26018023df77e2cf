//! `patchcord`: the gateway runs until it is told to end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::{log, parts};
use crate::demo;
use crate::http::{self, HttpHandle, MetricsHandle};
use crate::switch::config::Config;
use crate::switch::supervisor::Gateway;

/// How many ports further on are tried when the usual one is taken, by whoever brought no file and so chose
/// none.
const OTHER_PORTS: u16 = 20;

/// Runs the gateway.
///
/// # Errors
/// What keeps it from starting, for a person.
pub fn run(config: Config) -> Result<(), String> {
    log::start(&config.log)?;
    super::runtime()?.block_on(async {
        // Before the greeting: whoever has read it may send a signal, which would end the process untaken.
        let signals = Signals::take().map_err(|e| e.to_string())?;
        let running = start(config).await.map_err(|e| e.to_string())?;
        running.greet();
        running.obey(signals).await;
        Ok(())
    })
}

/// What an operator says to the process.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn take() -> io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one that ends the program.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

struct Running {
    gateway: Gateway,
    http: HttpHandle,
    metrics: Option<MetricsHandle>,
    /// Kept alive for as long as the gateway.
    demo: Option<demo::driver::DemoTrunk>,
    config: Config,
}

async fn start(mut config: Config) -> io::Result<Running> {
    let state = &config.state_directory;
    tokio::fs::create_dir_all(state)
        .await
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", state.display())))?;
    let demo = match config.demo {
        true => Some(demo::driver::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?),
        false => None,
    };
    let demo_address = demo.as_ref().map(|d| d.address);
    let may_move = config.file.is_none();
    let mut tries = 0;
    let gateway = loop {
        match Gateway::start(parts::of(&config, demo_address)).await {
            Err(taken) if may_move && taken.kind() == io::ErrorKind::AddrInUse && tries < OTHER_PORTS => {
                for listen in &mut config.sip.listen {
                    listen.address.set_port(listen.address.port() + 2);
                }
            }
            other => break other?,
        }
        tries += 1;
    };
    let http = loop {
        match http::start(parts::http(&config), gateway.web.clone(), gateway.xmpp.clone(), gateway.directory.clone())
            .await
        {
            Err(taken) if may_move && taken.kind() == io::ErrorKind::AddrInUse && tries < 2 * OTHER_PORTS => {
                config.page.listen.set_port(config.page.listen.port() + 1);
            }
            other => break other?,
        }
        tries += 1;
    };
    let metrics = match config.metrics {
        Some(listen) => Some(http::start_metrics(listen, gateway.watch()).await?),
        None => None,
    };
    Ok(Running { gateway, http, metrics, demo, config })
}

impl Running {
    /// Says in a few lines where everything is; the last line means that calls can begin.
    fn greet(&self) {
        let mut text = format!("Patchcord {}\n\n", env!("CARGO_PKG_VERSION"));
        text += &format!("  Softphone   {}\n", self.http.url);
        let sip: Vec<String> = self.gateway.sip_listens.iter().map(|l| String::from(*l)).collect();
        text += &format!("  SIP         {}\n", sip.join("  "));
        for connection in &self.config.xmpp.connections {
            text += &format!("  XMPP        {connection}\n");
        }
        if let Some(metrics) = &self.metrics {
            text += &format!("  Metrics     http://{}/metrics\n", metrics.address);
        }
        if self.config.file.is_none() {
            self.greet_phone(&mut text);
        }
        if self.demo.is_some() {
            text += "\n  Dial\n";
            for hint in parts::hints() {
                text += &format!("    {:<14}{}\n", hint.to, hint.text);
            }
        }
        if self.config.file.is_none() {
            text += "    phone         the SIP phone, once it has registered\n";
            text += "    web           every open page, when dialled from the phone\n";
        }
        text += "\nReady. Ctrl-C ends it.\n";
        super::print(&text);
    }

    fn greet_phone(&self, text: &mut String) {
        let phone = self.config.directory.users.get("phone");
        if let (Some(phone), Some(listen)) = (phone, self.gateway.sip_listens.first()) {
            let password = phone.password.expose();
            *text += &format!("  SIP phone   user phone  password {password}  server {}\n", listen.address);
        }
    }

    async fn obey(self, mut signals: Signals) {
        loop {
            tokio::select! {
                _ = signals.hangup.recv() => self.reload().await,
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
            }
        }
        self.stop(signals).await;
    }

    /// Reads the dialplan, the users, the sounds and the certificates of SIP again. Calls that are up notice nothing; a mistake changes nothing.
    async fn reload(&self) {
        let Some(file) = &self.config.file else {
            return warn!("there is no file to be read again");
        };
        match Config::load(file) {
            Ok(config) => {
                if config.sip != self.config.sip
                    || config.media != self.config.media
                    || config.page != self.config.page
                    || config.metrics != self.config.metrics
                {
                    warn!("sockets and trunks stay as they are until the gateway is started anew");
                }
                if config.xmpp != self.config.xmpp {
                    warn!("XMPP connections stay as they are until the gateway is started anew");
                }
                if let Err(error) = self.gateway.reload_certificates() {
                    error!("the certificates of SIP stay as they were: {error}");
                }
                self.gateway.replan(config.routing, config.directory, config.sounds.library).await;
            }
            Err(problems) => error!("the configuration stays as it was: {problems}"),
        }
    }

    async fn stop(self, mut signals: Signals) {
        let calls = self.gateway.calls.count();
        info!(calls, "going down");
        if calls > 0 {
            super::print(&format!("{calls} calls are up and may finish; a second signal ends them.\n"));
        }
        self.http.drain();
        self.gateway.drain(self.config.limits.drain, signals.end()).await;
        self.http.stop().await;
    }
}
