//! When records may expire. Pure.

/// Steps of the wall's clock that are larger together than this suspend trimming.
const MAX_STEP_MS: i64 = 3_600_000;
/// A difference between the clocks from one look to the next that is no step: the wall's clock is being slewed.
const MAX_SLEW_MS: i64 = 1_000;
const HOUR_MS: u64 = 3_600_000;

/// Watches the wall clock against the monotonic clock: one bad answer of a time server must not delete a stream.
///
/// It sees the steps since the log was opened, and takes the clock for right at that moment: years without a record
/// look the same as a clock that is years ahead. A process that starts while the clock is ahead expires by that clock.
#[derive(Clone, Copy, Debug)]
pub struct TrimGate {
    wall_ms: u64,
    monotonic_ms: u64,
    /// All steps since it began to watch.
    stepped_ms: i64,
}

impl TrimGate {
    /// Begins to watch.
    #[must_use]
    pub fn new(wall_ms: u64, monotonic_ms: u64) -> Self {
        Self { wall_ms, monotonic_ms, stepped_ms: 0 }
    }

    /// Looks at the clocks; says why nothing may expire, if so.
    pub fn look(&mut self, wall_ms: u64, monotonic_ms: u64) -> Option<String> {
        let went = |from: u64, to: u64| i64::try_from(i128::from(to) - i128::from(from)).unwrap_or(i64::MAX);
        let step = went(self.wall_ms, wall_ms).saturating_sub(went(self.monotonic_ms, monotonic_ms));
        (self.wall_ms, self.monotonic_ms) = (wall_ms, monotonic_ms);
        if step.abs() > MAX_SLEW_MS {
            self.stepped_ms = self.stepped_ms.saturating_add(step);
        }
        (self.stepped_ms.abs() > MAX_STEP_MS).then(|| {
            let way = if self.stepped_ms > 0 { "forward" } else { "back" };
            format!(
                "the clock has stepped {way} by about {} hours: nothing expires until it is right again; a process \
                 that starts anew takes it for right, so set it before",
                self.stepped_ms.abs() / MAX_STEP_MS
            )
        })
    }
}

/// Records that arrived before this (milliseconds since 1970) have expired.
#[must_use]
pub fn horizon_ms(now_ms: u64, retention_hours: u32) -> u64 {
    now_ms.saturating_sub(u64::from(retention_hours) * HOUR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = HOUR_MS;

    #[test]
    fn clocks_that_go_together_suspend_nothing() {
        let mut gate = TrimGate::new(1_000, 0);
        assert_eq!(gate.look(1_000 + 500 * HOUR, 500 * HOUR), None);
    }

    #[test]
    fn slewed_clock_is_no_step_however_long_it_goes_on() {
        let mut gate = TrimGate::new(0, 0);
        assert!((1..100_000).all(|second| gate.look(second * 1_900, second * 1_000).is_none()));
    }

    #[test]
    fn step_of_more_than_an_hour_suspends_until_it_is_taken_back() {
        for (there, word) in [(10 * HOUR, "forward"), (0, "back")] {
            let mut gate = TrimGate::new(5 * HOUR, 0);
            assert!(gate.look(there, 1).unwrap().contains(word));
            assert!(gate.look(there + 10, 11).is_some());
            assert_eq!(gate.look(5 * HOUR + 20, 21), None);
        }
    }

    #[test]
    fn small_steps_add_up() {
        let mut gate = TrimGate::new(0, 0);
        assert_eq!(gate.look(HOUR / 2, 0), None);
        assert_eq!(gate.look(HOUR, 0), None);
        assert!(gate.look(HOUR + HOUR / 2, 0).is_some());
    }

    #[test]
    fn retention_longer_than_time_keeps_all() {
        assert_eq!(horizon_ms(5, 24), 0);
        assert_eq!(horizon_ms(25 * HOUR, 24), HOUR);
    }
}
