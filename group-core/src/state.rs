//! What the entries of a log amount to.

use catalog::ShardId;
use catalog::member::OpenShard;
use litemap::LiteMap;

use crate::clock::{HOUR_MS, protected_until_ms};
use crate::entry::{Change, Step};
use crate::reshard::{Reshard, Seal};

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
    /// Records that arrived before this, in milliseconds of log time, have expired, whatever the retention is now.
    pub trim_horizon_ms: u64,
    /// Until log time is this, nothing expires: what the log held before a clock step is kept for a while.
    pub protected_until_ms: u64,
    /// The highest number of a reshard; 0 before the first.
    pub last_op: u64,
    /// The shards. Flat, because a process with a thousand idle logs keeps some copies of each one's.
    pub shards: LiteMap<ShardId, LogShard>,
}

/// One shard of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogShard {
    /// How it was opened.
    pub open: OpenShard,
    /// The offset of its next record, from 1.
    pub next_offset: u64,
    /// When its last record arrived, in milliseconds of log time. No later one arrives before. While it has none: when its
    /// parents were sealed, or 0 if it has no parents.
    pub last_arrival_ms: u64,
    /// What it was sealed by; nothing while it is open.
    pub seal: Option<Box<Seal>>,
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

impl State {
    /// The state of a new log with these shards.
    #[must_use]
    pub fn new(shards: impl IntoIterator<Item = OpenShard>, retention_hours: u32, created_ms: u64) -> Self {
        let shard = |open: OpenShard| (open.id, LogShard::opened(open, 0));
        Self {
            index: 0,
            term: 0,
            time_ms: created_ms,
            retention_hours: Some(retention_hours),
            trim_horizon_ms: 0,
            protected_until_ms: 0,
            last_op: 0,
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
                Change::Trim { horizon_ms } => {
                    self.trim_horizon_ms = self.trim_horizon_ms.max(horizon_ms);
                    let horizon_ms = self.trim_horizon_ms;
                    self.shards.retain(|_, shard| !shard.has_expired(horizon_ms));
                }
                Change::Reshard { arrival_ms, reshard } => self.reshard(arrival_ms, &reshard),
                Change::ClockStep { time_ms } => {
                    // What had expired before the step stays so, though nothing expires for a while.
                    self.trim_horizon_ms = horizon_ms(self, self.time_ms);
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
        // No index follows the last that there can be.
        if step.index <= self.index || !follows(step.index, self.index.saturating_add(1)) {
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
        let mut resharded = false;
        for (place, change) in step.changes.into_iter().enumerate() {
            if resharded || place > 0 && matches!(change, Change::Reshard { .. }) {
                return Err(Inconsistent("a reshard is not alone in its batch"));
            }
            let (shard, first_offset, records, arrival_ms) = match change {
                Change::Append { shard, first_offset, records, arrival_ms } => {
                    (shard, first_offset, records, arrival_ms)
                }
                Change::Reshard { arrival_ms, reshard } => {
                    self.check_seals(arrival_ms, &reshard, continuity)?;
                    resharded = true;
                    continue;
                }
                Change::SetRetention { .. } | Change::Trim { .. } | Change::ClockStep { .. } => continue,
            };
            let (next_offset, last_arrival_ms) = match last {
                Some((known, next_offset, last_arrival_ms)) if known == shard => {
                    (next_offset, last_arrival_ms)
                }
                Some((known, ..)) if known > shard => {
                    return Err(Inconsistent("the appends of a batch are not in the order of their shards"));
                }
                _ => {
                    let shard = self.shards.get(&shard);
                    let shard = shard.filter(|shard| shard.seal.is_none());
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

    /// Whether a reshard can follow. Behind corruption a shard that it seals may be unknown: its opening is hidden.
    fn check_seals(
        &self,
        arrival_ms: u64,
        reshard: &Reshard,
        continuity: Continuity,
    ) -> Result<(), Inconsistent> {
        if reshard.op <= self.last_op {
            return Err(Inconsistent("a reshard has not a higher number than the one before"));
        }
        for id in &reshard.seal {
            match self.shards.get(id) {
                None if continuity == Continuity::MayJump => {}
                Some(LogShard { seal: None, last_arrival_ms, .. }) if arrival_ms >= *last_arrival_ms => {}
                _ => return Err(Inconsistent("a shard cannot be sealed")),
            }
        }
        let mut last_id = self.shards.last().map(|(id, _)| *id);
        for open in &reshard.open {
            if last_id.is_some_and(|last| last >= open.id) {
                return Err(Inconsistent("a shard is opened out of order"));
            }
            last_id = Some(open.id);
        }
        Ok(())
    }

    fn reshard(&mut self, arrival_ms: u64, reshard: &Reshard) {
        self.last_op = reshard.op;
        for id in &reshard.seal {
            let of_parent = reshard.open.iter().filter(|open| open.parents.contains(id));
            let successors = of_parent.map(|open| open.id).collect();
            if let Some(shard) = self.shards.get_mut(id) {
                shard.seal = Some(Box::new(Seal { op: reshard.op, arrival_ms, successors }));
            }
        }
        for open in &reshard.open {
            self.shards.insert(open.id, LogShard::opened(open.clone(), arrival_ms));
        }
    }

    /// When the shard was sealed that was sealed first of those in the log.
    #[must_use]
    pub fn oldest_seal_ms(&self) -> Option<u64> {
        if self.last_op == 0 {
            return None;
        }
        self.shards.values().filter_map(|shard| Some(shard.seal.as_ref()?.arrival_ms)).min()
    }
}

impl LogShard {
    /// A shard without records, of which none arrives before `floor_ms`.
    fn opened(open: OpenShard, floor_ms: u64) -> Self {
        Self { open, next_offset: 1, last_arrival_ms: floor_ms, seal: None }
    }

    /// Whether it was sealed before this, in milliseconds of log time: then all its records have expired too.
    #[must_use]
    pub fn has_expired(&self, horizon_ms: u64) -> bool {
        self.seal.as_ref().is_some_and(|seal| seal.arrival_ms < horizon_ms)
    }
}

/// Records that arrived before this, in milliseconds of log time, have expired at a moment of log time. It stands still
/// while what the log held before a clock step is protected.
#[must_use]
pub fn horizon_ms(state: &State, time_ms: u64) -> u64 {
    match state.retention_hours {
        Some(hours) if time_ms >= state.protected_until_ms => {
            state.trim_horizon_ms.max(time_ms.saturating_sub(u64::from(hours) * HOUR_MS))
        }
        _ => state.trim_horizon_ms,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use catalog::HashKeyRange;
    use proptest::prelude::*;

    use super::*;

    fn shard(index: u32) -> ShardId {
        ShardId::new(index).unwrap()
    }

    fn state() -> State {
        let open =
            |(index, range)| OpenShard { id: shard(index), range, parents: Vec::new(), create_seconds: 1 };
        State::new((0..).zip(HashKeyRange::uniform(2)).map(open), 24, 1_000)
    }

    fn append(index: u32, first_offset: u64, records: u32, arrival_ms: u64) -> Change {
        Change::Append { shard: shard(index), first_offset, records, arrival_ms }
    }

    fn step(index: u64, term: u64, time_ms: u64, changes: &[Change]) -> Step<Vec<Change>> {
        Step { index, term, time_ms, changes: changes.to_vec() }
    }

    #[test]
    fn batch_that_cannot_follow_changes_nothing() {
        let mut state = state();
        let first =
            step(1, 2, 2_000, &[append(0, 1, 2, 2_000), append(0, 3, 1, 2_000), append(1, 1, 1, 2_500)]);
        state.apply(first, Continuity::Required).unwrap();
        let before = state.clone();
        let good = append(0, 4, 1, 2_000);
        for wrong in [
            step(1, 2, 2_000, &[]),
            step(3, 2, 2_000, &[]),
            step(2, 1, 2_000, &[]),
            step(2, 2, 1_999, &[]),
            step(2, 2, 2_000, &[good.clone(), append(9, 1, 1, 2_000)]),
            step(2, 2, 2_000, &[good.clone(), append(0, 4, 1, 2_000)]),
            step(2, 2, 2_000, &[append(0, 5, 1, 2_000)]),
            step(2, 2, 2_000, &[good.clone(), append(1, 2, 1, 2_499)]),
            step(2, 2, 2_000, &[append(1, 2, 1, 2_500), good]),
        ] {
            state.apply(wrong.clone(), Continuity::Required).unwrap_err();
            assert_eq!(state, before, "{wrong:?}");
        }
    }

    #[test]
    fn numbers_jump_behind_corruption_and_never_go_back() {
        let mut state = state();
        state.apply(step(7, 3, 2_000, &[append(0, 5, 1, 2_000)]), Continuity::MayJump).unwrap();
        assert_eq!((state.index, state.shards[&shard(0)].next_offset), (7, 6));
        state.apply(step(7, 3, 2_000, &[]), Continuity::MayJump).unwrap_err();
        state.apply(step(8, 3, 2_000, &[append(0, 5, 1, 2_000)]), Continuity::MayJump).unwrap_err();
        let end = [append(0, u64::MAX, 1, 2_000)];
        state.apply(step(8, 3, 2_000, &end), Continuity::MayJump).unwrap_err();
        state.apply(step(u64::MAX, 3, 2_000, &[]), Continuity::MayJump).unwrap();
        state.apply(step(u64::MAX, 3, 2_000, &[]), Continuity::Required).unwrap_err();
    }

    fn any_change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0u32..3, any::<u64>(), any::<u32>(), any::<u64>())
                .prop_map(|(index, offset, records, ms)| append(index, offset, records, ms)),
            any::<u32>().prop_map(|hours| Change::SetRetention { hours }),
            any::<u64>().prop_map(|horizon_ms| Change::Trim { horizon_ms }),
            any::<u64>().prop_map(|time_ms| Change::ClockStep { time_ms }),
            (any::<u64>(), 0u64..4, 0u32..4, 0u32..6).prop_map(|(arrival_ms, op, parent, child)| {
                let open = OpenShard {
                    id: shard(child),
                    range: HashKeyRange::uniform(2)[0],
                    parents: vec![shard(parent)],
                    create_seconds: 2,
                };
                let reshard = Arc::new(Reshard { op, seal: vec![shard(parent)], open: vec![open] });
                Change::Reshard { arrival_ms, reshard }
            }),
        ]
    }

    proptest! {
        #[test]
        fn any_batch_is_applied_or_refused(
            steps in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), proptest::collection::vec(any_change(), 0..4)), 1..5)
        ) {
            let mut state = state();
            for (index, term, time_ms, changes) in steps {
                let before = state.clone();
                match state.apply(step(index, term, time_ms, &changes), Continuity::MayJump) {
                    Ok(()) => prop_assert!(state.index > before.index && state.time_ms >= before.time_ms),
                    Err(_) => prop_assert_eq!(&state, &before),
                }
            }
        }
    }
}
