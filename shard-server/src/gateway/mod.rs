//! The Kinesis endpoint: HTTP in front, the catalog beside, shard groups behind.
//!
//! A request goes through [`http`], [`authentication`] and [`operations`] to a [`route`]. The role `gateway` gives the
//! endpoint a copy of an operator's catalog and groups in other pods; the role `local` gives it a catalog and groups of its
//! own.
//!
//! Invariants: a gateway keeps no state that another gateway would need; a write is sent once; an answer says that a
//! stream or shard does not exist only if the catalog service says so.

mod access_keys;
mod authentication;
mod call;
pub mod catalog;
mod credential;
mod endpoint;
pub mod http;
mod keys;
mod memory;
mod metrics;
mod operations;
mod options;
mod role;
mod route;
mod shard_filter;
mod subscriptions;
#[cfg(test)]
pub mod testing;
pub mod token;
mod unsent;

pub use access_keys::{AccessKeys, Source as AccessKeySource, follow as follow_access_keys};
pub use call::{Call, Identity, Regions};
pub use endpoint::{Endpoint, Parts};
pub use metrics::{Metrics, StateCollector};
pub use options::{Options, account_id};
pub use role::{run, serve_kinesis};
pub use route::{Route, Routes};
