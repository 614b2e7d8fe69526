//! The disk refuses.

use std::sync::Mutex;

use super::*;

/// What the disk does from now on.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    full: bool,
    fail_write: bool,
    fail_sync: bool,
    fail_cut: bool,
}

#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Faults>>);

impl Disk {
    fn set(&self, faults: Faults) {
        *self.0.lock().unwrap() = faults;
    }

    fn open(&self, bench: &Bench) -> Log {
        bench.open_on(|file| Box::new(FaultyFile { file, disk: self.clone() })).unwrap()
    }
}

struct FaultyFile {
    file: File,
    disk: Disk,
}

impl FaultyFile {
    fn faults(&self) -> Faults {
        *self.disk.0.lock().unwrap()
    }
}

impl Device for FaultyFile {
    fn put(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        if self.faults().full {
            // Some of it is written before the disk is full.
            self.file.put(position, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.faults().fail_write {
            return Err(io::Error::other("broken"));
        }
        self.file.put(position, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.faults().fail_sync { Err(io::Error::other("broken")) } else { self.file.sync() }
    }

    fn cut(&mut self, position: u64) -> io::Result<()> {
        if self.faults().fail_cut { Err(io::Error::other("broken")) } else { self.file.cut(position) }
    }
}

#[tokio::test]
async fn full_volume_refuses_appends_and_recovers_by_itself() {
    let (bench, disk) = (Bench::new(), Disk::default());
    let log = disk.open(&bench);
    log.append(vec![run(0, &["a"])]).await.unwrap();
    let durable = log.durable_bytes();
    disk.set(Faults { full: true, ..Faults::default() });
    for _ in 0..3 {
        assert_eq!(log.append(vec![run(0, &["lost"])]).await, Err(Refusal::StorageFull));
        assert_eq!(bench.bytes().len() as u64, durable, "what was written of it is cut off");
    }
    assert_eq!(all(&log, 0).await, ["a"], "reads go on");
    disk.set(Faults::default());
    assert_eq!(log.append(vec![run(0, &["b"])]).await.unwrap()[0].first_offset, 2);
    log.close().await;
    assert_eq!(all(&bench.open().unwrap(), 0).await, ["a", "b"]);
}

#[tokio::test]
async fn full_volume_that_cannot_be_cut_stops_the_log() {
    let (bench, disk) = (Bench::new(), Disk::default());
    let log = disk.open(&bench);
    log.append(vec![run(0, &["a"])]).await.unwrap();
    disk.set(Faults { full: true, fail_cut: true, ..Faults::default() });
    assert!(matches!(log.append(vec![run(0, &["b"])]).await, Err(Refusal::OutcomeUnknown(_))));
    disk.set(Faults::default());
    assert!(matches!(log.append(vec![run(0, &["c"])]).await, Err(Refusal::LogStopped(_))));
    assert_eq!(all(&bench.open().unwrap(), 0).await, ["a"]);
}

#[tokio::test]
async fn failed_write_or_sync_is_final() {
    let failed_write = Faults { fail_write: true, ..Faults::default() };
    let failed_sync = Faults { fail_sync: true, ..Faults::default() };
    for faults in [failed_write, failed_sync] {
        let (bench, disk) = (Bench::new(), Disk::default());
        let log = disk.open(&bench);
        log.append(vec![run(0, &["a"])]).await.unwrap();
        disk.set(faults);
        assert!(
            matches!(log.append(vec![run(0, &["b"])]).await, Err(Refusal::OutcomeUnknown(_))),
            "{faults:?}"
        );
        // Also when the disk is well again.
        disk.set(Faults::default());
        assert!(matches!(log.append(vec![run(0, &["c"])]).await, Err(Refusal::LogStopped(_))), "{faults:?}");
        assert!(matches!(&*log.condition().borrow(), Condition::Stopped(_)));
        assert_eq!(bench.metrics.stopped.get(), 1);
        assert_eq!(all(&log, 0).await, ["a"], "durable records are read on");
        log.close().await;
        // After a restart the unknown one is there or not, but nothing is in its place.
        let after = all(&bench.open().unwrap(), 0).await;
        assert!(after == ["a"] || after == ["a", "b"], "{after:?}");
    }
}
