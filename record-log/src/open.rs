//! Reading a log again after its process ended, however it ended. Opening changes nothing on the disk; it makes durable
//! what it finds there. Only the newest segment is looked at as a whole.

use std::sync::{Arc, Mutex, RwLock};

use uuid::Uuid;

use crate::Environment;
use crate::disk::Disk;
use crate::error::{Damage, Error};
use crate::format::head::Head;
use crate::format::slots::{SLOTS_BYTES, Slots};
use crate::format::{self, SLOTS, SPARE, segment_name};
use crate::log::Log;
use crate::reader::Reader;
use crate::recovery::Recovery;
use crate::segments::{Missing, Segments, damage};
use crate::shared::{Newest, Published, Shared};
use crate::state::State;
use crate::tail::Tail;
use crate::trim::horizon_ms;
use crate::value::Wait;

/// Opens the log in a directory.
///
/// # Errors
/// If nothing of it can be served, it is another copy, or the disk does not answer. All lesser damage is in
/// [`crate::Status`].
pub fn open(environment: Environment, incarnation: Uuid) -> Result<(Log, Reader), Error> {
    let disk = &*environment.disk;
    let owner = read_slots(disk)?;
    if owner.incarnation != incarnation {
        return Err(Error::Foreign { found: owner.incarnation, expected: incarnation });
    }
    // What an earlier process did may be seen and not durable. Nothing is built on that.
    disk.sync_directory().map_err(Error::io("sync the directory of", SLOTS))?;
    let names = disk.list().map_err(Error::io("list the directory of", SLOTS))?;
    let mut sequences: Vec<_> = names.iter().filter_map(|name| format::sequence_of(name)).collect();
    sequences.sort_unstable();
    let has_spare = names.iter().any(|name| name == SPARE);

    let segments = Segments::new(Arc::clone(&environment.disk), owner);
    let (mut found, mut stopped) = (Vec::new(), None);
    let newest_head = newest_head(&segments, &sequences, &mut found, &mut stopped)?;
    let sequence = newest_head.sequence;
    let file = segments.file(sequence).map_err(|error| unusable(error, sequence))?;
    let mut recovered = Recovery::new(&segments, newest_head, file, stopped.is_none())?;
    found.append(&mut recovered.damage);
    if let Some(why) = recovered.unreadable_end {
        stopped.get_or_insert(why);
    }
    for missing in missing_between(&sequences) {
        segments.count(|counts| counts.missing_segments += 1);
        found.push(damage(&segment_name(missing), 0, "there is no such file"));
    }
    segments.count(|counts| counts.spares_found += u64::from(has_spare));
    let oldest = sequences.first().copied().unwrap_or(sequence);
    let trimmed_bytes = match segments.head(oldest, Wait::ForDisk) {
        Ok(head) => head.bytes_before,
        Err(error) => {
            if let Missing::Damaged(damage) = error {
                found.push(damage);
            }
            0
        }
    };
    let kept_from = match segments.head(oldest, Wait::ForDisk) {
        Ok(head) if has_lost_oldest(&head, &recovered.state, environment.clock.wall_ms()) => {
            segments.count(|counts| counts.missing_segments += 1);
            found.push(damage(&segment_name(oldest - 1), 0, "there is no such file"));
            oldest - 1
        }
        Ok(_) => oldest,
        // Nothing says that those before it have expired.
        Err(_) => oldest.max(2) - 1,
    };
    let accepted = recovered.state.accepted;
    // What recovery opened to read past the cache an idle log does not need open.
    segments.forget(sequence);
    let file = segments.file(sequence).map_err(|error| unusable(error, sequence))?;
    let newest = Newest { file, ..recovered.newest };
    let shared = Arc::new(Shared {
        segments,
        published: RwLock::new(Published {
            state: recovered.state,
            oldest: kept_from,
            trimmed_bytes,
            newest,
            full: None,
            trimming_suspended: None,
            stopped,
        }),
        tail: Mutex::new(Tail::new(environment.tail.clone())),
        damage: Mutex::default(),
    });
    found.iter().for_each(|damage| shared.note(damage));
    shared.forget_damage_before(accepted);
    let log = Log::new(environment, owner, Arc::clone(&shared), has_spare);
    Ok((log, Reader::new(shared)))
}

pub(crate) fn read_slots(disk: &dyn Disk) -> Result<Slots, Error> {
    let file = disk.open(SLOTS).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Damaged(damage(SLOTS, 0, "there is no such file")),
        _ => Error::io("open", SLOTS)(error),
    })?;
    let mut bytes = vec![0; SLOTS_BYTES];
    let read = file.read_disk(0, &mut bytes).map_err(Error::io("read", SLOTS))?;
    Slots::decode(&bytes[..read]).map_err(|invalid| Error::Damaged(damage(SLOTS, 0, invalid.0)))
}

/// The head of the newest segment, or where that is damaged, of the newest one that has a good one: then the log's
/// state is not known, and it stops.
fn newest_head(
    segments: &Segments,
    sequences: &[u64],
    found: &mut Vec<Damage>,
    stopped: &mut Option<String>,
) -> Result<Arc<Head>, Error> {
    for &sequence in sequences.iter().rev() {
        match segments.head_on_disk(sequence) {
            Ok(head) => return Ok(head),
            Err(Missing::Damaged(damage)) => {
                segments.count(|counts| counts.bad_newest_head += 1);
                stopped.get_or_insert_with(|| format!("{damage}, so it is not known what was appended last"));
                found.push(damage);
            }
            Err(error @ (Missing::NoFile | Missing::WouldBlock)) => return Err(unusable(error, sequence)),
        }
    }
    let nothing = || damage(&segment_name(1), 0, "there is no segment");
    Err(Error::Damaged(found.first().cloned().unwrap_or_else(nothing)))
}

fn unusable(error: Missing, sequence: u64) -> Error {
    match error {
        Missing::Damaged(damage) => Error::Damaged(damage),
        Missing::NoFile | Missing::WouldBlock => {
            Error::Damaged(damage(&segment_name(sequence), 0, "there is no such file"))
        }
    }
}

/// Whether the segment before the oldest one that is there is lost: no trimming was told of that took its last batch, and
/// by the clock it has not expired. (On a full disk segments go before that can be said. A crash just then is taken for a
/// loss, if the retention grows or the clock goes back as well: rather that than a loss without a word.)
fn has_lost_oldest(oldest: &Head, state: &State, now_ms: u64) -> bool {
    let before_ms = oldest.state.last_arrival_ms;
    let has_expired = |hours| before_ms < horizon_ms(now_ms, hours);
    oldest.sequence > 1 && before_ms >= state.trimmed_ms && !state.retention_hours.is_some_and(has_expired)
}

fn missing_between(sequences: &[u64]) -> Vec<u64> {
    sequences.windows(2).flat_map(|pair| pair[0] + 1..pair[1]).collect()
}
