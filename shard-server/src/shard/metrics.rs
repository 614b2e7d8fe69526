//! The metrics of the shard groups of a process.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::log;
use crate::protocol::Refusal;

/// The metrics of all groups of a process. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// The metrics of its logs.
    pub log: log::Metrics,
    /// Groups that failed to open: a person must look.
    pub failed_groups: IntGauge,
    refusals: IntCounterVec,
}

impl Metrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let refusals = IntCounterVec::new(
            Opts::new(
                "kinetes_refusals_total",
                "Runs, reads and look-ups that a shard group did not do, by reason",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(refusals.clone()))?;
        let failed_groups = IntGauge::new(
            "kinetes_groups_failed",
            "Shard groups that did not come up, so that none of their shards is served",
        )?;
        registry.register(Box::new(failed_groups.clone()))?;
        Ok(Self { log: log::Metrics::register(registry)?, failed_groups, refusals })
    }

    /// The counter of one kind of refusal.
    pub(super) fn refusals(&self, refusal: &Refusal) -> IntCounter {
        self.refusals.with_label_values(&[refusal.label()])
    }
}
