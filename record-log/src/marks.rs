//! Where the runs of a shard are in a segment: a mark here and there, between which a reader goes from batch to batch.

use std::collections::BTreeMap;

use catalog::ShardId;

use group_core::{LogShard, State};

use crate::format::batch::BatchHeader;
use crate::format::entry::Appends;

/// A run gets a mark if so many of the shard's own bytes lie between it and the last mark ...
const SHARD_STRIDE_BYTES: u64 = 4 << 10;
/// ... or so many bytes of the segment as [`crate::Sizes`] says: so far a reader may have to look.
pub const STRIDE_BYTES: u64 = 256 << 10;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The offset of the run's first record.
    pub first_offset: u64,
    /// When the run arrived.
    pub arrival_ms: u64,
    /// Where the batch with the run begins in the segment.
    pub position: u64,
}

/// The marks of one shard in one segment. Offsets, arrivals and positions only grow from mark to mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    marks: Vec<Mark>,
    /// The shard's bytes since the last mark.
    unmarked_bytes: u64,
}

impl Marks {
    /// Marks that were kept.
    #[must_use]
    pub fn of(marks: Vec<Mark>) -> Self {
        Self { marks, unmarked_bytes: 0 }
    }

    /// All of them, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Mark] {
        &self.marks
    }

    /// Notes the shard's next run.
    fn push(&mut self, run: Mark, stride_bytes: u64) {
        let due = self.marks.last().is_none_or(|last| {
            self.unmarked_bytes >= SHARD_STRIDE_BYTES || run.position - last.position >= stride_bytes
        });
        if due {
            self.marks.push(run);
            self.unmarked_bytes = 0;
        }
    }

    /// Notes that the next run may be at a place that cannot be read. The one behind it has a mark of its own.
    fn push_unread(&mut self, mark: Mark) {
        self.marks.push(mark);
        self.unmarked_bytes = SHARD_STRIDE_BYTES;
    }

    /// Where to begin to look for the record with this offset, or the first one behind it.
    #[must_use]
    pub fn of_offset(&self, offset: u64) -> Option<Mark> {
        self.before(|mark| mark.first_offset <= offset)
    }

    /// Where to begin to look for the first run that arrived at this time or later.
    #[must_use]
    pub fn of_arrival(&self, arrival_ms: u64) -> Option<Mark> {
        self.before(|mark| mark.arrival_ms < arrival_ms)
    }

    /// The last mark before this position, and the first one at or behind it.
    #[must_use]
    pub fn around(&self, position: u64) -> (Option<Mark>, Option<Mark>) {
        let (before, behind) =
            self.marks.split_at(self.marks.partition_point(|mark| mark.position < position));
        (before.last().copied(), behind.first().copied())
    }

    /// The last mark for which it holds, else the first of all.
    fn before(&self, holds: impl Fn(&Mark) -> bool) -> Option<Mark> {
        self.marks.get(self.marks.partition_point(holds).saturating_sub(1)).copied()
    }
}

/// The marks of all shards in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentMarks {
    /// By shard; a shard without records in the segment is not there.
    pub shards: BTreeMap<ShardId, Marks>,
    stride_bytes: u64,
}

impl SegmentMarks {
    /// No marks yet. Every run will have one less than so many bytes before it, or of its own.
    #[must_use]
    pub fn new(stride_bytes: u64) -> Self {
        Self { shards: BTreeMap::new(), stride_bytes }
    }

    /// Notes the entries of the batch that begins at this position: of a shard the first may get a mark.
    pub fn note(&mut self, position: u64, head: &BatchHeader) {
        let mut noted = None;
        for entry in &head.entries {
            let Some(Appends { shard, first_offset, arrival_ms, .. }) = entry.appends() else { continue };
            let marks = self.shards.entry(shard).or_default();
            if noted != Some(shard) {
                marks.push(Mark { first_offset, arrival_ms, position }, self.stride_bytes);
            }
            marks.unmarked_bytes += u64::from(entry.block_bytes);
            noted = Some(shard);
        }
    }

    /// Notes that at this position, behind this state, runs of any shard may be that cannot be read just now: whoever
    /// looks for them goes there, and sees whether that is still so.
    pub fn note_unread(&mut self, position: u64, state: &State) {
        for (shard, LogShard { next_offset, last_arrival_ms, .. }) in &state.shards {
            let mark = Mark { first_offset: *next_offset, arrival_ms: *last_arrival_ms, position };
            self.shards.entry(*shard).or_default().push_unread(mark);
        }
    }
}
