//! The time, which parts are given rather than look for, so that tests give another.

use std::sync::Arc;

use record_log::clock::{Clock as _, SystemClock};

/// Gives the time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The time of the system.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| SystemClock.wall_ms())
}
