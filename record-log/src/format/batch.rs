//! Batches: what is written and made durable at once.
//!
//! ```text
//! header of 64 bytes, the headers of the entries, the blocks of the entries back to back
//!  0  4  magic "KBAT"
//!  4  4  CRC32C, seeded with the segment's nonce, of the rest of the header and the headers of all entries
//!  8  8  the segment's nonce
//! 16  4  bytes of the whole batch
//! 20  4  bytes of all headers, this one too: where the first block begins
//! 24  4  number of entries
//! 28  4  features needed to read
//! 32  8  index: 1 for a log's first batch, then one more each
//! 40  8  term, from 1
//! 48  8  log time in milliseconds since 1970, never less than an earlier batch's
//! 56  8  durable: the position in this segment up to which all was durable when the batch was formed
//! ```
//!
//! The block of an Append ([`super::entry`]) is a [`group_core::record::RecordBlock`] of at most 128 KiB, or one record.
//! A shard may have several in a batch, so a reader of one shard reads the headers and its own blocks, and never needs the
//! other shards' bytes. A batch without entries confirms the one before it, or begins a term.
//!
//! Index, term, log time and entries are the same in all copies of a log; nonce and `durable` are this copy's own.

use bytes::{Buf as _, BufMut as _, Bytes};
use group_core::{Batch, Change, Step};

use super::entry::{EntryError, EntryHeader, Lengths};
use super::features::Unknown;
use super::{Invalid, seed_of};

/// Bytes of a batch's header without those of its entries.
pub const BATCH_HEADER_BYTES: usize = 64;
/// No batch is larger: one append of the largest size, and room for headers.
pub const MAX_BATCH_BYTES: usize = 40 << 20;
/// Where a search for a batch looks.
pub const BATCH_MAGIC: &[u8; 4] = b"KBAT";

const CRC: std::ops::Range<usize> = 4..8;

/// What every version says of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The number of the batch, from 1.
    pub index: u64,
    /// The term of the leader that numbered it, from 1.
    pub term: u64,
    /// Log time when it was proposed, in milliseconds since 1970.
    pub time_ms: u64,
    /// Up to which position of its segment all was durable when it was formed.
    pub durable: u64,
    /// Bytes of the whole batch.
    pub bytes: usize,
    /// Bytes of all headers: where the first block begins.
    pub headers_bytes: usize,
}

/// All headers of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Of the batch.
    pub frame: Frame,
    /// Of its entries.
    pub entries: Vec<EntryHeader>,
}

/// A batch whose checksum is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// This version knows all of it.
    Known(BatchHeader),
    /// A newer version wrote it, with something that this one does not know.
    Newer(Frame, Unknown),
}

impl BatchHeader {
    /// The headers of a batch, formed when all up to `durable` was durable.
    #[must_use]
    pub fn of(batch: &Batch, durable: u64) -> Self {
        let entries: Vec<_> = batch.entries.iter().map(EntryHeader::of).collect();
        let headers_bytes = BATCH_HEADER_BYTES + entries.iter().map(EntryHeader::bytes).sum::<usize>();
        let bytes = headers_bytes + entries.iter().map(|entry| entry.block_bytes as usize).sum::<usize>();
        let Batch { index, term, time_ms, .. } = *batch;
        Self { frame: Frame { index, term, time_ms, durable, bytes, headers_bytes }, entries }
    }

    /// What the batch does to a state.
    #[must_use]
    pub fn step(&self) -> Step<impl Iterator<Item = Change> + Clone + '_> {
        let Frame { index, term, time_ms, .. } = self.frame;
        Step { index, term, time_ms, changes: self.entries.iter().map(|entry| entry.change.clone()) }
    }

    /// The entries, each with where its block begins, in bytes from the batch's beginning.
    pub fn blocks(&self) -> impl Iterator<Item = (&EntryHeader, usize)> {
        self.entries.iter().scan(self.frame.headers_bytes, |start, entry| {
            let begin = *start;
            *start += entry.block_bytes as usize;
            Some((entry, begin))
        })
    }

    /// Puts the whole batch into the first [`Frame::bytes`] of the buffer. `blocks` are the blocks' bytes in order, in any
    /// pieces.
    pub fn encode<'b>(&self, nonce: u64, blocks: impl Iterator<Item = &'b Bytes>, buffer: &mut [u8]) {
        let frame = &self.frame;
        let (headers, mut rest) = buffer.split_at_mut(frame.headers_bytes);
        let mut put = &mut *headers;
        put.put_slice(BATCH_MAGIC);
        put.put_u32_le(0);
        put.put_u64_le(nonce);
        put.put_u32_le(frame.bytes as u32);
        put.put_u32_le(frame.headers_bytes as u32);
        put.put_u32_le(self.entries.len() as u32);
        put.put_u32_le(0);
        put.put_u64_le(frame.index);
        put.put_u64_le(frame.term);
        put.put_u64_le(frame.time_ms);
        put.put_u64_le(frame.durable);
        for entry in &self.entries {
            entry.encode(&mut put);
        }
        let crc = headers_crc(nonce, headers);
        headers[CRC].copy_from_slice(&crc.to_le_bytes());
        for block in blocks {
            rest.put_slice(block);
        }
    }

    /// How many bytes the headers of the batch at the beginning of the bytes have.
    ///
    /// Cheap, and no client can make up bytes that pass: it does not know the nonce.
    ///
    /// # Errors
    /// If no batch of the segment begins there.
    pub fn peek(nonce: u64, bytes: &[u8]) -> Result<usize, Invalid> {
        if bytes.len() < BATCH_HEADER_BYTES {
            return Err(Invalid("the header of a batch breaks off"));
        }
        if !bytes.starts_with(BATCH_MAGIC) || (&bytes[8..16]).get_u64_le() != nonce {
            return Err(Invalid("no batch of this segment begins here"));
        }
        let headers_bytes = (&bytes[20..24]).get_u32_le() as usize;
        match (BATCH_HEADER_BYTES..=MAX_BATCH_BYTES).contains(&headers_bytes) {
            true => Ok(headers_bytes),
            false => Err(Invalid("the header of a batch is corrupt")),
        }
    }

    /// Checks and reads the headers of a batch. The blocks are not looked at.
    ///
    /// # Errors
    /// If they are not what was written in this use of the segment.
    pub fn decode(nonce: u64, bytes: &[u8]) -> Result<Decoded, Invalid> {
        let headers_bytes = Self::peek(nonce, bytes)?;
        let headers = bytes.get(..headers_bytes).ok_or(Invalid("the headers of a batch break off"))?;
        if headers_crc(nonce, headers) != (&headers[CRC]).get_u32_le() {
            return Err(Invalid("the checksum of a batch's headers is wrong"));
        }
        let mut rest = &headers[16..];
        let (bytes, _, count, features) =
            (rest.get_u32_le() as usize, rest.get_u32_le(), rest.get_u32_le(), rest.get_u32_le());
        let (index, term, time_ms, durable) =
            (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        let frame = Frame { index, term, time_ms, durable, bytes, headers_bytes };
        if !(headers_bytes..=MAX_BATCH_BYTES).contains(&bytes) {
            return Err(Invalid("a batch is not as long as its headers"));
        }
        if features != 0 {
            return Ok(Decoded::Newer(frame, Unknown::Features(features.into())));
        }
        let mut entries = Vec::with_capacity(count as usize);
        let (mut blocks_bytes, mut unknown) = (0, None);
        while !rest.is_empty() {
            let lengths = Lengths::peek(rest)?;
            blocks_bytes += lengths.block_bytes;
            let (header, behind) = rest.split_at(lengths.header_bytes);
            match EntryHeader::decode(header) {
                Ok(entry) => entries.push(entry),
                Err(EntryError::Unknown(what)) => unknown = unknown.or(Some(what)),
                Err(EntryError::Invalid(invalid)) => return Err(invalid),
            }
            rest = behind;
        }
        if headers_bytes + blocks_bytes != bytes {
            return Err(Invalid("a batch is not as long as its entries"));
        }
        match unknown {
            Some(unknown) => Ok(Decoded::Newer(frame, unknown)),
            None if entries.len() == count as usize => Ok(Decoded::Known(Self { frame, entries })),
            None => Err(Invalid("a batch has not as many entries as it says")),
        }
    }
}

impl Decoded {
    /// What every version says of it.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        match self {
            Self::Known(header) => &header.frame,
            Self::Newer(frame, _) => frame,
        }
    }
}

fn headers_crc(nonce: u64, headers: &[u8]) -> u32 {
    crc32c::crc32c_append(seed_of(nonce), &headers[CRC.end..])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use catalog::member::OpenShard;
    use catalog::{HashKey, HashKeyRange, ShardId};
    use group_core::record::{Record, RecordBlock, RecordBlockBuilder};
    use group_core::{Entry, MAX_RESHARD_SHARDS, Reshard};
    use proptest::prelude::*;
    use smallvec::smallvec;

    use super::*;

    const NONCE: u64 = 0x1234_5678_9abc_def0;

    fn block(records: &[Vec<u8>]) -> RecordBlock {
        let mut builder = RecordBlockBuilder::default();
        records.iter().for_each(|data| builder.push(Record { partition_key: "key", data }));
        builder.build()
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let data = proptest::collection::vec(any::<u8>(), 0..30);
        let append = (0u32..1_000, any::<[u64; 2]>(), proptest::collection::vec(data, 1..4)).prop_map(
            |(shard, [first_offset, arrival_ms], records)| {
                let shard = ShardId::new(shard).unwrap();
                let records_count = records.len() as u32;
                let change = Change::Append { shard, first_offset, records: records_count, arrival_ms };
                Entry { change, blocks: smallvec![block(&records)] }
            },
        );
        let control = prop_oneof![
            any::<u32>().prop_map(|hours| Change::SetRetention { hours }),
            any::<u64>().prop_map(|horizon_ms| Change::Trim { horizon_ms }),
            any::<u64>().prop_map(|time_ms| Change::ClockStep { time_ms }),
            reshard(),
        ];
        prop_oneof![append, control.prop_map(|change| Entry { change, blocks: smallvec![] })]
    }

    fn reshard() -> impl Strategy<Value = Change> {
        let id = |index| ShardId::new(index).unwrap();
        let open =
            (0u32..1_000, any::<[u128; 2]>(), proptest::collection::vec(0u32..1_000, 0..3), any::<u64>())
                .prop_map(move |(index, [start, end], parents, create_seconds)| OpenShard {
                    id: id(index),
                    range: HashKeyRange { start: HashKey(start), end: HashKey(end) },
                    parents: parents.into_iter().map(id).collect(),
                    create_seconds,
                });
        let most = MAX_RESHARD_SHARDS;
        let seal = proptest::collection::vec((0u32..1_000).prop_map(id), 0..=most);
        (any::<[u64; 2]>(), seal, proptest::collection::vec(open, 0..=most)).prop_map(
            |([op, arrival_ms], seal, open)| Change::Reshard {
                arrival_ms,
                reshard: Arc::new(Reshard { op, seal, open }),
            },
        )
    }

    fn encode(batch: &Batch, durable: u64) -> (BatchHeader, Vec<u8>) {
        let header = BatchHeader::of(batch, durable);
        let mut bytes = vec![0; header.frame.bytes];
        let blocks = batch.entries.iter().flat_map(|entry| entry.blocks.iter().map(RecordBlock::bytes));
        header.encode(NONCE, blocks, &mut bytes);
        (header, bytes)
    }

    fn two_entries() -> Vec<u8> {
        let records = [b"one".to_vec(), b"two".to_vec()];
        let append = Change::Append { shard: ShardId::FIRST, first_offset: 3, records: 2, arrival_ms: 4 };
        let entries = vec![
            Entry { change: append, blocks: smallvec![block(&records)] },
            Entry { change: Change::SetRetention { hours: 48 }, blocks: smallvec![] },
        ];
        encode(&Batch { index: 1, term: 1, time_ms: 2, entries }, 0).1
    }

    /// The batch with a byte changed, and its checksum made right again.
    fn changed(at: usize, byte: u8) -> Result<Decoded, Invalid> {
        let mut bytes = two_entries();
        bytes[at] = byte;
        let headers_bytes = BatchHeader::peek(NONCE, &bytes).unwrap();
        let crc = headers_crc(NONCE, &bytes[..headers_bytes]);
        bytes[CRC].copy_from_slice(&crc.to_le_bytes());
        BatchHeader::decode(NONCE, &bytes)
    }

    proptest! {
        #[test]
        fn batch_reads_back_as_it_was_written(
            numbers in any::<[u64; 4]>(), entries in proptest::collection::vec(entry(), 0..6)
        ) {
            let [index, term, time_ms, durable] = numbers;
            let batch = Batch { index, term, time_ms, entries };
            let (header, bytes) = encode(&batch, durable);
            prop_assert_eq!(BatchHeader::decode(NONCE, &bytes), Ok(Decoded::Known(header.clone())));
            for ((read, start), entry) in header.blocks().zip(&batch.entries) {
                let block = &bytes[start..start + read.block_bytes as usize];
                prop_assert_eq!(read.check(block), Ok(()));
                prop_assert_eq!(&read.change, &entry.change);
                let written: Vec<u8> = entry.blocks.iter().flat_map(|block| block.bytes().to_vec()).collect();
                prop_assert_eq!(block, written);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 48..200)) {
            let mut whole = two_entries()[..BATCH_HEADER_BYTES].to_vec();
            whole.extend(&bytes);
            let headers_bytes = whole.len() as u32;
            whole[20..24].copy_from_slice(&headers_bytes.to_le_bytes());
            let crc = headers_crc(NONCE, &whole);
            whole[CRC].copy_from_slice(&crc.to_le_bytes());
            let _ = BatchHeader::decode(NONCE, &whole);
        }
    }

    #[test]
    fn no_bit_of_a_batchs_headers_is_without_a_check() {
        let mut bytes = two_entries();
        let headers_bytes = BatchHeader::peek(NONCE, &bytes).unwrap();
        for bit in 0..8 * headers_bytes {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(BatchHeader::decode(NONCE, &bytes).is_err(), "{bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(BatchHeader::decode(NONCE, &bytes).is_ok());
        assert!(BatchHeader::decode(NONCE + 1, &bytes).is_err());
    }

    #[test]
    fn what_only_a_newer_version_knows_is_newer_and_its_end_is_known() {
        let bytes = two_entries().len();
        let entry = BATCH_HEADER_BYTES;
        for (at, byte, unknown) in [
            (28, 4, Unknown::Features(4)),
            (entry + 2, 77, Unknown::EntryKind(77)),
            (entry + 3, 1, Unknown::BlockEncoding(1)),
            (entry + 4, 2, Unknown::Features(2)),
            (entry + 40, 9, Unknown::Key(9)),
        ] {
            let Ok(Decoded::Newer(frame, found)) = changed(at, byte) else { panic!("byte {at} is newer") };
            assert_eq!((found, frame.bytes, frame.index), (unknown, bytes, 1));
        }
    }

    #[test]
    fn entry_whose_header_a_newer_version_made_longer_is_read() {
        let (header, bytes) = encode(
            &Batch {
                index: 1,
                term: 1,
                time_ms: 2,
                entries: vec![Entry { change: Change::SetRetention { hours: 48 }, blocks: smallvec![] }],
            },
            0,
        );
        let mut longer = bytes;
        longer.extend([0xee; 8]);
        let all = longer.len();
        longer[16..20].copy_from_slice(&(all as u32).to_le_bytes());
        longer[20..24].copy_from_slice(&(all as u32).to_le_bytes());
        longer[BATCH_HEADER_BYTES] += 8;
        let crc = headers_crc(NONCE, &longer);
        longer[CRC].copy_from_slice(&crc.to_le_bytes());
        let Ok(Decoded::Known(read)) = BatchHeader::decode(NONCE, &longer) else { panic!("it is known") };
        assert_eq!(read.entries, header.entries);
        assert_eq!(read.frame.bytes, all);
    }
}
