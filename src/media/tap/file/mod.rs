//! The files that recordings become: linear samples in WAV, or Opus in Ogg. Both can be played as far as they were
//! settled, should the program end in the middle.

pub mod opus;
pub mod wav;

use std::io::{self, Seek, Write};

use self::opus::OggOpus;
use self::wav::Wav;
use crate::model::RecordingFormat;

/// A file that is being written.
pub enum Writer<W: Write + Seek> {
    /// Linear samples.
    Wav(Wav<W>),
    /// Opus.
    Opus(Box<OggOpus<W>>),
}

impl<W: Write + Seek> Writer<W> {
    /// Begins an empty file. `serial` tells Ogg streams apart.
    ///
    /// # Errors
    /// What writing meets.
    pub fn new(format: RecordingFormat, out: W, serial: u32) -> io::Result<Writer<W>> {
        Ok(match format {
            RecordingFormat::Wav => Writer::Wav(Wav::new(out)?),
            RecordingFormat::Opus => Writer::Opus(Box::new(OggOpus::new(out, serial)?)),
        })
    }

    /// Adds whole frames: left, right, left, right.
    ///
    /// # Errors
    /// What writing meets.
    pub fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        match self {
            Writer::Wav(wav) => wav.write(samples),
            Writer::Opus(opus) => opus.write(samples),
        }
    }

    /// Makes what has been written playable.
    ///
    /// # Errors
    /// What writing meets.
    pub fn settle(&mut self) -> io::Result<()> {
        match self {
            Writer::Wav(wav) => wav.settle(),
            Writer::Opus(opus) => opus.settle(),
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What writing meets.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Writer::Wav(wav) => wav.finish(),
            Writer::Opus(opus) => opus.finish(),
        }
    }
}

#[cfg(test)]
mod tests;
