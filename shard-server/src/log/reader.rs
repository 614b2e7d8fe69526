//! Reads and finds records in a log's file. Blocks on the disk, and never goes behind what is durable.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use catalog::ShardId;

use super::format::{BATCH_HEAD_BYTES, EntryHead, EntryKind, Format};
use super::index::{Mark, STRIDE_BYTES};
use super::state::{ShardState, State};
use super::window::Window;
use crate::protocol::{Position, ReadOutcome, ReadRun, Refusal};
use crate::record::RecordBlock;

/// How much is read at once while looking for a shard's runs.
const PIECE_BYTES: usize = 16 << 10;

/// Reads a log's file, in any number of threads at once.
#[derive(Debug)]
pub struct Reader {
    /// The file.
    pub file: File,
    /// Its path, for messages.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// What of it is durable.
    pub state: Arc<RwLock<State>>,
}

/// How much a read may give.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At most so many records, at least 1.
    pub max_records: u32,
    /// At most so many encoded bytes, but one record where there is one.
    pub max_bytes: usize,
}

/// Where a shard ends now.
struct Tip {
    next_offset: u64,
    last_arrival_ms: u64,
}

impl Reader {
    /// Reads records of an open shard that arrived at `oldest_arrival_ms` or later.
    pub fn read(
        &self,
        shard: ShardId,
        position: Position,
        oldest_arrival_ms: u64,
        limits: Limits,
    ) -> Result<ReadOutcome, Refusal> {
        let tip = self.tip(shard);
        let (from_offset, from_arrival_ms) = match position {
            Position::TrimHorizon => (1, oldest_arrival_ms),
            Position::Latest => (tip.next_offset, oldest_arrival_ms),
            Position::AtTimestamp(arrival_ms) => (1, arrival_ms.max(oldest_arrival_ms)),
            Position::Offset(offset) => (offset.max(1), oldest_arrival_ms),
        };
        let mut outcome = ReadOutcome {
            runs: Vec::new(),
            next_offset: tip.next_offset.max(from_offset),
            millis_behind_latest: 0,
        };
        let mut left = limits;
        let mut runs = self.runs(shard, from_offset, from_arrival_ms);
        while let Some(found) = runs.next()? {
            if found.end_offset() <= from_offset || found.arrival_ms < from_arrival_ms {
                continue;
            }
            let block = runs.block(&found)?;
            let skip =
                u32::try_from(from_offset.saturating_sub(found.entry.first_offset)).unwrap_or(u32::MAX);
            let mut taken = block.slice(skip, left.max_records, left.max_bytes);
            if taken.count() == 0 && outcome.runs.is_empty() {
                taken = block.slice(skip, 1, usize::MAX);
            }
            let first_offset = found.entry.first_offset + u64::from(skip);
            let next_offset = first_offset + u64::from(taken.count());
            if taken.count() > 0 {
                left.max_records -= taken.count();
                left.max_bytes = left.max_bytes.saturating_sub(taken.bytes().len());
                outcome.next_offset = next_offset;
                outcome.millis_behind_latest = tip.last_arrival_ms.saturating_sub(found.arrival_ms);
                outcome.runs.push(ReadRun { first_offset, arrival_ms: found.arrival_ms, block: taken });
            }
            if next_offset < found.end_offset() || left.max_records == 0 {
                break;
            }
        }
        if outcome.next_offset >= tip.next_offset {
            outcome.millis_behind_latest = 0;
        }
        Ok(outcome)
    }

    /// The offset of the record that a read of an open shard from there would give first.
    pub fn locate(&self, shard: ShardId, position: Position) -> Result<u64, Refusal> {
        match position {
            Position::TrimHorizon => Ok(1),
            Position::Latest => Ok(self.tip(shard).next_offset),
            Position::Offset(offset) => Ok(offset.max(1)),
            Position::AtTimestamp(arrival_ms) => {
                let next_offset = self.tip(shard).next_offset;
                let mut runs = self.runs(shard, 1, arrival_ms);
                while let Some(found) = runs.next()? {
                    if found.arrival_ms >= arrival_ms {
                        return Ok(found.entry.first_offset);
                    }
                }
                Ok(next_offset)
            }
        }
    }

    fn tip(&self, shard: ShardId) -> Tip {
        let state = self.state();
        let ShardState { next_offset, last_arrival_ms, .. } = state.shards[&shard];
        Tip { next_offset, last_arrival_ms }
    }

    /// The shard's runs, beginning with one that is not behind either bound, or shortly before.
    fn runs(&self, shard: ShardId, from_offset: u64, from_arrival_ms: u64) -> Runs<'_> {
        let state = self.state();
        let shard_state = &state.shards[&shard];
        let index = &shard_state.index;
        let none_left =
            from_offset >= shard_state.next_offset || from_arrival_ms > shard_state.last_arrival_ms;
        let mark = [index.of_offset(from_offset), index.of_arrival(from_arrival_ms)]
            .into_iter()
            .flatten()
            .max_by_key(|mark| mark.position)
            .filter(|_| !none_left);
        let position = mark.map_or(state.end, |mark| mark.position);
        Runs {
            reader: self,
            window: Window::new(&self.file, PIECE_BYTES),
            shard,
            mark,
            position,
            end: state.end,
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self, position: u64, what: &dyn std::error::Error) -> Refusal {
        tracing::error!(path = %self.path.display(), position, %what, "the log is damaged");
        Refusal::Damaged(format!("{} at byte {position}: {what}", self.path.display()))
    }

    fn unread(&self, position: u64, error: &io::Error) -> Refusal {
        self.damaged(position, error)
    }
}

/// Goes from run to run of one shard.
struct Runs<'a> {
    reader: &'a Reader,
    window: Window<'a>,
    shard: ShardId,
    /// The last mark that was passed; none where there is nothing to read.
    mark: Option<Mark>,
    position: u64,
    end: u64,
}

/// One run of the shard.
struct Found {
    entry: EntryHead,
    arrival_ms: u64,
    /// Where its batch begins.
    position: u64,
}

impl Found {
    fn end_offset(&self) -> u64 {
        self.entry.first_offset + u64::from(self.entry.records)
    }
}

impl Runs<'_> {
    fn next(&mut self) -> Result<Option<Found>, Refusal> {
        loop {
            if self.mark.is_none_or(|mark| self.position >= mark.position + STRIDE_BYTES) {
                self.mark = self.reader.state().shards[&self.shard].index.at_or_behind(self.position);
                self.position = self.mark.map_or(self.end, |mark| mark.position);
            }
            if self.position >= self.end {
                return Ok(None);
            }
            let position = self.position;
            let heads = self.heads_bytes(position)?;
            let bytes =
                self.window.get(position, heads).map_err(|error| self.reader.unread(position, &error))?;
            let head =
                self.reader.format.parse(bytes).map_err(|invalid| self.reader.damaged(position, &invalid))?;
            self.position += head.bytes as u64;
            let mut entries = head.entries.into_iter();
            if let Some(entry) =
                entries.find(|entry| entry.shard == self.shard && entry.kind == EntryKind::Append)
            {
                return Ok(Some(Found { entry, arrival_ms: head.arrival_ms, position }));
            }
        }
    }

    /// The records of a run that was found.
    fn block(&mut self, found: &Found) -> Result<RecordBlock, Refusal> {
        let reader = self.reader;
        let position = found.position + found.entry.block_start as u64;
        let bytes = match found.entry.block_bytes {
            small if small <= PIECE_BYTES => self.window.get(position, small).map(Bytes::copy_from_slice),
            large => {
                let mut bytes = vec![0; large];
                reader.file.read_exact_at(&mut bytes, position).map(|()| bytes.into())
            }
        };
        let bytes = bytes.map_err(|error| reader.unread(position, &error))?;
        found.entry.check(&bytes).map_err(|invalid| reader.damaged(position, &invalid))?;
        RecordBlock::parse(found.entry.records, bytes).map_err(|invalid| reader.damaged(position, &invalid))
    }

    fn heads_bytes(&mut self, position: u64) -> Result<usize, Refusal> {
        let reader = self.reader;
        let bytes =
            self.window.get(position, BATCH_HEAD_BYTES).map_err(|error| reader.unread(position, &error))?;
        reader.format.heads_bytes(bytes).map_err(|invalid| reader.damaged(position, &invalid))
    }
}
