//! What a gateway asks of a shard group, and what the group answers: the values, whoever carries them.

use catalog::ShardId;
use serde::{Deserialize, Serialize};

pub use record_log::value::{Appended, Position, ReadOutcome, ReadRun, Run};

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

/// What became of one run, in the order of the request's. `Ok` means durable.
pub type RunOutcome = Result<Appended, Refusal>;

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
