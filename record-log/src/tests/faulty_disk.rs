//! What a test has the real disk refuse.

use std::io;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::disk::watched::{Watch, WatchedDisk, pass_read};
use crate::disk::{BLOCK_BYTES, DiskFile};

/// What is refused. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A block of a file that cannot be read.
    unreadable: Option<(&'static str, u64)>,
    /// The largest file that there is room for; 0 is without end.
    pub room_bytes: Arc<AtomicU64>,
    /// How many bytes all files may have together; 0 is without end.
    pub all_bytes: Arc<AtomicU64>,
    /// Whether the process may open no more files.
    pub no_handles: Arc<AtomicBool>,
    /// Whether writes fail.
    pub no_writes: Arc<AtomicBool>,
}

/// A disk, and what it refuses.
struct Faulty {
    disk: Arc<dyn Disk>,
    faults: Faults,
}

impl Faults {
    pub fn without_block(file: &'static str, block: u64) -> Self {
        Self { unreadable: Some((file, block)), ..Self::default() }
    }

    /// A disk that refuses it.
    pub fn on(self, disk: &Arc<dyn Disk>) -> Arc<dyn Disk> {
        let faulty = Faulty { disk: Arc::clone(disk), faults: self };
        Arc::new(WatchedDisk::new(Arc::clone(disk), Arc::new(faulty)))
    }
}

/// How many bytes the files of a disk have.
pub fn used_bytes(disk: &dyn Disk) -> io::Result<u64> {
    disk.list()?.iter().map(|name| disk.open(name)?.bytes()).sum()
}

impl Faulty {
    /// Whether a file may have so many bytes, of which so many are more than it has.
    fn take(&self, bytes: u64, more: u64) -> io::Result<()> {
        let [room_bytes, all_bytes] =
            [&self.faults.room_bytes, &self.faults.all_bytes].map(|bytes| bytes.load(Ordering::Relaxed));
        if self.faults.no_handles.load(Ordering::Relaxed) {
            return Err(rustix::io::Errno::MFILE.into());
        }
        let is_full = room_bytes > 0 && bytes > room_bytes
            || all_bytes > 0 && used_bytes(&*self.disk)? + more > all_bytes;
        if is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Watch for Faulty {
    fn create(&self, disk: &dyn Disk, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.take(bytes, bytes)?;
        disk.create(name, bytes)
    }

    fn write(&self, _: &str, file: &dyn DiskFile, position: u64, blocks: &[u8]) -> io::Result<()> {
        if self.faults.no_writes.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk is broken"));
        }
        file.write(position, blocks)
    }

    fn read(
        &self,
        name: &str,
        file: &dyn DiskFile,
        position: u64,
        buffer: &mut [u8],
        wait: Option<Wait>,
    ) -> io::Result<usize> {
        if let Some((_, block)) = self.faults.unreadable.filter(|(unreadable, _)| *unreadable == name) {
            let bad = block * BLOCK_BYTES as u64;
            if position < bad + BLOCK_BYTES as u64 && position + buffer.len() as u64 > bad {
                return Err(io::Error::other("a block cannot be read"));
            }
        }
        pass_read(file, position, buffer, wait)
    }

    fn resize(&self, file: &dyn DiskFile, bytes: u64) -> io::Result<()> {
        let more = bytes.saturating_sub(file.bytes()?);
        if more > 0 {
            self.take(bytes, more)?;
        }
        file.resize(bytes)
    }
}
