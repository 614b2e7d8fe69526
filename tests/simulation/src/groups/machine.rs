//! A machine's two clocks: boottime, which runs a little too fast or too slow, and the wall clock, which may be set.

use group_core::clock::ClockReading;

/// What every wall clock shows when a world begins, in milliseconds since 1970.
pub const START_MS: u64 = 500_000 * 3_600_000;

/// A machine with its clocks.
#[derive(Clone, Debug)]
pub struct Machine {
    /// True time of the last change.
    since_ms: u64,
    boottime_ms: u64,
    /// By how much the wall clock is ahead of true time.
    ahead_ms: i64,
    drift_ppm: i64,
    /// True times at which the wall clock was set.
    pub set_at_ms: Vec<u64>,
}

impl Machine {
    /// A machine that started before the world, with the right wall clock.
    #[must_use]
    pub fn new(boottime_ms: u64, drift_ppm: i64) -> Self {
        Self { since_ms: 0, boottime_ms, ahead_ms: 0, drift_ppm, set_at_ms: Vec::new() }
    }

    fn drifted_ms(&self, now_ms: u64) -> i64 {
        let elapsed_ms = i64::try_from(now_ms - self.since_ms).unwrap_or(i64::MAX);
        elapsed_ms / 1_000 * self.drift_ppm / 1_000
    }

    /// Both clocks at a moment of true time.
    #[must_use]
    pub fn clock(&self, now_ms: u64) -> ClockReading {
        let drifted_ms = self.drifted_ms(now_ms);
        ClockReading {
            boottime_ms: (self.boottime_ms + now_ms - self.since_ms).saturating_add_signed(drifted_ms),
            wall_ms: (START_MS + now_ms).saturating_add_signed(self.ahead_ms + drifted_ms),
        }
    }

    /// By how much the wall clock is ahead of true time; negative if it is behind.
    #[must_use]
    pub fn ahead_ms(&self, now_ms: u64) -> i64 {
        self.ahead_ms + self.drifted_ms(now_ms)
    }

    /// Sets the wall clock to so much ahead of true time.
    pub fn set(&mut self, now_ms: u64, ahead_ms: i64) {
        self.boottime_ms = self.clock(now_ms).boottime_ms;
        self.since_ms = now_ms;
        self.ahead_ms = ahead_ms;
        self.set_at_ms.push(now_ms);
    }

    /// The machine restarts: its boottime clock starts from zero.
    pub fn restart(&mut self, now_ms: u64) {
        self.ahead_ms = self.ahead_ms(now_ms);
        self.since_ms = now_ms;
        self.boottime_ms = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boottime_goes_back_only_when_the_machine_restarts() {
        let mut machine = Machine::new(1_000, 100);
        let before = machine.clock(3_600_000);
        machine.set(3_600_000, -86_400_000);
        let after = machine.clock(3_600_000);
        assert_eq!(before.boottime_ms, after.boottime_ms);
        assert!(after.wall_ms < before.wall_ms);
        machine.restart(3_700_000);
        assert_eq!(machine.clock(3_700_005).boottime_ms, 5);
    }
}
