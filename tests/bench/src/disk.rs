//! What the disk itself takes: the least time in which anything can be durable.

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;
use rustix::fs::{FallocateFlags, OFlags, fallocate};

const BLOCK_BYTES: usize = 4096;

/// Writes so many blocks a second behind each other, each of which is durable before the next is due; gives how long each
/// took, in microseconds. Blocks.
///
/// # Errors
/// If the disk refuses.
pub fn paced_writes(folder: &Path, rate: u64, duration: Duration) -> Result<Histogram<u64>> {
    let flags = i32::try_from((OFlags::DIRECT | OFlags::DSYNC).bits())?;
    let path = folder.join("paced");
    let file = OpenOptions::new().create(true).truncate(true).write(true).custom_flags(flags).open(&path)?;
    let (pause, blocks) = (Duration::from_secs(1) / u32::try_from(rate)?, rate * duration.as_secs().max(1));
    fallocate(&file, FallocateFlags::empty(), 0, blocks * BLOCK_BYTES as u64)?;
    let space = vec![b'x'; 2 * BLOCK_BYTES];
    let skipped = space.as_ptr().align_offset(BLOCK_BYTES);
    let block = &space[skipped..skipped + BLOCK_BYTES];
    let mut took_us = Histogram::<u64>::new(3)?;
    for number in 0..blocks {
        let begun = Instant::now();
        file.write_all_at(block, number * BLOCK_BYTES as u64)?;
        let took = begun.elapsed();
        took_us.record(u64::try_from(took.as_micros())?)?;
        thread::sleep(pause.saturating_sub(took));
    }
    std::fs::remove_file(path)?;
    Ok(took_us)
}
