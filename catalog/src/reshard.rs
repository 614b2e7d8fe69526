//! Plans of splits and merges, from a map of shards. Pure: what is planned here is judged again where it is done, by the log
//! that holds the shards.

use serde::{Deserialize, Serialize};

use crate::member::OpenShard;
use crate::{HashKey, HashKeyRange, Shard, ShardId, ShardState};

/// What somebody wants of a stream's shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShardChange {
    /// To split a shard (AWS API reference, SplitShard).
    #[serde(rename_all = "camelCase")]
    Split {
        /// The shard.
        shard: ShardId,
        /// Where the second half begins.
        new_starting_hash_key: HashKey,
    },
    /// To merge two shards, of which the first ends just before the second begins (AWS API reference, MergeShards).
    Merge {
        /// The first.
        shard: ShardId,
        /// The second.
        adjacent: ShardId,
    },
    /// To have so many open shards (AWS API reference, UpdateShardCount).
    Count {
        /// How many.
        target: u32,
    },
}

/// Shards to seal, and shards that take over their part of the ring: a split or a merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The shards to seal.
    pub seal: Vec<ShardId>,
    /// The shards to open.
    pub open: Vec<OpenShard>,
}

/// Why nothing was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is no such shard.
    #[error("there is no {0}")]
    UnknownShard(ShardId),
    /// The shard was split or merged before.
    #[error("{0} has already been merged or split")]
    Closed(ShardId),
    /// The second shard does not begin where the first ends.
    #[error("{0} and {1} are not adjacent")]
    NotAdjacent(ShardId, ShardId),
    /// Each half of a split has a hash key at least, and the first has two (AWS API reference, SplitShard).
    #[error("{key} does not split {shard}, which has the hash keys {} to {}", .range.start, .range.end)]
    SplitPoint {
        /// The shard.
        shard: ShardId,
        /// Where the second half was to begin.
        key: HashKey,
        /// What was to be split.
        range: HashKeyRange,
    },
    /// There are no ids left.
    #[error("the stream has no shard ids left")]
    NoIds,
    /// The number of shards would change by more than it may at once: to the half, or to the double.
    #[error("{target} shards are more than the double or less than the half of {open}")]
    OutOfReach {
        /// How many are open.
        open: usize,
        /// How many there were to be.
        target: usize,
    },
}

/// Plans operations one after the other: each sees the map behind those before it.
#[derive(Clone, Debug)]
pub struct Planner {
    /// The open shards in the order of the ring, and the closed ones.
    open: Vec<OpenShard>,
    closed: Vec<ShardId>,
    next_index: u32,
    create_seconds: u64,
    planned: Vec<Operation>,
}

impl Planner {
    /// Plans from this map. Shards that it opens have ids from `next_index` on, and are created at this second since 1970.
    #[must_use]
    pub fn new(shards: &[Shard], next_index: u32, create_seconds: u64) -> Self {
        let open = shards.iter().filter(|shard| shard.state == ShardState::Open).map(|shard| OpenShard {
            id: shard.id,
            range: shard.range,
            parents: shard.parents.clone(),
            create_seconds: shard.create_seconds,
        });
        let mut open: Vec<_> = open.collect();
        open.sort_by_key(|shard| shard.range.start);
        let closed = shards.iter().filter(|shard| shard.state == ShardState::Closed).map(|shard| shard.id);
        Self { open, closed: closed.collect(), next_index, create_seconds, planned: Vec::new() }
    }

    /// Plans a change.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn change(&mut self, change: ShardChange) -> Result<(), PlanError> {
        match change {
            ShardChange::Split { shard, new_starting_hash_key } => self.split(shard, new_starting_hash_key),
            ShardChange::Merge { shard, adjacent } => self.merge(shard, adjacent),
            ShardChange::Count { target } => self.resize(target as usize),
        }
    }

    /// Splits a shard: the second half begins with this hash key.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn split(&mut self, shard: ShardId, key: HashKey) -> Result<(), PlanError> {
        let at = self.place(shard)?;
        let range = self.open[at].range;
        if key.0 <= range.start.0.saturating_add(1) || key >= range.end {
            return Err(PlanError::SplitPoint { shard, key, range });
        }
        let low = self.child(HashKeyRange { end: HashKey(key.0 - 1), ..range }, vec![shard])?;
        let high = self.child(HashKeyRange { start: key, ..range }, vec![shard])?;
        self.replace(at..at + 1, vec![low, high]);
        Ok(())
    }

    /// Merges two shards, of which the first ends just before the second begins.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn merge(&mut self, first: ShardId, second: ShardId) -> Result<(), PlanError> {
        let (at, other) = (self.place(first)?, self.place(second)?);
        if other != at + 1 {
            return Err(PlanError::NotAdjacent(first, second));
        }
        let range = HashKeyRange { start: self.open[at].range.start, end: self.open[other].range.end };
        let merged = self.child(range, vec![first, second])?;
        self.replace(at..other + 1, vec![merged]);
        Ok(())
    }

    /// Changes the number of open shards, as uniformly as its splits and merges allow. Up to the double, every shard is split
    /// and what is too much is merged again; down to the half, pairs are merged. (AWS's own totals: 4 to 5 shards leave 15,
    /// closed ones counted, 5 to 3 leave 7.)
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn resize(&mut self, target: usize) -> Result<(), PlanError> {
        let open = self.open.len();
        if target > open * 2 || target * 2 < open || target == 0 {
            return Err(PlanError::OutOfReach { open, target });
        }
        if target > open { self.grow(target) } else { self.merge_pairs(target) }
    }

    /// What was planned, in order.
    #[must_use]
    pub fn into_operations(self) -> Vec<Operation> {
        self.planned
    }

    /// Splits every shard where a shard of the target begins, and merges across the old bounds that are too many: those
    /// whose halves are together the smallest.
    fn grow(&mut self, target: usize) -> Result<(), PlanError> {
        let bounds: Vec<_> = HashKeyRange::uniform(u32::try_from(target).unwrap_or(u32::MAX))
            .iter()
            .map(|range| range.start)
            .collect();
        let before: Vec<_> = self.open.iter().map(|shard| (shard.id, shard.range)).collect();
        for (shard, range) in &before {
            self.split(*shard, split_point(*range, &bounds))?;
        }
        // The second half of each shard and the first half of the next.
        let mut pairs: Vec<_> =
            self.open[1..].chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        pairs.sort_by_key(|(first, second)| second.range.end.0 - first.range.start.0);
        pairs.truncate(before.len() * 2 - target);
        pairs.sort_by_key(|(first, _)| first.range.start);
        pairs.iter().try_for_each(|(first, second)| self.merge(first.id, second.id))
    }

    /// Merges pairs from front to back, wherever that brings a shard nearer to what is left for each.
    fn merge_pairs(&mut self, target: usize) -> Result<(), PlanError> {
        let mut left = target;
        while left > 0 {
            let at = target - left;
            let rest = self.open.len() - at;
            let pair_is_due = rest >= 2 * left;
            let single_is_due = rest == left;
            let keys = |shard: &OpenShard| shard.range.end.0 - shard.range.start.0;
            let is_nearer = || {
                let ideal = (HashKey::MAX.0 - self.open[at].range.start.0) / left as u128;
                let single = keys(&self.open[at]);
                let pair = single.saturating_add(keys(&self.open[at + 1]));
                pair.abs_diff(ideal) <= single.abs_diff(ideal)
            };
            if !single_is_due && (pair_is_due || is_nearer()) {
                self.merge(self.open[at].id, self.open[at + 1].id)?;
            }
            left -= 1;
        }
        Ok(())
    }

    fn place(&self, shard: ShardId) -> Result<usize, PlanError> {
        match self.open.iter().position(|open| open.id == shard) {
            Some(at) => Ok(at),
            None if self.closed.contains(&shard) => Err(PlanError::Closed(shard)),
            None => Err(PlanError::UnknownShard(shard)),
        }
    }

    fn child(&mut self, range: HashKeyRange, parents: Vec<ShardId>) -> Result<OpenShard, PlanError> {
        let id = ShardId::new(self.next_index).ok_or(PlanError::NoIds)?;
        self.next_index += 1;
        Ok(OpenShard { id, range, parents, create_seconds: self.create_seconds })
    }

    fn replace(&mut self, places: std::ops::Range<usize>, children: Vec<OpenShard>) {
        let sealed: Vec<_> = self.open.splice(places, children.clone()).map(|shard| shard.id).collect();
        self.closed.extend(&sealed);
        self.planned.push(Operation { seal: sealed, open: children });
    }
}

/// Where to split a range: the bound that is nearest to its middle, or the middle where no bound splits it.
fn split_point(range: HashKeyRange, bounds: &[HashKey]) -> HashKey {
    let middle = range.start.0 + (range.end.0 - range.start.0) / 2 + 1;
    let splits = |key: &&HashKey| key.0 > range.start.0.saturating_add(1) && **key < range.end;
    let first = bounds.partition_point(|bound| *bound <= range.start);
    let inside = bounds[first..].iter().take_while(|bound| **bound <= range.end).filter(splits);
    inside.min_by_key(|bound| bound.0.abs_diff(middle)).copied().unwrap_or(HashKey(middle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(index: u32) -> ShardId {
        ShardId::new(index).unwrap()
    }

    /// The open shards of a new stream.
    fn map(count: u32) -> Vec<Shard> {
        let open = |shard| Shard { state: ShardState::Open, ..shard };
        crate::map::Genesis::new(count, count, 1_700_000_000).shards().into_iter().map(open).collect()
    }

    fn planner(shards: &[Shard]) -> Planner {
        Planner::new(shards, shards.len() as u32, 1_700_000_100)
    }

    /// The map behind operations.
    fn done(mut shards: Vec<Shard>, operations: &[Operation]) -> Vec<Shard> {
        for Operation { seal, open } in operations {
            for shard in shards.iter_mut().filter(|shard| seal.contains(&shard.id)) {
                assert_eq!(std::mem::replace(&mut shard.state, ShardState::Closed), ShardState::Open);
            }
            shards.extend(open.iter().cloned().map(|OpenShard { id, range, parents, create_seconds }| {
                Shard { id, range, parents, state: ShardState::Open, log: "g0".into(), create_seconds }
            }));
        }
        shards
    }

    fn open_ranges(shards: &[Shard]) -> Vec<HashKeyRange> {
        let mut ranges: Vec<_> =
            shards.iter().filter(|shard| shard.state == ShardState::Open).map(|shard| shard.range).collect();
        ranges.sort_by_key(|range| range.start);
        ranges
    }

    fn resized(shards: Vec<Shard>, target: usize) -> Vec<Shard> {
        let mut planner = planner(&shards);
        planner.resize(target).unwrap();
        done(shards, &planner.into_operations())
    }

    #[test]
    fn split_has_two_children_and_a_merge_one_with_both_parents() {
        let shards = map(2);
        let mut planner = planner(&shards);
        planner.split(id(0), HashKey(1_000)).unwrap();
        planner.merge(id(3), id(1)).unwrap();
        let operations = planner.into_operations();
        assert_eq!((&operations[0].seal, &operations[1].seal), (&vec![id(0)], &vec![id(3), id(1)]));
        assert_eq!(operations[0].open[1].range.start, HashKey(1_000));
        assert_eq!(operations[1].open[0].parents, [id(3), id(1)]);
        assert_eq!(operations[1].open[0].id, id(4));
    }

    #[test]
    fn what_aws_refuses_is_not_planned() {
        let shards = map(4);
        let range = shards[1].range;
        let mut planner = planner(&shards);
        for key in [range.start.0, range.start.0 + 1, range.end.0, range.end.0 + 1] {
            let key = HashKey(key);
            let shard = id(1);
            assert_eq!(planner.split(shard, key), Err(PlanError::SplitPoint { shard, key, range }));
        }
        planner.split(id(1), HashKey(range.start.0 + 2)).unwrap();
        assert_eq!(planner.split(id(1), HashKey(range.end.0 - 1)), Err(PlanError::Closed(id(1))));
        assert_eq!(planner.split(id(9), HashKey(1)), Err(PlanError::UnknownShard(id(9))));
        assert_eq!(planner.merge(id(3), id(2)), Err(PlanError::NotAdjacent(id(3), id(2))));
        assert_eq!(planner.merge(id(0), id(2)), Err(PlanError::NotAdjacent(id(0), id(2))));
        assert_eq!(planner.resize(11), Err(PlanError::OutOfReach { open: 5, target: 11 }));
        assert_eq!(planner.resize(2), Err(PlanError::OutOfReach { open: 5, target: 2 }));
    }

    #[test]
    fn totals_are_those_of_aws() {
        for (from, to, total) in [(2, 4, 6), (4, 5, 15), (10, 13, 37), (4, 2, 6), (5, 3, 7), (4, 4, 4)] {
            let shards = resized(map(from), to);
            assert_eq!((open_ranges(&shards).len(), shards.len()), (to, total), "{from} to {to}");
        }
    }

    #[test]
    fn result_is_uniform_where_splits_and_merges_allow_it() {
        for (from, to) in [(4, 8), (4, 5), (4, 6), (8, 9), (6, 3), (64, 128), (5, 10)] {
            let widths: Vec<_> = open_ranges(&resized(map(from), to))
                .iter()
                .map(|range| range.end.0 - range.start.0)
                .collect();
            let (least, most) = (widths.iter().min().unwrap(), widths.iter().max().unwrap());
            assert!(most - least <= 2 * to as u128, "{from} to {to}: {least} to {most}");
        }
    }

    proptest! {
        #[test]
        fn ring_is_covered_once_by_as_many_shards_as_were_asked_for(
            from in 1u32..60, steps in proptest::collection::vec(0u32..=100, 1..4)
        ) {
            let mut shards = map(from);
            let mut planned = shards.len();
            for step in steps {
                let open = open_ranges(&shards).len();
                // From the half to the double.
                let least = open.div_ceil(2);
                let target = least + (2 * open - least) * step as usize / 100;
                let before = shards.len();
                shards = resized(shards, target);
                let ranges = open_ranges(&shards);
                prop_assert_eq!(ranges.len(), target);
                prop_assert_eq!((ranges[0].start, ranges[target - 1].end), (HashKey::MIN, HashKey::MAX));
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end.0 + 1 == pair[1].start.0));
                let expected = match target > open {
                    true => 2 * open + (2 * open - target),
                    false => open - target,
                };
                prop_assert_eq!(shards.len() - before, expected, "short-lived shards are those of AWS");
                planned += expected;
            }
            let ids: Vec<_> = shards.iter().map(|shard| shard.id.index()).collect();
            prop_assert_eq!(ids, (0..planned as u32).collect::<Vec<_>>(), "ids are given in order");
        }

        #[test]
        fn uniform_shards_stay_nearly_uniform(from in 1u32..200, step in 0u32..=100) {
            let open = from as usize;
            let least = open.div_ceil(2);
            let target = least + (2 * open - least) * step as usize / 100;
            let widths: Vec<_> = open_ranges(&resized(map(from), target)).iter().map(|range| range.end.0 - range.start.0).collect();
            let ideal = HashKey::MAX.0 / target as u128;
            prop_assert!(*widths.iter().max().unwrap() / 2 <= ideal, "none has more than twice its part");
            prop_assert!(*widths.iter().min().unwrap() >= ideal / 4, "none has less than a quarter of it");
        }
    }
}
