//! Segments: how they follow each other, expire and are used again.

use super::*;

/// The names of the kept segments' files.
fn segments(bench: &Bench) -> Vec<String> {
    bench.names().into_iter().filter(|name| name.starts_with("segment-")).collect()
}

#[test]
fn idle_log_takes_a_few_blocks() {
    let bench = Bench::new();
    let (_log, reader) = bench.open();
    assert_eq!(bench.names(), ["segment-000000000001", "slots"]);
    assert_eq!(std::fs::metadata(bench.path("segment-000000000001")).unwrap().len(), 4096);
    assert_eq!(reader.status().segments, 1);
}

#[test]
fn segments_double_up_to_the_largest_and_read_as_one() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    let texts = kilobytes(0, 1_200);
    fill(&mut log, 0, &texts);
    let status = reader.status();
    // Behind the one that a log begins with: 64, 128, 256, 256 ... KiB, less a reserve of an eighth each.
    assert_eq!(status.segments, 1 + 8);
    assert_eq!(status.counts.footers_written, 8);
    assert_eq!(all(&reader, 0), texts);
    drop((log, reader));
    let (_log, reader) = bench.open();
    assert_eq!(all(&reader, 0), texts);
    assert!(reader.status().counts.footers_read >= 7);
    for offset in [1, 60, 61, 500, 1_199, 1_200] {
        let outcome = read(&reader, 0, Position::Offset(offset)).unwrap();
        assert_eq!(data(&outcome)[0], texts[offset as usize - 1]);
    }
}

#[test]
fn shard_with_few_records_is_found_among_many_of_another() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    put(&mut log, 1, &["first"]);
    fill(&mut log, 0, &kilobytes(0, 600));
    put(&mut log, 1, &["last"]);
    fill(&mut log, 0, &kilobytes(600, 300));
    assert_eq!(all(&reader, 1), ["first", "last"]);
    assert_eq!(data(&read(&reader, 1, Position::Offset(2)).unwrap()), ["last"]);
}

#[test]
fn one_read_gives_every_record_of_a_large_segment() {
    let mut bench = Bench::new();
    bench.sizes = Sizes { first_segment_bytes: 1 << 20, largest_segment_bytes: 4 << 20, ..bench.sizes };
    let (mut log, reader) = bench.open();
    // Several of them lie between two index entries, and all of them are much more than a stride.
    let texts: Vec<_> = (0..3_000).map(|number| format!("{number:0300}")).collect();
    fill(&mut log, 0, &texts);
    assert_eq!(all(&reader, 0), texts);
    drop((log, reader));
    let (_log, reader) = bench.open();
    assert_eq!(all(&reader, 0), texts);
    assert_eq!(reader.status().counts.corrupt_reads_cut, 0);
}

#[test]
fn what_is_older_than_the_retention_expires_and_its_segment_is_used_again() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 500));
    bench.clock.go(23 * HOUR_MS);
    fill(&mut log, 0, &kilobytes(500, 300));
    log.maintain().unwrap();
    assert_eq!(reader.status().counts.trims, 0);
    bench.clock.go(2 * HOUR_MS);
    log.maintain().unwrap();
    let status = reader.status();
    assert_eq!((status.counts.trims, status.counts.segments_trimmed), (1, 4));
    assert!(bench.names().contains(&"spare".into()));
    assert_eq!(all(&reader, 0), kilobytes(500, 300));
    fill(&mut log, 0, &kilobytes(800, 300));
    assert_eq!(reader.status().counts.segments_recycled, 1);
    assert_eq!(all(&reader, 0), kilobytes(500, 600));
    drop((log, reader));
    let (_log, reader) = bench.open();
    assert_eq!(all(&reader, 0), kilobytes(500, 600));
    assert_eq!(reader.status().durable_bytes, {
        let kept = segments(&bench);
        assert_eq!(kept[0], "segment-000000000005");
        reader.status().durable_bytes
    });
}

#[test]
fn idle_log_gives_up_all_that_has_expired() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 300));
    bench.clock.go(25 * HOUR_MS);
    log.maintain().unwrap();
    assert_eq!(all(&reader, 0), Vec::<String>::new());
    assert_eq!(segments(&bench).len(), 1);
    assert_eq!(put(&mut log, 0, &["next"]).first_offset, 301);
    assert_eq!(all(&reader, 0), ["next"]);
}

#[test]
fn longer_retention_keeps_what_a_shorter_one_would_not_and_is_remembered() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    log.set_retention(48).unwrap();
    fill(&mut log, 0, &kilobytes(0, 200));
    drop((log, reader));
    let (mut log, reader) = bench.open();
    bench.clock.go(25 * HOUR_MS);
    assert_eq!(reader.status().retention_hours, Some(48));
    log.maintain().unwrap();
    assert_eq!(all(&reader, 0).len(), 200);
    log.set_retention(24).unwrap();
    log.maintain().unwrap();
    assert_eq!(all(&reader, 0).len(), 0);
}

#[test]
fn clock_that_steps_expires_nothing_and_is_suspect_until_it_steps_back() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 200));
    bench.clock.step_to(START_MS + 24 * 365 * HOUR_MS);
    log.maintain().unwrap();
    assert!(reader.status().clock_suspect.unwrap().contains("ahead"));
    assert_eq!(all(&reader, 0).len(), 200);
    bench.clock.step_to(START_MS);
    log.maintain().unwrap();
    assert_eq!(reader.status().clock_suspect, None);
    assert_eq!(all(&reader, 0).len(), 200);
}

#[test]
fn reader_passes_over_what_is_older_than_the_time_it_asks_for() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    put(&mut log, 0, &["old"]);
    bench.clock.go(1_000);
    let young = put(&mut log, 0, &["young"]).arrival_ms;
    let outcome = read(&reader, 0, Position::AtTimestamp(young)).unwrap();
    assert_eq!(data(&outcome), ["young"]);
    let none = read(&reader, 0, Position::AtTimestamp(young + 1)).unwrap();
    assert_eq!((none.runs.len(), none.next_offset), (0, 3));
}
