//! A model of log time, which shares no code with the log: it advances with the boottime clock, never goes back, and
//! follows the wall clock forward by at most an hour at once and an hour a day.

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// How far two clocks may be apart and still agree.
const AGREEMENT_MS: u64 = 300_000;

/// Boottime and wall clock, in milliseconds.
pub type Clocks = (u64, u64);

/// Log time of a log that is open.
#[derive(Clone, Copy, Debug)]
pub struct LogTime {
    time_ms: u64,
    boottime_ms: u64,
    day_began_ms: u64,
    /// What it followed the wall clock since the day began.
    followed_ms: u64,
    /// How far the wall clock is ahead of it, and how far behind.
    ahead_ms: u64,
    behind_ms: u64,
}

impl LogTime {
    /// Of a log that is opened, whose last batch has this time.
    #[must_use]
    pub fn open(time_ms: u64, clocks: Clocks) -> Self {
        let boottime_ms = clocks.0;
        let day_began_ms = boottime_ms;
        let mut time = Self { time_ms, boottime_ms, day_began_ms, followed_ms: 0, ahead_ms: 0, behind_ms: 0 };
        time.look(clocks);
        time
    }

    /// The log looks at its clocks.
    pub fn look(&mut self, (boottime_ms, wall_ms): Clocks) -> u64 {
        self.time_ms = self.at(boottime_ms);
        self.boottime_ms = boottime_ms;
        if boottime_ms - self.day_began_ms >= DAY_MS {
            (self.day_began_ms, self.followed_ms) = (boottime_ms, 0);
        }
        let ahead_ms = wall_ms.saturating_sub(self.time_ms);
        if ahead_ms <= HOUR_MS {
            let follows_ms = ahead_ms.min(HOUR_MS - self.followed_ms);
            self.followed_ms += follows_ms;
            self.time_ms += follows_ms;
        }
        self.ahead_ms = wall_ms.saturating_sub(self.time_ms);
        self.behind_ms = self.time_ms.saturating_sub(wall_ms);
        self.time_ms
    }

    /// Log time at a moment of the boottime clock, as readers use it.
    #[must_use]
    pub fn at(&self, boottime_ms: u64) -> u64 {
        self.time_ms + (boottime_ms - self.boottime_ms)
    }

    /// Whether the wall clock was so far from it that it is suspect: ahead also where it is less than an hour, as it was
    /// followed that far in this day already.
    #[must_use]
    pub fn is_clock_suspect(&self) -> bool {
        self.ahead_ms > AGREEMENT_MS || self.behind_ms > HOUR_MS
    }
}
