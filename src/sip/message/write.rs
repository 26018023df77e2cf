//! Message to bytes. What is written is what RFC 3261 §25.1 calls canonical: long names, one header a line,
//! Content-Length always, counted in octets, at the end.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};

use super::{Headers, Message, Name, Request, Response};

impl Message {
    /// The message as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// The request as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = space_for(&self.headers, &self.body);
        // Writing into a buffer that grows does not fail.
        let _ = write!(out, "{} {} SIP/2.0\r\n", self.method, self.uri);
        finish(out, &self.headers, &self.body)
    }
}

impl Response {
    /// The response as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = space_for(&self.headers, &self.body);
        out.extend_from_slice(b"SIP/2.0 ");
        out.extend_from_slice(itoa::Buffer::new().format(self.code()).as_bytes());
        out.extend_from_slice(b" ");
        out.extend_from_slice(self.reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        finish(out, &self.headers, &self.body)
    }
}

fn space_for(headers: &Headers, body: &Bytes) -> BytesMut {
    let lines: usize = headers.iter().map(|h| h.name.as_str().len() + h.value.as_bytes().len() + 4).sum();
    BytesMut::with_capacity(lines + body.len() + 192)
}

fn finish(mut out: BytesMut, headers: &Headers, body: &Bytes) -> Bytes {
    for header in headers.iter().filter(|h| h.name != Name::ContentLength) {
        out.extend_from_slice(header.name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(header.value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
    out.freeze()
}
