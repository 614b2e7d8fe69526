//! What a log holds, as far as it is durable: a function of its batches, whether they were just written or read again.

use std::collections::BTreeMap;

use catalog::ShardId;
use catalog::member::OpenShard;

use super::format::{BatchHead, EntryHead, EntryKind, FILE_HEAD_BYTES, Invalid};
use super::index::{Index, Mark};

/// The state behind the last durable batch.
#[derive(Debug)]
pub struct State {
    /// Where the next batch goes: the durable bytes of the file.
    pub end: u64,
    /// The number of the next batch.
    pub next_index: u64,
    /// When the last batch arrived, in milliseconds since 1970.
    pub last_arrival_ms: u64,
    /// The shards.
    pub shards: BTreeMap<ShardId, ShardState>,
}

/// One shard.
#[derive(Debug)]
pub struct ShardState {
    /// How it was opened.
    pub open: OpenShard,
    /// The offset of its next record, from 1.
    pub next_offset: u64,
    /// When its last record arrived; 0 while it has none.
    pub last_arrival_ms: u64,
    /// Where its records are.
    pub index: Index,
}

impl State {
    /// The state of a log that has nothing but its file head.
    pub fn new() -> Self {
        Self { end: FILE_HEAD_BYTES as u64, next_index: 1, last_arrival_ms: 0, shards: BTreeMap::new() }
    }

    /// Adds the batch at the end. `batch` has the heads and blocks, already checked.
    ///
    /// # Errors
    /// If the batch cannot follow: the log is damaged, and the state of no use any more.
    pub fn apply(&mut self, head: &BatchHead, batch: &[u8]) -> Result<(), Invalid> {
        if head.index != self.next_index {
            return Err(Invalid("a batch has not the number that follows"));
        }
        if head.arrival_ms < self.last_arrival_ms {
            return Err(Invalid("a batch arrived before an earlier one"));
        }
        for entry in &head.entries {
            match entry.kind {
                EntryKind::OpenShard => {
                    self.open(entry, &batch[entry.block_start..entry.block_start + entry.block_bytes])?;
                }
                EntryKind::Append => self.append(entry, head.arrival_ms)?,
            }
        }
        self.end += head.bytes as u64;
        self.next_index += 1;
        self.last_arrival_ms = head.arrival_ms;
        Ok(())
    }

    fn open(&mut self, entry: &EntryHead, block: &[u8]) -> Result<(), Invalid> {
        let open: OpenShard =
            serde_json::from_slice(block).map_err(|_| Invalid("an opened shard cannot be read"))?;
        let state = ShardState { open, next_offset: 1, last_arrival_ms: 0, index: Index::default() };
        match self.shards.insert(entry.shard, state) {
            None => Ok(()),
            Some(_) => Err(Invalid("a shard is opened twice")),
        }
    }

    fn append(&mut self, entry: &EntryHead, arrival_ms: u64) -> Result<(), Invalid> {
        let shard =
            self.shards.get_mut(&entry.shard).ok_or(Invalid("records of a shard that was never opened"))?;
        if entry.first_offset != shard.next_offset || entry.records == 0 {
            return Err(Invalid("the records of a shard do not follow each other"));
        }
        shard.index.push(Mark { first_offset: entry.first_offset, arrival_ms, position: self.end });
        shard.next_offset += u64::from(entry.records);
        shard.last_arrival_ms = arrival_ms;
        Ok(())
    }
}
