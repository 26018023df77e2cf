//! The routes, and the loop that takes connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::shared::{MAX_BODY, Peer, Shared, stopped};
use super::{assets, headers, sign_in, socket};

/// The most connections at once; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 8192;
/// How long a peer may take for the TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long a peer may take for the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(15);

/// The routes.
pub fn router(shared: Shared) -> Router {
    let router = Router::new()
        .route("/ws", get(socket::open))
        .route("/session", post(sign_in::sign_in).options(headers::preflight))
        .route("/health", get(health))
        .route("/dial-hints", get(dial_hints));
    assets::routes(router)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(shared.clone(), headers::add))
        .with_state(shared)
}

async fn health(State(shared): State<Shared>) -> Response {
    let draining = *shared.draining.borrow();
    let status = if draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let word = if draining { "draining" } else { "ok" };
    let mut body = json!({ "status": word, "version": env!("CARGO_PKG_VERSION") });
    if let Some(xmpp) = &shared.xmpp {
        let word = |is_up: bool| if is_up { "up" } else { "down" };
        body["xmpp"] = xmpp.connections().into_iter().map(|(name, is_up)| (name, json!(word(is_up)))).collect();
    }
    (status, Json(body)).into_response()
}

async fn dial_hints(State(shared): State<Shared>) -> Response {
    if shared.config.dial_hints.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(json!({ "hints": shared.config.dial_hints })).into_response()
}

/// Takes connections until it is told to stop.
pub async fn run(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: those that end make room.
                    tracing::warn!(%error, "a connection cannot be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = stopped(&mut stop) => return,
        };
        let (tls, router, mut stop) = (tls.clone(), router.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                served = serve(stream, peer, tls, router) => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "a connection ends");
                    }
                }
                () = stopped(&mut stop) => {}
            }
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, router: Router) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => speak(stream, peer, router).await,
        Some(tls) => speak(timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await??, peer, router).await,
    }
}

async fn speak<S>(stream: S, peer: SocketAddr, router: Router) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.clone().call(request.map(Body::new))
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
        .map_err(io::Error::other)
}
