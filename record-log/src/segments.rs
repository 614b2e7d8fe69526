//! The closed segments on disk, as readers need them: heads, ends, marks and open files, each through a small cache.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use catalog::ShardId;

use crate::counts::Counts;
use crate::disk::{Disk, DiskFile};
use crate::error::{Damage, NewerFile, ReadError};
use crate::format::footer::{self, TRAILER_BYTES, Trailer};
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::format::slots::Owner;
use crate::format::{Unreadable, segment_name};
use crate::lru::Lru;
use crate::marks::{Marks, SegmentMarks};
use crate::scan::{Scan, Step};
use crate::value::Wait;

/// How many of each a log keeps while it is busy.
const FILES: usize = 8;
const HEADS: usize = 32;
const DIRECTORIES: usize = 16;
const MARKS: usize = 16;
const REBUILT: usize = 4;
/// How many bytes each of these may take: room for the marks of two full segments, or a head of thousands of shards.
const CACHE_BYTES: usize = 1 << 20;

/// A segment that is written no more.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Its head.
    pub head: Arc<SegmentHeader>,
    /// Where its last batch ends.
    pub end: u64,
    /// Whether that is known for good: else batches at the end may be left out for now.
    pub is_certain: bool,
}

/// Why something of a segment is not to be had.
#[derive(Debug)]
pub enum Missing {
    /// The disk would have to be waited for.
    WouldBlock,
    /// There is no such file: it has expired meanwhile, or is lost.
    NoFile,
    /// It is damaged, or the disk does not give it.
    Damaged(Damage),
    /// A newer version wrote it.
    Newer(NewerFile),
}

/// The segments of one log.
#[derive(Debug)]
pub struct Segments {
    disk: Arc<dyn Disk>,
    owner: Owner,
    files: Lru<u64, Arc<dyn DiskFile>>,
    heads: Lru<u64, Arc<SegmentHeader>>,
    directories: Lru<u64, Option<Arc<footer::Directory>>>,
    marks: Lru<(u64, ShardId), Arc<Marks>>,
    /// The marks of all shards in segments without a good footer, and whether the disk gave all of the segment.
    rebuilt: Lru<u64, (Arc<SegmentMarks>, bool)>,
    /// How far a mark may be from the next run.
    pub stride_bytes: u64,
    /// What was counted by readers and writer.
    pub counts: Mutex<Counts>,
}

impl Segments {
    /// The segments of the log with this owner, whose marks are so far from each other at most.
    pub fn new(disk: Arc<dyn Disk>, owner: Owner, stride_bytes: u64) -> Self {
        Self {
            disk,
            owner,
            files: Lru::new(FILES, usize::MAX, |_| 0),
            heads: Lru::new(HEADS, CACHE_BYTES, |head| head.bytes as usize),
            directories: Lru::new(DIRECTORIES, CACHE_BYTES, |directory| {
                directory.as_ref().map_or(0, |some| some.memory_bytes())
            }),
            marks: Lru::new(MARKS, CACHE_BYTES, |marks| bytes_of(marks)),
            rebuilt: Lru::new(REBUILT, CACHE_BYTES, |(marks, _)| marks.shards.values().map(bytes_of).sum()),
            stride_bytes,
            counts: Mutex::default(),
        }
    }

    /// Counts something.
    pub fn count(&self, what: impl FnOnce(&mut Counts)) {
        what(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The open file of a segment.
    pub fn file(&self, sequence: u64) -> Result<Arc<dyn DiskFile>, Missing> {
        let name = segment_name(sequence);
        self.files.get_or(&sequence, || self.disk.open(&name)).map_err(|error| missing(&name, 0, &error))
    }

    /// The head of a segment.
    pub fn head(&self, sequence: u64, wait: Wait) -> Result<Arc<SegmentHeader>, Missing> {
        self.heads.get_or(&sequence, || self.read_head(sequence, |file, buffer| file.read(0, buffer, wait)))
    }

    /// The head of a segment as the disk has it, whatever a cache may say.
    pub fn head_on_disk(&self, sequence: u64) -> Result<Arc<SegmentHeader>, Missing> {
        self.read_head(sequence, |file, buffer| file.read_disk(0, buffer))
    }

    fn read_head(
        &self,
        sequence: u64,
        read: impl Fn(&dyn DiskFile, &mut [u8]) -> io::Result<usize>,
    ) -> Result<Arc<SegmentHeader>, Missing> {
        let file = self.file(sequence)?;
        let name = segment_name(sequence);
        let read = |buffer: &mut [u8]| read(&*file, buffer).map_err(|error| missing(&name, 0, &error));
        let unreadable = |unreadable: Unreadable| match unreadable {
            Unreadable::Invalid(invalid) => Missing::Damaged(damage(&name, 0, invalid.0)),
            Unreadable::Newer(newer) => Missing::Newer(NewerFile::new(&*name, newer)),
        };
        let mut bytes = vec![0; HEADER_BYTES];
        let some = read(&mut bytes)?;
        let head_bytes = SegmentHeader::peek(&bytes[..some]).map_err(|invalid| unreadable(invalid.into()))?;
        bytes.resize(head_bytes, 0);
        let all = read(&mut bytes)?;
        SegmentHeader::decode(&bytes[..all], self.owner, sequence).map(Arc::new).map_err(unreadable)
    }

    /// Where a segment ends that is followed by another: as that one's head says, or where that is not to be had, as its
    /// own footer or its batches do.
    pub fn closed(&self, sequence: u64, wait: Wait) -> Result<Closed, Missing> {
        let head = self.head(sequence, wait)?;
        match self.head(sequence + 1, wait) {
            Ok(next) => Ok(Closed { head, end: next.previous_end, is_certain: true }),
            Err(Missing::WouldBlock) => Err(Missing::WouldBlock),
            Err(Missing::NoFile | Missing::Damaged(_) | Missing::Newer(_)) => {
                self.closed_by_itself(head, wait)
            }
        }
    }

    /// Where a segment ends, as far as it says so itself. Without a footer its last batch is left out: it may be one that
    /// was incomplete and cut off, whose offsets others have by now.
    fn closed_by_itself(&self, head: Arc<SegmentHeader>, wait: Wait) -> Result<Closed, Missing> {
        let file = self.file(head.sequence)?;
        if let Some(trailer) = self.trailer(&*file, head.nonce, wait)? {
            let end = trailer.closed.end;
            let closed = Closed { head: Arc::clone(&head), end, is_certain: true };
            if self.directory(&*file, &closed, wait)?.is_some() {
                return Ok(closed);
            }
        }
        if wait == Wait::Never {
            return Err(Missing::WouldBlock);
        }
        let name = segment_name(head.sequence);
        let file_bytes = file.bytes().map_err(|error| missing(&name, 0, &error))?;
        let mut scan = Scan::new(file, head.nonce, head.bytes, file_bytes, false);
        let mut end = head.bytes;
        while let Some(step) = scan.next() {
            if let Step::Batch { position, .. } | Step::Newer { position, .. } = step {
                end = position;
            }
        }
        Ok(Closed { head, end, is_certain: false })
    }

    /// Where the records of a shard are in a closed segment.
    pub fn marks(&self, segment: &Closed, shard: ShardId, wait: Wait) -> Result<Arc<Marks>, Missing> {
        let key = (segment.head.sequence, shard);
        let mut is_whole = true;
        let marks = self.marks.get_or(&key, || {
            if let Some(marks) = self.marks_of_footer(segment, shard, wait)? {
                return Ok(marks);
            }
            if wait == Wait::Never {
                return Err(Missing::WouldBlock);
            }
            let rebuilt;
            (rebuilt, is_whole) = self.rebuilt_marks(segment)?;
            Ok(Arc::new(rebuilt.shards.get(&shard).cloned().unwrap_or_default()))
        });
        if !is_whole {
            // What the disk did not give this time it may give the next time.
            self.marks.take(&key);
        }
        marks
    }

    /// The marks that the footer has, if the segment has a good one.
    fn marks_of_footer(
        &self,
        segment: &Closed,
        shard: ShardId,
        wait: Wait,
    ) -> Result<Option<Arc<Marks>>, Missing> {
        let sequence = segment.head.sequence;
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
        let marks = read.and_then(|read| part.decode(segment.head.nonce, &bytes[..read]).ok());
        self.count(|counts| counts.footers_read += u64::from(marks.is_some()));
        Ok(marks.map(Arc::new))
    }

    /// The marks of all shards, as the segment's batches give them; and whether the disk gave all of it.
    fn rebuilt_marks(&self, segment: &Closed) -> Result<(Arc<SegmentMarks>, bool), Missing> {
        let sequence = segment.head.sequence;
        let (rebuilt, is_whole) = self.rebuilt.get_or(&sequence, || {
            self.count(|counts| counts.footers_rebuilt += 1);
            let mut marks = SegmentMarks::new(self.stride_bytes);
            let mut is_whole = segment.is_certain;
            let file = self.file(sequence)?;
            let mut scan = Scan::new(file, segment.head.nonce, segment.head.bytes, segment.end, false);
            while let Some(step) = scan.next() {
                match step {
                    Step::Batch { position, head, .. } => marks.note(position, &head),
                    // Who misses the records of it looks for why, and finds it.
                    Step::Newer { .. } => {}
                    Step::Bad { wrong, .. } => is_whole &= !wrong.unreadable,
                }
            }
            Ok((Arc::new(marks), is_whole))
        })?;
        if !is_whole {
            self.rebuilt.take(&sequence);
        }
        Ok((rebuilt, is_whole))
    }

    fn directory(
        &self,
        file: &dyn DiskFile,
        segment: &Closed,
        wait: Wait,
    ) -> Result<Option<Arc<footer::Directory>>, Missing> {
        let nonce = segment.head.nonce;
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
    fn trailer(&self, file: &dyn DiskFile, nonce: u64, wait: Wait) -> Result<Option<Trailer>, Missing> {
        let Some(file_bytes) = given(file.bytes())? else { return Ok(None) };
        let Some(position) = file_bytes.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
        let mut bytes = [0; TRAILER_BYTES];
        let read = given(file.read(position, &mut bytes, wait))?;
        Ok(read.and_then(|read| Trailer::decode(nonce, &bytes[..read], file_bytes).ok()))
    }

    /// Forgets a segment that has expired. Whether a reader still holds its file.
    pub fn forget(&self, sequence: u64) -> bool {
        let held = self.files.take(&sequence).is_some_and(|file| Arc::strong_count(&file) > 1);
        self.heads.forget(|key, _| *key == sequence);
        self.directories.forget(|key, _| *key == sequence);
        self.marks.forget(|(key, _), _| *key == sequence);
        self.rebuilt.forget(|key, _| *key == sequence);
        held
    }

    /// Gives back the memory and the open files that only a busy log needs.
    pub fn rest(&self) {
        // It must be known which of them a reader holds.
        self.files.forget(|_, file| Arc::strong_count(file) == 1);
        self.heads.clear();
        self.directories.clear();
        self.marks.clear();
        self.rebuilt.clear();
    }

    /// The file of a segment, which is opened again when it is used.
    pub fn file_at_rest(&self, sequence: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&segment_name(sequence))
    }
}

fn bytes_of(marks: &Marks) -> usize {
    std::mem::size_of_val(marks.as_slice())
}

/// What is said of a segment that should be there.
pub const NO_SUCH_FILE: &str = "there is no such file";

/// Damage, as readers and status name it.
pub fn damage(file: &str, position: u64, what: impl Into<String>) -> Damage {
    Damage { file: file.into(), position, what: what.into(), is_gap: false }
}

/// What the disk gave of a footer; nothing if it failed, as a segment can be read without one.
fn given<T>(read: io::Result<T>) -> Result<Option<T>, Missing> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Missing::WouldBlock),
        Err(_) => Ok(None),
    }
}

/// What an error says of a segment.
pub fn missing(file: &str, position: u64, error: &io::Error) -> Missing {
    match error.kind() {
        io::ErrorKind::WouldBlock => Missing::WouldBlock,
        io::ErrorKind::NotFound => Missing::NoFile,
        _ => Missing::Damaged(damage(file, position, error.to_string())),
    }
}

impl Missing {
    /// As a reader's answer.
    pub fn refuse(self, sequence: u64) -> ReadError {
        match self {
            Self::WouldBlock => ReadError::WouldBlock,
            Self::NoFile => ReadError::Damaged(damage(&segment_name(sequence), 0, NO_SUCH_FILE)),
            Self::Damaged(damage) => ReadError::Damaged(damage),
            Self::Newer(newer) => ReadError::Newer(newer),
        }
    }

    /// What is wrong.
    pub fn what(self) -> String {
        match self {
            Self::WouldBlock => ReadError::WouldBlock.to_string(),
            Self::NoFile => NO_SUCH_FILE.into(),
            Self::Damaged(damage) => damage.what,
            Self::Newer(newer) => newer.to_string(),
        }
    }
}
