//! Goes from run to run of one shard, over the segments on the disk.

use catalog::ShardId;

use crate::error::{Corruption, ReadError};
use crate::format::batch::{BatchHeader, EntryHeader, EntryKind};
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
    TooLarge,
    /// Nothing is left.
    End,
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
    /// Corruption that was met since the last good run, and is no accepted loss.
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
            if !segment.skip_to_entry()? {
                self.next = segment.header.sequence + 1;
                continue;
            }
            let found = segment.next()?;
            if let Some(corrupt) = found.corrupt {
                self.meet(&corrupt);
            }
            let entry =
                found.batch.as_ref().and_then(|(header, at)| Some((header, *at, self.entry_of(header)?)));
            let next = match entry {
                None => None,
                Some((_, at, (entry, _))) if entry.block_bytes as usize > room_bytes => {
                    segment.position = at;
                    self.shared.segments.count(|counts| counts.runs_left += 1);
                    Some(Ok(Next::TooLarge))
                }
                Some((header, at, (entry, start))) => Some(self.run(&segment, header, at, entry, start)),
            };
            self.segment = Some(segment);
            if let Some(next) = next {
                return next;
            }
        }
    }

    /// The shard's entry in a batch, if it has records that were not read yet, and where its block begins.
    fn entry_of(&self, header: &BatchHeader) -> Option<(EntryHeader, usize)> {
        let mut blocks = header.blocks();
        let (entry, start) =
            blocks.find(|(entry, _)| entry.kind == EntryKind::Append && entry.shard == self.shard)?;
        (end_of(entry) > self.expected).then_some((*entry, start))
    }

    /// The run that was found in the batch at a position.
    fn run(
        &mut self,
        segment: &Segment<'_>,
        header: &BatchHeader,
        at: u64,
        entry: EntryHeader,
        start: usize,
    ) -> Result<Next, ReadError> {
        let sequence = segment.header.sequence;
        let behind = Location { segment: sequence, position: at + header.bytes() as u64 };
        let (first_offset, offset) = (entry.first_offset, end_of(&entry));
        if header.arrival_ms < self.arrival_ms {
            self.go_on(offset, behind);
            return Ok(Next::Passed { offset });
        }
        self.check_gap(first_offset, Location { segment: sequence, position: at })?;
        let position = at + start as u64;
        match segment.block(&entry, position) {
            Ok(block) => {
                self.go_on(offset, behind);
                Ok(Next::Run(ReadRun { first_offset, arrival_ms: header.arrival_ms, block }))
            }
            Err(ReadError::Corrupt(_)) if self.is_accepted(sequence, position, &entry) => {
                self.count_passed();
                self.go_on(offset, behind);
                Ok(Next::Passed { offset })
            }
            Err(error) => Err(error),
        }
    }

    /// Nothing is missing up to this offset, and its record lies behind this location.
    fn go_on(&mut self, offset: u64, from: Location) {
        (self.expected, self.from, self.met) = (offset, from, None);
    }

    /// Notes corruption on the way. Only the next offset says whether the shard misses records by it.
    fn meet(&mut self, corrupt: &CorruptRange) {
        if self.met.is_none() {
            self.met = corrupt.outside(&self.shared.published().state.accepted_losses);
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
        // Not only what was met: the index may have led past corruption, and the disk may give by now what it did not
        // give before.
        let corrupt = corruption_between(self.shared, self.from, location);
        let corruption: Vec<_> = {
            let accepted_losses = &self.shared.published().state.accepted_losses;
            corrupt.iter().filter_map(|corrupt| corrupt.outside(accepted_losses)).collect()
        };
        // The answer names one piece; accepting the loss accepts all.
        corruption.iter().for_each(|corruption| self.shared.note(corruption));
        let corruption = corruption.into_iter().next().or_else(|| self.met.clone());
        // Offsets may have been skipped for corruption, or behind an accepted corrupt tail, and its bytes may be good
        // again: what follows has other offsets all the same.
        let is_gap_accepted = || {
            offset == first_number_in(location.segment)
                || self.shared.published().state.accepted_losses.holds(location)
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
        self.shared.published().state.accepted_losses.first_outside(range).is_none()
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
            Err(unavailable @ (Unavailable::NoFile | Unavailable::Corrupt(_))) => {
                // The next segment's header says whether the shard lost anything with this one.
                self.meet(&CorruptRange { range: SegmentRange::header(sequence), what: unavailable.what() });
                self.next = sequence + 1;
                return Ok(None);
            }
        };
        let before = segment.header.state.shards.get(&self.shard);
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

fn end_of(entry: &EntryHeader) -> u64 {
    entry.first_offset + u64::from(entry.records)
}
