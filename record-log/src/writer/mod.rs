//! The writing side of a log. One owner calls it, and one write is under way at a time.
//!
//! It numbers batches, writes them, rolls to the next segment, expires old ones, and publishes what is durable to the
//! readers in [`crate::shared`]. It never reads records, and never decides about corruption: see [`crate::recovery`]
//! and [`crate::repair`].
//!
//! Invariants: a batch is published only after its write returned. A failed write or sync is final. Space is taken
//! before it is written to. A segment is written once, front to back.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use catalog::ShardId;

use crate::Environment;
use crate::disk::aligned::AlignedBuffer;
use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::error::WriteError;
use crate::format::batch::{BatchHeader, EntryHeader, EntryKind, MAX_BATCH_BYTES};
use crate::format::header::SegmentHeader;
use crate::format::slots::Slots;
use crate::format::{block_ceil, block_floor, segment_name};
use crate::shared::Shared;
use crate::state::Location;
use crate::value::{Appended, ReadRun, Run};

pub mod create;
mod maintain;
mod roll;
pub mod trim;

use trim::TrimGate;

/// The buffer keeps so much from batch to batch. A larger batch takes more only while it is written.
const KEPT_BUFFER_BYTES: usize = 2 << 20;

/// Appends to a log.
#[derive(Debug)]
pub struct Writer {
    pub(crate) environment: Environment,
    owner: Slots,
    pub(crate) shared: Arc<Shared>,
    /// The segment that takes batches; none before the first write after opening.
    active: Option<Active>,
    /// Whether there is a spare on the disk.
    has_spare: bool,
    /// Begins with the durable bytes of the block in which the next batch begins.
    buffer: AlignedBuffer,
    gate: TrimGate,
    unconfirmed: bool,
    /// The smallest segment that the disk had no room for, while that is so.
    refused_bytes: Option<u64>,
}

/// The segment that takes batches.
#[derive(Clone, Copy, Debug)]
struct Active {
    /// The length of its file. All of that space is taken.
    capacity: u64,
    /// Bytes at its end for control entries alone, which must get through on a full disk.
    reserve: u64,
}

/// What uses a segment's space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Records,
    Control,
}

/// The joined runs of one shard in a batch.
struct Joined {
    entry: EntryHeader,
    blocks: Vec<Bytes>,
}

impl Writer {
    pub(crate) fn new(environment: Environment, owner: Slots, shared: Arc<Shared>, has_spare: bool) -> Self {
        let gate = TrimGate::new(environment.clock.wall_ms(), environment.clock.monotonic_ms());
        let buffer = AlignedBuffer::default();
        let active = None;
        Self {
            environment,
            owner,
            shared,
            active,
            has_spare,
            buffer,
            gate,
            unconfirmed: false,
            refused_bytes: None,
        }
    }

    /// Appends runs as one batch and returns when it is durable. Gives where each run of each append is. Runs are not
    /// empty, their shards are in the log, and an append has at most one run a shard.
    ///
    /// # Errors
    /// See [`WriteError`].
    ///
    /// # Panics
    /// If a run's shard is not in the log, or the batch is too large: the caller checks that.
    pub fn append(&mut self, appends: &[Vec<Run>]) -> Result<Vec<Vec<Appended>>, WriteError> {
        self.check_running()?;
        let (index, arrival_ms) = self.next_batch();
        let mut joined: BTreeMap<ShardId, Joined> = BTreeMap::new();
        let mut place = |run: &Run| {
            let shard = joined.entry(run.shard).or_insert_with(|| self.first_of(run.shard));
            let first_offset = shard.entry.first_offset + u64::from(shard.entry.records);
            shard.add(run);
            Appended { first_offset, arrival_ms }
        };
        let appended: Vec<Vec<Appended>> =
            appends.iter().map(|runs| runs.iter().map(&mut place).collect()).collect();
        let entries = joined.values().map(|shard| shard.entry).collect();
        let mut header = BatchHeader { index, arrival_ms, durable: 0, entries };
        assert!(header.bytes() <= MAX_BATCH_BYTES, "a batch of {} bytes", header.bytes());
        self.write(&mut header, joined.values().flat_map(|shard| &shard.blocks), Use::Records)?;
        self.unconfirmed = true;
        self.shared.segments.count(|counts| counts.batches += 1);
        self.keep_in_tail(appends, &appended);
        Ok(appended)
    }

    /// Changes how long records are kept.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn set_retention(&mut self, hours: u32) -> Result<(), WriteError> {
        self.check_running()?;
        if self.shared.published().state.retention_hours == Some(hours) {
            return Ok(());
        }
        self.control(vec![EntryHeader::control(EntryKind::SetRetention, 0, hours)])
    }

    /// Confirms the last batch, unless a later batch did, so that its corruption is not taken for a torn tail. Due
    /// after a moment of quiet.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn confirm(&mut self) -> Result<(), WriteError> {
        self.check_running()?;
        let bytes = BatchHeader { index: 0, arrival_ms: 0, durable: 0, entries: Vec::new() }.bytes() as u64;
        if !self.unconfirmed || !self.has_room(bytes, Use::Control) {
            return Ok(());
        }
        let (index, arrival_ms) = self.next_batch();
        let mut header = BatchHeader { index, arrival_ms, durable: 0, entries: Vec::new() };
        self.write(&mut header, std::iter::empty(), Use::Control)?;
        self.unconfirmed = false;
        self.shared.segments.count(|counts| counts.confirmations += 1);
        Ok(())
    }

    /// Whether the last batch waits to be confirmed.
    #[must_use]
    pub fn unconfirmed(&self) -> bool {
        self.unconfirmed
    }

    /// Gives back the memory and the open files that only a busy log needs.
    pub fn rest(&mut self) {
        self.shared.tail.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.segments.rest();
        let newest = self.end().segment;
        if let Ok(file) = self.shared.segments.file_at_rest(newest) {
            self.shared.publish().newest.file = file;
        }
        self.fit_buffer(0);
    }

    fn check_running(&self) -> Result<(), WriteError> {
        match self.shared.published().why_stopped() {
            Some(why) => Err(WriteError::Stopped(why)),
            None => Ok(()),
        }
    }

    /// The index and the arrival of the next batch.
    fn next_batch(&self) -> (u64, u64) {
        let state = &self.shared.published().state;
        (state.next_index, self.environment.clock.wall_ms().max(state.last_arrival_ms))
    }

    fn first_of(&self, shard: ShardId) -> Joined {
        let first_offset = self.shared.published().state.shards[&shard].next_offset;
        let kind = EntryKind::Append;
        let entry = EntryHeader { kind, shard, first_offset, records: 0, block_bytes: 0, block_crc: 0 };
        Joined { entry, blocks: Vec::new() }
    }

    /// Where the next batch goes.
    pub(crate) fn end(&self) -> Location {
        let newest = &self.shared.published().newest;
        Location { segment: newest.header.sequence, position: newest.end }
    }

    /// Writes a batch of entries without records.
    pub(crate) fn control(&mut self, entries: Vec<EntryHeader>) -> Result<(), WriteError> {
        let (index, arrival_ms) = self.next_batch();
        let mut header = BatchHeader { index, arrival_ms, durable: 0, entries };
        self.write(&mut header, std::iter::empty(), Use::Control)?;
        self.unconfirmed = true;
        Ok(())
    }

    fn has_room(&self, batch_bytes: u64, by: Use) -> bool {
        self.active.is_some_and(|active| {
            let reserve = if by == Use::Records { active.reserve } else { 0 };
            block_ceil(self.end().position + batch_bytes) + reserve <= active.capacity
        })
    }

    fn make_room(&mut self, batch_bytes: u64, by: Use) -> Result<(), WriteError> {
        if self.has_room(batch_bytes, by) { Ok(()) } else { self.roll(batch_bytes, self.wanted_bytes()) }
    }

    /// Writes a batch behind the last one, in a new segment where this one has no room, and publishes it.
    fn write<'b>(
        &mut self,
        header: &mut BatchHeader,
        blocks: impl Iterator<Item = &'b Bytes>,
        by: Use,
    ) -> Result<(), WriteError> {
        let batch_bytes = header.bytes();
        self.make_room(batch_bytes as u64, by)?;
        let (segment, file, end) = self.target();
        header.durable = end;
        let first_block = block_floor(end);
        let begin = (end - first_block) as usize;
        let written = block_ceil(end + batch_bytes as u64) - first_block;
        let written = usize::try_from(written).unwrap_or(usize::MAX);
        self.fit_buffer(written);
        let buffer = self.buffer.as_mut_slice();
        header.encode(segment.nonce, blocks, &mut buffer[begin..begin + batch_bytes]);
        buffer[begin + batch_bytes..written].fill(0);
        if let Err(error) = file.write(first_block, &self.buffer.as_slice()[..written]) {
            let why = format!("a write to {} failed: {error}", segment_name(segment.sequence));
            self.stop(&why);
            return Err(WriteError::Final(why));
        }
        let last_block = (block_floor(end + batch_bytes as u64) - first_block) as usize;
        self.buffer.as_mut_slice().copy_within(last_block..begin + batch_bytes, 0);
        self.publish(header, end)
    }

    fn publish(&mut self, header: &BatchHeader, position: u64) -> Result<(), WriteError> {
        let mut published = self.shared.publish();
        if let Err(invalid) = published.state.apply(header, false) {
            drop(published);
            let why = format!("a batch that was written does not fit: {invalid}");
            self.stop(&why);
            return Err(WriteError::Final(why));
        }
        published.newest.index.note(position, header);
        published.newest.end = position + header.bytes() as u64;
        Ok(())
    }

    fn stop(&self, why: &str) {
        tracing::error!(why, "the log has stopped: it takes no appends until it is opened again");
        self.shared.publish().stopped = Some(why.into());
    }

    /// The segment that is written, its file, and where its last batch ends.
    fn target(&self) -> (Arc<SegmentHeader>, Arc<dyn DiskFile>, u64) {
        let newest = &self.shared.published().newest;
        (Arc::clone(&newest.header), Arc::clone(&newest.file), newest.end)
    }

    /// Makes the buffer as large as it must be, and keeps its first block.
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

    fn keep_in_tail(&self, appends: &[Vec<Run>], appended: &[Vec<Appended>]) {
        let mut tail = self.shared.tail.lock().unwrap_or_else(PoisonError::into_inner);
        for (run, Appended { first_offset, arrival_ms }) in
            appends.iter().flatten().zip(appended.iter().flatten().copied())
        {
            tail.push(run.shard, ReadRun { first_offset, arrival_ms, block: run.block.clone() });
        }
    }
}

impl Joined {
    fn add(&mut self, run: &Run) {
        let bytes = run.block.bytes();
        self.entry.records += run.block.count();
        self.entry.block_crc = crc32c::crc32c_append(self.entry.block_crc, bytes);
        self.entry.block_bytes += bytes.len() as u32;
        self.blocks.push(bytes.clone());
    }
}
