//! What is counted of logs.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// The metrics of all logs of a process. Cloning shares them; gauges are sums over the logs.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Records that are durable and were answered.
    pub appended_records: IntCounter,
    /// Their encoded bytes.
    pub appended_bytes: IntCounter,
    /// Batches written: one write and one sync each.
    pub batches: IntCounter,
    /// How long a batch's write and sync took together.
    pub write_seconds: Histogram,
    /// Records given to readers.
    pub read_records: IntCounter,
    /// Their encoded bytes.
    pub read_bytes: IntCounter,
    /// Durable bytes of the logs' files.
    pub durable_bytes: IntGauge,
    /// Appends that wait for their batch.
    pub queued_requests: IntGauge,
    /// Their encoded bytes.
    pub queued_bytes: IntGauge,
    /// Logs that stopped after a failed write.
    pub stopped: IntGauge,
}

/// From 100 us to 13 s.
const WRITE_SECONDS: (f64, f64, usize) = (0.0001, 2.0, 18);

impl Metrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name, help| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone())).map(|()| counter)
        };
        let gauge = |name, help| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let (first, factor, count) = WRITE_SECONDS;
        let write_seconds = Histogram::with_opts(
            HistogramOpts::new("kinetes_log_write_seconds", "Time of a batch's write and sync together")
                .buckets(prometheus::exponential_buckets(first, factor, count)?),
        )?;
        registry.register(Box::new(write_seconds.clone()))?;
        Ok(Self {
            appended_records: counter("kinetes_appended_records_total", "Records that became durable")?,
            appended_bytes: counter(
                "kinetes_appended_bytes_total",
                "Encoded bytes of records that became durable",
            )?,
            batches: counter("kinetes_log_batches_total", "Batches written, with one sync each")?,
            write_seconds,
            read_records: counter("kinetes_read_records_total", "Records given to readers")?,
            read_bytes: counter("kinetes_read_bytes_total", "Encoded bytes of records given to readers")?,
            durable_bytes: gauge("kinetes_log_durable_bytes", "Durable bytes of the logs' files")?,
            queued_requests: gauge("kinetes_log_queued_requests", "Appends that wait for their batch")?,
            queued_bytes: gauge(
                "kinetes_log_queued_bytes",
                "Encoded bytes of appends that wait for their batch",
            )?,
            stopped: gauge("kinetes_log_stopped", "Logs that stopped after a failed write, until a restart")?,
        })
    }
}
