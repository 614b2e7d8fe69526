use catalog::feed::{CatalogEvent, Part};
use catalog::map::{Genesis, Map};
use catalog::resource::{DataStreamSpec, DataStreamStatus, RecordedMap, Shard, ShardSpec};
use clap::Parser;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::Event;

use super::*;
use crate::cli::{Cli, Command};
use crate::names::STREAM_UID_LABEL;
use crate::world::{Scope, Writers};

const OURS: &str = "kinetes-system/kinetes";

/// A catalog service in a cluster that a test makes.
struct Cluster {
    publisher: Publisher,
    names: Names,
    writers: Writers,
    position: u64,
}

impl Cluster {
    fn new() -> Self {
        let arguments =
            ["operator", "run", "--release=kinetes", "--namespace=kinetes-system", "--shard-server-image=x"];
        let Command::Run(settings) = Cli::parse_from(arguments).command else { unreachable!("it says run") };
        let (scope, writers) = Scope::new(None);
        let publisher = Publisher::new(Arc::new(*settings), Arc::new(World::new(vec![scope])));
        let mut cluster = Self { publisher, names: Names::default(), writers, position: 0 };
        cluster.shard_event(Event::InitDone);
        cluster.stream_event(Event::InitDone);
        cluster
    }

    fn stream_event(&mut self, event: Event<DataStream>) {
        self.writers.streams.apply_watcher_event(&event);
        self.publisher.world.stream_event(&event);
    }

    fn shard_event(&mut self, event: Event<Shard>) {
        self.writers.shards.apply_watcher_event(&event);
        self.publisher.world.shard_event(&event);
    }

    /// What a follower hears of the changes since it was asked last.
    async fn heard(&mut self) -> Vec<CatalogEvent> {
        let changes = self.publisher.world.catalog_changes().await;
        self.publisher.publish(&mut self.names, changes);
        let (events, position) = self.publisher.published.after(self.position, &Part::default());
        self.position = position;
        events
    }
}

/// An ACTIVE stream of two shards that has its name.
fn stream(object: &str, name: &str, map_version: i64) -> DataStream {
    let spec = DataStreamSpec { name: Some(name.into()), shard_count: Some(2), ..Default::default() };
    let mut stream = DataStream::new(object, spec);
    stream.metadata.uid = Some(format!("uid-of-{object}"));
    stream.metadata.namespace = Some("shop".into());
    let map = Map::restore(Genesis::new(2, 2, 1), &[]);
    stream.status = Some(DataStreamStatus {
        installation: Some(OURS.into()),
        stream_status: Some("ACTIVE".into()),
        map_version: Some(map_version),
        map: Some(RecordedMap::of(&map)),
        name_held_since: Some(Time(Timestamp::from_second(map_version).unwrap())),
        ..Default::default()
    });
    stream
}

fn shard(stream: &DataStream, index: usize) -> Shard {
    let planned = Genesis::new(2, 2, 1).shards().swap_remove(index);
    let name = format!("{}-s{index}", stream.name_any());
    let group = crate::names::Names::of(stream).group("g0");
    let mut shard = Shard::new(&name, ShardSpec::mirror(&planned, "x", &group));
    shard.metadata.namespace = stream.namespace();
    shard.metadata.labels = Some([(STREAM_UID_LABEL.to_owned(), stream.uid().unwrap())].into());
    shard
}

/// `+name` for a stream that is shown with something new, `-uid` for one that is not shown any more.
fn told(events: &[CatalogEvent]) -> Vec<String> {
    let tell = |event: &CatalogEvent| match event {
        CatalogEvent::Snapshot(streams) => {
            streams.iter().map(|stream| format!("={}", stream.name)).collect::<Vec<_>>().join(" ")
        }
        CatalogEvent::Changed(stream) => format!("+{} {}", stream.name, stream.map_version),
        CatalogEvent::Removed { uid, map_version } => format!("-{uid} {map_version:?}"),
        CatalogEvent::Heartbeat => "heartbeat".into(),
    };
    events.iter().map(tell).collect()
}

#[tokio::test]
async fn a_replica_that_starts_shows_every_active_stream_whatever_it_has_of_its_shards() {
    let mut cluster = Cluster::new();
    let (orders, bills) = (stream("orders", "orders", 7), stream("bills", "bills", 8));
    cluster.shard_event(Event::Apply(shard(&orders, 1)));
    cluster.stream_event(Event::Apply(orders));
    cluster.stream_event(Event::Apply(bills));
    assert_eq!(told(&cluster.heard().await), ["=bills =orders"]);
}

#[tokio::test]
async fn a_change_of_one_stream_is_one_line_and_a_shard_that_changes_nothing_is_none() {
    let mut cluster = Cluster::new();
    let (orders, bills) = (stream("orders", "orders", 7), stream("bills", "bills", 8));
    cluster.stream_event(Event::Apply(orders.clone()));
    cluster.stream_event(Event::Apply(bills));
    cluster.heard().await;
    cluster.stream_event(Event::Apply(stream("orders", "orders", 9)));
    assert_eq!(told(&cluster.heard().await), ["+orders 9"]);
    cluster.shard_event(Event::Apply(shard(&orders, 0)));
    cluster.shard_event(Event::Apply(shard(&orders, 1)));
    cluster.shard_event(Event::Delete(shard(&orders, 1)));
    assert_eq!(told(&cluster.heard().await), [""; 0]);
}

#[tokio::test]
async fn what_changed_is_the_stream_of_the_shard_and_no_other() {
    let mut cluster = Cluster::new();
    cluster.heard().await;
    let orders = stream("orders", "orders", 7);
    cluster.shard_event(Event::Apply(shard(&orders, 0)));
    let changes = cluster.publisher.world.catalog_changes().await;
    let shards_of = ["uid-of-orders".to_owned()].into();
    assert_eq!(changes, CatalogChanges { shards_of, ..CatalogChanges::default() });
    assert_eq!(cluster.publisher.world.shards_of("uid-of-orders").len(), 1);
    assert_eq!(cluster.publisher.world.shards_of("uid-of-bills").len(), 0);
    cluster.shard_event(Event::Delete(shard(&orders, 0)));
    assert_eq!(cluster.publisher.world.shards_of("uid-of-orders").len(), 0);
}

#[tokio::test]
async fn a_name_goes_over_when_its_stream_is_gone_and_not_before() {
    let mut cluster = Cluster::new();
    let mut waiting = stream("second", "orders", 9);
    waiting.status.as_mut().unwrap().name_held_since = None;
    let incumbent = stream("first", "orders", 7);
    cluster.stream_event(Event::Apply(incumbent.clone()));
    cluster.stream_event(Event::Apply(waiting));
    let CatalogEvent::Snapshot(streams) = cluster.heard().await.remove(0) else {
        unreachable!("it is first")
    };
    assert_eq!(streams.iter().map(|stream| &stream.uid).collect::<Vec<_>>(), ["uid-of-first"]);
    cluster.stream_event(Event::Delete(incumbent));
    assert_eq!(told(&cluster.heard().await), ["-uid-of-first None", "+orders 9"]);
}

#[tokio::test]
async fn a_stream_that_was_handed_over_is_withdrawn_and_may_come_back() {
    let mut cluster = Cluster::new();
    cluster.stream_event(Event::Apply(stream("orders", "orders", 7)));
    cluster.heard().await;
    let mut theirs = stream("orders", "orders", 8);
    theirs.status.as_mut().unwrap().installation = Some("elsewhere/kinetes".into());
    cluster.stream_event(Event::Apply(theirs));
    assert_eq!(told(&cluster.heard().await), ["-uid-of-orders Some(7)"]);
    cluster.stream_event(Event::Apply(stream("orders", "orders", 9)));
    assert_eq!(told(&cluster.heard().await), ["+orders 9"]);
}
