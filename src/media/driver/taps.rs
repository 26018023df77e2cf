//! What the ears of a shard heard, on its way to whoever wants it. Nothing here waits.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, TrySendError};

use tracing::warn;

use super::OnEvent;
use crate::media::tap::{TapKey, TapNews};
use crate::model::{RelayEvent, TapEnd};

/// Ends of recordings that wait for room in the queue of the recorder.
const MAX_ENDS_WAITING: usize = 4096;

/// Where ears of one shard go.
pub struct Taps {
    recorder: SyncSender<TapNews>,
    on_event: OnEvent,
    ends: VecDeque<TapKey>,
}

impl Taps {
    /// To the recorder.
    pub fn new(recorder: SyncSender<TapNews>, on_event: OnEvent) -> Taps {
        Taps { recorder, on_event, ends: VecDeque::new() }
    }

    /// Hands it on. A block that nobody can take in time is lost.
    pub fn take(&mut self, news: TapNews) {
        self.end_what_waits();
        match news {
            TapNews::Opened(key, TapEnd::WebSocket { .. }) => {
                self.ended(key, "the relay has no WebSocket for it");
            }
            TapNews::Opened(key, end @ TapEnd::File { .. }) => {
                if self.recorder.try_send(TapNews::Opened(key, end)).is_err() {
                    self.ended(key, "the talk is not recorded: the disk is too slow");
                }
            }
            TapNews::Block(key, block) => {
                let _ = self.recorder.try_send(TapNews::Block(key, block));
            }
            TapNews::Closed(key) => {
                let sent = self.recorder.try_send(TapNews::Closed(key));
                if matches!(sent, Err(TrySendError::Full(_))) && self.ends.len() < MAX_ENDS_WAITING {
                    self.ends.push_back(key);
                }
            }
        }
    }

    fn end_what_waits(&mut self) {
        while let Some(key) = self.ends.front() {
            if self.recorder.try_send(TapNews::Closed(*key)).is_err() {
                return;
            }
            self.ends.pop_front();
        }
    }

    fn ended(&self, key: TapKey, why: &str) {
        warn!(call = %key.call, why, "an ear hears for nobody");
        (self.on_event)(RelayEvent::TapEnded { call: key.call, tap: key.tap, why: Some(why.to_owned()) });
    }
}
