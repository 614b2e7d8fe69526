//! A process ends without warning and another one opens the log.

use super::*;

#[tokio::test]
async fn reopened_log_has_every_answered_record_and_goes_on() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    log.append(vec![run(0, &["a", "b"]), run(2, &["x"])]).await.unwrap();
    log.append(vec![run(0, &["c"])]).await.unwrap();
    // Nothing is closed: what was answered is durable as it is.
    let log = bench.open().unwrap();
    let appended = log.append(vec![run(0, &["d"])]).await.unwrap();
    assert_eq!(appended[0].first_offset, 4);
    assert_eq!(all(&log, 0).await, ["a", "b", "c", "d"]);
    assert_eq!(all(&log, 1).await, [""; 0]);
    assert_eq!(all(&log, 2).await, ["x"]);
    assert_eq!(log.opened(), opens(3));
}

#[tokio::test]
async fn log_cut_at_any_byte_of_its_last_batch_has_all_before_it() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    log.append(vec![run(0, &["a"]), run(1, &["x"])]).await.unwrap();
    let whole = log.durable_bytes() as usize;
    log.append(vec![run(0, &["b", "c"]), run(1, &["y"])]).await.unwrap();
    log.close().await;
    let bytes = bench.bytes();
    for length in whole..bytes.len() {
        bench.set_bytes(&bytes[..length]);
        let log = bench.open().unwrap();
        assert_eq!(bench.bytes().len(), whole, "the tail is cut before anything else is done");
        assert_eq!(all(&log, 0).await, ["a"], "cut at {length}");
        log.append(vec![run(0, &["B"])]).await.unwrap();
        log.close().await;
        let log = bench.open().unwrap();
        assert_eq!(all(&log, 0).await, ["a", "B"], "cut at {length}");
        assert_eq!(all(&log, 1).await, ["x"], "cut at {length}");
    }
}

#[tokio::test]
async fn tail_of_which_pages_are_missing_is_cut() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    log.append(vec![run(0, &["a"])]).await.unwrap();
    let whole = log.durable_bytes() as usize;
    log.append(vec![run(0, &["b".repeat(20_000)])]).await.unwrap();
    log.close().await;
    let bytes = bench.bytes();
    // The file got its length, but of its content only some came to the disk.
    for missing in [whole..whole + 48, whole + 4_096..whole + 8_192, whole..bytes.len()] {
        let mut torn = bytes.clone();
        torn[missing].fill(0);
        bench.set_bytes(&torn);
        assert_eq!(all(&bench.open().unwrap(), 0).await, ["a"]);
        assert_eq!(bench.bytes().len(), whole);
    }
}

#[tokio::test]
async fn arrival_never_goes_back_although_the_clock_does() {
    let bench = Bench::new();
    bench.set_clock(5_000);
    let log = bench.open().unwrap();
    assert_eq!(log.append(vec![run(0, &["a"])]).await.unwrap()[0].arrival_ms, 5_000);
    bench.set_clock(2_000);
    assert_eq!(log.append(vec![run(0, &["b"])]).await.unwrap()[0].arrival_ms, 5_000);
    let log = bench.open().unwrap();
    assert_eq!(log.append(vec![run(1, &["c"])]).await.unwrap()[0].arrival_ms, 5_000);
    bench.set_clock(6_000);
    assert_eq!(log.append(vec![run(1, &["d"])]).await.unwrap()[0].arrival_ms, 6_000);
}
