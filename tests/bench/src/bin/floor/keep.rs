//! Keeps what comes: whole batches into fresh fallocated segments, by O_DIRECT and O_DSYNC.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::Result;
use rustix::fs::{FallocateFlags, OFlags, fallocate};

const SEGMENT_BYTES: u64 = 64 << 20;
const BLOCK_BYTES: usize = 4096;

/// A batch is written when it has this many bytes, or when no more requests wait.
const BATCH_BYTES: usize = 1 << 20;

/// The largest body of a request, and room for one batch before it.
const BUFFER_BYTES: usize = 32 << 20;

/// The frames of a request, to be written; `caller` learns the sequence number of the first.
pub struct Batched<C> {
    pub frames: Vec<u8>,
    pub records: u64,
    pub caller: C,
}

/// Writes batches of what waits, and tells the callers of each batch, all at once, their first sequence numbers. Write
/// and sync are one call.
pub fn keep<C>(
    folder: &Path,
    writes: &Receiver<Batched<C>>,
    mut tell: impl FnMut(Vec<(C, u64)>) -> Result<()>,
) -> Result<()> {
    let (ready, fresh) = sync_channel(2);
    let folder = folder.to_owned();
    thread::spawn(move || (0..).try_for_each(|number| ready.send(segment(&folder, number)).ok()));
    let mut space = vec![0; BUFFER_BYTES + BATCH_BYTES + BLOCK_BYTES];
    let skipped = space.as_ptr().align_offset(BLOCK_BYTES);
    let buffer = &mut space[skipped..];
    let mut active: File = fresh.recv()??;
    let (mut position, mut next) = (0, 1);
    while let Ok(first) = writes.recv() {
        let mut callers = vec![];
        let mut bytes = 0;
        let mut waiting = Some(first);
        while let Some(Batched { frames, records, caller }) = waiting {
            buffer[bytes..bytes + frames.len()].copy_from_slice(&frames);
            bytes += frames.len();
            callers.push((caller, next));
            next += records;
            waiting = if bytes < BATCH_BYTES { writes.try_recv().ok() } else { None };
        }
        let checksum = crc32c::crc32c(&buffer[..bytes]);
        buffer[bytes..bytes + 4].copy_from_slice(&checksum.to_le_bytes());
        bytes = (bytes + 4).next_multiple_of(BLOCK_BYTES);
        if position + bytes as u64 > SEGMENT_BYTES {
            active = fresh.recv()??;
            position = 0;
        }
        active.write_all_at(&buffer[..bytes], position)?;
        position += bytes as u64;
        tell(callers)?;
    }
    Ok(())
}

fn segment(folder: &Path, number: u32) -> Result<File> {
    let flags = i32::try_from((OFlags::DIRECT | OFlags::DSYNC).bits())?;
    let path = folder.join(format!("{number}.segment"));
    let file = OpenOptions::new().create_new(true).write(true).custom_flags(flags).open(path)?;
    fallocate(&file, FallocateFlags::empty(), 0, SEGMENT_BYTES)?;
    Ok(file)
}
