//! A walk over all batches of a segment, the corrupt ones too.

use std::sync::Arc;

use super::window::{ReadSource, Window};
use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::format::batch::{BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, Decoded};
use crate::format::{Unknown, block_floor};

/// How much is read at once.
const PIECE_BYTES: usize = 1 << 20;
/// A failed read is tried so often.
pub const TRIES: usize = 3;

/// What the scan found at a position.
#[derive(Debug)]
pub enum Step {
    /// A batch whose headers are good.
    Batch {
        /// Where it begins.
        position: u64,
        /// Its headers.
        header: BatchHeader,
        /// What is wrong with its blocks, if anything is.
        error: Option<ScanError>,
    },
    /// A batch whose headers are good, and which a newer version wrote.
    Newer {
        /// Where it begins.
        position: u64,
        /// Where it ends.
        until: u64,
        /// What this version does not know of it.
        unknown: Unknown,
    },
    /// No batch.
    Corrupt {
        /// Where one should begin.
        position: u64,
        /// Where the next good headers begin, or the end.
        until: u64,
        /// What is there instead.
        error: ScanError,
    },
}

/// Why a batch, or a part of it, is corrupt.
#[derive(Clone, Debug)]
pub struct ScanError {
    /// Where exactly: where a batch should begin, or where its corrupt block does.
    pub position: u64,
    /// What is wrong.
    pub what: String,
    /// Whether the disk did not give the bytes.
    pub unreadable: bool,
    /// Whether a batch header begins there: then one was written, if not whole.
    pub begun: bool,
}

/// Goes from batch to batch.
#[derive(Debug)]
pub struct Scan {
    file: Arc<dyn DiskFile>,
    window: Window,
    nonce: u64,
    position: u64,
    end: u64,
    check_blocks: bool,
}

impl Scan {
    /// Begins at a position where a batch begins; stops at the end, where no batch begins any more.
    pub fn new(file: Arc<dyn DiskFile>, nonce: u64, position: u64, end: u64, check_blocks: bool) -> Self {
        let window = Window::new(Arc::clone(&file), ReadSource::Disk, PIECE_BYTES);
        Self { file, window, nonce, position, end, check_blocks }
    }

    /// The next batch, or the next range without one, which ends at the next good header.
    pub fn next(&mut self) -> Option<Step> {
        let position = self.position;
        if position >= self.end {
            return None;
        }
        match self.headers(position) {
            Ok(decoded) if position + decoded.frame().bytes as u64 <= self.end => {
                self.position = position + decoded.frame().bytes as u64;
                Some(match decoded {
                    Decoded::Newer(_, unknown) => Step::Newer { position, until: self.position, unknown },
                    Decoded::Known(header) => {
                        let error =
                            if self.check_blocks { self.check(position, &header).err() } else { None };
                        Step::Batch { position, header, error }
                    }
                })
            }
            Ok(_) => {
                Some(self.corrupt(position, ScanError::new(position, "a batch goes past the end", true)))
            }
            Err(error) => Some(self.corrupt(position, error)),
        }
    }

    fn corrupt(&mut self, position: u64, mut error: ScanError) -> Step {
        self.position = self.find_header(position + 1, &mut error).unwrap_or(self.end);
        Step::Corrupt { position, until: self.position, error }
    }

    fn headers(&mut self, position: u64) -> Result<Decoded, ScanError> {
        let nonce = self.nonce;
        let bytes = self.get(position, BATCH_HEADER_BYTES)?;
        let headers_bytes =
            BatchHeader::peek(nonce, bytes).map_err(|invalid| ScanError::new(position, invalid.0, false))?;
        let bytes = self.get(position, headers_bytes)?;
        BatchHeader::decode(nonce, bytes).map_err(|invalid| ScanError::new(position, invalid.0, true))
    }

    fn check(&mut self, position: u64, header: &BatchHeader) -> Result<(), ScanError> {
        for (entry, start) in header.blocks() {
            let start = position + start as u64;
            let (mut crc, mut done) = (0, 0);
            while done < entry.block_bytes as usize {
                let piece = (entry.block_bytes as usize - done).min(PIECE_BYTES);
                let bytes = self.get(start + done as u64, piece);
                let bytes = bytes.map_err(|error| ScanError { position: start, ..error })?;
                crc = crc32c::crc32c_append(crc, bytes);
                done += piece;
            }
            if crc != entry.block_crc {
                return Err(ScanError::new(start, "the checksum of a record block is wrong", true));
            }
        }
        Ok(())
    }

    fn get(&mut self, position: u64, bytes: usize) -> Result<&[u8], ScanError> {
        let mut tries = 1;
        while let Err(error) = self.window.get(position, bytes) {
            if tries == TRIES {
                return Err(ScanError::unreadable(position, &error));
            }
            tries += 1;
        }
        self.window.get(position, bytes).map_err(|error| ScanError::unreadable(position, &error))
    }

    /// Where the next batch with good headers begins.
    fn find_header(&mut self, from: u64, error: &mut ScanError) -> Option<u64> {
        let mut start = from;
        while start < self.end {
            let bytes = usize::try_from(self.end - start).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let (piece, unreadable) = self.read_what_can_be(start, bytes);
            error.unreadable |= unreadable;
            let begins = piece.windows(BATCH_MAGIC.len()).enumerate();
            let hits = begins.filter(|(_, bytes)| bytes == BATCH_MAGIC).map(|(at, _)| start + at as u64);
            for hit in hits.collect::<Vec<_>>() {
                if self.headers(hit).is_ok_and(|decoded| hit + decoded.frame().bytes as u64 <= self.end) {
                    return Some(hit);
                }
            }
            // The magic may lie across the edge of two pieces.
            start += (piece.len().saturating_sub(BATCH_MAGIC.len() - 1)).max(1) as u64;
        }
        None
    }

    /// The bytes at a position, with zeros for blocks that the disk does not give, and whether there were any.
    fn read_what_can_be(&self, position: u64, bytes: usize) -> (Vec<u8>, bool) {
        let mut buffer = vec![0; bytes];
        if self.file.read_disk(position, &mut buffer).is_ok() {
            return (buffer, false);
        }
        let (mut done, mut unreadable) = (0, false);
        while done < bytes {
            let at = position + done as u64;
            let block_end = (block_floor(at) + BLOCK_BYTES as u64 - at) as usize;
            let piece = &mut buffer[done..bytes.min(done + block_end)];
            let gives = (0..TRIES).any(|_| self.file.read_disk(at, piece).is_ok());
            if !gives {
                piece.fill(0);
                unreadable = true;
            }
            done += piece.len();
        }
        (buffer, unreadable)
    }
}

impl ScanError {
    fn new(position: u64, what: &str, begun: bool) -> Self {
        Self { position, what: what.into(), unreadable: false, begun }
    }

    fn unreadable(position: u64, error: &std::io::Error) -> Self {
        Self { position, what: error.to_string(), unreadable: true, begun: false }
    }
}
