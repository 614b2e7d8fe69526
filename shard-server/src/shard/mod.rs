//! A shard group.

pub mod protocol;
