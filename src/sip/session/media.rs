//! The descriptions of one leg: which exchange is open, and how ours are written.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use super::exchange::Exchanges;
use crate::base::Dice;
use crate::model::Description;
use crate::sdp::{self, Origin};
use crate::sip::flow::Flow;

/// The descriptions of one leg.
#[derive(Debug)]
pub struct Media {
    /// Offers and answers.
    pub exchanges: Exchanges,
    session_id: u64,
    version: u64,
    /// The last of ours that was written.
    last: Option<Arc<Description>>,
    /// The last of ours that stands: not refused.
    agreed: Option<Arc<Description>>,
    /// The mark of the peer's last. A peer that made two descriptions of one mark would harm its own call alone.
    heard: Option<u64>,
}

impl Media {
    /// Before anything is said.
    pub fn new(dice: &mut Dice) -> Media {
        Media {
            exchanges: Exchanges::default(),
            session_id: u64::from(dice.u32()),
            version: 0,
            last: None,
            agreed: None,
            heard: None,
        }
    }

    /// Writes a description of ours. The version rises by one with each that differs from the one before
    /// (RFC 3264 §8).
    pub fn write(&mut self, description: &Description, flow: &Flow) -> Bytes {
        if self.last.as_deref() != Some(description) {
            self.version += 1;
            self.last = Some(Arc::new(description.clone()));
        }
        let media_address = description.audio().and_then(|s| s.transport.address).map(|a| a.ip());
        let address = media_address.unwrap_or(flow.local.ip());
        let origin = Origin { version: self.version, ..Origin::new(self.session_id, address) };
        sdp::write(description, &origin).into()
    }

    /// The exchange that is open is done: what we have written last stands.
    pub fn settle(&mut self) {
        self.exchanges.close();
        self.agreed.clone_from(&self.last);
    }

    /// Nothing more is described.
    pub fn end(&mut self) {
        (self.last, self.agreed) = (None, None);
    }

    /// Our description as it stands, to be said again unchanged; `None` before there is one.
    pub fn unchanged(&mut self, flow: &Flow) -> Option<Bytes> {
        let agreed = self.agreed.clone()?;
        Some(self.write(&agreed, flow))
    }

    /// Keeps the peer's description, and says whether it is another than the last.
    pub fn is_news(&mut self, description: &Description) -> bool {
        let mut mark = DefaultHasher::new();
        (self.session_id, description).hash(&mut mark);
        let mark = Some(mark.finish());
        std::mem::replace(&mut self.heard, mark) != mark
    }
}
