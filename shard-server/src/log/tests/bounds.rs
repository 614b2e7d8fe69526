//! What is bounded stays so, also where callers go away.

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
        drop(self.freed.wait_while(self.is_free.lock().unwrap(), |is_free| !*is_free).unwrap());
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
