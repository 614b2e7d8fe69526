//! A log of many full segments that takes hardly any space: its records are zeros, and where zeros are written the disk
//! below leaves a hole. Headers, batches, indexes and footers are those that the log writes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use record_log::clock::SystemClock;
use record_log::disk::system::SystemDisk;
use record_log::disk::{BLOCK_BYTES, Disk, DiskFile};
use record_log::record::{Record, RecordBlockBuilder};
use record_log::value::{Appended, Run, RunOutcome, Wait};
use record_log::{Environment, Sizes, TailBudget};
use serde_json::Value;
use uuid::Uuid;

use crate::what::Caches;

/// Data of a record.
const RECORD_BYTES: usize = 1_000_000;

/// What a start reads as a whole, most of a segment: no holes in that.
const NEWEST_BYTES: u64 = 60 << 20;

static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// Appends to the log of the only stream of a data directory, which no process uses, so many GiB. Gives the time at
/// which it had half of them, in milliseconds since 1970.
///
/// # Errors
/// If there is no such log, or the disk refuses.
pub fn fill(data_dir: &Path, gib: u64) -> Result<u64> {
    let (folder, incarnation) = only_log(data_dir)?;
    let middle_ms = append(Arc::new(SparseDisk(folder.clone())), incarnation, gib << 30)?;
    append(Arc::new(SystemDisk::new(folder)), incarnation, NEWEST_BYTES)?;
    Ok(middle_ms)
}

/// The folder of the only log below a data directory, and the id of that copy of it.
///
/// # Errors
/// If there is no such log.
pub fn only_log(data_dir: &Path) -> Result<(PathBuf, Uuid)> {
    let folder = folder_with(data_dir, "slots")?.context("no log in the data directory")?;
    let identity = folder.ancestors().nth(2).context("a log without its group")?.join("identity.json");
    let identity: Value = serde_json::from_slice(&fs::read(identity)?)?;
    let incarnation = identity["replicaId"].as_str().context("a group without its id")?.parse()?;
    Ok((folder, incarnation))
}

/// What a log needs to be opened on a disk, with nothing of it kept in memory.
#[must_use]
pub fn environment(disk: Arc<dyn Disk>) -> Environment {
    Environment {
        disk,
        clock: Arc::new(SystemClock),
        trusts_own_clock: true,
        random: Arc::new(rand::random::<u64>),
        tail: TailBudget::new(0),
        sizes: Sizes::default(),
    }
}

/// Appends so many bytes to a log, from a new segment on; gives the time at which it had half of them.
fn append(disk: Arc<dyn Disk>, incarnation: Uuid, bytes: u64) -> Result<u64> {
    let sizes = Sizes { first_segment_bytes: 64 << 20, largest_segment_bytes: 64 << 20, ..Sizes::default() };
    let environment = Environment { sizes, ..environment(disk) };
    let (mut log, reader) = record_log::open(environment, incarnation)?;
    let mut block = RecordBlockBuilder::default();
    block.push(Record { partition_key: "customer-7", data: &vec![0; RECORD_BYTES] });
    let block = block.build();
    let before = reader.status().durable_bytes;
    let mut middle_ms = None;
    for shard in reader.status().next_offsets.keys().cycle() {
        let outcomes = log.append(&[vec![Run { shard: *shard, block: block.clone() }]])?;
        let RunOutcome::Appended(Appended { arrival_ms, .. }) = outcomes[0][0] else {
            bail!("a record is not appended: {outcomes:?}")
        };
        let appended = reader.status().durable_bytes - before;
        if appended >= bytes / 2 {
            middle_ms.get_or_insert(arrival_ms);
        }
        if appended >= bytes {
            break;
        }
    }
    middle_ms.context("a log without shards")
}

/// Has the kernel forget all files, their names and sizes included, if it lets us.
#[must_use]
pub fn drop_caches() -> Caches {
    rustix::fs::sync();
    match fs::write("/proc/sys/vm/drop_caches", "3") {
        Ok(()) => Caches::Dropped,
        Err(_) => Caches::Warm,
    }
}

/// The folder at or below another one that has a file of this name.
fn folder_with(folder: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    if folder.join(name).is_file() {
        return Ok(Some(folder.to_owned()));
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir()
            && let Some(found) = folder_with(&path, name)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A directory whose files have holes. Nothing of it is durable before the whole system is synced: nobody is answered
/// for what is written here.
#[derive(Debug)]
struct SparseDisk(PathBuf);

#[derive(Debug)]
struct SparseFile(File);

impl Disk for SparseDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.0)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.0.join(name))?;
        file.set_len(bytes)?;
        Ok(Arc::new(SparseFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.0.join(name))?;
        Ok(Arc::new(SparseFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for SparseFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// What a log writes twice it writes the same, so that what is a hole once stays one.
    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()> {
        for (block, at) in blocks.chunks(BLOCK_BYTES).zip((position..).step_by(BLOCK_BYTES)) {
            if block != ZEROS {
                self.0.write_all_at(block, at)?;
            }
        }
        Ok(())
    }

    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], position + done as u64)? {
                0 => break,
                read => done += read,
            }
        }
        Ok(done)
    }

    fn read(&self, position: u64, buffer: &mut [u8], _: Wait) -> io::Result<usize> {
        self.read_disk(position, buffer)
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
