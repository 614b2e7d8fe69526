//! What `tests/bench/copies/count.c` has counted of this process.

use std::env;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, ensure};

/// Calls and bytes since the process began.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Calls of `malloc` and its like.
    pub allocations: u64,
    /// The bytes that they asked for.
    pub allocated_bytes: u64,
    /// Calls of `memcpy` and `memmove`, and blocks that `realloc` moved.
    pub copies: u64,
    /// The bytes that they copied.
    pub copied_bytes: u64,
}

/// Where they are counted.
#[derive(Debug)]
pub struct Counter(File);

impl Counter {
    /// Opens it.
    ///
    /// # Errors
    /// If nothing is counted.
    pub fn open() -> Result<Self> {
        let path = env::var_os("KINETES_COUNTS").context("start it by tests/bench/copies/run")?;
        let counter = Self(File::open(path)?);
        ensure!(counter.now()?.allocations > 0, "nothing is counted: is the program linked dynamically?");
        Ok(counter)
    }

    /// What was counted so far.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn now(&self) -> Result<Counts> {
        let mut bytes = [0; 32];
        self.0.read_exact_at(&mut bytes, 0)?;
        let (counts, _) = bytes.as_chunks::<8>();
        let [allocations, allocated_bytes, copies, copied_bytes] =
            [0, 1, 2, 3].map(|index| u64::from_ne_bytes(counts[index]));
        Ok(Counts { allocations, allocated_bytes, copies, copied_bytes })
    }
}

impl Counts {
    /// What was counted since, by record.
    pub fn since(self, before: Self, records: u64) -> [f64; 4] {
        let of = |count: fn(&Self) -> u64| (count(&self) - count(&before)) as f64 / records as f64;
        [
            of(|all| all.allocations),
            of(|all| all.allocated_bytes),
            of(|all| all.copies),
            of(|all| all.copied_bytes),
        ]
    }
}
