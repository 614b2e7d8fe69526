//! What a gateway asks of a shard group, and what the group answers: the values, whoever carries them.

use catalog::ShardId;
use serde::{Deserialize, Serialize};

use crate::record::RecordBlock;

/// Appends to several shards of one log, durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The stream, so that a misrouted call is refused.
    pub stream_uid: String,
    /// The log.
    pub log: String,
    /// One run a shard, each shard at most once.
    pub runs: Vec<Run>,
}

/// The records of one shard, in the order in which they will be numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The shard.
    pub shard: ShardId,
    /// At least one record.
    pub block: RecordBlock,
}

/// What became of one run, in the order of the request's. `Ok` means durable.
pub type RunOutcome = Result<Appended, Refusal>;

/// Where a run's records are: their offsets follow each other from `first_offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The offset of the first record, from 1.
    pub first_offset: u64,
    /// When the run arrived, in milliseconds since 1970; never less than an earlier run's in the same log.
    pub arrival_ms: u64,
}

/// Where to begin to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// The oldest record that is kept.
    TrimHorizon,
    /// Behind the newest durable record.
    Latest,
    /// The first record that arrived at this time (milliseconds since 1970) or later.
    AtTimestamp(u64),
    /// This offset; one below the oldest kept record's is the trim horizon.
    Offset(u64),
}

/// Asks which offset a position is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locate {
    /// The stream, so that a misrouted call is refused.
    pub stream_uid: String,
    /// The log.
    pub log: String,
    /// The shard.
    pub shard: ShardId,
    /// What to resolve.
    pub position: Position,
}

/// Reads one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The stream, so that a misrouted call is refused.
    pub stream_uid: String,
    /// The log.
    pub log: String,
    /// The shard.
    pub shard: ShardId,
    /// Where to begin.
    pub position: Position,
    /// At most so many records; at least 1.
    pub max_records: u32,
    /// At most so many encoded bytes, but always one record where there is one.
    pub max_bytes: u32,
    /// Records that arrived before this (milliseconds since 1970) have expired and are passed over.
    pub oldest_arrival_ms: u64,
}

/// What a read found: durable records alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOutcome {
    /// The records in order; runs may be cut at both ends.
    pub runs: Vec<ReadRun>,
    /// Where the next read goes on.
    pub next_offset: u64,
    /// How far the last record found (or, if none was, the reader) is behind the shard's newest, in milliseconds;
    /// 0 at the tip.
    pub millis_behind_latest: u64,
}

/// Records that follow each other and arrived together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRun {
    /// The offset of the first.
    pub first_offset: u64,
    /// When they arrived, in milliseconds since 1970.
    pub arrival_ms: u64,
    /// The records.
    pub block: RecordBlock,
}

/// Why a group did not do it. Nothing was written, unless it is [`Refusal::OutcomeUnknown`].
///
/// Variants are only added at the end: a neighbouring version may have to understand them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The caller's map is wrong or newer than the group.
    #[error("{shard} is not in log {log} of stream {stream_uid} here")]
    UnknownShard {
        /// The stream that was asked for.
        stream_uid: String,
        /// The log that was asked for.
        log: String,
        /// The shard that was asked for.
        shard: ShardId,
    },
    /// The group is not ready: it starts, recovers or waits for its volume.
    #[error("the group does not serve yet: {0}")]
    NotReady(String),
    /// Its queue is full; ask again later.
    #[error("the log's queue is full")]
    QueueFull,
    /// The volume is full.
    #[error("the volume is full")]
    StorageFull,
    /// A write failed, which is final until a restart.
    #[error("the log has stopped: {0}")]
    LogStopped(String),
    /// What was to be read is damaged.
    #[error("the log is damaged: {0}")]
    Damaged(String),
    /// The group could not be reached, or the connection broke before the answer: a write may have happened.
    #[error("the group did not answer: {0}")]
    OutcomeUnknown(String),
    /// No group would do it: the caller has a fault, or speaks a version that this group does not.
    #[error("the request cannot be done: {0}")]
    Invalid(String),
}

impl Refusal {
    /// The kind, as metrics label it.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::UnknownShard { .. } => "unknown_shard",
            Self::NotReady(_) => "not_ready",
            Self::QueueFull => "queue_full",
            Self::StorageFull => "storage_full",
            Self::LogStopped(_) => "log_stopped",
            Self::Damaged(_) => "damaged",
            Self::OutcomeUnknown(_) => "outcome_unknown",
            Self::Invalid(_) => "invalid",
        }
    }
}
