//! HTTP: the page, its assets, sign-in, the WebSocket upgrade, and figures for whoever watches.
//!
//! Floor 5. May import: base, model, web, jingle, switch.

mod assets;
mod attempts;
pub mod config;
mod crowd;
mod headers;
mod metrics;
mod origin;
mod server;
mod shared;
mod sign_in;
mod socket;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use config::{DialHint, HttpConfig, Tls};
pub use metrics::{MetricsHandle, start as start_metrics};

use crate::jingle::driver::XmppHandle;
use crate::model::Directory;
use crate::web::WebHandle;

/// How long the open sockets may take to be closed when the server stops.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// A running server. When this is dropped it stops and closes what is open.
#[derive(Debug)]
pub struct HttpHandle {
    /// Where it listens, with the port that the system chose.
    pub address: SocketAddr,
    /// The address of the page, to be printed.
    pub url: String,
    draining: watch::Sender<bool>,
    stop: watch::Sender<bool>,
}

impl HttpHandle {
    /// Says at `/health` that no more calls are taken; all else goes on.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Stops, and waits for the sockets that are open to be closed with a word.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // Whoever serves a connection listens for this until it is closed.
        if tokio::time::timeout(CLOSE_WITHIN, self.stop.closed()).await.is_err() {
            tracing::debug!("some connections do not close");
        }
    }
}

impl Drop for HttpHandle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Starts the server.
///
/// # Errors
/// The address cannot be bound, or the certificate cannot be read or made; the text says which.
pub async fn start(
    config: HttpConfig,
    web: WebHandle,
    xmpp: Option<XmppHandle>,
    directory: Arc<ArcSwap<Directory>>,
) -> io::Result<HttpHandle> {
    let tls = tls::acceptor(&config.tls, config.listen.ip())?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|e| io::Error::new(e.kind(), format!("{} cannot be bound: {e}", config.listen)))?;
    let address = listener.local_addr()?;
    let url = url(address, tls.is_some());
    let (draining, is_draining) = watch::channel(false);
    let (stop, stopped) = watch::channel(false);
    let shared = shared::Shared::new(config, web, xmpp, directory, is_draining, stopped.clone());
    tokio::spawn(server::run(listener, tls, server::router(shared), stopped));
    Ok(HttpHandle { address, url, draining, stop })
}

fn url(address: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    if address.ip().is_unspecified() {
        format!("{scheme}://localhost:{}/", address.port())
    } else {
        format!("{scheme}://{address}/")
    }
}
