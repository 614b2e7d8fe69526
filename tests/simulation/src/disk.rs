//! A disk that keeps what it promised and nothing more.
//!
//! A write that returned is durable. Of one that failed, or was under way in a crash, any 512-byte sectors are; until
//! the machine crashes it reads as new all the same. Names and lengths are durable once they were synced; before that
//! each change may be there after a crash or not, independently of the others. What was cut off or recycled keeps its
//! old bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use record_log::disk::{BLOCK_BYTES, Disk, DiskFile};
use record_log::value::Wait;

use crate::faults::{Faults, happens};

const SECTOR_BYTES: usize = 512;
/// How a batch begins in a segment.
const BATCH_MAGIC: &[u8; 4] = b"KBAT";

/// A simulated disk. Cloning gives another handle of it.
#[derive(Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    /// What another thread is to do in between.
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

struct Meanwhile {
    /// Before the operation that follows so many others.
    after: u64,
    act: Box<dyn FnOnce() + Send>,
}

struct State {
    random: StdRng,
    faults: Faults,
    files: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// The names as the process sees them, and as they are durable.
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names that are not durable.
    changes: Vec<Change>,
    /// After so many more operations the machine crashes.
    crash_after: Option<u64>,
    crashed: bool,
    fired: BTreeMap<&'static str, u64>,
}

#[derive(Default)]
struct Inode {
    /// As the process sees it.
    now: Vec<u8>,
    /// As it is on the platters; bytes behind the durable length are kept.
    durable: Vec<u8>,
    durable_bytes: usize,
    /// Blocks that the disk does not give any more.
    bad_blocks: BTreeSet<usize>,
}

enum Change {
    Name { name: String, inode: u64 },
    Rename { from: String, to: String, inode: u64 },
    Remove { name: String },
}

struct SimulatedFile {
    disk: SimulatedDisk,
    inode: u64,
}

impl SimulatedDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        let state = State {
            random: StdRng::seed_from_u64(seed),
            faults,
            files: BTreeMap::new(),
            next_inode: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            crash_after: None,
            crashed: false,
            fired: BTreeMap::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), meanwhile: Arc::default() }
    }

    /// Before the operation that follows so many others somebody else is to act, as another thread might: once.
    pub fn meanwhile(&self, after: u64, act: impl FnOnce() + Send + 'static) {
        let meanwhile = Meanwhile { after, act: Box::new(act) };
        *self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner) = Some(meanwhile);
    }

    /// Nobody is to act in between any more.
    pub fn alone(&self) {
        drop(self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// An operation begins: lets others act first, whose own operations are none that are counted.
    fn begin(&self) -> MutexGuard<'_, State> {
        let mut planned = self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner);
        let due = match &mut *planned {
            Some(meanwhile) if meanwhile.after > 0 => {
                meanwhile.after -= 1;
                None
            }
            _ => planned.take(),
        };
        drop(planned);
        if let Some(meanwhile) = due {
            (meanwhile.act)();
        }
        self.lock()
    }

    /// The machine is to crash in the operation that follows so many others.
    pub fn crash_after(&self, operations: u64) {
        self.lock().crash_after = Some(operations);
    }

    /// Whether it has crashed.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.lock().crashed
    }

    /// Crashes the machine, if it has not, and starts it again.
    pub fn restart_machine(&self) {
        let mut state = self.lock();
        state.lose_what_is_not_durable();
        state.fired("machine crash");
        state.crashed = false;
        state.crash_after = None;
    }

    /// Other faults from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// How often each fault fired.
    #[must_use]
    pub fn fired(&self) -> BTreeMap<&'static str, u64> {
        self.lock().fired.clone()
    }

    /// Flips a bit somewhere, makes a block unreadable, or loses a segment that another speaks for. Gives the name of the file and
    /// the byte.
    pub fn damage(&self) -> Option<(String, usize)> {
        let mut state = self.lock();
        if state.random.random_bool(0.1) {
            return state.lose_a_file();
        }
        let names: Vec<_> = state.durable_names.iter().map(|(name, inode)| (name.clone(), *inode)).collect();
        if names.is_empty() {
            return None;
        }
        // The newest files are where recovery looks.
        let at = names.len() - 1 - state.random.random_range(0..names.len().min(3));
        let (name, inode) = names[at].clone();
        let bytes = state.files[&inode].durable_bytes;
        if bytes == 0 {
            return None;
        }
        let file = state.file(inode);
        file.durable.resize(file.durable.len().max(bytes), 0);
        let used = file.durable[..bytes].iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let (anywhere, in_head) = (state.random.random_range(0..used), state.random.random_range(0..64));
        let heads: Vec<_> = state.files[&inode].durable[..used]
            .windows(BATCH_MAGIC.len())
            .enumerate()
            .filter(|(_, bytes)| bytes == BATCH_MAGIC)
            .map(|(at, _)| at)
            .collect();
        // Most bytes are records': heads are aimed at, or few would be hit.
        let aimed = !heads.is_empty() && state.random.random_bool(0.6);
        let position = match aimed {
            true => (heads[in_head * heads.len() / 64] + in_head).min(used - 1),
            false => anywhere,
        };
        let flips = state.random.random_bool(0.8);
        let bit = state.random.random_range(0..8u8);
        state.fired(if flips { "bit flip" } else { "bad block" });
        let file = state.files.get_mut(&inode)?;
        if flips {
            file.durable[position] ^= 1 << bit;
            if let Some(byte) = file.now.get_mut(position) {
                *byte ^= 1 << bit;
            }
        } else {
            file.bad_blocks.insert(position / BLOCK_BYTES);
        }
        Some((name, position))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fired(&mut self, fault: &'static str) {
        *self.fired.entry(fault).or_default() += 1;
    }

    /// Counts an operation; whether the machine crashes in it.
    fn crashes(&mut self) -> io::Result<bool> {
        if self.crashed {
            return Err(io::Error::other("the machine has crashed"));
        }
        if let Some(left) = &mut self.crash_after {
            if *left == 0 {
                self.crashed = true;
                return Ok(true);
            }
            *left -= 1;
        }
        Ok(false)
    }

    /// Counts an operation that does nothing by halves.
    fn step(&mut self) -> io::Result<()> {
        if self.crashes()? { Err(io::Error::other("the machine crashes")) } else { Ok(()) }
    }

    fn fails(&mut self, one_in: u32, fault: &'static str) -> bool {
        let fails = happens(&mut self.random, one_in);
        if fails {
            self.fired(fault);
        }
        fails
    }

    fn inode(&self, name: &str) -> io::Result<u64> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&mut self, inode: u64) -> &mut Inode {
        self.files.entry(inode).or_default()
    }

    /// Takes space, or says that there is none.
    fn take_space(&mut self, bytes: u64) -> io::Result<()> {
        let used: u64 = self.names.values().map(|inode| self.files[inode].now.len() as u64).sum();
        if self.faults.capacity_bytes > 0 && used + bytes > self.faults.capacity_bytes {
            self.fired("full disk");
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn lose_a_file(&mut self) -> Option<(String, usize)> {
        let mut segments: Vec<_> =
            self.names.keys().filter(|name| name.starts_with("segment")).cloned().collect();
        if segments.len() < 2 {
            return None;
        }
        // For the newest one only a footer of the one before speaks.
        let spoken_for = segments.len() - usize::from(!self.has_footer(&segments[segments.len() - 2]));
        let lost = segments.swap_remove(self.random.random_range(0..spoken_for));
        self.names.remove(&lost);
        self.durable_names.remove(&lost);
        self.fired("lost file");
        Some((lost, 0))
    }

    /// Whether a segment ends in a durable footer of its own use: with the nonce of its head.
    fn has_footer(&self, name: &str) -> bool {
        let Some(file) = self.names.get(name).and_then(|inode| self.files.get(inode)) else { return false };
        let bytes = file.durable_bytes;
        let durable = file.durable.get(..bytes).filter(|_| bytes == file.now.len() && bytes > BLOCK_BYTES);
        durable.is_some_and(|durable| {
            durable[bytes - 40..].starts_with(b"KINEFOOT") && durable[bytes - 8..] == durable[16..24]
        })
    }

    /// Some of the sectors of a write get to the platters.
    fn write_some_sectors(&mut self, inode: u64, position: usize, bytes: &[u8]) {
        let mut random = StdRng::seed_from_u64(self.random.random());
        let share = random.random_range(0.0..=1.0);
        let file = self.file(inode);
        for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
            if random.random_bool(share) {
                let at = position + number * SECTOR_BYTES;
                file.put_durable(at, sector);
            }
        }
    }

    fn lose_what_is_not_durable(&mut self) {
        let mut names = self.durable_names.clone();
        for change in std::mem::take(&mut self.changes) {
            if self.random.random_bool(0.5) {
                change.apply(&mut names);
            }
        }
        self.durable_names.clone_from(&names);
        self.names = names;
        let kept: BTreeSet<u64> = self.names.values().copied().collect();
        self.files.retain(|inode, _| kept.contains(inode));
        let random = &mut self.random;
        for file in self.files.values_mut() {
            if file.durable_bytes != file.now.len() && random.random_bool(0.5) {
                file.durable_bytes = file.now.len();
            }
            let bytes = file.durable_bytes.max(file.durable.len());
            file.durable.resize(bytes, 0);
            file.now = file.durable[..file.durable_bytes].to_vec();
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Name { name, inode } => drop(names.insert(name.clone(), *inode)),
            Self::Rename { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Self::Remove { name } => drop(names.remove(name)),
        }
    }
}

impl Inode {
    fn put_durable(&mut self, position: usize, bytes: &[u8]) {
        let end = position + bytes.len();
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[position..end].copy_from_slice(bytes);
    }
}

impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.begin();
        state.step()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.begin();
        state.step()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.take_space(bytes)?;
        let inode = state.next_inode;
        state.next_inode += 1;
        let zeros = vec![0; bytes as usize];
        state.files.insert(inode, Inode { now: zeros, ..Inode::default() });
        state.names.insert(name.into(), inode);
        state.changes.push(Change::Name { name: name.into(), inode });
        Ok(Arc::new(SimulatedFile { disk: self.clone(), inode }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.begin();
        state.step()?;
        let inode = state.inode(name)?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.begin();
        let crashes = state.crashes()?;
        let inode = state.inode(from)?;
        let change = Change::Rename { from: from.into(), to: to.into(), inode };
        change.apply(&mut state.names);
        state.changes.push(change);
        if crashes { Err(io::Error::other("the machine crashes")) } else { Ok(()) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.begin();
        let crashes = state.crashes()?;
        state.inode(name)?;
        state.names.remove(name);
        state.changes.push(Change::Remove { name: name.into() });
        if crashes { Err(io::Error::other("the machine crashes")) } else { Ok(()) }
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.begin();
        state.step()?;
        let one_in = state.faults.failed_directory_sync;
        if state.fails(one_in, "failed sync of the directory") {
            return Err(io::Error::other("the directory could not be synced"));
        }
        state.durable_names = state.names.clone();
        state.changes.clear();
        Ok(())
    }
}

impl DiskFile for SimulatedFile {
    fn bytes(&self) -> io::Result<u64> {
        let mut state = self.disk.begin();
        state.step()?;
        Ok(state.file(self.inode).now.len() as u64)
    }

    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()> {
        let mut state = self.disk.begin();
        let position = position as usize;
        assert!(
            position.is_multiple_of(BLOCK_BYTES) && blocks.len().is_multiple_of(BLOCK_BYTES),
            "whole blocks"
        );
        let crashes = state.crashes()?;
        let file = state.file(self.inode);
        let end = position + blocks.len();
        assert!(end <= file.now.len(), "a write to {end} of a file of {} bytes", file.now.len());
        file.now[position..end].copy_from_slice(blocks);
        if crashes {
            state.fired("crash in a write");
            state.write_some_sectors(self.inode, position, blocks);
            return Err(io::Error::other("the machine crashes"));
        }
        let one_in = state.faults.failed_write;
        if state.fails(one_in, "failed write") {
            state.write_some_sectors(self.inode, position, blocks);
            return Err(io::Error::other("the write failed"));
        }
        let file = state.file(self.inode);
        file.put_durable(position, blocks);
        file.durable_bytes = file.durable_bytes.max(end);
        file.bad_blocks.retain(|block| !(position / BLOCK_BYTES..end / BLOCK_BYTES).contains(block));
        Ok(())
    }

    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_from(position, buffer, |file| {
            file.durable.resize(file.durable.len().max(file.now.len()), 0);
            &file.durable[..file.now.len()]
        })
    }

    fn read(&self, position: u64, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        if wait == Wait::Never {
            let mut state = self.disk.lock();
            let one_in = state.faults.cold_read;
            if state.fails(one_in, "cold read") {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        self.read_from(position, buffer, |file| &file.now[..])
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.begin();
        state.step()?;
        let now = state.file(self.inode).now.len() as u64;
        if bytes > now {
            state.take_space(bytes - now)?;
        }
        let file = state.file(self.inode);
        file.now.resize(bytes as usize, 0);
        // What is cut off stays on the platters; what is added reads as zeros also when it is durable.
        if bytes > now {
            let end = (bytes as usize).min(file.durable.len());
            let start = (now as usize).min(end);
            file.durable[start..end].fill(0);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.begin();
        state.step()?;
        let one_in = state.faults.failed_sync;
        if state.fails(one_in, "failed sync of a file") {
            return Err(io::Error::other("the file could not be synced"));
        }
        let file = state.file(self.inode);
        file.durable_bytes = file.now.len();
        Ok(())
    }
}

impl SimulatedFile {
    fn read_from(
        &self,
        position: u64,
        buffer: &mut [u8],
        bytes: impl FnOnce(&mut Inode) -> &[u8],
    ) -> io::Result<usize> {
        let mut state = self.disk.begin();
        state.step()?;
        let one_in = state.faults.failed_read;
        if state.fails(one_in, "failed read") {
            return Err(io::Error::other("the read failed"));
        }
        let file = state.file(self.inode);
        let start = (position as usize).min(file.now.len());
        let end = (start + buffer.len()).min(file.now.len());
        if file.bad_blocks.range(start / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES)).next().is_some() {
            return Err(io::Error::other("a sector cannot be read"));
        }
        buffer[..end - start].copy_from_slice(&bytes(file)[start..end]);
        Ok(end - start)
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimulatedDisk")
    }
}

impl fmt::Debug for SimulatedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SimulatedFile").field("inode", &self.inode).finish()
    }
}
