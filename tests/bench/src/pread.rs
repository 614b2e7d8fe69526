//! What the disk itself gives of a shard: the same bytes that a reader of the log takes, read once more with nothing
//! cached, one range after the other, and nothing done with them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use catalog::ShardId;
use record_log::disk::system::SystemDisk;
use record_log::disk::{Disk, DiskFile};
use record_log::value::{Limits, Position, Wait};

use crate::large_log::{environment, only_log};

/// The most that is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What a reader of one page of records may take.
const PAGE: Limits = Limits { max_records: 10_000, max_bytes: 10 << 20 };

/// What a reader of a shard reads.
pub struct Taken {
    folder: PathBuf,
    /// In the order of the log, none twice.
    ranges: Vec<Range>,
    /// Records of the shard.
    records: u64,
}

/// Bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    file: String,
    start: u64,
    end: u64,
}

impl Taken {
    /// Reads all of the first shard of the only log below a data directory, which no process uses, and notes which bytes
    /// of which files that takes.
    ///
    /// # Errors
    /// If there is no such log, or it cannot be read.
    pub fn of_first_shard(data_dir: &Path) -> Result<Self> {
        let (folder, incarnation) = only_log(data_dir)?;
        let reads = Reads::default();
        let disk = NotingDisk { disk: SystemDisk::new(folder.clone()), reads: Arc::clone(&reads) };
        let (_log, reader) = record_log::open(environment(Arc::new(disk)), incarnation)?;
        // Opening reads too, but that is not the reader's.
        noted(&reads).clear();
        let (mut position, mut records) = (Position::TrimHorizon, 0);
        loop {
            let page = reader.read(ShardId::FIRST, position, PAGE, Wait::ForDisk)?;
            records += page.runs.iter().map(|run| u64::from(run.block.count())).sum::<u64>();
            if page.millis_behind_latest == 0 {
                break;
            }
            position = Position::Offset(page.next_offset);
        }
        let ranges = joined(std::mem::take(&mut *noted(&reads)));
        Ok(Self { folder, ranges, records })
    }

    /// Reads it again, for so long at most; gives the records a second that are in what was read.
    ///
    /// # Errors
    /// If the disk does not answer.
    pub fn records_a_second(&self, duration: Duration) -> Result<f64> {
        let bytes: u64 = self.ranges.iter().map(|range| range.end - range.start).sum();
        ensure!(bytes > 0, "nothing was read of the shard");
        let mut piece = vec![0; PIECE_BYTES];
        let mut read_bytes = 0;
        let begun = Instant::now();
        for ranges in self.ranges.chunk_by(|range, next| range.file == next.file) {
            let file = File::open(self.folder.join(&ranges[0].file))?;
            for Range { start, end, .. } in ranges {
                let mut position = *start;
                while position < *end && begun.elapsed() < duration {
                    let most = usize::try_from(end - position)?.min(PIECE_BYTES);
                    file.read_exact_at(&mut piece[..most], position)?;
                    position += most as u64;
                }
                read_bytes += position - start;
            }
        }
        let part = read_bytes as f64 / bytes as f64;
        Ok(self.records as f64 * part / begun.elapsed().as_secs_f64())
    }
}

/// The ranges in order; those that meet are one.
fn joined(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort();
    let mut joined: Vec<Range> = vec![];
    for range in ranges {
        match joined.last_mut().filter(|last| last.file == range.file && range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}

type Reads = Arc<Mutex<Vec<Range>>>;

fn noted(reads: &Reads) -> MutexGuard<'_, Vec<Range>> {
    reads.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory that notes what is read.
#[derive(Debug)]
struct NotingDisk {
    disk: SystemDisk,
    reads: Reads,
}

#[derive(Debug)]
struct NotingFile {
    name: String,
    file: Arc<dyn DiskFile>,
    reads: Reads,
}

impl NotingDisk {
    fn noting(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(NotingFile { name: name.to_owned(), file, reads: Arc::clone(&self.reads) })
    }
}

impl NotingFile {
    fn note(&self, start: u64, read: io::Result<usize>) -> io::Result<usize> {
        let bytes = read?;
        noted(&self.reads).push(Range { file: self.name.clone(), start, end: start + bytes as u64 });
        Ok(bytes)
    }
}

impl Disk for NotingDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.noting(name, self.disk.create(name, bytes)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.noting(name, self.disk.open(name)?))
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

impl DiskFile for NotingFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()> {
        self.file.write(position, blocks)
    }

    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.note(position, self.file.read_disk(position, buffer))
    }

    fn read(&self, position: u64, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        self.note(position, self.file.read(position, buffer, wait))
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.file.resize(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_once_each_and_in_the_order_of_the_log() {
        let range = |file: &str, start, end| Range { file: file.to_owned(), start, end };
        let read = vec![
            range("b", 0, 10),
            range("a", 40, 50),
            range("a", 0, 10),
            range("a", 10, 30),
            range("a", 5, 8),
            range("a", 0, 10),
        ];
        assert_eq!(joined(read), [range("a", 0, 30), range("a", 40, 50), range("b", 0, 10)]);
    }
}
