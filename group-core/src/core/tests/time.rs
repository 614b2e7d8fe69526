//! Time: what expires goes, and log time steps only where it may.

use super::*;
use crate::state::horizon_ms;

#[test]
fn expired_segment_goes_behind_an_entry_that_says_so() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(reading(24 * HOUR_MS), Some(START_MS));
    assert!(bench.written.is_empty(), "it is not due yet");
    bench.tick(reading(24 * HOUR_MS + 1), Some(START_MS));
    bench.tick(reading(24 * HOUR_MS + 2), Some(START_MS));
    assert_eq!((bench.written.len(), bench.trims.len()), (1, 0), "it is proposed once, and not done before");
    bench.persist_all();
    bench.tick(reading(24 * HOUR_MS + 3), Some(START_MS));
    assert_eq!(bench.trims, [START_MS + 1]);
}

#[test]
fn full_disk_is_trimmed_all_the_same() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(reading(25 * HOUR_MS), Some(START_MS));
    bench.refuse();
    bench.poll();
    assert_eq!(bench.trims, [START_MS + HOUR_MS]);
}

#[test]
fn clock_step_needs_another_machine_and_protects_what_was_there() {
    let years_ahead = ClockReading { boottime_ms: 5, wall_ms: START_MS + 50_000 * HOUR_MS };
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(years_ahead, Some(START_MS));
    assert!(bench.core.clock_suspect().unwrap().contains("ahead"));
    bench.core.handle(Event::ClockSeen { other_ms: START_MS + 5 });
    bench.poll();
    assert!(bench.written.is_empty(), "a clock that disagrees changes nothing");
    bench.core.handle(Event::ClockSeen { other_ms: years_ahead.wall_ms - 1_000 });
    bench.persist_all();
    assert_eq!(bench.core.clock_suspect(), None);
    assert_eq!(bench.core.clock().time_ms, years_ahead.wall_ms);
    bench.tick(ClockReading { boottime_ms: 6, wall_ms: years_ahead.wall_ms + 1 }, Some(START_MS));
    assert!(bench.written.is_empty(), "nothing expires yet");
    let day_later =
        ClockReading { boottime_ms: 5 + 24 * HOUR_MS, wall_ms: years_ahead.wall_ms + 24 * HOUR_MS };
    bench.tick(day_later, Some(START_MS));
    assert_eq!(bench.written.len(), 1, "a day of running time later it does");
}

#[test]
fn first_batch_of_a_term_has_the_time_before_a_step() {
    let mut bench = Bench::of(state(), Config { trusts_own_clock: true }, reading(100 * HOUR_MS));
    assert!(bench.persist_all().is_empty(), "an idle log writes nothing");
    bench.append(None, vec![run(0, 1, 1)]);
    let times: Vec<_> = bench.persist_all().iter().map(|batch| batch.time_ms).collect();
    assert_eq!(
        times,
        [START_MS, START_MS, START_MS + 100 * HOUR_MS],
        "a crash behind the first must not leave a step unprotected"
    );
}

#[test]
fn clock_step_at_opening_that_is_refused_is_proposed_again() {
    let mut bench = Bench::of(state(), Config { trusts_own_clock: true }, reading(100 * HOUR_MS));
    bench.append(None, vec![run(0, 1, 1)]);
    bench.poll();
    bench.persist();
    bench.refuse();
    bench.tick(reading(101 * HOUR_MS), None);
    assert_eq!(bench.clock.time_ms, START_MS + HOUR_MS);
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    assert_eq!(bench.clock.time_ms, START_MS + 101 * HOUR_MS);
}

#[test]
fn what_had_expired_before_a_clock_step_stays_expired() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(reading(30 * HOUR_MS), None);
    let expired_ms = horizon_ms(bench.core.committed(), bench.clock.time_ms);
    assert_eq!(expired_ms, START_MS + 6 * HOUR_MS);
    let wall_ms = START_MS + 900 * HOUR_MS;
    bench.tick(ClockReading { boottime_ms: 30 * HOUR_MS, wall_ms }, None);
    bench.core.handle(Event::ClockSeen { other_ms: wall_ms });
    bench.persist_all();
    assert_eq!(horizon_ms(bench.core.committed(), bench.clock.time_ms), expired_ms);
}

/// A log with one record, whose clock another machine agrees is 100 hours behind.
fn stepping() -> Bench {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(ClockReading { boottime_ms: 5, wall_ms: START_MS + 100 * HOUR_MS }, None);
    bench.core.handle(Event::ClockSeen { other_ms: START_MS + 100 * HOUR_MS });
    bench
}

#[test]
fn readers_see_no_clock_step_that_is_not_committed() {
    let mut bench = stepping();
    bench.poll();
    bench.tick(ClockReading { boottime_ms: 9, wall_ms: START_MS + 100 * HOUR_MS + 4 }, None);
    assert_eq!(bench.clock, LogClock { time_ms: START_MS + 9, boottime_ms: 9 });
    bench.persist_all();
    assert_eq!(bench.clock, LogClock { time_ms: START_MS + 100 * HOUR_MS, boottime_ms: 9 });
}

#[test]
fn clock_step_that_is_refused_is_not_taken() {
    let mut bench = stepping();
    bench.poll();
    bench.refuse();
    bench.poll();
    assert_eq!(bench.core.clock().time_ms, START_MS + 5);
    bench.append(None, vec![run(0, 1, 1)]);
    assert_eq!(bench.persist_all()[0].time_ms, START_MS + 5);
}

#[test]
fn clock_step_is_not_taken_when_the_clock_was_set_right_meanwhile() {
    let mut bench = stepping();
    bench.core.handle(Event::Tick { clock: reading(9), store: StoreReport::default() });
    bench.poll();
    assert_eq!((bench.written.len(), bench.core.clock().time_ms), (0, START_MS + 9));
}

#[test]
fn trim_by_a_retention_that_is_refused_removes_nothing() {
    let mut bench = Bench::new();
    bench.call(Call::SetRetention { hours: 48 });
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.call(Call::SetRetention { hours: 24 });
    bench.poll();
    bench.tick(reading(30 * HOUR_MS), Some(START_MS));
    assert_eq!(bench.written.len(), 2, "it is to be trimmed");
    bench.refuse();
    bench.poll();
    assert!(bench.trims.iter().all(|trim| *trim <= START_MS), "{:?}", bench.trims);
}

#[test]
fn process_without_another_machine_steps_at_opening_alone() {
    let ahead = ClockReading { boottime_ms: 0, wall_ms: START_MS + 100 * HOUR_MS };
    let mut bench = Bench::of(state(), Config { trusts_own_clock: true }, ahead);
    let token = bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    assert_eq!(bench.appended(token)[0].arrival_ms, ahead.wall_ms);
    bench.tick(ClockReading { boottime_ms: 1, wall_ms: START_MS + 900 * HOUR_MS }, None);
    bench.persist_all();
    assert_eq!(bench.core.clock().time_ms, ahead.wall_ms + 1);
    assert!(bench.core.clock_suspect().is_some());
}

#[test]
fn wrong_clock_of_an_append_does_not_keep_records_for_ever() {
    let mut bench = Bench::of(state(), Config { trusts_own_clock: true }, reading(0));
    bench.tick(ClockReading { boottime_ms: 1, wall_ms: START_MS + 600_000 * HOUR_MS }, None);
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(reading(24 * HOUR_MS + 2), Some(bench.core.committed().shards[&shard(0)].last_arrival_ms));
    assert_eq!(bench.written.len(), 1, "a day later it expires");
}

#[test]
fn clock_step_is_proposed_once() {
    let mut bench = stepping();
    bench.poll();
    bench.core.handle(Event::ClockSeen { other_ms: START_MS + 100 * HOUR_MS });
    bench.poll();
    assert_eq!(bench.written.len(), 1);
}
