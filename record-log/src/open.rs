//! Reading a log again after its process ended, however it ended. Opening changes nothing on the disk; it makes durable
//! what it finds there. Only the newest segment is looked at as a whole.

use std::sync::{Arc, Mutex, RwLock};

use group_core::State;
use group_core::clock::{LogClock, horizon_ms};
use uuid::Uuid;

use crate::Environment;
use crate::disk::{BLOCK_BYTES, Disk};
use crate::error::{Damage, Error, NewerFile};
use crate::format::header::SegmentHeader;
use crate::format::slots::{SLOTS_BYTES, Slots};
use crate::format::{self, SLOTS, SPARE, Unreadable, segment_name};
use crate::log::Log;
use crate::reader::Reader;
use crate::recovery::Recovery;
use crate::segments::{Missing, NO_SUCH_FILE, Segments, damage};
use crate::shared::{LostEnd, Newest, Published, Shared};
use crate::tail::Tail;
use crate::value::Wait;
use crate::writer::Writer;

/// So many segments are not lost together: a bad file whose number is farther from the others is none of this log's.
const MAX_GAP: u64 = 10_000;

/// Opens the log in a directory.
///
/// # Errors
/// If nothing of it can be served, a newer version wrote what it ends with, it is another copy, or the disk does not
/// answer. All lesser damage is in [`crate::Status`].
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
    let (slots, bad_slots) = read_slots(disk)?;
    let owner = slots.owner;
    if owner.incarnation != incarnation {
        return Err(Error::Foreign { found: owner.incarnation, expected: incarnation });
    }
    // What an earlier process did may be seen and not durable. Nothing is built on that.
    disk.sync_directory().map_err(Error::io("sync the directory of", SLOTS))?;
    let names = disk.list().map_err(Error::io("list the directory of", SLOTS))?;
    let mut sequences: Vec<_> = names.iter().filter_map(|name| format::sequence_of(name)).collect();
    sequences.sort_unstable();
    let has_spare = names.iter().any(|name| name == SPARE);

    let segments = Segments::new(Arc::clone(&environment.disk), owner, environment.sizes.stride_bytes);
    segments.count(|counts| {
        counts.bad_slots += bad_slots;
        counts.spares_found += u64::from(has_spare);
    });
    let mut found = Vec::new();
    let (newest_head, bad_newest) = newest_head(&segments, &mut sequences, &mut found)?;
    let sequence = newest_head.sequence;
    let recovered = Recovery::new(&segments, newest_head, bad_newest.is_none())?;
    found.extend(recovered.damage);
    found.extend(missing_between(&segments, &sequences));
    let oldest = sequences.first().copied().unwrap_or(sequence);
    let oldest = Oldest::new(&segments, oldest, &recovered.state);
    found.extend(oldest.damage);
    let newest_head = &recovered.newest.head;
    let mut accepted = newest_head.sections.accepted.clone();
    accepted.forget_before(oldest.sequence);
    let read_only = [(segment_name(sequence), newest_head.features), (SLOTS.into(), slots.features)];
    let read_only = read_only
        .into_iter()
        .find_map(|(file, features)| features.check_write().err().map(|newer| NewerFile::new(file, newer)));
    let stopped = read_only.map(|newer| format!("it can only be read: {newer}"));
    let clock = LogClock { time_ms: recovered.state.time_ms, boottime_ms: environment.clock.monotonic_ms() };
    // What recovery opened to read past the cache an idle log does not need open.
    segments.forget(sequence);
    let file = segments.file(sequence).map_err(|error| unusable(error, sequence))?;
    let shared = Arc::new(Shared {
        clock: Arc::clone(&environment.clock),
        segments,
        published: RwLock::new(Published {
            state: recovered.state,
            accepted: accepted.clone(),
            clock,
            oldest: oldest.sequence,
            trimmed_bytes: oldest.bytes_before,
            newest: Newest { file, ..recovered.newest },
            lost_end: bad_newest.or(recovered.lost_end),
            full: None,
            clock_suspect: None,
            stopped,
        }),
        tail: Mutex::new(Tail::new(environment.tail.clone())),
        damage: Mutex::default(),
    });
    found.iter().filter(|damage| !accepted.holds(damage.place())).for_each(|damage| shared.note(damage));
    let writer = Writer::new(environment, owner, Arc::clone(&shared), has_spare);
    Ok((writer, Reader::new(shared)))
}

/// What the slots say, and how many of them are bad beside a good one.
pub(crate) fn read_slots(disk: &dyn Disk) -> Result<(Slots, u64), Error> {
    let file = disk.open(SLOTS).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Damaged(damage(SLOTS, 0, "there is no such file")),
        _ => Error::io("open", SLOTS)(error),
    })?;
    let mut good: Vec<(u64, Slots)> = Vec::new();
    let mut bad = Vec::new();
    // One by one, so that a block that cannot be read costs one of them.
    for position in (0..SLOTS_BYTES as u64).step_by(BLOCK_BYTES) {
        let mut block = vec![0; BLOCK_BYTES];
        match file.read_disk(position, &mut block).map(|read| Slots::decode(&block[..read])) {
            Ok(Ok(slot)) => good.push(slot),
            Ok(Err(Unreadable::Newer(newer))) => return Err(NewerFile::new(SLOTS, newer).into()),
            Ok(Err(Unreadable::Invalid(invalid))) => {
                bad.push(Error::Damaged(damage(SLOTS, position, invalid.0)))
            }
            Err(error) => bad.push(Error::io("read", SLOTS)(error)),
        }
    }
    if let Some((_, newest)) = good.into_iter().max_by_key(|(generation, _)| *generation) {
        bad.iter().for_each(|error| tracing::warn!(%error, "one of the log's two slots is bad"));
        return Ok((newest, bad.len() as u64));
    }
    // Where one is damaged for good, reading the other again may still help.
    let may_help = bad.iter().position(|error| matches!(error, Error::Io { .. })).unwrap_or(0);
    Err(bad.swap_remove(may_help))
}

/// The head of the newest segment, or where that is damaged, of the newest one that has a good one: then the end of the
/// log is lost.
fn newest_head(
    segments: &Segments,
    sequences: &mut Vec<u64>,
    found: &mut Vec<Damage>,
) -> Result<(Arc<SegmentHeader>, Option<LostEnd>), Error> {
    let mut lost_end = None;
    let mut at = sequences.len();
    while let Some(&sequence) = at.checked_sub(1).and_then(|before| sequences.get(before)) {
        at -= 1;
        let damage = match segments.head_on_disk(sequence) {
            Ok(head) => return Ok((head, lost_end)),
            Err(Missing::Damaged(damage)) => damage,
            Err(error @ (Missing::NoFile | Missing::WouldBlock | Missing::Newer(_))) => {
                return Err(unusable(error, sequence));
            }
        };
        found.push(damage.clone());
        let is_stray = at > 0 && sequence - sequences[at - 1] > MAX_GAP;
        if is_stray && lost_end.is_none() {
            tracing::error!(%damage, "a file has a segment's name and is none of this log's: remove it");
            sequences.truncate(at);
            continue;
        }
        segments.count(|counts| counts.bad_newest_head += 1);
        lost_end.get_or_insert(LostEnd { damage, sequence });
    }
    let nothing = || damage(&segment_name(1), 0, "there is no segment");
    Err(Error::Damaged(found.first().cloned().unwrap_or_else(nothing)))
}

/// As the answer of who opens the log.
pub fn unusable(error: Missing, sequence: u64) -> Error {
    match error {
        Missing::Damaged(damage) => Error::Damaged(damage),
        Missing::Newer(newer) => Error::Newer(newer),
        Missing::NoFile | Missing::WouldBlock => {
            Error::Damaged(damage(&segment_name(sequence), 0, NO_SUCH_FILE))
        }
    }
}

/// The segments that are not there between others: one piece of damage for all that follow each other.
fn missing_between(segments: &Segments, sequences: &[u64]) -> Vec<Damage> {
    let gap = |pair: &[u64]| {
        let (first, behind) = (pair[0] + 1, pair[1]);
        let what = match behind.saturating_sub(first) {
            0 => return None,
            1 => NO_SUCH_FILE.into(),
            more => format!("there is no such file, nor the {} that follow it", more - 1),
        };
        segments.count(|counts| counts.missing_segments += behind - first);
        Some(damage(&segment_name(first), 0, what))
    };
    sequences.windows(2).filter_map(gap).collect()
}

/// Where the log begins.
struct Oldest {
    /// The oldest segment that should be there.
    sequence: u64,
    /// Bytes of the log before it.
    bytes_before: u64,
    damage: Option<Damage>,
}

impl Oldest {
    /// Judges the oldest segment that is there.
    fn new(segments: &Segments, sequence: u64, state: &State) -> Self {
        match segments.head(sequence, Wait::ForDisk) {
            Ok(head) if has_lost_oldest(&head, state) => {
                segments.count(|counts| counts.lost_oldest += 1);
                let damage = Some(damage(&segment_name(sequence - 1), 0, NO_SUCH_FILE));
                Self { sequence: sequence - 1, bytes_before: head.bytes_before, damage }
            }
            Ok(head) => Self { sequence, bytes_before: head.bytes_before, damage: None },
            Err(Missing::Newer(_)) => Self { sequence, bytes_before: 0, damage: None },
            Err(error) => {
                segments.count(|counts| counts.bad_oldest_head += 1);
                let damage = if let Missing::Damaged(damage) = error { Some(damage) } else { None };
                // Nothing says that those before it have expired.
                Self { sequence: sequence.max(2) - 1, bytes_before: 0, damage }
            }
        }
    }
}

/// Whether the segment before the oldest one that is there is lost: no trim took its last records, and by the log's own
/// time they have not expired. (On a full disk segments may go before that can be written. A crash just then is taken for
/// a loss, if log time did not go on since: rather that than a loss without a word.)
fn has_lost_oldest(oldest: &SegmentHeader, state: &State) -> bool {
    let before_ms = last_arrival_ms(oldest.state());
    oldest.sequence > 1 && before_ms >= horizon_ms(state, state.time_ms)
}

/// When the last record before a segment arrived, in milliseconds of log time; 0 if none did.
pub fn last_arrival_ms(state: &State) -> u64 {
    state.shards.values().map(|shard| shard.last_arrival_ms).max().unwrap_or_default()
}
