//! The metrics of the operator.

use super::{NOTHING, Row};

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its help text in `/metrics`.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// When to look, and what to do then.
    pub remedy: &'static str,
}

impl Metric {
    /// What it means, and what to do about it.
    #[must_use]
    pub fn row(&self) -> Row {
        Row { meaning: self.help, remedy: self.remedy }
    }
}

const fn metric(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    remedy: &'static str,
) -> Metric {
    Metric { name, help, labels, remedy }
}

/// Looks at streams.
pub const RECONCILES: Metric = metric(
    "kinetes_reconciles_total",
    "Looks at streams, by how they ended",
    &["outcome"],
    "where `error` grows: the operator's log names the step that fails",
);
/// How long looks take.
pub const RECONCILE_DURATION: Metric =
    metric("kinetes_reconcile_duration_seconds", "How long a look at a stream took", &[], NOTHING);
/// Streams.
pub const STREAMS: Metric = metric("kinetes_streams", "Streams by status", &["status"], NOTHING);
/// The leader.
pub const LEADS: Metric = metric(
    "kinetes_operator_leads",
    "1 if this replica runs the controllers",
    &[],
    "where the sum over all replicas is 0 for a minute: look at the Lease and the replicas' logs",
);
/// Followers of the catalog.
pub const FOLLOWERS: Metric =
    metric("kinetes_catalog_followers", "Gateways that follow this replica's catalog", &[], NOTHING);
/// Control calls.
pub const CONTROL_CALLS: Metric = metric(
    "kinetes_control_calls_total",
    "Control calls, by what and how they ended",
    &["call", "outcome"],
    NOTHING,
);
/// Pods that do not answer.
pub const UNREACHABLE_PODS: Metric = metric(
    "kinetes_pods_unreachable",
    "Storage pods that this replica cannot reach now; 0 unless it runs the controllers",
    &[],
    "where it is not 0 for some minutes: the condition PodsUnreachable or Ready of a stream names pod and error",
);
/// Questions that pods left unanswered.
pub const FAILED_PROBES: Metric = metric(
    "kinetes_pod_probe_failures_total",
    "Questions for its status that a storage pod left unanswered, by why",
    &["reason"],
    "single ones are pods that start or end",
);

/// Every metric.
pub const METRICS: [Metric; 8] = [
    RECONCILES,
    RECONCILE_DURATION,
    STREAMS,
    LEADS,
    FOLLOWERS,
    CONTROL_CALLS,
    UNREACHABLE_PODS,
    FAILED_PROBES,
];
