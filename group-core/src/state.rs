//! What the entries of a log amount to.

use std::collections::BTreeMap;

use catalog::ShardId;
use catalog::member::OpenShard;

use crate::clock::protected_until_ms;
use crate::entry::Change;

/// The state behind a batch: a function of the entries up to it, the same in every copy of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The index of the last batch; 0 before the first.
    pub index: u64,
    /// The term of the last batch; 0 before the first.
    pub term: u64,
    /// Log time of the last batch, in milliseconds since 1970.
    pub time_ms: u64,
    /// How long records are kept, in hours; none where corruption may hide what was set last: then nothing expires.
    pub retention_hours: Option<u32>,
    /// Records that arrived before this, in milliseconds of log time, have expired.
    pub trim_horizon_ms: u64,
    /// Until log time is this, nothing expires: what the log held before a clock step is kept for a while.
    pub protected_until_ms: u64,
    /// The shards.
    pub shards: BTreeMap<ShardId, LogShard>,
}

/// One shard of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogShard {
    /// How it was opened.
    pub open: OpenShard,
    /// The offset of its next record, from 1.
    pub next_offset: u64,
    /// When its last record arrived, in milliseconds of log time; 0 while it has none. No later one arrives before.
    pub last_arrival_ms: u64,
}

/// Whether batches and offsets may be missing before a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// None may.
    Required,
    /// Corruption lies before it: numbers may jump, never go back.
    MayJump,
}

/// A batch cannot follow a state. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Inconsistent(pub &'static str);

/// What a batch does to a state: its numbers and changes, without its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<C> {
    /// The index of the batch.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// Log time when it was proposed, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its changes, in order.
    pub changes: C,
}

impl State {
    /// The state of a new log with these shards.
    #[must_use]
    pub fn new(shards: impl IntoIterator<Item = OpenShard>, retention_hours: u32, created_ms: u64) -> Self {
        let shard = |open: OpenShard| (open.id, LogShard { open, next_offset: 1, last_arrival_ms: 0 });
        Self {
            index: 0,
            term: 0,
            time_ms: created_ms,
            retention_hours: Some(retention_hours),
            trim_horizon_ms: 0,
            protected_until_ms: 0,
            shards: shards.into_iter().map(shard).collect(),
        }
    }

    /// Applies the next batch.
    ///
    /// # Errors
    /// If it cannot follow; nothing was changed then.
    pub fn apply<C>(&mut self, step: Step<C>, continuity: Continuity) -> Result<(), Inconsistent>
    where
        C: IntoIterator<Item = Change> + Clone,
    {
        self.check(step.clone(), continuity)?;
        (self.index, self.term, self.time_ms) = (step.index, step.term, step.time_ms);
        for change in step.changes {
            match change {
                Change::Append { shard, first_offset, records, arrival_ms } => {
                    if let Some(shard) = self.shards.get_mut(&shard) {
                        shard.next_offset = first_offset + u64::from(records);
                        shard.last_arrival_ms = arrival_ms;
                    }
                }
                Change::SetRetention { hours } => self.retention_hours = Some(hours),
                Change::Trim { horizon_ms } => self.trim_horizon_ms = self.trim_horizon_ms.max(horizon_ms),
                Change::ClockStep { time_ms } => {
                    self.time_ms = self.time_ms.max(time_ms);
                    let until_ms = protected_until_ms(self.time_ms, self.retention_hours);
                    self.protected_until_ms = self.protected_until_ms.max(until_ms);
                }
            }
        }
        Ok(())
    }

    fn check<C>(&self, step: Step<C>, continuity: Continuity) -> Result<(), Inconsistent>
    where
        C: IntoIterator<Item = Change>,
    {
        let follows = |number: u64, expected: u64| match continuity {
            Continuity::Required => number == expected,
            Continuity::MayJump => number >= expected,
        };
        if !follows(step.index, self.index + 1) {
            return Err(Inconsistent("a batch has not the index that follows"));
        }
        if step.term < self.term {
            return Err(Inconsistent("a batch is of an earlier term"));
        }
        if step.time_ms < self.time_ms {
            return Err(Inconsistent("log time goes back"));
        }
        // The shard of the append before, with what its next one must have.
        let mut last: Option<(ShardId, u64, u64)> = None;
        for change in step.changes {
            let Change::Append { shard, first_offset, records, arrival_ms } = change else { continue };
            let (next_offset, last_arrival_ms) = match last {
                Some((known, next_offset, last_arrival_ms)) if known == shard => {
                    (next_offset, last_arrival_ms)
                }
                Some((known, ..)) if known > shard => {
                    return Err(Inconsistent("the appends of a batch are not in the order of their shards"));
                }
                _ => {
                    let shard = self.shards.get(&shard);
                    let shard = shard.ok_or(Inconsistent("records of a shard that is not open"))?;
                    (shard.next_offset, shard.last_arrival_ms)
                }
            };
            if !follows(first_offset, next_offset) {
                return Err(Inconsistent("records have not the offsets that follow"));
            }
            if arrival_ms < last_arrival_ms {
                return Err(Inconsistent("records arrived before earlier ones of their shard"));
            }
            let end = first_offset.checked_add(u64::from(records));
            last = Some((shard, end.ok_or(Inconsistent("an offset is too large"))?, arrival_ms));
        }
        Ok(())
    }
}
