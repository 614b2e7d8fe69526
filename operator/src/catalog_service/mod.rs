//! The catalog service: what gateways follow, and what they ask.
//!
//! Every replica of the operator serves it from its own copy of the cluster, leader or not. A stream's map is what its
//! status records, together with the map version, so that one map version is one map, whichever replica is asked, and
//! whatever becomes of the Shards that mirror it. A change costs what it changes: one name's entries are made anew, and
//! followers are sent them alone.

mod control;
mod entry;
mod feed;
mod live;
mod published;
mod publisher;
mod server;
#[cfg(test)]
mod testing;

pub use control::metadata_name;
pub use entry::{Entry, entry};
pub use published::Published;
pub use publisher::Publisher;
pub use server::{Service, serve};
