//! The committed logs of all groups, and the promises about them. It shares no code with the core.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use catalog::ShardId;
use group_core::record::RecordBlock;
use group_core::{Appended, Batch, Change};

/// Which record, of all in the world: what its data begins with.
pub type RecordNumber = u64;

/// A record that a router has sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    session: u64,
    sequence: u64,
    shard: ShardId,
    /// The shard's records up to this offset were acknowledged before.
    behind: u64,
}

/// A record that is in a committed log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which.
    pub number: RecordNumber,
    /// The index of its batch.
    pub index: u64,
    /// When it arrived, in milliseconds of log time.
    pub arrival_ms: u64,
    /// When it became durable, in true time.
    pub durable_ms: u64,
}

/// The committed log of a group.
#[derive(Debug, Default)]
pub struct History {
    /// All its batches, also those that were trimmed since.
    pub batches: Vec<Batch>,
    /// All its records by shard and offset - 1.
    pub shards: BTreeMap<ShardId, Vec<Stored>>,
    /// The last trim horizon, which was checked when it was proposed.
    pub trimmed_ms: u64,
    /// True time and index of each clock step.
    pub steps: Vec<(u64, u64)>,
    /// True times at which its time may have followed another clock by up to an hour.
    pub follows_ms: Vec<u64>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Ledger {
    sent: BTreeMap<RecordNumber, Sent>,
    /// What arrives in a shard does not arrive before this.
    pub floors_ms: BTreeMap<ShardId, u64>,
    /// By group.
    pub groups: Vec<History>,
    /// Where each record is.
    locations: BTreeMap<RecordNumber, (ShardId, u64)>,
    acknowledged: BTreeMap<RecordNumber, Appended>,
    /// The last acknowledged offset of each shard.
    pub acknowledged_offsets: BTreeMap<ShardId, u64>,
}

/// The numbers of a block's records.
pub fn numbers(block: &RecordBlock) -> impl Iterator<Item = RecordNumber> {
    let number = |data: &[u8]| data.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    block.records().map(|record| number(record.data)).collect::<Vec<_>>().into_iter()
}

impl Ledger {
    /// Logs of groups with these shards.
    #[must_use]
    pub fn new(groups: &[Vec<ShardId>]) -> Self {
        let history = |shards: &Vec<ShardId>| History {
            shards: shards.iter().map(|shard| (*shard, Vec::new())).collect(),
            ..History::default()
        };
        Self { groups: groups.iter().map(history).collect(), ..Self::default() }
    }

    /// A router makes a record of an append.
    pub fn sent(&mut self, number: RecordNumber, session: u64, sequence: u64, shard: ShardId) {
        let behind = self.acknowledged_offsets.get(&shard).copied().unwrap_or_default();
        self.sent.insert(number, Sent { session, sequence, shard, behind });
    }

    /// A batch is durable, and will be after any crash.
    pub fn durable(&mut self, group: usize, batch: &Batch, now_ms: u64) -> Result<()> {
        let history = &mut self.groups[group];
        let last = history.batches.last();
        let (index, term, time_ms) = last.map_or((0, 0, 0), |last| (last.index, last.term, last.time_ms));
        ensure!(batch.index == index + 1, "batch {} follows batch {index}", batch.index);
        ensure!(batch.term >= term.max(1), "term {} follows term {term}", batch.term);
        ensure!(batch.time_ms >= time_ms, "log time {} follows {time_ms}", batch.time_ms);
        history.batches.push(batch.clone());
        for entry in &batch.entries {
            match entry.change {
                Change::Append { shard, first_offset, records, arrival_ms } => {
                    ensure!(arrival_ms >= batch.time_ms, "an arrival lies before its batch");
                    let added: Vec<_> = entry.blocks.iter().flat_map(numbers).collect();
                    ensure!(added.len() == records as usize, "an entry has other records than it says");
                    for (number, offset) in added.into_iter().zip(first_offset..) {
                        let stored = Stored { number, index: batch.index, arrival_ms, durable_ms: now_ms };
                        self.store(group, shard, offset, stored)?;
                    }
                }
                Change::ClockStep { .. } => self.groups[group].steps.push((now_ms, batch.index)),
                Change::Trim { horizon_ms } => {
                    let trimmed_ms = &mut self.groups[group].trimmed_ms;
                    *trimmed_ms = horizon_ms.max(*trimmed_ms);
                }
                Change::SetRetention { .. } => {}
            }
        }
        Ok(())
    }

    fn store(&mut self, group: usize, shard: ShardId, offset: u64, stored: Stored) -> Result<()> {
        let number = stored.number;
        let records = self.groups[group].shards.get_mut(&shard).context("an append to a shard elsewhere")?;
        ensure!(
            offset == records.len() as u64 + 1,
            "{shard} has {} records and gets {offset}",
            records.len()
        );
        let sent = self.sent.get(&number).with_context(|| format!("record {number} was never sent"))?;
        ensure!(sent.shard == shard, "record {number} was sent to {} and is in {shard}", sent.shard);
        ensure!(
            offset > sent.behind,
            "record {number} is before one that was acknowledged before it was sent"
        );
        ensure!(stored.arrival_ms >= self.floors_ms[&shard], "an arrival in {shard} lies before its floor");
        if let Some(last) = records.last() {
            ensure!(stored.arrival_ms >= last.arrival_ms, "an arrival goes back in {shard}");
            let before = &self.sent[&last.number];
            let same = (before.session, before.sequence) == (sent.session, sent.sequence);
            ensure!(!same || last.number < number, "records of one append are in {shard} in another order");
        }
        records.push(stored);
        let twice = self.locations.insert(number, (shard, offset));
        let (session, sequence) = (sent.session, sent.sequence);
        ensure!(twice.is_none(), "record {number} of session {session}, sequence {sequence} is stored twice");
        Ok(())
    }

    /// Whether a record is durable there, as an answer says.
    pub fn check_appended(&self, number: RecordNumber, shard: ShardId, at: Appended) -> Result<()> {
        let location = self.locations.get(&number).with_context(|| {
            format!("record {number} is answered as {} of {shard}, and is not durable", at.first_offset)
        })?;
        ensure!(
            *location == (shard, at.first_offset),
            "record {number} is {location:?} and is answered as {} of {shard}",
            at.first_offset
        );
        let stored = self.stored(shard, at.first_offset).context("a location without a record")?;
        ensure!(stored.arrival_ms == at.arrival_ms, "record {number} is answered with another arrival");
        Ok(())
    }

    /// A router saw it acknowledged.
    pub fn acknowledged(&mut self, number: RecordNumber, shard: ShardId, at: Appended) -> Result<()> {
        self.check_appended(number, shard, at)?;
        self.acknowledged.insert(number, at);
        let offset = self.acknowledged_offsets.entry(shard).or_default();
        *offset = at.first_offset.max(*offset);
        Ok(())
    }

    /// The session and sequence that a record was sent under last.
    #[must_use]
    pub fn sent_as(&self, number: RecordNumber) -> Option<(u64, u64)> {
        self.sent.get(&number).map(|sent| (sent.session, sent.sequence))
    }

    /// Whether a record is in a log.
    #[must_use]
    pub fn is_stored(&self, number: RecordNumber) -> bool {
        self.locations.contains_key(&number)
    }

    /// The record of an offset.
    #[must_use]
    pub fn stored(&self, shard: ShardId, offset: u64) -> Option<&Stored> {
        let records = self.groups.iter().find_map(|history| history.shards.get(&shard))?;
        records.get(usize::try_from(offset.checked_sub(1)?).ok()?)
    }

    /// Checks that every acknowledged record is at its acknowledged offset.
    pub fn check_acknowledged(&self) -> Result<()> {
        for (number, at) in &self.acknowledged {
            self.check_appended(*number, self.sent[number].shard, *at)?;
        }
        Ok(())
    }
}
