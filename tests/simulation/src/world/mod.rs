//! One world: operations drawn from a seed, each checked.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, Result, anyhow, ensure};
use catalog::member::OpenShard;
use catalog::{HashKeyRange, ShardId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use record_log::disk::Disk as _;
use record_log::value::Limits;
use record_log::{Counts, Log, LogConfig, Reader, create};
use uuid::Uuid;

use crate::clocks::Clocks;
use crate::corrupted::Corrupted;
use crate::disk::SimulatedDisk;
use crate::faults::{Fault, Faults};
use crate::log_time::LogTime;
use crate::model::Model;
use crate::newer::Newer;
use crate::totals::Totals;

mod beside;
mod event;
mod loss;
mod opening;
mod reading;
mod resharding;
mod surroundings;
mod version;
mod writing;

pub use event::Event;

use version::Versions;

const COPY: Uuid = Uuid::from_u128(0xc0);
const HOUR_MS: u64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
const START_MS: u64 = 500_000 * HOUR_MS;
const ALL: Limits = Limits { max_records: u32::MAX, max_bytes: usize::MAX };

/// The outcome of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A hash of all events.
    pub digest: u64,
    /// How often each event happened.
    pub totals: Totals,
}

/// A process with the log open.
struct Process {
    log: Log,
    reader: Reader,
    /// All steps of the wall clock since it was opened.
    stepped_ms: i64,
    /// What log time must be.
    time: LogTime,
}

struct World {
    random: StdRng,
    faults: Faults,
    disk: SimulatedDisk,
    clocks: Arc<Clocks>,
    nonces: Arc<AtomicU64>,
    model: Model,
    process: Option<Process>,
    /// How often the disk was corrupted.
    corruptions: u32,
    /// What was corrupt when the log was opened; nothing more can be until it is closed.
    corrupted: Corrupted,
    versions: Versions,
    /// What only a later version than the running one knew when the log was opened.
    newer: Newer,
    /// Whether the disk failed reads when the log was opened: then the log may misjudge corruption until it is opened
    /// again.
    may_misjudge: bool,
    /// Whether the loss of all corruption was accepted since then: no read may be refused.
    all_accepted: bool,
    /// Whether a loss was accepted on a disk that fails reads: readers may pass over anything.
    may_pass: bool,
    records: u64,
    trace: DefaultHasher,
    totals: Totals,
}

/// Simulates the world of a seed.
///
/// # Errors
/// If the log breaks a promise or panics: with the seed, and how to see it again.
pub fn run(seed: u64) -> Result<Outcome> {
    caught(|| live(seed)).with_context(|| {
        format!("the world of seed {seed} breaks a promise; again: make simulate SEED={seed} SEEDS=1")
    })
}

/// Turns a panic into an error.
fn caught<T>(live: impl FnOnce() -> Result<T> + UnwindSafe) -> Result<T> {
    catch_unwind(live).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("it panics: {}", text.unwrap_or("without a word")))
    })
}

fn live(seed: u64) -> Result<Outcome> {
    let mut world = World::new(seed)?;
    let operations = world.random.random_range(40..240);
    for number in 0..operations {
        world.operate().with_context(|| format!("in operation {number} of {operations}"))?;
        if world.process.is_none() && !world.open()? {
            world.record_event(Event::EndedEarly, number);
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
        let model = Model::new(&shards, 24);
        let log_id = Uuid::from_u128(1);
        let config =
            LogConfig { log_id, incarnation: COPY, shards, retention_hours: 24, created_ms: START_MS };
        create(&disk, 1, &config).context("create")?;
        // Reads succeed while the log is created: it would not open otherwise.
        disk.set_faults(Faults { failed_read: 0, ..faults });
        let mut world = Self {
            random,
            faults,
            disk,
            clocks: Arc::new(Clocks::new(START_MS)),
            nonces: Arc::new(AtomicU64::new(seed ^ 0xabcd_ef01)),
            model,
            process: None,
            corruptions: 0,
            corrupted: Corrupted::default(),
            versions: Versions::draw(seed),
            newer: Newer::default(),
            may_misjudge: false,
            all_accepted: false,
            may_pass: false,
            records: 0,
            trace: DefaultHasher::new(),
            totals: Totals::default(),
        };
        Event::ALL.iter().for_each(|event| world.totals.add(event.name(), 0));
        Fault::ALL.iter().for_each(|fault| world.totals.add(fault.name(), 0));
        Counts::default().named().iter().for_each(|(name, _)| world.totals.add(name, 0));
        ensure!(world.open()?, "a new log does not open");
        world.disk.set_faults(faults);
        Ok(world)
    }

    fn operate(&mut self) -> Result<()> {
        self.forget_expired_shards()?;
        match self.random.random_range(0..100) {
            0..42 => self.append()?,
            42..49 => self.read_somewhere()?,
            49..54 => self.read_while_written()?,
            54..60 => self.plan_crash(),
            60..66 => self.read_all()?,
            66..71 => self.confirm()?,
            71..73 => self.reshard()?,
            73..77 => self.pass_time(),
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

    /// Whether the disk fails no reads, so that only corrupt records may be refused.
    fn is_readable(&self) -> bool {
        self.faults.failed_read == 0
    }

    /// Time has passed: records may have expired, with or without maintenance of the log.
    fn note_time(&mut self) {
        let (boottime_ms, _) = self.clocks.both();
        if let Some(process) = &self.process {
            self.model.expire(process.time.at(boottime_ms));
        }
    }

    fn record_event(&mut self, what: Event, with: impl std::hash::Hash) {
        what.name().hash(&mut self.trace);
        with.hash(&mut self.trace);
        self.totals.add(what.name(), 1);
    }

    fn count(&mut self, reader: &Reader) {
        reader.status().counts.named().iter().for_each(|(name, count)| self.totals.add(name, *count));
    }

    fn end(&mut self) -> Result<()> {
        self.end_with_all_known()?;
        if let Some(process) = &self.process {
            let reader = process.reader.clone();
            self.read_all()?;
            self.read_all_again()?;
            self.accept_loss()?;
            self.count(&reader);
        }
        let fired = self.disk.fired();
        fired.iter().for_each(|(fault, count)| self.totals.add(fault.name(), *count));
        let names = self.disk.list().unwrap_or_default();
        self.record_event(Event::End, names);
        Ok(())
    }
}

fn shard(index: u32) -> ShardId {
    ShardId::new(index).unwrap_or(ShardId::FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_is_an_error_that_says_what_happened() {
        let error = caught::<()>(|| panic!("a write to {} of a file of 4096 bytes", 8192)).unwrap_err();
        assert_eq!(error.to_string(), "it panics: a write to 8192 of a file of 4096 bytes");
        assert_eq!(caught::<()>(|| panic!("plain")).unwrap_err().to_string(), "it panics: plain");
    }
}
