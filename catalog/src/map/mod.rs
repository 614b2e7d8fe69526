//! The map of a stream: its shards, the logs that hold them, and how they came to be.
//!
//! A map is a recorded value. It begins with a [`Genesis`], which is recorded once, before anything is made from it,
//! and moves by [`Transition`]s alone. Whoever takes one has it checked against the record ([`Map::take`]). What a user
//! wants ([`Desired`]) is apart from it: [`next_steps`] compares the two, and gives the transitions that are due, or
//! says why there is none. A [`Digest`] names a map, so that two who have its record know whether they mean the same
//! one.
//!
//! Invariants:
//! - a genesis never changes;
//! - the shards that are not closed cover the ring exactly once;
//! - a shard's state only moves forward;
//! - a log is opened once, and what is recorded as open was said to be by the log itself.
//!
//! Nothing here knows where a map is recorded: in a cluster that is the status of its DataStream, and Shard objects
//! mirror it.

mod digest;
mod genesis;
mod step;
mod value;

pub use digest::Digest;
pub use genesis::{DEFAULT_SHARD_COUNT, Genesis, log_name};
pub use step::{Desired, NoStep, Transition, next_steps};
pub use value::{Contradiction, Map, Refused};

#[cfg(test)]
mod tests;
