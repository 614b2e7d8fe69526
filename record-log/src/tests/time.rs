//! Time belongs to the log: a wrong clock expires nothing, and keeps nothing from expiring.

use super::*;

const YEAR_MS: u64 = 365 * 24 * HOUR_MS;

#[test]
fn record_appended_while_the_clock_stood_in_another_century_expires_after_its_retention_of_running_time() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    log.set_retention(48).unwrap();
    bench.clock.step_to(START_MS + 73 * YEAR_MS);
    put(&mut log, 0, &["wrong"]);
    log.maintain().unwrap();
    assert!(reader.status().clock_suspect.unwrap().contains("ahead"));
    bench.clock.step_to(START_MS);
    log.set_retention(24).unwrap();
    log.maintain().unwrap();
    assert_eq!((reader.status().clock_suspect, all(&reader, 0)), (None, vec!["wrong".into()]));
    bench.clock.go(24 * HOUR_MS + 1);
    log.maintain().unwrap();
    assert_eq!(all(&reader, 0), Vec::<String>::new());
    assert!(reader.status().counts.trims > 0);
    assert_eq!(put(&mut log, 0, &["next"]).first_offset, 2);
}

#[test]
fn clock_that_is_ahead_skips_nothing_unread_also_for_a_reader_and_after_opening() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    put(&mut log, 0, &["unread"]);
    bench.clock.step_to(START_MS + 30 * HOUR_MS);
    assert_eq!(all(&reader, 0), ["unread"]);
    drop((log, reader));
    let (mut log, reader) = bench.open();
    log.maintain().unwrap();
    let outcome = read(&reader, 0, Position::TrimHorizon).unwrap();
    assert_eq!((data(&outcome), outcome.millis_behind_latest), (vec!["unread".into()], 0));
    assert!(reader.status().clock_suspect.is_some());
}

#[test]
fn step_that_another_machine_agrees_with_is_taken_and_what_was_there_is_kept_for_a_day() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    put(&mut log, 0, &["before"]);
    let now_ms = START_MS + 30 * HOUR_MS;
    bench.clock.step_to(now_ms);
    log.see_clock(now_ms + 10 * HOUR_MS).unwrap();
    assert!(put(&mut log, 1, &["not yet"]).arrival_ms < now_ms);
    log.see_clock(now_ms + 1_000).unwrap();
    assert_eq!(put(&mut log, 1, &["after"]).arrival_ms, now_ms);
    log.maintain().unwrap();
    assert_eq!((reader.status().clock_suspect, all(&reader, 0)), (None, vec!["before".into()]));
    drop((log, reader));
    let (mut log, reader) = bench.open();
    bench.clock.go(24 * HOUR_MS - 1);
    assert_eq!(all(&reader, 0), ["before"]);
    bench.clock.go(2);
    assert_eq!(all(&reader, 0), Vec::<String>::new());
    log.maintain().unwrap();
}

#[test]
fn log_that_is_alone_takes_a_step_of_its_clock_when_it_is_opened() {
    let mut bench = Bench::new();
    let (mut log, reader) = bench.open();
    put(&mut log, 0, &["before"]);
    drop((log, reader));
    bench.trusts_own_clock = true;
    bench.clock.step_to(START_MS + 30 * HOUR_MS);
    let (mut log, reader) = bench.open();
    assert_eq!(put(&mut log, 1, &["after"]).arrival_ms, START_MS + 30 * HOUR_MS);
    assert_eq!(all(&reader, 0), ["before"]);
}

#[test]
fn readers_see_no_expired_record_whether_the_log_was_told_to_look_after_itself_or_not() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    put(&mut log, 0, &["old"]);
    bench.clock.go(HOUR_MS);
    put(&mut log, 0, &["young"]);
    bench.clock.go(23 * HOUR_MS + 1);
    assert_eq!(all(&reader, 0), ["young"]);
}
