//! What happens to a group.

use crate::call::{Call, Token};
use crate::clock::ClockReading;

/// What happens to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody asks for something.
    Call {
        /// Names the call in its answer.
        token: Token,
        /// What is asked.
        call: Call,
        /// It is answered `NotDone` if it is not proposed by then, in milliseconds of the boottime clock.
        deadline_ms: u64,
    },
    /// Another machine shows its wall clock, with a call or without.
    ClockSeen {
        /// Its wall clock, in milliseconds since 1970.
        other_ms: u64,
    },
    /// All batches up to the one with this number are durable here.
    Persisted {
        /// See [`crate::Effect::Persist`].
        number: u64,
    },
    /// The store has no room for the batch with this number: nothing of it was written, nor of any later one.
    Refused {
        /// See [`crate::Effect::Persist`].
        number: u64,
        /// Why.
        reason: String,
    },
    /// A write or sync failed, which is final. Whether what was under way is durable is not known.
    Failed {
        /// Why.
        reason: String,
    },
    /// Time passed. Comes before calls are proposed, and at least every second while there are calls.
    Tick {
        /// Both clocks of the machine.
        clock: ClockReading,
        /// How the store is.
        store: StoreReport,
    },
    /// Nothing came for a moment: the last batch may be confirmed.
    Quiet,
}

/// What the core needs to know of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreReport {
    /// When the last record of the oldest segment arrived, in milliseconds of log time; none if it has no records.
    pub oldest_segment_arrival_ms: Option<u64>,
}
