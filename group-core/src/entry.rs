//! What a log is made of: batches of entries.

use std::sync::Arc;

use catalog::ShardId;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::record::RecordBlock;
use crate::reshard::Reshard;

/// Records of one shard, in the order in which they will be numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The shard.
    pub shard: ShardId,
    /// At least one record; at most 128 KiB, or one record.
    pub block: RecordBlock,
}

/// Where a run's records are: their offsets follow each other from `first_offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The offset of the first record, from 1.
    pub first_offset: u64,
    /// When the run arrived, in milliseconds of log time; never less than an earlier run's of the same shard.
    pub arrival_ms: u64,
}

/// What one entry changes. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds records to a shard.
    Append {
        /// The shard.
        shard: ShardId,
        /// The offset of the first record.
        first_offset: u64,
        /// How many records.
        records: u32,
        /// When they arrived, in milliseconds of log time.
        arrival_ms: u64,
    },
    /// Records are kept so many hours from now on.
    SetRetention {
        /// 24 to 8760.
        hours: u32,
    },
    /// Records that arrived before this (milliseconds of log time) have expired.
    Trim {
        /// The oldest arrival that is kept.
        horizon_ms: u64,
    },
    /// Log time jumps forward: two machines agree that it is behind.
    ClockStep {
        /// What log time is from now on, in milliseconds since 1970.
        time_ms: u64,
    },
    /// Shards are sealed and others are opened in their place. It is alone in its batch.
    Reshard {
        /// When, in milliseconds of log time: no record of a sealed shard arrived later, and none of an opened one
        /// arrives earlier.
        arrival_ms: u64,
        /// Which.
        reshard: Arc<Reshard>,
    },
}

/// A change, and the records that an append adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it changes.
    pub change: Change,
    /// The records of an append, in order; together at most 128 KiB, or one record. Empty for any other change.
    pub blocks: SmallVec<[RecordBlock; 1]>,
}

/// Entries that are made durable at once. One without entries confirms the one before it, or begins a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The number of the batch, from 1; they follow each other.
    pub index: u64,
    /// The term of the leader that numbered it, from 1; never less than an earlier batch's.
    pub term: u64,
    /// Log time when it was proposed, in milliseconds since 1970; never less than an earlier batch's.
    pub time_ms: u64,
    /// Its entries, in order. Those that append are in the order of their shards.
    pub entries: Vec<Entry>,
}

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

impl Batch {
    /// What it does to a state.
    pub fn step(&self) -> Step<impl Iterator<Item = Change> + Clone + '_> {
        let Self { index, term, time_ms, entries } = self;
        let changes = entries.iter().map(|entry| entry.change.clone());
        Step { index: *index, term: *term, time_ms: *time_ms, changes }
    }
}
