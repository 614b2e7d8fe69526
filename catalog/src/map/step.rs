//! What is to be done next about a map.

use super::{DEFAULT_SHARD_COUNT, Genesis, Map};

/// A change of a map. Each may be taken twice: the second time changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The stream begins. It is recorded before anything is made from it.
    Create(Genesis),
    /// All shards of a log take records, as the log itself says. It is recorded before anybody may write to them.
    Open {
        /// The log.
        log: String,
    },
}

/// What a user wants of a map. What is absent stays as it is; a new stream has [`DEFAULT_SHARD_COUNT`] shards then, and
/// all of them in one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The number of open shards.
    pub shard_count: Option<u32>,
    /// How many of them share a group.
    pub shards_per_group: Option<u32>,
}

/// Why no transition is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoStep {
    /// The map is as desired.
    #[error("the map is as desired")]
    Done,
    /// Another number of shards is desired.
    #[error("the stream has {recorded} shards, and {desired} are not served: resharding is not served yet")]
    ShardCount {
        /// How many there are.
        recorded: u32,
        /// How many there should be.
        desired: u32,
    },
    /// Other groups are desired.
    #[error(
        "a group of the stream has up to {recorded} shards, and {desired} are not served: shards do not move yet"
    )]
    ShardsPerGroup {
        /// How many a group has at most.
        recorded: u32,
        /// How many it should have at most.
        desired: u32,
    },
}

/// The transitions that are due, which may be taken in any order or at once; `map` is what is recorded, nothing where
/// the stream was not created yet, and `now_seconds` since 1970 is the time of its creation then.
///
/// A map is never planned anew from what is desired: an absent record alone makes a genesis.
///
/// # Errors
/// Why there is none.
pub fn next_steps(map: Option<&Map>, desired: &Desired, now_seconds: u64) -> Result<Vec<Transition>, NoStep> {
    let Some(map) = map else {
        let shard_count = desired.shard_count.unwrap_or(DEFAULT_SHARD_COUNT);
        let shards_per_group = desired.shards_per_group.unwrap_or(shard_count);
        return Ok(vec![Transition::Create(Genesis::new(shard_count, shards_per_group, now_seconds))]);
    };
    let logs = map.logs_to_open();
    if !logs.is_empty() {
        return Ok(logs.into_iter().map(|log| Transition::Open { log }).collect());
    }
    let Genesis { shard_count, shards_per_group, .. } = *map.genesis();
    match *desired {
        Desired { shard_count: Some(desired), .. } if desired != shard_count => {
            Err(NoStep::ShardCount { recorded: shard_count, desired })
        }
        Desired { shards_per_group: Some(desired), .. } if desired != shards_per_group => {
            Err(NoStep::ShardsPerGroup { recorded: shards_per_group, desired })
        }
        Desired { .. } => Err(NoStep::Done),
    }
}
