//! Beginning the next segment, and closing the one before it.
//!
//! The space of a segment is taken before it is begun, under the name of the spare. Its header, which says where the
//! segment before it ends, is durable before the spare gets the segment's name, and the name is durable before anything
//! is appended. So a segment that has its name has a good header, or is corrupt.

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use super::{Active, Writer};
use crate::disk::DiskFile;
use crate::disk::aligned::AlignedBuffer;
use crate::error::WriteError;
use crate::format::footer;
use crate::format::header::SegmentHeader;
use crate::format::index::SegmentIndex;
use crate::format::{SPARE, block_ceil, segment_name};
use crate::shared::Newest;
use crate::state::State;

/// At most so much of a segment is reserved for control entries, which must get through on a full disk. After a restart
/// there is no reserve until the next segment begins, as the old one is never written again.
const MAX_RESERVE_BYTES: u64 = 1 << 20;

impl Writer {
    /// Rolls to a segment of about `wanted` bytes that has room for a batch of so many bytes, and closes the one
    /// before.
    pub(super) fn roll(&mut self, batch_bytes: u64, wanted: u64) -> Result<(), WriteError> {
        let (sequence, state) = {
            let published = self.shared.published();
            (published.newest.header.sequence + 1, published.state.clone())
        };
        let before = self.begin_segment(sequence, state, batch_bytes, wanted)?;
        self.close(&before, Ok(block_ceil(before.end)));
        Ok(())
    }

    /// Writes the footer of a segment that is full, at a position behind everything to be kept.
    pub(crate) fn close(&self, segment: &Newest, start: io::Result<u64>) {
        match start.and_then(|start| write_footer(segment, start)) {
            Ok(()) => self.shared.segments.count(|counts| counts.footers_written += 1),
            Err(error) => {
                tracing::warn!(file = segment.name(), %error, "a closed segment has no footer: its reads will be slower");
                self.shared.segments.count(|counts| counts.footers_failed += 1);
            }
        }
    }

    /// Begins a segment with this state and publishes it. Gives the segment that was the newest.
    pub(crate) fn begin_segment(
        &mut self,
        sequence: u64,
        state: State,
        batch_bytes: u64,
        wanted: u64,
    ) -> Result<Newest, WriteError> {
        let (header, header_bytes) = self.next_header(sequence, state);
        let least = least_bytes(header.bytes + batch_bytes);
        let file = self.take_space(wanted.max(least), least)?;
        let name = segment_name(sequence);
        if let Err(error) = self.begin(&*file, &name, &header_bytes) {
            let why = format!("{name} could not be begun: {error}");
            self.stop(&why);
            return Err(WriteError::Stopped(why));
        }
        let capacity = file.bytes().unwrap_or(least);
        self.active = Some(Active { capacity, reserve: reserve_bytes(capacity) });
        self.fit_buffer(0);
        self.shared.segments.count(|counts| counts.segments_begun += 1);
        let state = header.state.clone();
        let index = SegmentIndex::new(self.environment.sizes.stride_bytes);
        let newest = Newest { end: header.bytes, header: Arc::new(header), file, index };
        let mut published = self.shared.publish();
        published.state = state;
        published.corrupt_tail = None;
        Ok(std::mem::replace(&mut published.newest, newest))
    }

    fn next_header(&self, sequence: u64, state: State) -> (SegmentHeader, Vec<u8>) {
        let published = self.shared.published();
        let (before, end) = (&published.newest.header, published.newest.end);
        let nonce = (self.environment.random)();
        let bytes_before = before.bytes_before + end;
        // A segment that is missing between them counts for nothing.
        let previous_end = if before.sequence + 1 == sequence { end } else { 0 };
        SegmentHeader::new(nonce, self.owner, sequence, previous_end, bytes_before, state)
    }

    fn begin(&mut self, file: &dyn DiskFile, name: &str, header_bytes: &[u8]) -> io::Result<()> {
        write_blocks(file, 0, header_bytes)?;
        file.sync()?;
        let disk = &self.environment.disk;
        disk.rename(SPARE, name)?;
        self.has_spare = false;
        disk.sync_directory()
    }

    /// A file of the wanted size, or of the least size where the disk has no more.
    pub(super) fn take_space(&mut self, wanted: u64, least: u64) -> Result<Arc<dyn DiskFile>, WriteError> {
        let mut taken = self.spare_of(wanted);
        let mut bytes = wanted;
        if wanted > least && taken.as_ref().is_err_and(is_full) {
            taken = self.spare_of(least);
            bytes = least;
            self.shared.segments.count(|counts| counts.segments_small += u64::from(taken.is_ok()));
        }
        match taken {
            Ok(file) => {
                self.note_room(bytes);
                Ok(file)
            }
            Err(error) if is_full(&error) => {
                Err(self.refuse(least, format!("there is no room for another segment of {least} bytes")))
            }
            Err(error) if is_out_of_handles(&error) => {
                Err(self
                    .refuse(least, format!("the system gives no file for another segment for now: {error}")))
            }
            Err(error) => {
                let why = format!("no space could be taken for a segment: {error}");
                self.stop(&why);
                Err(WriteError::Stopped(why))
            }
        }
    }

    /// Notes that space for so many bytes was taken: there is room again if no more was refused.
    fn note_room(&mut self, bytes: u64) {
        if self.refused_bytes.is_some_and(|refused| refused <= bytes) {
            tracing::info!("there is room for appends again");
            self.refused_bytes = None;
            self.shared.publish().full = None;
            self.shared.segments.count(|counts| counts.room_again += 1);
        }
    }

    /// Notes that the disk has no room for so many bytes. Nothing was written.
    fn refuse(&mut self, bytes: u64, why: String) -> WriteError {
        if self.refused_bytes.is_none() {
            tracing::warn!(why, "appends are refused until there is room again");
        }
        self.refused_bytes = Some(self.refused_bytes.map_or(bytes, |refused| refused.min(bytes)));
        self.shared.publish().full = Some(why.clone());
        self.shared.segments.count(|counts| counts.full += 1);
        WriteError::Full(why)
    }

    /// Takes the refused space as soon as the disk has it, so that the log knows. A larger spare stays as it is.
    pub(super) fn ask_for_room(&mut self) -> Result<(), WriteError> {
        let Some(refused) = self.refused_bytes else { return Ok(()) };
        let spare = match self.has_spare {
            true => self.environment.disk.open(SPARE).and_then(|spare| spare.bytes()).unwrap_or_default(),
            false => 0,
        };
        let bytes = refused.max(spare);
        match self.take_space(bytes, bytes) {
            Ok(_) | Err(WriteError::Full(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The spare, resized or newly made.
    fn spare_of(&mut self, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let disk = &self.environment.disk;
        if self.has_spare {
            let file = disk.open(SPARE)?;
            file.resize(bytes)?;
            self.shared.segments.count(|counts| counts.segments_recycled += 1);
            return Ok(file);
        }
        let file = disk.create(SPARE, bytes)?;
        self.has_spare = true;
        Ok(file)
    }

    /// Each segment is twice as large as the one before, within limits.
    pub(super) fn wanted_bytes(&self) -> u64 {
        let sizes = &self.environment.sizes;
        let end = self.shared.published().newest.end;
        let doubled = if end > sizes.first_segment_bytes / 2 { 2 * end.next_power_of_two() } else { 0 };
        block_ceil(doubled.clamp(sizes.first_segment_bytes, sizes.largest_segment_bytes))
    }
}

fn write_footer(segment: &Newest, start: u64) -> io::Result<()> {
    let footer = footer::encode(segment.header.nonce, start, segment.end, &segment.index);
    // The length first: it says where the footer is. Unused space behind it is freed.
    segment.file.resize(start + footer.len() as u64)?;
    write_blocks(&*segment.file, start, &footer)?;
    segment.file.sync()
}

fn write_blocks(file: &dyn DiskFile, position: u64, blocks: &[u8]) -> io::Result<()> {
    let mut buffer = AlignedBuffer::with_capacity(blocks.len());
    buffer.as_mut_slice()[..blocks.len()].copy_from_slice(blocks);
    file.write(position, &buffer.as_slice()[..blocks.len()])
}

/// The least segment for so many bytes and the reserve.
fn least_bytes(bytes: u64) -> u64 {
    let bytes = block_ceil(bytes);
    bytes + block_ceil(MAX_RESERVE_BYTES.min(bytes / 4))
}

/// The bytes that a segment of this size reserves for control entries.
fn reserve_bytes(capacity: u64) -> u64 {
    MAX_RESERVE_BYTES.min(capacity / 8)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the system is out of a resource other than space.
fn is_out_of_handles(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_segment_has_its_reserve() {
        for bytes in [4096, 8192, 100_000, 1 << 20, 40 << 20] {
            let capacity = least_bytes(bytes);
            assert!(block_ceil(bytes) + reserve_bytes(capacity) <= capacity, "{bytes}");
        }
    }
}
