//! Messages that cannot be served as they are.

use rsip::StatusCode;

use super::{Method, Name, Request, Response, Text};

/// What is wrong with a message, and what its sender is to be told. The peer is always the one at fault:
/// the reader has no other way to fail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Malformed {
    why: Text,
    status: StatusCode,
    request: Option<Box<Request>>,
}

impl Malformed {
    pub(super) fn new(status: StatusCode, why: impl Into<Text>) -> Malformed {
        Malformed { why: why.into(), status, request: None }
    }

    pub(super) fn of(mut self, request: Request) -> Malformed {
        self.request = Some(Box::new(request));
        self
    }

    /// What is wrong, in words fit for a reason phrase.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The status that says so.
    pub fn status(&self) -> &StatusCode {
        &self.status
    }

    /// The request as far as it could be read; `None` for responses and for noise.
    pub fn request(&self) -> Option<&Request> {
        self.request.as_deref()
    }

    /// The request as far as it could be read, to note where it came from.
    pub fn request_mut(&mut self) -> Option<&mut Request> {
        self.request.as_deref_mut()
    }

    /// The answer to send, if the request can be answered at all: not to an ACK (RFC 3261 §17.1.1.3), and
    /// not without a Via that says where the answer goes and the headers that say what it answers.
    pub fn answer(&self) -> Option<Response> {
        let request = self.request.as_deref().filter(|r| r.method != Method::ACK)?;
        let needed = [Name::From, Name::To, Name::CallId, Name::CSeq];
        if !needed.iter().all(|name| request.headers.has(name)) || !request.headers.has(&Name::Via) {
            return None;
        }
        let plain = self.status == StatusCode::BadRequest;
        let response = Response::to(request, self.status.clone());
        Some(if plain { response.with_reason(format!("Bad Request - {}", self.why)) } else { response })
    }
}
