//! Why a group did not do what it was asked.

use catalog::member::OpenShard;

/// Why a group did not do it. Nothing was written, unless it is [`Refusal::OutcomeUnknown`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The stream, log or shard is not in this group: the caller's map is older or newer than the group.
    #[error("{0}")]
    UnknownShard(String),
    /// The shard takes no more records: these took over its part of the ring. They are in the same log, and may be sealed in
    /// turn.
    #[error("the shard is sealed; {} took over", names(.0))]
    Sealed(Vec<OpenShard>),
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
    /// The records to read are corrupt.
    #[error("the log is corrupt: {0}")]
    Corrupt(String),
    /// There is no answer, or none that this version understands: a write may have happened.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// No group would do it: the caller has a fault.
    #[error("the request cannot be done: {0}")]
    Invalid(String),
    /// The group's version does not know the call, or something that the call requires.
    #[error("the group's version does not support it: {0}")]
    Unsupported(String),
}

impl Refusal {
    /// The kind, as metrics label it.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::UnknownShard(_) => "unknown_shard",
            Self::Sealed(_) => "sealed",
            Self::NotReady(_) => "not_ready",
            Self::QueueFull => "queue_full",
            Self::StorageFull => "storage_full",
            Self::LogStopped(_) => "log_stopped",
            Self::Corrupt(_) => "damaged",
            Self::OutcomeUnknown(_) => "outcome_unknown",
            Self::Invalid(_) => "invalid",
            Self::Unsupported(_) => "unsupported",
        }
    }
}

fn names(shards: &[OpenShard]) -> String {
    shards.iter().map(|shard| shard.id.to_string()).collect::<Vec<_>>().join(" and ")
}
