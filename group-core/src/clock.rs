//! Log time: it belongs to the log, not to a machine.
//!
//! It goes on from its last durable value by the machine's boottime clock, never back, and follows the wall clock
//! forward by at most an hour. A larger difference is taken only as an entry of the log, a clock step, once another
//! machine's clock agrees with the own; until then the clock is suspect.

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
