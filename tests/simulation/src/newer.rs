//! What of a log only a later version knows, and so what this one must leave alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use catalog::ShardId;

use crate::corrupted::{DOUBTFUL_BATCHES, segment_name, sequence_of};
use crate::disk::{CorruptFile, SimulatedDisk};
use crate::layout::{self, Layout, Mask};

/// What is newer.
#[derive(Debug, Default)]
pub struct Newer {
    /// Segments that this version cannot read, or not all of.
    unreadable: BTreeSet<String>,
    /// Segments that it must not write behind.
    to_write: BTreeSet<String>,
    /// The records that it may not be able to read.
    runs: BTreeMap<ShardId, Vec<Range<u64>>>,
    /// Whether the log ends with what it cannot read, and nothing of that is corrupt.
    pub ends_unreadable: bool,
    /// Whether the log ends with what it must not write behind, and nothing of that is corrupt.
    pub ends_read_only: bool,
}

impl Newer {
    /// What is newer on a disk.
    #[must_use]
    pub fn of(disk: &SimulatedDisk) -> Self {
        let corrupt = disk.corrupt_files();
        let mut newer = Self::default();
        let names: Vec<_> = disk.names().into_iter().filter(|name| sequence_of(name).is_some()).collect();
        for name in &names {
            // A failed write that reads as new may be on the platters or not.
            let file = corrupt.iter().find(|file| file.name == *name);
            for bytes in [disk.written(name), disk.durable(name)].into_iter().flatten() {
                newer.take(disk, name, &bytes);
                newer.judge_end(&bytes, file);
            }
        }
        newer
    }

    fn take(&mut self, disk: &SimulatedDisk, name: &str, bytes: &[u8]) {
        let Some(layout) = Layout::of(bytes) else { return };
        if layout::has_features(bytes, Mask::ToWrite) {
            self.to_write.insert(name.into());
        }
        let is_unreadable = layout::has_features(bytes, Mask::ToRead);
        if is_unreadable {
            self.unreadable.insert(name.into());
            // Only its header says for certain where the segment before it ends.
            let before = sequence_of(name).and_then(|sequence| disk.written(&segment_name(sequence - 1)));
            if let Some(before) = before.as_deref().and_then(Layout::of) {
                before.batches.iter().rev().take(DOUBTFUL_BATCHES).for_each(|batch| self.note(batch));
            }
        }
        for batch in layout.batches.iter().filter(|batch| is_unreadable || batch.is_newer) {
            self.unreadable.insert(name.into());
            self.note(batch);
        }
    }

    fn note(&mut self, batch: &layout::Batch) {
        for run in &batch.runs {
            self.runs.entry(run.shard).or_default().push(run.offsets.clone());
        }
    }

    /// Judges a segment as if it were the newest: what is judged last counts.
    fn judge_end(&mut self, bytes: &[u8], file: Option<&CorruptFile>) {
        let is_whole = |range: &Range<usize>| file.is_none_or(|file| !file.is_corrupt(range));
        let layout = Layout::of(bytes).filter(|layout| is_whole(&(0..layout.header_end)));
        let has_newer =
            |layout: &Layout| layout.batches.iter().any(|batch| batch.is_newer && is_whole(&batch.headers));
        self.ends_unreadable = layout
            .as_ref()
            .is_some_and(|layout| layout::has_features(bytes, Mask::ToRead) || has_newer(layout));
        self.ends_read_only = layout.is_some() && layout::has_features(bytes, Mask::ToWrite);
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.unreadable.is_empty() && self.to_write.is_empty()
    }

    /// Whether this version may refuse a file.
    #[must_use]
    pub fn may_be_refused(&self, file: &str) -> bool {
        self.unreadable.contains(file)
    }

    /// Whether all may be read and nothing written.
    #[must_use]
    pub fn may_be_read_only(&self) -> bool {
        !self.to_write.is_empty()
    }

    /// Whether a record may be one that this version cannot read.
    #[must_use]
    pub fn has(&self, shard: ShardId, offset: u64) -> bool {
        self.runs.get(&shard).is_some_and(|runs| runs.iter().any(|run| run.contains(&offset)))
    }
}
