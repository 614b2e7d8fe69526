//! Batches: what is written and made durable at once.
//!
//! ```text
//! head of 64 bytes, entry heads of 32 bytes, the blocks of the entries back to back
//!  0  4  magic "KBAT"
//!  4  4  CRC32C, seeded with the segment's nonce, of the rest of the head and all entry heads
//!  8  8  the segment's nonce
//! 16  4  bytes of the whole batch
//! 20  4  number of entries
//! 24  8  index: 1 for a log's first batch, then one more each
//! 32  8  term, 0 until logs are replicated
//! 40  8  arrival in milliseconds since 1970, never less than an earlier batch's
//! 48  8  durable: the position in this segment up to which all was durable when the batch was formed
//! 56  8  0
//!
//! entry head
//!  0  4  kind: 1 Append, 2 SetRetention, 3 Trim, 4 AcceptLoss
//!  4  4  shard index                         | 0            | 0               | 0
//!  8  8  offset of the first record          | 0            | oldest arrival  | from where and to where in the segment, 4 each
//! 16  4  number of records                   | hours        | 0               | sequence number of the segment
//! 20  4  bytes of the block                  | 0            | 0               | 0
//! 24  4  CRC32C of the block                 | 0            | 0               | 0
//! 28  4  id of the key that sealed the records; 0, none
//! ```
//!
//! The block of an Append is a [`crate::record::RecordBlock`]. A batch has at most one Append a shard, so a reader of
//! one shard reads the heads and its own block, and never needs the other shards' bytes. A batch without entries
//! confirms the one before it.

use bytes::{Buf as _, BufMut as _, Bytes};
use catalog::ShardId;

use super::{Invalid, seed_of};
use crate::state::SegmentRange;

/// Bytes of a batch's head without its entry heads.
pub const BATCH_HEAD_BYTES: usize = 64;
/// Bytes of an entry's head.
pub const ENTRY_HEAD_BYTES: usize = 32;
/// No batch is larger: one append of the largest size, and room for heads.
pub const MAX_BATCH_BYTES: usize = 40 << 20;
/// Where a search for a batch's head looks.
pub const BATCH_MAGIC: &[u8; 4] = b"KBAT";

const CRC: std::ops::Range<usize> = 4..8;

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Adds records to a shard.
    Append,
    /// Says how long records are kept.
    SetRetention,
    /// Expires records.
    Trim,
    /// Gives up a range of a segment.
    AcceptLoss,
}

/// An entry's head, and where its block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// What it does.
    pub kind: EntryKind,
    /// To which shard.
    pub shard: ShardId,
    /// The offset of its first record, or what the kind has in its place.
    pub first_offset: u64,
    /// How many records it has, or what the kind has in their place.
    pub records: u32,
    /// How many bytes the block has.
    pub block_bytes: u32,
    /// The block's checksum.
    pub block_crc: u32,
}

impl EntryHeader {
    /// An entry that is no Append.
    #[must_use]
    pub fn control(kind: EntryKind, long: u64, short: u32) -> Self {
        let shard = ShardId::FIRST;
        Self { kind, shard, first_offset: long, records: short, block_bytes: 0, block_crc: 0 }
    }

    /// An entry that gives up a range.
    ///
    /// # Panics
    /// If the segment is the 2^32nd or as large as 4 GiB.
    #[must_use]
    pub fn accept_loss(SegmentRange { segment, start, end }: SegmentRange) -> Self {
        let four = |number: u64| u32::try_from(number).expect("four bytes are enough for a segment");
        let range = u64::from(four(start)) | u64::from(four(end)) << 32;
        Self::control(EntryKind::AcceptLoss, range, four(segment))
    }

    /// The range that an AcceptLoss gives up.
    #[must_use]
    pub fn range(&self) -> SegmentRange {
        let (start, end) = (self.first_offset & u64::from(u32::MAX), self.first_offset >> 32);
        SegmentRange { segment: self.records.into(), start, end }
    }

    /// Checks the entry's block.
    ///
    /// # Errors
    /// If it is not the block that was written.
    pub fn check(&self, block: &[u8]) -> Result<(), Invalid> {
        match crc32c::crc32c(block) == self.block_crc {
            true => Ok(()),
            false => Err(Invalid("the checksum of a run of records is wrong")),
        }
    }
}

/// A batch's heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The number of the batch, from 1.
    pub index: u64,
    /// When it arrived, in milliseconds since 1970.
    pub arrival_ms: u64,
    /// Up to which position of its segment all was durable when it was formed.
    pub durable: u64,
    /// Its entries.
    pub entries: Vec<EntryHeader>,
}

impl BatchHeader {
    /// Bytes of the head and the entry heads: where the first block begins.
    #[must_use]
    pub fn heads_bytes(&self) -> usize {
        BATCH_HEAD_BYTES + self.entries.len() * ENTRY_HEAD_BYTES
    }

    /// Bytes of the whole batch.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.heads_bytes() + self.entries.iter().map(|entry| entry.block_bytes as usize).sum::<usize>()
    }

    /// The entries, each with where its block begins, in bytes from the batch's beginning.
    pub fn blocks(&self) -> impl Iterator<Item = (&EntryHeader, usize)> {
        self.entries.iter().scan(self.heads_bytes(), |start, entry| {
            let begin = *start;
            *start += entry.block_bytes as usize;
            Some((entry, begin))
        })
    }

    /// Puts the whole batch into the first [`BatchHeader::bytes`] of the buffer. `blocks` are the blocks' bytes in order,
    /// in any pieces.
    pub fn encode<'b>(&self, nonce: u64, blocks: impl Iterator<Item = &'b Bytes>, buffer: &mut [u8]) {
        let heads_bytes = self.heads_bytes();
        let (heads, mut rest) = buffer.split_at_mut(heads_bytes);
        let mut put = &mut *heads;
        put.put_slice(BATCH_MAGIC);
        put.put_u32_le(0);
        put.put_u64_le(nonce);
        put.put_u32_le(self.bytes() as u32);
        put.put_u32_le(self.entries.len() as u32);
        put.put_u64_le(self.index);
        put.put_u64_le(0);
        put.put_u64_le(self.arrival_ms);
        put.put_u64_le(self.durable);
        put.put_u64_le(0);
        for entry in &self.entries {
            put.put_u32_le(match entry.kind {
                EntryKind::Append => 1,
                EntryKind::SetRetention => 2,
                EntryKind::Trim => 3,
                EntryKind::AcceptLoss => 4,
            });
            put.put_u32_le(entry.shard.index());
            put.put_u64_le(entry.first_offset);
            put.put_u32_le(entry.records);
            put.put_u32_le(entry.block_bytes);
            put.put_u32_le(entry.block_crc);
            put.put_u32_le(0);
        }
        let crc = heads_crc(nonce, heads);
        heads[CRC].copy_from_slice(&crc.to_le_bytes());
        for block in blocks {
            rest.put_slice(block);
        }
    }

    /// How many bytes the heads of the batch at the beginning of the bytes have.
    ///
    /// Cheap, and no client can make up bytes that pass: it does not know the nonce.
    ///
    /// # Errors
    /// If no batch of the segment begins there.
    pub fn peek(nonce: u64, bytes: &[u8]) -> Result<usize, Invalid> {
        if bytes.len() < BATCH_HEAD_BYTES {
            return Err(Invalid("a batch head breaks off"));
        }
        if !bytes.starts_with(BATCH_MAGIC) || (&bytes[8..16]).get_u64_le() != nonce {
            return Err(Invalid("no batch of this segment begins here"));
        }
        let entries = (&bytes[20..24]).get_u32_le() as usize;
        let heads_bytes = BATCH_HEAD_BYTES.saturating_add(entries.saturating_mul(ENTRY_HEAD_BYTES));
        if heads_bytes > MAX_BATCH_BYTES { Err(Invalid("a batch head is damaged")) } else { Ok(heads_bytes) }
    }

    /// Checks and reads the heads of a batch. The blocks are not looked at.
    ///
    /// # Errors
    /// If they are not what was written in this use of the segment.
    pub fn decode(nonce: u64, bytes: &[u8]) -> Result<Self, Invalid> {
        let heads_bytes = Self::peek(nonce, bytes)?;
        let heads = bytes.get(..heads_bytes).ok_or(Invalid("the entry heads of a batch break off"))?;
        if heads_crc(nonce, heads) != (&heads[CRC]).get_u32_le() {
            return Err(Invalid("the checksum of a batch's heads is wrong"));
        }
        let mut rest = &heads[16..];
        let batch_bytes = rest.get_u32_le() as usize;
        rest.advance(4);
        let (index, _term, arrival_ms, durable) =
            (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        rest.advance(8);
        let mut entries = Vec::with_capacity(rest.len() / ENTRY_HEAD_BYTES);
        while !rest.is_empty() {
            entries.push(decode_entry(&mut rest)?);
        }
        let head = Self { index, arrival_ms, durable, entries };
        match head.bytes() == batch_bytes && batch_bytes <= MAX_BATCH_BYTES {
            true => Ok(head),
            false => Err(Invalid("a batch is not as long as its entries")),
        }
    }
}

fn heads_crc(nonce: u64, heads: &[u8]) -> u32 {
    crc32c::crc32c_append(seed_of(nonce), &heads[CRC.end..])
}

fn decode_entry(rest: &mut &[u8]) -> Result<EntryHeader, Invalid> {
    let kind = match rest.get_u32_le() {
        1 => EntryKind::Append,
        2 => EntryKind::SetRetention,
        3 => EntryKind::Trim,
        4 => EntryKind::AcceptLoss,
        _ => return Err(Invalid("an entry is of a kind that this version does not know")),
    };
    let shard = ShardId::new(rest.get_u32_le()).ok_or(Invalid("an entry's shard is no shard"))?;
    let (first_offset, records) = (rest.get_u64_le(), rest.get_u32_le());
    let (block_bytes, block_crc) = (rest.get_u32_le(), rest.get_u32_le());
    match rest.get_u32_le() {
        0 => Ok(EntryHeader { kind, shard, first_offset, records, block_bytes, block_crc }),
        _ => Err(Invalid("an entry is sealed by a key, which this version does not know")),
    }
}
