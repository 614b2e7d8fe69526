//! The writing side of a log on disk: batches that are numbered already become durable, then visible. One owner, who
//! calls; one write under way at a time.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use group_core::clock::LogClock;
use group_core::{Batch, Change, Continuity, State, StoreReport};

use crate::Environment;
use crate::disk::aligned::AlignedBuffer;
use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::error::WriteError;
use crate::format::batch::{BATCH_HEADER_BYTES, BatchHeader, MAX_BATCH_BYTES};
use crate::format::header::SegmentHeader;
use crate::format::slots::Owner;
use crate::format::{block_ceil, block_floor, segment_name};
use crate::shared::{Newest, Shared};
use crate::value::ReadRun;

pub mod create;
pub(crate) mod roll;
mod trim;

/// The buffer keeps so much from batch to batch. A larger batch takes more only while it is written.
const KEPT_BUFFER_BYTES: usize = 2 << 20;

/// A batch of up to so many bytes is small.
const SMALL_BATCH_BYTES: usize = 32 << 10;

/// Zeros are written behind a small batch up to so many bytes, as part of the same write. The small batches after it go
/// to blocks that were written before, for which the file system need not note anything at each sync.
const ZEROED_BYTES: usize = 128 << 10;

/// Writes a log.
#[derive(Debug)]
pub struct Writer {
    pub(crate) environment: Environment,
    owner: Owner,
    pub(crate) shared: Arc<Shared>,
    /// The state behind the last batch that is durable, visible or not.
    pub(crate) state: State,
    /// Where the next batch goes.
    pub(crate) tip: Tip,
    /// The segment that takes batches; none until the first after opening.
    active: Option<Active>,
    /// Whether there is a spare on the disk.
    has_spare: bool,
    /// Begins with the durable bytes of the block in which the next batch begins.
    buffer: AlignedBuffer,
    /// What is durable and not visible yet, in order.
    unpublished: VecDeque<Unpublished>,
    /// The least segment that could not be had, while that is so.
    refused_bytes: Option<u64>,
}

/// The end of the newest segment.
#[derive(Clone, Debug)]
pub(crate) struct Tip {
    header: Arc<SegmentHeader>,
    file: Arc<dyn DiskFile>,
    /// Where its last durable batch ends.
    pub end: u64,
}

/// The segment that takes batches.
#[derive(Clone, Copy, Debug)]
struct Active {
    /// The length of its file. All of that space is taken.
    capacity: u64,
    /// Up to where it was written, be it with zeros.
    written_end: u64,
    /// Bytes at its end that only batches without records use: what must get through where the disk is full.
    reserve: u64,
}

/// What uses a segment's space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Records,
    Control,
}

/// Something durable that readers do not see yet.
#[derive(Debug)]
enum Unpublished {
    Batch { header: BatchHeader, position: u64, batch: Batch },
    Segment(Newest),
}

impl Writer {
    pub(crate) fn new(environment: Environment, owner: Owner, shared: Arc<Shared>, has_spare: bool) -> Self {
        let (state, tip) = {
            let published = shared.published();
            let Newest { header, file, end, .. } = &published.newest;
            let tip = Tip { header: Arc::clone(header), file: Arc::clone(file), end: *end };
            (published.state.clone(), tip)
        };
        Self {
            environment,
            owner,
            shared,
            state,
            tip,
            active: None,
            has_spare,
            buffer: AlignedBuffer::default(),
            unpublished: VecDeque::new(),
            refused_bytes: None,
        }
    }

    /// The state behind the last durable batch, to number the next ones by.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What the log needs of its surroundings.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Makes the next batch durable. Readers see nothing of it until [`Writer::publish`].
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write(&mut self, batch: Batch) -> Result<(), WriteError> {
        self.check_running()?;
        let has_records = batch.entries.iter().any(|entry| matches!(entry.change, Change::Append { .. }));
        let reshards = batch.entries.iter().any(|entry| matches!(entry.change, Change::Reshard { .. }));
        let by = if has_records || reshards { Use::Records } else { Use::Control };
        let mut header = BatchHeader::of(&batch, 0);
        let batch_bytes = header.frame.bytes;
        if batch_bytes > MAX_BATCH_BYTES {
            return Err(self.refuse_batch(&format!("a batch of {batch_bytes} bytes is too large")));
        }
        if !self.has_room(batch_bytes as u64, by) {
            self.make_room(batch.term, batch_bytes as u64, by)?;
        }
        let is_first_of_term = batch.term > self.state.term;
        if let Err(inconsistent) = self.state.apply(batch.step(), Continuity::Required) {
            return Err(self.refuse_batch(&inconsistent.to_string()));
        }
        let (position, term) = (self.tip.end, batch.term);
        header.frame.durable = position;
        self.write_batch(&header, &batch)?;
        self.tip.end = position + batch_bytes as u64;
        self.shared.segments.count(|counts| match (batch.entries.is_empty(), is_first_of_term) {
            (_, true) => counts.terms_begun += 1,
            (true, false) => counts.confirmations += 1,
            (false, false) => counts.batches += u64::from(has_records),
        });
        self.unpublished.push_back(Unpublished::Batch { header, position, batch });
        if reshards { self.roll_behind_reshard(term) } else { Ok(()) }
    }

    /// Has the header of the next segment say which shards there are now, before anything is built on it: else one corrupt
    /// batch would hide shards. Where the disk has no room for a segment, the batch alone says it.
    fn roll_behind_reshard(&mut self, term: u64) -> Result<(), WriteError> {
        match self.roll(term, 0, self.wanted_bytes()) {
            Ok(()) | Err(WriteError::Full(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Begins the first segment after opening, with room for records of so many bytes. What begins a term before them would
    /// else use the reserve of a full disk, with each restart some more, for records that are refused.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn begin_for_records(&mut self, bytes: usize) -> Result<(), WriteError> {
        self.check_running()?;
        match self.active {
            Some(_) => Ok(()),
            None => self.roll(self.state.term + 1, bytes as u64, self.wanted_bytes()),
        }
    }

    /// Whoever numbers the batches has gone wrong.
    fn refuse_batch(&self, what: &str) -> WriteError {
        let why = format!("a batch cannot be written: {what}");
        self.stop(&why);
        WriteError::Stopped(why)
    }

    fn write_batch(&mut self, header: &BatchHeader, batch: &Batch) -> Result<(), WriteError> {
        let (end, batch_bytes) = (self.tip.end, header.frame.bytes);
        let first_block = block_floor(end);
        let begin = (end - first_block) as usize;
        let written = self.bytes_to_write(first_block, block_ceil(end + batch_bytes as u64));
        self.fit_buffer(written);
        let buffer = self.buffer.as_mut_slice();
        let blocks = batch.entries.iter().flat_map(|entry| entry.blocks.iter().map(|block| block.bytes()));
        header.encode(self.tip.header.nonce, blocks, &mut buffer[begin..begin + batch_bytes]);
        buffer[begin + batch_bytes..written].fill(0);
        if let Err(error) = self.tip.file.write(first_block, &self.buffer.as_slice()[..written]) {
            let why = format!("a write to {} failed: {error}", segment_name(self.tip.header.sequence));
            self.stop(&why);
            return Err(WriteError::Final(why));
        }
        if let Some(active) = &mut self.active {
            active.written_end = active.written_end.max(first_block + written as u64);
        }
        let last_block = (block_floor(end + batch_bytes as u64) - first_block) as usize;
        self.buffer.as_mut_slice().copy_within(last_block..begin + batch_bytes, 0);
        Ok(())
    }

    /// How many bytes to write from this block on, for a batch up to `end`: with zeros behind it, if it is small and
    /// nothing was written there.
    fn bytes_to_write(&self, first_block: u64, end: u64) -> usize {
        let bytes = usize::try_from(end - first_block).unwrap_or(usize::MAX);
        match self.active {
            Some(Active { capacity, written_end, .. })
                if bytes <= SMALL_BATCH_BYTES && end > written_end && written_end > 0 =>
            {
                usize::try_from(capacity.min(first_block + ZEROED_BYTES as u64) - first_block)
                    .unwrap_or(bytes)
            }
            _ => bytes,
        }
    }

    /// Shows readers all batches up to this index, and lets them judge expiry by this clock.
    pub fn publish(&mut self, index: u64, clock: LogClock) {
        self.shared.publish().clock = clock;
        let is_due = |next: &Unpublished| match next {
            Unpublished::Batch { header, .. } => header.frame.index <= index,
            Unpublished::Segment(_) => true,
        };
        while self.unpublished.front().is_some_and(is_due) {
            match self.unpublished.pop_front() {
                Some(Unpublished::Batch { header, position, batch }) => self.show(&header, position, batch),
                Some(Unpublished::Segment(newest)) => {
                    let before = std::mem::replace(&mut self.shared.publish().newest, newest);
                    self.close(&before, Ok(block_ceil(before.end)));
                }
                None => {}
            }
        }
    }

    fn show(&self, header: &BatchHeader, position: u64, batch: Batch) {
        {
            let mut published = self.shared.publish();
            if let Err(inconsistent) = published.state.apply(batch.step(), Continuity::Required) {
                drop(published);
                return self.stop(&format!("a batch that was written does not fit: {inconsistent}"));
            }
            published.newest.index.note(position, header);
            published.newest.end = position + header.frame.bytes as u64;
        }
        let mut tail = self.shared.tail.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in batch.entries {
            let Change::Append { shard, mut first_offset, arrival_ms, .. } = entry.change else { continue };
            for block in entry.blocks {
                let behind = first_offset + u64::from(block.count());
                tail.push(shard, ReadRun { first_offset, arrival_ms, block });
                first_offset = behind;
            }
        }
    }

    /// What whoever numbers the batches needs to know to expire records.
    #[must_use]
    pub fn report(&self) -> StoreReport {
        StoreReport { oldest_segment_arrival_ms: self.oldest_arrival_ms() }
    }

    /// Notes why the clock of this machine is not believed, for [`crate::Status`].
    pub fn set_clock_suspect(&self, why: Option<String>) {
        if self.shared.published().clock_suspect != why {
            match &why {
                Some(why) => tracing::warn!(why, "the clock of this machine is suspect"),
                None => tracing::info!("the clock of this machine is believed again"),
            }
            self.shared.publish().clock_suspect = why;
        }
    }

    /// Whether there is room to confirm the last batch. A segment is not begun for that.
    #[must_use]
    pub fn can_confirm(&self) -> bool {
        self.has_room(BATCH_HEADER_BYTES as u64, Use::Control)
    }

    /// Gives back the memory and the open files that only a busy log needs.
    pub fn rest(&mut self) {
        self.shared.tail.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.segments.rest();
        if let Ok(file) = self.shared.segments.file_at_rest(self.tip.header.sequence) {
            self.tip.file = Arc::clone(&file);
            let mut published = self.shared.publish();
            if published.newest.header.sequence == self.tip.header.sequence {
                published.newest.file = file;
            }
        }
        self.fit_buffer(0);
    }

    /// Whether it takes batches.
    ///
    /// # Errors
    /// If it does not.
    pub fn check_running(&self) -> Result<(), WriteError> {
        match self.shared.published().why_stopped() {
            Some(why) => Err(WriteError::Stopped(why)),
            None => Ok(()),
        }
    }

    fn has_room(&self, batch_bytes: u64, by: Use) -> bool {
        self.active.is_some_and(|active| {
            let reserve = if by == Use::Records { active.reserve } else { 0 };
            block_ceil(self.tip.end + batch_bytes) + reserve <= active.capacity
        })
    }

    fn stop(&self, why: &str) {
        tracing::error!(why, "the log has stopped: it takes no appends until it is opened again");
        self.shared.publish().stopped = Some(why.into());
    }

    /// Makes the buffer as large as it has to be, keeping the block that it begins with.
    fn fit_buffer(&mut self, bytes: usize) {
        let now = self.buffer.as_slice().len();
        let wanted = bytes.max(BLOCK_BYTES);
        let too_large = now > KEPT_BUFFER_BYTES && wanted <= KEPT_BUFFER_BYTES || bytes == 0 && now > wanted;
        if now >= wanted && !too_large {
            return;
        }
        let mut larger = AlignedBuffer::with_capacity(wanted.next_power_of_two());
        let kept = now.min(BLOCK_BYTES);
        larger.as_mut_slice()[..kept].copy_from_slice(&self.buffer.as_slice()[..kept]);
        self.buffer = larger;
    }
}
