//! The book-keeping of a call: what goes into its record.

use std::time::Instant;

use super::Call;
use crate::base::{CallId, LegId};
use crate::model::{Cause, Codec, Entry, Hangup, LegStats, MediaPath, MediaRecord, Record, SessionUuid, Start};

/// The most recordings of one call that its record names.
const MOST_RECORDINGS: usize = 100;

impl Call {
    /// What its record says if nobody sees its end.
    pub fn so_far(&self, now: Instant) -> Record {
        self.ledger.so_far(now)
    }
}

/// What is noted of a call while it goes.
#[derive(Debug)]
pub struct Ledger {
    opened: Instant,
    record: Record,
    by: Option<&'static str>,
    is_ended: bool,
}

impl Ledger {
    pub fn new(now: Instant, wall_ms: u64, call: CallId, start: &Start, rule: Option<String>) -> Ledger {
        let entry = match &start.entry {
            Entry::User(name) => format!("user:{name}"),
            Entry::Trunk(name) => format!("trunk:{name}"),
            Entry::Account(jid) => format!("account:{jid}"),
            Entry::Open => "open".to_owned(),
        };
        Ledger {
            opened: now,
            record: Record {
                call: call.to_string(),
                started_ms: wall_ms,
                answered_ms: None,
                ended_ms: wall_ms,
                entry,
                from: start.from.address.to_string(),
                to: start.to.to_string(),
                meant_for: start.about.diversions.last().map(|first| first.by.address.to_string()),
                target: None,
                rule,
                cause: Cause::ServerError,
                detail: None,
                why: None,
                codec: None,
                video: None,
                path: None,
                relayed_because: None,
                recordings: Vec::new(),
                identity: start.about.identity.clone(),
                session_id: start.about.session_id,
                session_id_of_callee: None,
                transferred_to: None,
                joined_with: None,
                media: Vec::new(),
            },
            by: None,
            is_ended: false,
        }
    }

    fn wall(&self, now: Instant) -> u64 {
        self.record.started_ms + now.saturating_duration_since(self.opened).as_millis() as u64
    }

    pub fn target(&mut self, target: &str) {
        self.record.target = Some(target.to_owned());
    }

    pub fn codec(&mut self, codec: Option<&Codec>) {
        if let Some(codec) = codec {
            self.record.codec = Some(format!("{}/{}", codec.name, codec.clock_hz));
        }
    }

    /// Notes the format of the pictures.
    pub fn pictures(&mut self, codec: &Codec) {
        self.record.video = Some(codec.name.clone());
    }

    /// Notes which way the media of the attempt goes, and why not directly.
    pub fn path(&mut self, path: MediaPath, relayed_because: Option<&str>) {
        self.record.path = Some(path);
        self.record.relayed_because = relayed_because.map(str::to_owned);
    }

    /// Notes whom a party of the call was connected with.
    pub fn transferred_to(&mut self, target: &str) {
        self.record.transferred_to = Some(target.to_owned());
    }

    /// The name of the call, if it has one: the half of whoever called.
    pub fn name(&self) -> Option<SessionUuid> {
        self.record.session_id
    }

    /// Notes the half of whoever is called in it.
    pub fn named(&mut self, callee: Option<SessionUuid>) {
        self.record.session_id_of_callee = callee.or(self.record.session_id_of_callee);
    }

    /// Notes with which other call it goes on as one.
    pub fn joined_with(&mut self, call: CallId) {
        self.record.joined_with = Some(call.to_string());
    }

    pub fn answered(&mut self, now: Instant) {
        self.record.answered_ms = Some(self.wall(now));
    }

    pub fn ended_by(&mut self, who: &'static str) {
        self.by = Some(who);
    }

    /// Notes where the talk is recorded: a file of the folder of recordings.
    pub fn recording(&mut self, file: std::path::PathBuf) {
        if self.record.recordings.len() < MOST_RECORDINGS {
            self.record.recordings.push(file);
        }
    }

    /// Notes why the call fails or is silent. The first reason is the cause of what follows, so it stays.
    pub fn why(&mut self, why: String) {
        self.record.why.get_or_insert(why);
    }

    /// Notes in one sentence how the last attempt failed.
    pub fn explain_failure(&mut self, hangup: &Hangup) {
        let target = self.record.target.clone().unwrap_or_else(|| "nobody".into());
        let said = hangup.detail.as_ref().and_then(|d| match (d.sip_status, &d.text) {
            (Some(status), Some(text)) => Some(format!("{target} answered {status} {text}")),
            (Some(status), None) => Some(format!("{target} answered {status}")),
            (None, Some(text)) => Some(format!("{target}: {text}")),
            (None, None) => None,
        });
        self.why(said.unwrap_or_else(|| format!("{target}: {}", hangup.cause.sentence())));
    }

    pub fn ended(&mut self, now: Instant, hangup: Hangup) {
        if self.is_ended {
            return;
        }
        self.is_ended = true;
        self.record.ended_ms = self.wall(now);
        self.record.cause = hangup.cause;
        let is_failure = !matches!(hangup.cause, Cause::Normal | Cause::Cancelled);
        if is_failure && self.record.why.is_none() {
            let said = hangup.detail.as_ref().and_then(|d| d.text.clone());
            let who = self.by.map(|b| format!(" ({b} ended it)")).unwrap_or_default();
            self.record.why = Some(said.unwrap_or_else(|| format!("{}{who}", hangup.cause.sentence())));
        }
        self.record.detail = hangup.detail;
    }

    pub fn media(&mut self, legs: &[LegStats], caller: LegId) {
        self.record.media = legs
            .iter()
            .map(|stats| MediaRecord {
                side: if stats.leg == Some(caller) { "caller".into() } else { "callee".into() },
                stats: stats.clone(),
            })
            .collect();
    }

    fn so_far(&self, now: Instant) -> Record {
        Record { ended_ms: self.wall(now), ..self.record.clone() }
    }

    pub fn close(&mut self, now: Instant) -> Record {
        if !self.is_ended {
            self.record.ended_ms = self.wall(now);
        }
        self.record.clone()
    }
}
