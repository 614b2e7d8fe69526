//! What the entries of a log amount to.

use std::collections::BTreeMap;

use catalog::ShardId;
use catalog::member::OpenShard;

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
