//! Where the batches of a segment lie and which records are in them: a reading of the format's drawing that shares no
//! code with the log.

use std::ops::Range;

use catalog::ShardId;
use record_log::disk::BLOCK_BYTES;

const SEGMENT_MAGIC: &[u8] = b"KINESEGM";
const SEGMENT_HEAD_BYTES: usize = 96;
const BATCH_MAGIC: &[u8] = b"KBAT";
const BATCH_HEAD_BYTES: usize = 64;
const ENTRY_BYTES: usize = 32;
const APPEND: u32 = 1;
const TRAILER_MAGIC: &[u8] = b"KINEFOOT";
const TRAILER_BYTES: usize = 40;

/// A segment.
#[derive(Debug)]
pub struct Layout {
    /// Where its head ends.
    pub head_end: usize,
    /// Its batches, in order; the last may be one that is not whole.
    pub batches: Vec<Batch>,
}

/// A batch.
#[derive(Debug)]
pub struct Batch {
    /// Its head and the heads of its entries.
    pub heads: Range<usize>,
    /// The runs of records in it.
    pub runs: Vec<Stored>,
    /// Where it ends.
    pub end: usize,
}

/// A run of records.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The shard.
    pub shard: ShardId,
    /// The offsets of its records.
    pub offsets: Range<u64>,
    /// Where its block lies.
    pub block: Range<usize>,
}

/// Where the trailer of a footer lies, if the segment has one of its own use.
#[must_use]
pub fn trailer(bytes: &[u8]) -> Option<Range<usize>> {
    let start = bytes.len().checked_sub(TRAILER_BYTES)?;
    let is_own = bytes[start..].starts_with(TRAILER_MAGIC) && bytes[bytes.len() - 8..] == bytes[16..24];
    is_own.then_some(start..bytes.len())
}

impl Layout {
    /// That of the segment with these bytes; nothing where they are no segment.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(SEGMENT_MAGIC) || bytes.len() < SEGMENT_HEAD_BYTES {
            return None;
        }
        let nonce = &bytes[16..24];
        let head_end = (SEGMENT_HEAD_BYTES + number(bytes, 88)?).next_multiple_of(BLOCK_BYTES);
        let (mut batches, mut position) = (Vec::new(), head_end);
        while let Some(batch) = Batch::at(bytes, position, nonce) {
            position = batch.end;
            batches.push(batch);
        }
        Some(Self { head_end, batches })
    }

    /// Where the last batch ends.
    #[must_use]
    pub fn end(&self) -> usize {
        self.batches.last().map_or(self.head_end, |batch| batch.end)
    }
}

impl Batch {
    fn at(bytes: &[u8], start: usize, nonce: &[u8]) -> Option<Self> {
        let head = bytes.get(start..start + BATCH_HEAD_BYTES)?;
        if !head.starts_with(BATCH_MAGIC) || &head[8..16] != nonce {
            return None;
        }
        let (end, entries) = (start + number(head, 16)?, number(head, 20)?);
        let heads_end = start + BATCH_HEAD_BYTES + entries.checked_mul(ENTRY_BYTES)?;
        if heads_end > end || end > bytes.len() {
            return None;
        }
        let (mut runs, mut position) = (Vec::new(), heads_end);
        for entry in bytes[start + BATCH_HEAD_BYTES..heads_end].chunks(ENTRY_BYTES) {
            let block = position..position + number(entry, 20)?;
            position = block.end;
            if number(entry, 0)? == APPEND as usize {
                let shard = ShardId::new(u32::try_from(number(entry, 4)?).ok()?)?;
                let first = u64::from_le_bytes(entry[8..16].try_into().ok()?);
                runs.push(Stored {
                    shard,
                    offsets: first..first.checked_add(number(entry, 16)? as u64)?,
                    block,
                });
            }
        }
        Some(Self { heads: start..heads_end, runs, end })
    }
}

/// Four bytes.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}
