//! The thread that writes recordings, of all shards.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::{info, warn};

use super::OnEvents;
use super::system::free_bytes;
use crate::media::config::RecordingConfig;
use crate::media::tap::file::Writer;
use crate::media::tap::{Block, CHANNELS, FRAME_SAMPLES, TapKey, TapNews};
use crate::model::{RecordingFormat, RelayEvent, TapEnd};

/// Blocks that may wait for the disk: five seconds of a hundred recordings.
pub const MAX_BLOCKS_WAITING: usize = 2500;

/// Frames after which a file is made playable again: one second.
const SETTLED_EVERY: u64 = 50;

/// Files that only their owner reads.
const FILE_MODE: u32 = 0o600;
/// The same of their folder.
const FOLDER_MODE: u32 = 0o700;

/// Frames of silence that are written at once for what was lost.
const SILENCE: [i16; CHANNELS * FRAME_SAMPLES] = [0; CHANNELS * FRAME_SAMPLES];

/// Starts the thread; it ends when the last sender is gone, and has finished every file by then.
///
/// # Errors
/// The system has no thread to give.
pub fn start(config: RecordingConfig, on_events: OnEvents) -> io::Result<(SyncSender<TapNews>, JoinHandle<()>)> {
    let (sender, news) = sync_channel(MAX_BLOCKS_WAITING);
    let recorder = Recorder { config, on_events, files: HashMap::new(), serial: 0 };
    let thread = thread::Builder::new().name("recorder".into()).spawn(move || recorder.run(&news))?;
    Ok((sender, thread))
}

struct Recorder {
    config: RecordingConfig,
    on_events: OnEvents,
    files: HashMap<TapKey, Recording<BufWriter<File>>>,
    serial: u32,
}

impl Recorder {
    fn run(mut self, news: &Receiver<TapNews>) {
        while let Ok(news) = news.recv() {
            match news {
                TapNews::Opened(key, end, _) => self.open(key, &end),
                TapNews::Block(key, block) => self.write(key, &block),
                // A file has no place for words.
                TapNews::Word(..) => {}
                TapNews::Closed(key) => self.close(key, None),
            }
        }
        let left: Vec<TapKey> = self.files.keys().copied().collect();
        left.into_iter().for_each(|key| self.close(key, None));
    }

    fn open(&mut self, key: TapKey, end: &TapEnd) {
        let TapEnd::File { path, format } = end else { return };
        self.serial = self.serial.wrapping_add(1);
        match self.begin(path, *format) {
            Ok(recording) => {
                info!(call = %key.call, file = %recording.path.display(), "recording begins");
                self.files.insert(key, recording);
            }
            Err(why) => self.tell(key, Some(format!("the talk is not recorded: {why}"))),
        }
    }

    fn begin(&self, path: &Path, format: RecordingFormat) -> Result<Recording<BufWriter<File>>, String> {
        let Some(folder) = &self.config.directory else {
            return Err("the relay has no folder for recordings".into());
        };
        if self.files.len() >= self.config.most {
            return Err(format!("{} recordings are being made, which is the most", self.config.most));
        }
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err("its name leads out of the folder of recordings".into());
        }
        let whole = folder.join(path);
        let failed = |error: io::Error| format!("{}: {error}", whole.display());
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(failed)?;
        self.check_room(folder)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&whole).map_err(failed)?;
        let writer = Writer::new(format, BufWriter::new(file), self.serial).map_err(failed)?;
        Ok(Recording { writer, path: whole, frames: 0, settled: 0, lost: 0 })
    }

    fn check_room(&self, folder: &Path) -> Result<(), String> {
        match free_bytes(folder) {
            Some(free) if free < self.config.keep_free => {
                Err(format!("the disk has only {} MB left, of which none are for recordings", free >> 20))
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, key: TapKey, block: &Block) {
        let Some(recording) = self.files.get_mut(&key) else { return };
        let written = recording.write(block);
        let is_settled = recording.frames.saturating_sub(recording.settled) < SETTLED_EVERY;
        let settled = match (is_settled, written) {
            (false, Ok(())) => recording.settle(),
            (_, written) => written,
        };
        let (is_too_long, path) = (recording.time() >= self.config.longest, recording.path.clone());
        if let Err(error) = settled {
            return self.close(key, Some(format!("the recording ended: {}: {error}", path.display())));
        }
        if is_too_long {
            let longest = self.config.longest.as_secs() / 60;
            return self.close(key, Some(format!("the recording ended: it may last {longest} minutes")));
        }
        if !is_settled && let Err(why) = self.config.directory.as_deref().map_or(Ok(()), |d| self.check_room(d)) {
            self.close(key, Some(format!("the recording ended: {why}")));
        }
    }

    fn close(&mut self, key: TapKey, why: Option<String>) {
        let Some(recording) = self.files.remove(&key) else { return };
        let (path, seconds) = (recording.path.clone(), recording.time().as_secs());
        if recording.lost > 0 {
            let lost = u128::from(recording.lost) * FRAME.as_millis();
            warn!(call = %key.call, file = %path.display(), lost_ms = lost, "the disk was too slow: silence instead");
        }
        let finished = recording.writer.finish();
        let why = why.or(finished.err().map(|error| format!("the recording ended: {}: {error}", path.display())));
        info!(call = %key.call, file = %path.display(), seconds, "recording ends");
        self.tell(key, why);
    }

    fn tell(&self, key: TapKey, why: Option<String>) {
        if let Some(why) = &why {
            warn!(call = %key.call, why, "a recording did not go well");
        }
        (self.on_events)(vec![RelayEvent::TapEnded { call: key.call, tap: key.tap, why }]);
    }
}

/// How long a frame lasts.
const FRAME: Duration = crate::media::bridge::FRAME;

/// One file.
struct Recording<W: Write + Seek> {
    writer: Writer<W>,
    path: PathBuf,
    /// Frames in it.
    frames: u64,
    /// How many of them can be played for sure.
    settled: u64,
    /// How many of them are silence because blocks were lost.
    lost: u64,
}

impl<W: Write + Seek> Recording<W> {
    fn time(&self) -> Duration {
        FRAME.saturating_mul(u32::try_from(self.frames).unwrap_or(u32::MAX))
    }

    /// Writes a block at its place in time: what was lost before it is silence.
    fn write(&mut self, block: &Block) -> io::Result<()> {
        while self.frames < block.frame {
            self.writer.write(&SILENCE)?;
            self.frames += 1;
            self.lost += 1;
        }
        self.writer.write(&block.samples)?;
        self.frames += (block.samples.len() / SILENCE.len()) as u64;
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        self.settled = self.frames;
        self.writer.settle()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::sync::mpsc;

    use super::*;
    use crate::base::CallId;
    use crate::model::TapId;

    const KEY: TapKey = TapKey { call: CallId(1), tap: TapId(1) };

    fn recorder(config: RecordingConfig) -> (Recorder, mpsc::Receiver<RelayEvent>) {
        let (tell, told) = mpsc::channel();
        let tell = std::sync::Mutex::new(tell);
        let on_events: OnEvents = std::sync::Arc::new(move |events| {
            events.into_iter().for_each(|event| tell.lock().unwrap().send(event).unwrap());
        });
        (Recorder { config, on_events, files: HashMap::new(), serial: 0 }, told)
    }

    fn why(told: &mpsc::Receiver<RelayEvent>) -> String {
        match told.try_recv() {
            Ok(RelayEvent::TapEnded { why: Some(why), .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Ten frames that are no silence, at their place in time.
    fn block(number: u64) -> Block {
        let samples: Vec<i16> = (0..10 * SILENCE.len()).map(|n| (n * 7919 % 20_000) as i16).collect();
        Block { frame: number * 10, samples }
    }

    #[test]
    fn a_disk_that_is_full_ends_a_recording_with_a_sentence_and_nothing_else() {
        for format in [RecordingFormat::Wav, RecordingFormat::Opus] {
            let config = RecordingConfig { keep_free: 0, directory: None, ..RecordingConfig::default() };
            let (mut recorder, told) = recorder(config);
            // Linux' disk that is always full.
            let full = BufWriter::with_capacity(1 << 20, OpenOptions::new().write(true).open("/dev/full").unwrap());
            match Writer::new(format, full, 1) {
                Ok(writer) => {
                    let path = PathBuf::from("call.wav");
                    recorder.files.insert(KEY, Recording { writer, path, frames: 0, settled: 0, lost: 0 });
                    (0..20).for_each(|number| recorder.write(KEY, &block(number)));
                    let why = why(&told);
                    assert!(why.starts_with("the recording ended: call.wav: No space left"), "{format:?}: {why}");
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{format:?}"),
            }
            assert!(recorder.files.is_empty());
            // What still comes of it is nobody's.
            recorder.write(KEY, &block(21));
            recorder.close(KEY, None);
            assert!(told.try_recv().is_err(), "told once");
        }
    }

    #[test]
    fn a_recording_for_which_the_disk_has_no_room_to_spare_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Some(folder.path().to_owned());
        let config = RecordingConfig { directory, keep_free: u64::MAX, ..RecordingConfig::default() };
        let (mut recorder, told) = recorder(config);
        recorder.open(KEY, &TapEnd::File { path: "call.wav".into(), format: RecordingFormat::Wav });
        let why = why(&told);
        assert!(why.starts_with("the talk is not recorded: the disk has only"), "{why}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
