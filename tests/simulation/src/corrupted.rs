//! What corruption of the disk may have cost, and what the log may report about it. Everything else must be served.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use catalog::ShardId;
use record_log::Corruption;

use crate::disk::{CorruptFile, SLOT_BYTES};
use crate::layout::{self, Layout};

const SLOTS: &str = "slots";
const SEGMENT: &str = "segment-";
/// If neither a footer nor the next segment tells where a segment ends, so many of its last batches may look like
/// cut-off ones: the last one, and the last whole one.
pub const DOUBTFUL_BATCHES: usize = 2;

/// What is corrupt.
#[derive(Debug, Default)]
pub struct Corrupted {
    files: BTreeSet<String>,
    runs: BTreeMap<ShardId, Vec<Range<u64>>>,
    /// All runs of the batches of which a part is: at the end one is cut off as a whole.
    batches: BTreeMap<ShardId, Vec<Range<u64>>>,
    /// Those that may be: where bits flipped in the newest segment. What the disk does not give is never cut off.
    at_end: BTreeMap<ShardId, Vec<Range<u64>>>,
    /// How many bits did there: the second may be in what confirms the batch with the first.
    flipped_at_end: usize,
    /// The runs of later segments that are missing without a trace.
    untraced: BTreeMap<ShardId, Vec<Range<u64>>>,
    /// Whether neither slot is whole.
    slots: bool,
    /// Segments whose heads are.
    headers: BTreeSet<u64>,
    /// Whether the disk does not give a block of the newest segment.
    unreadable_tail: bool,
    oldest: u64,
    newest: u64,
    /// Whether no segment has a good head.
    no_header: bool,
}

impl Corrupted {
    /// What these corrupt files cost; all files that are there have these names. `written` gives what was
    /// written to a file that is there.
    #[must_use]
    pub fn of(corrupt: &[CorruptFile], names: &[String], written: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let missing =
            |name: &str| corrupt.iter().find(|file| file.name == name).map(|file| file.bytes.clone());
        let oldest = names.iter().filter_map(|name| sequence_of(name)).min().unwrap_or_default();
        let newest = names.iter().filter_map(|name| sequence_of(name)).max().unwrap_or_default();
        // Only a footer says that a segment was followed by another.
        let name = segment_name(newest);
        let is_whole =
            |footer: &Range<usize>| !corrupt.iter().any(|file| file.name == name && file.is_corrupt(footer));
        let is_newest_closed =
            written(&name).and_then(|bytes| layout::trailer(&bytes)).is_some_and(|at| is_whole(&at));
        let mut corrupted = Self { oldest, newest, ..Self::default() };
        for file in corrupt {
            corrupted.files.insert(file.name.clone());
            if file.name == SLOTS {
                corrupted.slots =
                    (0..2).all(|slot| file.is_corrupt(&(slot * SLOT_BYTES..(slot + 1) * SLOT_BYTES)));
            }
            let (Some(sequence), Some(layout)) = (sequence_of(&file.name), Layout::of(&file.bytes)) else {
                continue;
            };
            if sequence == newest {
                corrupted.unreadable_tail = file.is_unreadable;
                corrupted.flipped_at_end = file.flipped.len();
            }
            if file.is_corrupt(&(0..layout.header_end)) {
                corrupted.headers.insert(sequence);
                corrupted.take(&layout, |_| true);
                let before = segment_name(sequence - 1);
                let before = written(&before).or_else(|| missing(&before));
                if let Some(layout) = before.as_deref().and_then(Layout::of) {
                    let doubtful = layout.batches.len().saturating_sub(DOUBTFUL_BATCHES);
                    let from =
                        layout.batches.get(doubtful).map_or(layout.header_end, |batch| batch.headers.start);
                    corrupted.take(&layout, |block| block.start >= from);
                }
            }
            for batch in &layout.batches {
                let all = file.is_corrupt(&batch.headers);
                let runs = batch.runs.iter().filter(|run| all || file.is_corrupt(&run.block));
                runs.for_each(|run| corrupted.runs.entry(run.shard).or_default().push(run.offsets.clone()));
                let bytes = batch.headers.start..batch.end;
                if file.is_corrupt(&bytes) {
                    for run in &batch.runs {
                        corrupted.batches.entry(run.shard).or_default().push(run.offsets.clone());
                        if sequence > newest && !is_newest_closed {
                            corrupted.untraced.entry(run.shard).or_default().push(run.offsets.clone());
                        }
                        if sequence == newest && file.flipped.iter().any(|at| bytes.contains(at)) {
                            corrupted.at_end.entry(run.shard).or_default().push(run.offsets.clone());
                        }
                    }
                }
            }
        }
        corrupted.no_header =
            names.iter().filter_map(|name| sequence_of(name)).all(|at| corrupted.headers.contains(&at));
        corrupted
    }

    fn take(&mut self, layout: &Layout, is_taken: impl Fn(&Range<usize>) -> bool) {
        for run in layout.batches.iter().flat_map(|batch| &batch.runs).filter(|run| is_taken(&run.block)) {
            self.runs.entry(run.shard).or_default().push(run.offsets.clone());
        }
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a record is.
    #[must_use]
    pub fn has(&self, shard: ShardId, offset: u64) -> bool {
        self.runs.get(&shard).is_some_and(|runs| runs.iter().any(|run| run.contains(&offset)))
    }

    /// Whether a record, or another of its batch, is.
    #[must_use]
    pub fn has_of_batch(&self, shard: ShardId, offset: u64) -> bool {
        let batches = self.batches.get(&shard);
        self.has(shard, offset) || batches.is_some_and(|runs| runs.iter().any(|run| run.contains(&offset)))
    }

    /// Whether a record that was answered may be cut off, where no batch that is kept lies behind it.
    #[must_use]
    pub fn may_be_cut(&self, shard: ShardId, offset: u64, is_confirmed: bool) -> bool {
        let is_in = |runs: &BTreeMap<ShardId, Vec<Range<u64>>>| {
            runs.get(&shard).is_some_and(|runs| runs.iter().any(|run| run.contains(&offset)))
        };
        is_in(&self.untraced) || is_in(&self.at_end) && (!is_confirmed || self.flipped_at_end > 1)
    }

    /// Whether the log may report this: a corrupt or missing file; the segment before the oldest one, as the entry that
    /// trimmed it may be corrupt; or the segment behind a corrupt one, in which the gap shows.
    #[must_use]
    pub fn explains(&self, corruption: &Corruption) -> bool {
        let sequence = sequence_of(&corruption.file);
        let is_before_oldest = !self.is_nothing() && sequence.is_some_and(|at| at + 1 == self.oldest);
        let is_behind = corruption.is_gap
            && sequence.is_some_and(|at| at > 1 && self.files.contains(&segment_name(at - 1)));
        self.files.contains(&corruption.file) || is_before_oldest || is_behind
    }

    /// Whether it may not be known what was appended last: then the log takes nothing more until that is accepted.
    #[must_use]
    pub fn may_stop(&self) -> bool {
        self.unreadable_tail || self.headers.range(self.newest..).next().is_some()
    }

    /// Whether the log may not be opened.
    #[must_use]
    pub fn may_not_open(&self) -> bool {
        self.slots || self.no_header
    }
}

/// The name of a segment.
#[must_use]
pub fn segment_name(sequence: u64) -> String {
    format!("{SEGMENT}{sequence:012}")
}

/// The number of the segment with this name.
#[must_use]
pub fn sequence_of(name: &str) -> Option<u64> {
    name.strip_prefix(SEGMENT)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::{SEGMENT, shard, written};

    /// What is corrupt where bits flipped in the only segment of a log.
    fn flipped(at: &[usize]) -> Corrupted {
        let file = CorruptFile::flipped(SEGMENT, written(), at);
        Corrupted::of(&[file], &[SEGMENT.into()], |_| Some(written()))
    }

    /// Those behind the one that begins the term.
    fn batches() -> Vec<crate::layout::Batch> {
        Layout::of(&written()).unwrap().batches.split_off(1)
    }

    /// Which of "first", "second", "other" and "third" a bit costs.
    fn cost(corrupted: &Corrupted) -> [bool; 4] {
        [(0, 1), (0, 2), (1, 1), (0, 3)].map(|(index, offset)| corrupted.has(shard(index), offset))
    }

    #[test]
    fn bit_of_a_run_costs_the_run_and_one_of_the_headers_the_batch() {
        let batches = batches();
        assert_eq!(cost(&flipped(&[batches[0].runs[0].block.start])), [true, true, false, false]);
        assert_eq!(cost(&flipped(&[batches[0].runs[1].block.start])), [false, false, true, false]);
        assert_eq!(cost(&flipped(&[batches[0].headers.start])), [true, true, true, false]);
        assert_eq!(cost(&flipped(&[batches[1].headers.end - 1])), [false, false, false, true]);
        assert_eq!(cost(&flipped(&[batches[2].headers.start])), [false; 4]);
    }

    #[test]
    fn bit_of_the_segments_header_costs_all_of_it_and_stops_the_log() {
        let corrupted = flipped(&[20]);
        assert_eq!(cost(&corrupted), [true; 4]);
        assert!(corrupted.may_stop() && corrupted.may_not_open());
        let corrupted = flipped(&[batches()[0].headers.start]);
        assert!(!corrupted.may_stop() && !corrupted.may_not_open());
    }

    #[test]
    fn last_batch_may_be_cut_off_only_where_nothing_confirms_it() {
        let (last, confirmation) = (batches()[1].runs[0].block.start, batches()[2].headers.start);
        assert!(!flipped(&[last]).may_be_cut(shard(0), 3, true));
        assert!(flipped(&[last]).may_be_cut(shard(0), 3, false));
        assert!(flipped(&[last, confirmation]).may_be_cut(shard(0), 3, true));
        assert!(!flipped(&[confirmation]).may_be_cut(shard(0), 3, false));
    }

    #[test]
    fn only_corrupt_files_and_gaps_behind_them_may_be_reported() {
        let corrupted = flipped(&[batches()[0].headers.start]);
        let corruption = |file: &str, is_gap| Corruption {
            file: file.into(),
            position: 0,
            what: "corrupt".into(),
            is_gap,
        };
        assert!(corrupted.explains(&corruption(SEGMENT, false)));
        assert!(corrupted.explains(&corruption("segment-000000000003", true)));
        assert!(!corrupted.explains(&corruption("segment-000000000003", false)));
        assert!(!corrupted.explains(&corruption("segment-000000000004", true)));
    }
}
