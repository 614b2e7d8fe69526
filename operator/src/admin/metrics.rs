//! What the operator counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::members::ErrorKind;
use crate::signals::metrics::{self, Metric};
use crate::world::World;

/// Every status that a stream can have, so that a count that falls to none is shown as 0.
const STREAM_STATUSES: [&str; 4] = ["CREATING", "ACTIVE", "UPDATING", "DELETING"];

/// The upper bounds of the histogram of looks, in seconds.
const DURATION_BUCKETS: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];

/// How a look at a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step that was due was taken.
    Succeeded,
    /// Somebody else wrote at the same time: the next look takes the rest.
    Conflicted,
    /// A step failed.
    Failed,
}

/// Counters of one operator; clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    succeeded: IntCounter,
    conflicted: IntCounter,
    failed: IntCounter,
    duration_seconds: Histogram,
    streams: IntGaugeVec,
    leads: IntGauge,
    followers: IntGauge,
    control_calls: IntCounterVec,
    unreachable_pods: IntGauge,
    failed_probes: IntCounterVec,
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Panics
    /// Never: the names are constants, and every test that needs metrics makes them.
    #[must_use]
    pub fn new() -> Self {
        let options = |metric: Metric| Opts::new(metric.name, metric.help);
        let counters = |metric: Metric| {
            IntCounterVec::new(options(metric), metric.labels).expect("a constant name is valid")
        };
        let gauges = |metric: Metric| {
            IntGaugeVec::new(options(metric), metric.labels).expect("a constant name is valid")
        };
        let gauge = |metric: Metric| IntGauge::with_opts(options(metric)).expect("a constant name is valid");
        let reconciles = counters(metrics::RECONCILES);
        let duration =
            HistogramOpts::from(options(metrics::RECONCILE_DURATION)).buckets(DURATION_BUCKETS.into());
        let duration_seconds = Histogram::with_opts(duration).expect("a constant name is valid");
        let streams = gauges(metrics::STREAMS);
        let leads = gauge(metrics::LEADS);
        let followers = gauge(metrics::FOLLOWERS);
        let control_calls = counters(metrics::CONTROL_CALLS);
        let unreachable_pods = gauge(metrics::UNREACHABLE_PODS);
        let failed_probes = counters(metrics::FAILED_PROBES);
        let registry = Registry::new();
        let all: [Box<dyn prometheus::core::Collector>; 8] = [
            Box::new(reconciles.clone()),
            Box::new(duration_seconds.clone()),
            Box::new(streams.clone()),
            Box::new(leads.clone()),
            Box::new(followers.clone()),
            Box::new(control_calls.clone()),
            Box::new(unreachable_pods.clone()),
            Box::new(failed_probes.clone()),
        ];
        for metric in all {
            registry.register(metric).expect("every name is there once");
        }
        for kind in ErrorKind::ALL {
            failed_probes.with_label_values(&[kind.as_str()]);
        }
        Self {
            registry,
            succeeded: reconciles.with_label_values(&["success"]),
            conflicted: reconciles.with_label_values(&["conflict"]),
            failed: reconciles.with_label_values(&["error"]),
            duration_seconds,
            streams,
            leads,
            followers,
            control_calls,
            unreachable_pods,
            failed_probes,
        }
    }

    /// A look at a stream ended.
    pub fn reconciled(&self, took: Duration, outcome: Outcome) {
        self.duration_seconds.observe(took.as_secs_f64());
        match outcome {
            Outcome::Succeeded => self.succeeded.inc(),
            Outcome::Conflicted => self.conflicted.inc(),
            Outcome::Failed => self.failed.inc(),
        }
    }

    /// This replica runs the controllers now.
    pub fn leads(&self) {
        self.leads.set(1);
    }

    /// A control call ended.
    pub fn control_call(&self, call: &'static str, outcome: &'static str) {
        self.control_calls.with_label_values(&[call, outcome]).inc();
    }

    /// A storage pod did not answer.
    pub fn probe_failed(&self, kind: ErrorKind) {
        self.failed_probes.with_label_values(&[kind.as_str()]).inc();
    }

    /// A follower came; it is counted until what this gives is dropped.
    #[must_use]
    pub fn follower(&self) -> Arc<Follower> {
        self.followers.inc();
        Arc::new(Follower(self.followers.clone()))
    }

    /// All of it in Prometheus's text format, streams and pods counted now.
    #[must_use]
    pub fn text(&self, world: &World) -> Vec<u8> {
        let mut counts: BTreeMap<&str, i64> = STREAM_STATUSES.map(|status| (status, 0)).into();
        let streams = world.streams();
        for stream in &streams {
            let status = stream.status.as_ref().and_then(|status| status.stream_status.as_deref());
            // A stream without a status, or with one that only a later version knows, is on its way.
            *counts
                .entry(STREAM_STATUSES.into_iter().find(|known| Some(*known) == status).unwrap_or("CREATING"))
                .or_default() += 1;
        }
        for (status, count) in counts {
            self.streams.with_label_values(&[status]).set(count);
        }
        self.unreachable_pods.set(i64::try_from(world.probes().unreachable()).unwrap_or(i64::MAX));
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "metrics were not written");
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A follower that is counted.
pub struct Follower(IntGauge);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_metrics_are_those_of_the_table() {
        let metrics = Metrics::new();
        // A vector without a member is not gathered.
        metrics.control_call("create", "success");
        metrics.streams.with_label_values(&["ACTIVE"]);
        let gathered = metrics.registry.gather();
        let there: BTreeSet<_> = gathered.iter().map(|family| (family.name(), family.help())).collect();
        let listed: BTreeSet<_> = metrics::METRICS.iter().map(|metric| (metric.name, metric.help)).collect();
        assert_eq!(there, listed);
    }
}
