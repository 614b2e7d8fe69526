//! Reads against a model of what was appended.

use proptest::prelude::*;

use super::*;

/// One append: which shard, how many records, of how many bytes each, how long after the last one.
type Step = (u32, usize, usize, u64);

#[derive(Clone, Debug)]
struct Stored {
    data: Vec<u8>,
    arrival_ms: u64,
}

/// Appends all steps; gives what each shard holds then.
async fn fill(bench: &Bench, log: &Log, steps: &[Step]) -> Vec<Vec<Stored>> {
    let mut shards = vec![Vec::new(); 3];
    let mut now_ms = 1_000;
    for (number, &(index, count, bytes, later_ms)) in steps.iter().enumerate() {
        now_ms += later_ms;
        bench.set_clock(now_ms);
        let records: Vec<_> = (0..count).map(|record| vec![(number + record) as u8; bytes]).collect();
        log.append(vec![run(index, &records)]).await.unwrap();
        shards[index as usize].extend(records.into_iter().map(|data| Stored { data, arrival_ms: now_ms }));
    }
    shards
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Large enough, some of them, to set marks and to jump from one to the next.
    let bytes = prop_oneof![3 => 0usize..2_000, 1 => 50_000usize..200_000];
    // Shard 2 is rare, so that its runs lie far apart.
    let shard = prop_oneof![8 => 0u32..2, 1 => Just(2u32)];
    proptest::collection::vec((shard, 1usize..5, bytes, 0u64..3), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_read_gives_what_the_model_says(
        steps in steps(),
        reads in proptest::collection::vec((0u32..3, any::<prop::sample::Index>(), 0u64..200, 1u32..9, 1usize..400_000), 30)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new();
            let written = bench.open().unwrap();
            let shards = fill(&bench, &written, &steps).await;
            let reopened = bench.open().unwrap();
            for log in [written, reopened] {
                for (index, at, later_ms, max_records, max_bytes) in &reads {
                    let stored = &shards[*index as usize];
                    let limits = Limits { max_records: *max_records, max_bytes: *max_bytes };
                    let offset = at.index(stored.len() + 2) as u64;
                    check(&log, *index, stored, Position::Offset(offset), 0, limits).await;
                    check(&log, *index, stored, Position::Offset(offset), 1_000 + later_ms, limits).await;
                    check(&log, *index, stored, Position::AtTimestamp(1_000 + later_ms), 0, limits).await;
                    check(&log, *index, stored, Position::TrimHorizon, 1_000 + later_ms, limits).await;
                    check(&log, *index, stored, Position::Latest, 0, limits).await;
                }
            }
        });
    }
}

async fn check(log: &Log, index: u32, stored: &[Stored], position: Position, oldest: u64, limits: Limits) {
    let next = stored.len() as u64 + 1;
    let (from_offset, from_arrival) = match position {
        Position::TrimHorizon => (1, oldest),
        Position::Latest => (next, oldest),
        Position::AtTimestamp(arrival) => (1, arrival),
        Position::Offset(offset) => (offset.max(1), oldest),
    };
    let matching = (1..)
        .zip(stored)
        .filter(|(offset, record)| *offset >= from_offset && record.arrival_ms >= from_arrival);
    let mut left_bytes = limits.max_bytes;
    let mut expected: Vec<(u64, Vec<u8>)> = Vec::new();
    for (offset, record) in matching.take(limits.max_records as usize) {
        let bytes = 6 + "key".len() + record.data.len();
        if bytes > left_bytes && !expected.is_empty() {
            break;
        }
        left_bytes = left_bytes.saturating_sub(bytes);
        expected.push((offset, record.data.clone()));
    }
    let outcome = log.read(shard(index), position, oldest, limits).await.unwrap();
    assert!(
        flatten(&outcome.runs) == expected,
        "{position:?} {oldest} {limits:?}: {} runs",
        outcome.runs.len()
    );
    for run in &outcome.runs {
        assert_eq!(run.arrival_ms, stored[run.first_offset as usize - 1].arrival_ms);
    }
    let expected_next = expected.last().map_or(next.max(from_offset), |(offset, _)| offset + 1);
    assert_eq!(outcome.next_offset, expected_next);
    let behind = match expected.last() {
        Some((offset, _)) if offset + 1 < next => {
            stored[stored.len() - 1].arrival_ms - stored[*offset as usize - 1].arrival_ms
        }
        _ => 0,
    };
    assert_eq!(outcome.millis_behind_latest, behind);

    let located = log.locate(shard(index), position).await.unwrap();
    let first_at = |arrival| {
        stored.iter().position(|record| record.arrival_ms >= arrival).map_or(next, |at| at as u64 + 1)
    };
    let expected = match position {
        Position::AtTimestamp(arrival) => first_at(arrival),
        _ => from_offset,
    };
    assert_eq!(located, expected);
}

#[tokio::test]
async fn record_larger_than_the_limit_is_read_alone() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    log.append(vec![run(0, &["large", "b"])]).await.unwrap();
    let outcome =
        log.read(shard(0), Position::TrimHorizon, 0, Limits { max_records: 9, max_bytes: 1 }).await.unwrap();
    assert_eq!(flatten(&outcome.runs), [(1, b"large".to_vec())]);
    assert_eq!(outcome.next_offset, 2);
}

#[tokio::test]
async fn reader_that_waits_at_the_tip_gets_what_is_appended_next() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    let latest = log.locate(shard(0), Position::Latest).await.unwrap();
    assert_eq!(latest, 1);
    log.append(vec![run(0, &["a"]), run(1, &["x"])]).await.unwrap();
    let outcome = log.read(shard(0), Position::Offset(latest), 0, ALL).await.unwrap();
    assert_eq!(flatten(&outcome.runs), [(1, b"a".to_vec())]);
    let outcome = log.read(shard(0), Position::Offset(outcome.next_offset), 0, ALL).await.unwrap();
    assert_eq!((outcome.runs.len(), outcome.next_offset), (0, 2));
}
