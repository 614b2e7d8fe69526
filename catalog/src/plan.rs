//! Plans: the shards and logs of a new stream.

use crate::{HashKeyRange, Shard, ShardId, ShardState};

/// The number of shards of a stream that names none: AWS's default, for both modes.
pub const DEFAULT_SHARD_COUNT: u32 = 4;

/// The shards of a new stream: `shard_count` uniform ranges, all [`ShardState::Pending`], with logs `g0`, `g1`, ...
/// filled in order with `shards_per_group` shards each.
///
/// `create_seconds` is now, in seconds since 1970. Returns no shards for a count of zero.
#[must_use]
pub fn create(shard_count: u32, shards_per_group: u32, create_seconds: u64) -> Vec<Shard> {
    let per_group = shards_per_group.max(1);
    let ranges = if shard_count == 0 { Vec::new() } else { HashKeyRange::uniform(shard_count) };
    (0u32..)
        .zip(ranges)
        .filter_map(|(index, range)| {
            Some(Shard {
                id: ShardId::new(index)?,
                range,
                parents: Vec::new(),
                state: ShardState::Pending,
                log: log_name(index / per_group),
                create_seconds,
            })
        })
        .collect()
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
        let shards = create(4, 2, 1_700_000_000);
        let logs: Vec<_> = shards.iter().map(|shard| shard.log.as_str()).collect();
        assert_eq!(logs, ["g0", "g0", "g1", "g1"]);
        assert!(shards.iter().all(|shard| shard.state == ShardState::Pending && shard.parents.is_empty()));
        assert_eq!(shards[3].id.to_string(), "shardId-000000000003");
    }
}
