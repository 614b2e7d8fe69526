//! The reading side of a log: any number of handles, in any number of threads.
//!
//! A read takes from the tail cache what that has, and else goes over the segments run by run. It sees published
//! records only, none older than the trim horizon, and checks the bytes it gives. It writes nothing and decides nothing
//! about corruption: it reports it, and passes over it once its loss is accepted.
//!
//! Invariant: records come in order by offset, and none is left out silently but what has expired or is an accepted
//! loss.

use std::sync::{Arc, PoisonError};

use catalog::ShardId;
use catalog::member::OpenShard;
use group_core::LogShard;

use crate::error::ReadError;
use crate::format::sequence_of;
use crate::record::MAX_BLOCK_BYTES;
use crate::shared::{Shared, Status};
use crate::value::{Found, Limits, Position, ReadOutcome, ReadRun, Wait};

mod runs;

use runs::{Next, Runs};

/// Reads a log. Cloning gives another handle.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// Where a reader begins, and where the shard ends.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// The offset to begin with.
    offset: u64,
    /// Records that arrived before are passed over.
    arrival_ms: u64,
    /// The offset behind the shard's last record.
    next_offset: u64,
    /// When that arrived.
    last_arrival_ms: u64,
    /// Whether none can follow it.
    is_sealed: bool,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Reads records of a shard that have not expired by the log's own time.
    ///
    /// # Errors
    /// See [`ReadError`]. A read gives what it found before corruption; only a read that begins with it is refused.
    pub fn read(
        &self,
        shard: ShardId,
        position: Position,
        limits: Limits,
        wait: Wait,
    ) -> Result<ReadOutcome, ReadError> {
        let (outcome, _) = self.gather(shard, position, limits, usize::MAX, wait)?;
        Ok(outcome)
    }

    /// As [`Reader::read`], but a record that comes first and is larger than the limits, and than a block of several may
    /// be, is not read.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_within(
        &self,
        shard: ShardId,
        position: Position,
        limits: Limits,
        wait: Wait,
    ) -> Result<Found, ReadError> {
        let room_bytes = limits.max_bytes.max(MAX_BLOCK_BYTES);
        Ok(match self.gather(shard, position, limits, room_bytes, wait)? {
            (_, Some(bytes)) => Found::LargeRecord { bytes },
            (outcome, None) => Found::Records(outcome),
        })
    }

    /// Reads; a first run of more than `room_bytes` is left, and its bytes are given.
    fn gather(
        &self,
        shard: ShardId,
        position: Position,
        limits: Limits,
        room_bytes: usize,
        wait: Wait,
    ) -> Result<(ReadOutcome, Option<usize>), ReadError> {
        self.again_if_expired(shard, || {
            let start = self.start(shard, position)?;
            let mut gathered = Gathered::new(start, limits, room_bytes);
            if !self.take_from_tail(shard, &mut gathered) {
                self.take_from_segments(shard, &mut gathered, wait)?;
            }
            let too_large = gathered.too_large_bytes;
            let successors = || self.shared.published().state.successors(shard);
            Ok((gathered.outcome(start, successors), too_large))
        })
    }

    /// The offset of the record that a read from there would give first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn locate(&self, shard: ShardId, position: Position, wait: Wait) -> Result<u64, ReadError> {
        let Position::AtTimestamp(_) = position else {
            return self.start(shard, position).map(|start| start.offset);
        };
        let one = Limits { max_records: 1, max_bytes: 0 };
        let outcome = self.read(shard, position, one, wait)?;
        Ok(outcome.runs.first().map_or(outcome.next_offset, |run| run.first_offset))
    }

    /// Whether a shard is in the log.
    #[must_use]
    pub fn has(&self, shard: ShardId) -> bool {
        self.shared.published().state.shards.contains_key(&shard)
    }

    /// Whether a shard of the log takes no more records.
    #[must_use]
    pub fn is_sealed(&self, shard: ShardId) -> bool {
        self.shared.published().state.shards.get(&shard).is_some_and(|shard| shard.seal.is_some())
    }

    /// The shards as they are, sorted by id, and the number of the last reshard.
    #[must_use]
    pub fn shards(&self) -> (Vec<LogShard>, u64) {
        let published = self.shared.published();
        (published.state.shards.values().cloned().collect(), published.state.last_op)
    }

    /// Log time now, in milliseconds since 1970.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.shared.time_ms()
    }

    /// How the log is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Whether the machine's clock is not believed: of [`Status`], without looking at the rest.
    #[must_use]
    pub fn is_clock_suspect(&self) -> bool {
        self.shared.published().clock_suspect.is_some()
    }

    /// Whether there is no room for appends: of [`Status`], without looking at the rest.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.shared.published().full.is_some()
    }

    /// Segments may expire while they are read: then the read begins again with those that are left.
    fn again_if_expired<T>(
        &self,
        shard: ShardId,
        read: impl Fn() -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        loop {
            let oldest = self.shared.published().oldest;
            match read() {
                Err(ReadError::Corrupt(corruption)) => {
                    let sequence = sequence_of(&corruption.file).unwrap_or_default();
                    let now_oldest = self.shared.published().oldest;
                    if sequence < now_oldest && oldest < now_oldest {
                        continue;
                    }
                    // A sealed shard that expired meanwhile is in no header any more: its records seem to be missing.
                    if !self.has(shard) {
                        return Err(ReadError::UnknownShard(shard));
                    }
                    self.shared.segments.count(|counts| counts.corrupt_reads += 1);
                    self.shared.note(&corruption);
                    return Err(ReadError::Corrupt(corruption));
                }
                other => return other,
            }
        }
    }

    fn start(&self, shard: ShardId, position: Position) -> Result<Start, ReadError> {
        let boottime_ms = self.shared.clock.monotonic_ms();
        let published = self.shared.published();
        let state = &published.state;
        let known = state.shards.get(&shard).ok_or(ReadError::UnknownShard(shard))?;
        let (next_offset, last_arrival_ms) = (known.next_offset, known.last_arrival_ms);
        let is_sealed = known.seal.is_some();
        let oldest_ms = published.horizon_ms(boottime_ms);
        let (offset, arrival_ms) = match position {
            Position::TrimHorizon => (1, oldest_ms),
            Position::Latest => (next_offset, oldest_ms),
            Position::AtTimestamp(arrival_ms) => (1, arrival_ms.max(oldest_ms)),
            Position::Offset(offset) => (offset.max(1), oldest_ms),
        };
        let start = Start { offset, arrival_ms, next_offset, last_arrival_ms, is_sealed };
        match &published.corrupt_tail {
            // Nobody knows whether more records follow.
            Some(tail) if start.is_at_end() && !is_sealed => Err(tail.corruption.clone().into()),
            _ => Ok(start),
        }
    }

    /// Whether memory had all that was asked for.
    fn take_from_tail(&self, shard: ShardId, gathered: &mut Gathered) -> bool {
        if gathered.start.is_at_end() {
            return true;
        }
        let tail = self.shared.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(runs) = tail.from(shard, gathered.start.offset) else { return false };
        let mut found = false;
        for run in runs {
            found = true;
            let run = run.clone();
            if run.first_offset >= gathered.start.next_offset || !gathered.take(run) {
                break;
            }
        }
        if found {
            self.shared.segments.count(|counts| counts.tail_reads += 1);
        }
        found
    }

    fn take_from_segments(
        &self,
        shard: ShardId,
        gathered: &mut Gathered,
        wait: Wait,
    ) -> Result<(), ReadError> {
        let Start { offset, arrival_ms, next_offset, .. } = gathered.start;
        let mut runs = Runs::new(&self.shared, shard, offset, arrival_ms, next_offset, wait)?;
        loop {
            // A run is checked as a whole: what the page cuts off would be read again for the next page.
            let room_bytes = match gathered.runs.is_empty() {
                true => gathered.room_bytes,
                false => gathered.left.max_bytes,
            };
            let taken = match runs.next(room_bytes) {
                Ok(Next::Run(run)) => gathered.take(run),
                Ok(Next::Passed { offset }) => {
                    gathered.next_offset = gathered.next_offset.max(offset);
                    true
                }
                Ok(Next::TooLarge { bytes }) if gathered.runs.is_empty() => {
                    gathered.too_large_bytes = Some(bytes);
                    false
                }
                Ok(Next::TooLarge { .. } | Next::End) => false,
                Err(error) if gathered.runs.is_empty() => return Err(error),
                // What was found before is given first.
                Err(ReadError::Corrupt(_)) => {
                    self.shared.segments.count(|counts| counts.corrupt_reads_cut += 1);
                    false
                }
                Err(ReadError::Newer(_) | ReadError::WouldBlock | ReadError::UnknownShard(_)) => false,
            };
            if !taken {
                return Ok(());
            }
        }
    }
}

impl Start {
    fn is_at_end(&self) -> bool {
        self.offset >= self.next_offset || self.arrival_ms > self.last_arrival_ms
    }
}

/// What a read has found so far.
struct Gathered {
    start: Start,
    left: Limits,
    /// A first run of more bytes is left ...
    room_bytes: usize,
    /// ... and this is what it has.
    too_large_bytes: Option<usize>,
    runs: Vec<ReadRun>,
    next_offset: u64,
}

impl Gathered {
    fn new(start: Start, limits: Limits, room_bytes: usize) -> Self {
        let next_offset = if start.is_at_end() { start.next_offset.max(start.offset) } else { start.offset };
        Self { start, left: limits, room_bytes, too_large_bytes: None, runs: Vec::new(), next_offset }
    }

    /// Takes of a run what is asked for and fits; whether there may be more.
    fn take(&mut self, run: ReadRun) -> bool {
        let end_offset = run.first_offset + u64::from(run.block.count());
        if end_offset <= self.start.offset || run.arrival_ms < self.start.arrival_ms {
            self.next_offset = self.next_offset.max(end_offset);
            return true;
        }
        let skip = u32::try_from(self.start.offset.saturating_sub(run.first_offset)).unwrap_or(u32::MAX);
        let mut block = run.block.slice(skip, self.left.max_records, self.left.max_bytes);
        if block.count() == 0 && self.runs.is_empty() {
            block = run.block.slice(skip, 1, usize::MAX);
            self.too_large_bytes = Some(block.bytes().len()).filter(|bytes| *bytes > self.room_bytes);
        }
        if self.too_large_bytes.is_some() {
            return false;
        }
        if block.count() == 0 {
            return false;
        }
        let first_offset = run.first_offset + u64::from(skip);
        self.next_offset = first_offset + u64::from(block.count());
        self.left.max_records -= block.count();
        self.left.max_bytes = self.left.max_bytes.saturating_sub(block.bytes().len());
        self.runs.push(ReadRun { first_offset, arrival_ms: run.arrival_ms, block });
        self.next_offset == end_offset && self.left.max_records > 0
    }

    fn outcome(self, start: Start, successors: impl FnOnce() -> Option<Vec<OpenShard>>) -> ReadOutcome {
        let last_ms = self.runs.last().map_or(start.last_arrival_ms, |run| run.arrival_ms);
        let is_behind = self.next_offset < start.next_offset;
        let successors = (start.is_sealed && !is_behind).then(successors).flatten();
        let behind_ms = match is_behind {
            // At least 1, even where the rest arrived in the same millisecond: 0 says that nothing is left.
            true => start.last_arrival_ms.saturating_sub(last_ms).max(1),
            false => 0,
        };
        let (runs, next_offset) = (self.runs, self.next_offset);
        ReadOutcome { runs, next_offset, millis_behind_latest: behind_ms, successors }
    }
}
