//! Resharding on disk: it outlives the process, its entry and corruption, and readers find the end of a sealed shard.

use catalog::{HashKey, HashKeyRange};
use group_core::Reshard;

use super::*;
use crate::WriteError;

/// Splits shard 0 in the middle, into shards 3 and 4.
fn split() -> Reshard {
    let range = HashKeyRange::uniform(3)[0];
    let middle = range.end.0 / 2;
    let open =
        |index, range| OpenShard { id: shard(index), range, parents: vec![shard(0)], create_seconds: 1 };
    let low = HashKeyRange { end: HashKey(middle), ..range };
    let high = HashKeyRange { start: HashKey(middle + 1), ..range };
    Reshard { op: 1, seal: vec![shard(0)], open: vec![open(3, low), open(4, high)] }
}

fn successors(outcome: &ReadOutcome) -> Option<Vec<u32>> {
    let ids = |shards: &Vec<OpenShard>| shards.iter().map(|shard| shard.id.index()).collect();
    outcome.successors.as_ref().map(ids)
}

fn is_sealed(log: &mut Log, index: u32) -> bool {
    matches!(log.append(&[vec![run(index, &["x"])]]).unwrap()[0][0], RunOutcome::Sealed(_))
}

#[test]
fn reader_drains_a_sealed_shard_and_then_finds_its_successors() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 3));
    assert_eq!(successors(&read(&reader, 0, Position::Latest).unwrap()), None, "an open shard has no end");
    log.reshard(split()).unwrap().unwrap();
    let two = Limits { max_records: 2, ..ALL };
    let first = reader.read(shard(0), Position::TrimHorizon, two, Wait::ForDisk).unwrap();
    assert_eq!((data(&first).len(), successors(&first)), (2, None));
    assert!(first.millis_behind_latest > 0);
    let rest = read(&reader, 0, Position::Offset(first.next_offset)).unwrap();
    assert_eq!((data(&rest).len(), successors(&rest)), (1, Some(vec![3, 4])));
    assert_eq!(rest.millis_behind_latest, 0);
    for at_end in
        [Position::Latest, Position::Offset(4), Position::Offset(99), Position::AtTimestamp(u64::MAX)]
    {
        let end = read(&reader, 0, at_end).unwrap();
        assert_eq!((data(&end).len(), successors(&end)), (0, Some(vec![3, 4])), "{at_end:?}");
    }
    put(&mut log, 3, &["of the child"]);
    assert_eq!(all(&reader, 3), ["of the child"]);
}

#[test]
fn reshard_outlives_the_process_and_its_entry_until_the_seal_expires() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    put(&mut log, 0, &["parent"]);
    let first = log.reshard(split()).unwrap().unwrap();
    drop(log);
    let (mut log, reader) = bench.open();
    assert!(is_sealed(&mut log, 0));
    assert_eq!(log.reshard(split()).unwrap(), Ok(first));
    put(&mut log, 3, &["child"]);
    bench.clock.go(24 * HOUR_MS);
    log.maintain().unwrap();
    assert!(reader.has(shard(0)), "it is not due yet");
    fill(&mut log, 4, &kilobytes(0, 200));
    bench.clock.go(1);
    log.maintain().unwrap();
    assert!(!reader.has(shard(0)) && reader.has(shard(3)));
    drop((log, reader));
    let (mut log, reader) = bench.open();
    assert!(!reader.has(shard(0)), "it stays gone");
    assert_eq!(reader.shards().1, 1, "the number of the last reshard is remembered");
    assert!(log.reshard(split()).unwrap().is_err());
}

#[test]
fn corruption_of_the_entry_hides_no_shard() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    put(&mut log, 0, &["parent"]);
    log.reshard(split()).unwrap().unwrap();
    put(&mut log, 3, &["child"]);
    drop(log);
    // The entry is the last of its segment: everything behind its first batches.
    let name = "segment-000000000002";
    let parent = bench.find(name, "parent");
    let mut bytes = std::fs::read(bench.path(name)).unwrap();
    bytes[parent + 8..].fill(0xee);
    std::fs::write(bench.path(name), bytes).unwrap();
    let (mut log, reader) = bench.open();
    assert!(is_sealed(&mut log, 0));
    assert_eq!(all(&reader, 3), ["child"]);
    put(&mut log, 4, &["goes on"]);
}

#[test]
fn sealed_shard_ends_also_where_a_corrupt_tail_hides_what_follows_in_open_ones() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    put(&mut log, 0, &["parent"]);
    log.reshard(split()).unwrap().unwrap();
    put(&mut log, 3, &["child"]);
    drop(log);
    // The newest segment is gone, and the footer of the one before it says that there was one.
    std::fs::remove_file(bench.path("segment-000000000003")).unwrap();
    let (mut log, reader) = bench.open();
    assert!(matches!(log.append(&[vec![run(3, &["x"])]]), Err(WriteError::Stopped(_))));
    assert!(matches!(read(&reader, 3, Position::Latest), Err(ReadError::Corrupt(_))));
    assert_eq!(successors(&read(&reader, 0, Position::Offset(2)).unwrap()), Some(vec![3, 4]));
    let place = reader.status().corruption[0].clone();
    log.accept_loss(&place.file, place.position).unwrap();
    assert!(is_sealed(&mut log, 0));
    assert_eq!(reader.status().next_offsets[&shard(0)], 2, "a sealed shard has no records behind its end");
    put(&mut log, 3, &["goes on"]);
}

#[test]
fn header_of_a_resharded_log_is_for_versions_that_know_reshards() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    put(&mut log, 0, &["parent"]);
    let to_write = |name: &str| std::fs::read(bench.path(name)).unwrap()[40];
    assert_eq!(to_write("segment-000000000002"), 0);
    log.reshard(split()).unwrap().unwrap();
    assert_eq!(to_write("segment-000000000003"), 1);
}
