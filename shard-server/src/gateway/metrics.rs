//! The metrics of the endpoint. Labels are operations and codes: closed sets.

use std::sync::Arc;
use std::time::Duration;

use kinesis_wire::Operation;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::catalog::CatalogCopy;
use super::route::Routes;
use crate::budget::Counts;
use crate::protocol::Refusal;

const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The metrics of an endpoint. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    refusals: IntCounterVec,
    put_records: IntCounter,
    put_bytes: IntCounter,
    got_records: IntCounter,
    got_bytes: IntCounter,
    memory_bytes: IntGaugeVec,
    memory_refusals: IntCounterVec,
    /// Exchanges that were ended because their clients read too slowly.
    pub slow_readers_ended: IntCounter,
    /// Subscriptions that run.
    pub subscriptions: IntGauge,
}

impl Metrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(format!("kinetes_gateway_{name}"), help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            prometheus::Result::Ok(counters)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("kinetes_gateway_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
        };
        let seconds =
            HistogramOpts::new("kinetes_gateway_request_seconds", "Time from a request's head to its answer")
                .buckets(SECONDS.to_vec());
        let seconds = HistogramVec::new(seconds, &["operation"])?;
        registry.register(Box::new(seconds.clone()))?;
        let memory = "Bytes of requests and answers in memory; see the bounds in ARCHITECTURE.md";
        let memory_bytes = IntGaugeVec::new(Opts::new("kinetes_gateway_memory_bytes", memory), &["budget"])?;
        registry.register(Box::new(memory_bytes.clone()))?;
        let subscriptions =
            IntGauge::new("kinetes_gateway_subscriptions", "Subscriptions to shards that run")?;
        registry.register(Box::new(subscriptions.clone()))?;
        Ok(Self {
            requests: counters("requests_total", "Requests answered", &["operation", "code"])?,
            seconds,
            refusals: counters(
                "group_refusals_total",
                "Runs of records that a shard group did not append, and reads that it did not do",
                &["reason"],
            )?,
            put_records: counter("put_records_total", "Records made durable")?,
            put_bytes: counter("put_bytes_total", "Bytes of data and keys of records made durable")?,
            got_records: counter("got_records_total", "Records given to readers")?,
            got_bytes: counter("got_bytes_total", "Bytes of data and keys of records given to readers")?,
            memory_bytes,
            memory_refusals: counters(
                "memory_refusals_total",
                "Requests that were refused, or answers broken off, as there was no memory for them",
                &["budget"],
            )?,
            slow_readers_ended: counter(
                "slow_readers_ended_total",
                "Answers broken off, as their clients took too little of them; over HTTP/1.1 the connection is closed",
            )?,
            subscriptions,
        })
    }

    /// The metrics of a memory budget.
    pub fn budget(&self, name: &str) -> Counts {
        Counts {
            taken_bytes: self.memory_bytes.with_label_values(&[name]),
            refusals: self.memory_refusals.with_label_values(&[name]),
        }
    }

    /// A request was answered.
    pub fn answered(&self, operation: Option<Operation>, code: &str, took: Duration) {
        let operation = operation.map_or("None", Operation::name);
        self.requests.with_label_values(&[operation, code]).inc();
        self.seconds.with_label_values(&[operation]).observe(took.as_secs_f64());
    }

    /// Records were made durable.
    pub fn put(&self, records: u64, bytes: u64) {
        self.put_records.inc_by(records);
        self.put_bytes.inc_by(bytes);
    }

    /// Records were given to a reader.
    pub fn got(&self, records: u64, bytes: u64) {
        self.got_records.inc_by(records);
        self.got_bytes.inc_by(bytes);
    }

    /// A group refused a call.
    pub fn refused(&self, refusal: &Refusal) {
        self.refusals.with_label_values(&[refusal.label()]).inc();
    }
}

/// Collects the state of the catalog copy and of held requests whenever metrics are gathered.
pub struct StateCollector {
    copy: CatalogCopy,
    routes: Arc<Routes>,
    streams: Gauge,
    age: Gauge,
    bytes: Gauge,
    snapshots: Gauge,
    requests: Gauge,
    silent: Gauge,
}

impl StateCollector {
    /// Registers the metrics of this copy of the catalog and these routes.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn register(registry: &Registry, copy: CatalogCopy, routes: Arc<Routes>) -> prometheus::Result<()> {
        let gauge = |name: &str, help: &str| Gauge::new(format!("kinetes_gateway_{name}"), help);
        let streams = gauge("catalog_streams", "Streams in the copy of the catalog")?;
        let age =
            gauge("catalog_age_seconds", "Time since the copy of the catalog last heard of its source")?;
        let bytes = gauge("catalog_bytes", "About what the copy of the catalog takes in memory")?;
        let snapshots =
            gauge("catalog_snapshot_bytes", "Encoded copies of the catalog that are sent to followers")?;
        let requests = gauge(
            "held_request_bytes",
            "Bytes of requests that wait for groups elsewhere to answer or restart",
        )?;
        let silent = gauge(
            "silent_members",
            "Pods of shard groups that cannot be reached, do not serve yet, or answer no append",
        )?;
        registry.register(Box::new(Self { copy, routes, streams, age, bytes, snapshots, requests, silent }))
    }
}

impl StateCollector {
    fn gauges(&self) -> [&Gauge; 6] {
        [&self.streams, &self.age, &self.bytes, &self.snapshots, &self.requests, &self.silent]
    }
}

impl Collector for StateCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges().iter().flat_map(|gauge| gauge.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (streams, age) = self.copy.size_and_age();
        self.streams.set(streams as f64);
        self.age.set(age.as_secs_f64());
        let (bytes, snapshots) = self.copy.bytes();
        self.bytes.set(bytes as f64);
        self.snapshots.set(snapshots as f64);
        self.requests.set(self.routes.held_bytes() as f64);
        self.silent.set(self.routes.silent_members() as f64);
        self.gauges().iter().flat_map(|gauge| gauge.collect()).collect()
    }
}
