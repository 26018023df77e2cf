//! One document of the package (RFC 4575 §5).

use super::xml::{self, Element};

/// The namespace of the documents (RFC 4575 §8.3).
const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";
/// The most users that are read of one document.
pub const USERS_LIMIT: usize = 2_000;
/// The most endpoints of a user, and streams of an endpoint.
pub const PARTS_LIMIT: usize = 16;
/// By which words foci say of a user, an endpoint or a stream that it speaks. RFC 4575 has none; those that tell it add an
/// element of a namespace of their own.
const TALKING: [&str; 4] = ["talking", "speaking", "active-speaker", "active-talker"];

/// A document that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no XML, or XML of the kind that is not taken: with a DTD, cut off.
    #[error("it is no well-formed XML")]
    Malformed,
    /// It passes a limit.
    #[error("{0}")]
    Large(&'static str),
    /// Another kind of document, or one without a version.
    #[error("it is no conference-info with a version")]
    Foreign,
}

/// Whether an element replaces what was known, changes it, or takes it away (RFC 4575 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is all there is. What says nothing is.
    Full,
    /// What it does not name stays.
    Partial,
    /// It is gone.
    Deleted,
}

/// `conference-info`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Counts up by one with each document of a subscription.
    pub version: u32,
    /// Whether it is the whole conference.
    pub state: State,
    /// The subject, or else the name of the conference, if the document speaks of it.
    pub subject: Option<String>,
    /// How many users there are, if the document says.
    pub count: Option<usize>,
    /// `users`, if the document speaks of them.
    pub users: Option<Users>,
}

/// `users`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    /// Whether they are all.
    pub state: State,
    /// They; at most [`USERS_LIMIT`].
    pub users: Vec<User>,
}

/// `user`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name of the user in the conference: an address.
    pub entity: String,
    /// How it is to be merged.
    pub state: State,
    /// The name to show.
    pub name: Option<String>,
    /// The user speaks, if the focus tells.
    pub talking: Option<bool>,
    /// The devices by which the user takes part; at most [`PARTS_LIMIT`].
    pub endpoints: Vec<Endpoint>,
}

/// `endpoint`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub entity: String,
    /// How it is to be merged.
    pub state: State,
    /// The name to show.
    pub name: Option<String>,
    /// How far it is in: the word of RFC 4575 §5.7.4.
    pub status: Option<String>,
    /// The `Call-ID` of the dialog between it and the focus, if the focus tells.
    pub call_id: Option<String>,
    /// The endpoint or one of its streams speaks, if the focus tells.
    pub talking: Option<bool>,
    /// Its streams; at most [`PARTS_LIMIT`].
    pub media: Vec<Media>,
}

/// `media`: always whole, as the schema has no state for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Its name within the endpoint.
    pub id: String,
    /// Whether it is speech. What says nothing is.
    pub is_audio: bool,
    /// Nothing of the user goes to the others: the direction is told as the user sees it (RFC 4575 §5.8.4).
    pub is_silent: bool,
}

impl Document {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Document, Unreadable> {
        let root = xml::read(bytes, NAMESPACE)?;
        if !root.is_ours || root.name != "conference-info" {
            return Err(Unreadable::Foreign);
        }
        let version = root.version.as_ref().and_then(|v| v.trim().parse().ok()).ok_or(Unreadable::Foreign)?;
        let about = root.child("conference-description");
        let subject = about.and_then(|a| a.text_of("subject").or_else(|| a.text_of("display-text")));
        let count = root.child("conference-state").and_then(|s| s.text_of("user-count")).and_then(|c| c.parse().ok());
        let users = root.child("users").map(|users| Users {
            state: state(users),
            users: users.all("user").take(USERS_LIMIT).filter_map(user).collect(),
        });
        Ok(Document { version, state: state(&root), subject: subject.map(str::to_owned), count, users })
    }
}

fn state(element: &Element) -> State {
    match element.state.as_deref() {
        Some("partial") => State::Partial,
        Some("deleted") => State::Deleted,
        _ => State::Full,
    }
}

fn user(element: &Element) -> Option<User> {
    Some(User {
        entity: element.entity.clone()?,
        state: state(element),
        name: element.text_of("display-text").map(str::to_owned),
        talking: talking(element),
        endpoints: element.all("endpoint").take(PARTS_LIMIT).map(endpoint).collect(),
    })
}

fn endpoint(element: &Element) -> Endpoint {
    let media: Vec<&Element> = element.all("media").take(PARTS_LIMIT).collect();
    let call = element.child("call-info").and_then(|c| c.child("sip"));
    Endpoint {
        entity: element.entity.clone().unwrap_or_default(),
        state: state(element),
        name: element.text_of("display-text").map(str::to_owned),
        status: element.text_of("status").map(str::to_owned),
        call_id: call.and_then(|c| c.text_of("call-id")).map(str::to_owned),
        talking: media.iter().filter_map(|m| talking(m)).chain(talking(element)).reduce(|a, b| a || b),
        media: media.into_iter().map(stream).collect(),
    }
}

fn stream(element: &Element) -> Media {
    Media {
        id: element.id.clone().unwrap_or_default(),
        is_audio: element.text_of("type").is_none_or(|t| t.eq_ignore_ascii_case("audio")),
        is_silent: matches!(element.text_of("status"), Some("recvonly" | "inactive")),
    }
}

fn talking(element: &Element) -> Option<bool> {
    let said = element.children.iter().find(|c| TALKING.contains(&c.name.as_str()))?;
    Some(matches!(said.text.trim(), "true" | "1" | "yes" | ""))
}
