//! Where a shard's records are in the file: a mark here and there, between which a reader goes from batch to batch.

/// A mark is set for a run this far behind the last one: so far a reader may have to look, and so much memory (24 bytes
/// a mark) a shard takes at most for a stretch of the file.
pub const STRIDE_BYTES: u64 = 256 << 10;

/// One run of the shard: the first, or one at least [`STRIDE_BYTES`] behind the mark before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The offset of the run's first record.
    pub first_offset: u64,
    /// When the run arrived.
    pub arrival_ms: u64,
    /// Where the batch with the run begins in the file.
    pub position: u64,
}

/// The marks of one shard. Offsets, arrivals and positions only grow from mark to mark.
#[derive(Debug, Default)]
pub struct Index {
    marks: Vec<Mark>,
}

impl Index {
    /// Notes the shard's next run.
    pub fn push(&mut self, run: Mark) {
        if self.marks.last().is_none_or(|last| run.position - last.position >= STRIDE_BYTES) {
            self.marks.push(run);
        }
    }

    /// Where to begin to look for the record with this offset, or the first one behind it.
    pub fn of_offset(&self, offset: u64) -> Option<Mark> {
        self.before(|mark| mark.first_offset <= offset)
    }

    /// Where to begin to look for the first run that arrived at this time or later.
    pub fn of_arrival(&self, arrival_ms: u64) -> Option<Mark> {
        self.before(|mark| mark.arrival_ms < arrival_ms)
    }

    /// The first mark at or behind this position.
    pub fn at_or_behind(&self, position: u64) -> Option<Mark> {
        self.marks.get(self.marks.partition_point(|mark| mark.position < position)).copied()
    }

    /// The last mark for which it holds, else the first of all.
    fn before(&self, holds: impl Fn(&Mark) -> bool) -> Option<Mark> {
        self.marks.get(self.marks.partition_point(holds).saturating_sub(1)).copied()
    }
}
