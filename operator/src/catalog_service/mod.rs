//! The catalog service: what gateways follow, and what they ask.
//!
//! Every replica of the operator serves it from its own copy of the cluster, leader or not. A stream's entry is
//! made of its status and its shards, and shown only while the two agree, so that one map version is one map,
//! whichever replica is asked.

mod control;
mod entry;
mod feed;
mod live;
mod server;

pub use control::metadata_name;
pub use entry::entry;
pub use feed::{Catalog, Publisher};
pub use server::{Service, serve};
