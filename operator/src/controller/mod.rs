//! From DataStreams to shard groups that serve.
//!
//! [`reconcile()`] looks at one stream in three steps: [`observe`] gathers what is known (copies of objects, what pods
//! report, the few things that only the API server can answer), [`decide`] makes commands, instructions for pods and a
//! status of that, and [`act`] carries them out. Only the first and the last call anybody. [`health`] judges pods, and
//! [`status`] sums up.
//!
//! Invariants:
//! - deciding is pure: the same knowledge gives the same decision;
//! - nothing here calls a storage pod: instructions go to the prober;
//! - nothing is written unless it differs from what is there;
//! - the map of a stream is recorded before anything is made from it, and changes by its transitions alone, whatever the
//!   spec says;
//! - a pod on an empty volume is bootstrapped only if its log is recorded as not opened yet; the write through which
//!   gateways hear of its open shards records it as opened;
//! - a shard's state only moves forward;
//! - the status is written under the resource version it was computed from, so that two writers cannot give one map
//!   version to two maps;
//! - a name is granted once, and whoever has it keeps it;
//! - a stream of another installation is not touched until somebody hands it over;
//! - the finalizer goes last, after the API server itself said that no pod is left.

mod act;
mod context;
mod decide;
mod error;
mod health;
mod memory;
mod name;
mod observe;
mod reconcile;
mod run;
mod status;

pub use context::Context;
pub use error::Error;
pub use memory::Memory;
pub use name::{NameRegister, is_ours, name_owner};
pub use reconcile::reconcile;
pub use run::run;
