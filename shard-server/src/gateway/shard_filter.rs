//! Which shards ListShards returns, and how a listing that began earlier sees a newer shard map.

use std::collections::{HashMap, HashSet};

use catalog::{Shard, ShardId, ShardState};
use serde::{Deserialize, Serialize};

/// A ShardFilter of the API, with times in seconds since 1970.
///
/// No clock is read. A closed shard stays in the map until its records have expired, which its log decides by log time: the
/// trim horizon is where the map begins. An earlier timestamp means the trim horizon, and a future one means now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardFilter {
    /// No filter, `FROM_TRIM_HORIZON`: every shard.
    All,
    /// `AFTER_SHARD_ID`: shards with a higher id.
    After(ShardId),
    /// `AT_LATEST`: open shards.
    AtLatest,
    /// `AT_TIMESTAMP`: shards that were open at that second. `AT_TRIM_HORIZON` is second 0.
    At(u64),
    /// `FROM_TIMESTAMP`: shards that were open at that second or later.
    From(u64),
}

/// A shard as a listing shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownShard<'a> {
    /// The shard.
    pub shard: &'a Shard,
    /// Whether it is shown closed, with an EndingSequenceNumber.
    pub closed: bool,
}

/// The shards of a map that a listing may show: those that are, or once were, open.
#[must_use]
pub fn shown(shards: &[Shard]) -> Vec<ShownShard<'_>> {
    let visible = shards.iter().filter(|shard| shard.state != ShardState::Pending);
    visible.map(|shard| ShownShard { shard, closed: shard.state == ShardState::Closed }).collect()
}

/// The shards as they were when `newest` was the newest one. A shard was closed then if it had a child.
#[must_use]
pub fn shown_up_to(shards: &[Shard], newest: ShardId) -> Vec<ShownShard<'_>> {
    let mut shown = shown(shards);
    shown.retain(|shown| shown.shard.id <= newest);
    let closings = closings(&shown);
    shown.iter_mut().for_each(|shown| shown.closed &= closings.contains_key(&shown.shard.id));
    shown
}

impl ShardFilter {
    /// The shards that pass the filter, in their order.
    #[must_use]
    pub fn apply<'a>(self, shown: &[ShownShard<'a>]) -> Vec<ShownShard<'a>> {
        let closings = closings(shown);
        let ids: HashSet<ShardId> = shown.iter().map(|shown| shown.shard.id).collect();
        // The first shards of the map count as open at any earlier time, so that the ring is always covered.
        let there_at = |shown: &ShownShard<'_>, second: u64| {
            shown.shard.create_seconds <= second
                || !shown.shard.parents.iter().any(|parent| ids.contains(parent))
        };
        let open_after = |shown: &ShownShard<'_>, second: u64| {
            !shown.closed
                || closings.get(&shown.shard.id).is_some_and(|closed_second| *closed_second > second)
        };
        let passes = |shown: &ShownShard<'_>| match self {
            Self::All => true,
            Self::After(id) => shown.shard.id > id,
            Self::AtLatest => !shown.closed,
            Self::At(second) => there_at(shown, second) && open_after(shown, second),
            Self::From(second) => open_after(shown, second),
        };
        shown.iter().copied().filter(passes).collect()
    }
}

/// When each parent was closed: the second in which its first child was created.
fn closings(shown: &[ShownShard<'_>]) -> HashMap<ShardId, u64> {
    let mut closings = HashMap::new();
    for child in shown {
        for parent in &child.shard.parents {
            let second = closings.entry(*parent).or_insert(child.shard.create_seconds);
            *second = child.shard.create_seconds.min(*second);
        }
    }
    closings
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::{HashKey, HashKeyRange};

    fn id(index: u32) -> ShardId {
        ShardId::new(index).unwrap()
    }

    fn shard(index: u32, state: ShardState, parents: &[u32], create_seconds: u64) -> Shard {
        let range = HashKeyRange { start: HashKey::MIN, end: HashKey::MAX };
        let parents = parents.iter().copied().map(id).collect();
        Shard { id: id(index), range, parents, state, log: "g0".into(), create_seconds }
    }

    /// Two shards from second 100; the first was split in second 200, the halves merged in second 300.
    fn map() -> Vec<Shard> {
        vec![
            shard(0, ShardState::Closed, &[], 100),
            shard(1, ShardState::Open, &[], 100),
            shard(2, ShardState::Closed, &[0], 200),
            shard(3, ShardState::Closed, &[0], 200),
            shard(4, ShardState::Open, &[2, 3], 300),
            shard(5, ShardState::Pending, &[1], 400),
        ]
    }

    fn ids(filter: ShardFilter) -> Vec<u32> {
        let map = map();
        filter.apply(&shown(&map)).iter().map(|shown| shown.shard.id.index()).collect()
    }

    #[test]
    fn without_filter_all_but_pending_shards_pass() {
        assert_eq!(ids(ShardFilter::All), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn after_shard_id_accepts_an_id_without_a_shard() {
        assert_eq!(ids(ShardFilter::After(id(2))), [3, 4]);
        assert_eq!(ids(ShardFilter::After(id(99))), [0; 0]);
    }

    #[test]
    fn at_latest_passes_open_shards() {
        assert_eq!(ids(ShardFilter::AtLatest), [1, 4]);
    }

    #[test]
    fn at_timestamp_passes_the_shards_open_at_that_time() {
        assert_eq!(ids(ShardFilter::At(150)), [0, 1]);
        assert_eq!(ids(ShardFilter::At(250)), [1, 2, 3]);
        assert_eq!(ids(ShardFilter::At(350)), [1, 4]);
    }

    #[test]
    fn timestamp_before_the_stream_passes_its_first_shards() {
        assert_eq!(ids(ShardFilter::At(0)), [0, 1]);
        assert_eq!(ids(ShardFilter::From(0)), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn from_timestamp_passes_the_shards_open_at_that_time_or_later() {
        assert_eq!(ids(ShardFilter::From(250)), [1, 2, 3, 4]);
        assert_eq!(ids(ShardFilter::From(350)), [1, 4]);
    }

    #[test]
    fn future_timestamp_gives_the_open_shards() {
        assert_eq!(ids(ShardFilter::At(u64::MAX)), [1, 4]);
        assert_eq!(ids(ShardFilter::From(u64::MAX)), [1, 4]);
    }

    #[test]
    fn trim_horizon_is_a_whole_ring_as_parents_expire_one_by_one() {
        let mut map = map();
        map.remove(0);
        let at_trim_horizon = |map: &[Shard]| -> Vec<_> {
            ShardFilter::At(0).apply(&shown(map)).iter().map(|shown| shown.shard.id.index()).collect()
        };
        assert_eq!(at_trim_horizon(&map), [1, 2, 3]);
        map.retain(|shard| shard.state != ShardState::Closed);
        assert_eq!(at_trim_horizon(&map), [1, 4]);
    }

    #[test]
    fn listing_that_began_before_a_merge_sees_the_parents_open_and_no_child() {
        let map = map();
        let seen: Vec<_> =
            shown_up_to(&map, id(3)).iter().map(|shown| (shown.shard.id.index(), shown.closed)).collect();
        assert_eq!(seen, [(0, true), (1, false), (2, false), (3, false)]);
    }
}
