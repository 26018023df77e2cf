//! Whose request it is that a proxy passes on.

use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::{Server, Wish, server};

const WRONG: &str = r#"{"user":"alice","password":"guess"}"#;
/// What one address may guess in a minute.
const GUESSES: usize = 10;
/// What one address may have open.
const WEBSOCKETS: usize = 256;

/// Guesses as often as may be; the status of the next guess, with these headers.
async fn after_guesses(server: &Server, by: &[(&str, &str)], next: &[(&str, &str)]) -> u16 {
    let guesses = (0..GUESSES).map(|_| server.ask("POST", "/session", by, WRONG));
    for response in futures_util::future::join_all(guesses).await {
        assert_eq!(response.status, 401);
    }
    server.ask("POST", "/session", next, WRONG).await.status
}

#[tokio::test]
async fn guesses_count_by_the_client_that_a_trusted_proxy_names() {
    let server = server(Wish { proxies: &["127.0.0.1"], ..Wish::default() }).await;
    let by = [("X-Forwarded-For", "203.0.113.9, 192.0.2.1")];
    // What the client has put before it itself changes nothing.
    let spoofed = [("X-Forwarded-For", "203.0.113.10, 192.0.2.1")];
    assert_eq!(after_guesses(&server, &by, &spoofed).await, 429);
    let other = [("Forwarded", "for=\"[2001:db8::7]:4711\";proto=https")];
    let neighbour = [("Forwarded", "for=192.0.2.1, for=\"[2001:db8::8]\"")];
    assert_eq!(after_guesses(&server, &other, &neighbour).await, 429);
    // Whoever writes the header that the proxy does not write counts as the proxy.
    let both = [("Forwarded", "for=203.0.113.11"), ("X-Forwarded-For", "192.0.2.2")];
    assert_eq!(after_guesses(&server, &both, &[]).await, 429);
}

#[tokio::test]
async fn what_anybody_else_says_of_where_a_guess_comes_from_counts_for_nothing() {
    let server = server(Wish { proxies: &["192.0.2.0/24", "::1"], ..Wish::default() }).await;
    let spoofed = [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1")];
    assert_eq!(after_guesses(&server, &spoofed, &[("X-Forwarded-For", "198.51.100.7")]).await, 429);
}

#[tokio::test]
async fn websockets_count_by_the_client_that_a_trusted_proxy_names() {
    let server = server(Wish { proxies: &["127.0.0.1"], ..Wish::default() }).await;
    let open = async |client: &'static str| {
        let mut request = format!("ws://{}/ws", server.http.address).into_client_request().unwrap();
        let own = format!("http://{}", server.http.address);
        request.headers_mut().insert("origin", own.parse().unwrap());
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("patchcord.1"));
        request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static(client));
        match client_async(request, TcpStream::connect(server.http.address).await.unwrap()).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    };
    let mut held = Vec::new();
    for _ in 0..WEBSOCKETS {
        held.push(open("192.0.2.1").await.unwrap());
    }
    assert_eq!(open("192.0.2.1").await.err(), Some(429));
    assert!(open("192.0.2.2").await.is_ok());
}
