//! The calls that are up, in a file beside the records: a gateway that is killed leaves there what it had no time to
//! write, and the next one makes records of it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::model::{Cause, Record};

/// Gateways that write records into one file, each with a journal of its own.
const MOST_JOURNALS: usize = 16;
/// A journal that has grown beyond this is written anew with what is up.
const MOST_OCTETS: u64 = 1 << 20;
/// How much of a journal of an earlier run is looked at.
const MOST_READ: u64 = 64 << 20;
/// What a record says whose call the gateway did not see the end of.
const KILLED: &str = "the gateway stopped without notice while the call was up; the end is the last sign of life";

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// A call begins, or goes on as this.
    Up(Box<Record>),
    /// A call is over, and its record written.
    Over(String),
    /// The gateway lives, at this many milliseconds since the Unix epoch.
    Alive(u64),
}

/// The journal of this run.
#[derive(Debug)]
pub struct Journal {
    file: File,
    length: u64,
    up: HashMap<String, Record>,
}

impl Journal {
    /// Opens a journal for the records in this file, and gives those that earlier runs left behind. A journal that
    /// another gateway holds is left alone.
    ///
    /// # Errors
    /// None can be opened.
    pub fn open(records: &Path) -> io::Result<(Journal, Vec<Record>)> {
        let (mut ours, mut left) = (None, Vec::new());
        for number in 1..=MOST_JOURNALS {
            let path = name(records, number);
            if ours.is_some() && !path.exists() {
                continue;
            }
            let mut file = OpenOptions::new().create(true).truncate(false).read(true).append(true).open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let mut text = Vec::new();
            (&mut file).take(MOST_READ).read_to_end(&mut text)?;
            left.extend(left_behind(&String::from_utf8_lossy(&text)));
            if ours.is_none() {
                ours = Some(file);
            } else {
                file.set_len(0)?;
            }
        }
        let file = ours.ok_or_else(|| io::Error::other(format!("{MOST_JOURNALS} gateways write records there")))?;
        Ok((Journal { file, length: 0, up: HashMap::new() }, left))
    }

    /// Forgets what earlier runs left behind: their records are written.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub fn begin(&mut self) -> io::Result<()> {
        self.length = 0;
        self.file.set_len(0)
    }

    /// A call begins, or is answered.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn up(&mut self, record: Record) -> io::Result<()> {
        let line = Line::Up(Box::new(record.clone()));
        self.up.insert(record.call.clone(), record);
        self.write(&line)
    }

    /// A call is over, and its record is written.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn over(&mut self, call: &str) -> io::Result<()> {
        if self.up.remove(call).is_none() {
            return Ok(());
        }
        if self.up.is_empty() || self.length > MOST_OCTETS {
            return self.write_anew();
        }
        self.write(&Line::Over(call.to_owned()))
    }

    /// Notes that the gateway lives, as long as there are calls.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn alive(&mut self, wall_ms: u64) -> io::Result<()> {
        if self.up.is_empty() { Ok(()) } else { self.write(&Line::Alive(wall_ms)) }
    }

    fn write_anew(&mut self) -> io::Result<()> {
        self.begin()?;
        let up: Vec<Line> = self.up.values().map(|record| Line::Up(Box::new(record.clone()))).collect();
        up.iter().try_for_each(|line| self.write(line))
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
        text.push(b'\n');
        self.length += text.len() as u64;
        self.file.write_all(&text)
    }
}

fn name(records: &Path, number: usize) -> PathBuf {
    let mut name = records.as_os_str().to_owned();
    name.push(match number {
        1 => ".up".to_owned(),
        _ => format!(".up-{number}"),
    });
    name.into()
}

/// What a journal says was up when it was written last. A line that was cut off is passed over.
fn left_behind(text: &str) -> Vec<Record> {
    let mut up: HashMap<String, Record> = HashMap::new();
    let mut alive = 0;
    for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match line {
            Line::Up(record) => {
                alive = alive.max(record.ended_ms);
                up.insert(record.call.clone(), *record);
            }
            Line::Over(call) => drop(up.remove(&call)),
            Line::Alive(wall_ms) => alive = alive.max(wall_ms),
        }
    }
    let mut left: Vec<Record> = up.into_values().collect();
    left.sort_by_key(|record| record.started_ms);
    for record in &mut left {
        record.ended_ms = record.ended_ms.max(alive);
        record.cause = Cause::ServerError;
        record.why = Some(KILLED.to_owned());
    }
    left
}

/// Those of what was left behind that have no record yet: a gateway that is killed between the record and the word
/// that the call is over leaves both.
pub fn without_record(left: Vec<Record>, records: &mut (impl Read + Seek)) -> io::Result<Vec<Record>> {
    if left.is_empty() {
        return Ok(left);
    }
    let end = records.seek(io::SeekFrom::End(0))?;
    records.seek(io::SeekFrom::Start(end.saturating_sub(MOST_OCTETS)))?;
    let mut text = Vec::new();
    records.take(MOST_OCTETS).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let written = |record: &Record| text.contains(&format!("{{\"call\":\"{}\",", record.call));
    let left: Vec<Record> = left.into_iter().filter(|record| !written(record)).collect();
    if !left.is_empty() {
        warn!(calls = left.len(), "an earlier run was killed while calls were up; they get their records");
    } else {
        info!("every call of an earlier run that was killed has its record");
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn record(call: &str, started_ms: u64) -> Record {
        serde_json::from_value(serde_json::json!({
            "call": call, "started_ms": started_ms, "answered_ms": null, "ended_ms": started_ms, "entry": "user:alice",
            "from": "alice", "to": "bob", "target": null, "rule": null, "cause": "server-error", "detail": null,
            "why": null, "codec": null, "media": [],
        }))
        .expect("a record")
    }

    fn calls(left: &[Record]) -> Vec<&str> {
        left.iter().map(|record| record.call.as_str()).collect()
    }

    #[test]
    fn what_was_up_when_the_gateway_was_killed_is_left_behind_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let records = home.path().join("calls.jsonl");
        let (mut journal, left) = Journal::open(&records).unwrap();
        assert!(left.is_empty());
        for (call, at) in [("c1", 1_000), ("c2", 2_000), ("c3", 3_000)] {
            journal.up(record(call, at)).unwrap();
        }
        journal.over("c2").unwrap();
        journal.up(Record { answered_ms: Some(4_000), ended_ms: 4_000, ..record("c3", 3_000) }).unwrap();
        journal.alive(9_000).unwrap();
        journal.file.write_all(b"{\"over\":\"c").unwrap();
        drop(journal);
        let (mut journal, left) = Journal::open(&records).unwrap();
        assert_eq!(calls(&left), ["c1", "c3"]);
        assert_eq!((left[1].answered_ms, left[1].ended_ms), (Some(4_000), 9_000));
        assert!(left.iter().all(|r| r.cause == Cause::ServerError && r.why.as_deref() == Some(KILLED)));
        journal.begin().unwrap();
        drop(journal);
        assert!(Journal::open(&records).unwrap().1.is_empty());
    }

    #[test]
    fn gateways_beside_each_other_keep_journals_of_their_own() {
        let home = tempfile::tempdir().unwrap();
        let records = home.path().join("calls.jsonl");
        let (mut first, _) = Journal::open(&records).unwrap();
        first.up(record("c1", 1_000)).unwrap();
        let (mut second, left) = Journal::open(&records).unwrap();
        assert!(left.is_empty(), "the first one lives");
        second.up(record("c2", 2_000)).unwrap();
        drop((first, second));
        let (_third, mut left) = Journal::open(&records).unwrap();
        left.sort_by_key(|record| record.started_ms);
        assert_eq!(calls(&left), ["c1", "c2"]);
    }

    #[test]
    fn a_call_whose_record_was_written_gets_no_second_one() {
        let mut written = io::Cursor::new(serde_json::to_vec(&record("c1", 1_000)).unwrap());
        let left = without_record(vec![record("c1", 1_000), record("c11", 1_000)], &mut written).unwrap();
        assert_eq!(calls(&left), ["c11"]);
    }

    #[test]
    fn a_journal_does_not_grow_with_the_calls_that_are_over() {
        let home = tempfile::tempdir().unwrap();
        let records = home.path().join("calls.jsonl");
        let (mut journal, _) = Journal::open(&records).unwrap();
        journal.up(record("stays", 0)).unwrap();
        for number in 0..10_000 {
            journal.up(record(&format!("c{number}"), number)).unwrap();
            journal.over(&format!("c{number}")).unwrap();
        }
        assert!(journal.length <= 2 * MOST_OCTETS);
        drop(journal);
        assert!(std::fs::metadata(name(&records, 1)).unwrap().len() <= 2 * MOST_OCTETS);
        assert_eq!(calls(&Journal::open(&records).unwrap().1), ["stays"]);
    }
}
