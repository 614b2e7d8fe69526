//! What the operator counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::world::World;

/// Every status that a stream can have, so that a count that falls to none says 0.
const STREAM_STATUSES: [&str; 4] = ["CREATING", "ACTIVE", "UPDATING", "DELETING"];

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
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Panics
    /// Never: the names are constants, and every test that needs metrics makes them.
    #[must_use]
    pub fn new() -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).expect("a constant name is valid")
        };
        let gauge = |name: &str, help: &str| IntGauge::new(name, help).expect("a constant name is valid");
        let reconciles =
            counters("kinetes_reconciles_total", "Looks at streams, by how they ended", &["outcome"]);
        let buckets = vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];
        let options =
            HistogramOpts::new("kinetes_reconcile_duration_seconds", "How long a look at a stream took")
                .buckets(buckets);
        let duration_seconds = Histogram::with_opts(options).expect("a constant name is valid");
        let streams = IntGaugeVec::new(Opts::new("kinetes_streams", "Streams by status"), &["status"])
            .expect("a constant name is valid");
        let leads = gauge("kinetes_operator_leads", "1 if this replica runs the controllers");
        let followers = gauge("kinetes_catalog_followers", "Gateways that follow this replica's catalog");
        let control_calls = counters(
            "kinetes_control_calls_total",
            "Control calls, by what and how they ended",
            &["call", "outcome"],
        );
        let registry = Registry::new();
        let all: [Box<dyn prometheus::core::Collector>; 6] = [
            Box::new(reconciles.clone()),
            Box::new(duration_seconds.clone()),
            Box::new(streams.clone()),
            Box::new(leads.clone()),
            Box::new(followers.clone()),
            Box::new(control_calls.clone()),
        ];
        for metric in all {
            registry.register(metric).expect("every name is there once");
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

    /// A follower came; it is counted until what this gives is dropped.
    #[must_use]
    pub fn follower(&self) -> Arc<Follower> {
        self.followers.inc();
        Arc::new(Follower(self.followers.clone()))
    }

    /// All of it in Prometheus's text format, the streams counted now.
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
