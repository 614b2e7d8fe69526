//! What is done ahead of those who wait for it: ranges that a reader comes to, and blocks that small batches fall on.

use std::sync::Mutex;

use super::watched_disk::{Watched, pass};
use super::*;
use crate::disk::DiskFile;

const RUN_BYTES: usize = 60 << 10;

#[test]
fn reader_of_one_shard_among_many_finds_its_runs_fetched_and_nothing_else() {
    let mut bench = Bench::new();
    bench.sizes = Sizes { first_segment_bytes: 4 << 20, largest_segment_bytes: 4 << 20, ..bench.sizes };
    let (mut log, reader) = bench.open();
    let text = "x".repeat(RUN_BYTES);
    let batches = 60;
    for _ in 0..batches {
        log.append(&[(0..3).map(|shard| run(shard, &[&text])).collect()]).unwrap();
    }
    let segments = reader.status().segments;
    drop((log, reader));

    let advised = Arc::<Mutex<Vec<(u64, u64)>>>::default();
    let (noted, known) = (Arc::clone(&advised), Arc::clone(&advised));
    let not_fetched = Arc::<AtomicU64>::default();
    let missed = Arc::clone(&not_fetched);
    let look = move |file: &dyn DiskFile, position: u64, buffer: &mut [u8], wait: Option<Wait>| {
        let has = |(from, bytes): &(u64, u64)| *from <= position && position < from + bytes;
        if buffer.len() >= RUN_BYTES && wait.is_some() && !known.lock().unwrap().iter().any(has) {
            missed.fetch_add(1, Ordering::Relaxed);
        }
        pass(file, position, buffer, wait)
    };
    bench.disk = Arc::new(Watched {
        read: Arc::new(look),
        advised: Arc::new(move |position, bytes| noted.lock().unwrap().push((position, bytes))),
        ..Watched::new(&bench.disk)
    });
    let (_log, reader) = bench.open();
    assert_eq!(data(&read(&reader, 1, Position::TrimHorizon).unwrap()).len(), batches);
    // The newest segment has no index on the disk yet; of each other the first run is read at once.
    let of_newest = batches as u64 / (segments - 2);
    assert!(not_fetched.load(Ordering::Relaxed) <= of_newest + segments, "{not_fetched:?}");
    let advised = advised.lock().unwrap();
    let records = advised.iter().filter(|(_, bytes)| *bytes >= RUN_BYTES as u64).count();
    let least = batches - usize::try_from(of_newest + segments).unwrap();
    assert!((least..=batches).contains(&records), "{records} runs were fetched, each once");
    let bytes: u64 = advised.iter().map(|(_, bytes)| bytes).sum();
    assert!(bytes < 2 * (batches * RUN_BYTES) as u64, "{bytes} bytes were fetched");
}

#[test]
fn small_batches_fall_on_blocks_that_were_written_before() {
    let mut bench = Bench::new();
    let written = Arc::<Mutex<Vec<(u64, u64)>>>::default();
    let noted = Arc::clone(&written);
    bench.disk = Arc::new(Watched {
        written: Arc::new(move |position, bytes| noted.lock().unwrap().push((position, position + bytes))),
        ..Watched::new(&bench.disk)
    });
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
