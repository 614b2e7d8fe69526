//! Has the disk fetch what a reader of one shard comes to next. In a log of many shards that lies far apart: without
//! this the reader would wait for one range after the other.

use catalog::ShardId;

use crate::disk::DiskFile;
use crate::format::batch::{BatchHeader, Decoded};
use crate::format::index::ShardIndex;

/// How many batches ahead headers are fetched, and how many ahead the records are.
const HEADERS_AHEAD: usize = 32;
const RECORDS_AHEAD: usize = 16;
/// What is fetched where a batch begins: its headers are rarely longer.
const HEADERS_BYTES: usize = 8 << 10;

/// How far a reader's segment was fetched, in entries of the shard's index.
#[derive(Debug, Default)]
pub struct ReadAhead {
    headers: usize,
    records: usize,
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
        for entry in entries.get(self.records.max(next)..until(RECORDS_AHEAD)).unwrap_or_default() {
            self.fetch_records(file, nonce, shard, entry.position);
        }
        self.records = self.records.max(until(RECORDS_AHEAD));
    }

    fn fetch_records(&mut self, file: &dyn DiskFile, nonce: u64, shard: ShardId, position: u64) {
        self.buffer.resize(HEADERS_BYTES, 0);
        let Ok(read) = file.read(position, &mut self.buffer, crate::value::Wait::ForDisk) else { return };
        let Ok(Decoded::Known(header)) = BatchHeader::decode(nonce, &self.buffer[..read]) else { return };
        for (entry, start) in header.blocks() {
            if entry.appends().is_some_and(|appends| appends.shard == shard) {
                file.will_need(position + start as u64, u64::from(entry.block_bytes));
            }
        }
    }
}
