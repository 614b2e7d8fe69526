//! Has the disk fetch what a reader of one shard comes to next. In a log of many shards that lies far apart: without
//! this the reader would wait for one range after the other.

use std::collections::VecDeque;

use catalog::ShardId;

use crate::disk::DiskFile;
use crate::format::batch::{BatchHeader, Decoded};
use crate::format::index::ShardIndex;
use crate::value::Wait;

/// How many batches ahead headers are fetched, and how many ahead the records are at most ...
const HEADERS_AHEAD: usize = 32;
const RECORDS_AHEAD: usize = 16;
/// ... as long as they are no more than this.
const RECORD_BYTES_AHEAD: u64 = 1 << 20;
/// What is fetched where a batch begins: its headers are rarely longer.
const HEADERS_BYTES: usize = 8 << 10;

/// How far a reader's segment was fetched, in entries of the shard's index.
#[derive(Debug, Default)]
pub struct ReadAhead {
    headers: usize,
    records: usize,
    /// The records that were fetched and not reached yet: where their batches begin, and how many bytes.
    fetched: VecDeque<(u64, u64)>,
    buffer: Vec<u8>,
}

impl ReadAhead {
    /// The reader is at this position. Only advice: what cannot be read now is for the reader to find.
    pub fn advance(
        &mut self,
        file: &dyn DiskFile,
        nonce: u64,
        index: &ShardIndex,
        shard: ShardId,
        position: u64,
    ) {
        let entries = index.as_slice();
        let next = entries.partition_point(|entry| entry.position <= position);
        let until = |ahead: usize| (next + ahead).min(entries.len());
        for entry in entries.get(self.headers.max(next)..until(HEADERS_AHEAD)).unwrap_or_default() {
            file.will_need(entry.position, HEADERS_BYTES as u64);
        }
        self.headers = self.headers.max(until(HEADERS_AHEAD));
        while self.fetched.front().is_some_and(|(fetched, _)| *fetched <= position) {
            self.fetched.pop_front();
        }
        let mut ahead_bytes: u64 = self.fetched.iter().map(|(_, bytes)| bytes).sum();
        self.records = self.records.max(next);
        while self.records < until(RECORDS_AHEAD) && ahead_bytes < RECORD_BYTES_AHEAD {
            let batch = entries[self.records].position;
            let bytes = self.fetch_records(file, nonce, shard, batch);
            self.fetched.push_back((batch, bytes));
            self.records += 1;
            ahead_bytes += bytes;
        }
    }

    /// Has the records of a batch fetched; gives how many bytes.
    fn fetch_records(&mut self, file: &dyn DiskFile, nonce: u64, shard: ShardId, position: u64) -> u64 {
        self.buffer.resize(HEADERS_BYTES, 0);
        let Ok(read) = file.read(position, &mut self.buffer, Wait::ForDisk) else { return 0 };
        let Ok(Decoded::Known(header)) = BatchHeader::decode(nonce, &self.buffer[..read]) else { return 0 };
        let mut fetched_bytes = 0;
        for (entry, start) in header.blocks() {
            if entry.appends().is_some_and(|appends| appends.shard == shard) {
                file.will_need(position + start as u64, u64::from(entry.block_bytes));
                fetched_bytes += u64::from(entry.block_bytes);
            }
        }
        fetched_bytes
    }
}
