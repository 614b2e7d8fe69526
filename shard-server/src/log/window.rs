//! A piece of a file in memory, read ahead.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Reads a file in pieces: cheap for many small reads that move forward.
#[derive(Debug)]
pub struct Window<'a> {
    file: &'a File,
    piece_bytes: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    /// A window that reads at least so many bytes at once, where there are as many.
    pub fn new(file: &'a File, piece_bytes: usize) -> Self {
        Self { file, piece_bytes, start: 0, bytes: Vec::new() }
    }

    /// The bytes from a position on, as many as asked for or, at the file's end, fewer.
    pub fn get(&mut self, position: u64, bytes: usize) -> io::Result<&[u8]> {
        let from = position.checked_sub(self.start).and_then(|from| usize::try_from(from).ok());
        let from = match from {
            Some(from) if from.saturating_add(bytes) <= self.bytes.len() => from,
            _ => {
                self.fill(position, bytes.max(self.piece_bytes))?;
                0
            }
        };
        Ok(&self.bytes[from..self.bytes.len().min(from + bytes)])
    }

    fn fill(&mut self, position: u64, bytes: usize) -> io::Result<()> {
        self.start = position;
        self.bytes.resize(bytes, 0);
        let mut filled = 0;
        while filled < bytes {
            match self.file.read_at(&mut self.bytes[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.bytes.clear();
                    return Err(error);
                }
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}
