//! What every reconcile has at hand.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::Client;

use super::name::NameRegister;
use crate::admin::Metrics;
use crate::members::Members;
use crate::settings::Settings;
use crate::world::{Scope, World};

/// What every reconcile has at hand.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What the operator was told.
    pub settings: Arc<Settings>,
    /// What is known of the cluster.
    pub world: Arc<World>,
    /// The names that this process granted.
    pub names: NameRegister,
    /// The storage pods.
    pub members: Members,
    /// What is counted.
    pub metrics: Metrics,
    /// The clock.
    pub now: fn() -> Timestamp,
}

impl Context {
    /// The scope that has a namespace.
    #[must_use]
    pub fn scope(&self, namespace: &str) -> Option<&Arc<Scope>> {
        self.world.scope(namespace)
    }
}
