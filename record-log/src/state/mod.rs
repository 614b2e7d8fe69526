//! Locations in this copy of a log, the losses that were accepted in it, and the numbers with which a log goes on behind a
//! corrupt tail. What the entries of a log amount to is [`group_core::State`].
//!
//! Pure: no file is read or written here.

mod accepted_losses;
mod corrupt_tail;

pub use accepted_losses::{AcceptedLosses, MAX_RANGES, SegmentRange};
pub use corrupt_tail::{behind_corrupt_tail, first_number_in};

use group_core::State;

/// A position in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The sequence number of the segment.
    pub segment: u64,
    /// The position in its file, in bytes.
    pub position: u64,
}

/// When the last record of a state arrived, in milliseconds of log time; 0 if it has none.
#[must_use]
pub fn last_arrival_ms(state: &State) -> u64 {
    state.shards.values().map(|shard| shard.last_arrival_ms).max().unwrap_or_default()
}
