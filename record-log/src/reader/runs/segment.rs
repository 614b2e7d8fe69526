//! The segment that a reader is in.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use catalog::ShardId;

use crate::disk::{BLOCK_BYTES, DiskFile};
use crate::error::{Corruption, ReadError};
use crate::format::batch::{BATCH_HEADER_BYTES, BatchHeader, Decoded};
use crate::format::entry::EntryHeader;
use crate::format::header::SegmentHeader;
use crate::format::index::{IndexEntry, ShardIndex};
use crate::format::segment_name;
use crate::record::RecordBlock;
use crate::segments::Unavailable;
use crate::segments::ahead::{Fetch, ReadAhead, are_most};
use crate::segments::scan::{Scan, Step};
use crate::segments::window::{ReadSource, Window};
use crate::shared::Shared;
use crate::shared::corruption::CorruptRange;
use crate::state::SegmentRange;
use crate::value::Wait;

/// How much is read at once while looking for a shard's runs.
const PIECE_BYTES: usize = 32 << 10;

/// Goes from batch to batch of one segment, as far as it went when it was opened.
pub struct Segment<'s> {
    shared: &'s Shared,
    shard: ShardId,
    wait: Wait,
    /// Its header.
    pub header: Arc<SegmentHeader>,
    file: Arc<dyn DiskFile>,
    /// The shard's index; none here for the newest segment, whose index grows.
    index: Option<Arc<ShardIndex>>,
    end: u64,
    /// Where the next batch begins.
    pub position: u64,
    /// The last entry of the index that was passed; none where the segment has nothing of the shard.
    pub entry: Option<IndexEntry>,
    window: Window,
    /// How far it was fetched ahead of the shard's readers, and which of its shards are read lately, as it was found at the
    /// first large batch.
    ahead: Option<(Arc<Mutex<ReadAhead>>, Vec<ShardId>)>,
}

/// What is next in a segment.
#[derive(Default)]
pub struct Found {
    /// A corrupt range before the batch.
    pub corrupt: Option<CorruptRange>,
    /// The headers of a batch and where it begins; none where the segment ends, and where a newer version wrote the batch:
    /// whoever misses records behind it finds out why.
    pub batch: Option<(BatchHeader, u64)>,
}

impl<'s> Segment<'s> {
    /// Enters a segment at the first record with this offset and this arrival, or a little before.
    pub fn open(
        shared: &'s Shared,
        sequence: u64,
        shard: ShardId,
        offset: u64,
        arrival_ms: u64,
        wait: Wait,
    ) -> Result<Self, Unavailable> {
        let newest = {
            let newest = &shared.published().newest;
            (newest.header.sequence == sequence)
                .then(|| (Arc::clone(&newest.header), Arc::clone(&newest.file), newest.end))
        };
        let segments = &shared.segments;
        let (header, file, index, end) = match newest {
            Some((header, file, end)) => (header, file, None, end),
            None => {
                let closed = segments.closed(sequence, wait)?;
                let index = segments.index(&closed, shard, wait)?;
                (closed.header, segments.file(sequence)?, Some(index), closed.end)
            }
        };
        let window = Window::new(Arc::clone(&file), ReadSource::Anywhere(wait), PIECE_BYTES);
        let position = header.bytes;
        let mut segment = Self {
            shared,
            shard,
            wait,
            header,
            file,
            index,
            end,
            position,
            entry: None,
            window,
            ahead: None,
        };
        segment.entry = segment.look_up(|index| {
            let candidates = [index.of_offset(offset), index.of_arrival(arrival_ms)];
            candidates.into_iter().flatten().max_by_key(|entry| entry.position)
        })?;
        segment.position = segment.entry.map_or(end, |entry| entry.position);
        // Who reads what is on its way fetches more, and may wait for the disk.
        match wait == Wait::Never && segments.is_fetching(sequence, shard, segment.position) {
            true => Err(Unavailable::WouldBlock),
            false => Ok(segment),
        }
    }

    /// Looks something up in the shard's index.
    fn look_up<T: Default>(&self, look: impl Fn(&ShardIndex) -> T) -> Result<T, Unavailable> {
        if let Some(index) = &self.index {
            return Ok(look(index));
        }
        let sequence = self.header.sequence;
        {
            let newest = &self.shared.published().newest;
            if newest.header.sequence == sequence {
                return Ok(newest.index.shards.get(&self.shard).map(look).unwrap_or_default());
            }
        }
        // It was closed meanwhile.
        let segments = &self.shared.segments;
        let closed = segments.closed(sequence, self.wait)?;
        Ok(look(&*segments.index(&closed, self.shard, self.wait)?))
    }

    /// Skips to the next index entry where none of the shard is on the long way to it. Gives whether anything is left.
    pub fn skip_to_entry(&mut self) -> Result<bool, ReadError> {
        let (position, stride_bytes) = (self.position, self.shared.segments.stride_bytes);
        let is_far = |entry: IndexEntry| position >= entry.position + stride_bytes;
        if self.entry.is_some_and(is_far) && position < self.end {
            let around = self.look_up(|index| index.around(position));
            let (before, behind) = around.map_err(|unavailable| unavailable.refuse(self.header.sequence))?;
            self.entry = before;
            // Closer to an index entry there may be runs that have none.
            if before.is_none_or(is_far) {
                self.entry = behind;
                self.position = behind.map_or(self.end, |entry| entry.position);
            }
        }
        Ok(self.position < self.end)
    }

    /// The next batch, whatever is in it. Then the position is behind it.
    pub fn next(&mut self) -> Result<Found, ReadError> {
        let (position, nonce) = (self.position, self.header.nonce);
        match self.headers(position) {
            Ok(decoded) => {
                self.position = position + decoded.frame().bytes as u64;
                let batch = match decoded {
                    Decoded::Known(header) => {
                        self.fetch_ahead(&header, position);
                        Some((header, position))
                    }
                    Decoded::Newer(..) => None,
                };
                return Ok(Found { corrupt: None, batch });
            }
            Err(Unread::WouldBlock) => return Err(ReadError::WouldBlock),
            Err(Unread::Corrupt) if self.wait == Wait::Never => return Err(ReadError::WouldBlock),
            Err(Unread::Corrupt) => {}
        }
        // The disk itself has the last word.
        let mut scan = Scan::new(Arc::clone(&self.file), nonce, position, self.end, false);
        let mut found = Found::default();
        let mut step = scan.next();
        if let Some(Step::Corrupt { position, until, error }) = step {
            let range = SegmentRange { segment: self.header.sequence, start: position, end: until };
            found.corrupt = Some(CorruptRange { range, what: error.what });
            step = scan.next();
        }
        self.position = self.end;
        match step {
            Some(Step::Batch { position, header, .. }) => {
                self.position = position + header.frame.bytes as u64;
                found.batch = Some((header, position));
            }
            Some(Step::Newer { until, .. }) => self.position = until,
            Some(Step::Corrupt { .. }) | None => {}
        }
        Ok(found)
    }

    /// Has the disk fetch what comes behind this batch, where the runs of the shards that are read lie far apart.
    fn fetch_ahead(&mut self, header: &BatchHeader, position: u64) {
        let Some(index) = self.index.as_ref().filter(|_| self.wait == Wait::ForDisk) else { return };
        if header.frame.bytes <= PIECE_BYTES {
            return;
        }
        let find = || self.shared.segments.read_ahead(self.header.sequence, self.shard);
        let (ahead, read) = self.ahead.get_or_insert_with(find);
        if !are_most(read, header) {
            let fetch = Fetch { file: &*self.file, nonce: self.header.nonce, index, shard: self.shard };
            ahead.lock().unwrap_or_else(PoisonError::into_inner).advance(&fetch, position);
        }
    }

    fn headers(&mut self, position: u64) -> Result<Decoded, Unread> {
        let nonce = self.header.nonce;
        let bytes = self.window.get(position, BATCH_HEADER_BYTES).map_err(Unread::of)?;
        let headers_bytes = BatchHeader::peek(nonce, bytes).map_err(|_| Unread::Corrupt)?;
        let bytes = self.window.get(position, headers_bytes).map_err(Unread::of)?;
        let header = BatchHeader::decode(nonce, bytes).map_err(|_| Unread::Corrupt)?;
        // Behind the headers of a large batch lie its records, which are read where they are to stay.
        let is_large = header.frame().bytes > PIECE_BYTES;
        self.window.set_piece_bytes(if is_large { BLOCK_BYTES } else { PIECE_BYTES });
        Ok(header)
    }

    /// The records of a run, checked.
    pub fn block(&self, entry: &EntryHeader, records: u32, position: u64) -> Result<RecordBlock, ReadError> {
        let corrupt = |what: String| {
            ReadError::Corrupt(Corruption::new(&segment_name(self.header.sequence), position, what))
        };
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
            let read =
                self.file.read_disk(position, &mut bytes).map_err(|error| corrupt(error.to_string()))?;
            entry.check(&bytes[..read]).map_err(|invalid| corrupt(invalid.to_string()))?;
        }
        RecordBlock::parse_again(records, Bytes::from(bytes)).map_err(|invalid| corrupt(invalid.to_string()))
    }
}

/// Why there are no headers.
enum Unread {
    WouldBlock,
    Corrupt,
}

impl Unread {
    fn of(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::WouldBlock { Self::WouldBlock } else { Self::Corrupt }
    }
}
