//! What was promised, by a reading of the rules that shares no code with the log.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use catalog::ShardId;
use record_log::record::RecordBlock;
use record_log::value::{Appended, ReadOutcome, Run};

const HOUR_MS: u64 = 3_600_000;

/// A record that was answered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// When it arrived.
    pub arrival_ms: u64,
    /// Its data, which no other record has.
    pub data: Vec<u8>,
    /// Whether it is in the last batch, and no batch behind confirms it: damage to it passes for a torn end.
    pub unconfirmed: bool,
}

/// A batch whose outcome was not told.
#[derive(Debug)]
pub struct Unknown {
    runs: Vec<Run>,
}

/// What must be there when a log is opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All that was answered: nothing was damaged.
    All,
    /// All that was confirmed too: one thing was damaged.
    Confirmed,
    /// Whatever is not at the end: a batch and what confirmed it may both be damaged.
    AllButDamagedEnd,
}

/// What is known of a log.
#[derive(Debug, Default)]
pub struct Model {
    /// The records of each shard by offset.
    pub shards: BTreeMap<ShardId, BTreeMap<u64, Known>>,
    /// What may or may not be there.
    pub unknown: Vec<Unknown>,
    /// How long records are kept, and how long perhaps, where a change was not answered.
    retention_hours: Vec<u32>,
    /// And before the last change, which may be what was damaged.
    former_hours: Vec<u32>,
    /// Records that arrived before may be gone.
    expired_ms: u64,
    last_arrival_ms: u64,
    /// What could not be read when a loss was accepted, so that readers may pass over it.
    given_up: BTreeSet<(ShardId, u64)>,
}

impl Model {
    /// A log with these shards.
    pub fn new(shards: impl Iterator<Item = ShardId>, retention_hours: u32) -> Self {
        let shards = shards.map(|shard| (shard, BTreeMap::new())).collect();
        Self { shards, retention_hours: vec![retention_hours], ..Self::default() }
    }

    /// The offset of a shard's last record; 0 while it has none.
    #[must_use]
    pub fn last_offset(&self, shard: ShardId) -> u64 {
        self.shards.get(&shard).and_then(BTreeMap::last_key_value).map_or(0, |(offset, _)| *offset)
    }

    /// A batch was answered.
    pub fn appended(&mut self, appends: &[Vec<Run>], appended: &[Vec<Appended>], now_ms: u64) -> Result<()> {
        ensure!(appends.len() == appended.len(), "an answer for each append");
        let mut arrivals = Vec::new();
        self.confirmed();
        for (runs, appended) in appends.iter().zip(appended) {
            ensure!(runs.len() == appended.len(), "an answer for each run");
            for (run, at) in runs.iter().zip(appended) {
                self.add(run, *at)?;
                arrivals.push(at.arrival_ms);
            }
        }
        for arrival_ms in arrivals {
            ensure!(arrival_ms >= self.last_arrival_ms, "an arrival went back");
            ensure!(arrival_ms >= now_ms, "an arrival lies before its append");
            self.last_arrival_ms = arrival_ms;
        }
        Ok(())
    }

    fn add(&mut self, run: &Run, at: Appended) -> Result<()> {
        let shard = self.shards.entry(run.shard).or_default();
        for (record, offset) in run.block.records().zip(at.first_offset..) {
            if let Some((last, _)) = shard.last_key_value() {
                ensure!(offset > *last, "offset {offset} of {} was answered before", run.shard);
            }
            let data = record.data.to_vec();
            shard.insert(offset, Known { arrival_ms: at.arrival_ms, data, unconfirmed: true });
        }
        Ok(())
    }

    /// A batch came behind the last one.
    pub fn confirmed(&mut self) {
        let records = self.shards.values_mut().flat_map(|shard| shard.values_mut().rev());
        records.for_each(|known| known.unconfirmed = false);
    }

    /// A batch was not answered.
    pub fn not_answered(&mut self, appends: &[Vec<Run>]) {
        self.unknown.push(Unknown { runs: appends.iter().flatten().cloned().collect() });
    }

    /// The retention was changed, or perhaps, where that was not answered.
    pub fn set_retention(&mut self, hours: u32, answered: bool) {
        if answered {
            self.former_hours = std::mem::take(&mut self.retention_hours);
        }
        self.retention_hours.push(hours);
    }

    /// The log was told to look after itself, at a time at which records may expire.
    pub fn maintained(&mut self, now_ms: u64) {
        let hours = self.retention_hours.iter().min().copied().unwrap_or_default();
        self.expired_ms = self.expired_ms.max(now_ms.saturating_sub(u64::from(hours) * HOUR_MS));
    }

    /// Whether a record may be gone.
    #[must_use]
    pub fn may_be_gone(&self, known: &Known) -> bool {
        known.arrival_ms < self.expired_ms
    }

    /// The log was opened again and its shards end at these offsets: decides what became of what was not answered, and
    /// checks that nothing that was answered is behind the end.
    pub fn reopened(&mut self, next_offsets: &BTreeMap<ShardId, u64>, kept: Kept) -> Result<()> {
        let damaged = kept != Kept::All;
        if damaged {
            self.retention_hours.append(&mut self.former_hours);
        }
        for unknown in std::mem::take(&mut self.unknown) {
            self.decide(&unknown, next_offsets, damaged)?;
        }
        for (shard, records) in &mut self.shards {
            let next_offset = next_offsets.get(shard).copied().unwrap_or_default();
            let lost: Vec<_> =
                records.range(next_offset..).map(|(offset, known)| (*offset, known.unconfirmed)).collect();
            for (offset, unconfirmed) in lost {
                // The one damage that cannot be told from a torn end.
                let may_be_cut = kept == Kept::AllButDamagedEnd || damaged && unconfirmed;
                ensure!(may_be_cut, "record {offset} of {shard} was answered and is cut off");
                records.remove(&offset);
            }
            if !damaged {
                let end = records.last_key_value().map_or(1, |(offset, _)| offset + 1);
                ensure!(next_offset == end, "{shard} ends at {next_offset}, and {end} was answered");
            }
        }
        if damaged {
            // What is cut off says no more when something arrived.
            let kept = self.shards.values().flat_map(BTreeMap::values);
            self.last_arrival_ms = kept.map(|known| known.arrival_ms).max().unwrap_or_default();
        }
        Ok(())
    }

    /// A batch is there whole or not at all.
    fn decide(
        &mut self,
        unknown: &Unknown,
        next_offsets: &BTreeMap<ShardId, u64>,
        damaged: bool,
    ) -> Result<()> {
        let mut sizes: BTreeMap<ShardId, u64> = BTreeMap::new();
        for run in &unknown.runs {
            *sizes.entry(run.shard).or_default() += u64::from(run.block.count());
        }
        let there = |(shard, records): (&ShardId, &u64)| {
            let end = self.shards[shard].last_key_value().map_or(1, |(offset, _)| offset + 1);
            match next_offsets.get(shard).copied().unwrap_or_default() {
                next if next == end => Some(false),
                next if next == end + records => Some(true),
                _ => None,
            }
        };
        let found: Vec<_> = sizes.iter().map(there).collect();
        let same = found.windows(2).all(|pair| pair[0] == pair[1]) && !found.contains(&None);
        if damaged && !same {
            // Nobody was answered: what can be read of it is as good as what cannot.
            return Ok(());
        }
        ensure!(same, "a batch is there in parts: {found:?}");
        if found.first() == Some(&Some(true)) {
            let mut ends: BTreeMap<ShardId, u64> = BTreeMap::new();
            for run in &unknown.runs {
                let records = &self.shards[&run.shard];
                let end = records.last_key_value().map_or(1, |(offset, _)| offset + 1);
                let first_offset = *ends.entry(run.shard).or_insert(end);
                *ends.entry(run.shard).or_default() += u64::from(run.block.count());
                // When it arrived is found out when it is read.
                self.add(run, Appended { first_offset, arrival_ms: 0 })?;
            }
        }
        Ok(())
    }

    /// A loss is accepted, or perhaps: this record could not be read just before.
    pub fn give_up(&mut self, shard: ShardId, offset: u64) {
        self.given_up.insert((shard, offset));
    }

    /// A record that was answered, has not expired, was not given up and lies between two offsets.
    #[must_use]
    pub fn kept_between(&self, shard: ShardId, from: u64, to: u64) -> Option<u64> {
        let mut between = self.shards[&shard].range(from..to.max(from));
        let is_kept = |(offset, known): &(&u64, &Known)| {
            !self.may_be_gone(known) && !self.given_up.contains(&(shard, **offset))
        };
        between.find(is_kept).map(|(offset, _)| *offset)
    }

    /// Compares what was read with what is known. `from` is the first offset that may be given; nothing that is known,
    /// did arrive at `oldest_ms` or later and has not expired may be left out.
    pub fn check_read(
        &mut self,
        shard: ShardId,
        from: u64,
        oldest_ms: u64,
        outcome: &ReadOutcome,
        damaged: bool,
    ) -> Result<()> {
        let mut expected = from;
        for run in &outcome.runs {
            ensure!(
                run.arrival_ms >= oldest_ms,
                "a record of {} is older than was asked for",
                run.arrival_ms
            );
            ensure!(run.first_offset >= expected, "offset {} of {shard} came again", run.first_offset);
            self.check_left_out(shard, expected, run.first_offset, oldest_ms, damaged)?;
            self.check_records(shard, run.first_offset, run.arrival_ms, &run.block, damaged)?;
            expected = run.first_offset + u64::from(run.block.count());
        }
        ensure!(outcome.next_offset >= expected, "the next offset lies before the end of what was read");
        self.check_left_out(shard, expected, outcome.next_offset, oldest_ms, damaged)
    }

    fn check_records(
        &mut self,
        shard: ShardId,
        first_offset: u64,
        arrival_ms: u64,
        block: &RecordBlock,
        damaged: bool,
    ) -> Result<()> {
        let records = self.shards.entry(shard).or_default();
        for (record, offset) in block.records().zip(first_offset..) {
            match records.get_mut(&offset) {
                Some(known) => {
                    ensure!(known.data == record.data, "record {offset} of {shard} has other data");
                    if known.arrival_ms == 0 {
                        known.arrival_ms = arrival_ms;
                    }
                    ensure!(known.arrival_ms == arrival_ms, "record {offset} of {shard} has another arrival");
                }
                None if damaged => {}
                None => bail!("record {offset} of {shard} was never answered"),
            }
        }
        Ok(())
    }

    fn check_left_out(
        &self,
        shard: ShardId,
        from: u64,
        to: u64,
        oldest_ms: u64,
        accepted: bool,
    ) -> Result<()> {
        if from >= to {
            return Ok(());
        }
        for (offset, known) in self.shards[&shard].range(from..to) {
            let old = known.arrival_ms < oldest_ms;
            ensure!(
                old || self.may_be_gone(known) || accepted,
                "record {offset} of {shard} was answered and is left out"
            );
        }
        Ok(())
    }
}
