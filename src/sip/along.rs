//! What a call carries along that nobody here looks into: `User-to-User` (RFC 7433), and where a caller is (RFC 6442).

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use tracing::info;

use super::config::Trunk;
use super::hear::SDP;
use super::message::{Header, Headers, Name, Request, SipUri, Text};
use super::multipart::{self, Part};
use crate::base::LegId;
use crate::model::{Along, Document, Entry, Location, UserToUser};

/// The most values of a header that are carried on.
const MOST: usize = UserToUser::MOST;
/// The longest of them, in octets.
const LONGEST: usize = UserToUser::LONGEST;
/// The words to the other party's system (RFC 7433 §4.1).
pub const USER_TO_USER: &str = "User-to-User";

fn user_to_user() -> Name {
    USER_TO_USER.into()
}

fn geolocation() -> Name {
    "Geolocation".into()
}

fn routing() -> Name {
    "Geolocation-Routing".into()
}

/// What an INVITE carries along. Words to the callee's system count from whoever is trusted with them.
pub fn read(request: &Request, entry: &Entry, trunk: Option<&Trunk>) -> Along {
    let is_trusted = match entry {
        Entry::User(_) => true,
        _ => trunk.is_some_and(|trunk| trunk.profile.user_to_user),
    };
    let headers = &request.headers;
    let user_to_user = match is_trusted {
        true => values(headers, &user_to_user()),
        false => {
            if headers.has(&user_to_user()) {
                let entry = if let Entry::Trunk(name) = entry { name } else { "open" };
                info!(entry, "User-to-User is left out: its sender is not trusted with it");
            }
            Vec::new()
        }
    };
    Along { user_to_user, location: location(request).map(Arc::new) }
}

/// The words to the other party's system in a message, whoever's they are.
pub fn words(headers: &Headers) -> UserToUser {
    UserToUser(values(headers, &user_to_user()))
}

/// The same in an address that somebody is referred to (RFC 7433 §3.1).
pub fn words_in(uri: &SipUri) -> UserToUser {
    let named = uri.headers().filter(|(name, _)| name.eq_ignore_ascii_case(USER_TO_USER)).map(|(_, value)| value);
    let fitting = named.filter(|value| value.len() <= LONGEST && !value.is_empty());
    UserToUser(fitting.take(MOST).map(Cow::into_owned).collect())
}

/// The headers that say them.
pub fn word_headers(words: UserToUser) -> impl Iterator<Item = Header> {
    words.0.into_iter().map(|value| Header::new(user_to_user(), value))
}

/// Too many values, and those that are too long, are left out.
fn values(headers: &Headers, name: &Name) -> Vec<String> {
    let elements = headers.elements(name).filter(|value| value.len() <= LONGEST);
    elements.take(MOST).map(str::to_owned).collect()
}

fn location(request: &Request) -> Option<Location> {
    let values = values(&request.headers, &geolocation());
    if values.is_empty() {
        return None;
    }
    let content_type = request.headers.content_type().ok().flatten();
    let parts = match content_type {
        Some(t) if t.media_type.starts_with("multipart/") => {
            multipart::parts(&request.body, &t.params.text("boundary").unwrap_or_default())
        }
        // RFC 8262: a body that is a single part may be named as well.
        Some(t) if t.media_type != SDP => vec![whole(request)],
        _ => Vec::new(),
    };
    let is_named = |part: &Part<'_>| {
        let id = part.header("Content-ID").map(|id| id.trim_matches(['<', '>']));
        id.is_some_and(|id| !id.is_empty() && values.iter().any(|value| names(value, id)))
    };
    let documents = parts.into_iter().filter(is_named).map(document).collect();
    let routing = request.headers.get(&routing()).map(|value| value.to_string());
    Some(Location { routing: routing.filter(|value| value.len() <= LONGEST), documents, values })
}

/// The body as the one part that it is.
fn whole(request: &Request) -> Part<'_> {
    let named = |header: &Header| (header.name.to_string(), header.value.to_string());
    let all = request.headers.iter().map(named).filter(is_mime);
    Part { headers: all.take(MOST).collect(), content: &request.body }
}

/// Whether a header says what a part is (RFC 2045 §9).
fn is_mime((name, _): &(String, String)) -> bool {
    name.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case("Content-"))
        && !name.eq_ignore_ascii_case("Content-Length")
}

/// Whether a value means the part of this name (RFC 2392): `<cid:alice@example.org>;inserted-by=…`.
fn names(value: &str, id: &str) -> bool {
    let uri = value.trim_start().trim_start_matches('<');
    let uri = uri.split(['>', ';']).next().unwrap_or_default();
    uri.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("cid:")) && uri.get(4..) == Some(id)
}

fn document(part: Part<'_>) -> Document {
    Document { headers: part.headers.into_iter().filter(is_mime).collect(), content: part.content.to_vec() }
}

/// The headers of an INVITE of ours that carry it on; a location goes to trunks alone.
pub fn headers(leg: LegId, along: &Along, trunk: Option<&Trunk>) -> Vec<Header> {
    let takes_words = trunk.is_none_or(|trunk| trunk.profile.user_to_user);
    if !takes_words && !along.user_to_user.is_empty() {
        info!(%leg, "User-to-User is left out: the trunk is not trusted with it");
    }
    let words = along.user_to_user.iter().filter(|_| takes_words);
    let mut headers: Vec<Header> = words.map(|value| Header::new(user_to_user(), value)).collect();
    if let Some(location) = along.location.as_ref().filter(|_| trunk.is_some()) {
        headers.extend(location.values.iter().map(|value| Header::new(geolocation(), value)));
        headers.extend(location.routing.iter().map(|value| Header::new(routing(), value)));
    }
    headers
}

/// The body of an INVITE of ours with its media type: the description, and with it the documents that go along, if there
/// are any.
///
/// The boundary must be one that nobody can guess.
pub fn body(description: Option<Bytes>, along: &Along, trunk: Option<&Trunk>, boundary: &str) -> Option<(Text, Bytes)> {
    let documents = along.location.as_ref().filter(|_| trunk.is_some()).map(|location| location.documents.as_slice());
    let documents = documents.unwrap_or_default();
    if documents.is_empty() {
        return description.map(|description| (Text::fixed(SDP), description));
    }
    let typed = |media_type: &str| vec![("Content-Type".to_owned(), media_type.to_owned())];
    let described = description.as_deref().map(|content| Part { headers: typed(SDP), content });
    let others =
        documents.iter().map(|document| Part { headers: document.headers.clone(), content: &document.content });
    let body = multipart::write(described.into_iter().chain(others), boundary);
    Some((format!("multipart/mixed;boundary={boundary}").into(), body.into()))
}
