//! The whole log, by scenario, on the real disk. What crashes do to it is the simulation's.

mod ahead;
mod corruption;
mod faulty_disk;
mod inspect;
mod many;
mod newer;
mod pieces;
mod reshard;
mod room;
mod segments;
mod time;
mod version_skew;
mod watched_disk;
mod writing;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use catalog::member::OpenShard;
use catalog::{HashKeyRange, ShardId};
use uuid::Uuid;

use crate::clock::Clock;
use crate::disk::Disk;
use crate::disk::system::SystemDisk;
use crate::record::{Record, RecordBlockBuilder};
use crate::value::{Appended, Limits, Position, ReadOutcome, Run, RunOutcome, Wait};
use crate::{Environment, Error, Log, LogConfig, ReadError, Reader, Sizes, TailBudget, create, open};

const COPY: Uuid = Uuid::from_u128(0xc0);
const HOUR_MS: u64 = 3_600_000;
const START_MS: u64 = 1_000 * HOUR_MS;
const ALL: Limits = Limits { max_records: 1_000_000, max_bytes: 100 << 20 };

/// Clocks that a test moves.
#[derive(Debug, Default)]
struct HandClock {
    wall_ms: AtomicU64,
    monotonic_ms: AtomicU64,
}

impl Clock for HandClock {
    fn wall_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::Relaxed)
    }

    fn monotonic_ms(&self) -> u64 {
        self.monotonic_ms.load(Ordering::Relaxed)
    }
}

impl HandClock {
    fn go(&self, ms: u64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
        self.monotonic_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn step_to(&self, wall_ms: u64) {
        self.wall_ms.store(wall_ms, Ordering::Relaxed);
    }
}

/// A log's directory, and what its processes share.
struct Bench {
    directory: tempfile::TempDir,
    clock: Arc<HandClock>,
    disk: Arc<dyn Disk>,
    sizes: Sizes,
    tail_bytes: usize,
    trusts_own_clock: bool,
}

impl Bench {
    /// A new log with shards 0 to 2 and small segments, which keeps records for a day.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk::new(directory.path().into()));
        let config = LogConfig {
            log_id: Uuid::from_u128(1),
            incarnation: COPY,
            shards: opens(3),
            retention_hours: 24,
            created_ms: START_MS,
        };
        create(&*disk, 7, &config).unwrap();
        let clock = Arc::new(HandClock::default());
        clock.step_to(START_MS);
        let sizes =
            Sizes { first_segment_bytes: 64 << 10, largest_segment_bytes: 256 << 10, ..Sizes::default() };
        Self { directory, clock, disk, sizes, tail_bytes: 0, trusts_own_clock: false }
    }

    fn environment(&self) -> Environment {
        let nonce = AtomicU64::new(rand_seed());
        Environment {
            disk: Arc::clone(&self.disk),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            random: Arc::new(move || nonce.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)),
            tail: TailBudget::new(self.tail_bytes),
            sizes: self.sizes,
            trusts_own_clock: self.trusts_own_clock,
        }
    }

    fn try_open(&self) -> Result<(Log, Reader), Error> {
        open(self.environment(), COPY)
    }

    fn open(&self) -> (Log, Reader) {
        self.try_open().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The names of the files, sorted.
    fn names(&self) -> Vec<String> {
        let mut names = self.disk.list().unwrap();
        names.sort();
        names
    }

    /// Changes one bit of a file.
    fn flip(&self, name: &str, position: usize) {
        let mut bytes = std::fs::read(self.path(name)).unwrap();
        bytes[position] ^= 1;
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Where a text is in a file.
    fn find(&self, name: &str, text: &str) -> usize {
        self.look_for(name, text).unwrap()
    }

    fn look_for(&self, name: &str, text: &str) -> Option<usize> {
        let bytes = std::fs::read(self.path(name)).unwrap();
        bytes.windows(text.len()).position(|window| window == text.as_bytes())
    }
}

fn rand_seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

fn shard(index: u32) -> ShardId {
    ShardId::new(index).unwrap()
}

fn opens(count: u32) -> Vec<OpenShard> {
    let open = |(index, range)| OpenShard { id: shard(index), range, parents: Vec::new(), create_seconds: 1 };
    (0..).zip(HashKeyRange::uniform(count)).map(open).collect()
}

fn run(index: u32, records: &[&str]) -> Run {
    let mut builder = RecordBlockBuilder::default();
    for data in records {
        builder.push(Record { partition_key: "key", data: data.as_bytes() });
    }
    Run { shard: shard(index), block: builder.build() }
}

/// Appends one run by itself.
fn put(log: &mut Log, index: u32, records: &[&str]) -> Appended {
    appended(&log.append(&[vec![run(index, records)]]).unwrap()[0][0])
}

fn appended(outcome: &RunOutcome) -> Appended {
    let RunOutcome::Appended(appended) = outcome else { panic!("{outcome:?}") };
    *appended
}

fn read(reader: &Reader, index: u32, position: Position) -> Result<ReadOutcome, ReadError> {
    reader.read(shard(index), position, ALL, Wait::ForDisk)
}

/// The data of what is read from the oldest record on.
fn all(reader: &Reader, index: u32) -> Vec<String> {
    data(&read(reader, index, Position::TrimHorizon).unwrap())
}

fn data(outcome: &ReadOutcome) -> Vec<String> {
    let text = |record: Record<'_>| String::from_utf8(record.data.to_vec()).unwrap();
    outcome.runs.iter().flat_map(|run| run.block.records().map(text)).collect()
}

/// Different texts of a kilobyte, in order.
fn kilobytes(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|number| format!("{number:01024}")).collect()
}

/// Appends texts one by one.
fn fill(log: &mut Log, index: u32, texts: &[String]) {
    for text in texts {
        put(log, index, &[text]);
    }
}
