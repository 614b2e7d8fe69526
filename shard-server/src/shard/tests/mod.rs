//! Shard groups by scenario.

mod client;
mod forty_groups;
mod group;
mod reshard;

use catalog::member::{Bootstrap, OpenShard};
use catalog::{HashKeyRange, ShardId};

use super::client::{Client, HOLD};
use super::*;
use crate::budget::{ByteBudget, Counts};
use crate::protocol::{
    Append, Frame, FrameError, Locate, Located, Position, Read, ReadOutcome, RecordStream, Refusal, Run,
    RunOutcome,
};
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
    Append { stream_uid: UID.into(), log: "g0".into(), id: None, runs }
}

pub(crate) fn read_all(index: u32) -> Read {
    Read {
        stream_uid: UID.into(),
        log: "g0".into(),
        shard: shard(index),
        position: Position::TrimHorizon,
        max_records: 10_000,
        max_bytes: 10 << 20,
        max_frame_bytes: 0,
        wait_ms: 0,
    }
}

pub(crate) fn budget(bytes: usize) -> ByteBudget {
    ByteBudget::new(bytes, Counts::unseen())
}

/// All records of a stream.
pub(crate) async fn collect(mut records: RecordStream) -> Result<ReadOutcome, Refusal> {
    let budget = budget(64 << 20);
    let mut whole =
        ReadOutcome { runs: Vec::new(), next_offset: 0, millis_behind_latest: 0, successors: None };
    while let Some(frame) = records.next(&budget).await {
        let Frame { outcome, .. } = frame.map_err(|error| match error {
            FrameError::Refused(refusal) => refusal,
            FrameError::Exhausted(_) => Refusal::QueueFull,
        })?;
        whole.runs.extend(outcome.runs);
        (whole.next_offset, whole.millis_behind_latest) = (outcome.next_offset, outcome.millis_behind_latest);
        whole.successors = outcome.successors;
    }
    Ok(whole)
}

/// Calls of a local or remote group, in the form that tests need.
pub(crate) trait Calls {
    async fn append(&self, append: Append) -> Vec<RunOutcome>;
    async fn read(&self, read: Read) -> Result<ReadOutcome, Refusal>;
    async fn locate(&self, locate: Locate) -> Result<Located, Refusal>;
}

macro_rules! calls {
    ($of:ty, |$group:ident, $append:ident| $appending:expr) => {
        impl Calls for $of {
            async fn append(&self, $append: Append) -> Vec<RunOutcome> {
                let (runs, $group) = ($append.runs.len(), self);
                $appending.await.unwrap_or_else(|refusal| vec![Err(refusal); runs])
            }

            async fn read(&self, read: Read) -> Result<ReadOutcome, Refusal> {
                collect(self.call(read).await?).await
            }

            async fn locate(&self, locate: Locate) -> Result<Located, Refusal> {
                self.call(locate).await
            }
        }
    };
}

calls!(Group, |group, append| group.call(append));
calls!(Client, |client, append| client.send_append(append, HOLD));

pub(crate) fn data(outcome: &ReadOutcome) -> Vec<String> {
    let text = |record: Record<'_>| String::from_utf8(record.data.to_vec()).unwrap();
    outcome.runs.iter().flat_map(|run| run.block.records().map(text)).collect()
}
