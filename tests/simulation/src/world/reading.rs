//! Reads from anywhere, and of everything.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use catalog::ShardId;
use rand::RngExt as _;
use record_log::clock::Clock as _;
use record_log::value::{Limits, Position, ReadOutcome, Wait};
use record_log::{ReadError, Reader};

use super::{ALL, Event, HOUR_MS, START_MS, World};
use crate::faults::Faults;

/// A read that was drawn.
struct Asked {
    shard: ShardId,
    position: Position,
    oldest_ms: u64,
    limits: Limits,
    wait: Wait,
}

impl World {
    pub(super) fn read_somewhere(&mut self) -> Result<()> {
        let Asked { shard, position, oldest_ms, limits, wait } = self.draw_asked();
        let reader = self.process()?.reader.clone();
        match reader.read(shard, position, oldest_ms, limits, wait) {
            Ok(outcome) => self.check_answer(&reader, shard, position, oldest_ms, &outcome),
            Err(ReadError::WouldBlock) => {
                ensure!(wait == Wait::Never, "a read that may wait did not");
                self.did(Event::ReadWouldBlock, 0);
                Ok(())
            }
            Err(error) => self.check_refused(&error),
        }
    }

    fn draw_asked(&mut self) -> Asked {
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
        let oldest_ms = match self.random.random_bool(0.2) {
            true => self.clocks.wall_ms().saturating_sub(24 * HOUR_MS),
            false => 0,
        };
        let limits = Limits {
            max_records: self.random.random_range(1..20),
            max_bytes: self.random.random_range(1..20_000),
        };
        let wait = if self.random.random_bool(0.3) { Wait::Never } else { Wait::ForDisk };
        Asked { shard, position, oldest_ms, limits, wait }
    }

    fn check_answer(
        &mut self,
        reader: &Reader,
        shard: ShardId,
        position: Position,
        oldest_ms: u64,
        outcome: &ReadOutcome,
    ) -> Result<()> {
        let last = self.model.last_offset(shard);
        let (from, oldest_ms) = match position {
            Position::TrimHorizon => (1, oldest_ms),
            Position::Latest => (last + 1, oldest_ms),
            Position::Offset(offset) => (offset.max(1), oldest_ms),
            Position::AtTimestamp(arrival_ms) => (1, arrival_ms.max(oldest_ms)),
        };
        if position == Position::Latest && !self.damaged {
            ensure!(outcome.runs.is_empty() && outcome.next_offset == last + 1, "LATEST is not the end");
        }
        self.model.check_read(shard, from, oldest_ms, outcome, self.accepted || self.damaged)?;
        if let Position::AtTimestamp(_) = position {
            let first = outcome.runs.first().map(|run| run.first_offset);
            self.check_locate(reader, shard, position, first)?;
        }
        self.did(Event::Read, (outcome.next_offset, outcome.runs.len()));
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
            (Ok(located), Some(first)) if !self.may_lose() => {
                // A read without the bound of the retention may find an older one.
                ensure!(located <= first, "{position:?} is located at {located}, and read from {first}");
            }
            (Err(error), _) => self.check_refused(&error)?,
            (Ok(_), _) => {}
        }
        Ok(())
    }

    pub(super) fn check_refused(&mut self, error: &ReadError) -> Result<()> {
        if self.disk.has_crashed() {
            return Ok(());
        }
        ensure!(matches!(error, ReadError::Damaged(_)), "a read was refused: {error}");
        ensure!(self.may_lose(), "damage that nobody did: {error}");
        self.did(Event::ReadRefused, 0);
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
            match reader.read(shard, Position::Offset(offset), 0, limits, Wait::ForDisk) {
                Ok(outcome) => {
                    self.model.check_read(shard, offset, 0, &outcome, self.accepted || refused)?;
                    self.check_nothing_passed(shard, offset, &outcome)?;
                    let may_end =
                        limits.max_bytes < ALL.max_bytes || self.may_lose() || self.disk.has_crashed();
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
                    self.check_refused(&error)?;
                    // The next record that is known may be readable again.
                    refused = true;
                    offset =
                        self.model.shards[&shard].range(offset + 1..).next().map_or(end, |(next, _)| *next);
                }
            }
        }
        let missing = self.model.shards[&shard]
            .iter()
            .find(|(offset, known)| !seen.contains_key(offset) && !self.model.may_be_gone(known));
        if let Some((offset, _)) = missing.filter(|_| !refused && !self.accepted) {
            bail!("record {offset} of {shard} was answered and is not there, and no damage is told of");
        }
        self.did(Event::ReadAll, (shard.index(), seen.len()));
        Ok(())
    }

    /// What the disk did not give for a while it gives again: nothing is refused then.
    pub(super) fn read_all_again(&mut self) -> Result<()> {
        if self.damaged || self.disk.has_crashed() {
            return Ok(());
        }
        self.faults = Faults { failed_read: 0, ..self.faults };
        self.disk.set_faults(self.faults);
        self.read_all().context("when all reads succeed again")
    }
}
