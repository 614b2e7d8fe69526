//! Two simulated clocks: boottime, and a wall clock that steps.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use record_log::clock::Clock;

/// The clocks.
#[derive(Debug)]
pub struct Clocks {
    wall_ms: AtomicU64,
    monotonic_ms: AtomicU64,
}

impl Clocks {
    /// The wall clock begins here, in milliseconds since 1970.
    #[must_use]
    pub fn new(wall_ms: u64) -> Self {
        Self { wall_ms: AtomicU64::new(wall_ms), monotonic_ms: AtomicU64::new(0) }
    }

    /// Time passes.
    pub fn go(&self, ms: u64) {
        self.wall_ms.fetch_add(ms, Relaxed);
        self.monotonic_ms.fetch_add(ms, Relaxed);
    }

    /// Somebody sets the wall clock.
    pub fn step(&self, ms: i64) {
        self.wall_ms.store(self.wall_ms().saturating_add_signed(ms), Relaxed);
    }
}

impl Clocks {
    /// Boottime and wall clock, as in [`crate::log_time`].
    #[must_use]
    pub fn both(&self) -> (u64, u64) {
        (self.monotonic_ms(), self.wall_ms())
    }
}

impl Clock for Clocks {
    fn wall_ms(&self) -> u64 {
        self.wall_ms.load(Relaxed)
    }

    fn monotonic_ms(&self) -> u64 {
        self.monotonic_ms.load(Relaxed)
    }
}
