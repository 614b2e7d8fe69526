//! What the disk itself gives of a shard: the same bytes that a reader of the log takes, read once more with nothing
//! cached, one range after the other, and nothing done with them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use catalog::ShardId;
use record_log::disk::DiskFile;
use record_log::disk::system::SystemDisk;
use record_log::disk::watched::{Watch, WatchedDisk, pass_read};
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
        let reads = Arc::new(Reads::default());
        let disk = WatchedDisk::new(Arc::new(SystemDisk::new(folder.clone())), Arc::clone(&reads));
        let (_log, reader) = record_log::open(environment(Arc::new(disk)), incarnation)?;
        // Opening reads too, but that is not the reader's.
        reads.take();
        let (mut position, mut records) = (Position::TrimHorizon, 0);
        loop {
            let page = reader.read(ShardId::FIRST, position, PAGE, Wait::ForDisk)?;
            records += page.runs.iter().map(|run| u64::from(run.block.count())).sum::<u64>();
            if page.millis_behind_latest == 0 {
                break;
            }
            position = Position::Offset(page.next_offset);
        }
        let ranges = joined(reads.take());
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

/// Notes what is read.
#[derive(Default)]
struct Reads(Mutex<Vec<Range>>);

impl Reads {
    /// All that was noted since the last time.
    fn take(&self) -> Vec<Range> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watch for Reads {
    fn read(
        &self,
        name: &str,
        file: &dyn DiskFile,
        position: u64,
        buffer: &mut [u8],
        wait: Option<Wait>,
    ) -> io::Result<usize> {
        let bytes = pass_read(file, position, buffer, wait)?;
        let range = Range { file: name.to_owned(), start: position, end: position + bytes as u64 };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(range);
        Ok(bytes)
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
