//! The faults of a world's disk, drawn from its seed.

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};

use crate::totals::named;

named! {
    /// The faults of a disk.
    Fault {
        /// The machine crashes.
        MachineCrash = "fault: machine crash",
        /// It crashes while bytes are written.
        CrashInAWrite = "fault: crash in a write",
        /// See [`Faults::failed_write`].
        FailedWrite = "fault: failed write",
        /// See [`Faults::failed_sync`].
        FailedSync = "fault: failed sync of a file",
        /// See [`Faults::failed_directory_sync`].
        FailedDirectorySync = "fault: failed sync of the directory",
        /// See [`Faults::failed_read`].
        FailedRead = "fault: failed read",
        /// See [`Faults::cold_read`].
        ColdRead = "fault: cold read",
        /// See [`Faults::capacity_bytes`].
        FullDisk = "fault: full disk",
        /// A bit of a file flips.
        BitFlip = "fault: bit flip",
        /// A block of a file becomes unreadable.
        UnreadableBlock = "fault: unreadable block",
        /// A file disappears.
        MissingFile = "fault: missing file",
    }
}

/// How often the disk fails, each as one in so many operations; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A write fails, with any of its sectors on the disk.
    pub failed_write: u32,
    /// A sync of a file fails.
    pub failed_sync: u32,
    /// A sync of the directory fails, with any of its changes on the disk.
    pub failed_directory_sync: u32,
    /// A read fails, and the next one of the same bytes may not.
    pub failed_read: u32,
    /// A read that must not wait would have to.
    pub cold_read: u32,
    /// Bytes that the disk has; 0 is without end.
    pub capacity_bytes: u64,
    /// The most corruptions of the disk, which happen while the log is closed.
    pub corruptions: u32,
    /// Whether somebody sets the clock.
    pub steps: bool,
}

impl Faults {
    /// Those of a world. Every kind is absent in many worlds, so that nothing hides behind another.
    #[must_use]
    pub fn draw(random: &mut StdRng) -> Self {
        // Some disks fail most reads, so that a retry does not help at once.
        let failed_read = if random.random_ratio(1, 3) { 3 } else { 40 };
        let mut sometimes = |one_in: u32| if random.random_ratio(1, 4) { one_in } else { 0 };
        let mut faults = Self {
            failed_write: sometimes(60),
            failed_sync: sometimes(10),
            failed_directory_sync: sometimes(8),
            failed_read: sometimes(failed_read),
            cold_read: 4,
            capacity_bytes: 0,
            corruptions: 0,
            steps: false,
        };
        if random.random_ratio(1, 4) {
            faults.capacity_bytes = random.random_range(64..400) << 10;
        }
        if random.random_ratio(1, 2) {
            faults.corruptions = if random.random_ratio(2, 3) { 1 } else { 4 };
        }
        faults.steps = random.random_ratio(1, 2);
        faults
    }

    /// Whether the disk may do what a log stops for.
    #[must_use]
    pub fn may_stop(&self) -> bool {
        self.failed_write > 0 || self.failed_sync > 0 || self.failed_directory_sync > 0
    }

    /// Whether the disk may be unreadable or corrupt.
    #[must_use]
    pub fn may_lose(&self) -> bool {
        self.corruptions > 0 || self.failed_read > 0
    }
}

/// Draws whether a fault that happens once in so many operations happens now.
pub fn happens(random: &mut StdRng, one_in: u32) -> bool {
    // The draw is made in any case, so that worlds with and without a fault go alike until it fires.
    let draw = random.next_u32();
    one_in > 0 && draw.is_multiple_of(one_in)
}
