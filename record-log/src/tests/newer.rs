//! What a newer version wrote: never torn, never corrupt, never changed.

use super::*;
use crate::format::batch::BATCH_HEADER_BYTES;
use crate::format::seed_of;
use crate::inspect::inspect;
use crate::{Unknown, WriteError};

const SECOND: &str = "segment-000000000002";
const THIRD: &str = "segment-000000000003";

/// Changes bytes of a segment's header, and makes its checksum right again.
fn change_header(bench: &Bench, name: &str, at: usize, new: &[u8]) {
    let mut bytes = std::fs::read(bench.path(name)).unwrap();
    bytes[at..at + new.len()].copy_from_slice(new);
    let end = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let crc = crc32c::crc32c(&bytes[12..end]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(bench.path(name), bytes).unwrap();
}

/// Changes a byte of the header of the entry whose record has this text, alone in its batch.
fn change_entry(bench: &Bench, name: &str, text: &str, at: usize, byte: u8) {
    change_entry_before(bench, name, bench.find(name, text), at, byte);
}

/// Changes a byte of the header of the first entry of the batch that begins before a position.
fn change_entry_before(bench: &Bench, name: &str, position: usize, at: usize, byte: u8) {
    let mut bytes = std::fs::read(bench.path(name)).unwrap();
    let nonce = u64::from_le_bytes(bytes[48..56].try_into().unwrap());
    let batch = bytes[..position].windows(4).rposition(|window| window == b"KBAT").unwrap();
    bytes[batch + BATCH_HEADER_BYTES + at] = byte;
    let end = batch + u32::from_le_bytes(bytes[batch + 20..batch + 24].try_into().unwrap()) as usize;
    let crc = crc32c::crc32c_append(seed_of(nonce), &bytes[batch + 8..end]);
    bytes[batch + 4..batch + 8].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(bench.path(name), bytes).unwrap();
}

/// All files and what is in them.
fn files(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    bench.names().into_iter().map(|name| (name.clone(), std::fs::read(bench.path(&name)).unwrap())).collect()
}

/// "first" in the second segment, and "second" and "third" in the third.
fn two_segments() -> Bench {
    let bench = Bench::new();
    put(&mut bench.open().0, 0, &["first"]);
    let (mut log, _) = bench.open();
    put(&mut log, 0, &["second"]);
    put(&mut log, 0, &["third"]);
    bench
}

#[test]
fn last_batch_with_an_unknown_entry_is_newer_and_not_torn() {
    let bench = two_segments();
    change_entry(&bench, THIRD, "third", 2, 77);
    let before = files(&bench);
    let Err(Error::Newer(newer)) = bench.try_open() else { panic!("it is newer") };
    assert_eq!((newer.file.as_str(), newer.newer.unknown), (THIRD, Unknown::EntryKind(77)));
    assert!(newer.to_string().contains("run version"), "{newer}");
    assert_eq!(files(&bench), before);
    let inspection = inspect(&bench.disk, true).unwrap();
    assert!(inspection.is_newer() && !inspection.is_corrupt());
}

#[test]
fn newer_batch_behind_corruption_is_not_cut_off_with_it() {
    let bench = two_segments();
    bench.flip(THIRD, bench.find(THIRD, "second"));
    change_entry(&bench, THIRD, "third", 3, 9);
    assert!(matches!(bench.try_open(), Err(Error::Newer(_))));
}

#[test]
fn newer_batch_of_an_older_segment_is_refused_by_reads_and_the_rest_is_served() {
    let bench = two_segments();
    change_entry(&bench, SECOND, "first", 4, 1);
    let (mut log, reader) = bench.open();
    let refused = read(&reader, 0, Position::TrimHorizon).unwrap_err();
    assert!(matches!(&refused, ReadError::Newer(newer) if newer.file == SECOND), "{refused}");
    assert_eq!(data(&read(&reader, 0, Position::Offset(2)).unwrap()), ["second", "third"]);
    assert_eq!((put(&mut log, 0, &["fourth"]).first_offset, reader.status().corruption), (4, Vec::new()));
}

#[test]
fn newer_entry_hides_no_record_behind_it() {
    let bench = Bench::new();
    let (mut log, _) = bench.open();
    put(&mut log, 0, &["first"]);
    log.set_retention(48).unwrap();
    let before = bench.find(SECOND, "first") + "first".len();
    put(&mut log, 0, &["second"]);
    drop(log);
    put(&mut bench.open().0, 0, &["third"]);
    change_entry_before(&bench, SECOND, before + BATCH_HEADER_BYTES, 2, 77);
    let (_log, reader) = bench.open();
    assert_eq!(all(&reader, 0), ["first", "second", "third"]);
    assert_eq!(data(&read(&reader, 0, Position::Offset(2)).unwrap()), ["second", "third"]);
}

#[test]
fn segment_with_features_to_know_is_refused_and_the_log_too_if_it_is_the_newest() {
    let bench = two_segments();
    change_header(&bench, SECOND, 32, &[4]);
    let (log, reader) = bench.open();
    assert!(matches!(read(&reader, 0, Position::TrimHorizon), Err(ReadError::Newer(_))));
    assert_eq!(data(&read(&reader, 0, Position::Offset(2)).unwrap()), ["second", "third"]);
    assert_eq!((reader.status().corruption, reader.status().stopped), (Vec::new(), None));
    drop((log, reader));
    change_header(&bench, THIRD, 32, &[4]);
    let before = files(&bench);
    let Err(Error::Newer(newer)) = bench.try_open() else { panic!("it is newer") };
    assert_eq!((newer.file.as_str(), newer.newer.unknown), (THIRD, Unknown::Features(4)));
    assert_eq!(files(&bench), before);
}

#[test]
fn log_with_features_to_write_is_read_and_takes_nothing() {
    let bench = two_segments();
    change_header(&bench, THIRD, 16, b"7.0.0\0");
    change_header(&bench, THIRD, 40, &[8]);
    let before = files(&bench);
    let (mut log, reader) = bench.open();
    assert_eq!(all(&reader, 0), ["first", "second", "third"]);
    let why = reader.status().stopped.unwrap();
    assert!(why.contains("can only be read") && why.contains("run version 7.0.0"), "{why}");
    bench.clock.go(100 * HOUR_MS);
    assert!(matches!(log.append(&[vec![run(0, &["x"])]]), Err(WriteError::Stopped(_))));
    assert!(matches!(log.maintain(), Err(WriteError::Stopped(_))));
    assert!(matches!(log.confirm(), Err(WriteError::Stopped(_))));
    assert!(matches!(log.set_retention(48), Err(WriteError::Stopped(_))));
    assert_eq!(files(&bench), before);
    let inspection = inspect(&bench.disk, true).unwrap();
    assert_eq!(inspection.segments[2].read_only.as_ref().unwrap().newer.unknown, Unknown::Features(8));
    assert!(!inspection.is_newer() && !inspection.is_corrupt());
}
