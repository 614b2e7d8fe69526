//! A model of the log: what it has promised. It shares no code with the log.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use catalog::ShardId;
use catalog::member::OpenShard;
use record_log::record::RecordBlock;
use record_log::value::{Appended, ReadOutcome, Run, RunOutcome};
use record_log::{Reshard, Resharded};

use crate::corrupted::Corrupted;

const HOUR_MS: u64 = 3_600_000;
/// The second of creation that a reshard asks for its children: below that of every parent.
pub const ASKED_CREATE_SECONDS: u64 = 1;

/// A record that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// When it arrived.
    pub arrival_ms: u64,
    /// Its data, which no other record has.
    pub data: Vec<u8>,
    /// The number of its batch among the batches with records.
    pub batch: u64,
    /// Whether it is in the last batch and no later batch confirms it: its corruption looks like a torn tail.
    pub unconfirmed: bool,
    /// Whether it was corrupt when a loss was accepted: readers may pass over it.
    pub loss_accepted: bool,
}

/// A batch whose outcome is unknown.
#[derive(Debug)]
pub struct Unknown {
    runs: Vec<Run>,
}

/// What is known about a log.
#[derive(Debug, Default)]
pub struct Model {
    /// The records of each shard by offset.
    pub shards: BTreeMap<ShardId, BTreeMap<u64, Known>>,
    batches: u64,
    /// Batches that may or may not be in the log.
    pub unknown: Vec<Unknown>,
    /// Batches that were cut off when the log was opened last. Until another batch follows, they may come back when a
    /// corrupt tail is accepted.
    cut_off: Vec<Unknown>,
    /// Unknown batches of which corruption hid whether they are in the log: any of their records may be read.
    doubtful: Vec<Unknown>,
    /// The offset of the next record of each shard.
    next_offsets: BTreeMap<ShardId, u64>,
    /// Whether these offsets may be off, as the disk failed reads when the log was opened.
    is_end_doubtful: bool,
    /// The retention, with those of changes that were not answered.
    retention_hours: Vec<u32>,
    /// The retentions before the last change, which may itself be corrupt.
    former_hours: Vec<u32>,
    /// Records that arrived before this may have expired.
    expired_ms: u64,
    last_arrival_ms: u64,
    /// All shards as they were opened.
    pub opened: BTreeMap<ShardId, OpenShard>,
    /// When each sealed shard was, in log time, and by which operation.
    pub sealed: BTreeMap<ShardId, (u64, u64)>,
    /// An operation that was not answered, with log time then.
    unknown_reshard: Option<(Reshard, u64)>,
    /// Whether arrivals may go back: a loss was accepted while the disk failed to give the newest records and their time.
    may_arrivals_go_back: bool,
}

impl Model {
    /// A log with these shards.
    pub fn new(opened: &[OpenShard], retention_hours: u32) -> Self {
        let shards: BTreeMap<_, _> = opened.iter().map(|shard| (shard.id, BTreeMap::new())).collect();
        let next_offsets = shards.keys().map(|shard| (*shard, 1)).collect();
        let opened = opened.iter().map(|shard| (shard.id, shard.clone())).collect();
        Self { shards, next_offsets, opened, retention_hours: vec![retention_hours], ..Self::default() }
    }

    /// The offset of a shard's last record; 0 while it has none.
    #[must_use]
    pub fn last_offset(&self, shard: ShardId) -> u64 {
        self.shards.get(&shard).and_then(BTreeMap::last_key_value).map_or(0, |(offset, _)| *offset)
    }

    /// The offset of a shard's next record.
    #[must_use]
    pub fn next_offset(&self, shard: ShardId) -> u64 {
        self.next_offsets.get(&shard).copied().unwrap_or(1)
    }

    /// A batch was acknowledged.
    pub fn appended(
        &mut self,
        appends: &[Vec<Run>],
        outcomes: &[Vec<RunOutcome>],
        now_ms: u64,
    ) -> Result<()> {
        ensure!(appends.len() == outcomes.len(), "an answer for each append");
        let mut arrivals = Vec::new();
        self.confirmed();
        self.cut_off.clear();
        self.batches += 1;
        for (runs, outcomes) in appends.iter().zip(outcomes) {
            ensure!(runs.len() == outcomes.len(), "an answer for each run");
            for (run, outcome) in runs.iter().zip(outcomes) {
                if let RunOutcome::Sealed(successors) = outcome {
                    self.check_successors(run.shard, successors)?;
                    continue;
                }
                if *outcome == RunOutcome::NotHere {
                    ensure!(self.may_be_expired(run.shard), "{} is there and is not found", run.shard);
                    continue;
                }
                ensure!(!self.sealed.contains_key(&run.shard), "{} is sealed and takes records", run.shard);
                let RunOutcome::Appended(at) = outcome else { bail!("a run is not appended: {outcome:?}") };
                self.add(run, *at)?;
                arrivals.push(at.arrival_ms);
            }
        }
        for arrival_ms in arrivals {
            let is_in_order = arrival_ms >= self.last_arrival_ms || self.may_arrivals_go_back;
            ensure!(is_in_order, "an arrival went back");
            ensure!(arrival_ms == now_ms, "an arrival is {arrival_ms}, and log time {now_ms}");
            self.last_arrival_ms = arrival_ms;
        }
        Ok(())
    }

    fn add(&mut self, run: &Run, at: Appended) -> Result<()> {
        let next = self.next_offset(run.shard);
        let first = at.first_offset;
        ensure!(first == next, "offset {first} of {} was answered, and {next} was due", run.shard);
        let shard = self.shards.entry(run.shard).or_default();
        for (record, offset) in run.block.records().zip(first..) {
            let (arrival_ms, data, batch) = (at.arrival_ms, record.data.to_vec(), self.batches);
            shard.insert(offset, Known { arrival_ms, data, batch, unconfirmed: true, loss_accepted: false });
        }
        self.next_offsets.insert(run.shard, first + u64::from(run.block.count()));
        Ok(())
    }

    /// A later batch confirmed the last one.
    pub fn confirmed(&mut self) {
        let records = self.shards.values_mut().flat_map(|shard| shard.values_mut().rev());
        records.for_each(|known| known.unconfirmed = false);
    }

    /// The loss of all corrupt records is accepted, or may be.
    pub fn loss_accepted(&mut self, corrupted: &Corrupted) {
        for (shard, records) in &mut self.shards {
            let accepted = records.iter_mut().filter(|(offset, _)| corrupted.has(*shard, **offset));
            accepted.for_each(|(_, known)| known.loss_accepted = true);
        }
    }

    /// The loss of the corrupt tail, from these offsets on, is accepted, or may be: of whole batches, and of all of
    /// them if the disk fails reads.
    pub fn corrupt_tail_accepted(
        &mut self,
        ends: &BTreeMap<ShardId, u64>,
        corrupted: &Corrupted,
        doubtful: bool,
    ) {
        self.loss_accepted(corrupted);
        for (shard, records) in &mut self.shards {
            let end = ends.get(shard).copied().unwrap_or_default();
            let is_accepted = |offset: u64| doubtful || corrupted.has_of_batch(*shard, offset);
            let accepted = records.range_mut(end..).filter(|(offset, _)| is_accepted(**offset));
            accepted.for_each(|(_, known)| known.loss_accepted = true);
        }
        self.is_end_doubtful = true;
        self.may_arrivals_go_back |= doubtful;
    }

    /// The log takes appends again behind its corrupt tail, at these offsets. Unanswered batches may be before them.
    pub fn resumed(&mut self, next_offsets: &BTreeMap<ShardId, u64>) {
        self.forget_arrivals();
        self.confirmed();
        self.doubtful.append(&mut self.unknown);
        self.doubtful.append(&mut self.cut_off);
        self.retention_hours.append(&mut self.former_hours);
        self.next_offsets.extend(next_offsets);
    }

    /// A batch was not answered.
    pub fn not_answered(&mut self, appends: &[Vec<Run>]) {
        let runs = appends.iter().flatten().filter(|run| !self.sealed.contains_key(&run.shard));
        self.unknown.push(Unknown { runs: runs.cloned().collect() });
    }

    /// The retention was changed, or may have been if that was not answered.
    pub fn set_retention(&mut self, hours: u32, answered: bool) {
        if answered {
            self.former_hours = std::mem::take(&mut self.retention_hours);
        }
        self.retention_hours.push(hours);
    }

    /// Log time has advanced: records may have expired.
    pub fn expire(&mut self, now_ms: u64) {
        let hours = self.retention_hours.iter().min().copied().unwrap_or_default();
        self.expired_ms = self.expired_ms.max(now_ms.saturating_sub(u64::from(hours) * HOUR_MS));
    }

    /// Whether a record may have expired.
    #[must_use]
    pub fn may_be_gone(&self, known: &Known) -> bool {
        known.arrival_ms < self.expired_ms
    }

    /// The log was opened again, and its shards end at these offsets. Decides which unanswered batches are in the log,
    /// and checks that every acknowledged record behind the ends is corrupt. `doubtful`: the disk failed reads.
    pub fn reopened(
        &mut self,
        next_offsets: &BTreeMap<ShardId, u64>,
        corrupted: &Corrupted,
        doubtful: bool,
    ) -> Result<()> {
        self.decide_reshard(next_offsets)?;
        let may_differ = !corrupted.is_nothing() || doubtful || self.is_end_doubtful;
        self.is_end_doubtful = doubtful;
        if may_differ {
            self.retention_hours.append(&mut self.former_hours);
        }
        for unknown in std::mem::take(&mut self.unknown) {
            self.decide(unknown, next_offsets, may_differ)?;
        }
        let mut first_cut = u64::MAX;
        self.forget_expired(next_offsets)?;
        for (shard, records) in &mut self.shards {
            let next_offset = next_offsets.get(shard).copied().unwrap_or_default();
            // Corruption at the end that no later batch confirms looks like a torn tail.
            let cut = records.split_off(&next_offset);
            for (offset, known) in cut.into_iter().filter(|(_, known)| !known.loss_accepted) {
                let may_be_cut = corrupted.may_be_cut(*shard, offset, !known.unconfirmed);
                ensure!(may_be_cut, "record {offset} of {shard} was answered and is cut off");
                first_cut = first_cut.min(known.batch);
            }
            let end = self.next_offsets.insert(*shard, next_offset).unwrap_or(1);
            ensure!(
                may_differ || next_offset == end,
                "{shard} ends at {next_offset}, and {end} was answered"
            );
        }
        for (shard, records) in &mut self.shards {
            // If the log skips the offsets of corrupt records, the shard ends behind the records of a batch that was
            // cut off.
            let end = records.last_key_value().map_or(1, |(offset, _)| offset + 1);
            if next_offsets.get(shard).is_some_and(|next_offset| *next_offset > end) {
                records.retain(|_, known| known.batch < first_cut);
            }
        }
        let last_kept = self.shards.values().flat_map(BTreeMap::values).map(|known| known.batch).max();
        ensure!(last_kept.is_none_or(|last| last < first_cut), "a batch is cut off before one that is kept");
        if may_differ {
            self.forget_arrivals();
        }
        Ok(())
    }

    /// Forgets the arrivals of records that are cut off or whose loss is accepted.
    fn forget_arrivals(&mut self) {
        let kept = self.shards.values().flat_map(BTreeMap::values).filter(|known| !known.loss_accepted);
        self.last_arrival_ms = kept.map(|known| known.arrival_ms).max().unwrap_or_default();
    }

    /// Shards were sealed and opened, as answered.
    pub fn resharded(&mut self, reshard: &Reshard, resharded: &Resharded) -> Result<()> {
        self.confirmed();
        self.cut_off.clear();
        let arrival_ms = resharded.sealed.first().map_or(0, |sealed| sealed.arrival_ms);
        for sealed in &resharded.sealed {
            let last = (self.last_offset(sealed.id), self.next_offset(sealed.id));
            ensure!(
                (sealed.last_offset, sealed.last_offset + 1) == last,
                "{} is sealed at another end",
                sealed.id
            );
            ensure!(sealed.arrival_ms == arrival_ms, "shards are sealed at different times");
        }
        let ids = |shards: &[OpenShard]| shards.iter().map(|shard| shard.id).collect::<Vec<_>>();
        ensure!(ids(&reshard.open) == ids(&resharded.opened), "other shards were opened");
        for child in &resharded.opened {
            for parent in &child.parents {
                let parent = &self.opened[parent];
                ensure!(child.create_seconds > parent.create_seconds, "{} is not younger", child.id);
            }
        }
        self.take_reshard(reshard.op, &reshard.seal, &resharded.opened, arrival_ms);
        Ok(())
    }

    fn take_reshard(&mut self, op: u64, seal: &[ShardId], open: &[OpenShard], arrival_ms: u64) {
        self.sealed.extend(seal.iter().map(|shard| (*shard, (arrival_ms, op))));
        for child in open {
            self.opened.insert(child.id, child.clone());
            self.shards.insert(child.id, BTreeMap::new());
            self.next_offsets.insert(child.id, 1);
        }
    }

    /// An operation was not answered.
    pub fn reshard_not_answered(&mut self, reshard: Reshard, now_ms: u64) {
        self.unknown_reshard = Some((reshard, now_ms));
    }

    /// Decides whether an operation that was not answered is in the log: all of it, or nothing.
    fn decide_reshard(&mut self, next_offsets: &BTreeMap<ShardId, u64>) -> Result<()> {
        let Some((reshard, now_ms)) = self.unknown_reshard.take() else { return Ok(()) };
        let there = reshard.open.iter().filter(|child| next_offsets.contains_key(&child.id)).count();
        ensure!(there == 0 || there == reshard.open.len(), "an operation is there in parts");
        if there > 0 {
            self.take_reshard(reshard.op, &reshard.seal, &reshard.open, now_ms);
        }
        Ok(())
    }

    /// Forgets shards that have expired, and that the log has no more; gives how many.
    pub fn forget_expired(&mut self, next_offsets: &BTreeMap<ShardId, u64>) -> Result<usize> {
        let gone: Vec<_> =
            self.shards.keys().filter(|shard| !next_offsets.contains_key(shard)).copied().collect();
        for shard in &gone {
            ensure!(self.may_be_expired(*shard), "{shard} is gone");
            let unread = self.shards.remove(shard).unwrap_or_default();
            let kept = unread.values().find(|known| !self.may_be_gone(known));
            ensure!(kept.is_none(), "{shard} is gone with a record that is kept: {kept:?}");
            self.next_offsets.remove(shard);
        }
        Ok(gone.len())
    }

    /// Whether a shard may be gone: it was sealed so long ago.
    #[must_use]
    pub fn may_be_expired(&self, shard: ShardId) -> bool {
        self.sealed.get(&shard).is_some_and(|(arrival_ms, _)| *arrival_ms < self.expired_ms)
    }

    /// The shards that took over from one.
    #[must_use]
    pub fn successors(&self, parent: ShardId) -> Vec<OpenShard> {
        self.opened.values().filter(|shard| shard.parents.contains(&parent)).cloned().collect()
    }

    /// The shards that took over from one are these. Of an operation that was not answered, the second of a child's
    /// creation is learned here: the log raises it.
    fn check_successors(&mut self, parent: ShardId, found: &[OpenShard]) -> Result<()> {
        let known = self.successors(parent);
        ensure!(found.len() == known.len(), "{parent} has {found:?} as successors, not {known:?}");
        for (found, known) in found.iter().zip(known) {
            let is_learned = known.create_seconds > ASKED_CREATE_SECONDS;
            let create_seconds = if is_learned { known.create_seconds } else { found.create_seconds };
            let expected = OpenShard { create_seconds, ..known };
            ensure!(*found == expected, "{parent} has {found:?} as a successor, not {expected:?}");
            self.opened.insert(found.id, expected);
        }
        Ok(())
    }

    /// A reader finds the end of a shard behind its last record if it is sealed, and nowhere else.
    pub fn check_end(&self, shard: ShardId, outcome: &ReadOutcome) -> Result<()> {
        let is_end = self.sealed.contains_key(&shard) && outcome.next_offset >= self.next_offset(shard);
        let found =
            outcome.successors.as_ref().map(|found| found.iter().map(|shard| shard.id).collect::<Vec<_>>());
        let expected = is_end.then(|| self.successors(shard).iter().map(|shard| shard.id).collect());
        ensure!(found == expected, "a reader finds {found:?} behind {shard}, and {expected:?} took over");
        Ok(())
    }

    /// Decides whether an unanswered batch is in the log: completely, or not at all.
    fn decide(
        &mut self,
        unknown: Unknown,
        next_offsets: &BTreeMap<ShardId, u64>,
        may_differ: bool,
    ) -> Result<()> {
        let mut sizes: BTreeMap<ShardId, u64> = BTreeMap::new();
        for run in &unknown.runs {
            *sizes.entry(run.shard).or_default() += u64::from(run.block.count());
        }
        let there = |(shard, records): (&ShardId, &u64)| {
            let end = self.next_offset(*shard);
            match next_offsets.get(shard).copied().unwrap_or_default() {
                next if next == end => Some(false),
                next if next == end + records => Some(true),
                _ => None,
            }
        };
        let found: Vec<_> = sizes.iter().map(there).collect();
        let same = found.windows(2).all(|pair| pair[0] == pair[1]) && !found.contains(&None);
        if may_differ && !same {
            // It was not acknowledged, so any part of it may be readable.
            self.doubtful.push(unknown);
            return Ok(());
        }
        ensure!(same, "a batch is there in parts: {found:?}");
        if found.first() == Some(&Some(true)) {
            self.batches += 1;
            for run in &unknown.runs {
                let first_offset = self.next_offset(run.shard);
                // Its arrival is learned when it is read.
                self.add(run, Appended { first_offset, arrival_ms: 0 })?;
            }
        } else {
            self.cut_off.push(unknown);
        }
        Ok(())
    }

    /// Checks the outcome of a read from offset `from` on. Every known record that arrived at `oldest_ms` or later and
    /// has not expired must be in it, unless the read `may_pass` over corruption.
    pub fn check_read(
        &mut self,
        shard: ShardId,
        from: u64,
        oldest_ms: u64,
        outcome: &ReadOutcome,
        may_pass: bool,
    ) -> Result<()> {
        let mut expected = from;
        for run in &outcome.runs {
            ensure!(
                run.arrival_ms >= oldest_ms,
                "a record of {} is older than was asked for",
                run.arrival_ms
            );
            ensure!(run.first_offset >= expected, "offset {} of {shard} came again", run.first_offset);
            self.check_left_out(shard, expected, run.first_offset, oldest_ms, may_pass)?;
            self.check_records(shard, run.first_offset, run.arrival_ms, &run.block)?;
            expected = run.first_offset + u64::from(run.block.count());
        }
        ensure!(outcome.next_offset >= expected, "the next offset lies before the end of what was read");
        self.check_left_out(shard, expected, outcome.next_offset, oldest_ms, may_pass)
    }

    fn check_records(
        &mut self,
        shard: ShardId,
        first_offset: u64,
        arrival_ms: u64,
        block: &RecordBlock,
    ) -> Result<()> {
        for (record, offset) in block.records().zip(first_offset..) {
            match self.shards.get_mut(&shard).and_then(|records| records.get_mut(&offset)) {
                Some(known) => {
                    ensure!(known.data == record.data, "record {offset} of {shard} has other data");
                    if known.arrival_ms == 0 {
                        known.arrival_ms = arrival_ms;
                    }
                    ensure!(known.arrival_ms == arrival_ms, "record {offset} of {shard} has another arrival");
                }
                None => ensure!(
                    self.is_doubtful(shard, record.data),
                    "record {offset} of {shard} was never answered"
                ),
            }
        }
        Ok(())
    }

    /// Whether the record is of an append whose outcome is unknown.
    fn is_doubtful(&self, shard: ShardId, data: &[u8]) -> bool {
        let runs = self.doubtful.iter().chain(&self.unknown).flat_map(|unknown| &unknown.runs);
        runs.filter(|run| run.shard == shard).any(|run| run.block.records().any(|known| known.data == data))
    }

    fn check_left_out(
        &self,
        shard: ShardId,
        from: u64,
        to: u64,
        oldest_ms: u64,
        may_pass: bool,
    ) -> Result<()> {
        if from >= to {
            return Ok(());
        }
        for (offset, known) in self.shards[&shard].range(from..to) {
            let old = known.arrival_ms < oldest_ms;
            ensure!(
                old || self.may_be_gone(known) || known.loss_accepted || may_pass,
                "record {offset} of {shard} was answered and is left out"
            );
        }
        Ok(())
    }
}
