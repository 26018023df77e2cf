//! Figures for whoever watches the gateway: `GET /metrics`, on a listener of its own.

mod page;
mod process;

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::warn;

use super::server;
use super::shared::value;
use crate::switch::figures::Watch;

/// The form of the figures: OpenMetrics 1.0, which Prometheus reads.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A running listener. When this is dropped it stops.
#[derive(Debug)]
pub struct MetricsHandle {
    /// Where it listens, with the port that the system chose.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Drop for MetricsHandle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

#[derive(Clone)]
struct Shared {
    watch: Watch,
    started: Instant,
}

/// Starts the listener. It asks for no password: nobody can be told from a figure, but how much goes on can.
///
/// # Errors
/// The address cannot be bound.
pub async fn start(listen: SocketAddr, watch: Watch) -> io::Result<MetricsHandle> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|e| io::Error::new(e.kind(), format!("{listen} cannot be bound for metrics: {e}")))?;
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let shared = Shared { watch, started: Instant::now() };
    let router = Router::new().route("/metrics", get(metrics)).with_state(shared);
    tokio::spawn(server::run(listener, None, router, stopped));
    Ok(MetricsHandle { address, stop })
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let Ok(figures) = shared.watch.figures().await else {
        warn!("the gateway is too busy to tell its figures");
        return (StatusCode::SERVICE_UNAVAILABLE, "the gateway is too busy to tell its figures\n").into_response();
    };
    match page::write(figures, process::read(), shared.started.elapsed()) {
        Ok(text) => ([(header::CONTENT_TYPE, value(CONTENT_TYPE))], text).into_response(),
        Err(error) => {
            warn!(%error, "the figures cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
