//! What the ears of a shard heard, on its way to whoever wants it. Nothing here waits.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{SyncSender, TrySendError};

use tokio::runtime::Handle;
use tracing::warn;

use super::OnEvents;
use super::forks::{self, Fork, Line};
use crate::base::Secret;
use crate::media::tap::{TapKey, TapNews};
use crate::model::{RelayEvent, TapEnd};

/// Ends of recordings that wait for room in the queue of the recorder.
const MAX_ENDS_WAITING: usize = 4096;

/// Where ears of one shard go.
pub struct Taps {
    recorder: SyncSender<TapNews>,
    on_events: OnEvents,
    ends: VecDeque<TapKey>,
    forks: HashMap<TapKey, Line>,
    runtime: Handle,
    token: Option<Secret>,
}

impl Taps {
    /// To the recorder, and to WebSockets that run there and are shown this token.
    pub fn new(recorder: SyncSender<TapNews>, runtime: Handle, token: Option<Secret>, on_events: OnEvents) -> Taps {
        Taps { recorder, on_events, ends: VecDeque::new(), forks: HashMap::new(), runtime, token }
    }

    /// Hands it on. A block that nobody can take in time is lost.
    pub fn take(&mut self, news: TapNews) {
        self.end_what_waits();
        match news {
            TapNews::Opened(key, TapEnd::WebSocket { url, rate_hz }, mouths) => {
                let (token, on_events) = (self.token.clone(), self.on_events.clone());
                let fork = Fork { key, url, rate_hz, token, mouths, on_events };
                self.forks.insert(key, forks::begin(&self.runtime, fork));
            }
            TapNews::Block(key, block) if self.forks.contains_key(&key) => {
                self.forks.get(&key).into_iter().for_each(|line| line.send(block.clone()));
            }
            TapNews::Word(key, channel, word) => {
                self.forks.get(&key).into_iter().for_each(|line| line.tell(channel, word));
            }
            TapNews::Closed(key) if self.forks.contains_key(&key) => {
                self.forks.remove(&key).iter().for_each(Line::close);
            }
            TapNews::Opened(key, end @ TapEnd::File { .. }, mouths) => {
                if self.recorder.try_send(TapNews::Opened(key, end, mouths)).is_err() {
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
        (self.on_events)(vec![RelayEvent::TapEnded { call: key.call, tap: key.tap, why: Some(why.to_owned()) }]);
    }
}
