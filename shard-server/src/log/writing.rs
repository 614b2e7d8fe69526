//! Since when a log's thread is at its present write, for those who want to know whether its disk hangs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Since when the thread is at work without a pause.
#[derive(Debug, Default)]
pub struct Writing {
    since: Mutex<Option<Instant>>,
}

impl Writing {
    /// A write begins; the one before has ended.
    pub fn begin(&self) {
        *self.since() = Some(Instant::now());
    }

    /// The thread waits for work.
    pub fn end(&self) {
        *self.since() = None;
    }

    /// How long the present write has taken so far; 0 if there is none.
    pub fn duration(&self) -> Duration {
        self.since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
