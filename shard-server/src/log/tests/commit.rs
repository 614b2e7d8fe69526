//! Many append at once.

use std::sync::mpsc;

use futures::FutureExt;
use futures::future::join_all;

use super::*;

/// A file whose syncs wait to be let through.
struct GatedFile {
    file: File,
    begun: mpsc::Sender<()>,
    gate: mpsc::Receiver<()>,
}

impl Device for GatedFile {
    fn put(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.put(position, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let _ = self.begun.send(());
        let _ = self.gate.recv();
        self.file.sync()
    }

    fn cut(&mut self, position: u64) -> io::Result<()> {
        self.file.cut(position)
    }
}

/// A log whose first sync has begun and does not end before the sender is dropped.
fn held(bench: &Bench) -> (Log, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (begun, has_begun) = mpsc::channel();
    let (open_gate, gate) = mpsc::channel();
    let log = bench.open_on(|file| Box::new(GatedFile { file, begun, gate })).unwrap();
    (log, open_gate, has_begun)
}

#[tokio::test]
async fn appends_that_wait_share_one_sync() {
    let bench = Bench::new();
    let (log, gate, begun) = held(&bench);
    let mut first = Box::pin(log.append(vec![run(0, &["first"])]));
    assert!(first.as_mut().now_or_never().is_none());
    begun.recv().unwrap();

    let mut waiting: Vec<_> = (0..100)
        .map(|number: u32| Box::pin(log.append(vec![run(number % 2, &[number.to_string()])])))
        .collect();
    for append in &mut waiting {
        assert!(append.as_mut().now_or_never().is_none());
    }
    assert_eq!(all(&log, 0).await, [""; 0], "nothing is read before it is durable");
    drop(gate);
    first.await.unwrap();
    let appended: Vec<_> = join_all(waiting).await.into_iter().map(|appended| appended.unwrap()[0]).collect();

    assert_eq!(bench.metrics.batches.get(), 2);
    for (number, appended) in appended.iter().enumerate() {
        let before = u64::from(number % 2 == 0);
        assert_eq!(appended.first_offset, number as u64 / 2 + 1 + before, "in the order of arrival");
    }
    let even: Vec<_> = (0..100).step_by(2).map(|number| number.to_string()).collect();
    assert_eq!(all(&log, 0).await[1..], even);
    assert_eq!((bench.metrics.queued_requests.get(), bench.metrics.queued_bytes.get()), (0, 0));
}

#[tokio::test]
async fn full_queue_refuses() {
    let bench = Bench::new();
    let (log, gate, begun) = held(&bench);
    let large = run(0, &[vec![0; 16 << 20]]);
    let mut waiting = Vec::new();
    let refusal = loop {
        let mut append = Box::pin(log.append(vec![large.clone()]));
        match append.as_mut().now_or_never() {
            None => waiting.push(append),
            Some(outcome) => break outcome.unwrap_err(),
        }
        assert!(waiting.len() < 10, "64 MiB may wait");
    };
    assert_eq!((refusal, waiting.len()), (Refusal::QueueFull, 3));
    begun.recv().unwrap();
    drop(gate);
    assert!(join_all(waiting).await.into_iter().all(|outcome| outcome.is_ok()));
    log.append(vec![large]).await.unwrap();
}

#[tokio::test]
async fn append_beyond_the_largest_is_refused() {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    let outcome = log.append(vec![run(0, &[vec![0; MAX_APPEND_BYTES]])]).await;
    assert!(matches!(outcome, Err(Refusal::Invalid(_))), "{outcome:?}");
}

#[tokio::test]
async fn closed_log_finishes_what_it_took_and_takes_no_more() {
    let bench = Bench::new();
    let (log, gate, begun) = held(&bench);
    let mut taken = Box::pin(log.append(vec![run(0, &["a"])]));
    assert!(taken.as_mut().now_or_never().is_none());
    begun.recv().unwrap();
    let mut closing = Box::pin(log.close());
    assert!(closing.as_mut().now_or_never().is_none());
    assert!(matches!(log.append(vec![run(0, &["b"])]).await, Err(Refusal::NotReady(_))));
    drop(gate);
    closing.await;
    taken.await.unwrap();
    assert_eq!(*log.condition().borrow(), Condition::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_are_contiguous_and_in_order_per_shard() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().unwrap());
    let tasks = (0..16).map(|writer: u32| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            for number in 0..20 {
                let records = [format!("{writer}-{number}-0"), format!("{writer}-{number}-1")];
                log.append(vec![run(writer % 3, &records), run((writer + 1) % 3, &records)]).await.unwrap();
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    drop(log);
    let log = bench.open().unwrap();
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
