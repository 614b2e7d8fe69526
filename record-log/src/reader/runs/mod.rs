//! Goes from run to run of one shard, over the segments on the disk.

use catalog::ShardId;

use crate::error::{Corruption, ReadError};
use crate::format::batch::BatchHeader;
use crate::format::entry::{Appends, EntryHeader};
use crate::format::segment_name;
use crate::segments::Unavailable;
use crate::shared::Shared;
use crate::shared::corruption::{CorruptRange, corruption_between};
use crate::state::Location;
use crate::state::SegmentRange;
use crate::state::first_number_in;
use crate::value::{ReadRun, Wait};

mod find;
mod segment;

use segment::Segment;

/// What comes next.
pub enum Next {
    /// A run.
    Run(ReadRun),
    /// Nothing up to this offset: that has expired, or is an accepted loss.
    Passed {
        /// Where it goes on.
        offset: u64,
    },
    /// There is a run, but no room for all of it: it was not read, and comes next again.
    TooLarge {
        /// The bytes of its records.
        bytes: usize,
    },
    /// Nothing is left.
    End,
}

/// A batch that a reader is in.
struct InBatch {
    header: BatchHeader,
    /// Where it begins.
    position: u64,
}

/// An entry with records that were not read yet.
struct Due {
    entry: EntryHeader,
    appends: Appends,
    /// Where its batch begins.
    batch: u64,
    /// Where its block begins.
    block: u64,
}

/// Goes from run to run.
pub struct Runs<'s> {
    shared: &'s Shared,
    shard: ShardId,
    /// The offset that must come next: a jump is corruption.
    expected: u64,
    /// No record is missing between this location and the expected offset.
    from: Location,
    /// Runs that arrived before are passed over, and gaps among them do not matter.
    arrival_ms: u64,
    /// The offset behind the last record that is to be read.
    end_offset: u64,
    wait: Wait,
    /// The segment to go into next.
    next: u64,
    segment: Option<Segment<'s>>,
    /// The batch that it is in.
    batch: Option<InBatch>,
    /// What was corrupt on the way since the last good run, and is not accepted.
    met: Option<Corruption>,
}

impl<'s> Runs<'s> {
    /// The runs of a shard that has records from `offset` on to `end_offset`, beginning with the one that holds the
    /// offset, or the first that arrived at `arrival_ms`, whichever is later, or a little before.
    pub fn new(
        shared: &'s Shared,
        shard: ShardId,
        offset: u64,
        arrival_ms: u64,
        end_offset: u64,
        wait: Wait,
    ) -> Result<Self, ReadError> {
        let runs = Self {
            shared,
            shard,
            expected: offset,
            from: Location { segment: 0, position: 0 },
            arrival_ms,
            end_offset,
            wait,
            next: 0,
            segment: None,
            batch: None,
            met: None,
        };
        let first = runs.find_segment()?;
        Ok(Self { next: first, from: Location { segment: first, position: 0 }, ..runs })
    }

    /// The next run, in order, if it has no more than so many bytes.
    pub fn next(&mut self, room_bytes: usize) -> Result<Next, ReadError> {
        loop {
            if self.expected >= self.end_offset {
                return Ok(Next::End);
            }
            let Some(mut segment) = self.segment.take() else {
                if let Some(offset) = self.enter()? {
                    return Ok(Next::Passed { offset });
                }
                continue;
            };
            if let Some(due) = self.batch.as_ref().and_then(|batch| self.due_in(batch)) {
                let bytes = due.entry.block_bytes as usize;
                let next = match bytes > room_bytes {
                    true => {
                        self.shared.segments.count(|counts| counts.runs_left += 1);
                        Ok(Next::TooLarge { bytes })
                    }
                    false => self.run(&segment, &due),
                };
                self.segment = Some(segment);
                return next;
            }
            self.batch = None;
            if !segment.skip_to_entry()? {
                self.next = segment.header.sequence + 1;
                continue;
            }
            let found = segment.next()?;
            if let Some(corrupt) = found.corrupt {
                self.meet(&corrupt);
            }
            self.batch = found.batch.map(|(header, position)| InBatch { header, position });
            self.segment = Some(segment);
        }
    }

    /// The shard's first entry in a batch that has records which were not read yet.
    fn due_in(&self, batch: &InBatch) -> Option<Due> {
        let mut blocks = batch.header.blocks();
        blocks.find_map(|(entry, start)| {
            let appends = entry.appends().filter(|appends| appends.shard == self.shard)?;
            let is_due = appends.end_offset > self.expected;
            let block = batch.position + start as u64;
            is_due.then_some(Due { entry: entry.clone(), appends, batch: batch.position, block })
        })
    }

    /// The run of an entry.
    fn run(&mut self, segment: &Segment<'_>, due: &Due) -> Result<Next, ReadError> {
        let sequence = segment.header.sequence;
        let Appends { first_offset, end_offset: offset, arrival_ms, .. } = due.appends;
        // Where its batch begins: whoever looks for what is missing behind it begins with a batch.
        let location = Location { segment: sequence, position: due.batch };
        if arrival_ms < self.arrival_ms {
            self.go_on(offset, location);
            return Ok(Next::Passed { offset });
        }
        self.check_gap(first_offset, location)?;
        let records = u32::try_from(offset - first_offset).unwrap_or(u32::MAX);
        match segment.block(&due.entry, records, due.block) {
            Ok(block) => {
                self.go_on(offset, location);
                Ok(Next::Run(ReadRun { first_offset, arrival_ms, block }))
            }
            Err(ReadError::Corrupt(_)) if self.is_accepted(sequence, due.block, &due.entry) => {
                self.count_passed();
                self.go_on(offset, location);
                Ok(Next::Passed { offset })
            }
            Err(error) => Err(error),
        }
    }

    /// Nothing is missing up to this offset, whose record lies at this place or behind.
    fn go_on(&mut self, offset: u64, from: Location) {
        (self.expected, self.from, self.met) = (offset, from, None);
    }

    /// Notes corruption on the way. Only the next offset says whether the shard misses records by it.
    fn meet(&mut self, corrupt: &CorruptRange) {
        if self.met.is_none() {
            self.met = corrupt.outside(&self.shared.published().accepted_losses);
        }
    }

    /// Refuses a gap before a location, unless all corruption on the way to it is an accepted loss.
    fn check_gap(&self, offset: u64, location: Location) -> Result<(), ReadError> {
        if offset <= self.expected {
            return Ok(());
        }
        if self.wait == Wait::Never {
            return Err(ReadError::WouldBlock);
        }
        // Not only what was met: index entries may have led past something, and what the disk did not give it may give
        // by now.
        let looked = corruption_between(self.shared, self.from, location);
        if let Some(newer) = looked.newer {
            return Err(newer.into());
        }
        let corrupt = looked.corrupt;
        let corruption: Vec<_> = {
            let accepted_losses = &self.shared.published().accepted_losses;
            corrupt.iter().filter_map(|corrupt| corrupt.outside(accepted_losses)).collect()
        };
        // The answer names one piece; accepting the loss accepts all.
        corruption.iter().for_each(|corruption| self.shared.note(corruption));
        let corruption = corruption.into_iter().next().or_else(|| self.met.clone());
        // Offsets may have been skipped for corruption, or behind an accepted corrupt tail, and its bytes may be good
        // again: what follows has other offsets all the same.
        let is_gap_accepted = || {
            offset == first_number_in(location.segment)
                || self.shared.published().accepted_losses.holds(location)
        };
        let is_accepted = !corrupt.is_empty() || is_gap_accepted();
        if corruption.is_none() && is_accepted {
            self.count_passed();
            return Ok(());
        }
        let missing = || {
            let what = format!("records {} to {} of {} are missing", self.expected, offset - 1, self.shard);
            Corruption {
                is_gap: true,
                ..Corruption::new(&segment_name(location.segment), location.position, what)
            }
        };
        Err(ReadError::Corrupt(corruption.unwrap_or_else(missing)))
    }

    fn is_accepted(&self, segment: u64, start: u64, entry: &EntryHeader) -> bool {
        let range = SegmentRange { segment, start, end: start + u64::from(entry.block_bytes) };
        self.shared.published().accepted_losses.first_outside(range).is_none()
    }

    fn count_passed(&self) {
        self.shared.segments.count(|counts| counts.losses_passed += 1);
    }

    /// Enters the next segment, or passes it where it cannot be entered. Gives the offset up to which nothing more
    /// comes, if that is new.
    fn enter(&mut self) -> Result<Option<u64>, ReadError> {
        let sequence = self.next;
        let (oldest, newest) = {
            let published = self.shared.published();
            let newest = &published.newest;
            (published.oldest, Location { segment: newest.header.sequence, position: newest.end })
        };
        if sequence > newest.segment {
            self.check_gap(self.end_offset, newest)?;
            self.go_on(self.end_offset, newest);
            return Ok(Some(self.end_offset));
        }
        let opened =
            Segment::open(self.shared, sequence, self.shard, self.expected, self.arrival_ms, self.wait);
        let segment = match opened {
            Ok(segment) => segment,
            Err(Unavailable::WouldBlock) => return Err(ReadError::WouldBlock),
            Err(unavailable @ (Unavailable::NoFile | Unavailable::Corrupt(_) | Unavailable::Newer(_))) => {
                // The header of the next one tells whether records of the shard are missing.
                self.meet(&CorruptRange { range: SegmentRange::header(sequence), what: unavailable.what() });
                self.next = sequence + 1;
                return Ok(None);
            }
        };
        let before = segment.header.state().shards.get(&self.shard);
        let (next_offset, last_arrival_ms) =
            before.map_or((0, 0), |shard| (shard.next_offset, shard.last_arrival_ms));
        // What was before the oldest segment has expired.
        let is_no_matter = sequence <= oldest || last_arrival_ms < self.arrival_ms;
        if !is_no_matter {
            self.check_gap(next_offset, Location { segment: sequence, position: 0 })?;
        }
        // An index entry leads past corruption before it, unless it is the entry of a record that was read.
        let read = segment.entry.filter(|entry| entry.first_offset <= self.expected);
        let position = read.map_or(segment.header.bytes, |entry| entry.position);
        self.segment = Some(segment);
        let passed = (next_offset > self.expected).then_some(next_offset);
        self.go_on(self.expected.max(next_offset), Location { segment: sequence, position });
        Ok(passed)
    }
}
