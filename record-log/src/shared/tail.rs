//! The tail cache: the newest runs in memory, so that reads at the tip need no disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use catalog::ShardId;

use crate::record::RecordBlock;
use crate::value::ReadRun;

/// About what a run takes beside its records.
const RUN_BYTES: usize = 96;

/// One part in so many of the budget is for logs that find the rest taken, in equal shares.
const SHARED_PART: usize = 4;

/// How many bytes the tails of all logs of a process may take together. Cloning shares it.
#[derive(Clone, Debug)]
pub struct TailBudget {
    limit_bytes: usize,
    used_bytes: Arc<AtomicUsize>,
    /// How many logs have a tail.
    logs: Arc<AtomicUsize>,
}

impl TailBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, used_bytes: Arc::default(), logs: Arc::default() }
    }

    /// Whether a log with so many bytes must give some back: it has more than its share, and the rest is taken. So all
    /// logs together stay below the limit, and a log that appends little keeps nobody out.
    fn is_over(&self, own_bytes: usize) -> bool {
        let shared_bytes = self.limit_bytes / SHARED_PART;
        let rest_is_taken = self.used_bytes.load(Ordering::Relaxed) > self.limit_bytes - shared_bytes;
        rest_is_taken && own_bytes > shared_bytes / self.logs.load(Ordering::Relaxed).max(1)
    }
}

/// The newest runs of one log. Those of a shard follow each other without a gap.
#[derive(Debug)]
pub struct Tail {
    budget: TailBudget,
    shards: BTreeMap<ShardId, VecDeque<ReadRun>>,
    /// The shards of the runs, oldest run first.
    order: VecDeque<ShardId>,
    own_bytes: usize,
}

impl Tail {
    /// An empty tail.
    pub fn new(budget: TailBudget) -> Self {
        Self { budget, shards: BTreeMap::new(), order: VecDeque::new(), own_bytes: 0 }
    }

    /// Adds the shard's newest run and drops the log's oldest ones while it has more than the budget leaves it.
    pub fn push(&mut self, shard: ShardId, run: ReadRun) {
        if self.order.is_empty() {
            self.budget.logs.fetch_add(1, Ordering::Relaxed);
        }
        let bytes = bytes_of(&run.block);
        self.own_bytes += bytes;
        self.budget.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.shards.entry(shard).or_default().push_back(run);
        self.order.push_back(shard);
        while self.budget.is_over(self.own_bytes) && self.drop_oldest() {}
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
            let bytes = bytes_of(&run.block);
            self.own_bytes -= bytes;
            self.budget.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        if self.order.is_empty() {
            self.budget.logs.fetch_sub(1, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, RecordBlockBuilder};

    const RUN: usize = 1_000;

    fn push(tail: &mut Tail, count: usize) {
        for _ in 0..count {
            let mut builder = RecordBlockBuilder::default();
            builder.push(Record { partition_key: "", data: &[0; RUN] });
            tail.push(ShardId::FIRST, ReadRun { first_offset: 1, arrival_ms: 1, block: builder.build() });
        }
    }

    #[test]
    fn log_that_trickles_leaves_a_busy_one_its_share_and_both_keep_to_the_limit() {
        let budget = TailBudget::new(100 * RUN);
        let (mut trickles, mut busy) = (Tail::new(budget.clone()), Tail::new(budget.clone()));
        push(&mut trickles, 200);
        assert!(trickles.own_bytes > 70 * RUN && trickles.own_bytes <= 75 * RUN, "{}", trickles.own_bytes);
        for _ in 0..100 {
            push(&mut busy, 10);
            push(&mut trickles, 1);
            assert!(busy.own_bytes > 10 * RUN, "{}", busy.own_bytes);
            assert!(trickles.own_bytes + busy.own_bytes <= 100 * RUN);
        }
        trickles.clear();
        push(&mut busy, 200);
        assert!(busy.own_bytes > 70 * RUN, "{}", busy.own_bytes);
        assert_eq!(budget.used_bytes.load(Ordering::Relaxed), busy.own_bytes);
        drop((trickles, busy));
        assert_eq!((budget.used_bytes.load(Ordering::Relaxed), budget.logs.load(Ordering::Relaxed)), (0, 0));
    }
}
