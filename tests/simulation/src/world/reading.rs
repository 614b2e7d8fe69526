//! Reads from anywhere, and of everything.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use catalog::ShardId;
use rand::RngExt as _;
use record_log::value::{Limits, Position, ReadOutcome, Wait};
use record_log::{NewerFile, ReadError, Reader};

use super::{ALL, Event, HOUR_MS, START_MS, World};
use crate::faults::Faults;

/// The most corruptions that the status reports.
const MAX_REPORTED: usize = 64;

/// A read that was drawn.
struct DrawnRead {
    shard: ShardId,
    position: Position,
    limits: Limits,
    wait: Wait,
}

impl World {
    pub(super) fn read_somewhere(&mut self) -> Result<()> {
        let DrawnRead { shard, position, limits, wait } = self.draw_read();
        self.note_time();
        let reader = self.process()?.reader.clone();
        match reader.read(shard, position, limits, wait) {
            Ok(outcome) => self.check_answer(&reader, shard, position, &outcome),
            Err(ReadError::WouldBlock) => {
                ensure!(wait == Wait::Never, "a read that may wait did not");
                self.record_event(Event::ReadWouldBlock, 0);
                Ok(())
            }
            Err(error) => {
                let at = if let Position::Offset(offset) = position { Some((shard, offset)) } else { None };
                self.check_refused(at, &error)
            }
        }
    }

    fn draw_read(&mut self) -> DrawnRead {
        let shards: Vec<_> = self.model.shards.keys().copied().collect();
        let shard = shards[self.random.random_range(0..shards.len())];
        let last = self.model.last_offset(shard);
        let arrivals: Vec<_> = self.model.shards[&shard].values().map(|known| known.arrival_ms).collect();
        let position = match self.random.random_range(0..4) {
            0 => Position::TrimHorizon,
            1 => Position::Latest,
            2 => Position::Offset(self.random.random_range(0..last + 3)),
            _ if arrivals.is_empty() => Position::AtTimestamp(START_MS),
            _ => {
                let near = arrivals[self.random.random_range(0..arrivals.len())];
                Position::AtTimestamp(near.saturating_add_signed(self.random.random_range(-1..2)))
            }
        };
        let limits = Limits {
            max_records: self.random.random_range(1..20),
            max_bytes: self.random.random_range(1..20_000),
        };
        let wait = if self.random.random_bool(0.3) { Wait::Never } else { Wait::ForDisk };
        DrawnRead { shard, position, limits, wait }
    }

    fn check_answer(
        &mut self,
        reader: &Reader,
        shard: ShardId,
        position: Position,
        outcome: &ReadOutcome,
    ) -> Result<()> {
        let last = self.model.last_offset(shard);
        let (from, oldest_ms) = match position {
            Position::TrimHorizon => (1, 0),
            Position::Latest => (last + 1, 0),
            Position::Offset(offset) => (offset.max(1), 0),
            Position::AtTimestamp(arrival_ms) => (1, arrival_ms),
        };
        self.check_expired(reader, outcome)?;
        self.model.check_end(shard, outcome)?;
        if position == Position::Latest {
            let end = self.model.next_offset(shard);
            ensure!(
                outcome.runs.is_empty() && outcome.next_offset == end,
                "LATEST is {} and not the end, {end}",
                outcome.next_offset
            );
        }
        self.model.check_read(shard, from, oldest_ms, outcome, self.may_pass)?;
        if let Position::AtTimestamp(_) = position {
            let first = outcome.runs.first().map(|run| run.first_offset);
            self.check_locate(reader, shard, position, first)?;
        }
        self.record_event(Event::Read, (outcome.next_offset, outcome.runs.len()));
        Ok(())
    }

    /// What has expired by log time is not read.
    fn check_expired(&mut self, reader: &Reader, outcome: &ReadOutcome) -> Result<()> {
        let Some(hours) = reader.status().retention_hours else { return Ok(()) };
        let (boottime_ms, _) = self.clocks.both();
        let now_ms = self.process()?.time.at(boottime_ms);
        let horizon_ms = now_ms.saturating_sub(u64::from(hours) * HOUR_MS);
        let expired = outcome.runs.iter().find(|run| run.arrival_ms < horizon_ms);
        ensure!(expired.is_none(), "records that expired before {horizon_ms} are read: {expired:?}");
        Ok(())
    }

    fn check_locate(
        &mut self,
        reader: &Reader,
        shard: ShardId,
        position: Position,
        first: Option<u64>,
    ) -> Result<()> {
        match (reader.locate(shard, position, Wait::ForDisk), first) {
            (Ok(located), Some(first)) if !self.faults.may_lose() => {
                // A read without the bound of the retention may find an older one.
                ensure!(located <= first, "{position:?} is located at {located}, and read from {first}");
            }
            (Err(error), _) => self.check_refused(None, &error)?,
            (Ok(_), _) => {}
        }
        Ok(())
    }

    /// A read from a record's offset may be refused only if that record is corrupt, with the corruption.
    pub(super) fn check_refused(&mut self, at: Option<(ShardId, u64)>, error: &ReadError) -> Result<()> {
        if self.disk.has_crashed() {
            return Ok(());
        }
        if let ReadError::Newer(newer) = error {
            return self.check_read_newer(at, newer);
        }
        if let ReadError::UnknownShard(shard) = error {
            ensure!(self.model.may_be_expired(*shard), "{shard} is there and is not found");
            return Ok(());
        }
        let ReadError::Corrupt(corruption) = error else { bail!("a read was refused: {error}") };
        ensure!(self.explains(corruption), "corruption that nobody caused: {error}");
        if self.is_readable() && !self.may_misjudge {
            ensure!(!self.all_accepted, "an accepted loss is refused: {error}");
            if let Some((shard, offset)) = at
                && let Some(known) = self.model.shards[&shard].get(&offset)
            {
                let may_be_refused = self.corrupted.has(shard, offset) || self.model.may_be_gone(known);
                ensure!(may_be_refused, "record {offset} of {shard} is whole and is refused: {error}");
            }
        }
        self.record_event(Event::ReadRefused, 0);
        Ok(())
    }

    /// A read that begins with a record is refused as newer only where that is.
    fn check_read_newer(&mut self, at: Option<(ShardId, u64)>, newer: &NewerFile) -> Result<()> {
        self.check_newer(newer)?;
        if let Some((shard, offset)) = at
            && let Some(known) = self.model.shards[&shard].get(&offset)
            && self.is_readable()
            && !self.may_misjudge
        {
            let is_other_loss =
                self.corrupted.has(shard, offset) || known.loss_accepted || self.model.may_be_gone(known);
            ensure!(
                self.newer.has(shard, offset) || is_other_loss,
                "record {offset} of {shard} is known to this version and is refused: {newer}"
            );
        }
        self.record_event(Event::ReadRefusedAsNewer, 0);
        Ok(())
    }

    /// The log's status must report the corruption for which a read was refused.
    fn check_status_reports(&mut self, error: &ReadError) -> Result<()> {
        let ReadError::Corrupt(corruption) = error else { return Ok(()) };
        let reported = self.process()?.reader.status().corruption;
        let is_reported = reported
            .iter()
            .any(|other| other.file == corruption.file && other.position == corruption.position);
        ensure!(
            is_reported || reported.len() >= MAX_REPORTED,
            "a read was refused, and the status does not report it: {error}"
        );
        Ok(())
    }

    /// Reads every shard from front to back, and accounts for every record that was answered.
    pub(super) fn read_all(&mut self) -> Result<()> {
        let shards: Vec<_> = self.model.shards.keys().copied().collect();
        for shard in shards {
            self.read_shard(shard).with_context(|| format!("reading {shard}"))?;
            if self.disk.has_crashed() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn read_shard(&mut self, shard: ShardId) -> Result<()> {
        self.note_time();
        let reader = self.process()?.reader.clone();
        let end = reader.status().next_offsets.get(&shard).copied().unwrap_or_default();
        let mut offset = 1;
        let mut seen: BTreeMap<u64, ()> = BTreeMap::new();
        let mut refused = false;
        while offset < end {
            let limits = match self.random.random_bool(0.5) {
                true => ALL,
                false => Limits { max_records: self.random.random_range(1..9), max_bytes: 2_000 },
            };
            match reader.read(shard, Position::Offset(offset), limits, Wait::ForDisk) {
                Ok(outcome) => {
                    self.model.check_read(shard, offset, 0, &outcome, self.may_pass)?;
                    let may_end = limits.max_bytes < ALL.max_bytes
                        || !self.newer.is_nothing()
                        || self.faults.may_lose()
                        || self.may_pass
                        || self.disk.has_crashed();
                    let next_offset = outcome.next_offset;
                    ensure!(may_end || next_offset >= end, "a read of all ends at {next_offset} of {end}");
                    for run in &outcome.runs {
                        seen.extend((run.first_offset..).take(run.block.count() as usize).map(|at| (at, ())));
                    }
                    ensure!(outcome.next_offset > offset, "a read at {offset} of {end} does not go on");
                    offset = outcome.next_offset;
                }
                Err(_) if self.disk.has_crashed() => return Ok(()),
                Err(error) => {
                    self.check_refused(Some((shard, offset)), &error)?;
                    if self.is_readable() {
                        self.check_status_reports(&error)?;
                    }
                    // The next record that is known may be readable again.
                    refused = true;
                    offset =
                        self.model.shards[&shard].range(offset + 1..).next().map_or(end, |(next, _)| *next);
                }
            }
        }
        let has_stopped = reader.status().stopped.is_some();
        let may_miss = self.may_pass || (refused || has_stopped) && !self.is_readable();
        let missing = self.model.shards[&shard].iter().find(|(offset, known)| {
            // A corrupt tail begins with a whole batch.
            let corrupted = match has_stopped && **offset >= end {
                true => self.corrupted.has_of_batch(shard, **offset),
                false => self.corrupted.has(shard, **offset),
            };
            let is_newer = self.newer.has(shard, **offset);
            let may_be_gone = self.model.may_be_gone(known) || known.loss_accepted || corrupted || is_newer;
            !seen.contains_key(offset) && !may_be_gone && !may_miss
        });
        if let Some((offset, _)) = missing {
            bail!("record {offset} of {shard} was answered and is not there, and no corruption is reported");
        }
        self.record_event(Event::ReadAll, (shard.index(), seen.len()));
        Ok(())
    }

    /// The disk stops failing reads: from then on nothing may be refused.
    pub(super) fn read_all_again(&mut self) -> Result<()> {
        if self.may_misjudge || self.disk.has_crashed() {
            return Ok(());
        }
        self.faults = Faults { failed_read: 0, ..self.faults };
        self.disk.set_faults(self.faults);
        self.read_all().context("when all reads succeed again")
    }
}
