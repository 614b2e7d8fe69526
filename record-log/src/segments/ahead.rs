//! Has the disk fetch what a reader of one shard comes to next, where the shard's runs lie far apart: without this the
//! reader would wait for one range after the other. Where most of a segment is read, by readers of several shards, it is
//! left to the kernel, which fetches in larger pieces and with less work.

use std::collections::VecDeque;

use catalog::ShardId;

use crate::disk::DiskFile;
use crate::format::batch::{BatchHeader, Decoded};
use crate::format::entry::EntryHeader;
use crate::format::index::ShardIndex;
use crate::value::Wait;

/// How many batches ahead headers are fetched, and how many ahead the records are at most ...
const HEADERS_AHEAD: usize = 32;
const RECORDS_AHEAD: usize = 16;
/// ... as long as they are no more than this.
const RECORD_BYTES_AHEAD: u64 = 1 << 20;
/// What is fetched where a batch begins: its headers are rarely longer.
const HEADERS_BYTES: usize = 8 << 10;

/// How far one segment was fetched for the reader of a shard. Lasts from read to read.
#[derive(Debug, Default)]
pub struct ReadAhead {
    /// Where the reader was: the position, and which index entry is next; none before it was anywhere.
    at: Option<(u64, usize)>,
    /// How far headers and records were fetched, in index entries.
    headers: usize,
    records: usize,
    /// The records that were fetched and not reached yet: where their batches begin, and how many bytes.
    fetched: VecDeque<(u64, u64)>,
}

/// The segment that is read.
pub struct Fetch<'s> {
    /// Its file.
    pub file: &'s dyn DiskFile,
    /// Its nonce.
    pub nonce: u64,
    /// Its index of the shard.
    pub index: &'s ShardIndex,
    /// The shard.
    pub shard: ShardId,
}

impl ReadAhead {
    /// Whether what is at this position was fetched for this reader, and may still be on its way.
    pub fn is_fetching(&self, position: u64) -> bool {
        let ends = self.at.zip(self.fetched.back());
        ends.is_some_and(|((reached, _), (last, _))| (reached..=*last).contains(&position))
    }

    /// The reader is at this position. Only advice: what cannot be read now is for the reader to find.
    pub fn advance(&mut self, fetch: &Fetch<'_>, position: u64) {
        let entries = fetch.index.as_slice();
        let next = entries.partition_point(|entry| entry.position <= position);
        // Who wants one batch needs nothing ahead; who has jumped is somebody else.
        let at = Some((position, next));
        if !std::mem::replace(&mut self.at, at).is_some_and(|(_, at)| at == next || at + 1 == next) {
            *self = Self { at, headers: next, records: next, fetched: VecDeque::new() };
            return;
        }
        let until = |ahead: usize| (next + ahead).min(entries.len());
        for entry in entries.get(self.headers.max(next)..until(HEADERS_AHEAD)).unwrap_or_default() {
            fetch.file.will_need(entry.position, HEADERS_BYTES as u64);
        }
        self.headers = self.headers.max(until(HEADERS_AHEAD));
        while self.fetched.front().is_some_and(|(fetched, _)| *fetched <= position) {
            self.fetched.pop_front();
        }
        let mut ahead_bytes: u64 = self.fetched.iter().map(|(_, bytes)| bytes).sum();
        self.records = self.records.max(next);
        while self.records < until(RECORDS_AHEAD) && ahead_bytes < RECORD_BYTES_AHEAD {
            let batch = entries[self.records].position;
            let bytes = fetch.records(batch);
            // Of what is in memory nothing is on its way.
            if bytes > 0 {
                self.fetched.push_back((batch, bytes));
            }
            self.records += 1;
            ahead_bytes += bytes;
        }
    }
}

impl Fetch<'_> {
    /// Has those records of a batch fetched that are not in memory; gives how many bytes.
    fn records(&self, position: u64) -> u64 {
        let mut buffer = [0; HEADERS_BYTES];
        let Ok(read) = self.file.read(position, &mut buffer, Wait::ForDisk) else { return 0 };
        let Ok(Decoded::Known(header)) = BatchHeader::decode(self.nonce, &buffer[..read]) else { return 0 };
        let mut fetched_bytes = 0;
        for (entry, start) in header.blocks() {
            let (block, bytes) = (position + start as u64, u64::from(entry.block_bytes));
            let is_read = entry.appends().is_some_and(|appends| appends.shard == self.shard);
            if is_read && !self.is_in_memory(block + bytes - 1) {
                self.file.will_need(block, bytes);
                fetched_bytes += bytes;
            }
        }
        fetched_bytes
    }

    /// Whether the byte at a position can be read without the disk. The last one of a block stands for all of it.
    fn is_in_memory(&self, position: u64) -> bool {
        self.file.read(position, &mut [0], Wait::Never).is_ok()
    }
}

/// Whether the blocks of these shards are most of a batch.
pub fn are_most(shards: &[ShardId], header: &BatchHeader) -> bool {
    let of_these = |entry: &&EntryHeader| entry.appends().is_some_and(|of| shards.contains(&of.shard));
    let bytes: usize = header.entries.iter().filter(of_these).map(|entry| entry.block_bytes as usize).sum();
    bytes * 2 > header.frame.bytes
}
