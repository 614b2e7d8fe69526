//! What is counted of logs.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};
use record_log::Status;

/// The metrics of all logs of a process. Cloning shares them; gauges are sums over the logs.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Records that are durable and were answered.
    pub appended_records: IntCounter,
    /// Their encoded bytes.
    pub appended_bytes: IntCounter,
    /// Batches of records written.
    pub batches: IntCounter,
    /// How long a batch took to become durable.
    pub write_seconds: Histogram,
    /// Records given to readers.
    pub read_records: IntCounter,
    /// Their encoded bytes.
    pub read_bytes: IntCounter,
    /// Appends that wait for their batch.
    pub queued_requests: IntGauge,
    /// Their encoded bytes.
    pub queued_bytes: IntGauge,
    logs: LogGauges,
}

/// Sums over the logs of a process.
#[derive(Clone, Debug)]
struct LogGauges {
    durable_bytes: IntGauge,
    segments: IntGauge,
    stopped: IntGauge,
    full: IntGauge,
    corrupt: IntGauge,
    clock_suspect: IntGauge,
}

/// What one log has in the gauges; taken out when it is dropped.
#[derive(Debug)]
pub struct Gauges {
    logs: LogGauges,
    durable_bytes: i64,
    segments: i64,
    stopped: i64,
    full: i64,
    corrupt: i64,
    clock_suspect: i64,
}

impl Gauges {
    /// Adds a log.
    pub fn new(metrics: &Metrics, status: &Status) -> Self {
        let logs = metrics.logs.clone();
        let mut gauges =
            Self { logs, durable_bytes: 0, segments: 0, stopped: 0, full: 0, corrupt: 0, clock_suspect: 0 };
        gauges.set(status);
        gauges
    }

    /// How the log is now.
    pub fn set(&mut self, status: &Status) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.put([
            signed(status.durable_bytes),
            signed(status.segments),
            i64::from(status.stopped.is_some()),
            i64::from(status.full.is_some()),
            i64::from(!status.corruption.is_empty()),
            i64::from(status.clock_suspect.is_some()),
        ]);
    }

    fn put(&mut self, values: [i64; 6]) {
        let Self { logs, durable_bytes, segments, stopped, full, corrupt, clock_suspect } = self;
        let pairs = [
            (&logs.durable_bytes, durable_bytes),
            (&logs.segments, segments),
            (&logs.stopped, stopped),
            (&logs.full, full),
            (&logs.corrupt, corrupt),
            (&logs.clock_suspect, clock_suspect),
        ];
        for ((gauge, last), value) in pairs.into_iter().zip(values) {
            gauge.add(value - std::mem::replace(last, value));
        }
    }
}

impl Drop for Gauges {
    fn drop(&mut self) {
        self.put([0; 6]);
    }
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
            HistogramOpts::new("kinetes_log_write_seconds", "Time until a batch was durable")
                .buckets(prometheus::exponential_buckets(first, factor, count)?),
        )?;
        registry.register(Box::new(write_seconds.clone()))?;
        Ok(Self {
            appended_records: counter("kinetes_appended_records_total", "Records that became durable")?,
            appended_bytes: counter(
                "kinetes_appended_bytes_total",
                "Encoded bytes of records that became durable",
            )?,
            batches: counter(
                "kinetes_log_batches_total",
                "Batches of records written, each durable at once",
            )?,
            write_seconds,
            read_records: counter("kinetes_read_records_total", "Records given to readers")?,
            read_bytes: counter("kinetes_read_bytes_total", "Encoded bytes of records given to readers")?,
            queued_requests: gauge("kinetes_log_queued_requests", "Appends that wait for their batch")?,
            queued_bytes: gauge(
                "kinetes_log_queued_bytes",
                "Encoded bytes of appends that wait for their batch",
            )?,
            logs: LogGauges {
                durable_bytes: gauge(
                    "kinetes_log_durable_bytes",
                    "Durable bytes of the logs' kept segments",
                )?,
                segments: gauge("kinetes_log_segments", "Kept segments of the logs")?,
                stopped: gauge("kinetes_log_stopped", "Logs that take no appends until a restart")?,
                full: gauge("kinetes_log_full", "Logs that refuse appends until the disk has room")?,
                corrupt: gauge("kinetes_log_corrupt", "Logs with corruption whose loss nobody accepted")?,
                clock_suspect: gauge(
                    "kinetes_log_clock_suspect",
                    "Logs in which nothing expires, as the clock stepped",
                )?,
            },
        })
    }
}
