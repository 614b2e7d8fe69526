//! What a process counts of its shard groups.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::log;
use crate::protocol::Refusal;

/// The metrics of all groups of a process. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// What its logs count.
    pub log: log::Metrics,
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
        Ok(Self { log: log::Metrics::register(registry)?, refusals })
    }

    /// The counter of one kind of refusal.
    pub(super) fn refusals(&self, refusal: &Refusal) -> IntCounter {
        self.refusals.with_label_values(&[refusal.label()])
    }
}
