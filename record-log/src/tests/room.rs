//! Space and files: refused, asked for again, and given back.

use super::faulty_disk::{Faults, used_bytes};
use super::*;
use crate::WriteError;

fn with_faults() -> (Bench, Faults) {
    let (mut bench, faults) = (Bench::new(), Faults::default());
    bench.disk = faults.clone().on(&bench.disk);
    (bench, faults)
}

#[test]
fn disk_is_full_until_there_is_room_for_what_was_refused() {
    let (bench, faults) = with_faults();
    let (mut log, reader) = bench.open();
    let texts = kilobytes(0, 300);
    let large: Vec<_> = texts.iter().map(String::as_str).collect();
    faults.room_bytes.store(100 << 10, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(matches!(log.append(&[vec![run(0, &large)]]), Err(WriteError::Full(_))));
        log.maintain().unwrap();
        assert!(reader.status().full.is_some());
    }
    // What is small finds room; what was refused does not yet.
    put(&mut log, 0, &["small"]);
    log.maintain().unwrap();
    assert!(reader.status().full.is_some());
    faults.room_bytes.store(1 << 20, Ordering::Relaxed);
    log.maintain().unwrap();
    assert_eq!((reader.status().full, reader.status().counts.room_again), (None, 1));
    // The space is taken: nobody else gets it.
    faults.room_bytes.store(1, Ordering::Relaxed);
    assert_eq!(put(&mut log, 0, &large).first_offset, 2);
}

#[test]
fn log_goes_on_when_the_process_may_open_files_again() {
    let (bench, faults) = with_faults();
    let (mut log, reader) = bench.open();
    faults.no_handles.store(true, Ordering::Relaxed);
    let refused = log.append(&[vec![run(0, &["x"])]]);
    assert!(matches!(&refused, Err(WriteError::Full(why)) if why.contains("no file")), "{refused:?}");
    assert_eq!(reader.status().stopped, None);
    faults.no_handles.store(false, Ordering::Relaxed);
    log.maintain().unwrap();
    assert_eq!(reader.status().full, None);
    assert_eq!(put(&mut log, 0, &["x"]).first_offset, 1);
}

#[test]
fn append_has_the_error_of_its_own_write() {
    let (mut bench, faults) = with_faults();
    bench.sizes = Sizes { first_segment_bytes: 4 << 20, ..Sizes::default() };
    let (mut log, _reader) = bench.open();
    // Each is a batch of its own.
    let texts = kilobytes(0, 800);
    let large = run(0, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    faults.room_bytes.store(100 << 10, Ordering::Relaxed);
    let refused = log.append(&[vec![large.clone()]]);
    assert!(matches!(&refused, Err(WriteError::Full(why)) if why.contains("no room")), "{refused:?}");
    faults.room_bytes.store(0, Ordering::Relaxed);
    put(&mut log, 0, &["x"]);
    faults.no_writes.store(true, Ordering::Relaxed);
    // Of two batches under way the first was tried, so nobody knows what became of it; the second was not.
    let failed = log.append(&[vec![large.clone()], vec![large]]);
    assert!(matches!(&failed, Err(WriteError::Final(why)) if why.contains("broken")), "{failed:?}");
    let stopped = log.append(&[vec![run(0, &["y"])]]);
    assert!(matches!(&stopped, Err(WriteError::Stopped(why)) if why.contains("broken")), "{stopped:?}");
}

#[test]
fn log_in_which_all_has_expired_keeps_no_spare() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 500));
    bench.clock.go(23 * HOUR_MS);
    fill(&mut log, 0, &kilobytes(500, 300));
    bench.clock.go(2 * HOUR_MS);
    log.maintain().unwrap();
    assert!(bench.names().contains(&"spare".into()));
    bench.clock.go(25 * HOUR_MS);
    log.maintain().unwrap();
    let names = bench.names();
    assert_eq!((names.len(), names.last().map(String::as_str)), (2, Some("slots")), "{names:?}");
    let bytes: u64 = names.iter().map(|name| std::fs::metadata(bench.path(name)).unwrap().len()).sum();
    assert!(bytes <= bench.sizes.first_segment_bytes + 8_192, "{bytes}");
}

#[test]
fn log_at_rest_has_no_file_open() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 500));
    assert_eq!(all(&reader, 0).len(), 500);
    assert!(open_files(&bench) > 0);
    log.rest();
    assert_eq!(open_files(&bench), 0);
    assert_eq!(all(&reader, 0).len(), 500);
    put(&mut log, 0, &["next"]);
    assert_eq!(all(&reader, 0).len(), 501);
}

/// How many of the log's files this process has open.
fn open_files(bench: &Bench) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let open = links.filter_map(|link| std::fs::read_link(link.unwrap().path()).ok());
    open.filter(|path| path.starts_with(bench.directory.path())).count()
}

#[test]
fn segment_without_a_footer_is_looked_through_once_for_all_shards() {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    for text in kilobytes(0, 100) {
        log.append(&[vec![run(0, &[&text]), run(1, &[&text]), run(2, &[&text])]]).unwrap();
    }
    let name = "segment-000000000002";
    let bytes = std::fs::metadata(bench.path(name)).unwrap().len() as usize;
    bench.flip(name, bytes - 30);
    let (_log, reader) = bench.open();
    for index in 0..3 {
        assert_eq!(all(&reader, index), kilobytes(0, 100));
    }
    assert_eq!(reader.status().counts.footers_rebuilt, 1);
}

#[test]
fn shorter_retention_is_written_and_frees_space_after_a_restart_on_a_full_disk() {
    let (bench, faults) = with_faults();
    faults.all_bytes.store(700 << 10, Ordering::Relaxed);
    let (mut log, reader) = bench.open();
    log.set_retention(48).unwrap();
    let texts = kilobytes(0, 700);
    let appended = texts.iter().take_while(|text| log.append(&[vec![run(0, &[text])]]).is_ok()).count();
    assert!((100..700).contains(&appended), "{appended}");
    assert!(reader.status().full.is_some());
    bench.clock.go(25 * HOUR_MS);
    log.maintain().unwrap();
    drop((log, reader));
    // Not a byte is left, after each of several restarts.
    faults.all_bytes.store(used_bytes(&*bench.disk).unwrap(), Ordering::Relaxed);
    for _ in 0..9 {
        let (mut log, _reader) = bench.open();
        assert!(matches!(log.append(&[vec![run(0, &["x"])]]), Err(WriteError::Full(_))));
    }
    let (mut log, reader) = bench.open();
    bench.clock.go(25 * HOUR_MS);
    assert_eq!(all(&reader, 0).len(), appended);
    log.set_retention(24).unwrap();
    log.maintain().unwrap();
    assert_eq!(all(&reader, 0), Vec::<String>::new());
    assert!(reader.status().counts.segments_trimmed > 0);
    assert_eq!(put(&mut log, 0, &["next"]).first_offset, appended as u64 + 1);
    assert_eq!(reader.status().full, None);
}
