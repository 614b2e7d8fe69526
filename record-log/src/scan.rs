//! Walking over all batches of a segment, the damaged ones too.

use std::sync::Arc;

use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::format::batch::{BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, Decoded};
use crate::format::{Unknown, block_floor};
use crate::window::{From, Window};

/// How much is read at once.
const PIECE_BYTES: usize = 1 << 20;
/// A read that fails is tried so often: the next may get through.
pub const TRIES: usize = 3;

/// What is at a place.
#[derive(Debug)]
pub enum Step {
    /// A batch whose heads are good.
    Batch {
        /// Where it begins.
        position: u64,
        /// Its heads.
        head: BatchHeader,
        /// What is wrong with its blocks, if anything is.
        wrong: Option<Wrong>,
    },
    /// A batch whose heads are good, and which a newer version wrote.
    Newer {
        /// Where it begins.
        position: u64,
        /// What this version does not know of it.
        unknown: Unknown,
    },
    /// No batch.
    Bad {
        /// Where one should begin.
        position: u64,
        /// Where the next good heads begin, or the end.
        until: u64,
        /// What is there instead.
        wrong: Wrong,
    },
}

/// Why a batch, or a part of it, is bad.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// Where exactly: where a batch should begin, or where its bad block does.
    pub position: u64,
    /// What is wrong.
    pub what: String,
    /// Whether the disk did not give the bytes.
    pub unreadable: bool,
    /// Whether the head of a batch begins there, so that one was written, if not whole.
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
        let window = Window::new(Arc::clone(&file), From::Disk, PIECE_BYTES);
        Self { file, window, nonce, position, end, check_blocks }
    }

    /// The next batch, or the next stretch that is none. Behind one it goes on at the next good head.
    pub fn next(&mut self) -> Option<Step> {
        let position = self.position;
        if position >= self.end {
            return None;
        }
        match self.heads(position) {
            Ok(decoded) if position + decoded.frame().bytes as u64 <= self.end => {
                self.position = position + decoded.frame().bytes as u64;
                Some(match decoded {
                    Decoded::Newer(_, unknown) => Step::Newer { position, unknown },
                    Decoded::Known(head) => {
                        let wrong = if self.check_blocks { self.check(position, &head).err() } else { None };
                        Step::Batch { position, head, wrong }
                    }
                })
            }
            Ok(_) => Some(self.bad(position, Wrong::new(position, "a batch goes past the end", true))),
            Err(wrong) => Some(self.bad(position, wrong)),
        }
    }

    fn bad(&mut self, position: u64, mut wrong: Wrong) -> Step {
        self.position = self.find_head(position + 1, &mut wrong).unwrap_or(self.end);
        Step::Bad { position, until: self.position, wrong }
    }

    fn heads(&mut self, position: u64) -> Result<Decoded, Wrong> {
        let nonce = self.nonce;
        let bytes = self.get(position, BATCH_HEADER_BYTES)?;
        let heads_bytes =
            BatchHeader::peek(nonce, bytes).map_err(|invalid| Wrong::new(position, invalid.0, false))?;
        let bytes = self.get(position, heads_bytes)?;
        BatchHeader::decode(nonce, bytes).map_err(|invalid| Wrong::new(position, invalid.0, true))
    }

    fn check(&mut self, position: u64, head: &BatchHeader) -> Result<(), Wrong> {
        for (entry, start) in head.blocks() {
            let start = position + start as u64;
            let (mut crc, mut done) = (0, 0);
            while done < entry.block_bytes as usize {
                let piece = (entry.block_bytes as usize - done).min(PIECE_BYTES);
                let bytes = self.get(start + done as u64, piece);
                let bytes = bytes.map_err(|wrong| Wrong { position: start, ..wrong })?;
                crc = crc32c::crc32c_append(crc, bytes);
                done += piece;
            }
            if crc != entry.block_crc {
                return Err(Wrong::new(start, "the checksum of a record block is wrong", true));
            }
        }
        Ok(())
    }

    fn get(&mut self, position: u64, bytes: usize) -> Result<&[u8], Wrong> {
        let mut tries = 1;
        while let Err(error) = self.window.get(position, bytes) {
            if tries == TRIES {
                return Err(Wrong::unreadable(position, &error));
            }
            tries += 1;
        }
        self.window.get(position, bytes).map_err(|error| Wrong::unreadable(position, &error))
    }

    /// Where the next batch with good heads begins.
    fn find_head(&mut self, from: u64, wrong: &mut Wrong) -> Option<u64> {
        let mut start = from;
        while start < self.end {
            let bytes = usize::try_from(self.end - start).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let (piece, unreadable) = self.read_what_can_be(start, bytes);
            wrong.unreadable |= unreadable;
            let begins = piece.windows(BATCH_MAGIC.len()).enumerate();
            let hits = begins.filter(|(_, bytes)| bytes == BATCH_MAGIC).map(|(at, _)| start + at as u64);
            for hit in hits.collect::<Vec<_>>() {
                if self.heads(hit).is_ok_and(|decoded| hit + decoded.frame().bytes as u64 <= self.end) {
                    return Some(hit);
                }
            }
            // The magic may lie across the edge of two pieces.
            start += (piece.len().saturating_sub(BATCH_MAGIC.len() - 1)).max(1) as u64;
        }
        None
    }

    /// The bytes at a position, zeros for blocks that the disk does not give; and whether there were such.
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

impl Wrong {
    fn new(position: u64, what: &str, begun: bool) -> Self {
        Self { position, what: what.into(), unreadable: false, begun }
    }

    fn unreadable(position: u64, error: &std::io::Error) -> Self {
        Self { position, what: error.to_string(), unreadable: true, begun: false }
    }
}
