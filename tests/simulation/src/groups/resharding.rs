//! Splits and merges: the catalog's service plans one at a time, sends it until it is answered, and now and then again
//! later. Routers sort records anew that come behind a seal.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use catalog::member::OpenShard;
use catalog::{HashKey, HashKeyRange, ShardId};
use group_core::record::RecordBlockBuilder;
use group_core::{Reshard, Resharded, Run};
use rand::RngExt as _;

use super::event::Event;
use super::ledger::hash_key;
use super::message::{ReplyBody, RequestBody};
use super::router::Outstanding;
use super::world::World;

/// Keys that come again are so many, at equal distances.
const COMMON_KEYS: u128 = 12;
/// A group has at most so many open shards.
const MAX_OPEN: usize = 6;

/// A split or a merge.
#[derive(Debug)]
pub(super) struct Operation {
    group: usize,
    reshard: Reshard,
    /// Whether it fits the map that it was planned by.
    fits: bool,
    /// Whether it was answered: as done, or as what does not fit.
    is_settled: bool,
    outcome: Option<Resharded>,
}

/// The records of a run that came behind a seal, for the shards that took over.
pub(super) fn rehash(run: &Run, successors: &[OpenShard]) -> Result<Vec<Run>> {
    let mut blocks: BTreeMap<ShardId, RecordBlockBuilder> = BTreeMap::new();
    for record in run.block.records() {
        let key = hash_key(record.partition_key);
        let child = successors.iter().find(|child| child.range.contains(key));
        let child = child.context("no shard took over the hash key of a record")?;
        blocks.entry(child.id).or_default().push(record);
    }
    Ok(blocks.into_iter().map(|(shard, block)| Run { shard, block: block.build() }).collect())
}

impl World {
    /// The group of a shard, as a router has it from the catalog or from an answer.
    pub(super) fn group_known(&self, router: usize, shard: ShardId) -> Option<usize> {
        self.routers[router].map.groups.get(&shard).copied().or_else(|| self.ledger.group_of(shard))
    }

    /// A hash key of a range: one that comes again, if there is one in it and mostly.
    pub(super) fn draw_key(&mut self, range: HashKeyRange) -> HashKey {
        let common = (0..COMMON_KEYS).map(|place| HashKey(place * (u128::MAX / COMMON_KEYS)));
        let common: Vec<_> = common.filter(|key| range.contains(*key)).collect();
        if !common.is_empty() && self.random.random_ratio(3, 4) {
            return common[self.random.random_range(0..common.len())];
        }
        HashKey(self.random.random_range(range.start.0..=range.end.0))
    }

    /// Sends the operation that is not answered yet, or one of before, or a new one.
    pub(super) fn send_reshard(&mut self) -> Result<()> {
        let unsettled = self.operations.iter().position(|operation| !operation.is_settled);
        let place = match unsettled {
            Some(place) => Some(place),
            None if !self.operations.is_empty() && self.random.random_ratio(1, 4) => {
                Some(self.random.random_range(0..self.operations.len()))
            }
            None => self.plan_reshard(),
        };
        if let Some(place) = place {
            let Operation { group, reshard, .. } = &self.operations[place];
            let (group, reshard) = (*group, reshard.clone());
            self.request(0, group, RequestBody::Reshard(reshard), 0, Outstanding::Reshard(place));
        }
        Ok(())
    }

    /// Plans a split or a merge by the catalog, and sometimes one that does not fit.
    fn plan_reshard(&mut self) -> Option<usize> {
        let map = &self.map;
        let group = self.random.random_range(0..self.groups.len());
        let of_group = map.open.iter().filter(|(shard, _)| map.groups[shard] == group);
        let mut open: Vec<_> = of_group.map(|(shard, range)| (*shard, *range)).collect();
        open.sort_by_key(|(_, range)| range.start);
        let splits = open.len() < 2 || open.len() < MAX_OPEN && self.random.random_ratio(1, 2);
        let at = self
            .random
            .random_range(0..open.len().checked_sub(usize::from(!splits)).filter(|most| *most > 0)?);
        let (first, range) = open[at];
        let (seal, ranges) = match splits {
            true if range.end.0 - range.start.0 < 8 => return None,
            true => {
                let key = self.random.random_range(range.start.0 + 1..=range.end.0);
                let low = HashKeyRange { end: HashKey(key - 1), ..range };
                (vec![first], vec![low, HashKeyRange { start: HashKey(key), ..range }])
            }
            false => {
                let (second, behind) = open[at + 1];
                (vec![first, second], vec![HashKeyRange { end: behind.end, ..range }])
            }
        };
        let (op, next) = (self.operations.len() as u64 + 1, self.next_shard);
        let create_seconds = self.machines[0].clock(self.now_ms).wall_ms / 1_000;
        let child = |(index, range)| {
            let id = ShardId::new(index)?;
            Some(OpenShard { id, range, parents: seal.clone(), create_seconds })
        };
        let mut children: Vec<_> = (next..).zip(ranges).filter_map(child).collect();
        self.next_shard += children.len() as u32;
        let fits = !self.random.random_ratio(1, 8);
        if !fits {
            // A hash key that nobody would have.
            children.last_mut()?.range.end.0 -= 1;
        }
        let reshard = Reshard { op, seal, open: children };
        self.operations.push(Operation { group, reshard, fits, is_settled: false, outcome: None });
        Some(self.operations.len() - 1)
    }

    pub(super) fn reshard_replied(&mut self, place: usize, body: ReplyBody) -> Result<()> {
        let ReplyBody::Reshard(outcome) = body else { return Ok(()) };
        let operation = &mut self.operations[place];
        let was_settled = std::mem::replace(&mut operation.is_settled, true);
        match outcome {
            Ok(resharded) => {
                ensure!(operation.fits, "an operation that does not fit is done");
                if let Some(before) = &operation.outcome {
                    // The children may have been raised in their second, once: the outcome is the same each time.
                    ensure!(*before == resharded, "an operation has two outcomes");
                    self.record_event(Event::ReshardedAgain, place);
                    return Ok(());
                }
                operation.outcome = Some(resharded.clone());
                self.record_event(Event::Resharded, place);
                let sealed = resharded.sealed.iter().map(|sealed| sealed.id).collect();
                self.learn_reshard(place, sealed, resharded.opened);
            }
            Err(refusal) => {
                let (group, op, fits) = (operation.group, operation.reshard.op, operation.fits);
                // Its shards may have expired before anybody heard of it: the group's log says what became of it.
                let done = self.ledger.groups[group].operations.get(&op).cloned();
                ensure!(!fits || done.is_some(), "an operation that fits is refused: {refusal}");
                self.record_event(Event::ReshardRefused, place);
                // What was learned before may be of another time by now.
                if let Some(done) = done.filter(|_| !was_settled) {
                    self.learn_reshard(place, done.seal, done.open);
                }
            }
        }
        Ok(())
    }

    fn learn_reshard(&mut self, place: usize, sealed: Vec<ShardId>, opened: Vec<OpenShard>) {
        let group = self.operations[place].group;
        for shard in sealed {
            self.map.open.remove(&shard);
        }
        for child in opened {
            self.map.groups.insert(child.id, group);
            self.map.open.insert(child.id, child.range);
        }
        self.publish_map();
    }
}
