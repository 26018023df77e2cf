//! The page's files.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::shared::{Shared, value};
use crate::web::softphone::{ASSETS, Asset};

/// Adds a route for each file.
pub fn routes(router: Router<Shared>) -> Router<Shared> {
    ASSETS.into_iter().fold(router, |router, asset| {
        // RFC 9110 §8.8.3: the same tag for the same bytes, so that a page is loaded anew only when it is new.
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(asset.body)[..16]));
        router.route(asset.path, get(move |headers: HeaderMap| async move { respond(asset, &tag, &headers) }))
    })
}

fn respond(asset: Asset, tag: &str, headers: &HeaderMap) -> Response {
    let fresh = headers.get(IF_NONE_MATCH).and_then(|h| h.to_str().ok()).is_some_and(|h| h.contains(tag));
    let mut response = if fresh { StatusCode::NOT_MODIFIED.into_response() } else { asset.body.into_response() };
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, value(asset.content_type));
    out.insert(CACHE_CONTROL, value("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        out.insert(ETAG, tag);
    }
    if asset.shared {
        out.insert(HeaderName::from_static("cross-origin-resource-policy"), value("cross-origin"));
    }
    response
}
