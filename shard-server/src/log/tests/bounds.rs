//! What is bounded stays so, also where callers go away, the log has stopped or there is no thread to be had.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use record_log::ReadError;
use record_log::value::Wait;

use super::*;

const LIMIT: Duration = Duration::from_secs(30);

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A read of the disk that waits until it is let go.
#[derive(Default)]
struct SlowDisk {
    reading: AtomicUsize,
    most: AtomicUsize,
    is_free: Mutex<bool>,
    freed: Condvar,
}

impl SlowDisk {
    fn read(&self, wait: Wait) -> Result<(), ReadError> {
        if wait == Wait::Never {
            return Err(ReadError::WouldBlock);
        }
        let reading = self.reading.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(reading, Ordering::SeqCst);
        let is_free = self.is_free.lock().unwrap();
        drop(self.freed.wait_timeout_while(is_free, LIMIT, |is_free| !*is_free).unwrap());
        self.reading.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    fn let_go(&self) {
        *self.is_free.lock().unwrap() = true;
        self.freed.notify_all();
    }
}

#[tokio::test]
async fn read_of_the_disk_keeps_its_place_when_its_caller_goes_away() {
    let log = Bench::new().open();
    let disk = Arc::new(SlowDisk::default());
    let read = || {
        let disk = Arc::clone(&disk);
        Box::pin(log.reads.run(&log.reader, move |_, wait| disk.read(wait)))
    };
    let mut left: Vec<_> = (0..4).map(|_| read()).collect();
    for read in &mut left {
        assert!(read.as_mut().now_or_never().is_none());
    }
    until("four reads are under way", || disk.reading.load(Ordering::SeqCst) == 4).await;
    drop(left);
    assert_eq!(log.reads.free_places(), 0);
    let mut more: Vec<_> = (0..20).map(|_| read()).collect();
    for read in &mut more {
        assert!(read.as_mut().now_or_never().is_none());
    }
    disk.let_go();
    for outcome in join_all(more).await {
        outcome.unwrap();
    }
    assert_eq!(disk.most.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn log_that_stops_while_the_disk_is_full_gives_its_thread_back() {
    let bench = Bench::new();
    let log = bench.open();
    log.append(of(vec![run(0, &["kept"])])).await.unwrap();
    bench.switch.set(Faults { full: true, ..Faults::default() });
    assert_eq!(log.append(of(vec![run(0, &[vec![b'x'; 2 << 20]])])).await, Err(Refusal::StorageFull));
    bench.switch.set(Faults { full: true, fail_write: true, ..Faults::default() });
    assert!(matches!(log.append(of(vec![run(0, &["lost"])])).await, Err(Refusal::OutcomeUnknown(_))));
    until("it is parked", || log.queue.is_parked()).await;
    assert!(matches!(log.append(of(vec![run(0, &["late"])])).await, Err(Refusal::LogStopped(_))));
    assert!(log.queue.is_parked(), "a refusal needs no thread");
    log.close().await;
    assert!(!log.queue.is_parked());
}

#[tokio::test]
async fn control_requests_that_wait_are_bounded_also_where_nobody_waits_for_them() {
    let bench = Bench::new();
    let (log, first) = held(&bench).await;
    for hours in 24..40 {
        assert!(log.set_retention(hours).now_or_never().is_none());
    }
    assert_eq!(log.set_retention(40).await, Err(Refusal::QueueFull));
    bench.switch.set(Faults::default());
    first.await.unwrap();
    until("the last one that was taken is done", || log.status().retention_hours == Some(39)).await;
    log.set_retention(40).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_append_is_answered_where_there_is_no_thread() {
    let bench = Bench::new();
    let mut log = bench.open();
    Arc::get_mut(&mut log.queue).unwrap().refuse_threads();
    let log = Arc::new(log);
    // Rounds, as an append that nobody heard would be found by the next one.
    for _ in 0..5_000 {
        let appends = (0..3).map(|_| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { log.append(of(vec![run(0, &["a"])])).await })
        });
        let round = tokio::time::timeout(LIMIT, join_all(appends)).await.expect("one waits for ever");
        for refused in round {
            assert!(matches!(refused.unwrap(), Err(Refusal::NotReady(_))));
        }
    }
    tokio::time::timeout(LIMIT, log.close()).await.expect("it never ends");
    assert_eq!(*log.condition().borrow(), Condition::Closed);
    assert_eq!(bench.metrics().queued_requests.get(), 0);
}
