//! Goes from run to run of one shard, over the segments on the disk.

use catalog::ShardId;

use crate::accepted::Stretch;
use crate::error::{Damage, ReadError};
use crate::format::batch::{BatchHead, EntryHead, EntryKind};
use crate::format::segment_name;
use crate::log::lost_end::first_number_in;
use crate::lost::{Bad, bad_between};
use crate::segments::{Missing, damage};
use crate::shared::Shared;
use crate::state::Place;
use crate::value::{ReadRun, Wait};

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
            if !segment.go_to_mark()? {
                self.next = segment.head.sequence + 1;
                continue;
            }
            let found = segment.next()?;
            if let Some(bad) = found.bad {
                self.meet(&bad);
            }
            let entry = found.batch.as_ref().and_then(|(head, at)| Some((head, *at, self.entry_of(head)?)));
            let next = match entry {
                None => None,
                Some((_, at, (entry, _))) if entry.block_bytes as usize > room_bytes => {
                    segment.position = at;
                    self.shared.segments.count(|counts| counts.runs_left += 1);
                    Some(Ok(Next::TooLarge))
                }
                Some((head, at, (entry, start))) => Some(self.run(&segment, head, at, entry, start)),
            };
            self.segment = Some(segment);
            if let Some(next) = next {
                return next;
            }
        }
    }

    /// The shard's entry in a batch, if it has records that were not read yet, and where its block begins.
    fn entry_of(&self, head: &BatchHead) -> Option<(EntryHead, usize)> {
        let mut blocks = head.blocks();
        let (entry, start) =
            blocks.find(|(entry, _)| entry.kind == EntryKind::Append && entry.shard == self.shard)?;
        (end_of(entry) > self.expected).then_some((*entry, start))
    }

    /// The run that was found in the batch at a position.
    fn run(
        &mut self,
        segment: &Segment<'_>,
        head: &BatchHead,
        at: u64,
        entry: EntryHead,
        start: usize,
    ) -> Result<Next, ReadError> {
        let sequence = segment.head.sequence;
        let behind = Place { segment: sequence, position: at + head.bytes() as u64 };
        let (first_offset, offset) = (entry.first_offset, end_of(&entry));
        if head.arrival_ms < self.arrival_ms {
            self.go_on(offset, behind);
            return Ok(Next::Passed { offset });
        }
        self.check_gap(first_offset, Place { segment: sequence, position: at })?;
        let position = at + start as u64;
        match segment.block(&entry, position) {
            Ok(block) => {
                self.go_on(offset, behind);
                Ok(Next::Run(ReadRun { first_offset, arrival_ms: head.arrival_ms, block }))
            }
            Err(ReadError::Damaged(_)) if self.is_given_up(sequence, position, &entry) => {
                self.count_passed();
                self.go_on(offset, behind);
                Ok(Next::Passed { offset })
            }
            Err(error) => Err(error),
        }
    }

    /// Nothing is missing up to this offset, whose record lies behind this place.
    fn go_on(&mut self, offset: u64, from: Place) {
        (self.expected, self.from, self.met) = (offset, from, None);
    }

    /// Notes something bad on the way. Whether any of the shard's records are missing by it, only the next offset says.
    fn meet(&mut self, bad: &Bad) {
        if self.met.is_none() {
            self.met = bad.outside(&self.shared.published().state.accepted);
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
        let bad = bad_between(self.shared, self.from, place);
        let damage: Vec<_> = {
            let accepted = &self.shared.published().state.accepted;
            bad.iter().filter_map(|bad| bad.outside(accepted)).collect()
        };
        // The answer names one of them, and who accepts the loss accepts all.
        damage.iter().for_each(|damage| self.shared.note(damage));
        let damage = damage.into_iter().next().or_else(|| self.met.clone());
        // What was bad when offsets were left out for it, or a lost end was given up, may be good again: what follows has
        // other numbers all the same.
        let is_gap_given_up = || {
            offset == first_number_in(place.segment) || self.shared.published().state.accepted.holds(place)
        };
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

    fn is_given_up(&self, segment: u64, start: u64, entry: &EntryHead) -> bool {
        let stretch = Stretch { segment, start, end: start + u64::from(entry.block_bytes) };
        self.shared.published().state.accepted.first_outside(stretch).is_none()
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
            Err(missing @ (Missing::NoFile | Missing::Damaged(_))) => {
                // The next one's head says whether the shard lost anything with it.
                self.meet(&Bad { stretch: Stretch::head(sequence), what: missing.what() });
                self.next = sequence + 1;
                return Ok(None);
            }
        };
        let before = segment.head.state.shards.get(&self.shard);
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

fn end_of(entry: &EntryHead) -> u64 {
    entry.first_offset + u64::from(entry.records)
}
