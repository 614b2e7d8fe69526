//! One shard as every part of Kinetes sees it.

use serde::{Deserialize, Serialize};

use crate::{HashKeyRange, SequenceNumber, ShardId};

/// Where a shard is in its life. It only moves forward, so that an old view is never wrong, only late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ShardState {
    /// Planned; takes no records yet.
    Pending,
    /// Takes records.
    Open,
    /// Takes no more records; its records are read until they expire.
    Closed,
}

/// A shard of a stream's map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// Its id, unique in its stream for ever.
    pub id: ShardId,
    /// The part of the ring whose records it takes.
    pub range: HashKeyRange,
    /// The shards it came from: none at creation, one after a split, two after a merge.
    pub parents: Vec<ShardId>,
    /// Where it is in its life.
    pub state: ShardState,
    /// The name of the log that holds its records ([`crate::Log::name`]).
    pub log: String,
    /// When it was created, in seconds since 1970, as its sequence numbers carry it. Fixed in the plan.
    pub create_seconds: u64,
}

impl Shard {
    /// The number that the API shows as StartingSequenceNumber: below that of every record.
    #[must_use]
    pub fn starting_sequence_number(&self) -> SequenceNumber {
        SequenceNumber::starting(self.id, self.create_seconds)
    }
}
