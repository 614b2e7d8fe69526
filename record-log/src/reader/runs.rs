//! Goes from run to run of one shard, over the segments on the disk.

use std::sync::Arc;

use bytes::Bytes;
use catalog::ShardId;

use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::error::{Damage, ReadError};
use crate::format::batch::{BATCH_HEAD_BYTES, BatchHead, EntryHead, EntryKind};
use crate::format::head::Head;
use crate::format::segment_name;
use crate::marks::{Mark, Marks, STRIDE_BYTES};
use crate::record::RecordBlock;
use crate::scan::{Scan, Step};
use crate::segments::{Missing, damage};
use crate::shared::Shared;
use crate::state::Place;
use crate::value::{ReadRun, Wait};
use crate::window::{From, Window};

/// How much is read at once while looking for a shard's runs.
const PIECE_BYTES: usize = 32 << 10;

/// What comes next.
pub enum Next {
    /// A run.
    Run(ReadRun),
    /// Nothing up to this offset: what was there is expired, or damaged and given up.
    Passed {
        /// Where it goes on.
        offset: u64,
    },
    /// There is a run, but no room for all of it: it was not read.
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
    /// Runs that arrived before are passed over, and what is missing among them is no matter.
    arrival_ms: u64,
    /// The offset behind the last record that is to be read.
    end_offset: u64,
    wait: Wait,
    /// The segment to go into next.
    next: u64,
    segment: Option<Segment>,
    /// What was bad on the way since the last good run.
    met: Option<Damage>,
}

/// The segment that it is in.
struct Segment {
    head: Arc<Head>,
    file: Arc<dyn DiskFile>,
    /// The shard's marks; none in memory for the newest segment, whose marks grow.
    marks: Option<Arc<Marks>>,
    end: u64,
    position: u64,
    /// The last mark that was passed; none where there is nothing of the shard.
    mark: Option<Mark>,
    window: Window,
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
            arrival_ms,
            end_offset,
            wait,
            next: 0,
            segment: None,
            met: None,
        };
        let first = runs.find_segment()?;
        Ok(Self { next: first, ..runs })
    }

    /// The next run, in order, if it has no more than so many bytes.
    pub fn next(&mut self, room_bytes: usize) -> Result<Next, ReadError> {
        loop {
            if self.expected >= self.end_offset {
                return Ok(Next::End);
            }
            let Some(mut segment) = self.segment.take() else {
                if let Some(passed) = self.enter()? {
                    return Ok(passed);
                }
                continue;
            };
            if !self.go_to_mark(&mut segment)? {
                self.next = segment.head.sequence + 1;
                continue;
            }
            let place = Place { segment: segment.head.sequence, position: segment.position };
            let found = self.heads(&mut segment)?;
            let entry = found.as_ref().and_then(|(head, at)| Some((head, *at, self.entry_of(head)?)));
            let outcome = match entry {
                Some((_, _, (entry, _))) if entry.block_bytes as usize > room_bytes => {
                    self.shared.segments.count(|counts| counts.runs_left += 1);
                    Ok(Some(Next::TooLarge))
                }
                Some((head, at, (entry, start))) => {
                    self.run(&mut segment, place, head, entry, at + start as u64)
                }
                None => Ok(None),
            };
            self.segment = Some(segment);
            if let Some(next) = outcome? {
                return Ok(next);
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

    /// What to do with a run that was found.
    fn run(
        &mut self,
        segment: &mut Segment,
        place: Place,
        head: &BatchHead,
        entry: EntryHead,
        position: u64,
    ) -> Result<Option<Next>, ReadError> {
        let behind = end_of(&entry);
        if head.arrival_ms < self.arrival_ms {
            self.expected = behind;
            return Ok(Some(Next::Passed { offset: behind }));
        }
        if let Some(passed) = self.check_gap(entry.first_offset, place)? {
            return Ok(Some(passed));
        }
        match self.block(segment, &entry, position) {
            Ok(block) => {
                self.expected = behind;
                self.met = None;
                Ok(Some(Next::Run(ReadRun {
                    first_offset: entry.first_offset,
                    arrival_ms: head.arrival_ms,
                    block,
                })))
            }
            Err(ReadError::Damaged(_)) if self.is_given_up(place) => {
                self.expected = behind;
                self.pass().map(Some)
            }
            Err(error) => Err(error),
        }
    }

    /// Records up to this offset are missing before a place: that is damage, unless it was given up.
    fn check_gap(&mut self, offset: u64, place: Place) -> Result<Option<Next>, ReadError> {
        if offset <= self.expected {
            return Ok(None);
        }
        if self.is_given_up(place) {
            self.expected = offset;
            return self.pass().map(Some);
        }
        let missing = || {
            let what = format!("records {} to {} of {} are missing", self.expected, offset - 1, self.shard);
            damage(&segment_name(place.segment), place.position, what)
        };
        Err(ReadError::Damaged(self.met.clone().unwrap_or_else(missing)))
    }

    fn pass(&mut self) -> Result<Next, ReadError> {
        self.met = None;
        self.shared.segments.count(|counts| counts.damage_passed += 1);
        Ok(Next::Passed { offset: self.expected })
    }

    fn is_given_up(&self, place: Place) -> bool {
        place <= self.shared.published().state.accepted
    }

    /// Goes into the segment that is due; or past it where it cannot be entered.
    fn enter(&mut self) -> Result<Option<Next>, ReadError> {
        let sequence = self.next;
        let (oldest, newest, newest_end) = {
            let published = self.shared.published();
            let newest = &published.newest;
            (published.oldest, newest.head.sequence, newest.end)
        };
        if sequence > newest {
            let passed = self.check_gap(self.end_offset, Place { segment: newest, position: newest_end })?;
            return Ok(Some(passed.unwrap_or(Next::End)));
        }
        let segment = match self.open(sequence) {
            Ok(segment) => segment,
            Err(Missing::WouldBlock) => return Err(ReadError::WouldBlock),
            Err(missing @ (Missing::NoFile | Missing::Damaged(_))) => {
                // The next one's head says whether the shard lost anything with it.
                if let (None, ReadError::Damaged(damage)) = (&self.met, missing.refuse(sequence)) {
                    self.met = Some(damage);
                }
                self.next = sequence + 1;
                return Ok(None);
            }
        };
        let place = Place { segment: sequence, position: 0 };
        let before = segment
            .head
            .state
            .shards
            .get(&self.shard)
            .map(|shard| (shard.next_offset, shard.last_arrival_ms));
        self.segment = Some(segment);
        let Some((next_offset, last_arrival_ms)) = before else { return Ok(None) };
        // What was before the oldest segment has expired.
        if next_offset > self.expected && (sequence <= oldest || last_arrival_ms < self.arrival_ms) {
            self.expected = next_offset;
            return Ok(Some(Next::Passed { offset: next_offset }));
        }
        self.check_gap(next_offset, place)
    }

    fn open(&self, sequence: u64) -> Result<Segment, Missing> {
        let newest = {
            let newest = &self.shared.published().newest;
            (newest.head.sequence == sequence)
                .then(|| (Arc::clone(&newest.head), Arc::clone(&newest.file), newest.end))
        };
        let segments = &self.shared.segments;
        let (head, file, marks, end) = match newest {
            Some((head, file, end)) => (head, file, None, end),
            None => {
                let closed = segments.closed(sequence, self.wait)?;
                let marks = segments.marks(&closed, self.shard, self.wait)?;
                (closed.head, segments.file(sequence)?, Some(marks), closed.end)
            }
        };
        let window = Window::new(Arc::clone(&file), From::Anywhere(self.wait), PIECE_BYTES);
        let mut segment = Segment { position: head.bytes, head, file, marks, end, mark: None, window };
        let (offset, arrival_ms) = (self.expected, self.arrival_ms);
        segment.mark = self.mark(&segment, |marks| {
            let candidates = [marks.of_offset(offset), marks.of_arrival(arrival_ms)];
            candidates.into_iter().flatten().max_by_key(|mark| mark.position)
        })?;
        segment.position = segment.mark.map_or(segment.end, |mark| mark.position);
        Ok(segment)
    }

    /// Looks something up in the shard's marks.
    fn mark(
        &self,
        segment: &Segment,
        look: impl Fn(&Marks) -> Option<Mark>,
    ) -> Result<Option<Mark>, Missing> {
        if let Some(marks) = &segment.marks {
            return Ok(look(marks));
        }
        let sequence = segment.head.sequence;
        {
            let newest = &self.shared.published().newest;
            if newest.head.sequence == sequence {
                return Ok(newest.marks.shards.get(&self.shard).and_then(look));
            }
        }
        // It was closed meanwhile.
        let segments = &self.shared.segments;
        let closed = segments.closed(sequence, self.wait)?;
        Ok(look(&*segments.marks(&closed, self.shard, self.wait)?))
    }

    /// Jumps to the next mark where there is a long way to it without runs of the shard; whether anything is left.
    fn go_to_mark(&mut self, segment: &mut Segment) -> Result<bool, ReadError> {
        let position = segment.position;
        if segment.mark.is_some_and(|mark| position >= mark.position + STRIDE_BYTES) && position < segment.end
        {
            let next = self.mark(segment, |marks| marks.at_or_behind(position));
            segment.mark = next.map_err(|missing| missing.refuse(segment.head.sequence))?;
            segment.position = segment.mark.map_or(segment.end, |mark| mark.position);
        }
        Ok(segment.position < segment.end)
    }

    /// The heads of the batch that is due and where it begins; nothing where a stretch is bad: then the position is behind.
    fn heads(&mut self, segment: &mut Segment) -> Result<Option<(BatchHead, u64)>, ReadError> {
        let (position, nonce) = (segment.position, segment.head.nonce);
        match segment.heads(position) {
            Ok(head) => {
                segment.position = position + head.bytes() as u64;
                return Ok(Some((head, position)));
            }
            Err(Unread::WouldBlock) => return Err(ReadError::WouldBlock),
            Err(Unread::Bad) if self.wait == Wait::Never => return Err(ReadError::WouldBlock),
            Err(Unread::Bad) => {}
        }
        // The disk itself has the last word.
        let mut scan = Scan::new(Arc::clone(&segment.file), nonce, position, segment.end, false);
        let mut found = scan.next();
        if let Some(Step::Bad { wrong, .. }) = &found {
            let what = wrong.what.clone();
            self.met.get_or_insert_with(|| damage(&segment_name(segment.head.sequence), position, what));
            found = scan.next();
        }
        match found {
            Some(Step::Batch { position, head, .. }) => {
                segment.position = position + head.bytes() as u64;
                Ok(Some((head, position)))
            }
            Some(Step::Bad { .. }) | None => {
                segment.position = segment.end;
                Ok(None)
            }
        }
    }

    /// The records of a run, checked.
    fn block(
        &self,
        segment: &mut Segment,
        entry: &EntryHead,
        position: u64,
    ) -> Result<RecordBlock, ReadError> {
        let bad =
            |what: String| ReadError::Damaged(damage(&segment_name(segment.head.sequence), position, what));
        let mut bytes = vec![0; entry.block_bytes as usize];
        let read = segment.window.read_exact(position, &mut bytes);
        let good = match read {
            Ok(()) => entry.check(&bytes).is_ok(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(ReadError::WouldBlock);
            }
            Err(_) => false,
        };
        if !good {
            if self.wait == Wait::Never {
                return Err(ReadError::WouldBlock);
            }
            let read =
                segment.file.read_disk(position, &mut bytes).map_err(|error| bad(error.to_string()))?;
            entry.check(&bytes[..read]).map_err(|invalid| bad(invalid.to_string()))?;
        }
        RecordBlock::parse_again(entry.records, Bytes::from(bytes))
            .map_err(|invalid| bad(invalid.to_string()))
    }

    /// The newest segment before which all that is asked for cannot be: where to begin.
    fn find_segment(&self) -> Result<u64, ReadError> {
        let (mut low, mut high) = {
            let published = self.shared.published();
            (published.oldest, published.newest.head.sequence)
        };
        // Invariant: the answer is in low..=high. A segment whose head is bad says nothing.
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.first_good_head(middle, high)? {
                Some(head) if self.begins_before(&head) => low = head.sequence,
                Some(_) | None => high = middle - 1,
            }
        }
        Ok(low)
    }

    /// The first good head from one segment to another.
    fn first_good_head(&self, from: u64, to: u64) -> Result<Option<Arc<Head>>, ReadError> {
        for sequence in from..=to {
            match self.shared.segments.head(sequence, self.wait) {
                Ok(head) => return Ok(Some(head)),
                Err(Missing::WouldBlock) => return Err(ReadError::WouldBlock),
                Err(Missing::NoFile | Missing::Damaged(_)) => {}
            }
        }
        Ok(None)
    }

    /// Whether nothing that is asked for lies before a segment.
    fn begins_before(&self, head: &Head) -> bool {
        let next_offset = head.state.shards.get(&self.shard).map_or(0, |shard| shard.next_offset);
        next_offset <= self.expected || head.state.last_arrival_ms < self.arrival_ms
    }
}

/// Why there are no heads.
enum Unread {
    WouldBlock,
    Bad,
}

impl Segment {
    fn heads(&mut self, position: u64) -> Result<BatchHead, Unread> {
        let nonce = self.head.nonce;
        let bytes = self.window.get(position, BATCH_HEAD_BYTES).map_err(Unread::of)?;
        let heads_bytes = BatchHead::peek(nonce, bytes).map_err(|_| Unread::Bad)?;
        let bytes = self.window.get(position, heads_bytes).map_err(Unread::of)?;
        let head = BatchHead::decode(nonce, bytes).map_err(|_| Unread::Bad)?;
        // Behind the heads of a large batch lie its records, which are read where they are to stay.
        let is_large = head.bytes() > PIECE_BYTES;
        self.window.set_piece_bytes(if is_large { BLOCK_BYTES } else { PIECE_BYTES });
        Ok(head)
    }
}

impl Unread {
    fn of(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::WouldBlock { Self::WouldBlock } else { Self::Bad }
    }
}

fn end_of(entry: &EntryHead) -> u64 {
    entry.first_offset + u64::from(entry.records)
}
