//! Log time: it belongs to the log, not to a machine.
//!
//! It goes on from its last durable value by the machine's boottime clock, never back. It follows the wall clock forward
//! if that is at most an hour ahead, and by at most an hour in a day of running time, so that small differences do not add
//! up. (The day begins with each opening: how far an earlier process followed is not in the log.) What is not followed
//! makes the clock suspect. Forward, it is taken as an entry of the log, a clock step, once another machine's clock agrees
//! with the own. Backward it is never taken: log time is ahead then and goes on by itself, so that what was appended
//! under a wrong clock still expires.

pub(crate) const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// How far log time follows the wall clock forward at once, and in a day of running time.
pub const FOLLOW_MS: u64 = HOUR_MS;
/// How far two machines' clocks may be apart and still agree.
pub const AGREEMENT_MS: u64 = 300_000;
/// What the log held before a clock step is kept for at least so long, or the retention if that is shorter.
pub const PROTECTION_MS: u64 = DAY_MS;

/// What the two clocks of a machine show at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockReading {
    /// Milliseconds since the machine started, sleep included; never goes back.
    pub boottime_ms: u64,
    /// Milliseconds since 1970, as somebody set it.
    pub wall_ms: u64,
}

/// Log time at one moment of the machine's boottime clock, to go on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogClock {
    /// Log time then, in milliseconds since 1970.
    pub time_ms: u64,
    /// The moment, in milliseconds of the boottime clock.
    pub boottime_ms: u64,
}

impl LogClock {
    /// Log time at another moment; at an earlier one, what it was at this.
    #[must_use]
    pub fn at(&self, boottime_ms: u64) -> u64 {
        self.time_ms.saturating_add(boottime_ms.saturating_sub(self.boottime_ms))
    }
}

/// Until when nothing expires behind a clock step to this time.
pub(crate) fn protected_until_ms(time_ms: u64, retention_hours: Option<u32>) -> u64 {
    let retention_ms = retention_hours.map_or(PROTECTION_MS, |hours| u64::from(hours) * HOUR_MS);
    time_ms.saturating_add(retention_ms.min(PROTECTION_MS))
}

/// Keeps log time on one machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timekeeper {
    clock: LogClock,
    reading: ClockReading,
    /// How far the wall clock was followed in the running day of boottime, and when that began.
    followed_ms: u64,
    day_boottime_ms: u64,
}

impl Timekeeper {
    /// Goes on from the last durable log time.
    pub fn new(time_ms: u64, reading: ClockReading) -> Self {
        let clock = LogClock { time_ms, boottime_ms: reading.boottime_ms };
        let mut keeper = Self { clock, reading, followed_ms: 0, day_boottime_ms: reading.boottime_ms };
        keeper.go_on(reading);
        keeper
    }

    /// Time passed.
    pub fn go_on(&mut self, reading: ClockReading) {
        let boottime_ms = reading.boottime_ms.max(self.clock.boottime_ms);
        if boottime_ms - self.day_boottime_ms >= DAY_MS {
            (self.followed_ms, self.day_boottime_ms) = (0, boottime_ms);
        }
        let time_ms = self.clock.at(boottime_ms);
        let ahead_ms = reading.wall_ms.saturating_sub(time_ms);
        let follow_ms = if ahead_ms <= FOLLOW_MS { ahead_ms.min(FOLLOW_MS - self.followed_ms) } else { 0 };
        self.followed_ms += follow_ms;
        self.clock = LogClock { time_ms: time_ms + follow_ms, boottime_ms };
        self.reading = ClockReading { boottime_ms, ..reading };
    }

    pub fn clock(&self) -> LogClock {
        self.clock
    }

    pub fn time_ms(&self) -> u64 {
        self.clock.time_ms
    }

    pub fn boottime_ms(&self) -> u64 {
        self.reading.boottime_ms
    }

    /// The wall clock, going on by boottime, if it is further ahead than log time follows.
    pub fn wall_ahead(&self) -> Option<LogClock> {
        let ClockReading { boottime_ms, wall_ms } = self.reading;
        // What is ahead still was not followed.
        let ahead = wall_ms.saturating_sub(self.clock.time_ms) > AGREEMENT_MS;
        ahead.then_some(LogClock { time_ms: wall_ms, boottime_ms })
    }

    /// Whether a clock agrees with the own wall clock as it is now.
    pub fn agrees(&self, other_ms: u64) -> bool {
        self.reading.wall_ms.abs_diff(other_ms) <= AGREEMENT_MS
    }

    /// Log time is at least this: what is committed has it.
    pub fn reach(&mut self, time_ms: u64) {
        self.clock.time_ms = self.clock.time_ms.max(time_ms);
    }

    /// Why the wall clock is not believed and what to do, if it is not.
    pub fn suspect(&self) -> Option<String> {
        let (wall_ms, time_ms) = (self.reading.wall_ms, self.clock.time_ms);
        let minutes = wall_ms.abs_diff(time_ms) / 60_000;
        let (hours, minutes) = (minutes / 60, minutes % 60);
        if self.wall_ahead().is_some() {
            Some(format!(
                "the clock of this machine is {hours} h {minutes} min ahead of the log's time, and no other machine's \
                 clock agrees with it yet; the log goes on by its own time. If the clock is wrong, set it. If it is right, \
                 set the clocks of the machines that call this one: the log follows once one of them agrees"
            ))
        } else if time_ms.saturating_sub(wall_ms) > FOLLOW_MS {
            Some(format!(
                "the clock of this machine is {hours} h {minutes} min behind the log's time, which never goes back; the \
                 log goes on by its own time. If the clock is wrong, set it. If it is right, it was ahead before: the \
                 log stays ahead, and records are kept as long as they should be"
            ))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(boottime_ms: u64, wall_ms: u64) -> ClockReading {
        ClockReading { boottime_ms, wall_ms }
    }

    #[test]
    fn clocks_that_go_together_are_followed() {
        let mut keeper = Timekeeper::new(1_000, reading(0, 1_000));
        keeper.go_on(reading(500 * HOUR_MS, 1_000 + 500 * HOUR_MS));
        assert_eq!((keeper.time_ms(), keeper.suspect()), (1_000 + 500 * HOUR_MS, None));
    }

    #[test]
    fn wall_clock_is_followed_forward_by_an_hour_and_not_by_more() {
        let mut keeper = Timekeeper::new(0, reading(0, HOUR_MS));
        assert_eq!(keeper.time_ms(), HOUR_MS);
        let mut ahead = Timekeeper::new(0, reading(0, HOUR_MS + 1));
        let wall = LogClock { time_ms: HOUR_MS + 1, boottime_ms: 0 };
        assert_eq!((ahead.time_ms(), ahead.wall_ahead()), (0, Some(wall)));
        assert!(ahead.suspect().unwrap().contains("1 h 0 min ahead"));
        ahead.go_on(reading(7, HOUR_MS + 8));
        assert_eq!(ahead.time_ms(), 7, "it goes on by the boottime clock");
        keeper.go_on(reading(0, HOUR_MS + HOUR_MS / 2));
        assert_eq!(keeper.time_ms(), HOUR_MS, "an hour a day");
        assert!(keeper.suspect().unwrap().contains("0 h 30 min ahead"), "the rest is a step");
        keeper.go_on(reading(DAY_MS, DAY_MS + HOUR_MS + HOUR_MS / 2));
        assert_eq!(keeper.time_ms(), DAY_MS + HOUR_MS + HOUR_MS / 2);
    }

    #[test]
    fn wall_clock_that_goes_back_is_not_followed_and_time_goes_on() {
        let mut keeper = Timekeeper::new(10 * HOUR_MS, reading(0, 10 * HOUR_MS));
        keeper.go_on(reading(5, 2 * HOUR_MS));
        assert_eq!((keeper.time_ms(), keeper.wall_ahead()), (10 * HOUR_MS + 5, None));
        assert!(keeper.suspect().unwrap().contains("8 h 0 min behind"));
    }

    #[test]
    fn clocks_agree_within_five_minutes() {
        let keeper = Timekeeper::new(0, reading(0, DAY_MS));
        assert!(keeper.agrees(DAY_MS + AGREEMENT_MS) && keeper.agrees(DAY_MS - AGREEMENT_MS));
        assert!(!keeper.agrees(DAY_MS + AGREEMENT_MS + 1) && !keeper.agrees(0));
    }

    proptest! {
        #[test]
        fn time_never_goes_back_and_gains_at_most_an_hour_a_day(
            looks in proptest::collection::vec((0u64..10_000_000, 0u64..1_000_000_000), 1..50)
        ) {
            let mut keeper = Timekeeper::new(500_000_000, reading(0, 500_000_000));
            let (start, mut boottime_ms, mut before) = (keeper.time_ms(), 0, keeper.time_ms());
            for (passed_ms, wall_ms) in looks {
                boottime_ms += passed_ms;
                keeper.go_on(reading(boottime_ms, wall_ms));
                prop_assert!(keeper.time_ms() >= before + passed_ms);
                before = keeper.time_ms();
                let days = boottime_ms / DAY_MS + 1;
                prop_assert!(keeper.time_ms() <= start + boottime_ms + days * FOLLOW_MS);
            }
        }
    }
}
