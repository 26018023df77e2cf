//! `/ws`: the WebSocket, between its peer and the browsers' endpoint.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::origin;
use super::shared::{Peer, Shared, stopped};
use crate::web::{FRAME_LIMIT, SUBPROTOCOL, Socket, ToClient};

/// A frame up to here is read, so that one over the protocol's limit can be answered in words.
const READ_LIMIT: usize = 4 * FRAME_LIMIT;
/// How often the peer is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A peer of whom nothing came for so long is gone.
const SILENT_FOR: Duration = Duration::from_secs(45);
/// A peer that takes nothing for so long is gone.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// Opens the WebSocket.
pub async fn open(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Every browser says the origin; a client that says none is held to no less.
    if !matches!(origin::of(&headers, &shared.config.origins), origin::From::Own | origin::From::Listed) {
        return (StatusCode::FORBIDDEN, "pages of this origin may not connect\n").into_response();
    }
    if !upgrade.requested_protocols().any(|p| p == SUBPROTOCOL) {
        return (StatusCode::BAD_REQUEST, "the subprotocol is patchcord.1\n").into_response();
    }
    let client = shared.client(peer, &headers);
    let Some(place) = shared.crowd.enter(client) else {
        return (StatusCode::TOO_MANY_REQUESTS, "too many connections from one address\n").into_response();
    };
    let Ok(socket) = shared.web.accept(client) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too busy\n").into_response();
    };
    let stop = shared.stop.clone();
    upgrade.protocols([SUBPROTOCOL]).max_message_size(READ_LIMIT).max_frame_size(READ_LIMIT).on_upgrade(
        move |wire| async move {
            carry(wire, socket, stop).await;
            drop(place);
        },
    )
}

/// Carries frames both ways until one side has enough.
async fn carry(mut wire: WebSocket, mut socket: Socket, mut stop: watch::Receiver<bool>) {
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_heard = Instant::now();
    loop {
        let to_say = tokio::select! {
            heard = wire.recv() => {
                last_heard = Instant::now();
                match heard {
                    Some(Ok(message)) => match take(message, &socket).await {
                        Some(close) => close,
                        None => continue,
                    },
                    // Nothing more can be read after this, so there is nobody left to answer in words.
                    Some(Err(_)) => close(1009),
                    None => return,
                }
            }
            said = socket.next() => match said {
                Some(ToClient::Text(text)) => Message::Text(text.into()),
                Some(ToClient::Close(code)) => close(code),
                None => close(1008),
            },
            // RFC 6455 §7.4.1: 1001, a server that goes down.
            () = stopped(&mut stop) => close(1001),
            _ = ping.tick() => {
                if last_heard.elapsed() > SILENT_FOR {
                    return;
                }
                Message::Ping(Default::default())
            }
        };
        let is_last = matches!(to_say, Message::Close(_));
        match timeout(SEND_WITHIN, wire.send(to_say)).await {
            Ok(Ok(())) if !is_last => {}
            Ok(Ok(())) => return part(wire).await,
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// Hands a message in; `Some` if the peer is to be told to close for it.
async fn take(message: Message, socket: &Socket) -> Option<Message> {
    match message {
        Message::Text(text) if text.len() > FRAME_LIMIT => socket.oversized().await,
        Message::Text(text) => socket.text(text.as_str().to_owned()).await,
        // RFC 6455 §7.4.1: 1003, a kind of data that is not taken.
        Message::Binary(_) => return Some(close(1003)),
        // 1000: the client has done what it came for; a page that is reloaded says 1001.
        Message::Close(Some(CloseFrame { code: 1000, .. })) => socket.left().await,
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
    }
    None
}

/// Waits for the peer's half of the closing handshake, so that it reads the code before the connection ends.
async fn part(mut wire: WebSocket) {
    let _ = timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = wire.recv().await {} }).await;
}

fn close(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code, reason: Default::default() }))
}
