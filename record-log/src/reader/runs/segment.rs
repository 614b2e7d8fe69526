//! The segment that a reader is in.

use std::sync::Arc;

use bytes::Bytes;
use catalog::ShardId;

use crate::accepted::Stretch;
use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::error::{NewerFile, ReadError};
use crate::format::batch::{BATCH_HEADER_BYTES, BatchHeader, Decoded};
use crate::format::entry::EntryHeader;
use crate::format::header::SegmentHeader;
use crate::format::{Newer, Unknown, segment_name};
use crate::lost::Bad;
use crate::marks::{Mark, Marks};
use crate::record::RecordBlock;
use crate::scan::{Scan, Step};
use crate::segments::{Missing, damage};
use crate::shared::Shared;
use crate::value::Wait;
use crate::window::{From, Window};

/// How much is read at once while looking for a shard's runs.
const PIECE_BYTES: usize = 32 << 10;

/// Goes from batch to batch of one segment, as far as it went when it was opened.
pub struct Segment<'s> {
    shared: &'s Shared,
    shard: ShardId,
    wait: Wait,
    /// Its head.
    pub head: Arc<SegmentHeader>,
    file: Arc<dyn DiskFile>,
    /// The shard's marks; none in memory for the newest segment, whose marks grow.
    marks: Option<Arc<Marks>>,
    end: u64,
    /// Where the next batch begins.
    pub position: u64,
    /// The last mark that is known to be passed; none where there is nothing of the shard.
    pub mark: Option<Mark>,
    window: Window,
}

/// What is next in a segment.
#[derive(Default)]
pub struct Found {
    /// A stretch that is bad, before the batch.
    pub bad: Option<Bad>,
    /// The heads of a batch and where it begins; none where the segment ends.
    pub batch: Option<(BatchHeader, u64)>,
}

impl<'s> Segment<'s> {
    /// Goes into a segment, to where records from this offset and this arrival on begin, or a little before.
    pub fn open(
        shared: &'s Shared,
        sequence: u64,
        shard: ShardId,
        offset: u64,
        arrival_ms: u64,
        wait: Wait,
    ) -> Result<Self, Missing> {
        let newest = {
            let newest = &shared.published().newest;
            (newest.head.sequence == sequence)
                .then(|| (Arc::clone(&newest.head), Arc::clone(&newest.file), newest.end))
        };
        let segments = &shared.segments;
        let (head, file, marks, end) = match newest {
            Some((head, file, end)) => (head, file, None, end),
            None => {
                let closed = segments.closed(sequence, wait)?;
                let marks = segments.marks(&closed, shard, wait)?;
                (closed.head, segments.file(sequence)?, Some(marks), closed.end)
            }
        };
        let window = Window::new(Arc::clone(&file), From::Anywhere(wait), PIECE_BYTES);
        let position = head.bytes;
        let mut segment = Self { shared, shard, wait, head, file, marks, end, position, mark: None, window };
        segment.mark = segment.look_up(|marks| {
            let candidates = [marks.of_offset(offset), marks.of_arrival(arrival_ms)];
            candidates.into_iter().flatten().max_by_key(|mark| mark.position)
        })?;
        segment.position = segment.mark.map_or(end, |mark| mark.position);
        Ok(segment)
    }

    /// Looks something up in the shard's marks.
    fn look_up<T: Default>(&self, look: impl Fn(&Marks) -> T) -> Result<T, Missing> {
        if let Some(marks) = &self.marks {
            return Ok(look(marks));
        }
        let sequence = self.head.sequence;
        {
            let newest = &self.shared.published().newest;
            if newest.head.sequence == sequence {
                return Ok(newest.marks.shards.get(&self.shard).map(look).unwrap_or_default());
            }
        }
        // It was closed meanwhile.
        let segments = &self.shared.segments;
        let closed = segments.closed(sequence, self.wait)?;
        Ok(look(&*segments.marks(&closed, self.shard, self.wait)?))
    }

    /// Jumps to the next mark where there is a long way to it without runs of the shard; whether anything is left.
    pub fn go_to_mark(&mut self) -> Result<bool, ReadError> {
        let (position, stride_bytes) = (self.position, self.shared.segments.stride_bytes);
        let is_far = |mark: Mark| position >= mark.position + stride_bytes;
        if self.mark.is_some_and(is_far) && position < self.end {
            let around = self.look_up(|marks| marks.around(position));
            let (before, behind) = around.map_err(|missing| missing.refuse(self.head.sequence))?;
            self.mark = before;
            // Nearer to a mark there may be runs that have none.
            if before.is_none_or(is_far) {
                self.mark = behind;
                self.position = behind.map_or(self.end, |mark| mark.position);
            }
        }
        Ok(self.position < self.end)
    }

    /// The next batch, whatever is in it. Then the position is behind it.
    pub fn next(&mut self) -> Result<Found, ReadError> {
        let (position, nonce) = (self.position, self.head.nonce);
        match self.heads(position) {
            Ok(Decoded::Known(head)) => {
                self.position = position + head.frame.bytes as u64;
                return Ok(Found { bad: None, batch: Some((head, position)) });
            }
            Ok(Decoded::Newer(_, unknown)) => return Err(self.newer(unknown)),
            Err(Unread::WouldBlock) => return Err(ReadError::WouldBlock),
            Err(Unread::Bad) if self.wait == Wait::Never => return Err(ReadError::WouldBlock),
            Err(Unread::Bad) => {}
        }
        // The disk itself has the last word.
        let mut scan = Scan::new(Arc::clone(&self.file), nonce, position, self.end, false);
        let mut found = Found::default();
        let mut step = scan.next();
        if let Some(Step::Bad { position, until, wrong }) = step {
            let stretch = Stretch { segment: self.head.sequence, start: position, end: until };
            found.bad = Some(Bad { stretch, what: wrong.what });
            step = scan.next();
        }
        self.position = self.end;
        match step {
            Some(Step::Batch { position, head, .. }) => {
                self.position = position + head.frame.bytes as u64;
                found.batch = Some((head, position));
            }
            Some(Step::Newer { unknown, .. }) => return Err(self.newer(unknown)),
            Some(Step::Bad { .. }) | None => {}
        }
        Ok(found)
    }

    fn newer(&self, unknown: Unknown) -> ReadError {
        let newer = Newer::new(self.head.features.written_by, unknown);
        NewerFile::new(segment_name(self.head.sequence), newer).into()
    }

    fn heads(&mut self, position: u64) -> Result<Decoded, Unread> {
        let nonce = self.head.nonce;
        let bytes = self.window.get(position, BATCH_HEADER_BYTES).map_err(Unread::of)?;
        let heads_bytes = BatchHeader::peek(nonce, bytes).map_err(|_| Unread::Bad)?;
        let bytes = self.window.get(position, heads_bytes).map_err(Unread::of)?;
        let head = BatchHeader::decode(nonce, bytes).map_err(|_| Unread::Bad)?;
        // Behind the heads of a large batch lie its records, which are read where they are to stay.
        let is_large = head.frame().bytes > PIECE_BYTES;
        self.window.set_piece_bytes(if is_large { BLOCK_BYTES } else { PIECE_BYTES });
        Ok(head)
    }

    /// The records of a run, checked.
    pub fn block(&self, entry: &EntryHeader, records: u32, position: u64) -> Result<RecordBlock, ReadError> {
        let bad =
            |what: String| ReadError::Damaged(damage(&segment_name(self.head.sequence), position, what));
        let mut bytes = vec![0; entry.block_bytes as usize];
        let good = match self.window.read_exact(position, &mut bytes) {
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
            let read = self.file.read_disk(position, &mut bytes).map_err(|error| bad(error.to_string()))?;
            entry.check(&bytes[..read]).map_err(|invalid| bad(invalid.to_string()))?;
        }
        RecordBlock::parse_again(records, Bytes::from(bytes)).map_err(|invalid| bad(invalid.to_string()))
    }
}

/// Why there are no heads.
enum Unread {
    WouldBlock,
    Bad,
}

impl Unread {
    fn of(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::WouldBlock { Self::WouldBlock } else { Self::Bad }
    }
}
