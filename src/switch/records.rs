//! Call records, written as JSON lines by a task of their own, and beside them the calls that are up.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tracing::{error, info};

use super::calls::Ledger;
use super::journal::{self, Journal};
use crate::model::Record;

/// Notes that wait to be written.
const QUEUE: usize = 4096;
/// How often it is noted that the gateway lives while calls are up: as exact is the end of a call whose end it did
/// not see.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Hands records to the writer.
pub struct Writer {
    queue: Option<mpsc::Sender<Note>>,
}

/// The writer's task; finished once everything handed in is on disk.
pub type Written = tokio::task::JoinHandle<()>;

#[derive(Debug)]
enum Note {
    Up(Record),
    Over(Record),
}

impl Note {
    fn call(&self) -> &str {
        let (Note::Up(record) | Note::Over(record)) = self;
        &record.call
    }
}

/// Starts the writer; without a file, records are dropped.
///
/// # Errors
/// The file, or the one beside it of the calls that are up, cannot be opened.
pub async fn start(file: Option<PathBuf>) -> io::Result<(Writer, Option<Written>)> {
    let Some(path) = file else { return Ok((Writer { queue: None }, None)) };
    let mut files = Files::open(&path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
    info!(file = %path.display(), "call records are appended there");
    let (queue, mut notes) = mpsc::channel::<Note>(QUEUE);
    let task = tokio::spawn(async move {
        let mut life = tokio::time::interval(SIGN_OF_LIFE);
        life.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let note = tokio::select! {
                note = notes.recv() => {
                    let Some(note) = note else { return };
                    Some(note)
                }
                _ = life.tick() => None,
            };
            // A disk may take its time, and the threads of signalling have none to wait for it.
            let Ok(back) = tokio::task::spawn_blocking(move || files.take(note)).await else { return };
            files = back;
        }
    });
    Ok((Writer { queue: Some(queue) }, Some(task)))
}

/// The two files.
struct Files {
    records: std::fs::File,
    journal: Journal,
}

impl Files {
    fn open(path: &Path) -> io::Result<Files> {
        let mut records = std::fs::OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let (journal, left) = Journal::open(path)?;
        let left = journal::without_record(left, &mut records)?;
        let mut files = Files { records, journal };
        for record in left {
            files.append(&record)?;
        }
        files.journal.begin()?;
        Ok(files)
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record).map_err(io::Error::other)?;
        line.push(b'\n');
        self.records.write_all(&line)
    }

    /// Writes what is new, or that the gateway lives.
    fn take(mut self, note: Option<Note>) -> Files {
        let call = note.as_ref().map(|note| note.call().to_owned());
        let written = match note {
            Some(note) => self.write(note),
            None => self.journal.alive(wall_ms()),
        };
        if let Err(error) = written {
            error!(%error, call, "the records could not be written");
        }
        self
    }

    fn write(&mut self, note: Note) -> io::Result<()> {
        match note {
            Note::Up(record) => self.journal.up(record),
            Note::Over(record) => {
                self.append(&record)?;
                self.journal.over(&record.call)
            }
        }
    }
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

impl Writer {
    fn note(&self, note: Note) {
        let Some(queue) = &self.queue else { return };
        if let Err(full) = queue.try_send(note) {
            error!(call = full.into_inner().call(), "too many records wait for the disk: one is lost");
        }
    }
}

impl Ledger for Writer {
    fn up(&mut self, record: Record) {
        self.note(Note::Up(record));
    }

    fn append(&mut self, record: Record) {
        self.note(Note::Over(record));
    }
}
