//! Looking at a log without opening it: of a copy, or of one that is being written.
//!
//! Inspection and the writer do not wait for each other, so a finding counts only if no writer can have caused it. A
//! batch is judged by what is read after the news that it was durable, and a segment only while its name is there (no
//! name is used twice, and a file is used again only when its name is gone).

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::ShardId;
use group_core::LogShard;

use crate::disk::{Disk, DiskFile};
use crate::error::{Corruption, Error, NewerFile};
use crate::format::batch::BatchHeader;
use crate::format::entry::EntryHeader;
use crate::format::header::SegmentHeader;
use crate::format::index::STRIDE_BYTES;
use crate::format::{self, Newer, SLOTS, SPARE, segment_name};
use crate::recovery::read_slots;
use crate::segments::scan::{Scan, Step};
use crate::segments::{Closed, Segments, Unavailable};
use crate::value::Wait;

/// At most so many missing segments are reported one by one.
const MAX_MISSING: usize = 1_000;

/// What a log's directory holds.
#[derive(Debug)]
pub struct Inspection {
    /// The id of the log.
    pub log_id: uuid::Uuid,
    /// The id of this copy of it.
    pub incarnation: uuid::Uuid,
    /// Whether an expired segment waits to be used again.
    pub has_spare: bool,
    /// The shards, sorted by id, as the newest segment's header has them.
    pub shards: Vec<LogShard>,
    /// The segments, oldest first.
    pub segments: Vec<Segment>,
    /// Segments that are not there between others, the first thousand of them.
    pub missing: Vec<u64>,
}

/// One segment.
#[derive(Debug)]
pub struct Segment {
    /// Its file.
    pub name: String,
    /// The length of the file.
    pub file_bytes: u64,
    /// Where its last batch ends; none where that is not known.
    pub end: Option<u64>,
    /// Its batches, if they were looked at.
    pub batches: Option<u64>,
    /// When its first batch arrived, in milliseconds since 1970; none where there is none, or nobody looked.
    pub first_arrival_ms: Option<u64>,
    /// When its last one did; also where nobody looked, if the next segment says so.
    pub last_arrival_ms: Option<u64>,
    /// The first offset of each shard in it, and the one behind the last.
    pub offsets: BTreeMap<ShardId, (u64, u64)>,
    /// What is corrupt, as far as it was looked at.
    pub corruption: Vec<Corruption>,
    /// What a newer version wrote that this one cannot read, the first of it.
    pub newer: Option<NewerFile>,
    /// Why this version could not write behind it, if a newer one wrote it so.
    pub read_only: Option<NewerFile>,
}

impl Inspection {
    /// Whether there is anything that only a newer version can read, as far as it was looked at.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        self.segments.iter().any(|segment| segment.newer.is_some())
    }

    /// Whether anything is corrupt, as far as it was looked at.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        !self.missing.is_empty() || self.segments.iter().any(|segment| !segment.corruption.is_empty())
    }
}

/// Whether a file of this name is part of a log that is in use: its slots or a segment.
#[must_use]
pub fn is_file_of_a_log(name: &str) -> bool {
    name == SLOTS || format::sequence_of(name).is_some()
}

/// Looks at the log in a directory: at the headers of all segments and at all of the newest, and with `verify` at every
/// batch of all. Changes nothing; what expires meanwhile is left out.
///
/// # Errors
/// If there is no log, or the disk does not answer.
pub fn inspect(disk: &Arc<dyn Disk>, verify: bool) -> Result<Inspection, Error> {
    let (slots, _) = read_slots(&**disk)?;
    let owner = slots.owner;
    let (sequences, has_spare) = list(&**disk)?;
    let segments = Segments::new(Arc::clone(disk), owner, STRIDE_BYTES);
    let mut found = Vec::new();
    for (at, &sequence) in sequences.iter().enumerate() {
        let is_newest = at + 1 == sequences.len();
        let segment = look_at(&segments, sequence, is_newest, verify || is_newest);
        // The name is looked for last: while it is there nobody else has used the file.
        let is_there = |segment: &Segment| segment.corruption.is_empty() || disk.open(&segment.name).is_ok();
        found.extend(segment.filter(is_there));
    }
    let newest = sequences.iter().rev().find_map(|&sequence| segments.header(sequence, Wait::ForDisk).ok());
    let shards = newest.iter().flat_map(|header| header.state().shards.values().cloned()).collect();
    // A name may come or go while names are listed. What is missing for good is so in a second list too.
    let (again, _) = list(&**disk)?;
    if again.is_empty() {
        return Err(Error::Corrupt(Corruption::new(&segment_name(1), 0, "there is no segment")));
    }
    let mut missing = missing_between(&sequences);
    missing.retain(|sequence| missing_between(&again).contains(sequence));
    let (log_id, incarnation) = (owner.log_id, owner.incarnation);
    Ok(Inspection { log_id, incarnation, has_spare, shards, segments: found, missing })
}

/// The segments in a directory, oldest first, and whether there is a spare.
fn list(disk: &dyn Disk) -> Result<(Vec<u64>, bool), Error> {
    let names = disk.list().map_err(Error::io("list the directory of", SLOTS))?;
    let mut sequences: Vec<_> = names.iter().filter_map(|name| format::sequence_of(name)).collect();
    sequences.sort_unstable();
    Ok((sequences, names.iter().any(|name| name == SPARE)))
}

/// The segments that are not there between others, the first of them.
fn missing_between(sequences: &[u64]) -> Vec<u64> {
    sequences.windows(2).flat_map(|pair| pair[0] + 1..pair[1]).take(MAX_MISSING).collect()
}

/// Looks at a segment; nothing if it is gone.
fn look_at(segments: &Segments, sequence: u64, is_newest: bool, scanned: bool) -> Option<Segment> {
    let mut segment = Segment {
        name: segment_name(sequence),
        file_bytes: 0,
        end: None,
        batches: None,
        first_arrival_ms: None,
        last_arrival_ms: None,
        offsets: BTreeMap::new(),
        corruption: Vec::new(),
        newer: None,
        read_only: None,
    };
    match segment.fill(segments, sequence, is_newest, scanned) {
        Ok(()) => Some(segment),
        Err(Unavailable::NoFile) => None,
        Err(Unavailable::WouldBlock) => Some(segment),
        Err(Unavailable::Corrupt(corruption)) => {
            segment.corruption.push(corruption);
            Some(segment)
        }
        Err(Unavailable::Newer(newer)) => {
            segment.newer = Some(newer);
            Some(segment)
        }
    }
}

/// The offsets of each shard in a segment, by its header and the next one.
fn offsets(header: &SegmentHeader, next: &SegmentHeader) -> BTreeMap<ShardId, (u64, u64)> {
    let range = |(id, shard): (&ShardId, &LogShard)| {
        let behind = next.state().shards.get(id)?.next_offset;
        (behind > shard.next_offset).then_some((*id, (shard.next_offset, behind)))
    };
    header.state().shards.iter().filter_map(range).collect()
}

/// A batch that is torn or corrupt: what follows decides.
struct Suspect {
    corruption: Corruption,
    header: Option<BatchHeader>,
    unreadable: bool,
}

impl Segment {
    fn fill(
        &mut self,
        segments: &Segments,
        sequence: u64,
        is_newest: bool,
        scanned: bool,
    ) -> Result<(), Unavailable> {
        let header = segments.header_on_disk(sequence)?;
        self.read_only = header.features.check_write().err().map(|newer| NewerFile::new(&*self.name, newer));
        let file = segments.file(sequence)?;
        self.file_bytes = file.bytes().map_err(|error| Unavailable::new(&self.name, 0, &error))?;
        let closed = match is_newest {
            true => Closed { header: Arc::clone(&header), end: self.file_bytes, is_certain: false },
            false => segments.closed(sequence, Wait::ForDisk)?,
        };
        if closed.is_certain {
            self.end = Some(closed.end);
        }
        if let Some(next) = (!is_newest).then(|| segments.header(sequence + 1, Wait::ForDisk).ok()).flatten()
        {
            self.offsets = offsets(&header, &next);
            let has_batches = next.state().index > header.state().index;
            self.last_arrival_ms = has_batches.then_some(next.state().time_ms);
        }
        if scanned {
            self.look_at_batches(&file, &closed);
        }
        Ok(())
    }

    /// Where the end is not certain, a batch may have been incomplete when it was read. It is corrupt only if a later
    /// batch says that it was durable, and reading it again after that still fails.
    fn look_at_batches(&mut self, file: &Arc<dyn DiskFile>, closed: &Closed) {
        let from = |position| Scan::new(Arc::clone(file), closed.header.nonce, position, closed.end, true);
        let (mut scan, mut read_again) = (from(closed.header.bytes), 0);
        let (mut suspects, mut batches, mut end) = (Vec::<Suspect>::new(), 0, closed.header.bytes);
        while let Some(step) = scan.next() {
            match step {
                Step::Newer { unknown, .. } => {
                    let newer = Newer::new(closed.header.features.written_by, unknown);
                    self.newer.get_or_insert_with(|| NewerFile::new(&*self.name, newer));
                }
                Step::Corrupt { position, error, .. } => suspects.push(Suspect {
                    corruption: Corruption::new(&self.name, position, error.what),
                    header: None,
                    unreadable: error.unreadable,
                }),
                Step::Batch { position, header, error } => {
                    let first = suspects.first().map(|suspect| suspect.corruption.position);
                    match first.filter(|first| header.frame.durable > *first) {
                        Some(first) if first > read_again => {
                            suspects.clear();
                            (scan, read_again) = (from(first), first);
                            continue;
                        }
                        Some(_) => {
                            suspects.drain(..).for_each(|suspect| self.judge_corrupt(suspect, &mut batches))
                        }
                        None => {}
                    }
                    match error {
                        None => {
                            self.note(&header);
                            batches += 1;
                            end = position + header.frame.bytes as u64;
                        }
                        Some(error) => suspects.push(Suspect {
                            corruption: Corruption::new(&self.name, position, error.what),
                            header: Some(header),
                            unreadable: error.unreadable,
                        }),
                    }
                }
            }
        }
        if closed.is_certain || suspects.iter().any(|suspect| suspect.unreadable) {
            suspects.into_iter().for_each(|suspect| self.judge_corrupt(suspect, &mut batches));
        }
        self.batches = Some(batches);
        self.end = self.end.or(Some(end));
    }

    fn judge_corrupt(&mut self, suspect: Suspect, batches: &mut u64) {
        self.corruption.push(suspect.corruption);
        if let Some(header) = suspect.header {
            self.note(&header);
            *batches += 1;
        }
    }

    fn note(&mut self, header: &BatchHeader) {
        self.first_arrival_ms = self.first_arrival_ms.or(Some(header.frame.time_ms));
        self.last_arrival_ms = self.last_arrival_ms.max(Some(header.frame.time_ms));
        for appends in header.entries.iter().filter_map(EntryHeader::appends) {
            let range =
                self.offsets.entry(appends.shard).or_insert((appends.first_offset, appends.end_offset));
            range.1 = range.1.max(appends.end_offset);
        }
    }
}
