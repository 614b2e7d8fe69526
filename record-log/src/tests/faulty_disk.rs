//! The real disk, but for what a test has it refuse.

use std::io;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::disk::{BLOCK_BYTES, DiskFile};

/// What it refuses; shared with the test.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A block of a file that cannot be read.
    unreadable: Option<(&'static str, u64)>,
    /// The largest file that it has room for; 0 is without end.
    pub room_bytes: Arc<AtomicU64>,
    /// How many bytes its files may have together; 0 is without end.
    pub all_bytes: Arc<AtomicU64>,
    /// Whether the process may open no more files.
    pub no_handles: Arc<AtomicBool>,
    /// Whether writes fail.
    pub no_writes: Arc<AtomicBool>,
}

#[derive(Debug)]
pub struct FaultyDisk {
    disk: Arc<dyn Disk>,
    faults: Faults,
}

#[derive(Debug)]
struct FaultyFile {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    unreadable: Option<u64>,
    faults: Faults,
}

impl FaultyDisk {
    pub fn new(disk: Arc<dyn Disk>, faults: Faults) -> Self {
        Self { disk, faults }
    }

    pub fn without_block(disk: Arc<dyn Disk>, file: &'static str, block: u64) -> Self {
        Self::new(disk, Faults { unreadable: Some((file, block)), ..Faults::default() })
    }

    fn file(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let unreadable =
            self.faults.unreadable.filter(|(unreadable, _)| *unreadable == name).map(|(_, block)| block);
        let disk = Arc::clone(&self.disk);
        Arc::new(FaultyFile { disk, file, unreadable, faults: self.faults.clone() })
    }
}

impl Faults {
    fn take(&self, bytes: u64) -> io::Result<()> {
        let room_bytes = self.room_bytes.load(Ordering::Relaxed);
        if self.no_handles.load(Ordering::Relaxed) {
            return Err(rustix::io::Errno::MFILE.into());
        }
        match room_bytes > 0 && bytes > room_bytes {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl FaultyDisk {
    /// Whether so many bytes more are there to be had.
    fn take_of_all(&self, bytes: u64) -> io::Result<()> {
        let all_bytes = self.faults.all_bytes.load(Ordering::Relaxed);
        let used = used_bytes(&*self.disk)?;
        match all_bytes > 0 && used + bytes > all_bytes {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

/// How many bytes the files of a disk have.
pub fn used_bytes(disk: &dyn Disk) -> io::Result<u64> {
    disk.list()?.iter().map(|name| disk.open(name)?.bytes()).sum()
}

impl Disk for FaultyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.faults.take(bytes)?;
        self.take_of_all(bytes)?;
        Ok(self.file(name, self.disk.create(name, bytes)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(name, self.disk.open(name)?))
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

impl FaultyFile {
    fn check(&self, position: u64, bytes: usize) -> io::Result<()> {
        let Some(block) = self.unreadable else { return Ok(()) };
        let bad = block * BLOCK_BYTES as u64;
        match position < bad + BLOCK_BYTES as u64 && position + bytes as u64 > bad {
            true => Err(io::Error::other("a block cannot be read")),
            false => Ok(()),
        }
    }
}

impl DiskFile for FaultyFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()> {
        if self.faults.no_writes.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk is broken"));
        }
        self.file.write(position, blocks)
    }

    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.check(position, buffer.len())?;
        self.file.read_disk(position, buffer)
    }

    fn read(&self, position: u64, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        self.check(position, buffer.len())?;
        self.file.read(position, buffer, wait)
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        let more = bytes.saturating_sub(self.file.bytes()?);
        if more > 0 {
            self.faults.take(bytes)?;
            let (disk, faults) = (Arc::clone(&self.disk), self.faults.clone());
            FaultyDisk { disk, faults }.take_of_all(more)?;
        }
        self.file.resize(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
