//! RIFF WAVE with linear samples of 16 bits.

use std::io::{self, Seek, SeekFrom, Write};

use crate::media::tap::{CHANNELS, RATE_HZ};

/// Octets before the samples.
pub const HEADER: usize = 44;

/// Octets of a sample.
const SAMPLE: usize = 2;

/// The most octets of samples that the header can tell of.
pub const MAX_DATA: u32 = u32::MAX - HEADER as u32;

/// A file that is being written.
pub struct Wav<W> {
    out: W,
    /// Octets of samples.
    data: u32,
    buffer: Vec<u8>,
}

impl<W: Write + Seek> Wav<W> {
    /// Begins an empty file.
    ///
    /// # Errors
    /// What writing meets.
    pub fn new(mut out: W) -> io::Result<Wav<W>> {
        out.write_all(&header(0))?;
        Ok(Wav { out, data: 0, buffer: Vec::new() })
    }

    /// Adds samples; what the header could not tell of is an error.
    ///
    /// # Errors
    /// What writing meets.
    pub fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        let length = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        let data = self.data.checked_add(length).filter(|data| *data <= MAX_DATA);
        self.data = data.ok_or_else(|| io::Error::other("the file is as long as a WAV file can be"))?;
        self.out.write_all(&self.buffer)
    }

    /// Lets the header tell of all that has been written.
    ///
    /// # Errors
    /// What writing meets.
    pub fn settle(&mut self) -> io::Result<()> {
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header(self.data))?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()
    }

    /// What it is written to.
    pub fn written(&self) -> &W {
        &self.out
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What writing meets.
    pub fn finish(mut self) -> io::Result<W> {
        self.settle()?;
        Ok(self.out)
    }
}

fn header(data: u32) -> [u8; HEADER] {
    const FMT_LENGTH: u32 = 16;
    const LINEAR: u16 = 1;
    let block = (CHANNELS * SAMPLE) as u16;
    let mut header = [0; HEADER];
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &(data + (HEADER as u32 - 8)).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &FMT_LENGTH.to_le_bytes(),
        &LINEAR.to_le_bytes(),
        &(CHANNELS as u16).to_le_bytes(),
        &RATE_HZ.to_le_bytes(),
        &(RATE_HZ * u32::from(block)).to_le_bytes(),
        &block.to_le_bytes(),
        &(8 * SAMPLE as u16).to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ];
    for (place, octet) in header.iter_mut().zip(fields.into_iter().flatten()) {
        *place = *octet;
    }
    header
}
