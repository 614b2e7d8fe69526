//! Opening a log after its process ended, however it ended.
//!
//! Opening finds out what is durable, what a crash tore off, and what is corrupt. It changes no byte on the disk; it
//! makes durable what it finds there. It reads only the newest segment as a whole; corruption elsewhere is found by who
//! reads there. It repairs nothing: see [`crate::repair`].
//!
//! Invariants: only a torn tail, for which nobody was answered, is cut off. No offset that an unreadable record may
//! have is ever given again.

use std::sync::{Arc, Mutex, RwLock};

use group_core::clock::LogClock;
use group_core::{State, horizon_ms};
use uuid::Uuid;

use crate::Environment;
use crate::disk::{BLOCK_BYTES, Disk};
use crate::error::{Corruption, Error, NewerFile};
use crate::format::header::SegmentHeader;
use crate::format::slots::{SLOTS_BYTES, Slots};
use crate::format::{self, SLOTS, SPARE, Unreadable, segment_name};
use crate::log::Log;
use crate::reader::Reader;
use crate::segments::{NO_SUCH_FILE, Segments, Unavailable};
use crate::shared::tail::Tail;
use crate::shared::{CorruptTail, Newest, Published, Shared};
use crate::state::last_arrival_ms;
use crate::value::Wait;
use crate::writer::Writer;

mod newest_segment;

use newest_segment::Recovery;

/// Fewer segments than this get lost together: a corrupt file whose number is farther from the others belongs to
/// another log.
const MAX_GAP: u64 = 10_000;

/// Opens the log in a directory.
///
/// # Errors
/// If nothing of it can be served, a newer version wrote what it ends with, it is another copy, or the disk does not
/// answer. All lesser corruption is in [`crate::Status`].
pub fn open(environment: Environment, incarnation: Uuid) -> Result<(Log, Reader), Error> {
    let (writer, reader) = open_writer(environment, incarnation)?;
    Ok((Log::new(writer), reader))
}

/// Opens the log in a directory for who numbers its batches.
///
/// # Errors
/// As [`open`].
pub fn open_writer(environment: Environment, incarnation: Uuid) -> Result<(Writer, Reader), Error> {
    let disk = &*environment.disk;
    let (slots, corrupt_slots) = read_slots(disk)?;
    let owner = slots.owner;
    if owner.incarnation != incarnation {
        return Err(Error::Foreign { found: owner.incarnation, expected: incarnation });
    }
    // What an earlier process left may be visible and not durable: never build on that.
    disk.sync_directory().map_err(Error::io("sync the directory of", SLOTS))?;
    let names = disk.list().map_err(Error::io("list the directory of", SLOTS))?;
    let mut sequences: Vec<_> = names.iter().filter_map(|name| format::sequence_of(name)).collect();
    sequences.sort_unstable();
    let has_spare = names.iter().any(|name| name == SPARE);

    let segments = Segments::new(Arc::clone(&environment.disk), owner, environment.sizes.stride_bytes);
    segments.count(|counts| {
        counts.corrupt_slots += corrupt_slots;
        counts.spares_found += u64::from(has_spare);
    });
    let mut found = Vec::new();
    let (newest_header, corrupt_newest) = newest_header(&segments, &mut sequences, &mut found)?;
    let sequence = newest_header.sequence;
    let recovered = Recovery::new(&segments, newest_header, corrupt_newest.is_none())?;
    found.extend(recovered.corruption);
    found.extend(missing_between(&segments, &sequences));
    let oldest = sequences.first().copied().unwrap_or(sequence);
    let oldest = Oldest::new(&segments, oldest, &recovered.state);
    found.extend(oldest.corruption);
    let newest_header = &recovered.newest.header;
    let mut accepted_losses = newest_header.sections.accepted_losses.clone();
    accepted_losses.forget_before(oldest.sequence);
    let read_only = [(segment_name(sequence), newest_header.features), (SLOTS.into(), slots.features)];
    let read_only = read_only
        .into_iter()
        .find_map(|(file, features)| features.check_write().err().map(|newer| NewerFile::new(file, newer)));
    let stopped = read_only.map(|newer| format!("it can only be read: {newer}"));
    let clock = LogClock { time_ms: recovered.state.time_ms, boottime_ms: environment.clock.monotonic_ms() };
    // What recovery opened to read past the cache an idle log does not need open.
    segments.forget(sequence);
    let file = segments.file(sequence).map_err(|error| error.refuse_opening(sequence))?;
    let shared = Arc::new(Shared {
        clock: Arc::clone(&environment.clock),
        segments,
        published: RwLock::new(Published {
            state: recovered.state,
            accepted_losses: accepted_losses.clone(),
            clock,
            oldest: oldest.sequence,
            trimmed_bytes: oldest.bytes_before,
            newest: Newest { file, ..recovered.newest },
            corrupt_tail: corrupt_newest.or(recovered.corrupt_tail),
            full: None,
            clock_suspect: None,
            stopped,
        }),
        tail: Mutex::new(Tail::new(environment.tail.clone())),
        corruption: Mutex::default(),
    });
    found
        .iter()
        .filter(|corruption| !accepted_losses.holds(corruption.location()))
        .for_each(|corruption| shared.note(corruption));
    let writer = Writer::new(environment, owner, Arc::clone(&shared), has_spare);
    Ok((writer, Reader::new(shared)))
}

/// What the slots say, and how many of them are corrupt beside a good one.
pub(crate) fn read_slots(disk: &dyn Disk) -> Result<(Slots, u64), Error> {
    let file = disk.open(SLOTS).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Corrupt(Corruption::new(SLOTS, 0, "there is no such file")),
        _ => Error::io("open", SLOTS)(error),
    })?;
    let mut good: Vec<(u64, Slots)> = Vec::new();
    let mut corrupt = Vec::new();
    // Block by block: one that cannot be read costs one slot.
    for position in (0..SLOTS_BYTES as u64).step_by(BLOCK_BYTES) {
        let mut block = vec![0; BLOCK_BYTES];
        match file.read_disk(position, &mut block).map(|read| Slots::decode(&block[..read])) {
            Ok(Ok(slot)) => good.push(slot),
            Ok(Err(Unreadable::Newer(newer))) => return Err(NewerFile::new(SLOTS, newer).into()),
            Ok(Err(Unreadable::Invalid(invalid))) => {
                corrupt.push(Error::Corrupt(Corruption::new(SLOTS, position, invalid.0)))
            }
            Err(error) => corrupt.push(Error::io("read", SLOTS)(error)),
        }
    }
    if let Some((_, newest)) = good.into_iter().max_by_key(|(generation, _)| *generation) {
        corrupt.iter().for_each(|error| tracing::warn!(%error, "one of the log's two slots is corrupt"));
        return Ok((newest, corrupt.len() as u64));
    }
    // Where one slot is corrupt for good, reading the other again may still help.
    let may_help = corrupt.iter().position(|error| matches!(error, Error::Io { .. })).unwrap_or(0);
    Err(corrupt.swap_remove(may_help))
}

/// The header of the newest segment. Where that is corrupt: the newest good header, and the corrupt tail behind it.
fn newest_header(
    segments: &Segments,
    sequences: &mut Vec<u64>,
    found: &mut Vec<Corruption>,
) -> Result<(Arc<SegmentHeader>, Option<CorruptTail>), Error> {
    let mut corrupt_tail = None;
    let mut at = sequences.len();
    while let Some(&sequence) = at.checked_sub(1).and_then(|before| sequences.get(before)) {
        at -= 1;
        let corruption = match segments.header_on_disk(sequence) {
            Ok(header) => return Ok((header, corrupt_tail)),
            Err(Unavailable::Corrupt(corruption)) => corruption,
            Err(error @ (Unavailable::NoFile | Unavailable::WouldBlock | Unavailable::Newer(_))) => {
                return Err(error.refuse_opening(sequence));
            }
        };
        found.push(corruption.clone());
        let is_stray = at > 0 && sequence - sequences[at - 1] > MAX_GAP;
        if is_stray && corrupt_tail.is_none() {
            tracing::error!(%corruption, "a file has a segment's name and is none of this log's: remove it");
            sequences.truncate(at);
            continue;
        }
        segments.count(|counts| counts.corrupt_newest_header += 1);
        corrupt_tail.get_or_insert(CorruptTail { corruption, sequence });
    }
    let nothing = || Corruption::new(&segment_name(1), 0, "there is no segment");
    Err(Error::Corrupt(found.first().cloned().unwrap_or_else(nothing)))
}

/// The segments that are missing between others, one piece of corruption for each row of them.
fn missing_between(segments: &Segments, sequences: &[u64]) -> Vec<Corruption> {
    let gap = |pair: &[u64]| {
        let (first, behind) = (pair[0] + 1, pair[1]);
        let what = match behind.saturating_sub(first) {
            0 => return None,
            1 => NO_SUCH_FILE.into(),
            more => format!("there is no such file, nor the {} that follow it", more - 1),
        };
        segments.count(|counts| counts.missing_segments += behind - first);
        Some(Corruption::new(&segment_name(first), 0, what))
    };
    sequences.windows(2).filter_map(gap).collect()
}

/// Where the log begins.
struct Oldest {
    /// The oldest segment that should be there.
    sequence: u64,
    /// Bytes of the log before it.
    bytes_before: u64,
    corruption: Option<Corruption>,
}

impl Oldest {
    /// Judges the oldest segment that is there.
    fn new(segments: &Segments, sequence: u64, state: &State) -> Self {
        match segments.header(sequence, Wait::ForDisk) {
            Ok(header) if is_oldest_missing(&header, state) => {
                segments.count(|counts| counts.missing_oldest += 1);
                let corruption = Some(Corruption::new(&segment_name(sequence - 1), 0, NO_SUCH_FILE));
                Self { sequence: sequence - 1, bytes_before: header.bytes_before, corruption }
            }
            Ok(header) => Self { sequence, bytes_before: header.bytes_before, corruption: None },
            Err(Unavailable::Newer(_)) => Self { sequence, bytes_before: 0, corruption: None },
            Err(error) => {
                segments.count(|counts| counts.corrupt_oldest_header += 1);
                let corruption =
                    if let Unavailable::Corrupt(corruption) = error { Some(corruption) } else { None };
                // Nothing says that the segments before it have expired.
                Self { sequence: sequence.max(2) - 1, bytes_before: 0, corruption }
            }
        }
    }
}

/// Whether the segment before the oldest one is missing: no entry trimmed its last records, and by log time they have
/// not expired. (On a full disk expired segments may be removed before an entry can be written. A crash at that moment
/// looks like a loss, if log time has not advanced since. A false alarm is better than an unreported loss.)
fn is_oldest_missing(oldest: &SegmentHeader, state: &State) -> bool {
    let before_ms = last_arrival_ms(oldest.state());
    oldest.sequence > 1 && before_ms >= horizon_ms(state, state.time_ms)
}
