//! Logs at work, by scenario.

mod bounds;
pub(crate) mod faulty_disk;

use catalog::HashKeyRange;
use futures::FutureExt as _;
use futures::future::join_all;
use group_core::{Appended, Run};
use record_log::record::{Record, RecordBlockBuilder};

use super::*;
use faulty_disk::{Faults, Switch, faulty_disk};

const COPY: Uuid = Uuid::from_u128(0x51ab);
const ALL: Limits = Limits { max_records: 1_000_000, max_bytes: 100 << 20 };

/// A log's directory, and what its processes share.
struct Bench {
    directory: tempfile::TempDir,
    resources: Resources,
    switch: Switch,
}

impl Bench {
    /// A new log with shards 0 to 2.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let open =
            |(index, range)| OpenShard { id: shard(index), range, parents: Vec::new(), create_seconds: 1 };
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let resources = Resources::new(metrics);
        let config = LogConfig {
            log_id: Uuid::from_u128(1),
            incarnation: COPY,
            shards: (0..).zip(HashKeyRange::uniform(3)).map(open).collect(),
            retention_hours: 24,
            created_ms: resources.now_ms(),
        };
        create(&directory.path().join("g0"), &config).unwrap();
        Self { directory, resources, switch: Switch::default() }
    }

    fn open(&self) -> OpenLog {
        let disk = faulty_disk(&self.directory.path().join("g0"), &self.switch);
        OpenLog::open_on(disk, COPY, &self.resources, Arc::new(())).unwrap()
    }

    fn metrics(&self) -> &Metrics {
        &self.resources.metrics
    }
}

fn shard(index: u32) -> ShardId {
    ShardId::new(index).unwrap()
}

fn run(index: u32, records: &[impl AsRef<[u8]>]) -> Run {
    let mut builder = RecordBlockBuilder::default();
    for data in records {
        builder.push(Record { partition_key: "key", data: data.as_ref() });
    }
    Run { shard: shard(index), block: builder.build() }
}

/// An append of this process.
fn of(runs: Vec<Run>) -> Append {
    Append { session: None, runs }
}

/// Where the only run of an append is.
fn appended(outcomes: Vec<RunOutcome>) -> Appended {
    match outcomes[..] {
        [RunOutcome::Appended(appended)] => appended,
        ref other => panic!("{other:?}"),
    }
}

async fn all(log: &OpenLog, index: u32) -> Vec<String> {
    let found = log.read(shard(index), Position::TrimHorizon, ALL).await.unwrap();
    let Found::Records(outcome) = found else { panic!("{found:?}") };
    let text = |record: Record<'_>| String::from_utf8(record.data.to_vec()).unwrap();
    outcome.runs.iter().flat_map(|run| run.block.records().map(text)).collect()
}

/// A log whose first append has begun and is held by the disk.
async fn held(bench: &Bench) -> (OpenLog, impl Future<Output = Result<Vec<RunOutcome>, Refusal>>) {
    let log = bench.open();
    log.append(of(vec![run(0, &["before"])])).await.unwrap();
    // Else the write that is held may be that of the confirmation.
    tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while log.status().counts.confirmations == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    bench.switch.set(Faults { hold_write: true, ..Faults::default() });
    let queue = Arc::clone(&log.queue);
    let mut first = Box::pin(async move { queue.append(of(vec![run(0, &["first"])])).await });
    assert!(first.as_mut().now_or_never().is_none());
    bench.switch.wait_for_held_write();
    (log, first)
}

#[tokio::test]
async fn appends_that_wait_share_one_write() {
    let bench = Bench::new();
    let (log, first) = held(&bench).await;
    let mut waiting: Vec<_> = (0..100)
        .map(|number: u32| Box::pin(log.append(of(vec![run(number % 2, &[number.to_string()])]))))
        .collect();
    for append in &mut waiting {
        assert!(append.as_mut().now_or_never().is_none());
    }
    assert_eq!(all(&log, 0).await, ["before"], "nothing is read before it is durable");
    bench.switch.set(Faults::default());
    first.await.unwrap();
    let places: Vec<_> =
        join_all(waiting).await.into_iter().map(|outcomes| appended(outcomes.unwrap())).collect();

    assert_eq!(bench.metrics().batches.get(), 3);
    for (number, appended) in places.iter().enumerate() {
        let before = 2 * u64::from(number % 2 == 0);
        assert_eq!(appended.first_offset, number as u64 / 2 + 1 + before, "in the order of arrival");
    }
    let even: Vec<_> = (0..100).step_by(2).map(|number| number.to_string()).collect();
    assert_eq!(all(&log, 0).await[2..], even);
    assert_eq!((bench.metrics().queued_requests.get(), bench.metrics().queued_bytes.get()), (0, 0));
}

#[tokio::test]
async fn full_queue_refuses_and_takes_again() {
    let bench = Bench::new();
    let (log, first) = held(&bench).await;
    let large = run(0, &[vec![0; 16 << 20]]);
    let mut waiting = Vec::new();
    let refusal = loop {
        let mut append = Box::pin(log.append(of(vec![large.clone()])));
        match append.as_mut().now_or_never() {
            None => waiting.push(append),
            Some(outcome) => break outcome.unwrap_err(),
        }
        assert!(waiting.len() < 10, "48 MiB may wait");
    };
    assert_eq!((refusal, waiting.len()), (Refusal::QueueFull, 2));
    bench.switch.set(Faults::default());
    first.await.unwrap();
    assert!(join_all(waiting).await.into_iter().all(|outcome| outcome.is_ok()));
    log.append(of(vec![large])).await.unwrap();
}

#[tokio::test]
async fn append_beyond_the_largest_is_refused() {
    let log = Bench::new().open();
    let outcome = log.append(of(vec![run(0, &[vec![0; MAX_APPEND_BYTES]])])).await;
    assert!(matches!(outcome, Err(Refusal::Invalid(_))), "{outcome:?}");
}

#[tokio::test]
async fn closed_log_finishes_what_it_took_and_takes_no_more() {
    let bench = Bench::new();
    let (log, first) = held(&bench).await;
    let mut closing = Box::pin(log.close());
    assert!(closing.as_mut().now_or_never().is_none());
    assert!(matches!(log.append(of(vec![run(0, &["b"])])).await, Err(Refusal::NotReady(_))));
    bench.switch.set(Faults::default());
    closing.await;
    first.await.unwrap();
    assert_eq!(*log.condition().borrow(), Condition::Closed);
}

#[tokio::test]
async fn idle_log_is_closed_too() {
    let log = Bench::new().open();
    log.close().await;
    assert_eq!(*log.condition().borrow(), Condition::Closed);
}

#[tokio::test]
async fn full_disk_refuses_appends_serves_reads_and_recovers_by_itself() {
    let bench = Bench::new();
    let log = bench.open();
    log.append(of(vec![run(0, &["kept"])])).await.unwrap();
    bench.switch.set(Faults { full: true, ..Faults::default() });
    // More than the first segment has room for.
    let large = run(0, &[vec![b'x'; 2 << 20]]);
    assert_eq!(log.append(of(vec![large.clone()])).await, Err(Refusal::StorageFull));
    let kinds = |log: &OpenLog| conditions_of(&log.status()).iter().map(|c| c.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&log), [LogConditionKind::StorageFull]);
    assert_eq!(all(&log, 0).await, ["kept"]);
    assert!(log.append(of(vec![run(0, &["small"])])).await.is_ok(), "what has its space already is taken");

    bench.switch.set(Faults::default());
    // Nobody appends: the log looks for itself.
    tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while !kinds(&log).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    log.append(of(vec![large])).await.unwrap();
}

#[tokio::test]
async fn failed_write_stops_the_log_for_good_and_leaves_what_was_durable() {
    let bench = Bench::new();
    let log = bench.open();
    log.append(of(vec![run(0, &["a"])])).await.unwrap();
    bench.switch.set(Faults { fail_write: true, ..Faults::default() });
    assert!(matches!(log.append(of(vec![run(0, &["b"])])).await, Err(Refusal::OutcomeUnknown(_))));
    bench.switch.set(Faults::default());
    assert!(matches!(log.append(of(vec![run(0, &["c"])])).await, Err(Refusal::LogStopped(_))));
    assert!(matches!(&*log.condition().borrow(), Condition::Stopped(why) if why.contains("broken")));
    assert_eq!(all(&log, 0).await, ["a"]);
}

#[tokio::test]
async fn log_at_work_has_a_thread_and_an_idle_one_has_none() {
    let bench = Bench::new();
    let log = bench.open();
    assert!(log.queue.is_parked());
    log.append(of(vec![run(0, &["a"])])).await.unwrap();
    assert!(!log.queue.is_parked());
    drop(log);
    let log = bench.open();
    log.queue.wake();
    tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while !log.queue.is_parked() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(all(&log, 0).await, ["a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_are_contiguous_and_in_order_per_shard() {
    let bench = Bench::new();
    let log = Arc::new(bench.open());
    let tasks = (0..16).map(|writer: u32| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            for number in 0..20 {
                let records = [format!("{writer}-{number}-0"), format!("{writer}-{number}-1")];
                log.append(of(vec![run(writer % 3, &records), run((writer + 1) % 3, &records)]))
                    .await
                    .unwrap();
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    log.close().await;
    let log = bench.open();
    let mut total = 0;
    for index in 0..3 {
        let records = all(&log, index).await;
        total += records.len();
        for writer in 0..16u32 {
            let own: Vec<_> =
                records.iter().filter(|data| data.starts_with(&format!("{writer}-"))).cloned().collect();
            let shards = [writer % 3, (writer + 1) % 3];
            let expected: Vec<_> = (0..if shards.contains(&index) { 20 } else { 0 })
                .flat_map(|number| [format!("{writer}-{number}-0"), format!("{writer}-{number}-1")])
                .collect();
            assert_eq!(own, expected);
        }
    }
    assert_eq!(total, 16 * 20 * 4);
}

#[tokio::test]
async fn retention_is_kept_over_a_restart() {
    let bench = Bench::new();
    let log = bench.open();
    log.set_retention(48).await.unwrap();
    log.close().await;
    assert_eq!(bench.open().status().retention_hours, Some(48));
}
