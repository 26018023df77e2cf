//! Call records, written as JSON lines by a task of their own.

use std::path::PathBuf;

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tracing::{error, info};

use super::calls::Ledger;
use crate::model::Record;

/// Records that wait to be written.
const QUEUE: usize = 4096;

/// Hands records to the writer.
pub struct Writer {
    queue: Option<mpsc::Sender<Record>>,
}

/// The writer's task; finished once everything handed in is on disk.
pub type Written = tokio::task::JoinHandle<()>;

/// Starts the writer; without a file, records are dropped.
///
/// # Errors
/// The file cannot be opened for appending.
pub async fn start(file: Option<PathBuf>) -> std::io::Result<(Writer, Option<Written>)> {
    let Some(path) = file else { return Ok((Writer { queue: None }, None)) };
    let opened = tokio::fs::OpenOptions::new().create(true).append(true).open(&path).await;
    let mut file = opened.map_err(|e| std::io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
    info!(file = %path.display(), "call records are appended there");
    let (queue, mut records) = mpsc::channel::<Record>(QUEUE);
    let task = tokio::spawn(async move {
        while let Some(record) = records.recv().await {
            let Ok(mut line) = serde_json::to_vec(&record) else { continue };
            line.push(b'\n');
            let written = file.write_all(&line).await;
            let written = if written.is_ok() { file.flush().await } else { written };
            if let Err(error) = written {
                error!(%error, call = record.call, "the record could not be written");
            }
        }
    });
    Ok((Writer { queue: Some(queue) }, Some(task)))
}

impl Ledger for Writer {
    fn append(&mut self, record: Record) {
        let Some(queue) = &self.queue else { return };
        if let Err(full) = queue.try_send(record) {
            let record = full.into_inner();
            error!(call = record.call, "too many records wait for the disk: one is lost");
        }
    }
}
