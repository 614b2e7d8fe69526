//! Shard groups by scenario.

mod client;
mod group;

use catalog::member::{Bootstrap, OpenShard};
use catalog::{HashKeyRange, ShardId};

use super::*;
use crate::protocol::{Append, Position, Read, ReadOutcome, Run};
use record_log::record::{Record, RecordBlockBuilder};

pub(crate) const UID: &str = "uid-1";

pub(crate) fn config() -> GroupConfig {
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let resources = Resources::new(metrics.log.clone());
    GroupConfig { stream_uid: UID.into(), group: "orders-g0".into(), resources, metrics }
}

pub(crate) fn shard(index: u32) -> ShardId {
    ShardId::new(index).unwrap()
}

/// Opens shards 0 to `count` - 1.
pub(crate) fn bootstrap(count: u32) -> Bootstrap {
    let open = |(index, range)| OpenShard { id: shard(index), range, parents: Vec::new(), create_seconds: 1 };
    let shards = (0..).zip(HashKeyRange::uniform(count)).map(open).collect();
    Bootstrap {
        stream_uid: UID.into(),
        group: "orders-g0".into(),
        log: "g0".into(),
        shards,
        retention_period_hours: 24,
    }
}

pub(crate) fn run(index: u32, records: &[&str]) -> Run {
    let mut builder = RecordBlockBuilder::default();
    for data in records {
        builder.push(Record { partition_key: "key", data: data.as_bytes() });
    }
    Run { shard: shard(index), block: builder.build() }
}

pub(crate) fn append(runs: Vec<Run>) -> Append {
    Append { stream_uid: UID.into(), log: "g0".into(), runs }
}

pub(crate) fn read_all(index: u32) -> Read {
    Read {
        stream_uid: UID.into(),
        log: "g0".into(),
        shard: shard(index),
        position: Position::TrimHorizon,
        max_records: 10_000,
        max_bytes: 10 << 20,
        oldest_arrival_ms: 0,
    }
}

pub(crate) fn data(outcome: &ReadOutcome) -> Vec<String> {
    let text = |record: Record<'_>| String::from_utf8(record.data.to_vec()).unwrap();
    outcome.runs.iter().flat_map(|run| run.block.records().map(text)).collect()
}
