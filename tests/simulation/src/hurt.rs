//! What damage to the disk can have taken, and what the log may say of it. All else must be served.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use catalog::ShardId;
use record_log::Damage;

use crate::disk::{DamagedFile, SLOT_BYTES};
use crate::layout::{self, Layout};

const SLOTS: &str = "slots";
const SEGMENT: &str = "segment-";
/// How many batches at the end of a segment cannot be told from such as were cut off, where neither its footer nor the
/// next segment says where it ends: the last one, and the last that is whole.
const DOUBTFUL_BATCHES: usize = 2;

/// What is hurt.
#[derive(Debug, Default)]
pub struct Hurt {
    files: BTreeSet<String>,
    runs: BTreeMap<ShardId, Vec<Range<u64>>>,
    /// All runs of the batches of which a part is: at the end one is cut off as a whole.
    batches: BTreeMap<ShardId, Vec<Range<u64>>>,
    /// Those that may be: where bits flipped in the newest segment. What the disk does not give is never cut off.
    at_end: BTreeMap<ShardId, Vec<Range<u64>>>,
    /// How many bits did there: the second may be in what confirms the batch with the first.
    flipped_at_end: usize,
    /// What was in segments behind it that are lost without a trace.
    untraced: BTreeMap<ShardId, Vec<Range<u64>>>,
    /// Whether neither slot is whole.
    slots: bool,
    /// Segments whose heads are.
    heads: BTreeSet<u64>,
    /// Whether the disk does not give a block of the newest segment.
    unreadable_end: bool,
    oldest: u64,
    newest: u64,
    /// Whether no segment has a good head.
    no_head: bool,
}

impl Hurt {
    /// What is hurt with these damaged files; all files that are there have these names. `written` gives what was
    /// written to a file that is there.
    #[must_use]
    pub fn of(damaged: &[DamagedFile], names: &[String], written: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let lost = |name: &str| damaged.iter().find(|file| file.name == name).map(|file| file.bytes.clone());
        let oldest = names.iter().filter_map(|name| sequence_of(name)).min().unwrap_or_default();
        let newest = names.iter().filter_map(|name| sequence_of(name)).max().unwrap_or_default();
        // Only a footer says that a segment was followed by another.
        let name = segment_name(newest);
        let is_whole =
            |footer: &Range<usize>| !damaged.iter().any(|file| file.name == name && file.is_hurt(footer));
        let is_newest_closed =
            written(&name).and_then(|bytes| layout::trailer(&bytes)).is_some_and(|at| is_whole(&at));
        let mut hurt = Self { oldest, newest, ..Self::default() };
        for file in damaged {
            hurt.files.insert(file.name.clone());
            if file.name == SLOTS {
                hurt.slots = (0..2).all(|slot| file.is_hurt(&(slot * SLOT_BYTES..(slot + 1) * SLOT_BYTES)));
            }
            let (Some(sequence), Some(layout)) = (sequence_of(&file.name), Layout::of(&file.bytes)) else {
                continue;
            };
            if sequence == newest {
                hurt.unreadable_end = file.is_unreadable;
                hurt.flipped_at_end = file.flipped.len();
            }
            if file.is_hurt(&(0..layout.head_end)) {
                hurt.heads.insert(sequence);
                hurt.take(&layout, |_| true);
                let before = segment_name(sequence - 1);
                let before = written(&before).or_else(|| lost(&before));
                if let Some(layout) = before.as_deref().and_then(Layout::of) {
                    let doubtful = layout.batches.len().saturating_sub(DOUBTFUL_BATCHES);
                    let from =
                        layout.batches.get(doubtful).map_or(layout.head_end, |batch| batch.heads.start);
                    hurt.take(&layout, |block| block.start >= from);
                }
            }
            for batch in &layout.batches {
                let all = file.is_hurt(&batch.heads);
                let runs = batch.runs.iter().filter(|run| all || file.is_hurt(&run.block));
                runs.for_each(|run| hurt.runs.entry(run.shard).or_default().push(run.offsets.clone()));
                let bytes = batch.heads.start..batch.end;
                if file.is_hurt(&bytes) {
                    for run in &batch.runs {
                        hurt.batches.entry(run.shard).or_default().push(run.offsets.clone());
                        if sequence > newest && !is_newest_closed {
                            hurt.untraced.entry(run.shard).or_default().push(run.offsets.clone());
                        }
                        if sequence == newest && file.flipped.iter().any(|at| bytes.contains(at)) {
                            hurt.at_end.entry(run.shard).or_default().push(run.offsets.clone());
                        }
                    }
                }
            }
        }
        hurt.no_head = names.iter().filter_map(|name| sequence_of(name)).all(|at| hurt.heads.contains(&at));
        hurt
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

    /// Whether the log may name this: a file that is damaged or lost, the one before the oldest segment, as what said
    /// that it has expired may be hurt, or the one behind, in which it turns out what is missing.
    #[must_use]
    pub fn explains(&self, damage: &Damage) -> bool {
        let sequence = sequence_of(&damage.file);
        let is_before_oldest = !self.is_nothing() && sequence.is_some_and(|at| at + 1 == self.oldest);
        let is_behind =
            damage.is_gap && sequence.is_some_and(|at| at > 1 && self.files.contains(&segment_name(at - 1)));
        self.files.contains(&damage.file) || is_before_oldest || is_behind
    }

    /// Whether it may not be known what was appended last: then the log takes nothing more until that is given up.
    #[must_use]
    pub fn may_stop(&self) -> bool {
        self.unreadable_end || self.heads.range(self.newest..).next().is_some()
    }

    /// Whether the log may not be opened.
    #[must_use]
    pub fn may_not_open(&self) -> bool {
        self.slots || self.no_head
    }
}

fn segment_name(sequence: u64) -> String {
    format!("{SEGMENT}{sequence:012}")
}

fn sequence_of(name: &str) -> Option<u64> {
    name.strip_prefix(SEGMENT)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::{SEGMENT, shard, written};

    /// What is hurt where bits flipped in the only segment of a log.
    fn flipped(at: &[usize]) -> Hurt {
        let file = DamagedFile::flipped(SEGMENT, written(), at);
        Hurt::of(&[file], &[SEGMENT.into()], |_| Some(written()))
    }

    fn batches() -> Vec<crate::layout::Batch> {
        Layout::of(&written()).unwrap().batches
    }

    /// Which of "first", "second", "other" and "third" a bit costs.
    fn cost(hurt: &Hurt) -> [bool; 4] {
        [(0, 1), (0, 2), (1, 1), (0, 3)].map(|(index, offset)| hurt.has(shard(index), offset))
    }

    #[test]
    fn bit_of_a_run_costs_the_run_and_one_of_the_heads_the_batch() {
        let batches = batches();
        assert_eq!(cost(&flipped(&[batches[0].runs[0].block.start])), [true, true, false, false]);
        assert_eq!(cost(&flipped(&[batches[0].runs[1].block.start])), [false, false, true, false]);
        assert_eq!(cost(&flipped(&[batches[0].heads.start])), [true, true, true, false]);
        assert_eq!(cost(&flipped(&[batches[1].heads.end - 1])), [false, false, false, true]);
        assert_eq!(cost(&flipped(&[batches[2].heads.start])), [false; 4]);
    }

    #[test]
    fn bit_of_the_segments_head_costs_all_of_it_and_stops_the_log() {
        let hurt = flipped(&[20]);
        assert_eq!(cost(&hurt), [true; 4]);
        assert!(hurt.may_stop() && hurt.may_not_open());
        let hurt = flipped(&[batches()[0].heads.start]);
        assert!(!hurt.may_stop() && !hurt.may_not_open());
    }

    #[test]
    fn last_batch_may_be_cut_off_only_where_nothing_confirms_it() {
        let (last, confirmation) = (batches()[1].runs[0].block.start, batches()[2].heads.start);
        assert!(!flipped(&[last]).may_be_cut(shard(0), 3, true));
        assert!(flipped(&[last]).may_be_cut(shard(0), 3, false));
        assert!(flipped(&[last, confirmation]).may_be_cut(shard(0), 3, true));
        assert!(!flipped(&[confirmation]).may_be_cut(shard(0), 3, false));
    }

    #[test]
    fn only_what_is_damaged_may_be_named() {
        let hurt = flipped(&[batches()[0].heads.start]);
        let damage =
            |file: &str, is_gap| Damage { file: file.into(), position: 0, what: "bad".into(), is_gap };
        assert!(hurt.explains(&damage(SEGMENT, false)));
        assert!(hurt.explains(&damage("segment-000000000003", true)));
        assert!(!hurt.explains(&damage("segment-000000000003", false)));
        assert!(!hurt.explains(&damage("segment-000000000004", true)));
    }
}
