//! A log at work: [`record_log`] with a queue and a thread before its writing side, threads for its reads, and metrics.
//!
//! What holds here:
//! - An append is answered when it is durable. All who wait share one write ([`queue`]).
//! - The thread starts with the first append and ends when the log is idle, so that a thousand idle logs have none.
//! - A read never waits on the thread that writes, and a read of the disk never on a thread of the runtime ([`reads`]).
//! - Every queue and cache has a bound, written beside it.
//!
//! It knows nothing of streams, volumes or the network; it speaks in the values of [`crate::protocol`].

mod housekeeping;
mod metrics;
mod queue;
mod reads;
mod request;
#[cfg(test)]
pub(crate) mod tests;
mod worker;
mod writing;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catalog::ShardId;
use catalog::member::{LogCondition, LogConditionKind, OpenShard, ShardStatus};
use group_core::{Append, RunOutcome};
use record_log::clock::{Clock, SystemClock};
use record_log::disk::{Disk, system::SystemDisk};
use record_log::value::{Found, Limits};
use record_log::{Environment, LogConfig, LogShard, Reader, Reshard, Resharded, Sizes, Status, TailBudget};
use tokio::sync::watch;
use uuid::Uuid;

pub use metrics::Metrics;
pub use queue::MAX_APPEND_BYTES;
pub use reads::ReadThreads;
pub use record_log::Error;
pub use worker::Condition;

use crate::protocol::{Position, Refusal};
use queue::Queue;
use request::Request;

/// What the newest records of all logs of a process take in memory at most, so that reads at the tip need no disk.
const TAIL_BYTES: usize = 32 << 20;

/// What the logs of a process share. Cloning shares it.
#[derive(Clone)]
pub struct Resources {
    clock: Arc<dyn Clock>,
    trusts_own_clock: bool,
    tail: TailBudget,
    reads: ReadThreads,
    metrics: Metrics,
}

impl Resources {
    /// Of the system.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        let (clock, tail) = (Arc::new(SystemClock), TailBudget::new(TAIL_BYTES));
        Self { clock, trusts_own_clock: false, tail, reads: ReadThreads::new(), metrics }
    }

    /// Lets logs follow the clock of this machine however far it is from theirs: where no other machine can agree with
    /// it.
    #[must_use]
    pub fn trusting_own_clock(self) -> Self {
        Self { trusts_own_clock: true, ..self }
    }

    /// What counts the logs.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The time, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    fn environment(&self, disk: Arc<dyn Disk>) -> Environment {
        Environment {
            disk,
            clock: Arc::clone(&self.clock),
            trusts_own_clock: self.trusts_own_clock,
            random: Arc::new(rand::random::<u64>),
            tail: self.tail.clone(),
            sizes: Sizes::default(),
        }
    }
}

/// An open log.
#[derive(Debug)]
pub struct OpenLog {
    reader: Reader,
    reads: ReadThreads,
    queue: Arc<Queue>,
    metrics: Metrics,
}

/// Makes a log in a new directory, durably but for the directory's own entry in its parent.
///
/// # Errors
/// If the directory exists or anything cannot be written.
pub fn create(directory: &Path, config: &LogConfig) -> Result<(), Error> {
    std::fs::create_dir(directory).map_err(failed("create", directory))?;
    record_log::create(&SystemDisk::new(directory.into()), rand::random(), config)
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |error| Error::Io { action, file: path.display().to_string(), error }
}

impl OpenLog {
    /// Opens the log in a directory. Blocks. `lock` is kept until nothing is written any
    /// more, also when that is later than the log is dropped.
    ///
    /// # Errors
    /// If nothing of it can be served, or the disk does not answer.
    pub fn open(
        directory: &Path,
        incarnation: Uuid,
        resources: &Resources,
        lock: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self, Error> {
        Self::open_on(Arc::new(SystemDisk::new(directory.into())), incarnation, resources, lock)
    }

    /// [`OpenLog::open`] on any disk.
    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        incarnation: Uuid,
        resources: &Resources,
        lock: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self, Error> {
        let (writer, reader) = record_log::open(resources.environment(disk), incarnation)?;
        let metrics = resources.metrics.clone();
        let queue = Arc::new(Queue::new(writer, reader.clone(), metrics.clone(), lock));
        Ok(Self { reader, reads: resources.reads.clone(), queue, metrics })
    }

    /// Has the log looked after now and then, also while nobody appends, until it is dropped. Needs a Tokio runtime.
    pub fn look_after(&self) {
        housekeeping::start(&self.queue);
    }

    /// Whether a shard takes no more records.
    pub fn is_sealed(&self, shard: ShardId) -> bool {
        self.reader.is_sealed(shard)
    }

    /// Whether a shard is here.
    pub fn has(&self, shard: ShardId) -> bool {
        self.reader.has(shard)
    }

    /// The shards as they are, sorted by id, and the number of the last reshard.
    pub fn shards(&self) -> (Vec<LogShard>, u64) {
        self.reader.shards()
    }

    /// Whether the log began with these shards, which are sorted by id. Of those that were sealed and have expired since
    /// nothing is known.
    pub fn began_with(&self, shards: &[OpenShard]) -> bool {
        let (known, last_op) = self.shards();
        let first: Vec<_> =
            known.iter().map(|shard| &shard.open).filter(|open| open.parents.is_empty()).collect();
        match last_op {
            0 => first.into_iter().eq(shards),
            _ => first.iter().all(|open| shards.contains(open)),
        }
    }

    /// Log time now, in milliseconds since 1970.
    pub fn time_ms(&self) -> u64 {
        self.reader.time_ms()
    }

    /// How the log is.
    pub fn status(&self) -> Status {
        self.reader.status()
    }

    /// For how long the log has been at its present write; 0 while it waits for work.
    pub fn writing_for(&self) -> Duration {
        self.queue.writing_for()
    }

    /// Appends runs in one batch, those of a shard in their order; returns what became of each when they are durable.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn append(&self, append: Append) -> Result<Vec<RunOutcome>, Refusal> {
        self.queue.append(append).await
    }

    /// Shows the log another machine's wall clock, in milliseconds since 1970, where its own is suspect.
    pub fn see_clock(&self, other_ms: u64) {
        if self.reader.is_clock_suspect() {
            self.queue.see_clock(other_ms);
        }
    }

    /// Changes how long records are kept, durably.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn set_retention(&self, hours: u32) -> Result<(), Refusal> {
        self.queue.control(|reply, slot| Request::SetRetention { hours, reply, slot }).await
    }

    /// Seals shards and opens others in their place, durably.
    ///
    /// # Errors
    /// If the log does not do it ([`Refusal::Invalid`]); otherwise see [`Refusal`].
    pub async fn reshard(&self, reshard: Reshard) -> Result<Resharded, Refusal> {
        let judged = self.queue.control(|reply, slot| Request::Reshard { reshard, reply, slot }).await?;
        judged.map_err(|refusal| Refusal::Invalid(refusal.to_string()))
    }

    /// Accepts the loss of all known corruption, durably: readers pass over it from then on. `place` names one
    /// corruption, as in [`conditions_of`].
    ///
    /// # Errors
    /// If no corruption is known there; otherwise see [`Refusal`].
    pub async fn accept_loss(&self, place: &str) -> Result<(), Refusal> {
        let parts = place.split_once(':').and_then(|(file, position)| Some((file, position.parse().ok()?)));
        let (file, position) =
            parts.ok_or_else(|| Refusal::Invalid(format!("{place} is not FILE:POSITION")))?;
        let (file, reader) = (file.to_owned(), self.reader.clone());
        // The search reads whole segments. Meanwhile the log's thread goes on with appends.
        let looked = tokio::task::spawn_blocking(move || reader.find_loss(&file, position)).await;
        let found = looked.map_err(|error| Refusal::NotReady(error.to_string()))?;
        let found = Box::new(found.map_err(|error| Refusal::Invalid(error.to_string()))?);
        self.queue.control(|reply, slot| Request::AcceptLoss { found, reply, slot }).await
    }

    /// Reads durable records of an open shard that have not expired; see [`Reader::read_within`].
    ///
    /// # Errors
    /// If the log is corrupt there.
    pub async fn read(&self, shard: ShardId, position: Position, limits: Limits) -> Result<Found, Refusal> {
        let read = move |reader: &Reader, wait| reader.read_within(shard, position, limits, wait);
        let found = self.reads.run(&self.reader, read).await?;
        if let Found::Records(outcome) = &found {
            for run in &outcome.runs {
                self.metrics.read_records.inc_by(u64::from(run.block.count()));
                self.metrics.read_bytes.inc_by(run.block.bytes().len() as u64);
            }
        }
        Ok(found)
    }

    /// The offset of the record that a read of an open shard from there would give first.
    ///
    /// # Errors
    /// If the log is corrupt there.
    pub async fn locate(&self, shard: ShardId, position: Position) -> Result<u64, Refusal> {
        self.reads.run(&self.reader, move |reader, wait| reader.locate(shard, position, wait)).await
    }

    /// Changes with each batch of records that became readable; ends with the log.
    pub fn committed(&self) -> watch::Receiver<()> {
        self.queue.committed()
    }

    /// Whether it takes appends, as it changes.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.queue.condition()
    }

    /// Takes no more appends and returns when those taken are durable and answered.
    pub async fn close(&self) {
        self.queue.close().await;
    }
}

/// Where the shards of a log are, sorted by id.
pub fn shards_of(status: &Status) -> Vec<ShardStatus> {
    let shard = |(&id, &next_offset): (&ShardId, &u64)| ShardStatus { id, next_offset };
    status.next_offsets.iter().map(shard).collect()
}

/// What a person should know of a log's storage. The texts change only with the matter.
pub fn conditions_of(status: &Status) -> Vec<LogCondition> {
    let place =
        status.corruption.first().map(|corruption| format!("{}:{}", corruption.file, corruption.position));
    let condition = |kind, message| {
        let place = place.clone().filter(|_| kind == LogConditionKind::StorageDamaged);
        LogCondition { kind, message, place }
    };
    let corrupt = status.corruption.first().map(|first| match status.corruption.len() - 1 {
        0 => first.to_string(),
        more => format!("{first}; and {more} more"),
    });
    let conditions = [
        (LogConditionKind::StorageFull, status.full.clone()),
        (LogConditionKind::StorageDamaged, corrupt),
        (LogConditionKind::ClockSuspect, status.clock_suspect.clone()),
    ];
    conditions.into_iter().filter_map(|(kind, message)| Some(condition(kind, message?))).collect()
}
