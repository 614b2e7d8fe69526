use proptest::prelude::*;

use super::*;
use crate::{HashKey, HashKeyRange, Shard, ShardId, ShardState};

/// Any genesis of a size that is quick to try.
fn genesis() -> impl Strategy<Value = Genesis> {
    (1u32..200, 1u32..40, 0u64..1 << 36)
        .prop_map(|(count, per_group, seconds)| Genesis::new(count, per_group, seconds))
}

/// A map of which some logs were opened, as `opened` picks them.
fn opened(genesis: Genesis, opened: &[prop::sample::Index]) -> Map {
    let logs = Map::create(genesis).logs_to_open();
    opened.iter().fold(Map::create(genesis), |map, index| {
        Map::take(Some(map), &Transition::Open { log: index.get(&logs).clone() }).unwrap()
    })
}

/// How many shards that are not closed have a key.
fn takers(map: &Map, key: HashKey) -> usize {
    map.shards().iter().filter(|shard| shard.state != ShardState::Closed && shard.range.contains(key)).count()
}

/// One change of a shard.
fn change(shard: &mut Shard, what: u8) {
    match what {
        0 => shard.range = HashKeyRange { start: HashKey(7), end: HashKey(7) },
        1 => shard.parents.push(ShardId::FIRST),
        2 => shard.log.push('1'),
        3 => shard.create_seconds += 1,
        4 => {
            shard.state = match shard.state {
                ShardState::Pending => ShardState::Open,
                ShardState::Open | ShardState::Closed => ShardState::Pending,
            }
        }
        _ => shard.id = ShardId::new(shard.id.index() + 1000).unwrap(),
    }
}

fn picks() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

proptest! {
    #[test]
    fn every_key_has_one_shard_whatever_was_opened(genesis in genesis(), picks in picks(), key: u128) {
        let map = opened(genesis, &picks);
        for key in [key, 0, u128::MAX] {
            prop_assert_eq!(takers(&map, HashKey(key)), 1);
        }
    }

    #[test]
    fn states_only_move_forward_and_nothing_else_changes(genesis in genesis(), picks in picks()) {
        let mut map = Map::create(genesis);
        let logs = map.logs_to_open();
        for pick in &picks {
            let after = Map::take(Some(map.clone()), &Transition::Open { log: pick.get(&logs).clone() }).unwrap();
            for (before, after) in map.shards().iter().zip(after.shards()) {
                prop_assert!(before.state <= after.state);
                let before_then = Shard { state: after.state, ..before.clone() };
                prop_assert_eq!(&before_then, after);
            }
            prop_assert_eq!(after.genesis(), map.genesis());
            map = after;
        }
    }

    #[test]
    fn steps_that_are_due_lead_to_a_map_as_desired(count in 1u32..100, per_group in 1u32..20, seconds: u32) {
        let desired = Desired { shard_count: Some(count), shards_per_group: Some(per_group) };
        let mut map = None;
        let mut rounds = 0;
        let end = loop {
            match next_steps(map.as_ref(), &desired, seconds.into()) {
                Err(end) => break end,
                Ok(steps) => {
                    prop_assert!(!steps.is_empty());
                    for step in steps {
                        map = Some(Map::take(map, &step).unwrap());
                    }
                }
            }
            rounds += 1;
            prop_assert!(rounds < 3);
        };
        prop_assert_eq!(end, NoStep::Done);
        let map = map.unwrap();
        prop_assert_eq!(map.shards().len(), count as usize);
        prop_assert!(map.shards().iter().all(|shard| shard.state == ShardState::Open));
    }

    #[test]
    fn what_is_desired_later_changes_no_map(
        genesis in genesis(),
        picks in picks(),
        count in 1u32..200,
        per_group in 1u32..40,
    ) {
        let map = opened(genesis, &picks);
        let desired = Desired { shard_count: Some(count), shards_per_group: Some(per_group) };
        for step in next_steps(Some(&map), &desired, 1).unwrap_or_default() {
            prop_assert!(matches!(&step, Transition::Open { log } if map.logs_to_open().contains(log)), "{step:?}");
        }
        let other = Genesis::new(count, per_group, genesis.create_seconds);
        let created = Map::take(Some(map.clone()), &Transition::Create(other));
        prop_assert_eq!(created.is_ok(), other == genesis);
    }

    #[test]
    fn a_record_gives_its_map_again_and_mirrors_may_lack_something(
        genesis in genesis(),
        picks in picks(),
        kept in prop::collection::vec(any::<bool>(), 200),
    ) {
        let map = opened(genesis, &picks);
        prop_assert_eq!(Map::restore(genesis, &map.logs_to_open()), map.clone());
        let mut mirrors: Vec<_> = map.shards().to_vec();
        let mut kept = kept.into_iter();
        mirrors.retain(|_| kept.next() == Some(true));
        for state in [ShardState::Pending, ShardState::Open] {
            mirrors.iter_mut().for_each(|mirror| mirror.state = state);
            prop_assert_eq!(map.check(&mirrors), Ok(()), "late or early");
        }
    }

    #[test]
    fn a_digest_differs_where_a_map_does(
        genesis in genesis(),
        picks in picks(),
        at: prop::sample::Index,
        what in 0u8..6,
    ) {
        let map = opened(genesis, &picks);
        let mut shards = map.shards().to_vec();
        prop_assert_eq!(Digest::of(&genesis, &shards), map.digest());
        let index = at.index(shards.len());
        change(&mut shards[index], what);
        prop_assert_ne!(Digest::of(&genesis, &shards), map.digest());
        prop_assert_ne!(Digest::of(&genesis, &map.shards()[1..]), map.digest());
        let other = Genesis { shards_per_group: genesis.shards_per_group + 1, ..genesis };
        prop_assert_ne!(Digest::of(&other, map.shards()), map.digest());
    }
}

#[test]
fn a_digest_is_the_same_in_every_version() {
    let map = Map::create(Genesis::new(4, 2, 1_700_000_000));
    assert_eq!(map.digest().to_string(), "580d60fd53c0f5bffdc0f69afa27e978");
    let open = Map::take(Some(map), &Transition::Open { log: "g1".into() }).unwrap();
    assert_eq!(open.digest().to_string(), "4695163d68818be08098e76e88e26f68");
}

#[test]
fn another_count_or_packing_than_the_recorded_one_is_not_served() {
    let genesis = Genesis::new(4, 2, 1);
    let map = Map::restore(genesis, &[]);
    let desired = |shard_count, shards_per_group| Desired { shard_count, shards_per_group };
    let steps = |desired| next_steps(Some(&map), &desired, 1).unwrap_err();
    assert_eq!(steps(desired(None, None)), NoStep::Done);
    assert_eq!(steps(desired(Some(4), Some(2))), NoStep::Done);
    assert_eq!(steps(desired(Some(8), None)), NoStep::ShardCount { recorded: 4, desired: 8 });
    assert_eq!(steps(desired(None, Some(1))), NoStep::ShardsPerGroup { recorded: 2, desired: 1 });
}

#[test]
fn a_mirror_that_the_record_rules_out_is_named() {
    let genesis = Genesis::new(4, 2, 1);
    let contradiction = |shard: Shard| Map::create(genesis).check([&shard]).unwrap_err().to_string();
    let first = genesis.shards().swap_remove(0);
    // What an operator that planned from a changed spec has made: eighths beside quarters.
    let eighth = Genesis::new(8, 2, 1).shards().swap_remove(4);
    assert_eq!(
        contradiction(eighth),
        "shardId-000000000004 is not one of the 4 shards that the stream was created with"
    );
    for (what, expected) in [
        (0, "the hash key range of shardId-000000000000 is not what the stream was created with"),
        (1, "the list of parents of shardId-000000000000 is not what the stream was created with"),
        (2, "the log of shardId-000000000000 is not what the stream was created with"),
        (3, "the time of creation of shardId-000000000000 is not what the stream was created with"),
    ] {
        let mut changed = first.clone();
        change(&mut changed, what);
        assert_eq!(contradiction(changed), expected);
    }
    let closed = Shard { state: ShardState::Closed, ..first };
    assert_eq!(contradiction(closed), "shardId-000000000000 is closed, and no shard takes its records");
}

#[test]
fn a_transition_that_the_record_does_not_allow_is_refused() {
    let open = |log: &str| Transition::Open { log: log.into() };
    assert_eq!(Map::take(None, &open("g0")), Err(Refused::NotCreated));
    let map = Map::create(Genesis::new(2, 1, 1));
    assert_eq!(Map::take(Some(map.clone()), &open("g2")), Err(Refused::NoLog { log: "g2".into() }));
    let again = Transition::Create(Genesis::new(8, 1, 1));
    assert_eq!(Map::take(Some(map), &again), Err(Refused::Created { shard_count: 2 }));
}
