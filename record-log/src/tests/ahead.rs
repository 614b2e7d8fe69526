//! What is done ahead of those who wait for it: ranges that a reader comes to, and blocks that small batches fall on.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::watched_disk::{Watched, pass};
use super::*;
use crate::disk::DiskFile;

const RUN_BYTES: usize = 60 << 10;

/// A log of batches with a run of three shards each, on a disk that notes advice.
struct Fetched {
    bench: Bench,
    /// Where, and how many bytes.
    advised: Arc<Mutex<Vec<(u64, u64)>>>,
    /// How many runs were read that were not advised before.
    missed: Arc<AtomicU64>,
    /// Whether everything is in memory. Else nothing is, as far as it is asked.
    is_in_memory: Arc<AtomicBool>,
    /// How many runs may be missed: the newest segment has no index on the disk yet; of each other the first run is read
    /// at once.
    may_miss: u64,
}

const BATCHES: usize = 60;

impl Fetched {
    fn new() -> Self {
        let mut bench = Bench::new();
        bench.sizes = Sizes { first_segment_bytes: 4 << 20, largest_segment_bytes: 4 << 20, ..bench.sizes };
        let (mut log, reader) = bench.open();
        let text = "x".repeat(RUN_BYTES);
        for _ in 0..BATCHES {
            log.append(&[(0..3).map(|shard| run(shard, &[&text])).collect()]).unwrap();
        }
        let segments = reader.status().segments;
        drop((log, reader));

        let advised = Arc::<Mutex<Vec<(u64, u64)>>>::default();
        let (noted, known) = (Arc::clone(&advised), Arc::clone(&advised));
        let missed = Arc::<AtomicU64>::default();
        let missing = Arc::clone(&missed);
        let is_in_memory = Arc::<AtomicBool>::default();
        let in_memory = Arc::clone(&is_in_memory);
        let look = move |file: &dyn DiskFile, position: u64, buffer: &mut [u8], wait: Option<Wait>| {
            let has = |(from, bytes): &(u64, u64)| *from <= position && position < from + bytes;
            if buffer.len() >= RUN_BYTES && wait.is_some() && !known.lock().unwrap().iter().any(has) {
                missing.fetch_add(1, Ordering::Relaxed);
            }
            if in_memory.load(Ordering::Relaxed) {
                return pass(file, position, buffer, wait.and(Some(Wait::ForDisk)));
            }
            // The question whether it is in memory.
            if buffer.len() == 1 && wait == Some(Wait::Never) {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            pass(file, position, buffer, wait)
        };
        let watched = Watched {
            read: Box::new(look),
            advised: Box::new(move |position, bytes| noted.lock().unwrap().push((position, bytes))),
            ..Watched::default()
        };
        bench.disk = watched.on(&bench.disk);
        Self { bench, advised, missed, is_in_memory, may_miss: BATCHES as u64 / (segments - 2) + segments }
    }

    fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// The bytes of each range that is larger than headers.
    fn ranges(&self) -> Vec<u64> {
        let advised = self.advised.lock().unwrap();
        advised.iter().map(|(_, bytes)| *bytes).filter(|bytes| *bytes >= RUN_BYTES as u64).collect()
    }
}

#[test]
fn reader_of_one_shard_among_many_finds_its_runs_fetched_and_nothing_else() {
    let fetched = Fetched::new();
    let (_log, reader) = fetched.bench.open();
    assert_eq!(data(&read(&reader, 1, Position::TrimHorizon).unwrap()).len(), BATCHES);
    assert!(fetched.missed() <= fetched.may_miss, "{} were missed", fetched.missed());
    let ranges = fetched.ranges().len();
    let least = BATCHES - usize::try_from(fetched.may_miss).unwrap();
    assert!((least..=BATCHES).contains(&ranges), "{ranges} runs were fetched, each once");
    let bytes: u64 = fetched.advised.lock().unwrap().iter().map(|(_, bytes)| bytes).sum();
    assert!(bytes < 2 * (BATCHES * RUN_BYTES) as u64, "{bytes} bytes were fetched");
}

#[test]
fn what_was_fetched_in_one_read_serves_the_next_and_each_run_is_fetched_once() {
    let fetched = Fetched::new();
    let (_log, reader) = fetched.bench.open();
    let (mut position, mut runs) = (Position::TrimHorizon, 0);
    loop {
        let limits = Limits { max_bytes: 3 * RUN_BYTES, ..ALL };
        let outcome = reader.read(shard(1), position, limits, Wait::ForDisk).unwrap();
        if outcome.runs.is_empty() {
            break;
        }
        runs += outcome.runs.len();
        position = Position::Offset(outcome.next_offset);
    }
    assert_eq!(runs, BATCHES);
    assert!(fetched.missed() <= fetched.may_miss, "{} were missed", fetched.missed());
    assert!(fetched.ranges().len() <= BATCHES, "{:?}", fetched.ranges());
}

#[test]
fn reader_waits_for_the_disk_as_long_as_something_is_on_its_way() {
    let fetched = Fetched::new();
    let (_log, reader) = fetched.bench.open();
    let limits = Limits { max_bytes: 3 * RUN_BYTES, ..ALL };
    let outcome = reader.read(shard(1), Position::TrimHorizon, limits, Wait::ForDisk).unwrap();
    let next = Position::Offset(outcome.next_offset);
    // The kernel has it in memory; who takes it from there would have nothing more fetched.
    assert!(matches!(reader.read(shard(1), next, limits, Wait::Never), Err(ReadError::WouldBlock)));
    assert!(reader.read(shard(2), next, limits, Wait::Never).is_ok(), "what somebody else has fetched");
    assert!(
        reader.read(shard(1), Position::TrimHorizon, limits, Wait::Never).is_ok(),
        "what was read before"
    );
}

#[test]
fn nothing_is_fetched_that_is_in_memory_and_its_reader_waits_for_nothing() {
    let fetched = Fetched::new();
    fetched.is_in_memory.store(true, Ordering::Relaxed);
    let (_log, reader) = fetched.bench.open();
    let limits = Limits { max_bytes: 3 * RUN_BYTES, ..ALL };
    let outcome = reader.read(shard(1), Position::TrimHorizon, limits, Wait::ForDisk).unwrap();
    assert_eq!(fetched.ranges().len(), 0);
    let next = Position::Offset(outcome.next_offset);
    assert!(reader.read(shard(1), next, limits, Wait::Never).is_ok());
}

#[test]
fn what_readers_of_most_shards_come_to_is_left_to_the_kernel() {
    let fetched = Fetched::new();
    let (_log, reader) = fetched.bench.open();
    let mut positions = [Position::TrimHorizon; 3];
    for _ in 0..BATCHES {
        for (position, shard_index) in positions.iter_mut().zip(0..) {
            let limits = Limits { max_bytes: 2 * RUN_BYTES, ..ALL };
            let outcome = reader.read(shard(shard_index), *position, limits, Wait::ForDisk).unwrap();
            *position = Position::Offset(outcome.next_offset);
        }
    }
    let ranges = fetched.ranges().len();
    assert!(
        ranges < BATCHES,
        "{ranges} ranges: those of the first reader before others come, a few a segment"
    );
}

#[test]
fn small_batches_fall_on_blocks_that_were_written_before() {
    let mut bench = Bench::new();
    let written = Arc::<Mutex<Vec<(u64, u64)>>>::default();
    let noted = Arc::clone(&written);
    let watched = Watched {
        written: Box::new(move |position, bytes| noted.lock().unwrap().push((position, position + bytes))),
        ..Watched::default()
    };
    bench.disk = watched.on(&bench.disk);
    bench.sizes = Sizes { first_segment_bytes: 4 << 20, largest_segment_bytes: 4 << 20, ..bench.sizes };
    let (mut log, reader) = bench.open();
    put(&mut log, 0, &["first"]);
    written.lock().unwrap().clear();
    let texts = kilobytes(0, 500);
    fill(&mut log, 0, &texts);
    let (mut end, mut fresh) = (0, 0);
    for (_, to) in &*written.lock().unwrap() {
        fresh += u64::from(*to > end);
        end = end.max(*to);
    }
    // 500 records of 1 KiB and their headers, in steps of 128 KiB.
    assert!((4..=6).contains(&fresh), "{fresh} of 500 writes went to fresh blocks");
    // A large batch needs no zeros behind it.
    written.lock().unwrap().clear();
    put(&mut log, 0, &["x".repeat(200 << 10).as_str()]);
    let (from, to) = written.lock().unwrap()[0];
    assert!(to - from < 210 << 10);
    assert_eq!(all(&reader, 0).len(), 502);
}
