//! Parses the batches and records of a segment. It follows the drawing of the format and shares no code with the log.

use std::ops::Range;

use catalog::ShardId;
use record_log::disk::BLOCK_BYTES;

const SEGMENT_MAGIC: &[u8] = b"KINESEGM";
const SEGMENT_HEAD_BYTES: usize = 136;
const BATCH_MAGIC: &[u8] = b"KBAT";
/// Bytes of a batch's head; the heads of its entries follow.
pub const BATCH_HEAD_BYTES: usize = 64;
const LEAST_ENTRY_BYTES: usize = 48;
/// The kind of an entry with records.
pub const APPEND: u8 = 1;
/// A kind of entry that only a later version knows.
pub const NEWER_ENTRY_KIND: u8 = 200;
const TRAILER_MAGIC: &[u8] = b"KINEFOOT";
const TRAILER_BYTES: usize = 88;

/// A segment.
#[derive(Debug)]
pub struct Layout {
    /// The end of its header.
    pub header_end: usize,
    /// Its batches, in order; the last may be one that is not whole.
    pub batches: Vec<Batch>,
}

/// A batch.
#[derive(Debug)]
pub struct Batch {
    /// Its header and those of its entries.
    pub headers: Range<usize>,
    /// The runs of records in it.
    pub runs: Vec<Stored>,
    /// Where it ends.
    pub end: usize,
    /// Whether its headers are whole, and only a later version knows an entry of it.
    pub is_newer: bool,
}

/// A run of records.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The shard.
    pub shard: ShardId,
    /// The offsets of its records.
    pub offsets: Range<u64>,
    /// The bytes of its block.
    pub block: Range<usize>,
}

/// One of a header's two masks.
#[derive(Clone, Copy, Debug)]
pub enum Mask {
    /// What must be known to read the segment.
    ToRead,
    /// What must be known to write behind it.
    ToWrite,
}

/// What this version writes in the mask to write, where the log was resharded.
const RESHARDED: u64 = 1;

/// Whether a whole header of a segment has features in a mask that this version does not know.
#[must_use]
pub fn has_features(bytes: &[u8], mask: Mask) -> bool {
    let at = match mask {
        Mask::ToRead => 32..40,
        Mask::ToWrite => 40..48,
    };
    let known = if let Mask::ToWrite = mask { RESHARDED } else { 0 };
    let features = bytes.get(at).and_then(|mask| mask.try_into().ok()).map_or(0, u64::from_le_bytes);
    is_header_whole(bytes) && features & !known != 0
}

/// Whether the header of a segment is as it was written.
#[must_use]
pub fn is_header_whole(bytes: &[u8]) -> bool {
    let checksum = |bytes| crc32c::crc32c(checked_of_header(bytes)).to_le_bytes();
    bytes.starts_with(SEGMENT_MAGIC) && bytes.len() >= SEGMENT_HEAD_BYTES && bytes[8..12] == checksum(bytes)
}

/// The bytes that the checksum of a segment's header is of.
#[must_use]
pub fn checked_of_header(bytes: &[u8]) -> &[u8] {
    number(bytes, 12).and_then(|end| bytes.get(12..end)).unwrap_or_default()
}

/// The bytes of the trailer of the footer, if the segment has one with its own nonce.
#[must_use]
pub fn trailer(bytes: &[u8]) -> Option<Range<usize>> {
    let start = bytes.len().checked_sub(TRAILER_BYTES)?;
    let trailer = &bytes[start..];
    let is_own = trailer.starts_with(TRAILER_MAGIC) && trailer[64..72] == bytes[48..56];
    is_own.then_some(start..bytes.len())
}

impl Layout {
    /// The layout of a segment with these bytes; `None` if they are not a segment.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(SEGMENT_MAGIC) || bytes.len() < SEGMENT_HEAD_BYTES {
            return None;
        }
        let nonce = &bytes[48..56];
        let header_end = number(bytes, 12)?.next_multiple_of(BLOCK_BYTES);
        let (mut batches, mut position) = (Vec::new(), header_end);
        while let Some(batch) = Batch::at(bytes, position, nonce) {
            position = batch.end;
            batches.push(batch);
        }
        Some(Self { header_end, batches })
    }

    /// The end of the last batch.
    #[must_use]
    pub fn end(&self) -> usize {
        self.batches.last().map_or(self.header_end, |batch| batch.end)
    }
}

impl Batch {
    fn at(bytes: &[u8], start: usize, nonce: &[u8]) -> Option<Self> {
        let header = bytes.get(start..start + BATCH_HEAD_BYTES)?;
        if !header.starts_with(BATCH_MAGIC) || &header[8..16] != nonce {
            return None;
        }
        let (end, headers_end) = (start + number(header, 16)?, start + number(header, 20)?);
        if headers_end < start + BATCH_HEAD_BYTES || headers_end > end || end > bytes.len() {
            return None;
        }
        let (mut runs, mut position, mut is_newer) = (Vec::new(), headers_end, false);
        let mut entries = &bytes[start + BATCH_HEAD_BYTES..headers_end];
        while !entries.is_empty() {
            let entry_bytes = usize::from(u16::from_le_bytes(entries.get(..2)?.try_into().ok()?));
            let entry = entries.get(..entry_bytes).filter(|entry| entry.len() >= LEAST_ENTRY_BYTES)?;
            entries = &entries[entry_bytes..];
            let block = position..position + number(entry, 32)?;
            position = block.end;
            is_newer |= entry[2] == NEWER_ENTRY_KIND || number(entry, 40)? > 0;
            if entry[2] == APPEND {
                let shard = ShardId::new(u32::try_from(number(entry, 8)?).ok()?)?;
                let first = u64::from_le_bytes(entry[16..24].try_into().ok()?);
                runs.push(Stored {
                    shard,
                    offsets: first..first.checked_add(number(entry, 12)? as u64)?,
                    block,
                });
            }
        }
        let headers = start..headers_end;
        let checked = &bytes[start + 8..headers_end];
        is_newer = is_newer
            && bytes[start + 4..start + 8]
                == crc32c::crc32c_append(crc32c::crc32c(nonce), checked).to_le_bytes();
        Some(Self { headers, runs, end, is_newer })
    }
}

/// Four bytes.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use catalog::HashKeyRange;
    use catalog::member::OpenShard;
    use record_log::record::{Record, RecordBlockBuilder};
    use record_log::value::Run;
    use record_log::{Environment, LogConfig, Sizes, TailBudget, create, open};
    use uuid::Uuid;

    use super::*;
    use crate::clocks::Clocks;
    use crate::disk::SimulatedDisk;
    use crate::faults::Faults;

    /// The segment in which all is that is written here.
    pub const SEGMENT: &str = "segment-000000000002";

    /// Shard 0 or 1.
    pub fn shard(index: u32) -> ShardId {
        ShardId::new(index).unwrap()
    }

    fn run(index: u32, records: &[&str]) -> Run {
        let mut block = RecordBlockBuilder::default();
        records.iter().for_each(|data| block.push(Record { partition_key: "key", data: data.as_bytes() }));
        Run { shard: shard(index), block: block.build() }
    }

    /// What a log writes: what begins its term, "first" and "second" for shard 0 and "other" for shard 1 in a batch,
    /// then "third" for shard 0, then what confirms that.
    pub fn written() -> Vec<u8> {
        let disk = SimulatedDisk::new(1, Faults::default());
        let open_shard =
            |(index, range)| OpenShard { id: shard(index), range, parents: Vec::new(), create_seconds: 1 };
        let config = LogConfig {
            log_id: Uuid::from_u128(1),
            incarnation: Uuid::from_u128(2),
            shards: (0..).zip(HashKeyRange::uniform(2)).map(open_shard).collect(),
            retention_hours: 24,
            created_ms: 1,
        };
        create(&disk, 1, &config).unwrap();
        let environment = Environment {
            disk: Arc::new(disk.clone()),
            clock: Arc::new(Clocks::new(1)),
            random: Arc::new(|| 7),
            tail: TailBudget::new(0),
            sizes: Sizes::default(),
            trusts_own_clock: false,
        };
        let (mut log, _reader) = open(environment, config.incarnation).unwrap();
        log.append(&[vec![run(0, &["first", "second"]), run(1, &["other"])]]).unwrap();
        log.append(&[vec![run(0, &["third"])]]).unwrap();
        log.confirm().unwrap();
        disk.written(SEGMENT).unwrap()
    }

    #[test]
    fn batches_and_runs_are_found_where_the_log_wrote_them() {
        let bytes = written();
        let layout = Layout::of(&bytes).unwrap();
        assert_eq!(layout.header_end, BLOCK_BYTES);
        let runs: Vec<Vec<_>> = (layout.batches.iter())
            .map(|batch| batch.runs.iter().map(|run| (run.shard, run.offsets.clone())).collect())
            .collect();
        assert_eq!(runs, [vec![], vec![(shard(0), 1..3), (shard(1), 1..2)], vec![(shard(0), 3..4)], vec![]]);
        let holds = |batch: usize, run: usize, text: &str| {
            let block = &bytes[layout.batches[batch].runs[run].block.clone()];
            block.windows(text.len()).any(|window| window == text.as_bytes())
        };
        assert!(
            holds(1, 0, "first") && holds(1, 0, "second") && holds(1, 1, "other") && holds(2, 0, "third")
        );
        assert!(!holds(1, 0, "other") && !holds(1, 1, "second"));
        assert!(bytes[layout.end()..].iter().all(|byte| *byte == 0));
        assert_eq!(trailer(&bytes), None);
    }

    #[test]
    fn bytes_of_an_earlier_use_of_the_file_are_not_a_batch() {
        let mut bytes = written();
        let second = Layout::of(&bytes).unwrap().batches[1].headers.start;
        bytes[second + 8] ^= 1;
        assert_eq!(Layout::of(&bytes).unwrap().batches.len(), 1);
        assert!(Layout::of(b"KINESEGM").is_none());
    }
}
