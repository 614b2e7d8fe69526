//! A disk that keeps its guarantees and nothing more.
//!
//! A write that returned is durable. Of a write that failed, or was under way in a crash, any of its 512-byte sectors
//! are durable; until the machine crashes all of it reads as written. Names and lengths are durable once they were
//! synced; before that each change may be there after a crash or not, independently of the others; what a sync failed
//! for, no later sync makes durable. What was cut off or recycled keeps its old bytes. Corruption lies over what was
//! written, until that is written again. While a later version runs, its additions are put into what is written and taken
//! out of what is read.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::faults::{Fault, Faults, happens};
use crate::later::Additions;

mod calls;
mod corruption;
mod platters;

pub use corruption::{CorruptFile, SLOT_BYTES};

use platters::{Change, Inode};

/// A simulated disk. Clones share it.
#[derive(Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    /// An action of another thread between two operations.
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
    /// The machine crashes after so many operations.
    crash_after: Option<u64>,
    crashed: bool,
    fired: BTreeMap<Fault, u64>,
    /// What the running version adds, if it is a later one.
    later: Option<Additions>,
    /// Missing files, with their former content.
    missing: BTreeMap<String, Vec<u8>>,
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
            fired: Fault::ALL.iter().map(|fault| (*fault, 0)).collect(),
            later: None,
            missing: BTreeMap::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), meanwhile: Arc::default() }
    }

    /// Plans an action of another thread, once, after so many operations.
    pub fn meanwhile(&self, after: u64, act: impl FnOnce() + Send + 'static) {
        let meanwhile = Meanwhile { after, act: Box::new(act) };
        *self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner) = Some(meanwhile);
    }

    /// Cancels the planned action.
    pub fn alone(&self) {
        drop(self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Begins an operation. A planned action comes first; its own operations are not counted.
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

    /// Plans a crash of the machine after so many operations.
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
        state.fired(Fault::MachineCrash);
        state.crashed = false;
        state.crash_after = None;
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// From now on a later version with these additions reads and writes, or this one.
    pub fn run_version(&self, later: Option<Additions>) {
        self.lock().later = later;
    }

    /// How often each fault fired.
    #[must_use]
    pub fn fired(&self) -> BTreeMap<Fault, u64> {
        self.lock().fired.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fired(&mut self, fault: Fault) {
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

    /// Counts an atomic operation.
    fn step(&mut self) -> io::Result<()> {
        if self.crashes()? { Err(io::Error::other("the machine crashes")) } else { Ok(()) }
    }

    fn fails(&mut self, one_in: u32, fault: Fault) -> bool {
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

    /// Takes space; fails if there is none.
    fn take_space(&mut self, bytes: u64) -> io::Result<()> {
        let used: u64 = self.names.values().map(|inode| self.files[inode].now.len() as u64).sum();
        if self.faults.capacity_bytes > 0 && used + bytes > self.faults.capacity_bytes {
            self.fired(Fault::FullDisk);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimulatedDisk")
    }
}
