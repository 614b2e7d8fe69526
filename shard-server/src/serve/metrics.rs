//! The metrics of a pod's answers.

use prometheus::{IntCounter, IntGauge, Registry};

use crate::budget::Counts;

/// Registers the metrics of the budget for records that are read for answers.
pub fn register(registry: &Registry) -> prometheus::Result<Counts> {
    let taken_bytes = IntGauge::new(
        "kinetes_answer_records_bytes",
        "Bytes of records that were read for answers and not sent yet",
    )?;
    let refusals = IntCounter::new(
        "kinetes_answer_records_refusals_total",
        "Reads that were ended, as there was no memory for their records",
    )?;
    registry.register(Box::new(taken_bytes.clone()))?;
    registry.register(Box::new(refusals.clone()))?;
    Ok(Counts { taken_bytes, refusals })
}
