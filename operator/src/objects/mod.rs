//! What a stream's objects should be: pure functions from a stream to objects, one file a kind.
//!
//! Nothing here asks the API server or knows what exists, but for the one thing that cannot change later (a
//! StatefulSet's claim templates).

mod service;
mod shards;
mod stateful_set;

pub use service::service;
pub use shards::{Group, groups, shard};
pub use stateful_set::stateful_set;
