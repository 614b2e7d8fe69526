//! Resharding within one log: shards are sealed, and others take over their part of the ring, all in one entry.
//!
//! Pure: what becomes of a [`Reshard`] is judged by a [`State`]. An operation has a number, unique in its stream; the log
//! remembers the highest one, and what each sealed shard was sealed by. So an operation that comes again gets its outcome
//! again, and an older one changes nothing.

use std::sync::Arc;

use catalog::member::OpenShard;
use catalog::{HashKeyRange, ShardId};

use crate::entry::Change;
use crate::state::State;

/// The most shards that one operation seals, or opens. A split seals one and opens two, a merge the other way round.
pub const MAX_RESHARD_SHARDS: usize = 64;

/// Shards to seal, and shards that take over their part of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshard {
    /// The number of the operation, from 1: higher than any before in its stream.
    pub op: u64,
    /// The shards to seal. They take no more records.
    pub seal: Vec<ShardId>,
    /// The shards to open, in the order of their ids. The log raises the second of their creation where that is needed to
    /// make every sequence number of theirs higher than any of their parents.
    pub open: Vec<OpenShard>,
}

/// What a shard was sealed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The number of the operation.
    pub op: u64,
    /// When it was sealed, in milliseconds of log time: no record of it arrived later, and none of its successors' earlier.
    pub arrival_ms: u64,
    /// The shards that took over its part of the ring.
    pub successors: Vec<ShardId>,
}

/// The outcome of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resharded {
    /// The shards that it sealed.
    pub sealed: Vec<SealedShard>,
    /// The shards that it opened, as they are in the log.
    pub opened: Vec<OpenShard>,
}

/// Where a shard ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedShard {
    /// The shard.
    pub id: ShardId,
    /// The offset of its last record; 0 if it has none.
    pub last_offset: u64,
    /// When it was sealed, in milliseconds of log time.
    pub arrival_ms: u64,
}

/// Why a log does not do an operation. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReshardRefusal {
    /// A shard to seal is not in the log.
    #[error("{0} is not in this log")]
    UnknownShard(ShardId),
    /// A shard to seal is sealed by another operation.
    #[error("{0} is sealed already")]
    AlreadySealed(ShardId),
    /// A shard is to be opened whose id is not above that of every shard before.
    #[error("the id of {0} is not above that of every shard before")]
    IdNotAbove(ShardId),
    /// The shards to open do not cover exactly the part of the ring that those to seal do.
    #[error("the shards to open do not cover exactly the hash keys of those to seal")]
    RangesDiffer,
    /// The parents of a shard to open are not the shards to seal of whose range it takes a part.
    #[error("the parents of {0} are not the shards of which it takes a part")]
    WrongParents(ShardId),
    /// It is no newer operation than the log has done already, and not one of those.
    #[error("operation {op} is not above operation {last_op}, which the log has done")]
    OldOp {
        /// Its number.
        op: u64,
        /// The highest one that the log has done.
        last_op: u64,
    },
    /// It seals or opens no shard, or more than [`MAX_RESHARD_SHARDS`].
    #[error("an operation seals and opens 1 to 64 shards")]
    Size,
}

/// What becomes of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It is to be done: the change that does it.
    Due(Change),
    /// It was done before: its outcome.
    Done(Resharded),
    /// It is not to be done.
    Refused(ReshardRefusal),
}

impl State {
    /// The shards that took over from a sealed shard, by id; nothing while it is open, or where it is not in the log.
    #[must_use]
    pub fn successors(&self, shard: ShardId) -> Option<Vec<OpenShard>> {
        let seal = self.shards.get(&shard)?.seal.as_ref()?;
        // They are there as long as the shard is: none can be sealed, and expire, before it.
        let opened = seal.successors.iter().filter_map(|id| self.shards.get(id));
        Some(opened.map(|successor| successor.open.clone()).collect())
    }

    /// The outcome of the operation with this number; nothing if it sealed no shard that is in the log.
    #[must_use]
    pub fn resharded(&self, op: u64) -> Option<Resharded> {
        let sealed_by = |seal: &Seal| seal.op == op;
        let of_op = self.shards.values().filter(|shard| shard.seal.as_deref().is_some_and(sealed_by));
        let mut resharded = Resharded { sealed: Vec::new(), opened: Vec::new() };
        for shard in of_op {
            let Some(seal) = &shard.seal else { continue };
            let (id, last_offset) = (shard.open.id, shard.next_offset.saturating_sub(1));
            resharded.sealed.push(SealedShard { id, last_offset, arrival_ms: seal.arrival_ms });
            for successor in seal.successors.iter().filter_map(|id| self.shards.get(id)) {
                if !resharded.opened.contains(&successor.open) {
                    resharded.opened.push(successor.open.clone());
                }
            }
        }
        resharded.opened.sort_by_key(|shard| shard.id);
        (!resharded.sealed.is_empty()).then_some(resharded)
    }

    /// What becomes of an operation at a moment of log time.
    pub(crate) fn judge(&self, reshard: Reshard, time_ms: u64) -> Judgement {
        let op = reshard.op;
        if let Some(resharded) = self.resharded(op)
            && reshard.seal.iter().all(|id| resharded.sealed.iter().any(|sealed| sealed.id == *id))
        {
            return Judgement::Done(resharded);
        }
        match self.check_reshard(&reshard) {
            Ok(()) => Judgement::Due(self.change_of(reshard, time_ms)),
            Err(refusal) => Judgement::Refused(refusal),
        }
    }

    fn check_reshard(&self, Reshard { op, seal, open }: &Reshard) -> Result<(), ReshardRefusal> {
        let sizes = 1..=MAX_RESHARD_SHARDS;
        if !sizes.contains(&seal.len()) || !sizes.contains(&open.len()) {
            return Err(ReshardRefusal::Size);
        }
        if *op <= self.last_op {
            return Err(ReshardRefusal::OldOp { op: *op, last_op: self.last_op });
        }
        let mut parents = Vec::with_capacity(seal.len());
        for id in seal {
            match self.shards.get(id) {
                None => return Err(ReshardRefusal::UnknownShard(*id)),
                Some(shard) if shard.seal.is_some() => return Err(ReshardRefusal::AlreadySealed(*id)),
                Some(shard) => parents.push(&shard.open),
            }
        }
        let mut last_id = self.shards.last().map(|(id, _)| *id);
        for child in open {
            if last_id.is_some_and(|last| last >= child.id) {
                return Err(ReshardRefusal::IdNotAbove(child.id));
            }
            last_id = Some(child.id);
        }
        let before = joined(parents.iter().map(|parent| parent.range).collect());
        if before.is_none() || before != joined(open.iter().map(|child| child.range).collect()) {
            return Err(ReshardRefusal::RangesDiffer);
        }
        for child in open {
            let of_child = parents.iter().filter(|parent| overlap(parent.range, child.range));
            let mut expected: Vec<_> = of_child.map(|parent| parent.id).collect();
            let mut named = child.parents.clone();
            expected.sort_unstable();
            named.sort_unstable();
            if expected != named {
                return Err(ReshardRefusal::WrongParents(child.id));
            }
        }
        Ok(())
    }

    /// The change that does an operation: its arrival is not before any record of the sealed shards, and every sequence
    /// number of the opened ones is above all of theirs.
    fn change_of(&self, mut reshard: Reshard, time_ms: u64) -> Change {
        let parents = reshard.seal.iter().filter_map(|id| self.shards.get(id));
        let arrival_ms = parents.clone().map(|parent| parent.last_arrival_ms).fold(time_ms, u64::max);
        let created = parents.map(|parent| parent.open.create_seconds).fold(arrival_ms / 1_000, u64::max);
        for child in &mut reshard.open {
            child.create_seconds = child.create_seconds.max(created.saturating_add(1));
        }
        Change::Reshard { arrival_ms, reshard: Arc::new(reshard) }
    }
}

/// Ranges as few as can be, in order; nothing if a hash key is in two of them, or one is empty.
fn joined(mut ranges: Vec<HashKeyRange>) -> Option<Vec<HashKeyRange>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<HashKeyRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        if range.start > range.end {
            return None;
        }
        match joined.last_mut() {
            Some(last) if range.start <= last.end => return None,
            Some(last) if last.end.0 + 1 == range.start.0 => last.end = range.end,
            _ => joined.push(range),
        }
    }
    Some(joined)
}

fn overlap(one: HashKeyRange, other: HashKeyRange) -> bool {
    one.start <= other.end && other.start <= one.end
}
