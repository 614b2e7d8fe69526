//! The domain of Kinetes, pure: streams, shards, hash keys and sequence numbers, the map of a stream and how it
//! changes, and the messages in which the parts exchange them.
//!
//! Nothing here does I/O, reads a clock or draws a random number: those come in as arguments, so that every
//! rule is tested as a function. The one exception is [`machine_id`], which all parts show each other. Of `kube` only
//! the derive macros are used, never a client.

pub mod control;
pub mod feed;
mod hash_key;
mod machine;
pub mod map;
pub mod member;
pub mod reshard;
pub mod resource;
mod sequence_number;
mod sequence_text;
mod settings;
mod shard;
mod shard_id;
mod stream;

pub use hash_key::{HashKey, HashKeyRange, InvalidHashKey};
pub use machine::machine_id;
pub use sequence_number::{InvalidSequenceNumber, SequenceNumber};
pub use sequence_text::{SequenceText, SequenceTexts};
pub use settings::{InvalidShardLevelMetric, ShardLevelMetric, StreamSettings};
pub use shard::{Shard, ShardState};
pub use shard_id::{InvalidShardId, ShardId};
pub use stream::{
    Group, InvalidStreamName, LogPlacement, Member, Stream, StreamMode, StreamName, StreamStatus,
};
