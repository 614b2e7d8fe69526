//! Large appends are stored in pieces, and a piece costs a piece.

use super::watched_disk::{Watched, pass};
use super::*;
use crate::disk::DiskFile;

#[test]
fn piece_of_a_large_run_is_read_without_the_rest_of_it() {
    let mut bench = Bench::new();
    bench.sizes = Sizes { first_segment_bytes: 16 << 20, largest_segment_bytes: 16 << 20, ..bench.sizes };
    let (mut log, reader) = bench.open();
    let texts = kilobytes(0, 8_000);
    let run = texts.iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(put(&mut log, 0, &run).first_offset, 1);
    assert_eq!(put(&mut log, 0, &["behind"]).first_offset, 8_001);
    assert_eq!(all(&reader, 0).len(), 8_001);
    drop((log, reader));
    let read_bytes = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&read_bytes);
    let count_read = move |file: &dyn DiskFile, position: u64, buffer: &mut [u8], wait| {
        let read = pass(file, position, buffer, wait)?;
        counted.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    };
    bench.disk = Watched { read: Box::new(count_read), ..Watched::default() }.on(&bench.disk);
    let (_log, reader) = bench.open();
    let small = Limits { max_records: 16, max_bytes: 16 << 10 };
    for offset in [1, 4_000, 7_999] {
        read_bytes.store(0, Ordering::Relaxed);
        let outcome = reader.read(shard(0), Position::Offset(offset), small, Wait::ForDisk).unwrap();
        assert_eq!(data(&outcome)[0], texts[offset as usize - 1]);
        let bytes = read_bytes.load(Ordering::Relaxed);
        assert!(bytes < 400 << 10, "a piece at {offset} reads {bytes} bytes");
    }
}

#[test]
fn several_entries_of_a_shard_in_a_batch_are_read_in_order_from_anywhere() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    let texts = kilobytes(0, 400);
    let run_of = |index, from: usize| {
        let texts = texts[from..from + 200].iter().map(String::as_str).collect::<Vec<_>>();
        run(index, &texts)
    };
    let outcomes = log.append(&[vec![run_of(0, 0), run_of(1, 0)], vec![run_of(0, 200)]]).unwrap();
    assert_eq!(appended(&outcomes[1][0]).first_offset, 201);
    assert_eq!((all(&reader, 0), all(&reader, 1)), (texts.clone(), texts[..200].to_vec()));
    let limits = Limits { max_records: 3, max_bytes: 1 << 20 };
    for offset in [1, 126, 127, 200, 201, 399] {
        let outcome = reader.read(shard(0), Position::Offset(offset), limits, Wait::ForDisk).unwrap();
        let from = offset as usize - 1;
        assert_eq!(data(&outcome), texts[from..(from + 3).min(400)]);
    }
}
