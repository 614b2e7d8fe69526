//! A window over a file: a buffer that moves with the reader.

use std::io;
use std::sync::Arc;

use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::format::block_floor;
use crate::value::Wait;

/// Where the bytes come from.
#[derive(Clone, Copy, Debug)]
pub enum ReadSource {
    /// From the disk, past every cache.
    Disk,
    /// From wherever they are, waiting or not.
    Anywhere(Wait),
}

/// Reads a file by pieces, from front to back.
#[derive(Debug)]
pub struct Window {
    file: Arc<dyn DiskFile>,
    source: ReadSource,
    piece_bytes: usize,
    buffer: Vec<u8>,
    start: u64,
}

impl Window {
    /// A window that reads at least so many bytes at once.
    pub fn new(file: Arc<dyn DiskFile>, source: ReadSource, piece_bytes: usize) -> Self {
        Self { file, source, piece_bytes, buffer: Vec::new(), start: 0 }
    }

    /// From now on reads at least so many bytes at once.
    pub fn set_piece_bytes(&mut self, piece_bytes: usize) {
        self.piece_bytes = piece_bytes;
    }

    /// The bytes at a position, fewer only where the file ends.
    pub fn get(&mut self, position: u64, bytes: usize) -> io::Result<&[u8]> {
        let has = self.start..self.start + self.buffer.len() as u64;
        if position < has.start || position + bytes as u64 > has.end {
            self.fill(position, bytes)?;
        }
        let skip = usize::try_from(position - self.start).unwrap_or(usize::MAX).min(self.buffer.len());
        let rest = &self.buffer[skip..];
        Ok(&rest[..bytes.min(rest.len())])
    }

    /// Reads past the window.
    pub fn read_exact(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self.read(position, buffer)? {
            read if read == buffer.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn fill(&mut self, position: u64, bytes: usize) -> io::Result<()> {
        let start = block_floor(position);
        let wanted = ((position - start) as usize + bytes).next_multiple_of(BLOCK_BYTES);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(wanted.max(self.piece_bytes), 0);
        let read = match self.read(start, &mut buffer) {
            // The read ahead may fail where what is asked for does not.
            Err(_) if buffer.len() > wanted => {
                buffer.truncate(wanted);
                self.read(start, &mut buffer)?
            }
            read => read?,
        };
        buffer.truncate(read);
        (self.buffer, self.start) = (buffer, start);
        Ok(())
    }

    fn read(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self.source {
            ReadSource::Disk => self.file.read_disk(position, buffer),
            ReadSource::Anywhere(wait) => self.file.read(position, buffer, wait),
        }
    }
}
