//! The closed segments on disk: their headers, ends, indexes and open files, each behind a small cache.
//!
//! Here also are the ways to read a segment file: [`scan`] over all its batches, and a [`window`] that moves over it. What
//! readers come to next is fetched [`ahead`].
//! Nothing here writes, knows what is published, or judges what corruption means.
//!
//! Invariants: the end of a closed segment is what the next header says, and an uncertain end is never cached as
//! certain. A footer saves time and is never the truth.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use catalog::ShardId;

use crate::counts::Counts;
use crate::disk::{Disk, DiskFile};
use crate::error::{Corruption, Error, NewerFile, ReadError};
use crate::format::footer::{self, TRAILER_BYTES, Trailer};
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::format::index::{SegmentIndex, ShardIndex};
use crate::format::slots::Owner;
use crate::format::{Unreadable, segment_name};
use crate::value::Wait;

pub mod ahead;
pub mod lru;
pub mod scan;
pub mod window;

use ahead::ReadAhead;
use lru::Lru;
use scan::{Scan, Step};

/// How many of each a log keeps while it is busy.
const FILES: usize = 8;
const HEADS: usize = 32;
const DIRECTORIES: usize = 16;
const INDEXES: usize = 16;
const REBUILT: usize = 4;
/// How many bytes each cache may take: enough for the index of two full segments, or a header of thousands of shards.
const CACHE_BYTES: usize = 1 << 20;

/// A segment that is never written again.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Its header.
    pub header: Arc<SegmentHeader>,
    /// Where its last batch ends.
    pub end: u64,
    /// Whether that is certain; else batches at the end may be left out for now.
    pub is_certain: bool,
}

/// Why a part of a segment is not available.
#[derive(Debug)]
pub enum Unavailable {
    /// The caller would have to wait for the disk.
    WouldBlock,
    /// There is no such file: it expired meanwhile, or is missing.
    NoFile,
    /// It is corrupt, or the disk does not give it.
    Corrupt(Corruption),
    /// A newer version wrote it.
    Newer(NewerFile),
}

/// The segments of one log.
#[derive(Debug)]
pub struct Segments {
    disk: Arc<dyn Disk>,
    owner: Owner,
    files: Lru<u64, Arc<dyn DiskFile>>,
    headers: Lru<u64, Arc<SegmentHeader>>,
    directories: Lru<u64, Option<Arc<footer::Directory>>>,
    index: Lru<(u64, ShardId), Arc<ShardIndex>>,
    /// The rebuilt index of each segment without a good footer, and whether the disk gave all of the segment.
    rebuilt: Lru<u64, (Arc<SegmentIndex>, bool)>,
    /// What was fetched for the readers that wait for the disk.
    ahead: Lru<(u64, ShardId), Arc<Mutex<ReadAhead>>>,
    /// How far apart the entries of an index are at most.
    pub stride_bytes: u64,
    /// What was counted by readers and writer.
    pub counts: Mutex<Counts>,
}

impl Segments {
    /// The segments of the log with this owner, whose index entries are so far from each other at most.
    pub fn new(disk: Arc<dyn Disk>, owner: Owner, stride_bytes: u64) -> Self {
        Self {
            disk,
            owner,
            files: Lru::new(FILES, usize::MAX, |_| 0),
            headers: Lru::new(HEADS, CACHE_BYTES, |header| header.bytes as usize),
            directories: Lru::new(DIRECTORIES, CACHE_BYTES, |directory| {
                directory.as_ref().map_or(0, |some| some.memory_bytes())
            }),
            index: Lru::new(INDEXES, CACHE_BYTES, |index| bytes_of(index)),
            rebuilt: Lru::new(REBUILT, CACHE_BYTES, |(index, _)| index.shards.values().map(bytes_of).sum()),
            ahead: Lru::new(INDEXES, usize::MAX, |_| 0),
            stride_bytes,
            counts: Mutex::default(),
        }
    }

    /// Counts something.
    pub fn count(&self, what: impl FnOnce(&mut Counts)) {
        what(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The open file of a segment.
    pub fn file(&self, sequence: u64) -> Result<Arc<dyn DiskFile>, Unavailable> {
        let name = segment_name(sequence);
        self.files
            .get_or(&sequence, || self.disk.open(&name))
            .map_err(|error| Unavailable::new(&name, 0, &error))
    }

    /// The header of a segment.
    pub fn header(&self, sequence: u64, wait: Wait) -> Result<Arc<SegmentHeader>, Unavailable> {
        self.headers
            .get_or(&sequence, || self.read_header(sequence, |file, buffer| file.read(0, buffer, wait)))
    }

    /// The header of a segment as the disk has it, whatever a cache may say.
    pub fn header_on_disk(&self, sequence: u64) -> Result<Arc<SegmentHeader>, Unavailable> {
        self.read_header(sequence, |file, buffer| file.read_disk(0, buffer))
    }

    fn read_header(
        &self,
        sequence: u64,
        read: impl Fn(&dyn DiskFile, &mut [u8]) -> io::Result<usize>,
    ) -> Result<Arc<SegmentHeader>, Unavailable> {
        let file = self.file(sequence)?;
        let name = segment_name(sequence);
        let read =
            |buffer: &mut [u8]| read(&*file, buffer).map_err(|error| Unavailable::new(&name, 0, &error));
        let unreadable = |unreadable: Unreadable| match unreadable {
            Unreadable::Invalid(invalid) => Unavailable::Corrupt(Corruption::new(&name, 0, invalid.0)),
            Unreadable::Newer(newer) => Unavailable::Newer(NewerFile::new(&*name, newer)),
        };
        let mut bytes = vec![0; HEADER_BYTES];
        let some = read(&mut bytes)?;
        let header_bytes =
            SegmentHeader::peek(&bytes[..some]).map_err(|invalid| unreadable(invalid.into()))?;
        bytes.resize(header_bytes, 0);
        let all = read(&mut bytes)?;
        SegmentHeader::decode(&bytes[..all], self.owner, sequence).map(Arc::new).map_err(unreadable)
    }

    /// Where a segment ends. The header of the next segment says so, or if that is not available, its own footer or
    /// batches.
    pub fn closed(&self, sequence: u64, wait: Wait) -> Result<Closed, Unavailable> {
        let header = self.header(sequence, wait)?;
        match self.header(sequence + 1, wait) {
            Ok(next) => Ok(Closed { header, end: next.previous_end, is_certain: true }),
            Err(Unavailable::WouldBlock) => Err(Unavailable::WouldBlock),
            Err(Unavailable::NoFile | Unavailable::Corrupt(_) | Unavailable::Newer(_)) => {
                self.closed_by_itself(header, wait)
            }
        }
    }

    /// Where a segment ends by its own account. Without a footer its last batch is left out: it may be one that was
    /// torn and cut off, whose offsets were given again.
    fn closed_by_itself(&self, header: Arc<SegmentHeader>, wait: Wait) -> Result<Closed, Unavailable> {
        let file = self.file(header.sequence)?;
        if let Some(trailer) = self.trailer(&*file, header.nonce, wait)? {
            let end = trailer.closed.end;
            let closed = Closed { header: Arc::clone(&header), end, is_certain: true };
            if self.directory(&*file, &closed, wait)?.is_some() {
                return Ok(closed);
            }
        }
        if wait == Wait::Never {
            return Err(Unavailable::WouldBlock);
        }
        let name = segment_name(header.sequence);
        let file_bytes = file.bytes().map_err(|error| Unavailable::new(&name, 0, &error))?;
        let mut scan = Scan::new(file, header.nonce, header.bytes, file_bytes, false);
        let mut end = header.bytes;
        while let Some(step) = scan.next() {
            if let Step::Batch { position, .. } | Step::Newer { position, .. } = step {
                end = position;
            }
        }
        Ok(Closed { header, end, is_certain: false })
    }

    /// The index of a shard in a closed segment.
    pub fn index(
        &self,
        segment: &Closed,
        shard: ShardId,
        wait: Wait,
    ) -> Result<Arc<ShardIndex>, Unavailable> {
        let key = (segment.header.sequence, shard);
        let mut is_whole = true;
        let index = self.index.get_or(&key, || {
            if let Some(index) = self.index_of_footer(segment, shard, wait)? {
                return Ok(index);
            }
            if wait == Wait::Never {
                return Err(Unavailable::WouldBlock);
            }
            let rebuilt;
            (rebuilt, is_whole) = self.rebuilt_index(segment)?;
            Ok(Arc::new(rebuilt.shards.get(&shard).cloned().unwrap_or_default()))
        });
        if !is_whole {
            // The disk may give the next time what it did not give this time.
            self.index.take(&key);
        }
        index
    }

    /// The index in the footer, if the segment has a good one.
    fn index_of_footer(
        &self,
        segment: &Closed,
        shard: ShardId,
        wait: Wait,
    ) -> Result<Option<Arc<ShardIndex>>, Unavailable> {
        let sequence = segment.header.sequence;
        let file = self.file(sequence)?;
        let directory = self.directories.get_or(&sequence, || self.directory(&*file, segment, wait))?;
        let Some(directory) = directory else {
            // It may be on its way, or the disk did not give it this time.
            self.directories.take(&sequence);
            return Ok(None);
        };
        let Some(part) = directory.find(shard) else { return Ok(Some(Arc::default())) };
        let mut bytes = vec![0; part.bytes];
        let read = given(file.read(part.position, &mut bytes, wait))?;
        let index = read.and_then(|read| part.decode(segment.header.nonce, &bytes[..read]).ok());
        self.count(|counts| counts.footers_read += u64::from(index.is_some()));
        Ok(index.map(Arc::new))
    }

    /// The index of all shards, rebuilt from the segment's batches, and whether the disk gave all of it.
    fn rebuilt_index(&self, segment: &Closed) -> Result<(Arc<SegmentIndex>, bool), Unavailable> {
        let sequence = segment.header.sequence;
        let (rebuilt, is_whole) = self.rebuilt.get_or(&sequence, || {
            self.count(|counts| counts.footers_rebuilt += 1);
            let mut index = SegmentIndex::new(self.stride_bytes);
            let mut is_whole = segment.is_certain;
            let file = self.file(sequence)?;
            let mut scan = Scan::new(file, segment.header.nonce, segment.header.bytes, segment.end, false);
            while let Some(step) = scan.next() {
                match step {
                    Step::Batch { position, header, .. } => index.note(position, &header),
                    // Who misses the records of it looks for why, and finds it.
                    Step::Newer { .. } => {}
                    Step::Corrupt { error, .. } => is_whole &= !error.unreadable,
                }
            }
            Ok((Arc::new(index), is_whole))
        })?;
        if !is_whole {
            self.rebuilt.take(&sequence);
        }
        Ok((rebuilt, is_whole))
    }

    /// What was fetched of a segment for readers of a shard, and the shards of the segment that are read lately.
    pub fn read_ahead(&self, sequence: u64, shard: ShardId) -> (Arc<Mutex<ReadAhead>>, Vec<ShardId>) {
        let Ok(ahead) = self.ahead.get_or(&(sequence, shard), || Ok::<_, Infallible>(Arc::default()));
        let read = |(of, shard): &(u64, ShardId)| (*of == sequence).then_some(*shard);
        (ahead, self.ahead.filter_keys(read))
    }

    /// Whether what is at this position of a segment was fetched for readers of a shard, and may still be on its way.
    pub fn is_fetching(&self, sequence: u64, shard: ShardId, position: u64) -> bool {
        let ahead = self.ahead.get_or(&(sequence, shard), || Err(()));
        ahead.is_ok_and(|ahead| ahead.lock().unwrap_or_else(PoisonError::into_inner).is_fetching(position))
    }

    fn directory(
        &self,
        file: &dyn DiskFile,
        segment: &Closed,
        wait: Wait,
    ) -> Result<Option<Arc<footer::Directory>>, Unavailable> {
        let nonce = segment.header.nonce;
        let Some(trailer) =
            self.trailer(file, nonce, wait)?.filter(|trailer| trailer.closed.end == segment.end)
        else {
            return Ok(None);
        };
        let Some(file_bytes) = given(file.bytes())? else { return Ok(None) };
        let mut bytes = vec![0; trailer.directory_bytes()];
        let position = file_bytes - (TRAILER_BYTES + bytes.len()) as u64;
        let read = given(file.read(position, &mut bytes, wait))?;
        Ok(read.and_then(|read| trailer.directory(nonce, &bytes[..read]).ok()).map(Arc::new))
    }

    /// The trailer of a segment's file, if it has one.
    fn trailer(&self, file: &dyn DiskFile, nonce: u64, wait: Wait) -> Result<Option<Trailer>, Unavailable> {
        let Some(file_bytes) = given(file.bytes())? else { return Ok(None) };
        let Some(position) = file_bytes.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
        let mut bytes = [0; TRAILER_BYTES];
        let read = given(file.read(position, &mut bytes, wait))?;
        Ok(read.and_then(|read| Trailer::decode(nonce, &bytes[..read], file_bytes).ok()))
    }

    /// Forgets a segment that has expired. Whether a reader still holds its file.
    pub fn forget(&self, sequence: u64) -> bool {
        let held = self.files.take(&sequence).is_some_and(|file| Arc::strong_count(&file) > 1);
        self.headers.forget(|key, _| *key == sequence);
        self.directories.forget(|key, _| *key == sequence);
        self.index.forget(|(key, _), _| *key == sequence);
        self.rebuilt.forget(|key, _| *key == sequence);
        self.ahead.forget(|(key, _), _| *key == sequence);
        held
    }

    /// Gives back the memory and the open files that only a busy log needs.
    pub fn rest(&self) {
        // Readers may hold some of them.
        self.files.forget(|_, file| Arc::strong_count(file) == 1);
        self.headers.clear();
        self.directories.clear();
        self.index.clear();
        self.rebuilt.clear();
        self.ahead.clear();
    }

    /// The file of a segment, which is opened again when it is used.
    pub fn file_at_rest(&self, sequence: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&segment_name(sequence))
    }
}

fn bytes_of(index: &ShardIndex) -> usize {
    std::mem::size_of_val(index.as_slice())
}

/// What errors say of a segment that should be there.
pub const NO_SUCH_FILE: &str = "there is no such file";

/// What the disk gave of a footer; none if it failed, as a segment can be read without one.
fn given<T>(read: io::Result<T>) -> Result<Option<T>, Unavailable> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Unavailable::WouldBlock),
        Err(_) => Ok(None),
    }
}

impl Unavailable {
    /// What a failed call says of a segment's file.
    pub fn new(file: &str, position: u64, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::WouldBlock,
            io::ErrorKind::NotFound => Self::NoFile,
            _ => Self::Corrupt(Corruption::new(file, position, error.to_string())),
        }
    }

    /// The error of opening a log.
    pub fn refuse_opening(self, sequence: u64) -> Error {
        match self {
            Self::Corrupt(corruption) => Error::Corrupt(corruption),
            Self::Newer(newer) => Error::Newer(newer),
            Self::NoFile | Self::WouldBlock => {
                Error::Corrupt(Corruption::new(&segment_name(sequence), 0, NO_SUCH_FILE))
            }
        }
    }

    /// The error of a read.
    pub fn refuse(self, sequence: u64) -> ReadError {
        match self {
            Self::WouldBlock => ReadError::WouldBlock,
            Self::NoFile => ReadError::Corrupt(Corruption::new(&segment_name(sequence), 0, NO_SUCH_FILE)),
            Self::Corrupt(corruption) => ReadError::Corrupt(corruption),
            Self::Newer(newer) => ReadError::Newer(newer),
        }
    }

    /// What is wrong.
    pub fn what(self) -> String {
        match self {
            Self::WouldBlock => ReadError::WouldBlock.to_string(),
            Self::NoFile => NO_SUCH_FILE.into(),
            Self::Corrupt(corruption) => corruption.what,
            Self::Newer(newer) => newer.to_string(),
        }
    }
}
