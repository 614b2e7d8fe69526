//! The catalog service: what gateways follow, and what they ask.
//!
//! Every replica of the operator serves it from its own copy of the cluster, leader or not. A stream's map is what its
//! status records, together with the map version, so that one map version is one map, whichever replica is asked, and
//! whatever becomes of the Shards that mirror it.

mod control;
mod entry;
mod feed;
mod live;
mod server;

pub use control::metadata_name;
pub use entry::{Entry, entry};
pub use feed::{Catalog, Publisher};
pub use server::{Service, serve};
