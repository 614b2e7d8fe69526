//! The bytes of a log's file: a file head, then batches back to back. All integers are little-endian.
//!
//! ```text
//! file head, 32 bytes
//!  0  8  magic "KINETLOG"
//!  8  4  format version, 1
//! 12  4  CRC32C of the other 28 bytes
//! 16 16  replica id: the random id of the volume's copy
//!
//! batch: head of 48 bytes, entry heads of 32 bytes, the blocks of the entries back to back
//!  0  4  magic "KBAT"
//!  4  4  CRC32C of the replica id, the rest of the head and all entry heads
//!  8  4  bytes of the whole batch
//! 12  4  format version, 1
//! 16  4  number of entries
//! 20  4  CRC32C of the replica id
//! 24  8  index: 1 for the first batch, then one more each
//! 32  8  term, 0 until logs are replicated
//! 40  8  arrival in milliseconds since 1970, never less than an earlier batch's
//!
//! entry head
//!  0  4  kind: 1 OpenShard, 2 Append
//!  4  4  shard index
//!  8  8  offset of the first record; 0 in OpenShard
//! 16  4  number of records; 0 in OpenShard
//! 20  4  bytes of the block
//! 24  4  CRC32C of the block
//! 28  4  id of the key that sealed the records; 0, none
//! ```
//!
//! The block of an OpenShard is a [`catalog::member::OpenShard`] as JSON, that of an Append a
//! [`crate::record::RecordBlock`]. A batch has at most one Append a shard. A reader checks the heads and its own
//! block, and never needs the other shards' bytes. The replica id in every check keeps bytes of another log, whatever
//! way they got there, from passing for a batch of this one.

use bytes::{Buf, BufMut, Bytes};
use catalog::ShardId;
use uuid::Uuid;

/// Bytes of the file head.
pub const FILE_HEAD_BYTES: usize = 32;
/// Bytes of a batch's head without its entry heads.
pub const BATCH_HEAD_BYTES: usize = 48;
const ENTRY_HEAD_BYTES: usize = 32;
/// The largest batch: one append of the largest size, and room for heads.
pub const MAX_BATCH_BYTES: usize = 40 << 20;

const FILE_MAGIC: &[u8; 8] = b"KINETLOG";
const BATCH_MAGIC: &[u8; 4] = b"KBAT";
const VERSION: u32 = 1;
const CRC_BYTES: std::ops::Range<usize> = 4..8;

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Opens a shard.
    OpenShard,
    /// Adds records to a shard.
    Append,
}

/// An entry to be written.
#[derive(Debug)]
pub struct Entry {
    /// What it does.
    pub kind: EntryKind,
    /// To which shard.
    pub shard: ShardId,
    /// The offset of its first record; 0 if it has none.
    pub first_offset: u64,
    /// How many records it has.
    pub records: u32,
    /// The block, in pieces.
    pub block: Vec<Bytes>,
}

/// An entry's head, and where its block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHead {
    /// What it does.
    pub kind: EntryKind,
    /// To which shard.
    pub shard: ShardId,
    /// The offset of its first record.
    pub first_offset: u64,
    /// How many records it has.
    pub records: u32,
    /// Where the block begins, in bytes from the batch's beginning.
    pub block_start: usize,
    /// How many bytes the block has.
    pub block_bytes: usize,
    block_crc: u32,
}

/// A batch's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHead {
    /// The number of the batch, from 1.
    pub index: u64,
    /// When it arrived, in milliseconds since 1970.
    pub arrival_ms: u64,
    /// Bytes of the whole batch.
    pub bytes: usize,
    /// Its entries.
    pub entries: Vec<EntryHead>,
}

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

/// Encodes and checks batches of one log.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    replica: Uuid,
    seed: u32,
}

impl Format {
    /// The format of the log with this replica id.
    pub fn new(replica: Uuid) -> Self {
        Self { replica, seed: crc32c::crc32c(replica.as_bytes()) }
    }

    /// The file's head.
    pub fn file_head(self) -> [u8; FILE_HEAD_BYTES] {
        let mut head = [0; FILE_HEAD_BYTES];
        head[..8].copy_from_slice(FILE_MAGIC);
        head[8..12].copy_from_slice(&VERSION.to_le_bytes());
        head[16..].copy_from_slice(self.replica.as_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..12]), &head[16..]);
        head[12..16].copy_from_slice(&crc.to_le_bytes());
        head
    }

    /// Adds a batch to the buffer.
    ///
    /// # Panics
    /// If it is larger than [`MAX_BATCH_BYTES`]: the log's queue takes no append that large.
    pub fn encode(self, index: u64, arrival_ms: u64, entries: &[Entry], buffer: &mut Vec<u8>) {
        let block_bytes = |entry: &Entry| entry.block.iter().map(Bytes::len).sum::<usize>();
        let heads_bytes = BATCH_HEAD_BYTES + entries.len() * ENTRY_HEAD_BYTES;
        let batch_bytes = heads_bytes + entries.iter().map(block_bytes).sum::<usize>();
        assert!(batch_bytes <= MAX_BATCH_BYTES, "a batch of {batch_bytes} bytes");

        let start = buffer.len();
        buffer.reserve(batch_bytes);
        buffer.put_slice(BATCH_MAGIC);
        buffer.put_u32_le(0);
        buffer.put_u32_le(batch_bytes as u32);
        buffer.put_u32_le(VERSION);
        buffer.put_u32_le(entries.len() as u32);
        buffer.put_u32_le(self.seed);
        buffer.put_u64_le(index);
        buffer.put_u64_le(0);
        buffer.put_u64_le(arrival_ms);
        for entry in entries {
            buffer.put_u32_le(match entry.kind {
                EntryKind::OpenShard => 1,
                EntryKind::Append => 2,
            });
            buffer.put_u32_le(entry.shard.index());
            buffer.put_u64_le(entry.first_offset);
            buffer.put_u32_le(entry.records);
            buffer.put_u32_le(block_bytes(entry) as u32);
            buffer.put_u32_le(entry.block.iter().fold(0, |crc, piece| crc32c::crc32c_append(crc, piece)));
            buffer.put_u32_le(0);
        }
        let crc = self.heads_crc(&buffer[start..]);
        buffer[start..][CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
        for piece in entries.iter().flat_map(|entry| &entry.block) {
            buffer.put_slice(piece);
        }
    }

    /// How many bytes the batch's head has with its entry heads, from its first [`BATCH_HEAD_BYTES`].
    ///
    /// Cheap, and no client can make up bytes that pass: it does not know the replica id.
    pub fn heads_bytes(self, bytes: &[u8]) -> Result<usize, Invalid> {
        if bytes.len() < BATCH_HEAD_BYTES {
            return Err(Invalid("a batch head breaks off"));
        }
        if &bytes[..4] != BATCH_MAGIC || (&bytes[20..24]).get_u32_le() != self.seed {
            return Err(Invalid("no batch of this log begins here"));
        }
        let entries = (&bytes[16..20]).get_u32_le() as usize;
        let heads = BATCH_HEAD_BYTES.saturating_add(entries.saturating_mul(ENTRY_HEAD_BYTES));
        if heads > MAX_BATCH_BYTES { Err(Invalid("a batch head is damaged")) } else { Ok(heads) }
    }

    /// Checks and reads the heads of a batch: its first [`Format::heads_bytes`], or more. The blocks are not looked at.
    pub fn parse(self, bytes: &[u8]) -> Result<BatchHead, Invalid> {
        let heads_bytes = self.heads_bytes(bytes)?;
        let heads = bytes.get(..heads_bytes).ok_or(Invalid("the entry heads of a batch break off"))?;
        if self.heads_crc(heads) != (&heads[CRC_BYTES]).get_u32_le() {
            return Err(Invalid("the checksum of a batch's heads is wrong"));
        }
        let mut rest = &heads[CRC_BYTES.end..];
        let batch_bytes = rest.get_u32_le() as usize;
        if rest.get_u32_le() != VERSION {
            return Err(Invalid("a batch is of another format version"));
        }
        rest.advance(8);
        let (index, _term, arrival_ms) = (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        let mut entries = Vec::with_capacity(rest.len() / ENTRY_HEAD_BYTES);
        let mut block_start = heads_bytes;
        while !rest.is_empty() {
            let entry = parse_entry(&mut rest, block_start)?;
            block_start += entry.block_bytes;
            entries.push(entry);
        }
        if batch_bytes != block_start || batch_bytes > MAX_BATCH_BYTES {
            return Err(Invalid("a batch is not as long as its entries"));
        }
        Ok(BatchHead { index, arrival_ms, bytes: batch_bytes, entries })
    }

    /// Checks and reads a whole batch at the beginning of the bytes, blocks included.
    pub fn parse_whole(self, bytes: &[u8]) -> Result<BatchHead, Invalid> {
        let head = self.parse(bytes)?;
        for entry in &head.entries {
            let block = bytes.get(entry.block_start..entry.block_start + entry.block_bytes);
            entry.check(block.ok_or(Invalid("a batch breaks off"))?)?;
        }
        Ok(head)
    }

    /// Whether the heads of a batch of this log are anywhere in the bytes behind the first.
    pub fn has_batch_behind(self, bytes: &[u8]) -> bool {
        let magics = (1..bytes.len()).filter(|&at| bytes[at..].starts_with(BATCH_MAGIC));
        magics.into_iter().any(|at| self.parse(&bytes[at..]).is_ok())
    }

    fn heads_crc(self, heads: &[u8]) -> u32 {
        crc32c::crc32c_append(self.seed, &heads[CRC_BYTES.end..])
    }
}

fn parse_entry(rest: &mut &[u8], block_start: usize) -> Result<EntryHead, Invalid> {
    let kind = match rest.get_u32_le() {
        1 => EntryKind::OpenShard,
        2 => EntryKind::Append,
        _ => return Err(Invalid("an entry is of a kind that this version does not know")),
    };
    let shard = ShardId::new(rest.get_u32_le()).ok_or(Invalid("an entry's shard is no shard"))?;
    let (first_offset, records) = (rest.get_u64_le(), rest.get_u32_le());
    let (block_bytes, block_crc) = (rest.get_u32_le() as usize, rest.get_u32_le());
    if rest.get_u32_le() != 0 {
        return Err(Invalid("an entry is sealed by a key, which this version does not know"));
    }
    Ok(EntryHead { kind, shard, first_offset, records, block_start, block_bytes, block_crc })
}

impl EntryHead {
    /// Checks the entry's block.
    pub fn check(&self, block: &[u8]) -> Result<(), Invalid> {
        if crc32c::crc32c(block) == self.block_crc {
            Ok(())
        } else {
            Err(Invalid("the checksum of a block is wrong"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let block = proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from),
            0..3,
        );
        let entry = (any::<bool>(), 0u32..100, any::<u64>(), any::<u32>(), block).prop_map(
            |(append, shard, first_offset, records, block)| Entry {
                kind: if append { EntryKind::Append } else { EntryKind::OpenShard },
                shard: ShardId::new(shard).unwrap(),
                first_offset,
                records,
                block,
            },
        );
        proptest::collection::vec(entry, 0..5)
    }

    proptest! {
        #[test]
        fn batch_reads_back_as_it_was_written(index: u64, arrival_ms: u64, entries in entries()) {
            let format = Format::new(Uuid::from_u128(7));
            let mut bytes = Vec::new();
            format.encode(index, arrival_ms, &entries, &mut bytes);
            let head = format.parse_whole(&bytes).unwrap();
            prop_assert_eq!((head.index, head.arrival_ms, head.bytes), (index, arrival_ms, bytes.len()));
            prop_assert_eq!(head.entries.len(), entries.len());
            for (read, written) in head.entries.iter().zip(&entries) {
                let block = &bytes[read.block_start..read.block_start + read.block_bytes];
                prop_assert_eq!(block, &written.block.concat()[..]);
                prop_assert_eq!((read.kind, read.shard), (written.kind, written.shard));
                prop_assert_eq!((read.first_offset, read.records), (written.first_offset, written.records));
            }
        }

        #[test]
        fn batch_with_a_flipped_bit_is_refused(entries in entries(), at: prop::sample::Index, bit in 0u8..8) {
            let format = Format::new(Uuid::from_u128(7));
            let mut bytes = Vec::new();
            format.encode(1, 2, &entries, &mut bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            prop_assert!(format.parse_whole(&bytes).is_err());
        }

        #[test]
        fn batch_that_breaks_off_is_refused(entries in entries(), at: prop::sample::Index) {
            let format = Format::new(Uuid::from_u128(7));
            let mut bytes = Vec::new();
            format.encode(1, 2, &entries, &mut bytes);
            bytes.truncate(at.index(bytes.len()));
            prop_assert!(format.parse_whole(&bytes).is_err());
        }
    }

    #[test]
    fn batch_of_another_log_is_refused() {
        let mut bytes = Vec::new();
        Format::new(Uuid::from_u128(1)).encode(1, 2, &[], &mut bytes);
        assert!(Format::new(Uuid::from_u128(1)).parse_whole(&bytes).is_ok());
        assert!(Format::new(Uuid::from_u128(2)).parse_whole(&bytes).is_err());
    }
}
