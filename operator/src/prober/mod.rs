//! The prober: a task for each storage pod that runs. It asks the pod for its status, keeps what it learned in the
//! world's [`Probes`](crate::world::Probes), wakes the pod's stream when that changed, and carries out the
//! [`Instruction`]s that the controllers leave for the pod.
//!
//! So no reconcile waits for a pod, and no pod for another.
//!
//! Invariants:
//! - an answer counts only if the pod that was meant gave it: an IP may be another pod's by now;
//! - a pod is bootstrapped only while it reports an empty volume and, as the API server itself says right before, none
//!   of its shards was ever open;
//! - a task ends with its pod's process, and all of them with the future of [`run()`], which only the replica that
//!   holds the lease polls; an instruction ends with its task.

mod instruction;
mod pace;
mod pod;
mod run;
mod tasks;

pub use instruction::{Instruction, corruption};
pub use pod::PodProber;
pub use run::run;
pub use tasks::Prober;
