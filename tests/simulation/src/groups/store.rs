//! The disk of a group as its core sees it: batches are written in order, and are durable later than written.

use std::collections::VecDeque;

use anyhow::{Context as _, Result, ensure};
use group_core::{Batch, Change, Continuity, State};

/// Batches that are removed together.
#[derive(Clone, Debug)]
struct Segment {
    /// The state before its first batch.
    head: State,
    batches: Vec<Batch>,
}

/// A group's log on its volume. A crash drops the writes under way, and nothing else.
#[derive(Debug)]
pub struct Store {
    segments: VecDeque<Segment>,
    /// The state behind the last durable batch.
    state: State,
    batches_per_segment: usize,
    /// How many records fit; `None` is unlimited.
    pub capacity: Option<usize>,
    /// Batches that are being written, with their numbers.
    pub under_way: VecDeque<(u64, Batch)>,
}

impl Store {
    /// An empty log.
    #[must_use]
    pub fn new(state: State, batches_per_segment: usize, capacity: Option<usize>) -> Self {
        let segments = VecDeque::from([Segment { head: state.clone(), batches: Vec::new() }]);
        Self { segments, state, batches_per_segment, capacity, under_way: VecDeque::new() }
    }

    /// Computes the state from the oldest segment on, as a process does that opens the log.
    pub fn fold(&self) -> Result<State> {
        let mut state = self.segments.front().context("a log without segments")?.head.clone();
        for batch in self.batches() {
            state
                .apply(batch.step(), Continuity::Required)
                .context("a batch does not follow the state before it")?;
        }
        ensure!(state == self.state, "the log folds to another state than its batches did one by one");
        Ok(state)
    }

    /// The durable batches that are kept.
    pub fn batches(&self) -> impl DoubleEndedIterator<Item = &Batch> {
        self.segments.iter().flat_map(|segment| &segment.batches)
    }

    /// The last trim horizon.
    #[must_use]
    pub fn trim_horizon_ms(&self) -> u64 {
        self.state.trim_horizon_ms
    }

    /// How many records it holds.
    #[must_use]
    pub fn records(&self) -> usize {
        self.batches().map(records).sum()
    }

    /// Begins to write a batch; returns whether there is space for it.
    #[must_use]
    pub fn write(&mut self, number: u64, batch: Batch) -> bool {
        let under_way: usize = self.under_way.iter().map(|(_, batch)| records(batch)).sum();
        let needed = self.records() + under_way + records(&batch);
        // Entries without records use a reserve, so that a full disk can be trimmed.
        let fits = records(&batch) == 0 || self.capacity.is_none_or(|capacity| needed <= capacity);
        if fits {
            self.under_way.push_back((number, batch));
        }
        fits
    }

    /// The oldest batch under way is durable.
    pub fn sync(&mut self) -> Result<Option<(u64, Batch)>> {
        let Some((number, batch)) = self.under_way.pop_front() else { return Ok(None) };
        let newest = self.segments.back().context("a log without segments")?;
        if newest.batches.len() >= self.batches_per_segment {
            self.segments.push_back(Segment { head: self.state.clone(), batches: Vec::new() });
        }
        self.state
            .apply(batch.step(), Continuity::Required)
            .context("a batch does not follow what is durable")?;
        let newest = self.segments.back_mut().context("a log without segments")?;
        newest.batches.push(batch.clone());
        Ok(Some((number, batch)))
    }

    /// When the last record of the oldest segment arrived.
    #[must_use]
    pub fn oldest_segment_arrival_ms(&self) -> Option<u64> {
        self.segments.front().and_then(Segment::last_arrival_ms)
    }

    /// Removes the oldest segments all of whose records arrived before; how many. The newest one is left for a new one
    /// first.
    pub fn trim(&mut self, horizon_ms: u64) -> usize {
        let mut removed = 0;
        while let Some(oldest) = self.segments.front()
            && oldest.last_arrival_ms().map_or(self.segments.len() > 1, |arrival_ms| arrival_ms < horizon_ms)
        {
            if self.segments.len() == 1 {
                self.segments.push_back(Segment { head: self.state.clone(), batches: Vec::new() });
            }
            self.segments.pop_front();
            removed += 1;
        }
        removed
    }
}

impl Segment {
    fn last_arrival_ms(&self) -> Option<u64> {
        let entries = self.batches.iter().flat_map(|batch| &batch.entries);
        let arrival_ms = |change: &Change| match change {
            Change::Append { arrival_ms, .. } => Some(*arrival_ms),
            _ => None,
        };
        entries.filter_map(|entry| arrival_ms(&entry.change)).max()
    }
}

fn records(batch: &Batch) -> usize {
    let blocks = batch.entries.iter().flat_map(|entry| &entry.blocks);
    blocks.map(|block| block.count() as usize).sum()
}
