//! Beginning the next segment, and closing the one before it.
//!
//! The space of a segment is taken before it is begun, under the name of the spare. Its header, which says where the
//! segment before it ends, is durable before the spare gets the segment's name, and the name is durable before anything
//! is appended. So a segment that has its name has a good header, or is corrupt.

use std::io;
use std::sync::Arc;

use group_core::State;
use rustix::io::Errno;

use super::{Active, Tip, Unpublished, Use, Writer};
use crate::disk::aligned::AlignedBuffer;
use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::error::WriteError;
use crate::format::footer::{self, Closed};
use crate::format::header::SegmentHeader;
use crate::format::index::SegmentIndex;
use crate::format::sections::Sections;
use crate::format::{Features, SPARE, block_ceil, segment_name};
use crate::shared::Newest;
use crate::state::AcceptedLosses;

/// At most so much of a segment is kept for what must get through where the disk is full. After a restart the unused end
/// of the segment that was written last has it, until that is given back for the next one.
const MAX_RESERVE_BYTES: u64 = 1 << 20;

/// What the next segment begins with.
pub(crate) struct Next {
    pub sequence: u64,
    pub term: u64,
    pub state: State,
    pub accepted_losses: AcceptedLosses,
}

/// How small a segment may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Least {
    /// It has its reserve.
    WithReserve,
    /// It holds a batch, and maybe no more.
    Bare,
}

impl Writer {
    /// Goes on in a segment that has room for a batch of so many bytes.
    pub(super) fn make_room(&mut self, term: u64, batch_bytes: u64, by: Use) -> Result<(), WriteError> {
        match self.roll(term, batch_bytes, self.wanted_bytes()) {
            Err(WriteError::Full(_)) if by == Use::Control && self.active.is_none() => {}
            done => return done,
        }
        // The segment that was written last before a restart has a reserve too.
        self.give_back_unused()?;
        let accepted_losses = self.shared.published().accepted_losses.clone();
        self.roll_to(term, batch_bytes, 0, Least::Bare, accepted_losses)
    }

    /// Gives back what was not used of the segment that was written last, before the first after opening is begun.
    fn give_back_unused(&self) -> Result<(), WriteError> {
        let Tip { header, file, end } = &self.tip;
        let end = block_ceil(*end);
        let cut = file.bytes().and_then(|bytes| match bytes > end {
            true => file.resize(end).and_then(|()| file.sync()),
            false => Ok(()),
        });
        cut.map_err(|error| {
            let why =
                format!("the end of {} could not be given back: {error}", segment_name(header.sequence));
            self.stop(&why);
            WriteError::Stopped(why)
        })
    }

    /// Goes on in a segment of about `wanted` bytes that has room for a batch of so many bytes.
    pub(crate) fn roll(&mut self, term: u64, batch_bytes: u64, wanted: u64) -> Result<(), WriteError> {
        let accepted_losses = self.shared.published().accepted_losses.clone();
        self.roll_to(term, batch_bytes, wanted, Least::WithReserve, accepted_losses)
    }

    /// Goes on in a segment whose header says what this copy has accepted.
    pub(crate) fn roll_to(
        &mut self,
        term: u64,
        batch_bytes: u64,
        wanted: u64,
        least: Least,
        accepted_losses: AcceptedLosses,
    ) -> Result<(), WriteError> {
        let (sequence, state) = (self.tip.header.sequence + 1, self.state.clone());
        let next = Next { sequence, term, state, accepted_losses };
        let newest = self.begin_segment(next, batch_bytes, wanted, least)?;
        self.shared.publish().accepted_losses = newest.header.sections.accepted_losses.clone();
        self.unpublished.push_back(Unpublished::Segment(newest));
        // It is shown at once if all before it is.
        let (index, clock) = {
            let published = self.shared.published();
            (published.state.index, published.clock)
        };
        self.publish(index, clock);
        Ok(())
    }

    /// Writes the footer of a segment that is full, at a position behind everything to be kept.
    pub(crate) fn close(&self, segment: &Newest, start: io::Result<u64>) {
        let closed = {
            let state = &self.shared.published().state;
            Closed { end: segment.end, index: state.index, term: state.term }
        };
        match start.and_then(|start| write_footer(segment, start, closed)) {
            Ok(()) => self.shared.segments.count(|counts| counts.footers_written += 1),
            Err(error) => {
                tracing::warn!(file = segment.name(), %error, "a closed segment has no footer: its reads will be slower");
                self.shared.segments.count(|counts| counts.footers_failed += 1);
            }
        }
    }

    /// Begins a segment with this state, in which the next batch goes.
    pub(crate) fn begin_segment(
        &mut self,
        next: Next,
        batch_bytes: u64,
        wanted: u64,
        least: Least,
    ) -> Result<Newest, WriteError> {
        let sequence = next.sequence;
        let (header, header_bytes) = self.next_header(next);
        let with_reserve = least_bytes(header.bytes, batch_bytes);
        let least = match least {
            Least::WithReserve => with_reserve,
            Least::Bare => block_ceil(header.bytes + batch_bytes),
        };
        let file = self.take_space(wanted.max(with_reserve), least)?;
        let name = segment_name(sequence);
        if let Err(error) = self.begin(&*file, &name, &header_bytes) {
            let why = format!("{name} could not be begun: {error}");
            self.stop(&why);
            return Err(WriteError::Stopped(why));
        }
        let capacity = file.bytes().unwrap_or(least);
        self.active =
            Some(Active { capacity, written_end: 0, reserve: reserve_bytes(capacity, header.bytes) });
        self.fit_buffer(0);
        self.shared.segments.count(|counts| counts.segments_begun += 1);
        self.state = header.state().clone();
        let (header, end) = (Arc::new(header), header_bytes.len() as u64);
        self.tip = Tip { header: Arc::clone(&header), file: Arc::clone(&file), end };
        let index = SegmentIndex::new(self.environment.sizes.stride_bytes);
        Ok(Newest { end, header, file, index })
    }

    fn next_header(&self, next: Next) -> (SegmentHeader, Vec<u8>) {
        let Next { sequence, term, state, accepted_losses } = next;
        let Tip { header: before, end, .. } = &self.tip;
        let header = SegmentHeader {
            features: Features::behind(&state),
            nonce: (self.environment.random)(),
            owner: self.owner,
            sequence,
            // Of a segment between that is lost nothing counts.
            previous_end: if before.sequence + 1 == sequence { *end } else { 0 },
            bytes_before: before.bytes_before + end,
            term,
            sections: Sections { state, membership: before.sections.membership.clone(), accepted_losses },
            bytes: 0,
        };
        header.encode()
    }

    fn begin(&mut self, file: &dyn DiskFile, name: &str, header_bytes: &[u8]) -> io::Result<()> {
        write_blocks(file, 0, header_bytes)?;
        file.sync()?;
        let disk = &self.environment.disk;
        disk.rename(SPARE, name)?;
        self.has_spare = false;
        disk.sync_directory()
    }

    /// A file of the size that is due, or where the disk has no room for that, one of the least size.
    pub(crate) fn take_space(&mut self, wanted: u64, least: u64) -> Result<Arc<dyn DiskFile>, WriteError> {
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

    /// Takes the space that was refused as soon as there is some, so that it is known that there is. A spare that is
    /// larger stays as it is. Due every second or so while [`crate::Status::full`] says so.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn ask_for_room(&mut self) -> Result<(), WriteError> {
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
    pub(crate) fn wanted_bytes(&self) -> u64 {
        let sizes = &self.environment.sizes;
        let end = self.tip.end;
        let doubled = if end > sizes.first_segment_bytes / 2 { 2 * end.next_power_of_two() } else { 0 };
        block_ceil(doubled.clamp(sizes.first_segment_bytes, sizes.largest_segment_bytes))
    }
}

fn write_footer(segment: &Newest, start: u64, closed: Closed) -> io::Result<()> {
    let footer = footer::encode(&Features::own(), segment.header.nonce, start, closed, &segment.index);
    // The length first: it says where the footer is. Space behind it that was not used is given back.
    segment.file.resize(start + footer.len() as u64)?;
    write_blocks(&*segment.file, start, &footer)?;
    segment.file.sync()
}

fn write_blocks(file: &dyn DiskFile, position: u64, blocks: &[u8]) -> io::Result<()> {
    let mut buffer = AlignedBuffer::with_capacity(blocks.len());
    buffer.as_mut_slice()[..blocks.len()].copy_from_slice(blocks);
    file.write(position, &buffer.as_slice()[..blocks.len()])
}

/// The least segment for a header and a batch, with its reserve.
fn least_bytes(header_bytes: u64, batch_bytes: u64) -> u64 {
    let bytes = block_ceil(header_bytes + batch_bytes);
    bytes + block_ceil(MAX_RESERVE_BYTES.min(bytes / 4)).max(least_reserve_bytes(header_bytes))
}

/// What a segment of this size keeps for batches without records, and for the next segment if it is left by a restart.
fn reserve_bytes(capacity: u64, header_bytes: u64) -> u64 {
    MAX_RESERVE_BYTES.min(capacity / 8).max(least_reserve_bytes(header_bytes))
}

/// Room for a header and a batch without records, and for the reserve of those.
fn least_reserve_bytes(header_bytes: u64) -> u64 {
    2 * (block_ceil(header_bytes) + BLOCK_BYTES as u64)
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
        for batch_bytes in [0, 4096, 100_000, 1 << 20, 40 << 20] {
            let capacity = least_bytes(4096, batch_bytes);
            let used = block_ceil(4096 + batch_bytes) + reserve_bytes(capacity, 4096);
            assert!(used <= capacity, "{batch_bytes}");
        }
    }
}
