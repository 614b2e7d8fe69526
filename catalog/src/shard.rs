//! One shard as every part of Kinetes sees it.

use serde::{Deserialize, Serialize};

use crate::{HashKeyRange, SequenceNumber, ShardId};

/// The state of a shard's life cycle. It only moves forward, so an old view is late but never contradicts a newer one.
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
    /// Its state.
    pub state: ShardState,
    /// The name of the log that holds its records ([`crate::LogPlacement::name`]).
    pub log: String,
    /// When it was created, in seconds since 1970. Its sequence numbers contain this; the plan fixes it.
    pub create_seconds: u64,
}

impl Shard {
    /// The number that the API shows as StartingSequenceNumber: below that of every record.
    #[must_use]
    pub fn starting_sequence_number(&self) -> SequenceNumber {
        SequenceNumber::starting(self.id, self.create_seconds)
    }
}
