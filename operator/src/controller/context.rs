//! What every reconcile has at hand.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::Client;

use super::memory::Memory;
use super::name::NameRegister;
use crate::admin::Metrics;
use crate::prober::Prober;
use crate::settings::Settings;
use crate::world::World;

/// What every reconcile has at hand.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The settings of the installation.
    pub settings: Arc<Settings>,
    /// What is known of the cluster.
    pub world: Arc<World>,
    /// The names that this process granted.
    pub names: NameRegister,
    /// Who asks the storage pods, and instructs them.
    pub prober: Arc<Prober>,
    /// What is remembered from one look at a stream to the next.
    pub memory: Memory,
    /// What is counted.
    pub metrics: Metrics,
    /// The clock.
    pub now: fn() -> Timestamp,
}
