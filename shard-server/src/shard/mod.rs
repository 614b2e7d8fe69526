//! A shard group: the shards of one log on one volume.
//!
//! [`Group`] is a group in this process, [`client::Client`] a group in another. Both answer the same calls, which are
//! declared in [`crate::protocol`]. Invariants:
//! - One process at a time uses a volume, and only the one it belongs to ([`volume`]).
//! - A group is bootstrapped once, on an empty volume; an empty volume is never taken for an empty log.
//! - A call that was meant for another stream, log or shard is refused, so a late map does no harm.
//! - An append whose outcome is unknown is never sent again.

pub(crate) mod body;
pub mod client;
mod connection;
mod group;
mod metrics;
#[cfg(test)]
pub(crate) mod tests;
pub mod volume;

pub use crate::log::Resources;
pub use connection::STREAM_WINDOW_BYTES;
pub use group::{BootstrapRefused, Group, GroupConfig, OpenError, Served};
pub use metrics::Metrics;
