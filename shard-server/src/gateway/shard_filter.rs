//! Which shards ListShards gives, and what of a newer map a walk that began earlier may see.

use std::collections::{HashMap, HashSet};

use catalog::{Shard, ShardId, ShardState};
use serde::{Deserialize, Serialize};

/// A ShardFilter of the API, with times in seconds since 1970.
///
/// No clock is asked. A closed shard is in the map until its records have expired, which its log decides by log time; so
/// the trim horizon is where the map begins, and before that is as good as at it. A time to come is as good as now: what
/// is open stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardFilter {
    /// No filter, `FROM_TRIM_HORIZON`: every shard.
    All,
    /// `AFTER_SHARD_ID`: those with a higher id.
    After(ShardId),
    /// `AT_LATEST`: those that are open.
    AtLatest,
    /// `AT_TIMESTAMP`: those that were open at that second. `AT_TRIM_HORIZON` is second 0.
    At(u64),
    /// `FROM_TIMESTAMP`: those that were open at that second or later.
    From(u64),
}

/// A shard as a walk shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownShard<'a> {
    /// The shard.
    pub shard: &'a Shard,
    /// Whether it is shown closed, with an EndingSequenceNumber.
    pub closed: bool,
}

/// The shards of a map that can be shown at all: those that are, or once were, open.
#[must_use]
pub fn shown(shards: &[Shard]) -> Vec<ShownShard<'_>> {
    let visible = shards.iter().filter(|shard| shard.state != ShardState::Pending);
    visible.map(|shard| ShownShard { shard, closed: shard.state == ShardState::Closed }).collect()
}

/// The map as it was when `newest` was its newest shard. A shard was closed then if a child of it was there.
#[must_use]
pub fn shown_up_to(shards: &[Shard], newest: ShardId) -> Vec<ShownShard<'_>> {
    let mut shown = shown(shards);
    shown.retain(|shown| shown.shard.id <= newest);
    let closings = closings(&shown);
    shown.iter_mut().for_each(|shown| shown.closed &= closings.contains_key(&shown.shard.id));
    shown
}

impl ShardFilter {
    /// What of the shown shards passes, in their order.
    #[must_use]
    pub fn apply<'a>(self, shown: &[ShownShard<'a>]) -> Vec<ShownShard<'a>> {
        let closings = closings(shown);
        let ids: HashSet<ShardId> = shown.iter().map(|shown| shown.shard.id).collect();
        // The first shards of the map count as open at any earlier time, so that the ring is always whole.
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

/// The second in which each parent was succeeded: the first of its children was created then.
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
    fn without_filter_all_but_pending_shards_are_given() {
        assert_eq!(ids(ShardFilter::All), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn after_shard_id_takes_any_id() {
        assert_eq!(ids(ShardFilter::After(id(2))), [3, 4]);
        assert_eq!(ids(ShardFilter::After(id(99))), [0; 0]);
    }

    #[test]
    fn at_latest_gives_the_open_ones() {
        assert_eq!(ids(ShardFilter::AtLatest), [1, 4]);
    }

    #[test]
    fn at_a_time_gives_the_shards_open_then() {
        assert_eq!(ids(ShardFilter::At(150)), [0, 1]);
        assert_eq!(ids(ShardFilter::At(250)), [1, 2, 3]);
        assert_eq!(ids(ShardFilter::At(350)), [1, 4]);
    }

    #[test]
    fn time_before_the_stream_gives_its_first_shards() {
        assert_eq!(ids(ShardFilter::At(0)), [0, 1]);
        assert_eq!(ids(ShardFilter::From(0)), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn from_a_time_gives_what_was_open_then_or_later() {
        assert_eq!(ids(ShardFilter::From(250)), [1, 2, 3, 4]);
        assert_eq!(ids(ShardFilter::From(350)), [1, 4]);
    }

    #[test]
    fn time_to_come_gives_the_open_ones() {
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
    fn walk_that_began_before_the_merge_sees_its_parents_open_and_no_child() {
        let map = map();
        let seen: Vec<_> =
            shown_up_to(&map, id(3)).iter().map(|shown| (shown.shard.id.index(), shown.closed)).collect();
        assert_eq!(seen, [(0, true), (1, false), (2, false), (3, false)]);
    }
}
