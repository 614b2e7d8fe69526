//! Streams of a group's records: what they read, when, and what they keep in memory.

use std::time::Duration;

use futures::FutureExt as _;
use record_log::record::MAX_BLOCK_BYTES;

use super::*;
use crate::log::OpenLog;
use crate::log::tests::faulty_disk::{Switch, faulty_disk};
use crate::protocol::{Follow, RecordStream};
use crate::shard::Group;
use crate::shard::tests::{
    Calls as _, UID, append, bootstrap, budget, collect, config, data, read_all, run, shard,
};

const LIMIT: Duration = Duration::from_secs(60);
const BUDGET_BYTES: usize = 8 << 20;

async fn group() -> (tempfile::TempDir, Group) {
    let directory = tempfile::tempdir().unwrap();
    let group = Group::create(directory.path().into(), config(), bootstrap(2)).await.unwrap();
    (directory, group)
}

fn follow(index: u32) -> Follow {
    let (stream_uid, log, position) = (UID.into(), "g0".into(), Position::TrimHorizon);
    Follow { stream_uid, log, shard: shard(index), position, max_frame_bytes: 0 }
}

async fn next(records: &mut RecordStream, budget: &ByteBudget) -> Frame {
    let frame = tokio::time::timeout(LIMIT, records.next(budget)).await;
    frame.expect("it comes").expect("it goes on").unwrap()
}

/// Runs of 16 records each, 128 KiB together.
fn blocks(count: usize) -> Vec<crate::protocol::Run> {
    let text = "x".repeat(MAX_BLOCK_BYTES / 16 - 9);
    (0..count).map(|_| run(0, &[text.as_str(); 16])).collect()
}

#[tokio::test]
async fn small_frames_are_the_records_in_order_and_only_the_last_is_at_the_tip() {
    let (_directory, group) = group().await;
    assert!(group.append(append(blocks(4))).await.iter().all(Result::is_ok));
    assert!(group.append(append(vec![run(0, &["last"])])).await[0].is_ok());
    let read = Read { max_frame_bytes: 1, ..read_all(0) };
    let mut records = group.call(read.clone()).await.unwrap();
    let budget = budget(BUDGET_BYTES);
    let (mut next_offset, mut frames) = (1, 0);
    while let Some(frame) = records.next(&budget).await {
        let Frame { outcome, .. } = frame.unwrap();
        assert!(bytes_of(&outcome) <= MIN_FRAME_BYTES);
        assert_eq!(outcome.runs[0].first_offset, next_offset);
        assert_eq!(next_offset + u64::from(records_of(&outcome)), outcome.next_offset);
        assert_eq!(outcome.millis_behind_latest == 0, outcome.next_offset == 66);
        (next_offset, frames) = (outcome.next_offset, frames + 1);
    }
    assert!(next_offset == 66 && frames >= 32, "{frames} frames up to {next_offset}");
    assert_eq!(budget.free_bytes(), BUDGET_BYTES);
    // Limits hold over all frames together.
    let few = collect(group.call(Read { max_records: 19, ..read.clone() }).await.unwrap()).await.unwrap();
    assert_eq!((records_of(&few), few.next_offset), (19, 20));
    assert!(few.millis_behind_latest > 0);
    let max_bytes = 200_000;
    let some = collect(group.call(Read { max_bytes, ..read }).await.unwrap()).await.unwrap();
    assert_eq!(records_of(&some), 200_000 / (MAX_BLOCK_BYTES as u32 / 16));
}

#[tokio::test]
async fn block_is_read_from_the_disk_once_however_small_the_frames_are() {
    let (directory, switch) = (tempfile::tempdir().unwrap(), Switch::default());
    let group = Group::create(directory.path().into(), config(), bootstrap(1)).await.unwrap();
    // Each in a batch of its own, so that each is a run on the disk.
    for block in blocks(40) {
        assert!(group.append(append(vec![block])).await[0].is_ok());
    }
    let group = reopened(directory.path(), group, &switch).await;

    let before = switch.read_bytes();
    let read = Read { max_frame_bytes: 16 << 10, ..read_all(0) };
    let records = collect(group.call(read).await.unwrap()).await.unwrap();
    let read_bytes = switch.read_bytes() - before;
    let bytes = 40 * MAX_BLOCK_BYTES as u64;
    assert_eq!(bytes_of(&records) as u64, bytes);
    assert!(read_bytes < 2 * bytes, "{read_bytes} bytes were read for {bytes}");
}

#[tokio::test]
async fn large_record_is_read_once_and_not_at_all_where_nothing_is_left_for_it() {
    let (directory, switch) = (tempfile::tempdir().unwrap(), Switch::default());
    let group = Group::create(directory.path().into(), config(), bootstrap(1)).await.unwrap();
    let text = "x".repeat(2 << 20);
    for text in [text.as_str(), text.as_str(), "small"] {
        assert!(group.append(append(vec![run(0, &[text])])).await[0].is_ok());
    }
    let group = reopened(directory.path(), group, &switch).await;
    // It exceeds a frame and what is asked for, but something is given where there is something.
    for (max_bytes, offsets) in [(1 << 20, 2), (3 << 20, 2), (5 << 20, 4)] {
        let before = switch.read_bytes();
        let records = collect(group.call(Read { max_bytes, ..read_all(0) }).await.unwrap()).await.unwrap();
        let read_bytes = switch.read_bytes() - before;
        let bytes = bytes_of(&records) as u64;
        assert_eq!(records.next_offset, offsets);
        assert!(read_bytes < bytes + (256 << 10), "{read_bytes} bytes were read for {bytes}");
    }
}

/// The group again, on a disk that counts what is read.
async fn reopened(directory: &std::path::Path, group: Group, switch: &Switch) -> Group {
    group.close().await;
    let group = Group::open(directory.into(), config()).await.unwrap();
    let identity = group.inner.state.borrow().serving().unwrap().identity.clone();
    let disk = faulty_disk(&identity.log_directory(directory), switch);
    let resources = &group.inner.config.resources;
    let log = OpenLog::open_on(disk, identity.replica(), resources, Arc::new(())).unwrap();
    group.inner.serve(Serving { identity, log });
    group
}

#[tokio::test]
async fn nothing_is_kept_where_memory_is_short() {
    let (_directory, group) = group().await;
    assert!(group.append(append(blocks(4))).await.iter().all(Result::is_ok));
    let budget = budget(300 << 10);
    let read = Read { max_frame_bytes: 16 << 10, ..read_all(0) };
    let mut records = group.call(read).await.unwrap();
    let first = next(&mut records, &budget).await;
    // What it takes is its frame alone.
    assert!(budget.free_bytes() >= 280 << 10, "{}", budget.free_bytes());
    let rest = collect(records).await.unwrap();
    assert_eq!(records_of(&first.outcome) + records_of(&rest), 64);
}

#[tokio::test]
async fn follower_gets_what_was_there_and_then_each_record_as_it_is_committed() {
    let (_directory, group) = group().await;
    assert!(group.append(append(vec![run(0, &["a"])])).await[0].is_ok());
    let budget = budget(BUDGET_BYTES);
    let mut records = group.call(follow(0)).await.unwrap();
    let frame = next(&mut records, &budget).await;
    assert_eq!((data(&frame.outcome), frame.outcome.millis_behind_latest), (vec!["a".to_owned()], 0));
    drop(frame);
    for text in ["b", "c"] {
        {
            let mut waiting = Box::pin(records.next(&budget));
            assert!(waiting.as_mut().now_or_never().is_none());
            assert_eq!(budget.free_bytes(), BUDGET_BYTES, "nothing is held while nothing happens");
            // What another shard gets is nothing to it.
            assert!(group.append(append(vec![run(1, &["x"])])).await[0].is_ok());
            assert!(waiting.as_mut().now_or_never().is_none());
            assert!(group.append(append(vec![run(0, &[text])])).await[0].is_ok());
            // No clock is asked: the commit was announced before the append was answered.
            let frame = waiting.now_or_never().expect("it is there").unwrap().unwrap();
            assert_eq!(data(&frame.outcome), [text]);
        }
    }
    group.close().await;
    let ended = tokio::time::timeout(LIMIT, records.next(&budget)).await.unwrap();
    assert!(matches!(ended, Some(Err(FrameError::Refused(Refusal::NotReady(_))))), "{ended:?}");
    assert!(records.next(&budget).await.is_none());
}

#[tokio::test]
async fn read_at_the_tip_waits_for_a_record_as_long_as_it_is_asked_to() {
    let (_directory, group) = group().await;
    let budget = budget(BUDGET_BYTES);
    let latest = |wait_ms| Read { position: Position::Latest, wait_ms, ..read_all(0) };
    for wait_ms in [0, 1] {
        let mut records = group.call(latest(wait_ms)).await.unwrap();
        let frame = next(&mut records, &budget).await;
        assert_eq!((records_of(&frame.outcome), frame.outcome.millis_behind_latest), (0, 0));
        assert!(records.next(&budget).await.is_none());
    }
    // A slow machine may take longer than the wait, but not each time.
    for _ in 0..20 {
        let mut records = group.call(latest(MAX_READ_WAIT_MS)).await.unwrap();
        let mut waiting = Box::pin(records.next(&budget));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(budget.free_bytes(), BUDGET_BYTES, "nothing is held meanwhile");
        // What another shard gets is nothing to it.
        assert!(group.append(append(vec![run(1, &["x"])])).await[0].is_ok());
        assert!(group.append(append(vec![run(0, &["a"])])).await[0].is_ok());
        if data(&waiting.await.unwrap().unwrap().outcome) == ["a"] {
            return;
        }
    }
    panic!("a read never waited for the record");
}

#[tokio::test]
async fn reader_that_asks_for_large_frames_gets_them() {
    let (_directory, group) = group().await;
    assert!(group.append(append(blocks(16))).await.iter().all(Result::is_ok));
    let budget = budget(BUDGET_BYTES);
    let mut first_bytes = Vec::new();
    for max_frame_bytes in [0, u32::MAX] {
        let mut records = group.call(Read { max_frame_bytes, ..read_all(0) }).await.unwrap();
        first_bytes.push(bytes_of(&next(&mut records, &budget).await.outcome));
    }
    assert!(first_bytes[0] > 0 && first_bytes[0] <= FRAME_BYTES, "{first_bytes:?}");
    assert!(first_bytes[1] > FRAME_BYTES && first_bytes[1] <= MAX_FRAME_BYTES, "{first_bytes:?}");
}

#[tokio::test(start_paused = true)]
async fn idle_follower_hears_that_nothing_is_missing() {
    let (_directory, group) = group().await;
    let budget = budget(BUDGET_BYTES);
    let mut records = group.call(follow(0)).await.unwrap();
    for _ in 0..3 {
        let frame = next(&mut records, &budget).await;
        let nothing =
            ReadOutcome { runs: Vec::new(), next_offset: 1, millis_behind_latest: 0, successors: None };
        assert_eq!(frame.outcome, nothing);
    }
}

#[tokio::test]
async fn slow_follower_costs_a_frame_and_delays_nobody() {
    let (_directory, group) = group().await;
    let budget = budget(BUDGET_BYTES);
    assert!(group.append(append(blocks(32))).await.iter().all(Result::is_ok));
    let mut slow = group.call(follow(0)).await.unwrap();
    let kept = next(&mut slow, &budget).await;
    let mut quick = group.call(follow(0)).await.unwrap();
    let mut records = 0;
    while records < 32 * 16 {
        records += records_of(&next(&mut quick, &budget).await.outcome);
    }
    assert!(budget.free_bytes() >= BUDGET_BYTES - FRAME_BYTES);
    drop((kept, slow, quick));
    assert_eq!(budget.free_bytes(), BUDGET_BYTES);
}
