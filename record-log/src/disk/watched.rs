//! A disk whose calls pass through a [`Watch`], which may note, change or refuse them before another disk does them: for
//! tests, and for a benchmark that learns what a reader takes.

use std::sync::Arc;
use std::{fmt, io};

use super::{Disk, DiskFile};
use crate::value::Wait;

/// Who sees the calls. Each of them is passed on, unless it is implemented otherwise. A file has the name by which it was
/// opened, also when it is renamed.
pub trait Watch: Send + Sync + 'static {
    /// [`Disk::list`].
    fn list(&self, disk: &dyn Disk) -> io::Result<Vec<String>> {
        disk.list()
    }

    /// [`Disk::create`].
    fn create(&self, disk: &dyn Disk, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        disk.create(name, bytes)
    }

    /// [`Disk::open`].
    fn open(&self, disk: &dyn Disk, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        disk.open(name)
    }

    /// [`DiskFile::write`].
    fn write(&self, _name: &str, file: &dyn DiskFile, position: u64, blocks: &[u8]) -> io::Result<()> {
        file.write(position, blocks)
    }

    /// [`DiskFile::read`], and without a wait [`DiskFile::read_disk`].
    fn read(
        &self,
        _name: &str,
        file: &dyn DiskFile,
        position: u64,
        buffer: &mut [u8],
        wait: Option<Wait>,
    ) -> io::Result<usize> {
        pass_read(file, position, buffer, wait)
    }

    /// [`DiskFile::will_need`].
    fn will_need(&self, file: &dyn DiskFile, position: u64, bytes: u64) {
        file.will_need(position, bytes);
    }

    /// [`DiskFile::resize`].
    fn resize(&self, file: &dyn DiskFile, bytes: u64) -> io::Result<()> {
        file.resize(bytes)
    }
}

/// A read as it came.
///
/// # Errors
/// Those of the file.
pub fn pass_read(
    file: &dyn DiskFile,
    position: u64,
    buffer: &mut [u8],
    wait: Option<Wait>,
) -> io::Result<usize> {
    match wait {
        Some(wait) => file.read(position, buffer, wait),
        None => file.read_disk(position, buffer),
    }
}

/// A disk that is watched.
pub struct WatchedDisk<W> {
    disk: Arc<dyn Disk>,
    watch: Arc<W>,
}

struct WatchedFile<W> {
    name: String,
    file: Arc<dyn DiskFile>,
    watch: Arc<W>,
}

impl<W: Watch> WatchedDisk<W> {
    /// The disk that does what is passed on, and who sees it.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, watch: Arc<W>) -> Self {
        Self { disk, watch }
    }

    fn file(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(WatchedFile { name: name.to_owned(), file, watch: Arc::clone(&self.watch) })
    }
}

impl<W: Watch> Disk for WatchedDisk<W> {
    fn list(&self) -> io::Result<Vec<String>> {
        self.watch.list(&*self.disk)
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.watch.create(&*self.disk, name, bytes).map(|file| self.file(name, file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.watch.open(&*self.disk, name).map(|file| self.file(name, file))
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

impl<W: Watch> DiskFile for WatchedFile<W> {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()> {
        self.watch.write(&self.name, &*self.file, position, blocks)
    }

    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.read(&self.name, &*self.file, position, buffer, None)
    }

    fn read(&self, position: u64, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        self.watch.read(&self.name, &*self.file, position, buffer, Some(wait))
    }

    fn will_need(&self, position: u64, bytes: u64) {
        self.watch.will_need(&*self.file, position, bytes);
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.watch.resize(&*self.file, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

impl<W> fmt::Debug for WatchedDisk<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(formatter)
    }
}

impl<W> fmt::Debug for WatchedFile<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(formatter)
    }
}
