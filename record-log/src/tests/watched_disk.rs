//! A watch made of a test's closures.

use std::io;

use super::*;
use crate::disk::DiskFile;
pub use crate::disk::watched::pass_read as pass;
use crate::disk::watched::{Watch, WatchedDisk};

type List = dyn Fn(Vec<String>) -> Vec<String> + Send + Sync;
/// A read, of the disk itself where no wait is given.
type Read = dyn Fn(&dyn DiskFile, u64, &mut [u8], Option<Wait>) -> io::Result<usize> + Send + Sync;
/// A write, or advice: where and of how many bytes.
type Note = dyn Fn(u64, u64) + Send + Sync;

pub struct Watched {
    pub list: Box<List>,
    pub read: Box<Read>,
    pub written: Box<Note>,
    pub advised: Box<Note>,
    /// How many files were opened.
    pub opened: Arc<AtomicU64>,
}

impl Default for Watched {
    /// Changes and notes nothing yet.
    fn default() -> Self {
        let (list, read) = (Box::new(|names| names), Box::new(pass));
        Self {
            list,
            read,
            written: Box::new(|_, _| {}),
            advised: Box::new(|_, _| {}),
            opened: Arc::default(),
        }
    }
}

impl Watched {
    /// A disk that it watches.
    pub fn on(self, disk: &Arc<dyn Disk>) -> Arc<dyn Disk> {
        Arc::new(WatchedDisk::new(Arc::clone(disk), Arc::new(self)))
    }
}

impl Watch for Watched {
    fn list(&self, disk: &dyn Disk) -> io::Result<Vec<String>> {
        disk.list().map(&self.list)
    }

    fn open(&self, disk: &dyn Disk, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        disk.open(name)
    }

    fn write(&self, _: &str, file: &dyn DiskFile, position: u64, blocks: &[u8]) -> io::Result<()> {
        (self.written)(position, blocks.len() as u64);
        file.write(position, blocks)
    }

    fn read(
        &self,
        _: &str,
        file: &dyn DiskFile,
        position: u64,
        buffer: &mut [u8],
        wait: Option<Wait>,
    ) -> io::Result<usize> {
        (self.read)(file, position, buffer, wait)
    }

    fn will_need(&self, _: &dyn DiskFile, position: u64, bytes: u64) {
        (self.advised)(position, bytes);
    }
}
