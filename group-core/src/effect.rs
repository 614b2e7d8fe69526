//! What is to be done for a group, in this order.

use crate::call::{Answer, Token};
use crate::clock::LogClock;
use crate::entry::Batch;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make a batch durable. Batches are written in the order of their numbers; several may be under way.
    Persist {
        /// Counts the writes of this opening, from 1.
        number: u64,
        /// The batch.
        batch: Batch,
    },
    /// Readers may see all batches up to an index, and judge expiry by this clock.
    Publish {
        /// The last committed index.
        index: u64,
        /// Log time, to go on from.
        clock: LogClock,
    },
    /// Answer a call.
    Answer {
        /// Which.
        token: Token,
        /// What became of it.
        answer: Answer,
    },
    /// Remove segments all of whose records arrived before this, in milliseconds of log time.
    Trim {
        /// The oldest arrival that is kept.
        horizon_ms: u64,
    },
    /// Take no more calls until the log is opened again.
    Halt {
        /// Why.
        reason: String,
    },
}
