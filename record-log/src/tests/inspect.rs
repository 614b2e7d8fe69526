//! Looking at a log from outside, while it is written too.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::watched_disk::{Watched, pass};
use super::*;
use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::inspect::{Inspection, inspect};

fn look(bench: &Bench, verify: bool) -> Inspection {
    inspect(&bench.disk, verify).unwrap()
}

#[test]
fn log_that_is_written_and_expires_is_never_found_corrupt() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (ended, clock) = (&ended, &bench.clock);
        scope.spawn(move || {
            let texts = kilobytes(0, 40);
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            for round in 0..1_500 {
                put(&mut log, round % 3, &texts[..1 + round as usize % 40]);
                clock.go(HOUR_MS / 4);
                if round % 10 == 0 {
                    log.maintain().unwrap();
                    log.confirm().unwrap();
                }
            }
            ended.store(true, Ordering::SeqCst);
        });
        let mut looks = 0;
        while !ended.load(Ordering::SeqCst) {
            for verify in [true, false] {
                let found = look(&bench, verify);
                assert!(!found.is_corrupt(), "look {looks}: {found:#?}");
                looks += 1;
            }
        }
    });
    assert!(!look(&bench, true).is_corrupt());
    // A copy, with none of the log's caches.
    let copy = tempfile::tempdir().unwrap();
    for name in bench.names() {
        std::fs::copy(bench.path(&name), copy.path().join(name)).unwrap();
    }
    let disk: Arc<dyn Disk> = Arc::new(SystemDisk::new(copy.path().into()));
    let found = inspect(&disk, true).unwrap();
    assert!(!found.is_corrupt(), "{found:#?}");
}

#[test]
fn corruption_before_a_later_batch_is_named_and_a_torn_tail_is_not() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    let newest = "segment-000000000002";
    for data in ["first", "second", "third"] {
        put(&mut log, 0, &[data]);
    }
    bench.flip(newest, bench.find(newest, "third"));
    assert!(!look(&bench, false).is_corrupt(), "nothing says that it was durable");
    bench.flip(newest, bench.find(newest, "second"));
    let found = look(&bench, false);
    let corruption: Vec<_> = found.segments.iter().flat_map(|segment| &segment.corruption).collect();
    assert_eq!(corruption.len(), 1, "{corruption:?}");
    assert_eq!(found.segments[1].offsets[&shard(0)], (1, 3));
}

#[test]
fn closed_segments_show_their_offsets_and_times_unread() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    for text in kilobytes(0, 100) {
        put(&mut log, 1, &[&text]);
        bench.clock.go(1);
    }
    let found = look(&bench, false);
    let opened: Vec<_> = found.shards.iter().map(|shard| shard.open.clone()).collect();
    assert_eq!(opened, opens(3));
    let [.., closed, newest] = &*found.segments else { panic!("{found:?}") };
    assert_eq!((closed.batches, closed.first_arrival_ms), (None, None));
    assert!(closed.offsets[&shard(1)].1 == newest.offsets[&shard(1)].0 && newest.batches.is_some());
    let read = look(&bench, true);
    let same = read.segments.iter().find(|segment| segment.name == closed.name).unwrap();
    assert_eq!((same.last_arrival_ms, &same.offsets), (closed.last_arrival_ms, &closed.offsets));
    assert!(same.first_arrival_ms < same.last_arrival_ms && same.batches.is_some());
}

#[test]
fn footer_is_not_corrupt_where_the_next_header_is() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 200));
    bench.flip("segment-000000000003", 20);
    let found = look(&bench, true);
    let corrupt: Vec<_> = found.segments.iter().filter(|segment| !segment.corruption.is_empty()).collect();
    assert_eq!(corrupt.iter().map(|segment| &*segment.name).collect::<Vec<_>>(), ["segment-000000000003"]);
}

#[test]
fn lost_segments_are_named() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 300));
    std::fs::remove_file(bench.path("segment-000000000003")).unwrap();
    assert_eq!(look(&bench, false).missing, [3]);
    for name in bench.names().iter().filter(|name| name.starts_with("segment-")) {
        std::fs::remove_file(bench.path(name)).unwrap();
    }
    assert!(matches!(inspect(&bench.disk, false), Err(Error::Corrupt(_))));
}

#[test]
fn batches_written_between_two_reads_are_not_corrupt() {
    let mut bench = Bench::new();
    bench.sizes.first_segment_bytes = 4 << 20;
    bench.sizes.largest_segment_bytes = 4 << 20;
    let (mut log, _reader) = bench.open();
    put(&mut log, 0, &["x".repeat(900 << 10).as_str()]);
    // More than what was read at once before.
    watch(&mut bench, move |_clock| {
        for _ in 0..5 {
            put(&mut log, 0, &["y".repeat(100 << 10).as_str()]);
        }
    });
    let found = look(&bench, false);
    assert!(!found.is_corrupt(), "{found:?}");
    assert_eq!(found.segments[1].offsets[&shard(0)], (1, 7));
}

#[test]
fn segment_that_is_used_again_while_it_is_read_is_left_out() {
    let mut bench = Bench::new();
    bench.sizes.first_segment_bytes = 4 << 20;
    bench.sizes.largest_segment_bytes = 4 << 20;
    let (mut log, reader) = bench.open();
    bench.clock.go(25 * HOUR_MS);
    let large = "x".repeat(1 << 20);
    put(&mut log, 0, &[&large]);
    log.maintain().unwrap();
    fill(&mut log, 0, &vec![large; 3]);
    let segments = |bench: &Bench| look(bench, true).segments.into_iter().map(|segment| segment.name);
    assert_eq!(segments(&bench).collect::<Vec<_>>(), ["segment-000000000002", "segment-000000000003"]);
    watch(&mut bench, move |clock| {
        clock.go(25 * HOUR_MS);
        put(&mut log, 0, &["new"]);
        log.maintain().unwrap();
        let recycled = || reader.status().counts.segments_recycled;
        let before = recycled();
        fill(&mut log, 0, &vec!["x".repeat(1 << 20); 3]);
        assert!(recycled() > before);
    });
    let found = look(&bench, true);
    assert!(!found.is_corrupt(), "{found:?}");
    assert_eq!(found.segments.len(), 1, "{found:?}");
    assert_eq!(segments(&bench).collect::<Vec<_>>(), ["segment-000000000003", "segment-000000000004"]);
}

#[test]
fn name_that_one_listing_passed_over_is_not_missing() {
    let mut bench = Bench::new();
    let (mut log, _reader) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 300));
    let listed = AtomicBool::new(false);
    let list = move |mut names: Vec<String>| {
        if !listed.swap(true, Ordering::SeqCst) {
            names.retain(|name| name != "segment-000000000003");
        }
        names
    };
    bench.disk = Watched { list: Box::new(list), ..Watched::default() }.on(&bench.disk);
    assert!(look(&bench, false).missing.is_empty());
}

#[test]
fn unreadable_end_is_corrupt() {
    let mut bench = Bench::new();
    let (mut log, _reader) = bench.open();
    put(&mut log, 0, &["kept"]);
    drop(log);
    let read = |file: &dyn DiskFile, position: u64, buffer: &mut [u8], wait| match position
        + buffer.len() as u64
        <= 3 * BLOCK_BYTES as u64
    {
        true => pass(file, position, buffer, wait),
        false => Err(io::Error::other("unreadable block")),
    };
    bench.disk = Watched { read: Box::new(read), ..Watched::default() }.on(&bench.disk);
    let found = look(&bench, false);
    let corruption: Vec<_> = found.segments.iter().flat_map(|segment| &segment.corruption).collect();
    assert!(corruption.len() == 1 && corruption[0].file == "segment-000000000002", "{corruption:?}");
}

/// Has something happen once, behind the first large read of a file.
fn watch(bench: &mut Bench, happens: impl FnOnce(&HandClock) + Send + 'static) {
    let (happens, clock) = (Mutex::new(Some(happens)), Arc::clone(&bench.clock));
    let read = move |file: &dyn DiskFile, position: u64, buffer: &mut [u8], wait| {
        let read = pass(file, position, buffer, wait)?;
        if let Some(happens) = (read >= 1 << 20).then(|| happens.lock().unwrap().take()).flatten() {
            happens(&clock);
        }
        Ok(read)
    };
    bench.disk = Watched { read: Box::new(read), ..Watched::default() }.on(&bench.disk);
}
