//! Time, which comes in from outside.

use group_core::clock::ClockReading;
use rustix::time::{ClockId, clock_gettime};

/// Two clocks: the wall's, which people set and which steps, and one that only goes on.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn wall_ms(&self) -> u64;
    /// Milliseconds since some moment, the same for the life of the process; never goes back.
    fn monotonic_ms(&self) -> u64;

    /// Both.
    fn reading(&self) -> ClockReading {
        ClockReading { boottime_ms: self.monotonic_ms(), wall_ms: self.wall_ms() }
    }
}

/// The clocks of the system. The monotonic one goes on while the machine sleeps: a laptop that wakes has no stepped
/// clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_ms(&self) -> u64 {
        let now = clock_gettime(ClockId::Boottime);
        now.tv_sec.unsigned_abs() * 1_000 + now.tv_nsec.unsigned_abs() / 1_000_000
    }
}
