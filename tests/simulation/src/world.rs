//! One run: operations drawn by a seed, each checked.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context as _, Result, bail, ensure};
use catalog::member::OpenShard;
use catalog::{HashKeyRange, ShardId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use record_log::clock::Clock;
use record_log::disk::Disk;
use record_log::record::{Record, RecordBlockBuilder};
use record_log::value::{Limits, Position, Run, Wait};
use record_log::{
    Birth, Counts, Damage, Environment, Log, ReadError, Reader, Sizes, TailBudget, WriteError, create, open,
};
use uuid::Uuid;

use crate::clocks::Clocks;
use crate::disk::SimulatedDisk;
use crate::faults::Faults;
use crate::model::{Kept, Model};
use crate::totals::Totals;

mod beside;
mod loss;

const COPY: Uuid = Uuid::from_u128(0xc0);
const HOUR_MS: u64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
const START_MS: u64 = 500_000 * HOUR_MS;
const ALL: Limits = Limits { max_records: u32::MAX, max_bytes: usize::MAX };
/// A step of the wall's clock beyond this keeps everything from expiring.
const MAX_STEP_MS: i64 = 3_600_000;

/// What a world was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Of all that was asked and answered.
    pub digest: u64,
    /// What happened how often.
    pub totals: Totals,
}

/// A process with the log open.
struct Process {
    log: Log,
    reader: Reader,
    /// All steps of the wall's clock since it was opened.
    stepped_ms: i64,
}

struct World {
    random: StdRng,
    faults: Faults,
    disk: SimulatedDisk,
    clocks: Arc<Clocks>,
    nonces: Arc<AtomicU64>,
    model: Model,
    process: Option<Process>,
    /// Whether the disk was damaged, so that answers may be refused.
    damaged: bool,
    /// How often.
    damages: u32,
    /// Whether a loss was accepted, so that records may be left out.
    accepted: bool,
    /// Whether the log may have been wrong about a loss.
    alarmed: bool,
    records: u64,
    trace: DefaultHasher,
    totals: Totals,
}

/// Lives through the world of a seed.
///
/// # Errors
/// If the log breaks a promise.
pub fn run(seed: u64) -> Result<Outcome> {
    let mut world = World::new(seed)?;
    let operations = world.random.random_range(40..240);
    for number in 0..operations {
        world.operate().with_context(|| format!("in operation {number} of {operations}"))?;
        if world.process.is_none() && !world.open()? {
            break;
        }
    }
    world.end()?;
    Ok(Outcome { digest: world.trace.finish(), totals: world.totals })
}

impl World {
    fn new(seed: u64) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let faults = Faults::draw(&mut random);
        let disk = SimulatedDisk::new(random.random(), Faults::default());
        let count = random.random_range(1..5);
        let open =
            |(index, range)| OpenShard { id: shard(index), range, parents: Vec::new(), create_seconds: 1 };
        let shards: Vec<_> = (0..).zip(HashKeyRange::uniform(count)).map(open).collect();
        let model = Model::new(shards.iter().map(|shard| shard.id), 24);
        let log_id = Uuid::from_u128(1);
        let birth = Birth { log_id, incarnation: COPY, shards, retention_hours: 24, created_ms: START_MS };
        create(&disk, 1, &birth).context("create")?;
        // The log begins on a disk that gives what it has: one that does not would never show more.
        disk.set_faults(Faults { failed_read: 0, ..faults });
        let mut world = Self {
            random,
            faults,
            disk,
            clocks: Arc::new(Clocks::new(START_MS)),
            nonces: Arc::new(AtomicU64::new(seed ^ 0xabcd_ef01)),
            model,
            process: None,
            damaged: false,
            damages: 0,
            accepted: false,
            alarmed: false,
            records: 0,
            trace: DefaultHasher::new(),
            totals: Totals::default(),
        };
        [beside::READ, beside::WRITTEN].iter().for_each(|name| world.totals.add(name, 0));
        Counts::default().named().iter().for_each(|(name, _)| world.totals.add(name, 0));
        ensure!(world.open()?, "a new log does not open");
        world.disk.set_faults(faults);
        Ok(world)
    }

    /// Whether damage may be told of.
    fn may_lose(&self) -> bool {
        self.faults.may_lose() || self.alarmed
    }

    fn environment(&mut self) -> Environment {
        let nonces = Arc::clone(&self.nonces);
        Environment {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::clone(&self.clocks) as Arc<dyn Clock>,
            random: Arc::new(move || nonces.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed)),
            tail: TailBudget::new(self.random.random_range(0..3) * 4_000),
            sizes: Sizes {
                first_segment_bytes: 16 << 10,
                largest_segment_bytes: 64 << 10,
                stride_bytes: 8 << 10,
            },
        }
    }

    fn did(&mut self, what: &str, with: impl std::hash::Hash) {
        what.hash(&mut self.trace);
        with.hash(&mut self.trace);
        self.totals.add(what, 1);
    }

    /// Opens the log; whether it can be gone on with.
    fn open(&mut self) -> Result<bool> {
        // Reads that fail for a while must not end the world.
        for _ in 0..20 {
            let environment = self.environment();
            let opened = open(environment, COPY);
            if self.disk.has_crashed() {
                self.disk.restart_machine();
                continue;
            }
            match opened {
                Ok((log, reader)) if reader.status().stopped.is_none() => {
                    let status = reader.status();
                    if !status.damage.is_empty() {
                        // On a full disk expired segments go before it can be said that they do: a crash between passes
                        // for a loss, and is told of.
                        let is_alarm = |damage: &Damage| damage.what == "there is no such file";
                        self.alarmed |= self.faults.capacity_bytes > 0 && status.damage.iter().all(is_alarm);
                        ensure!(self.may_lose(), "damage that nobody did: {:?}", status.damage);
                        // A read that failed looks like damage, until the next opening.
                        self.damaged = true;
                    }
                    let kept = if self.damages > 1 {
                        Kept::AllButDamagedEnd
                    } else if self.damaged {
                        Kept::Confirmed
                    } else {
                        Kept::All
                    };
                    if self.damages > 0 {
                        // A file that is lost is nothing to tell of where it has expired.
                        self.model.maintained(self.clocks.wall_ms());
                    }
                    self.model.reopened(&status.next_offsets, kept)?;
                    self.did("opened", format!("{:?}", status.next_offsets));
                    self.process = Some(Process { log, reader, stepped_ms: 0 });
                    self.read_all()?;
                    return Ok(true);
                }
                Ok((log, reader)) => {
                    let why = reader.status().stopped;
                    ensure!(self.faults.may_lose(), "the log stops for nothing: {why:?}");
                    self.count(&reader);
                    self.did("opened, stopped", 0);
                    drop(log);
                }
                Err(error) => {
                    let for_nothing = !self.faults.may_lose() && !self.faults.may_stop();
                    ensure!(!for_nothing, "the log does not open for nothing: {error}");
                    self.did("did not open", error.to_string());
                }
            }
        }
        Ok(false)
    }

    fn count(&mut self, reader: &Reader) {
        reader.status().counts.named().iter().for_each(|(name, count)| self.totals.add(name, *count));
    }

    fn operate(&mut self) -> Result<()> {
        match self.random.random_range(0..100) {
            0..42 => self.append()?,
            42..49 => self.read_somewhere()?,
            49..54 => self.read_while_written()?,
            54..60 => self.plan_crash(),
            60..66 => self.read_all()?,
            66..72 => self.confirm()?,
            72..77 => self.pass_time(),
            77..83 => self.maintain()?,
            83..85 => self.set_retention()?,
            85..87 => self.accept_loss()?,
            87..88 => self.rest(),
            88..92 => self.plan_crash(),
            92..95 => self.end_process(true),
            95..98 => self.end_process(false),
            _ => self.make_room(),
        }
        if self.disk.has_crashed() {
            self.end_process(true);
        }
        Ok(())
    }

    fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("there is no process")
    }

    fn draw_appends(&mut self) -> Vec<Vec<Run>> {
        let shards: Vec<_> = self.model.shards.keys().copied().collect();
        let large = self.random.random_ratio(1, 40);
        let appends = if large { 1 } else { self.random.random_range(1..4) };
        (0..appends)
            .map(|_| {
                let chosen: Vec<_> =
                    shards.iter().filter(|_| self.random.random_bool(0.6)).copied().collect();
                let chosen = if chosen.is_empty() { vec![shards[0]] } else { chosen };
                chosen.into_iter().map(|shard| self.draw_run(shard, large)).collect()
            })
            .collect()
    }

    fn draw_run(&mut self, shard: ShardId, large: bool) -> Run {
        let mut builder = RecordBlockBuilder::default();
        for _ in 0..self.random.random_range(1..5) {
            self.records += 1;
            let bytes = match large {
                true => self.random.random_range(10_000..60_000),
                false => self.random.random_range(0..900),
            };
            // No two records are alike, and all bytes of one depend on its number.
            let mut data = self.records.to_le_bytes().to_vec();
            let fill = (self.records % 251) as u8;
            data.resize(8 + bytes, fill);
            builder.push(Record { partition_key: "k", data: &data });
        }
        Run { shard, block: builder.build() }
    }

    fn append(&mut self) -> Result<()> {
        let appends = self.draw_appends();
        let now_ms = self.clocks.wall_ms();
        let beside = self.plan_read()?;
        let process = self.process()?;
        let appended = process.log.append(&appends);
        let full = process.reader.status().full.is_some();
        self.check_planned(beside)?;
        match appended {
            Ok(appended) => {
                self.model.appended(&appends, &appended, now_ms)?;
                self.did("append", format!("{appended:?}"));
            }
            Err(WriteError::Full(_)) => {
                ensure!(self.faults.capacity_bytes > 0, "the disk is full and has no end");
                ensure!(full, "a full disk is not told of");
                self.did("append, disk full", 0);
            }
            Err(WriteError::Final(_)) => {
                self.model.not_answered(&appends);
                self.did("append, not answered", 0);
                self.check_stopped()?;
            }
            Err(WriteError::Stopped(_)) => {
                self.did("append, stopped", 0);
                self.check_stopped()?;
            }
        }
        Ok(())
    }

    /// A log that has stopped takes nothing more, says so, and serves what was durable.
    fn check_stopped(&mut self) -> Result<()> {
        ensure!(self.disk.has_crashed() || self.faults.may_stop(), "the log stops for nothing");
        let appends = self.draw_appends();
        let process = self.process()?;
        ensure!(process.reader.status().stopped.is_some(), "a log that has stopped does not say so");
        ensure!(
            matches!(process.log.append(&appends), Err(WriteError::Stopped(_))),
            "a log that has stopped takes appends"
        );
        if !self.disk.has_crashed() {
            self.read_all()?;
        }
        let machine = self.random.random_bool(0.5);
        self.end_process(machine);
        Ok(())
    }

    fn with_log(
        &mut self,
        what: &'static str,
        ask: impl FnOnce(&mut Log) -> Result<(), WriteError>,
        done: impl FnOnce(&mut Model),
    ) -> Result<bool> {
        let beside = self.plan_read()?;
        let answer = ask(&mut self.process()?.log);
        self.check_planned(beside)?;
        match answer {
            Ok(()) => {
                done(&mut self.model);
                self.did(what, 0);
                Ok(true)
            }
            Err(error) => self.refused_to_write(&error).map(|()| false),
        }
    }

    /// A control entry was not written.
    fn refused_to_write(&mut self, error: &WriteError) -> Result<()> {
        match error {
            WriteError::Full(_) => {
                self.did("control, disk full", 0);
                Ok(())
            }
            WriteError::Final(_) | WriteError::Stopped(_) => {
                self.did("control, stopped", 0);
                self.check_stopped()
            }
        }
    }

    fn maintain(&mut self) -> Result<()> {
        let now_ms = self.clocks.wall_ms();
        let suspended = self.process()?.stepped_ms.abs() > MAX_STEP_MS;
        if !suspended {
            // Also one that fails half way may have expired something.
            self.model.maintained(now_ms);
        }
        if self.with_log("maintain", |log| log.maintain(), |_| ())? {
            let told = self.process()?.reader.status().trimming_suspended.is_some();
            ensure!(told == suspended, "the clock stepped, and that is told of: {suspended}, {told}");
            self.totals.add("trimming suspended", u64::from(suspended));
        }
        Ok(())
    }

    fn set_retention(&mut self) -> Result<()> {
        let hours = *[24, 24, 48, 168].get(self.random.random_range(0..4)).unwrap_or(&24);
        self.model.set_retention(hours, false);
        self.with_log(
            "set retention",
            |log| log.set_retention(hours),
            |model| model.set_retention(hours, true),
        )?;
        Ok(())
    }

    fn confirm(&mut self) -> Result<()> {
        let unconfirmed = self.process()?.log.unconfirmed();
        self.with_log("confirm", |log| log.confirm(), |_| ())?;
        // Where the segment has no room for it, it stays as it is.
        if unconfirmed && self.process.as_ref().is_some_and(|process| !process.log.unconfirmed()) {
            self.model.confirmed();
        }
        Ok(())
    }

    fn rest(&mut self) {
        if let Some(process) = &mut self.process {
            process.log.rest();
        }
        self.did("rest", 0);
    }

    fn pass_time(&mut self) {
        if self.faults.steps && self.random.random_bool(0.3) {
            let step = match self.random.random_range(0..4) {
                0 => self.random.random_range(-50..50) * MINUTE_MS,
                1 => self.random.random_range(-30..30) * 60 * MINUTE_MS,
                2 => 365 * 24 * 60 * MINUTE_MS,
                // Back to where it was.
                _ => self.process.as_ref().map_or(0, |process| -process.stepped_ms),
            };
            self.clocks.step(step);
            if let Some(process) = &mut self.process {
                process.stepped_ms += step;
            }
            self.did("clock step", step);
        } else {
            let ms = self.random.random_range(0..HOUR_MS * 12);
            self.clocks.go(ms);
            self.did("time passes", ms);
        }
    }

    fn make_room(&mut self) {
        if self.faults.capacity_bytes > 0 {
            self.faults.capacity_bytes += self.random.random_range(0..200) << 10;
            self.disk.set_faults(self.faults);
            self.did("more room", 0);
        }
    }

    fn plan_crash(&mut self) {
        let operations = if self.random.random_bool(0.5) {
            self.random.random_range(0..8)
        } else {
            self.random.random_range(0..60)
        };
        self.disk.crash_after(operations);
        self.did("crash planned", operations);
    }

    /// The process ends without a word, with the machine or without.
    fn end_process(&mut self, machine: bool) {
        let Some(process) = self.process.take() else { return };
        self.count(&process.reader);
        drop(process);
        if machine || self.disk.has_crashed() {
            self.disk.restart_machine();
        }
        self.did(if machine { "machine restart" } else { "process restart" }, 0);
        let due = self.damages < self.faults.damages && self.random.random_bool(0.4);
        if let Some(place) = due.then(|| self.disk.damage()).flatten() {
            self.damaged = true;
            self.damages += 1;
            self.did("damage", place);
        }
    }

    fn read_somewhere(&mut self) -> Result<()> {
        let shards: Vec<_> = self.model.shards.keys().copied().collect();
        let shard = shards[self.random.random_range(0..shards.len())];
        let last = self.model.shards[&shard].last_key_value().map_or(0, |(offset, _)| *offset);
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
        let reader = self.process()?.reader.clone();
        let outcome = reader.read(shard, position, oldest_ms, limits, wait);
        let (from, oldest_ms) = match position {
            Position::TrimHorizon => (1, oldest_ms),
            Position::Latest => (last + 1, oldest_ms),
            Position::Offset(offset) => (offset.max(1), oldest_ms),
            Position::AtTimestamp(arrival_ms) => (1, arrival_ms.max(oldest_ms)),
        };
        match outcome {
            Ok(outcome) => {
                if position == Position::Latest && !self.damaged {
                    ensure!(
                        outcome.runs.is_empty() && outcome.next_offset == last + 1,
                        "LATEST is not the end"
                    );
                }
                self.model.check_read(shard, from, oldest_ms, &outcome, self.accepted || self.damaged)?;
                if let Position::AtTimestamp(_) = position {
                    self.check_locate(
                        &reader,
                        shard,
                        position,
                        outcome.runs.first().map(|run| run.first_offset),
                    )?;
                }
                self.did("read", (outcome.next_offset, outcome.runs.len()));
            }
            Err(ReadError::WouldBlock) => {
                ensure!(wait == Wait::Never, "a read that may wait did not");
                self.did("read, would block", 0);
            }
            Err(error) => self.check_refused(&error)?,
        }
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

    fn check_refused(&mut self, error: &ReadError) -> Result<()> {
        if self.disk.has_crashed() {
            return Ok(());
        }
        ensure!(matches!(error, ReadError::Damaged(_)), "a read was refused: {error}");
        ensure!(self.may_lose(), "damage that nobody did: {error}");
        self.did("read, refused", 0);
        Ok(())
    }

    /// Reads every shard from front to back, and accounts for every record that was answered.
    fn read_all(&mut self) -> Result<()> {
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
        self.did("read all", (shard.index(), seen.len()));
        Ok(())
    }

    /// What the disk did not give for a while it gives again: nothing is refused then.
    fn read_all_again(&mut self) -> Result<()> {
        if self.damaged || self.disk.has_crashed() {
            return Ok(());
        }
        self.faults = Faults { failed_read: 0, ..self.faults };
        self.disk.set_faults(self.faults);
        self.read_all().context("when all reads succeed again")
    }

    fn end(&mut self) -> Result<()> {
        if let Some(process) = &self.process {
            let reader = process.reader.clone();
            self.read_all()?;
            self.read_all_again()?;
            self.count(&reader);
        }
        let fired = self.disk.fired();
        fired.iter().for_each(|(name, count)| self.totals.add(&format!("fault: {name}"), *count));
        let names = self.disk.list().unwrap_or_default();
        self.did("end", names);
        Ok(())
    }
}

fn shard(index: u32) -> ShardId {
    ShardId::new(index).unwrap_or(ShardId::FIRST)
}
