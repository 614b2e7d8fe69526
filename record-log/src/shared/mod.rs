//! What the writer, the readers and the repair of one log share: its segments, what is published, the tail cache, and
//! the corruption that was found.
//!
//! Only the one that owns the writer publishes; any number of readers look. Nothing here decides what to write or what
//! to read. Lock `corruption` before `published`, never the other way round.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{fmt, io};

use catalog::ShardId;
use group_core::clock::LogClock;
use group_core::{State, horizon_ms};

use crate::clock::Clock;
use crate::counts::Counts;
use crate::disk::DiskFile;
use crate::error::Corruption;
use crate::format::footer::{TRAILER_BYTES, Trailer};
use crate::format::header::SegmentHeader;
use crate::format::index::SegmentIndex;
use crate::format::segment_name;
use crate::segments::Segments;
use crate::segments::scan::TRIES;
use crate::state::AcceptedLosses;
use crate::state::Location;

pub mod corruption;
pub mod tail;

use tail::Tail;

/// So many pieces of corruption are reported one by one.
const MAX_CORRUPTION: usize = 64;

/// One log, seen from both sides.
pub struct Shared {
    /// Tells readers how log time goes on.
    pub clock: Arc<dyn Clock>,
    /// The closed segments.
    pub segments: Segments,
    /// What is durable.
    pub published: RwLock<Published>,
    /// The newest runs.
    pub tail: Mutex<Tail>,
    /// The corruption that was found.
    pub corruption: Mutex<Vec<Corruption>>,
}

/// What is durable, and how the log is.
#[derive(Debug)]
pub struct Published {
    /// The state behind the last batch that readers may see.
    pub state: State,
    /// What this copy has accepted: readers pass over it.
    pub accepted_losses: AcceptedLosses,
    /// Log time, to go on from.
    pub clock: LogClock,
    /// The oldest kept segment; all from it to the newest are there, but for corruption.
    pub oldest: u64,
    /// Bytes of the log that are trimmed.
    pub trimmed_bytes: u64,
    /// The segment that is written, or was last.
    pub newest: Newest,
    /// Why there is no room, while there is none.
    pub full: Option<String>,
    /// Why the clock of this machine is not believed, while it is not.
    pub clock_suspect: Option<String>,
    /// What is behind the newest batch, where that is not known.
    pub corrupt_tail: Option<CorruptTail>,
    /// Why it takes no appends any more, or none at all, where that is not a corrupt tail.
    pub stopped: Option<String>,
}

/// Corruption that reaches the end of the log: nobody knows what was appended last, so nothing can follow it.
#[derive(Clone, Debug)]
pub struct CorruptTail {
    /// What is corrupt there.
    pub corruption: Corruption,
    /// The last segment that is there, or was.
    pub sequence: u64,
}

/// The newest segment.
#[derive(Clone, Debug)]
pub struct Newest {
    /// Its header.
    pub header: Arc<SegmentHeader>,
    /// Its file.
    pub file: Arc<dyn DiskFile>,
    /// Where its last durable batch ends.
    pub end: u64,
    /// Where the runs are.
    pub index: SegmentIndex,
}

/// How a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The offset that the next record of each shard will have.
    pub next_offsets: BTreeMap<ShardId, u64>,
    /// Bytes of the kept segments' batches and headers.
    pub durable_bytes: u64,
    /// How many segments are kept.
    pub segments: u64,
    /// How long records are kept; none where corruption may hide a change, so that nothing expires until it is set
    /// again.
    pub retention_hours: Option<u32>,
    /// Log time of the last batch, in milliseconds since 1970.
    pub time_ms: u64,
    /// The corruption that was found and is not accepted, at most 64 pieces of it.
    pub corruption: Vec<Corruption>,
    /// Why there is no room for appends, while there is none.
    pub full: Option<String>,
    /// Why the clock of this machine is not believed, while it is not: the log goes on by its own time.
    pub clock_suspect: Option<String>,
    /// Why it takes no appends until it is opened again, or the loss of its end is accepted.
    pub stopped: Option<String>,
    /// What happened since it was opened.
    pub counts: Counts,
}

impl Shared {
    /// What is durable now.
    pub fn published(&self) -> RwLockReadGuard<'_, Published> {
        self.published.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Log time now, in milliseconds since 1970.
    pub fn time_ms(&self) -> u64 {
        self.published().clock.at(self.clock.monotonic_ms())
    }

    /// To change what is durable.
    pub fn publish(&self) -> RwLockWriteGuard<'_, Published> {
        self.published.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes corruption, once, unless it has expired.
    pub fn note(&self, corruption: &Corruption) {
        let mut known = self.corruption.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !known
            .iter()
            .any(|other| (&other.file, other.position) == (&corruption.file, corruption.position));
        let is_kept = corruption.location().segment >= self.published().oldest;
        if is_new && is_kept && known.len() < MAX_CORRUPTION {
            tracing::error!(%corruption, "corruption was found in the log; the rest is served");
            known.push(corruption.clone());
        }
    }

    /// The corruption that was found and is not accepted.
    pub fn corruption(&self) -> Vec<Corruption> {
        self.corruption.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets corruption: it is accepted, or has expired.
    pub fn forget_corruption(&self, is_gone: impl Fn(Location) -> bool) {
        let mut known = self.corruption.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|corruption| !is_gone(corruption.location()));
    }

    /// How the log is.
    pub fn status(&self) -> Status {
        // Before `published` is locked: who notes corruption locks that while this is locked.
        let corruption = self.corruption();
        let published = self.published();
        let Published { state, newest, .. } = &*published;
        let next_offsets = state.shards.iter().map(|(id, shard)| (*id, shard.next_offset));
        let log_bytes = newest.header.bytes_before + newest.end;
        Status {
            next_offsets: next_offsets.collect(),
            // Headers do not count what was missing before their segment.
            durable_bytes: log_bytes.saturating_sub(published.trimmed_bytes),
            segments: newest.header.sequence + 1 - published.oldest,
            retention_hours: state.retention_hours,
            time_ms: state.time_ms,
            corruption,
            full: published.full.clone(),
            clock_suspect: published.clock_suspect.clone(),
            stopped: published.why_stopped(),
            counts: *self.segments.counts.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("published", &self.published).finish_non_exhaustive()
    }
}

impl Published {
    /// The oldest arrival that is kept at a moment of the boottime clock, in milliseconds of log time.
    pub fn horizon_ms(&self, boottime_ms: u64) -> u64 {
        horizon_ms(&self.state, self.clock.at(boottime_ms))
    }

    /// Why it takes no appends.
    pub fn why_stopped(&self) -> Option<String> {
        self.stopped.clone().or_else(|| self.corrupt_tail.as_ref().map(CorruptTail::to_string))
    }
}

impl fmt::Display for CorruptTail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let corruption = &self.corruption;
        write!(
            formatter,
            "{corruption}, so it is not known what was appended last: mend it, or accept the loss"
        )
    }
}

impl Newest {
    /// The name of its file.
    pub fn name(&self) -> String {
        segment_name(self.header.sequence)
    }

    /// Whether the segment has a footer that names its nonce and fits the file.
    pub fn has_footer(&self) -> io::Result<bool> {
        let file_bytes = self.file.bytes()?;
        let Some(position) = file_bytes.checked_sub(TRAILER_BYTES as u64) else { return Ok(false) };
        let mut bytes = [0; TRAILER_BYTES];
        let mut read = self.file.read_disk(position, &mut bytes);
        for _ in 1..TRIES {
            read = read.or_else(|_| self.file.read_disk(position, &mut bytes));
        }
        Ok(Trailer::decode(self.header.nonce, &bytes[..read?], file_bytes).is_ok())
    }
}
