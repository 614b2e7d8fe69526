//! How a stream began.

use crate::{HashKeyRange, Shard, ShardId, ShardState};

/// The number of shards of a stream that names none: AWS's default, for both modes.
pub const DEFAULT_SHARD_COUNT: u32 = 4;

/// How a stream began: all of its first map follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Genesis {
    /// The number of its first shards, at least 1.
    pub shard_count: u32,
    /// How many of them share a log and its group, at least 1.
    pub shards_per_group: u32,
    /// When they were created, in seconds since 1970.
    pub create_seconds: u64,
}

impl Genesis {
    /// A stream of `shard_count` shards, `shards_per_group` in each group. Counts below 1 are 1: every stream has a
    /// shard.
    #[must_use]
    pub fn new(shard_count: u32, shards_per_group: u32, create_seconds: u64) -> Self {
        Self { shard_count: shard_count.max(1), shards_per_group: shards_per_group.max(1), create_seconds }
    }

    /// The first shards, sorted by id: uniform ranges, all [`ShardState::Pending`], in logs `g0`, `g1`, ... that are
    /// filled in order.
    #[must_use]
    pub fn shards(&self) -> Vec<Shard> {
        let planned =
            (0u32..).zip(HashKeyRange::uniform(self.shard_count.max(1))).filter_map(|(index, range)| {
                Some(Shard {
                    id: ShardId::new(index)?,
                    range,
                    parents: Vec::new(),
                    state: ShardState::Pending,
                    log: log_name(index / self.shards_per_group.max(1)),
                    create_seconds: self.create_seconds,
                })
            });
        let mut shards: Vec<_> = planned.collect();
        // A process with a thousand streams keeps them.
        shards.shrink_to_fit();
        shards
    }
}

/// The name of a stream's n-th log, and the suffix of the group that it was opened in.
#[must_use]
pub fn log_name(index: u32) -> String {
    format!("g{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_shards_at_two_per_group_take_two_logs() {
        let shards = Genesis::new(4, 2, 1_700_000_000).shards();
        let logs: Vec<_> = shards.iter().map(|shard| shard.log.as_str()).collect();
        assert_eq!(logs, ["g0", "g0", "g1", "g1"]);
        assert!(shards.iter().all(|shard| shard.state == ShardState::Pending && shard.parents.is_empty()));
        assert_eq!(shards[3].id.to_string(), "shardId-000000000003");
    }

    #[test]
    fn a_count_of_zero_is_a_stream_of_one_shard() {
        assert_eq!(Genesis::new(0, 0, 1).shards(), Genesis::new(1, 1, 1).shards());
    }
}
