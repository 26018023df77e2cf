//! Requests and responses, and how a response is made of a request.

use std::net::SocketAddr;

use bytes::Bytes;
use rsip::StatusCode;

use super::{CSeq, Header, Headers, Method, Name, Text, Uri, Via, reason_phrase};

/// A request (RFC 3261 §7.1). Cloning copies no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// The headers; Content-Length is written by the writer and need not be here.
    pub headers: Headers,
    /// The body; empty if there is none.
    pub body: Bytes,
}

/// A response (RFC 3261 §7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The reason phrase, as it came or will go.
    pub reason: Text,
    /// The headers.
    pub headers: Headers,
    /// The body; empty if there is none.
    pub body: Bytes,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Request {
    /// A request without headers.
    pub fn new(method: impl Into<Method>, uri: impl Into<Uri>) -> Request {
        Request { method: method.into(), uri: uri.into(), headers: Headers::default(), body: Bytes::new() }
    }

    /// The same with one more header.
    pub fn with(mut self, header: Header) -> Request {
        self.headers.push(header);
        self
    }

    /// The same with a body.
    pub fn with_body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Request {
        self.headers.set(Header::new(Name::ContentType, Text::fixed(content_type)));
        self.body = body.into();
        self
    }

    /// Notes in the top Via where the request came from (RFC 3261 §18.2.1, RFC 3581 §4); responses made
    /// from the request then find their way back. Gives that Via; one that cannot be read stays as it is.
    pub fn stamp_source(&mut self, source: SocketAddr) -> Option<Via> {
        let mut via = self.headers.via().ok()?;
        via.stamp(source);
        self.headers.replace_first_element(&Name::Via, Some(via.to_string()));
        Some(via)
    }
}

impl Response {
    /// A response to a request (RFC 3261 §8.2.6.2): Via, From, To, Call-ID and CSeq as the request has them,
    /// and Timestamp in a 100.
    pub fn to(request: &Request, status: impl Into<StatusCode>) -> Response {
        let status = status.into();
        let trying = status == StatusCode::Trying;
        let kept = |name: &Name| match name {
            Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq => true,
            Name::Timestamp => trying,
            _ => false,
        };
        let headers = request.headers.iter().filter(|h| kept(&h.name)).cloned().collect();
        Response { reason: reason_phrase(&status), status, headers, body: Bytes::new() }
    }

    /// The same with other words for the status.
    pub fn with_reason(mut self, words: impl Into<Text>) -> Response {
        self.reason = words.into().on_one_line();
        self
    }

    /// The same with one more header.
    pub fn with(mut self, header: Header) -> Response {
        self.headers.push(header);
        self
    }

    /// The same with a body.
    pub fn with_body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Response {
        self.headers.set(Header::new(Name::ContentType, Text::fixed(content_type)));
        self.body = body.into();
        self
    }

    /// The same with this tag in To, unless it has one (RFC 3261 §8.2.6.2).
    pub fn with_to_tag(mut self, tag: &str) -> Response {
        if let Ok(to) = self.headers.to()
            && to.tag().is_none()
        {
            self.headers.set(Header::of(Name::To, to.with_tag(tag)));
        }
        self
    }

    /// The status code's number.
    pub fn code(&self) -> u16 {
        self.status.code()
    }

    /// 1xx
    pub fn is_provisional(&self) -> bool {
        self.code() < 200
    }

    /// 2xx
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code())
    }
}

impl Message {
    /// The headers.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Message {
        Message::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Message {
        Message::Response(response)
    }
}

impl Request {
    /// CSeq with the request's own method: what a request of ours carries.
    pub fn with_cseq(self, number: u32) -> Request {
        let cseq = CSeq { number, method: self.method.clone() };
        self.with(Header::of(Name::CSeq, cseq))
    }
}
