//! The real disk, with faults on demand.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use record_log::disk::system::SystemDisk;
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

/// Tells a [`FaultyDisk`] what to do.
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

    fn count(&self, read: io::Result<usize>) -> io::Result<usize> {
        self.0.read_bytes.fetch_add(*read.as_ref().unwrap_or(&0) as u64, Ordering::Relaxed);
        read
    }

    fn now(&self) -> Faults {
        *self.0.faults.lock().unwrap()
    }

    fn hold(&self) {
        *self.0.held.lock().unwrap() += 1;
        self.0.changed.notify_all();
        let faults = self.0.faults.lock().unwrap();
        drop(self.0.changed.wait_while(faults, |faults| faults.hold_write).unwrap());
        *self.0.held.lock().unwrap() -= 1;
    }
}

/// A disk that fails on demand.
#[derive(Debug)]
pub(crate) struct FaultyDisk {
    disk: SystemDisk,
    switch: Switch,
}

impl FaultyDisk {
    pub(crate) fn new(directory: &std::path::Path, switch: Switch) -> Self {
        Self { disk: SystemDisk::new(directory.into()), switch }
    }

    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile { file, switch: self.switch.clone() })
    }
}

impl Disk for FaultyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        match self.switch.now().full {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.disk.create(name, bytes).map(|file| self.wrap(file)),
        }
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name).map(|file| self.wrap(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn DiskFile>,
    switch: Switch,
}

impl DiskFile for FaultyFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()> {
        if self.switch.now().hold_write {
            self.switch.hold();
        }
        match self.switch.now().fail_write {
            true => Err(io::Error::other("broken")),
            false => self.file.write(position, blocks),
        }
    }

    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.switch.count(self.file.read_disk(position, buffer))
    }

    fn read(&self, position: u64, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        self.switch.count(self.file.read(position, buffer, wait))
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        match self.switch.now().full && bytes > self.file.bytes()? {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.file.resize(bytes),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
