//! Goes from run to run of one shard, over the segments on the disk.

use catalog::ShardId;

use crate::accepted::Stretch;
use crate::error::{Damage, ReadError};
use crate::format::batch::BatchHeader;
use crate::format::entry::{Appends, EntryHeader};
use crate::format::segment_name;
use crate::lost::{Bad, bad_between};
use crate::place::Place;
use crate::segments::{Missing, damage};
use crate::shared::Shared;
use crate::value::{ReadRun, Wait};
use crate::writer::lost_end::first_number_in;

mod find;
mod segment;

use segment::Segment;

/// What comes next.
pub enum Next {
    /// A run.
    Run(ReadRun),
    /// Nothing up to this offset: what was there is expired, or damaged and given up.
    Passed {
        /// Where it goes on.
        offset: u64,
    },
    /// There is a run, but no room for all of it: it was not read, and comes next again.
    TooLarge,
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
    /// The offset that must come next: a jump is damage.
    expected: u64,
    /// Behind which no record is missing up to the expected offset.
    from: Place,
    /// Runs that arrived before are passed over, and what is missing among them is no matter.
    arrival_ms: u64,
    /// The offset behind the last record that is to be read.
    end_offset: u64,
    wait: Wait,
    /// The segment to go into next.
    next: u64,
    segment: Option<Segment<'s>>,
    /// The batch that it is in.
    batch: Option<InBatch>,
    /// What was bad on the way since the last good run, and is not given up.
    met: Option<Damage>,
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
            from: Place { segment: 0, position: 0 },
            arrival_ms,
            end_offset,
            wait,
            next: 0,
            segment: None,
            batch: None,
            met: None,
        };
        let first = runs.find_segment()?;
        Ok(Self { next: first, from: Place { segment: first, position: 0 }, ..runs })
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
                let next = match due.entry.block_bytes as usize > room_bytes {
                    true => {
                        self.shared.segments.count(|counts| counts.runs_left += 1);
                        Ok(Next::TooLarge)
                    }
                    false => self.run(&segment, &due),
                };
                self.segment = Some(segment);
                return next;
            }
            self.batch = None;
            if !segment.go_to_mark()? {
                self.next = segment.head.sequence + 1;
                continue;
            }
            let found = segment.next()?;
            if let Some(bad) = found.bad {
                self.meet(&bad);
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
            is_due.then_some(Due { entry: *entry, appends, batch: batch.position, block })
        })
    }

    /// The run of an entry.
    fn run(&mut self, segment: &Segment<'_>, due: &Due) -> Result<Next, ReadError> {
        let sequence = segment.head.sequence;
        let Appends { first_offset, end_offset: offset, arrival_ms, .. } = due.appends;
        // Where its batch begins: whoever looks for what is missing behind it begins with a batch.
        let place = Place { segment: sequence, position: due.batch };
        if arrival_ms < self.arrival_ms {
            self.go_on(offset, place);
            return Ok(Next::Passed { offset });
        }
        self.check_gap(first_offset, place)?;
        let records = u32::try_from(offset - first_offset).unwrap_or(u32::MAX);
        match segment.block(&due.entry, records, due.block) {
            Ok(block) => {
                self.go_on(offset, place);
                Ok(Next::Run(ReadRun { first_offset, arrival_ms, block }))
            }
            Err(ReadError::Damaged(_)) if self.is_given_up(sequence, due.block, &due.entry) => {
                self.count_passed();
                self.go_on(offset, place);
                Ok(Next::Passed { offset })
            }
            Err(error) => Err(error),
        }
    }

    /// Nothing is missing up to this offset, whose record lies at this place or behind.
    fn go_on(&mut self, offset: u64, from: Place) {
        (self.expected, self.from, self.met) = (offset, from, None);
    }

    /// Notes something bad on the way. Whether any of the shard's records are missing by it, only the next offset says.
    fn meet(&mut self, bad: &Bad) {
        if self.met.is_none() {
            self.met = bad.outside(&self.shared.published().accepted);
        }
    }

    /// Records up to this offset are missing before a place: that is damage, unless all that is bad on the way there
    /// was given up.
    fn check_gap(&self, offset: u64, place: Place) -> Result<(), ReadError> {
        if offset <= self.expected {
            return Ok(());
        }
        if self.wait == Wait::Never {
            return Err(ReadError::WouldBlock);
        }
        // Not only what was met: marks may have led past something, and what the disk did not give it may give by now.
        let looked = bad_between(self.shared, self.from, place);
        if let Some(newer) = looked.newer {
            return Err(newer.into());
        }
        let bad = looked.bad;
        let damage: Vec<_> = {
            let accepted = &self.shared.published().accepted;
            bad.iter().filter_map(|bad| bad.outside(accepted)).collect()
        };
        // The answer names one of them, and who accepts the loss accepts all.
        damage.iter().for_each(|damage| self.shared.note(damage));
        let damage = damage.into_iter().next().or_else(|| self.met.clone());
        // What was bad when offsets were left out for it, or a lost end was given up, may be good again: what follows has
        // other numbers all the same.
        let is_gap_given_up =
            || offset == first_number_in(place.segment) || self.shared.published().accepted.holds(place);
        let is_given_up = !bad.is_empty() || is_gap_given_up();
        if damage.is_none() && is_given_up {
            self.count_passed();
            return Ok(());
        }
        let missing = || {
            let what = format!("records {} to {} of {} are missing", self.expected, offset - 1, self.shard);
            Damage { is_gap: true, ..self::damage(&segment_name(place.segment), place.position, what) }
        };
        Err(ReadError::Damaged(damage.unwrap_or_else(missing)))
    }

    fn is_given_up(&self, segment: u64, start: u64, entry: &EntryHeader) -> bool {
        let stretch = Stretch { segment, start, end: start + u64::from(entry.block_bytes) };
        self.shared.published().accepted.first_outside(stretch).is_none()
    }

    fn count_passed(&self) {
        self.shared.segments.count(|counts| counts.damage_passed += 1);
    }

    /// Goes into the segment that is due, or past it where it cannot be entered. Up to which offset nothing more comes,
    /// if that is news.
    fn enter(&mut self) -> Result<Option<u64>, ReadError> {
        let sequence = self.next;
        let (oldest, newest) = {
            let published = self.shared.published();
            let newest = &published.newest;
            (published.oldest, Place { segment: newest.head.sequence, position: newest.end })
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
            Err(Missing::WouldBlock) => return Err(ReadError::WouldBlock),
            Err(missing @ (Missing::NoFile | Missing::Damaged(_) | Missing::Newer(_))) => {
                // The next one's head says whether the shard lost anything with it.
                self.meet(&Bad { stretch: Stretch::head(sequence), what: missing.what() });
                self.next = sequence + 1;
                return Ok(None);
            }
        };
        let before = segment.head.state().shards.get(&self.shard);
        let (next_offset, last_arrival_ms) =
            before.map_or((0, 0), |shard| (shard.next_offset, shard.last_arrival_ms));
        // What was before the oldest segment has expired.
        let is_no_matter = sequence <= oldest || last_arrival_ms < self.arrival_ms;
        if !is_no_matter {
            self.check_gap(next_offset, Place { segment: sequence, position: 0 })?;
        }
        // A mark leads past what is bad before it, unless it is one of a record that was read.
        let read = segment.mark.filter(|mark| mark.first_offset <= self.expected);
        let position = read.map_or(segment.head.bytes, |mark| mark.position);
        self.segment = Some(segment);
        let passed = (next_offset > self.expected).then_some(next_offset);
        self.go_on(self.expected.max(next_offset), Place { segment: sequence, position });
        Ok(passed)
    }
}
