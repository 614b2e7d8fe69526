//! A log of 100 GiB is opened by looking at as little as of a small one. How long that takes the benchmark says.

use super::watched_disk::{Watched, pass};
use super::*;
use crate::disk::DiskFile;

const SEGMENTS: u64 = 1_600;
const SEGMENT_BYTES: u64 = 64 << 20;

#[test]
fn opening_sixteen_hundred_segments_looks_at_the_oldest_and_the_newest_alone() {
    let mut bench = Bench::new();
    bench.sizes =
        Sizes { first_segment_bytes: 16 << 10, largest_segment_bytes: 16 << 10, ..Sizes::default() };
    let (mut log, reader) = bench.open();
    // Each record leaves no room for a second one in its segment.
    let text = "x".repeat(9 << 10);
    for _ in 0..SEGMENTS {
        put(&mut log, 0, &[&text]);
    }
    assert_eq!(reader.status().segments, SEGMENTS + 1);
    drop((log, reader));
    // As long as full ones: holes for what is not there.
    for sequence in 2..=SEGMENTS {
        let name = crate::format::segment_name(sequence);
        let file = std::fs::File::options().write(true).open(bench.path(&name)).unwrap();
        file.set_len(SEGMENT_BYTES).unwrap();
    }
    let read_bytes = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&read_bytes);
    let count_read = move |file: &dyn DiskFile, position: u64, buffer: &mut [u8], wait| {
        let read = pass(file, position, buffer, wait)?;
        counted.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    };
    let watched = Watched { read: Box::new(count_read), ..Watched::default() };
    let opened = Arc::clone(&watched.opened);
    bench.disk = watched.on(&bench.disk);
    let (_log, reader) = bench.open();
    // The slots, the newest segment twice (past the cache, and to read), the oldest.
    assert_eq!(opened.load(Ordering::Relaxed), 4);
    assert!(read_bytes.load(Ordering::Relaxed) < 1 << 20);
    assert_eq!(reader.status().segments, SEGMENTS + 1);
    assert_eq!(read(&reader, 0, Position::Offset(SEGMENTS)).unwrap().next_offset, SEGMENTS + 1);
}
