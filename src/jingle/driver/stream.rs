//! One XML stream (RFC 6120 §4) while it is being negotiated: one side speaks at a time.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;

use super::fault::Fault;
use super::xml::{self, Item, Reader};

/// What carries a stream: a TCP connection, or TLS upon it.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A stream, with what has been read of it and not yet been understood.
pub struct Stream {
    /// What carries it.
    pub transport: Box<dyn Transport>,
    /// The namespace of its stanzas.
    pub namespace: &'static str,
    /// What understands it.
    pub reader: Reader,
    /// Read, and not yet understood.
    pub unread: BytesMut,
}

impl Stream {
    /// A stream that has not begun.
    pub fn new(transport: Box<dyn Transport>, namespace: &'static str) -> Stream {
        Stream { transport, namespace, reader: Reader::new(namespace), unread: BytesMut::new() }
    }

    /// Begins the stream, or begins it anew (RFC 6120 §4.3.3); the answer is its name.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn open(&mut self, to: &str) -> Result<Option<String>, Fault> {
        self.reader = Reader::new(self.namespace);
        let mut out = BytesMut::new();
        xml::write_header(self.namespace, to, &mut out)?;
        self.write(&out).await?;
        match self.item().await? {
            Item::Header { id } => Ok(id),
            _ => Err(Fault::Malformed("the stream does not begin".into())),
        }
    }

    /// Sends an element.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn send(&mut self, element: &Element) -> Result<(), Fault> {
        let mut out = BytesMut::new();
        xml::write(self.namespace, element, &mut out)?;
        self.write(&out).await
    }

    async fn write(&mut self, out: &[u8]) -> Result<(), Fault> {
        self.transport.write_all(out).await?;
        self.transport.flush().await?;
        Ok(())
    }

    /// The next element.
    ///
    /// # Errors
    /// [`Fault`]; a stream error is one.
    pub async fn element(&mut self) -> Result<Element, Fault> {
        loop {
            match self.item().await? {
                Item::Element(error) if error.is("error", ns::STREAM) => return Err(Fault::from_stream_error(&error)),
                Item::Element(element) => return Ok(element),
                Item::Footer => return Err(Fault::Closed),
                Item::Header { .. } | Item::Dropped { .. } => {}
            }
        }
    }

    async fn item(&mut self) -> Result<Item, Fault> {
        loop {
            let mut bytes = &self.unread[..];
            let item = self.reader.next(&mut bytes)?;
            let understood = self.unread.len() - bytes.len();
            self.unread.advance(understood);
            if let Some(item) = item {
                return Ok(item);
            }
            if self.transport.read_buf(&mut self.unread).await? == 0 {
                return Err(Fault::torn());
            }
        }
    }
}
