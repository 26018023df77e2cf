//! A WebSocket (RFC 7118): one SIP message is one message of it.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};

use super::{AnyStream, Connection, End, PING, PONG};
use crate::base::Proxies;
use crate::sip::driver::Event;
use crate::sip::message::{MAX_BODY, MAX_HEAD, Message};

/// The subprotocol (RFC 7118 §4).
const SUBPROTOCOL: &str = "sip";
/// How often the peer is asked whether it is there. Browsers answer by themselves.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// A peer of whom nothing came for so long is gone.
const SILENT_FOR: Duration = Duration::from_secs(75);

type Socket = WebSocketStream<AnyStream>;

impl Connection {
    /// Serves a WebSocket that is still to be opened, to its end.
    pub(super) async fn serve_websocket(&mut self, stream: AnyStream, doors: &Doors) -> End {
        let most = MAX_HEAD + MAX_BODY;
        let config = WebSocketConfig::default().max_message_size(Some(most)).max_frame_size(Some(most));
        let mut client = self.flow.remote.ip();
        let judge = Judge { doors, client: &mut client };
        let accepting = tokio_tungstenite::accept_hdr_async_with_config(stream, judge, Some(config));
        let mut socket = match timeout(self.limits.handshake, accepting).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return End::WebSocket(error.to_string()),
            Err(_) => return End::Late("open the WebSocket"),
        };
        if doors.proxies.contains(self.flow.remote.ip()) {
            let named = Event::Client { flow: self.flow, id: self.id, client };
            // Only a task that is gone itself does not take it.
            let _ = self.events.send(named).await;
        }
        let end = self.carry(&mut socket).await;
        if matches!(end, End::Released) {
            self.outgoing.close();
            while let Ok(bytes) = self.outgoing.try_recv() {
                if self.say(&mut socket, frame(bytes)).await.is_err() {
                    break;
                }
            }
            let close = CloseFrame { code: CloseCode::Away, reason: Default::default() };
            let _ = timeout(super::LINGER, socket.close(Some(close))).await;
        }
        end
    }

    async fn carry(&mut self, socket: &mut Socket) -> End {
        let mut ask = interval_at(Instant::now() + ASK_EVERY, ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_heard = Instant::now();
        loop {
            let step = tokio::select! {
                heard = socket.next() => {
                    last_heard = Instant::now();
                    match heard {
                        Some(Ok(Frame::Text(text))) => self.take(socket, text.into()).await,
                        Some(Ok(Frame::Binary(bytes))) => self.take(socket, bytes).await,
                        Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => Ok(()),
                        Some(Ok(Frame::Close(_))) | None => Err(End::Closed),
                        Some(Err(error)) => Err(End::WebSocket(error.to_string())),
                    }
                }
                bytes = self.outgoing.recv() => match bytes {
                    Some(bytes) => self.say(socket, frame(bytes)).await,
                    None => Err(End::Released),
                },
                _ = ask.tick() => match last_heard.elapsed() > SILENT_FOR {
                    true => Err(End::Late("say anything")),
                    false => self.say(socket, Frame::Ping(Bytes::new())).await,
                },
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Takes a message in, or answers a keep-alive (RFC 7118 §6, RFC 5626 §4.4.1).
    async fn take(&self, socket: &mut Socket, bytes: Bytes) -> Result<(), End> {
        if bytes.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            return match bytes.as_ref() == PING {
                true => self.say(socket, frame(Bytes::from_static(PONG))).await,
                false => Ok(()),
            };
        }
        let message = Message::read_datagram(bytes);
        self.events.send(Event::Message { flow: self.flow, message }).await.map_err(|_| End::Released)
    }

    async fn say(&self, socket: &mut Socket, frame: Frame) -> Result<(), End> {
        let saying = timeout(self.limits.write, socket.send(frame));
        saying.await.map_err(|_| End::Late("read what we send"))?.map_err(|e| End::WebSocket(e.to_string()))
    }
}

/// A message as text where it is some, since there are clients that take nothing else.
fn frame(bytes: Bytes) -> Frame {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Frame::Text(text),
        Err(_) => Frame::Binary(bytes),
    }
}

/// Who may open a WebSocket.
#[derive(Debug)]
pub struct Doors {
    /// The pages of these origins.
    pub origins: Vec<String>,
    /// The proxies that are believed when they say whose it is.
    pub proxies: Proxies,
}

/// Whether a WebSocket may be opened (RFC 7118 §4, RFC 6455 §10.2). A page says by its origin whose it is, and has to be
/// listed; a program says none, and what it may do is decided by its password, as for any telephone.
struct Judge<'a> {
    doors: &'a Doors,
    /// Whose it is: at first the peer's own.
    client: &'a mut IpAddr,
}

impl Callback for Judge<'_> {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        if let Some((status, words)) = refusal(request.headers(), &self.doors.origins) {
            let mut response = ErrorResponse::new(Some(words.to_owned()));
            *response.status_mut() = status;
            return Err(response);
        }
        *self.client = client(*self.client, request.headers(), &self.doors.proxies);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        Ok(response)
    }
}

fn client(peer: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> IpAddr {
    // What is no text cannot be read, and is there none the less.
    let said = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    proxies.client(peer, said("forwarded"), said("x-forwarded-for"))
}

/// Why a WebSocket may not be opened.
fn refusal(headers: &HeaderMap, origins: &[String]) -> Option<(StatusCode, &'static str)> {
    if !speaks_sip(headers) {
        return Some((StatusCode::BAD_REQUEST, "the subprotocol is sip\n"));
    }
    if !is_listed(headers, origins) {
        return Some((StatusCode::FORBIDDEN, "pages of this origin may not connect\n"));
    }
    None
}

fn speaks_sip(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|list| list.split(',')).any(|word| word.trim().eq_ignore_ascii_case(SUBPROTOCOL))
}

fn is_listed(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let listed = |origin: &str| origins.iter().any(|l| l.trim_end_matches('/').eq_ignore_ascii_case(origin));
    origin.to_str().is_ok_and(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_listed_origins_open_a_websocket_and_programs_that_speak_sip() {
        let listed = ["https://app.example.org/".to_owned()];
        for (protocols, origin, status) in [
            ("sip", Some("https://app.example.org"), None),
            ("mqtt, SIP", None, None),
            ("sip", Some("https://evil.example"), Some(403)),
            ("sip", Some("null"), Some(403)),
            ("sips", None, Some(400)),
            ("", None, Some(400)),
        ] {
            let mut request = Request::new(());
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocols));
            if let Some(origin) = origin {
                request.headers_mut().insert(ORIGIN, HeaderValue::from_static(origin));
            }
            let refused = refusal(request.headers(), &listed).map(|(status, _)| status.as_u16());
            assert_eq!(refused, status, "{protocols} {origin:?}");
        }
    }
}
