//! Writes batches: one write and one sync each, however many appends are in it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use catalog::ShardId;

use super::Clock;
use super::device::Device;
use super::format::{Entry, EntryKind, Format, Invalid};
use super::metrics::Metrics;
use super::state::State;
use crate::protocol::{Appended, Run};

/// What the buffer keeps from batch to batch; a larger batch takes more for as long as it is written.
const KEPT_BUFFER_BYTES: usize = 2 << 20;

/// The one who writes to a log's file. Its state is shared with readers, who see a batch once it is durable.
pub struct Writer {
    device: Box<dyn Device>,
    format: Format,
    state: Arc<RwLock<State>>,
    clock: Clock,
    metrics: Metrics,
    buffer: Vec<u8>,
    full: bool,
}

/// Why a batch was not written.
#[derive(Debug)]
pub enum Failure {
    /// The volume is full; the file is as it was before, and the next batch may fit.
    Full,
    /// Nothing can be written any more. Whether this batch is durable is not known.
    Final(String),
}

impl Writer {
    /// Writes behind the state's end.
    pub fn new(
        device: Box<dyn Device>,
        format: Format,
        state: Arc<RwLock<State>>,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        Self { device, format, state, clock, metrics, buffer: Vec::new(), full: false }
    }

    /// Makes appends durable as one batch; gives the outcomes of each append's runs. The shards of all runs are open.
    ///
    /// # Errors
    /// If nothing became durable, or it is not known whether anything did.
    pub fn write(&mut self, appends: &[Vec<Run>]) -> Result<Vec<Vec<Appended>>, Failure> {
        let (position, outcomes) = self.encode(appends);
        let begin = Instant::now();
        let written = match self.device.put(position, &self.buffer) {
            Ok(()) => self.device.sync().map_err(|error| Failure::Final(format!("a sync failed: {error}"))),
            Err(error) => Err(self.after_failed_write(position, &error)),
        };
        self.metrics.write_seconds.observe(begin.elapsed().as_secs_f64());
        written?;
        if std::mem::take(&mut self.full) {
            tracing::info!("the volume has room again");
        }
        self.publish()
            .map_err(|invalid| Failure::Final(format!("a written batch does not read back: {invalid}")))?;
        Ok(outcomes)
    }

    /// Numbers the records and puts the batch into the buffer: one run a shard, those of earlier appends first.
    fn encode(&mut self, appends: &[Vec<Run>]) -> (u64, Vec<Vec<Appended>>) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let arrival_ms = (self.clock)().max(state.last_arrival_ms);
        let mut entries: BTreeMap<ShardId, Entry> = BTreeMap::new();
        let mut place = |run: &Run| {
            let entry = entries.entry(run.shard).or_insert_with(|| Entry {
                kind: EntryKind::Append,
                shard: run.shard,
                first_offset: state.shards[&run.shard].next_offset,
                records: 0,
                block: Vec::<Bytes>::new(),
            });
            let first_offset = entry.first_offset + u64::from(entry.records);
            entry.records += run.block.count();
            entry.block.push(run.block.bytes().clone());
            Appended { first_offset, arrival_ms }
        };
        let outcomes = appends.iter().map(|runs| runs.iter().map(&mut place).collect()).collect();
        let entries: Vec<_> = entries.into_values().collect();
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        self.format.encode(state.next_index, arrival_ms, &entries, &mut self.buffer);
        (state.end, outcomes)
    }

    /// A full volume refuses a write before it touches what is durable, so what did get written is cut off again and
    /// the log goes on. Whatever else fails is final.
    fn after_failed_write(&mut self, position: u64, error: &io::Error) -> Failure {
        if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Failure::Final(format!("a write failed: {error}"));
        }
        match self.device.cut(position) {
            Ok(()) => {
                if !std::mem::replace(&mut self.full, true) {
                    tracing::warn!(%error, "the volume is full: appends are refused until it has room again");
                }
                Failure::Full
            }
            Err(cut) => {
                Failure::Final(format!("the volume is full ({error}) and the log could not be cut: {cut}"))
            }
        }
    }

    /// Shows the batch to readers, as they would read it from the file.
    fn publish(&mut self) -> Result<(), Invalid> {
        let head = self.format.parse(&self.buffer)?;
        self.state.write().unwrap_or_else(PoisonError::into_inner).apply(&head, &self.buffer)?;
        let records: u64 = head.entries.iter().map(|entry| u64::from(entry.records)).sum();
        let block_bytes: usize = head.entries.iter().map(|entry| entry.block_bytes).sum();
        self.metrics.batches.inc();
        self.metrics.appended_records.inc_by(records);
        self.metrics.appended_bytes.inc_by(block_bytes as u64);
        self.metrics.durable_bytes.add(head.bytes as i64);
        Ok(())
    }
}
