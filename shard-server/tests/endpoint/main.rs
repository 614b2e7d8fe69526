//! The endpoint as its users meet it: the real binary, spoken to by the AWS SDK for Rust.

#![allow(clippy::unwrap_used, reason = "a test ends where a helper fails")]

mod bounded;
mod cgroup;
mod consumers;
mod errors;
mod gateway;
mod installation;
mod kills;
mod large_records;
mod lost_group;
mod manifests;
mod pieces;
mod program;
mod raw;
mod records;
mod regions;
mod reshard;
mod restart;
mod settings;
mod shards;
mod signatures;
mod strace;
mod streams;
mod subscriptions;
mod tags;
mod thousand;
mod traced;
#[cfg(feature = "version-skew")]
mod version_skew;
