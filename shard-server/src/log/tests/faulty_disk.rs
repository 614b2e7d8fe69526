//! The real disk, with faults on demand.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use record_log::disk::system::SystemDisk;
use record_log::disk::watched::{Watch, WatchedDisk, pass_read};
use record_log::disk::{Disk, DiskFile};
use record_log::value::Wait;

/// What the disk does from now on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// It has no space for new files.
    pub full: bool,
    /// Writes fail.
    pub fail_write: bool,
    /// Writes begin and wait.
    pub hold_write: bool,
}

#[derive(Debug, Default)]
struct Control {
    faults: Mutex<Faults>,
    changed: Condvar,
    /// Writes that wait.
    held: Mutex<usize>,
    read_bytes: AtomicU64,
}

/// Tells a [`faulty_disk`] what to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switch(Arc<Control>);

impl Switch {
    pub(crate) fn set(&self, faults: Faults) {
        *self.0.faults.lock().unwrap() = faults;
        self.0.changed.notify_all();
    }

    /// Waits until a write is held.
    pub(crate) fn wait_for_held_write(&self) {
        let held = self.0.held.lock().unwrap();
        drop(self.0.changed.wait_while(held, |held| *held == 0).unwrap());
    }

    /// How many bytes were read so far.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.0.read_bytes.load(Ordering::Relaxed)
    }
}

impl Control {
    fn now(&self) -> Faults {
        *self.faults.lock().unwrap()
    }

    fn hold(&self) {
        *self.held.lock().unwrap() += 1;
        self.changed.notify_all();
        let faults = self.faults.lock().unwrap();
        drop(self.changed.wait_while(faults, |faults| faults.hold_write).unwrap());
        *self.held.lock().unwrap() -= 1;
    }
}

/// A disk that fails on demand.
pub(crate) fn faulty_disk(directory: &std::path::Path, switch: &Switch) -> Arc<dyn Disk> {
    let disk = Arc::new(SystemDisk::new(directory.into()));
    Arc::new(WatchedDisk::new(disk, Arc::clone(&switch.0)))
}

impl Watch for Control {
    fn create(&self, disk: &dyn Disk, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        match self.now().full {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => disk.create(name, bytes),
        }
    }

    fn write(&self, _: &str, file: &dyn DiskFile, position: u64, blocks: &[u8]) -> io::Result<()> {
        if self.now().hold_write {
            self.hold();
        }
        match self.now().fail_write {
            true => Err(io::Error::other("broken")),
            false => file.write(position, blocks),
        }
    }

    fn read(
        &self,
        _: &str,
        file: &dyn DiskFile,
        position: u64,
        buffer: &mut [u8],
        wait: Option<Wait>,
    ) -> io::Result<usize> {
        let read = pass_read(file, position, buffer, wait)?;
        self.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn resize(&self, file: &dyn DiskFile, bytes: u64) -> io::Result<()> {
        match self.now().full && bytes > file.bytes()? {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => file.resize(bytes),
        }
    }
}
