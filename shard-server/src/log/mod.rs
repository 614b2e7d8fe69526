//! The log of a shard group: records of all its shards, interleaved in batches; the log is the store, there is no
//! second copy.
//!
//! What holds here:
//! - An append is answered when it is durable: one write and one sync a batch, shared by all who wait
//!   ([`queue`], [`writer`]).
//! - A failed write or sync is final: the log stops and says so. Only a full volume is not: the log is cut to what is
//!   durable and goes on.
//! - Readers see durable records alone, and check what they read ([`reader`]).
//! - Damage is refused by name and position; only an incomplete tail is cut ([`recover`]).
//! - Arrival times never go back, so a time is found by bisection.
//!
//! It knows nothing of streams, volumes or the network; it speaks in the values of [`crate::protocol`]. One
//! file holds all for now: nothing is trimmed, and a start reads all of it.

pub(crate) mod device;
mod format;
mod index;
mod metrics;
mod queue;
mod reader;
mod recover;
mod state;
#[cfg(test)]
mod tests;
mod window;
mod writer;

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use catalog::ShardId;
use catalog::member::{OpenShard, ShardStatus};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

pub use metrics::Metrics;
pub use queue::{Condition, MAX_APPEND_BYTES};
pub use reader::Limits;

use crate::protocol::{Appended, Position, ReadOutcome, Refusal, Run};
use device::Device;
use format::{Entry, EntryKind, Format};
use queue::Queue;
use reader::Reader;
use writer::Writer;

/// Gives the time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The time of the system.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0))
}

/// The name of the file in a log's directory.
const FILE_NAME: &str = "records.log";
/// The most reads of a log that are under way at once; each may hold its limit in memory. More wait.
const MAX_READS: usize = 16;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not what was written: somebody has to look.
    #[error("{} is damaged at byte {position}: {what}; nothing of it is served or changed", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        position: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The system refused; a restart may help.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
}

/// An open log.
#[derive(Debug)]
pub struct Log {
    reader: Arc<Reader>,
    reads: Semaphore,
    queue: Queue,
    metrics: Metrics,
}

/// Makes a log with these shards in a new directory, durably but for the directory's own entry in its parent.
///
/// # Errors
/// If the directory exists or anything cannot be written.
pub fn create(directory: &Path, replica: Uuid, shards: &[OpenShard], arrival_ms: u64) -> Result<(), Error> {
    let format = Format::new(replica);
    let mut bytes = format.file_head().to_vec();
    let opens: Vec<_> = shards.iter().map(open_entry).collect();
    format.encode(1, arrival_ms, &opens, &mut bytes);

    let path = directory.join(FILE_NAME);
    fs::create_dir(directory).map_err(failed("create", directory))?;
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed("create", &path))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed("write", &path))?;
    sync_directory(directory)
}

/// Makes the entries of a directory durable: files created in it, renamed or removed.
///
/// # Errors
/// If the system refuses.
pub fn sync_directory(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed("sync", directory))
}

fn open_entry(shard: &OpenShard) -> Entry {
    let block = serde_json::to_vec(shard).expect("an OpenShard is plain data");
    Entry {
        kind: EntryKind::OpenShard,
        shard: shard.id,
        first_offset: 0,
        records: 0,
        block: vec![Bytes::from(block)],
    }
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |error| Error::Io { action, path: path.into(), error }
}

impl Log {
    /// Reads and checks the log in a directory, cuts an incomplete tail, and begins to take appends. Blocks. `lock` is
    /// kept until nothing is written any more, also when that is later than the log is dropped.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    pub fn open(
        directory: &Path,
        replica: Uuid,
        clock: Clock,
        metrics: Metrics,
        lock: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self, Error> {
        Self::open_on(directory, replica, clock, metrics, lock, |file| Box::new(file))
    }

    /// [`Log::open`] with another device in the place of the file it writes to.
    pub(crate) fn open_on(
        directory: &Path,
        replica: Uuid,
        clock: Clock,
        metrics: Metrics,
        lock: Arc<dyn Any + Send + Sync>,
        device: impl FnOnce(File) -> Box<dyn Device>,
    ) -> Result<Self, Error> {
        let path = directory.join(FILE_NAME);
        let mut file =
            OpenOptions::new().read(true).write(true).open(&path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    Error::Damaged { path: path.clone(), position: 0, what: "there is no such file" }
                }
                _ => failed("open", &path)(error),
            })?;
        forget_cached(&file).map_err(failed("sync", &path))?;
        let format = Format::new(replica);
        let recovered = recover::recover(&file, format).map_err(|failure| match failure {
            recover::Failure::Damaged(position, invalid) => {
                Error::Damaged { path: path.clone(), position, what: invalid.0 }
            }
            recover::Failure::Unread(error) => failed("read", &path)(error),
        })?;
        if recovered.tail_bytes > 0 {
            file.cut(recovered.state.end).map_err(failed("cut", &path))?;
        }
        metrics.durable_bytes.add(recovered.state.end as i64);
        let state = Arc::new(RwLock::new(recovered.state));
        let read_file = file.try_clone().map_err(failed("open", &path))?;
        let writer = Writer::new(device(file), format, Arc::clone(&state), clock, metrics.clone());
        let queue =
            Queue::start(writer, metrics.clone(), lock).map_err(failed("start a thread for", &path))?;
        let reader = Arc::new(Reader { file: read_file, path, format, state });
        Ok(Self { reader, reads: Semaphore::new(MAX_READS), queue, metrics })
    }

    /// Whether a shard is open here.
    pub fn has(&self, shard: ShardId) -> bool {
        self.state(|state| state.shards.contains_key(&shard))
    }

    /// The shards as they were opened, sorted by id.
    pub fn opened(&self) -> Vec<OpenShard> {
        self.state(|state| state.shards.values().map(|shard| shard.open.clone()).collect())
    }

    /// Where the shards are now, sorted by id.
    pub fn shards(&self) -> Vec<ShardStatus> {
        let status =
            |(&id, shard): (&ShardId, &state::ShardState)| ShardStatus { id, next_offset: shard.next_offset };
        self.state(|state| state.shards.iter().map(status).collect())
    }

    /// Bytes of the log that are durable.
    pub fn durable_bytes(&self) -> u64 {
        self.state(|state| state.end)
    }

    /// Appends non-empty runs of open shards, each shard at most once, in one batch; returns when they are durable.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn append(&self, runs: Vec<Run>) -> Result<Vec<Appended>, Refusal> {
        self.queue.append(runs).await
    }

    /// Reads durable records of an open shard that arrived at `oldest_arrival_ms` or later.
    ///
    /// # Errors
    /// If the log is damaged there.
    pub async fn read(
        &self,
        shard: ShardId,
        position: Position,
        oldest_arrival_ms: u64,
        limits: Limits,
    ) -> Result<ReadOutcome, Refusal> {
        let outcome =
            self.blocking(move |reader| reader.read(shard, position, oldest_arrival_ms, limits)).await?;
        for run in &outcome.runs {
            self.metrics.read_records.inc_by(u64::from(run.block.count()));
            self.metrics.read_bytes.inc_by(run.block.bytes().len() as u64);
        }
        Ok(outcome)
    }

    /// The offset of the record that a read of an open shard from there would give first.
    ///
    /// # Errors
    /// If the log is damaged there.
    pub async fn locate(&self, shard: ShardId, position: Position) -> Result<u64, Refusal> {
        self.blocking(move |reader| reader.locate(shard, position)).await
    }

    /// Whether it takes appends, as it changes.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.queue.condition()
    }

    /// Takes no more appends and returns when those taken are durable and answered.
    pub async fn close(&self) {
        self.queue.close().await;
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let _place = self.reads.acquire().await.map_err(|error| Refusal::NotReady(error.to_string()))?;
        let reader = Arc::clone(&self.reader);
        match tokio::task::spawn_blocking(move || work(&reader)).await {
            Ok(outcome) => outcome,
            Err(error) => Err(Refusal::NotReady(format!("a read was dropped: {error}"))),
        }
    }

    fn state<T>(&self, look: impl FnOnce(&state::State) -> T) -> T {
        look(&self.reader.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.metrics.durable_bytes.sub(self.durable_bytes() as i64);
    }
}

/// Makes what an earlier process left in the page cache durable, then drops it, so that what is read comes from the
/// disk: after a failed sync the kernel may keep pages that never reached it and call them clean.
fn forget_cached(file: &File) -> io::Result<()> {
    file.sync_all()?;
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}
