//! `POST /session`: who proves to be somebody gets a token for the WebSocket.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::origin;
use super::shared::{MAX_BODY, Peer, Shared};
use crate::base::{Pii, Secret};
use crate::model::Directory;
use crate::web::Endpoint;

/// How long a refusal is held back.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Deserialize)]
struct SignIn {
    user: Option<String>,
    password: Option<Secret>,
}

/// What is refused, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    BadJson,
    BadPassword,
    NoGuests,
    TooManyAttempts,
    ForbiddenOrigin,
    Congestion,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, text) = match self {
            Refusal::BadJson => {
                (StatusCode::BAD_REQUEST, "bad-json", "The body is {} or an object with user and password.")
            }
            Refusal::BadPassword => (StatusCode::UNAUTHORIZED, "bad-password", "The name or the password is wrong."),
            Refusal::NoGuests => (StatusCode::UNAUTHORIZED, "no-guests", "Sign in with a name and a password."),
            Refusal::TooManyAttempts => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", "Too many attempts; try again in a minute.")
            }
            Refusal::ForbiddenOrigin => {
                (StatusCode::FORBIDDEN, "forbidden-origin", "Pages of this origin may not sign in here.")
            }
            Refusal::Congestion => {
                (StatusCode::SERVICE_UNAVAILABLE, "congestion", "Too many sign in at once; try again shortly.")
            }
        };
        (status, Json(json!({ "code": code, "text": text }))).into_response()
    }
}

/// Signs in.
pub async fn sign_in(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let client = shared.client(peer, &headers);
    match decide(&shared, client, &headers, &body) {
        Ok(user) => match shared.web.mint_token(&user).await {
            Ok(token) => {
                let expires_in = Endpoint::TOKEN_LIFETIME.as_secs();
                Json(json!({ "token": token.expose(), "user": user, "expires_in": expires_in })).into_response()
            }
            Err(_) => Refusal::Congestion.into_response(),
        },
        Err(refusal) => {
            tracing::info!(peer = %Pii(client), ?refusal, "a sign-in is refused");
            if matches!(refusal, Refusal::BadPassword | Refusal::NoGuests) {
                tokio::time::sleep(PAUSE).await;
            }
            refusal.into_response()
        }
    }
}

/// The user that the request proves to come from.
fn decide(shared: &Shared, client: IpAddr, headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    let config = &shared.config;
    if origin::of(headers, &config.origins) == origin::From::Stranger {
        return Err(Refusal::ForbiddenOrigin);
    }
    let wish: SignIn = serde_json::from_slice(body).map_err(|_| Refusal::BadJson)?;
    match (wish.user, wish.password) {
        (None, None) => {
            let guest = config.guest.as_ref().ok_or(Refusal::NoGuests)?;
            // Without a password, the host's name is what keeps a stranger's page out.
            if !origin::host_is_ours(headers, &config.origins) {
                return Err(Refusal::ForbiddenOrigin);
            }
            Ok(guest.clone())
        }
        (Some(user), Some(password)) => {
            if !shared.attempts().begin(Instant::now(), client) {
                return Err(Refusal::TooManyAttempts);
            }
            if !is_password(&shared.directory.load(), &user, &password) {
                return Err(Refusal::BadPassword);
            }
            shared.attempts().was_right(client);
            Ok(user)
        }
        _ => Err(Refusal::BadJson),
    }
}

/// Compares as many octets for a user that there is not, and for a password that is nearly right: each password as long as
/// the longest that a request has room for.
fn is_password(directory: &Directory, user: &str, password: &Secret) -> bool {
    let known = directory.users.get(user);
    let (expected, expected_len) = filled_up(known.map_or("", |u| u.password.expose()));
    let (given, given_len) = filled_up(password.expose());
    let same = aws_lc_rs::constant_time::verify_slices_are_equal(&expected, &given).is_ok();
    same & (expected_len == given_len) & (expected_len > 0) & known.is_some()
}

/// A password with nothing behind it up to [`MAX_BODY`], and how long it is.
fn filled_up(password: &str) -> ([u8; MAX_BODY], usize) {
    let mut octets = [0; MAX_BODY];
    octets.iter_mut().zip(password.bytes()).for_each(|(octet, said)| *octet = said);
    (octets, password.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::User;

    const LONG: &str = "a password of more than one block of any hash, as somebody has pasted it with a blank behind ";

    #[test]
    fn only_the_users_own_password_is_right_and_an_empty_one_never() {
        let user = |password: &str| User { password: Secret::new(password), display: None, number: None, jid: None };
        let endless = "d".repeat(MAX_BODY + 1);
        let users = [("alice", "pencil"), ("nobody", ""), ("clara", LONG), ("dora", endless.as_str())];
        let users = users.into_iter().map(|(name, password)| (name.to_owned(), user(password))).collect();
        let directory = Directory { users };
        for (name, password, right) in [
            ("alice", "pencil", true),
            ("alice", "pencil ", false),
            ("alice", "", false),
            ("bob", "pencil", false),
            ("bob", "", false),
            ("nobody", "", false),
            ("clara", LONG, true),
            ("clara", LONG.trim_end(), false),
            ("dora", &"d".repeat(MAX_BODY), false),
        ] {
            assert_eq!(is_password(&directory, name, &Secret::new(password)), right, "{name} {password:?}");
        }
    }
}
