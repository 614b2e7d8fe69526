//! From DataStreams to shard groups that serve.
//!
//! [`reconcile()`] looks at one stream and takes the steps that are due, in named phases: claim it (finalizer,
//! status), build what should be, apply what differs, look at the pods and open shards, write the status.
//!
//! Invariants:
//! - nothing is written unless it differs from what is there;
//! - the map of a stream is recorded before anything is made from it, and changes by its transitions alone, whatever
//!   the spec says;
//! - a pod on an empty volume is told to begin only if its log is recorded as not opened yet; the write through which
//!   gateways hear of its open shards records it as opened;
//! - a shard's state only moves forward;
//! - the status is computed by one pure function (`status`) and written in one place (`report`), under the resource
//!   version it was computed from, so that two writers cannot give one map version to two maps;
//! - a name is granted once, and whoever has it keeps it;
//! - a stream of another installation is not touched until somebody hands it over;
//! - the finalizer goes last, after the API server itself said that no pod is left.

mod apply;
mod conditions;
mod context;
mod delete;
mod error;
mod events;
mod examine;
mod health;
mod map;
mod name;
mod patch;
mod reconcile;
mod report;
mod run;
mod said;
mod status;
mod storage;

pub use conditions::{READY, RECONCILING, STALLED, condition};
pub use context::Context;
pub use error::Error;
pub use name::{NameRegister, name_owner};
pub use reconcile::reconcile;
pub use run::run;
