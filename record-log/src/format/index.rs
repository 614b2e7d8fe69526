//! The sparse index of a segment: where the runs of each shard are, an entry every few KiB. Between two entries a
//! reader goes from batch to batch. Kept in memory while the segment is written, and in its footer once it is closed.

use std::collections::BTreeMap;

use catalog::ShardId;

use group_core::{LogShard, State};

use crate::format::batch::BatchHeader;
use crate::format::entry::Appends;

/// A run gets an entry if so many of the shard's own bytes lie between it and the last entry ...
const SHARD_STRIDE_BYTES: u64 = 4 << 10;
/// ... or as many bytes of the segment as [`crate::Sizes`] says: a reader walks that far at most.
pub const STRIDE_BYTES: u64 = 256 << 10;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The offset of the run's first record.
    pub first_offset: u64,
    /// When the run arrived.
    pub arrival_ms: u64,
    /// Where the batch with the run begins in the segment.
    pub position: u64,
}

/// The index of one shard in one segment. Offsets, arrivals and positions only grow from entry to entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardIndex {
    entries: Vec<IndexEntry>,
    /// The shard's bytes since the last entry.
    unindexed_bytes: u64,
}

impl ShardIndex {
    /// An index of entries that were kept.
    #[must_use]
    pub fn of(entries: Vec<IndexEntry>) -> Self {
        Self { entries, unindexed_bytes: 0 }
    }

    /// All entries, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Notes the shard's next run.
    fn push(&mut self, run: IndexEntry, stride_bytes: u64) {
        let due = self.entries.last().is_none_or(|last| {
            self.unindexed_bytes >= SHARD_STRIDE_BYTES || run.position - last.position >= stride_bytes
        });
        if due {
            self.entries.push(run);
            self.unindexed_bytes = 0;
        }
    }

    /// Notes that the next run may be at a position that cannot be read. The run behind it gets an entry of its own.
    fn push_unread(&mut self, entry: IndexEntry) {
        self.entries.push(entry);
        self.unindexed_bytes = SHARD_STRIDE_BYTES;
    }

    /// Where to begin to look for the record with this offset, or the first one behind it.
    #[must_use]
    pub fn of_offset(&self, offset: u64) -> Option<IndexEntry> {
        self.before(|entry| entry.first_offset <= offset)
    }

    /// Where to begin to look for the first run that arrived at this time or later.
    #[must_use]
    pub fn of_arrival(&self, arrival_ms: u64) -> Option<IndexEntry> {
        self.before(|entry| entry.arrival_ms < arrival_ms)
    }

    /// The last entry before this position, and the first one at or behind it.
    #[must_use]
    pub fn around(&self, position: u64) -> (Option<IndexEntry>, Option<IndexEntry>) {
        let (before, behind) =
            self.entries.split_at(self.entries.partition_point(|entry| entry.position < position));
        (before.last().copied(), behind.first().copied())
    }

    /// The last entry for which it holds, else the first of all.
    fn before(&self, holds: impl Fn(&IndexEntry) -> bool) -> Option<IndexEntry> {
        self.entries.get(self.entries.partition_point(holds).saturating_sub(1)).copied()
    }
}

/// The index of all shards in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentIndex {
    /// By shard; a shard without records in the segment is not there.
    pub shards: BTreeMap<ShardId, ShardIndex>,
    stride_bytes: u64,
}

impl SegmentIndex {
    /// An empty index. Every run will have an entry of its own, or one less than so many bytes before it.
    #[must_use]
    pub fn new(stride_bytes: u64) -> Self {
        Self { shards: BTreeMap::new(), stride_bytes }
    }

    /// Notes the entries of the batch that begins at this position: of a shard the first may get an index entry.
    pub fn note(&mut self, position: u64, header: &BatchHeader) {
        let mut noted = None;
        for entry in &header.entries {
            let Some(Appends { shard, first_offset, arrival_ms, .. }) = entry.appends() else { continue };
            let index = self.shards.entry(shard).or_default();
            if noted != Some(shard) {
                index.push(IndexEntry { first_offset, arrival_ms, position }, self.stride_bytes);
            }
            index.unindexed_bytes += u64::from(entry.block_bytes);
            noted = Some(shard);
        }
    }

    /// Notes that runs of any shard, behind this state, may be at this position, which cannot be read just now. Who
    /// looks for them goes there and tries again.
    pub fn note_unread(&mut self, position: u64, state: &State) {
        for (shard, LogShard { next_offset, last_arrival_ms, .. }) in &state.shards {
            let run = IndexEntry { first_offset: *next_offset, arrival_ms: *last_arrival_ms, position };
            self.shards.entry(*shard).or_default().push_unread(run);
        }
    }
}
