//! The newest runs in memory, so that who reads at the tip needs no disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use catalog::ShardId;

use crate::record::RecordBlock;
use crate::value::ReadRun;

/// About what a run takes beside its records.
const RUN_BYTES: usize = 96;

/// How many bytes the tails of all logs of a process may take together. Cloning shares it.
#[derive(Clone, Debug)]
pub struct TailBudget {
    limit_bytes: usize,
    used_bytes: Arc<AtomicUsize>,
}

impl TailBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, used_bytes: Arc::default() }
    }

    fn is_over(&self) -> bool {
        self.used_bytes.load(Ordering::Relaxed) > self.limit_bytes
    }
}

/// The newest runs of one log. Those of a shard follow each other without a gap.
#[derive(Debug)]
pub struct Tail {
    budget: TailBudget,
    shards: BTreeMap<ShardId, VecDeque<ReadRun>>,
    /// The shards of the runs, oldest run first.
    order: VecDeque<ShardId>,
}

impl Tail {
    /// An empty tail.
    pub fn new(budget: TailBudget) -> Self {
        Self { budget, shards: BTreeMap::new(), order: VecDeque::new() }
    }

    /// Adds the shard's newest run and drops the log's oldest ones while the budget is overdrawn.
    pub fn push(&mut self, shard: ShardId, run: ReadRun) {
        self.budget.used_bytes.fetch_add(bytes_of(&run.block), Ordering::Relaxed);
        self.shards.entry(shard).or_default().push_back(run);
        self.order.push_back(shard);
        while self.budget.is_over() && self.drop_oldest() {}
    }

    /// The shard's runs from the one that holds this offset on; nothing if that is not here.
    pub fn from(&self, shard: ShardId, offset: u64) -> Option<impl Iterator<Item = &ReadRun>> {
        let runs = self.shards.get(&shard)?;
        runs.front().filter(|run| run.first_offset <= offset)?;
        let first = runs.partition_point(|run| run.first_offset + u64::from(run.block.count()) <= offset);
        Some(runs.range(first..))
    }

    /// Drops all.
    pub fn clear(&mut self) {
        while self.drop_oldest() {}
        self.shards.clear();
        self.order.shrink_to_fit();
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(shard) = self.order.pop_front() else { return false };
        if let Some(run) = self.shards.get_mut(&shard).and_then(VecDeque::pop_front) {
            self.budget.used_bytes.fetch_sub(bytes_of(&run.block), Ordering::Relaxed);
        }
        true
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bytes_of(block: &RecordBlock) -> usize {
    block.bytes().len() + RUN_BYTES
}
