//! Looking at a log without opening it: of a copy, or of one that is being written.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::ShardId;

use crate::disk::Disk;
use crate::error::{Damage, Error};
use crate::format::batch::{BatchHead, EntryKind};
use crate::format::head::Head;
use crate::format::{self, SPARE, segment_name};
use crate::marks::STRIDE_BYTES;
use crate::open::read_slots;
use crate::scan::{Scan, Step};
use crate::segments::{Missing, Segments, damage};
use crate::value::Wait;

/// What a log's directory holds.
#[derive(Debug)]
pub struct Inspection {
    /// The id of the log, and of this copy of it.
    pub log_id: uuid::Uuid,
    /// The id of this copy of it.
    pub incarnation: uuid::Uuid,
    /// Whether an expired segment waits to be used again.
    pub has_spare: bool,
    /// The segments, oldest first.
    pub segments: Vec<Segment>,
    /// Segments that are not there between others.
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
    /// When its first and last batches arrived, in milliseconds since 1970; none where there is none, or nobody looked.
    pub arrivals_ms: Option<(u64, u64)>,
    /// The first offset of each shard in it, and the one behind the last.
    pub shards: BTreeMap<ShardId, (u64, u64)>,
    /// What is damaged, as far as it was looked at.
    pub damage: Vec<Damage>,
}

impl Inspection {
    /// Whether anything is damaged, as far as it was looked at.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.missing.is_empty() || self.segments.iter().any(|segment| !segment.damage.is_empty())
    }
}

/// Looks at the log in a directory: at the heads of all segments and at all of the newest, and with `verify` at every
/// batch of all. Changes nothing; what expires meanwhile is left out.
///
/// # Errors
/// If there is no log, or the disk does not answer.
pub fn inspect(disk: &Arc<dyn Disk>, verify: bool) -> Result<Inspection, Error> {
    let (owner, _) = read_slots(&**disk)?;
    let names = disk.list().map_err(Error::io("list the directory of", format::SLOTS))?;
    let mut sequences: Vec<_> = names.iter().filter_map(|name| format::sequence_of(name)).collect();
    sequences.sort_unstable();
    let segments = Segments::new(Arc::clone(disk), owner, STRIDE_BYTES);
    let mut found = Vec::new();
    for (at, &sequence) in sequences.iter().enumerate() {
        let newest = at + 1 == sequences.len();
        found.extend(segment(&segments, sequence, newest, verify || newest)?);
    }
    let missing = sequences.windows(2).flat_map(|pair| pair[0] + 1..pair[1]).collect();
    Ok(Inspection {
        log_id: owner.log_id,
        incarnation: owner.incarnation,
        has_spare: names.iter().any(|name| name == SPARE),
        segments: found,
        missing,
    })
}

fn segment(
    segments: &Segments,
    sequence: u64,
    is_newest: bool,
    scanned: bool,
) -> Result<Option<Segment>, Error> {
    let name = segment_name(sequence);
    let Ok(file) = segments.file(sequence) else { return Ok(None) };
    let file_bytes = file.bytes().map_err(Error::io("look at", &name))?;
    let mut segment = Segment {
        name: name.clone(),
        file_bytes,
        end: None,
        batches: None,
        arrivals_ms: None,
        shards: BTreeMap::new(),
        damage: Vec::new(),
    };
    let head = match segments.head_on_disk(sequence) {
        Ok(head) => head,
        Err(Missing::NoFile) => return Ok(None),
        Err(Missing::WouldBlock) => return Ok(Some(segment)),
        Err(Missing::Damaged(damage)) => {
            segment.damage.push(damage);
            return Ok(Some(segment));
        }
    };
    let next = if is_newest { None } else { segments.head(sequence + 1, Wait::ForDisk).ok() };
    if let Some(next) = &next {
        segment.end = Some(next.previous_end);
        segment.shards = ranges(&head, next);
    }
    if scanned {
        let end = segment.end.unwrap_or(file_bytes);
        let mut scan = Scan::new(file, head.nonce, head.bytes, end, true);
        segment.look_at_batches(&mut scan, &head, is_newest);
    }
    Ok(Some(segment))
}

/// From where to where the shards go in a segment, as its head and the next one's say.
fn ranges(head: &Head, next: &Head) -> BTreeMap<ShardId, (u64, u64)> {
    let range = |(id, shard): (&ShardId, &crate::state::ShardState)| {
        let behind = next.state.shards.get(id)?.next_offset;
        (behind > shard.next_offset).then_some((*id, (shard.next_offset, behind)))
    };
    head.state.shards.iter().filter_map(range).collect()
}

impl Segment {
    fn look_at_batches(&mut self, scan: &mut Scan, head: &Head, is_newest: bool) {
        // At the end of the newest one a batch may be incomplete: only what has another behind it is damage.
        let (mut undecided, mut batches, mut end) = (Vec::new(), 0, head.bytes);
        while let Some(step) = scan.next() {
            match step {
                Step::Bad { position, wrong, .. } => undecided.push(damage(&self.name, position, wrong.what)),
                Step::Batch { position, head, wrong } => {
                    self.damage.append(&mut undecided);
                    self.note(&head);
                    batches += 1;
                    end = position + head.bytes() as u64;
                    undecided.extend(wrong.map(|wrong| damage(&self.name, position, wrong.what)));
                }
            }
        }
        if !is_newest {
            self.damage.append(&mut undecided);
        }
        self.batches = Some(batches);
        self.end = self.end.or(Some(end));
    }

    fn note(&mut self, head: &BatchHead) {
        let first = self.arrivals_ms.map_or(head.arrival_ms, |(first, _)| first);
        self.arrivals_ms = Some((first, head.arrival_ms));
        for entry in head.entries.iter().filter(|entry| entry.kind == EntryKind::Append) {
            let behind = entry.first_offset + u64::from(entry.records);
            let range = self.shards.entry(entry.shard).or_insert((entry.first_offset, behind));
            range.1 = range.1.max(behind);
        }
    }
}
