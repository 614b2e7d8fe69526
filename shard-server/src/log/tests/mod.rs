//! The log by scenario.

mod commit;
mod damage;
mod failing_device;
mod reading;
mod recovery;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::protocol::ReadRun;
use crate::record::{Record, RecordBlock, RecordBlockBuilder};

const REPLICA: Uuid = Uuid::from_u128(0x51ab);
const ALL: Limits = Limits { max_records: 1_000_000, max_bytes: 100 << 20 };

/// A log's directory and the clock of its processes.
struct Bench {
    directory: tempfile::TempDir,
    now_ms: Arc<AtomicU64>,
    metrics: Metrics,
}

impl Bench {
    /// A new log with shards 0 to 2.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        create(&directory.path().join("g0"), REPLICA, &opens(3), 1_000).unwrap();
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        Self { directory, now_ms: Arc::new(AtomicU64::new(1_000)), metrics }
    }

    fn open(&self) -> Result<Log, Error> {
        self.open_on(|file| Box::new(file))
    }

    fn open_on(&self, device: impl FnOnce(File) -> Box<dyn Device>) -> Result<Log, Error> {
        let now_ms = Arc::clone(&self.now_ms);
        let clock: Clock = Arc::new(move || now_ms.load(Ordering::Relaxed));
        let directory = self.directory.path().join("g0");
        Log::open_on(&directory, REPLICA, clock, self.metrics.clone(), Arc::new(()), device)
    }

    fn set_clock(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("g0").join(FILE_NAME)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    fn set_bytes(&self, bytes: &[u8]) {
        fs::write(self.file(), bytes).unwrap();
    }
}

fn opens(count: u32) -> Vec<OpenShard> {
    let ranges = catalog::HashKeyRange::uniform(count);
    let open = |(index, range)| OpenShard { id: shard(index), range, parents: Vec::new(), create_seconds: 1 };
    (0..).zip(ranges).map(open).collect()
}

fn shard(index: u32) -> ShardId {
    ShardId::new(index).unwrap()
}

fn block(records: &[impl AsRef<[u8]>]) -> RecordBlock {
    let mut builder = RecordBlockBuilder::default();
    for data in records {
        builder.push(Record { partition_key: "key", data: data.as_ref() });
    }
    builder.build()
}

fn run(index: u32, records: &[impl AsRef<[u8]>]) -> Run {
    Run { shard: shard(index), block: block(records) }
}

/// The data of records as read, each with its offset, after checking that offsets follow each other.
fn flatten(runs: &[ReadRun]) -> Vec<(u64, Vec<u8>)> {
    let mut records = Vec::new();
    for run in runs {
        for (offset, record) in (run.first_offset..).zip(run.block.records()) {
            assert!(
                records.last().is_none_or(|(last, _): &(u64, _)| last + 1 == offset),
                "a gap before {offset}"
            );
            records.push((offset, record.data.to_vec()));
        }
    }
    records
}

async fn all(log: &Log, index: u32) -> Vec<String> {
    let outcome = log.read(shard(index), Position::TrimHorizon, 0, ALL).await.unwrap();
    assert_eq!(outcome.millis_behind_latest, 0);
    let records = flatten(&outcome.runs);
    assert_eq!(outcome.next_offset, records.len() as u64 + 1);
    records.into_iter().map(|(_, data)| String::from_utf8(data).unwrap()).collect()
}
