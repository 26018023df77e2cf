//! What every response says to the browser, and what is said to pages of other origins.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL,
    CONTENT_SECURITY_POLICY, HeaderName, ORIGIN, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::origin;
use super::shared::{Shared, value};

/// Nothing but the page's own files; none of it inline, nowhere in a frame.
const POLICY: HeaderValue = value(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Adds them.
pub async fn add(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let listed = listed_origin(request.headers(), &shared);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, value("nosniff"));
    headers.insert(REFERRER_POLICY, value("no-referrer"));
    headers.insert(PERMISSIONS_POLICY, value("microphone=(self), camera=(self), geolocation=()"));
    headers.entry(CACHE_CONTROL).or_insert(value("no-store"));
    headers.entry(RESOURCE_POLICY).or_insert(value("same-origin"));
    if !shared.config.origins.is_empty() {
        headers.append(VARY, value("origin"));
    }
    if let Some(origin) = listed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

/// Answers a page of another origin that asks whether it may sign in (Fetch §3.2.2).
pub async fn preflight(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if listed_origin(&headers, &shared).is_none() {
        return StatusCode::FORBIDDEN.into_response();
    }
    let allowed =
        [(ACCESS_CONTROL_ALLOW_METHODS, value("POST")), (ACCESS_CONTROL_ALLOW_HEADERS, value("content-type"))];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

fn listed_origin(headers: &HeaderMap, shared: &Shared) -> Option<HeaderValue> {
    let is_listed = origin::of(headers, &shared.config.origins) == origin::From::Listed;
    is_listed.then(|| headers.get(ORIGIN).cloned()).flatten()
}
