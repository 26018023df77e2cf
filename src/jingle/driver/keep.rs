//! The subscribers of each connection, in a file of the state directory: whoever has one of our addresses in a
//! roster shall see it come back after a restart.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::warn;
use xmpp_parsers::jid::BareJid;

use crate::jingle::config::ConnectionId;
use crate::jingle::endpoint::Kept;

/// How often the files are written at most.
const EVERY: Duration = Duration::from_secs(1);

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Subscriber {
    account: String,
    address: String,
}

/// Writes the files, in a task of its own.
pub struct Keeper {
    kept: watch::Sender<Kept>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Keeps the subscribers of a connection in place of those before.
    pub fn keep(&mut self, connection: ConnectionId, subscribers: Vec<(BareJid, BareJid)>) {
        self.kept.send_modify(|kept| {
            kept.insert(connection, subscribers);
        });
    }

    /// Waits until all is on disk.
    pub async fn finish(self) {
        drop(self.kept);
        let _ = self.task.await;
    }
}

/// Reads the files of the connections, and starts to keep them.
pub fn start(state: &Path, names: &[String]) -> (Kept, Keeper) {
    let files: BTreeMap<ConnectionId, PathBuf> =
        (0..).map(ConnectionId).zip(names.iter().map(|name| file(state, name))).collect();
    let kept: Kept = files.iter().map(|(id, path)| (*id, read(path))).collect();
    let (sender, receiver) = watch::channel(kept.clone());
    let task = tokio::spawn(run(files, kept.clone(), receiver));
    (kept, Keeper { kept: sender, task })
}

fn file(state: &Path, name: &str) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    state.join(format!("xmpp-{}.json", name.chars().map(plain).collect::<String>()))
}

async fn run(files: BTreeMap<ConnectionId, PathBuf>, mut written: Kept, mut kept: watch::Receiver<Kept>) {
    while kept.changed().await.is_ok() {
        let wanted = kept.borrow_and_update().clone();
        for (id, subscribers) in &wanted {
            let Some(path) = files.get(id).filter(|_| written.get(id) != Some(subscribers)) else { continue };
            let (path, text) = (path.clone(), text(subscribers));
            let shown = path.display().to_string();
            match tokio::task::spawn_blocking(move || write(&path, &text)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(file = shown, %error, "the subscribers cannot be kept"),
                Err(_) => warn!(file = shown, "the subscribers cannot be kept"),
            }
        }
        written = wanted;
        tokio::time::sleep(EVERY).await;
    }
}

fn text(subscribers: &[(BareJid, BareJid)]) -> String {
    let lines = subscribers.iter().map(|(account, address)| {
        let line = Subscriber { account: account.to_string(), address: address.to_string() };
        serde_json::to_string(&line).unwrap_or_default()
    });
    format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"))
}

fn read(path: &Path) -> Vec<(BareJid, BareJid)> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            warn!(file = %path.display(), %error, "the subscribers of the last run cannot be read");
            return Vec::new();
        }
    };
    let lines: Vec<Subscriber> = serde_json::from_str(&text).unwrap_or_else(|error| {
        warn!(file = %path.display(), %error, "the subscribers of the last run cannot be read");
        Vec::new()
    });
    lines.iter().filter_map(|line| Some((line.account.parse().ok()?, line.address.parse().ok()?))).collect()
}

/// Writes the whole file or nothing of it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_was_kept_is_there_after_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let names = ["office".to_owned(), "a/b".to_owned()];
        let (kept, mut keeper) = start(state.path(), &names);
        assert!(kept.values().all(Vec::is_empty));
        let pair: (BareJid, BareJid) = ("romeo@a.lit".parse().unwrap(), "42@phone.a.lit".parse().unwrap());
        keeper.keep(ConnectionId(1), vec![pair.clone()]);
        keeper.finish().await;
        let (kept, keeper) = start(state.path(), &names);
        assert_eq!(kept[&ConnectionId(1)], [pair]);
        assert!(kept[&ConnectionId(0)].is_empty());
        keeper.finish().await;
    }

    #[test]
    fn a_broken_file_is_no_reason_not_to_start() {
        let state = tempfile::tempdir().unwrap();
        let path = file(state.path(), "office");
        fs::write(&path, "{").unwrap();
        assert!(read(&path).is_empty());
    }
}
