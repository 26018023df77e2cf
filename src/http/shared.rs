//! What the handlers of requests share.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use axum::http::header::{FORWARDED, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use tokio::sync::watch;

use super::attempts::Attempts;
use super::config::HttpConfig;
use super::crowd::Crowd;
use crate::jingle::driver::XmppHandle;
use crate::model::Directory;
use crate::web::WebHandle;

/// The longest body, in bytes: a name and a password.
pub const MAX_BODY: usize = 4 * 1024;

/// From where a request came.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// `X-Forwarded-For`, as proxies write it that do not know RFC 7239.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What the handlers share.
#[derive(Clone)]
pub struct Shared {
    pub config: Arc<HttpConfig>,
    pub web: WebHandle,
    pub xmpp: Option<XmppHandle>,
    pub directory: Arc<ArcSwap<Directory>>,
    pub draining: watch::Receiver<bool>,
    pub stop: watch::Receiver<bool>,
    pub crowd: Arc<Crowd>,
    attempts: Arc<Mutex<Attempts>>,
}

impl Shared {
    /// What is shared, with no attempts yet.
    pub fn new(
        config: HttpConfig,
        web: WebHandle,
        xmpp: Option<XmppHandle>,
        directory: Arc<ArcSwap<Directory>>,
        draining: watch::Receiver<bool>,
        stop: watch::Receiver<bool>,
    ) -> Shared {
        let (config, crowd, attempts) = (Arc::new(config), Arc::default(), Arc::default());
        Shared { config, web, xmpp, directory, draining, stop, crowd, attempts }
    }

    /// Whose request it is: the peer's, or that of whoever stands behind it, if it is a proxy that is believed.
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> IpAddr {
        // What is no text cannot be read, and is there none the less.
        let said = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
        self.config.proxies.client(peer.0.ip(), said(&FORWARDED), said(&X_FORWARDED_FOR))
    }

    /// The attempts to sign in. Counting cannot fail half-way, so a poisoned lock is as good as another.
    pub fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the server is told to stop, or is dropped.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// A header's value that is known to be one.
pub const fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}
