//! Making a log, and reading it again after its process ended, however it ended. Opening changes nothing on the disk;
//! it makes durable what it finds there.
//!
//! Only the newest segment is looked at as a whole, and what is bad in it is judged by what is behind it: one write is
//! under way at a time, so where a later batch says that more was durable already, it is damage; else it is what a crash
//! left of the last write, which nobody was answered for. (Damage to the very last batch, while none confirms it,
//! cannot be told from that.) Bytes that the disk does not give are never taken for a torn end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};

use catalog::ShardId;
use catalog::member::OpenShard;
use uuid::Uuid;

use crate::Environment;
use crate::disk::aligned::AlignedBuffer;
use crate::disk::{Disk, DiskFile};
use crate::error::{Damage, Error};
use crate::format::batch::{BatchHead, EntryHead, EntryKind};
use crate::format::head::Head;
use crate::format::slots::{SLOTS_BYTES, Slots};
use crate::format::{self, SLOTS, SPARE, segment_name};
use crate::log::Log;
use crate::marks::SegmentMarks;
use crate::reader::Reader;
use crate::scan::{Scan, Step, Wrong};
use crate::segments::{Missing, Segments, damage};
use crate::shared::{Newest, Published, Shared};
use crate::state::{Place, ShardState, State};
use crate::tail::Tail;
use crate::trim::horizon_ms;
use crate::value::Wait;

/// What a log begins with.
#[derive(Clone, Debug)]
pub struct Birth {
    /// The id of the log.
    pub log_id: Uuid,
    /// The id of this copy of it.
    pub incarnation: Uuid,
    /// Its shards.
    pub shards: Vec<OpenShard>,
    /// How long it keeps records.
    pub retention_hours: u32,
    /// When it begins, in milliseconds since 1970: nothing arrives before.
    pub created_ms: u64,
}

/// Makes a log in an empty directory, durably but for the directory's own entry in its parent.
///
/// # Errors
/// If anything cannot be written.
pub fn create(disk: &dyn Disk, nonce: u64, birth: &Birth) -> Result<(), Error> {
    let owner = Slots { log_id: birth.log_id, incarnation: birth.incarnation };
    let shard =
        |open: &OpenShard| (open.id, ShardState { open: open.clone(), next_offset: 1, last_arrival_ms: 0 });
    let state = State {
        next_index: 1,
        last_arrival_ms: birth.created_ms,
        retention_hours: Some(birth.retention_hours),
        trimmed_ms: 0,
        accepted: Place::default(),
        shards: birth.shards.iter().map(shard).collect(),
    };
    let (_, head) = Head::new(nonce, owner, 1, 0, 0, state);
    write_file(disk, SLOTS, &owner.encode())?;
    write_file(disk, &segment_name(1), &head)?;
    disk.sync_directory().map_err(Error::io("sync the directory of", SLOTS))
}

fn write_file(disk: &dyn Disk, name: &str, blocks: &[u8]) -> Result<(), Error> {
    let file = disk.create(name, blocks.len() as u64).map_err(Error::io("create", name))?;
    let mut buffer = AlignedBuffer::with_capacity(blocks.len());
    buffer.as_mut_slice()[..blocks.len()].copy_from_slice(blocks);
    file.write(0, &buffer.as_slice()[..blocks.len()]).map_err(Error::io("write", name))?;
    file.sync().map_err(Error::io("sync", name))
}

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

pub(crate) fn missing_between(sequences: &[u64]) -> Vec<u64> {
    sequences.windows(2).flat_map(|pair| pair[0] + 1..pair[1]).collect()
}

/// What the newest segment gives.
struct Recovery {
    state: State,
    newest: Newest,
    damage: Vec<Damage>,
    /// Why its end is not known.
    unreadable_end: Option<String>,
    /// Of each shard, bytes in which it may have records that cannot be read, since its last one that can.
    unseen_bytes: BTreeMap<ShardId, u64>,
}

/// Something bad that is not judged yet.
struct Undecided {
    position: u64,
    until: u64,
    head: Option<BatchHead>,
    wrong: Wrong,
}

impl Recovery {
    fn new(
        segments: &Segments,
        head: Arc<Head>,
        file: Arc<dyn DiskFile>,
        is_newest: bool,
    ) -> Result<Self, Error> {
        let name = segment_name(head.sequence);
        file.sync().map_err(Error::io("sync", &name))?;
        let file_bytes = file.bytes().map_err(Error::io("look at", &name))?;
        let newest = Newest {
            head: Arc::clone(&head),
            file: Arc::clone(&file),
            end: head.bytes,
            marks: SegmentMarks::default(),
        };
        let mut recovery = Self {
            state: head.state.clone(),
            newest,
            damage: Vec::new(),
            unreadable_end: None,
            unseen_bytes: BTreeMap::new(),
        };
        let mut undecided: Vec<Undecided> = Vec::new();
        let mut scan = Scan::new(file, head.nonce, head.bytes, file_bytes, true);
        while let Some(step) = scan.next() {
            match step {
                Step::Bad { position, until, wrong } => {
                    undecided.push(Undecided { position, until, head: None, wrong });
                }
                Step::Batch { position, head, wrong } => {
                    let until = position + head.bytes() as u64;
                    if undecided.first().is_some_and(|first| head.durable > first.position) {
                        undecided.drain(..).for_each(|bad| recovery.judge_damaged(segments, &name, bad));
                        recovery.leave_out_before(&head);
                    }
                    match wrong {
                        None if undecided.is_empty() => recovery.take(&name, position, &head),
                        None => {
                            let wrong =
                                Wrong { what: "it lies behind a gap".into(), unreadable: false, begun: true };
                            undecided.push(Undecided { position, until, head: Some(head), wrong });
                        }
                        Some(wrong) => {
                            undecided.push(Undecided { position, until, head: Some(head), wrong });
                        }
                    }
                }
            }
        }
        recovery.judge_end(segments, &name, &undecided, is_newest);
        recovery.leave_out_unseen();
        Ok(recovery)
    }

    /// Adds a good batch, or one of which at least the heads are.
    fn take(&mut self, name: &str, position: u64, head: &BatchHead) {
        let behind_damage = !self.damage.is_empty();
        match self.state.apply(head, self.newest.head.sequence, behind_damage) {
            Ok(()) => {
                self.newest.marks.note(position, head);
                let appends = |shard: &ShardId, entry: &EntryHead| {
                    entry.kind == EntryKind::Append && entry.shard == *shard
                };
                self.unseen_bytes.retain(|shard, _| !head.entries.iter().any(|entry| appends(shard, entry)));
            }
            Err(invalid) => self.damage.push(damage(name, position, invalid.0)),
        }
        self.newest.end = position + head.bytes() as u64;
    }

    fn judge_damaged(&mut self, segments: &Segments, name: &str, bad: Undecided) {
        self.damage.push(damage(name, bad.position, bad.wrong.what));
        match bad.head {
            Some(head) => {
                segments.count(|counts| counts.bad_blocks += 1);
                self.take(name, bad.position, &head);
            }
            None => {
                segments.count(|counts| counts.bad_heads += 1);
                // What cannot be read may have said how long records are kept.
                self.state.retention_hours = None;
                for shard in self.state.shards.keys() {
                    *self.unseen_bytes.entry(*shard).or_default() += bad.until - bad.position;
                }
            }
        }
    }

    /// What lies unread before a batch has numbers and arrivals up to the batch's, also where the batch itself is cut off.
    fn leave_out_before(&mut self, head: &BatchHead) {
        self.state.next_index = self.state.next_index.max(head.index);
        self.state.last_arrival_ms = self.state.last_arrival_ms.max(head.arrival_ms);
    }

    /// Leaves out every offset that a record which cannot be read may have: none is ever used twice. (No record takes
    /// less than a byte.)
    fn leave_out_unseen(&mut self) {
        for (shard, bytes) in std::mem::take(&mut self.unseen_bytes) {
            if let Some(shard) = self.state.shards.get_mut(&shard) {
                shard.next_offset += bytes;
                shard.last_arrival_ms = self.state.last_arrival_ms;
            }
        }
    }

    /// What is bad with nothing behind it that speaks against a torn end.
    fn judge_end(&mut self, segments: &Segments, name: &str, undecided: &[Undecided], is_newest: bool) {
        if self.newest.end == self.newest.head.bytes {
            segments.count(|counts| counts.empty_segments += 1);
        }
        let Some(first) = undecided.first().filter(|_| is_newest) else { return };
        if undecided.iter().any(|bad| bad.wrong.unreadable) {
            segments.count(|counts| counts.unreadable_end += 1);
            let found = damage(name, first.position, first.wrong.what.clone());
            self.unreadable_end = Some(format!("the disk does not give the end of the log: {found}"));
            self.damage.push(found);
        } else if undecided.iter().any(|bad| bad.wrong.begun) {
            segments.count(|counts| counts.torn_tails += 1);
            tracing::warn!(
                file = name,
                position = first.position,
                "the log ends in an incomplete batch, which is cut off"
            );
        }
    }
}
