//! A disk whose lists and reads go through the test's hands.

use std::{fmt, io};

use super::*;
use crate::disk::DiskFile;

type List = dyn Fn(Vec<String>) -> Vec<String> + Send + Sync;
/// A read, of the disk itself where no wait is given.
type Read = dyn Fn(&dyn DiskFile, u64, &mut [u8], Option<Wait>) -> io::Result<usize> + Send + Sync;

/// A write, or advice: where and of how many bytes.
type Note = dyn Fn(u64, u64) + Send + Sync;

pub struct Watched {
    pub disk: Arc<dyn Disk>,
    pub list: Arc<List>,
    pub read: Arc<Read>,
    pub written: Arc<Note>,
    pub advised: Arc<Note>,
    /// How many files were opened.
    pub opened: Arc<AtomicU64>,
}

struct WatchedFile {
    file: Arc<dyn DiskFile>,
    read: Arc<Read>,
    written: Arc<Note>,
    advised: Arc<Note>,
}

impl Watched {
    /// A disk that does nothing of its own yet.
    pub fn new(disk: &Arc<dyn Disk>) -> Self {
        let (list, read) = (Arc::new(|names| names), Arc::new(pass));
        let (written, advised) = (Arc::new(|_, _| {}), Arc::new(|_, _| {}));
        Self { disk: Arc::clone(disk), list, read, written, advised, opened: Arc::default() }
    }

    fn watch(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let (read, written) = (Arc::clone(&self.read), Arc::clone(&self.written));
        Arc::new(WatchedFile { file, read, written, advised: Arc::clone(&self.advised) })
    }
}

/// A read as it is.
pub fn pass(file: &dyn DiskFile, position: u64, buffer: &mut [u8], wait: Option<Wait>) -> io::Result<usize> {
    match wait {
        Some(wait) => file.read(position, buffer, wait),
        None => file.read_disk(position, buffer),
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(formatter)
    }
}

impl fmt::Debug for WatchedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(formatter)
    }
}

impl Disk for Watched {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list().map(&*self.list)
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name, bytes).map(|file| self.watch(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.disk.open(name).map(|file| self.watch(file))
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

impl DiskFile for WatchedFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()> {
        (self.written)(position, blocks.len() as u64);
        self.file.write(position, blocks)
    }

    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (self.read)(&*self.file, position, buffer, None)
    }

    fn read(&self, position: u64, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        (self.read)(&*self.file, position, buffer, Some(wait))
    }

    fn will_need(&self, position: u64, bytes: u64) {
        (self.advised)(position, bytes);
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.file.resize(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
