use catalog::map::{Genesis, Map, Transition};
use catalog::resource::{DataStreamSpec, ShardSpec, ShardStatus};

use super::*;

const GENESIS: Genesis = Genesis { shard_count: 2, shards_per_group: 1, create_seconds: 1 };

fn shard(index: usize, state: &str) -> Arc<Shard> {
    mirror(&GENESIS.shards().swap_remove(index), state)
}

fn mirror(shard: &catalog::Shard, state: &str) -> Arc<Shard> {
    let group = format!("orders-1a2b3-{}", shard.log);
    let mut object =
        Shard::new(&format!("s{}", shard.id.index()), ShardSpec::mirror(shard, "orders", &group));
    object.status = Some(ShardStatus { state: Some(state.into()), ending_sequence_number: None });
    Arc::new(object)
}

/// An ACTIVE stream, without a record of its map.
fn unrecorded(open: i32) -> DataStream {
    let mut stream = DataStream::new("orders", DataStreamSpec { shard_count: Some(2), ..Default::default() });
    stream.metadata.uid = Some("1a2b3c4d".into());
    stream.metadata.namespace = Some("shop".into());
    stream.status = Some(DataStreamStatus {
        stream_status: Some("ACTIVE".into()),
        map_version: Some(7),
        open_shard_count: Some(open),
        closed_shard_count: Some(0),
        ..Default::default()
    });
    stream
}

/// The same with a record, in which these logs are open.
fn stream(open: &[&str]) -> DataStream {
    let mut stream = unrecorded(i32::try_from(open.len()).unwrap());
    let map = open.iter().fold(Map::create(GENESIS), |map, log| {
        Map::take(Some(map), &Transition::Open { log: (*log).into() }).unwrap()
    });
    stream.status.as_mut().unwrap().map = Some(RecordedMap::of(&map));
    stream
}

fn entry_of(stream: &DataStream, shards: &[Arc<Shard>]) -> Option<Entry> {
    let defaults = Defaults { storage_size: "1Gi".into(), storage_class_name: None, shards_per_group: 1 };
    entry(stream, shards, "000000000000", &defaults)
}

fn states(entry: &Entry) -> Vec<ShardState> {
    entry.stream.shards.iter().map(|shard| shard.state).collect()
}

#[test]
fn an_active_stream_names_its_pods_by_dns() {
    let Entry { stream, agrees } =
        entry_of(&stream(&["g0", "g1"]), &[shard(1, "Open"), shard(0, "Open")]).unwrap();
    assert!(agrees);
    assert_eq!((stream.map_version, stream.status), (7, StreamStatus::Active));
    assert_eq!(stream.shards[0].id.index(), 0);
    let group = stream.group_of_log("g1").unwrap();
    assert_eq!(group.members[0].address, "orders-1a2b3-g1-0.orders-1a2b3.shop.svc:7400");
}

#[test]
fn shards_that_are_late_early_or_lost_change_nothing_about_the_entry() {
    let whole = entry_of(&stream(&["g0", "g1"]), &[shard(0, "Open"), shard(1, "Open")]).unwrap();
    for objects in [vec![], vec![shard(0, "Pending")], vec![shard(0, "Open"), shard(1, "Pending")]] {
        assert_eq!(entry_of(&stream(&["g0", "g1"]), &objects).unwrap(), whole);
    }
    let early = entry_of(&stream(&["g0"]), &[shard(0, "Open"), shard(1, "Open")]).unwrap();
    assert_eq!(states(&early), [ShardState::Open, ShardState::Pending], "no record may be written to it yet");
    assert_ne!(early.stream.map_digest, whole.stream.map_digest);
}

#[test]
fn an_object_that_makes_no_sense_takes_no_stream_out_of_the_catalog() {
    let nonsense = Arc::new(Shard::new("mine", ShardSpec::default()));
    let entry = entry_of(&stream(&["g0", "g1"]), &[nonsense]).unwrap();
    assert_eq!(states(&entry), [ShardState::Open, ShardState::Open]);
}

#[test]
fn a_map_of_a_newer_version_is_taken_from_its_shards_once_they_are_what_its_digest_names() {
    let mut newer = stream(&["g0", "g1"]);
    let mut map = GENESIS.shards();
    map.iter_mut().for_each(|shard| shard.state = ShardState::Open);
    map[0].state = ShardState::Closed;
    let child = catalog::Shard {
        id: catalog::ShardId::new(2).unwrap(),
        parents: vec![map[0].id],
        state: ShardState::Open,
        ..map[0].clone()
    };
    map.push(child.clone());
    newer.status.as_mut().unwrap().map.as_mut().unwrap().digest = Digest::of(&GENESIS, &map).to_string();

    let mirrors = [shard(0, "Closed"), shard(1, "Open"), mirror(&child, "Open")];
    let known = entry_of(&newer, &mirrors).unwrap();
    assert_eq!((known.agrees, &known.stream.shards, known.stream.map_version), (true, &map, 7));
    let late = entry_of(&newer, &mirrors[..2]).unwrap();
    assert_eq!((late.agrees, late.stream.map_version), (false, 6), "who has version 7 keeps it");
}

#[test]
fn a_stream_of_an_earlier_version_has_an_entry_while_its_shards_are_those_that_it_counts() {
    let entry = entry_of(&unrecorded(2), &[shard(0, "Open"), shard(1, "Open")]).unwrap();
    assert_eq!((entry.agrees, entry.stream.map_digest), (true, None));
    assert!(entry_of(&unrecorded(2), &[shard(0, "Open"), shard(1, "Pending")]).is_none());
}

#[test]
fn a_stream_that_nobody_has_seen_yet_is_creating() {
    let mut new = unrecorded(0);
    new.status = None;
    let entry = entry_of(&new, &[]).unwrap().stream;
    assert_eq!((entry.map_version, entry.status), (0, StreamStatus::Creating));
}
