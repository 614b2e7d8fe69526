//! The ports of a process: how many connections each may have, and how many it has and refused.

use std::fmt;
use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::log_limit::LogLimit;

/// The limits of a port. Unread bodies take at most `connections` times `connection_window_bytes` of memory, as a
/// window is no smaller than the read buffer of HTTP/1.1.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections. Requests over further ones carry [`Excess`].
    pub connections: usize,
    /// The most concurrent requests on one HTTP/2 connection.
    pub streams: u32,
    /// The flow-control window of an HTTP/2 stream.
    pub stream_window_bytes: u32,
    /// The flow-control window of an HTTP/2 connection. Larger than that of a stream, so that a stream that is not read
    /// does not block the others.
    pub connection_window_bytes: u32,
    /// The largest HTTP/2 frame that is received.
    pub frame_bytes: u32,
    /// The most bytes that are taken from an answer over HTTP/2 before they are sent.
    pub send_buffer_bytes: usize,
}

/// The largest HTTP/2 frame unless it is agreed otherwise (RFC 9113, 6.5.2).
const DEFAULT_FRAME_BYTES: u32 = 16 << 10;

impl Limits {
    /// For a port of applications, which may be many: 256 MiB.
    pub const APPLICATIONS: Self = Self {
        connections: 1024,
        streams: 128,
        stream_window_bytes: 128 << 10,
        connection_window_bytes: 256 << 10,
        frame_bytes: DEFAULT_FRAME_BYTES,
        send_buffer_bytes: 64 << 10,
    };
    /// For a port of parts of Kinetes, which are few and send much over one connection: 128 MiB.
    pub const PARTS: Self = Self {
        connections: 128,
        streams: 1024,
        stream_window_bytes: 512 << 10,
        connection_window_bytes: 1 << 20,
        frame_bytes: 128 << 10,
        send_buffer_bytes: 256 << 10,
    };
    /// For the connections beyond the limit of a port, which are there to be refused: 4 MiB.
    pub(super) const EXCESS: Self = Self {
        connections: 64,
        streams: 16,
        stream_window_bytes: 16 << 10,
        connection_window_bytes: 64 << 10,
        frame_bytes: DEFAULT_FRAME_BYTES,
        send_buffer_bytes: 64 << 10,
    };
}

/// Marks a request whose connection is one too many, in its extensions. It is to be refused with this reason, unless it
/// is a probe. The connection is closed soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The connections that the port may have.
    pub(crate) connections: usize,
}

impl fmt::Display for Excess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "too many connections, {} are open", self.connections)
    }
}

/// Counts the connections of all ports of a process.
#[derive(Clone, Debug)]
pub struct Ports {
    open: IntGaugeVec,
    refused: IntCounterVec,
}

/// A port as its listener needs it. Cloning shares its counts.
#[derive(Clone, Debug)]
pub struct Port {
    pub(super) limits: Limits,
    name: &'static str,
    open: IntGauge,
    refused: IntCounter,
    warnings: Arc<LogLimit>,
}

/// Counts an open connection until it is dropped.
pub(super) struct Open(IntGauge);

impl Ports {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let open = Opts::new("kinetes_connections", "Open connections, by port");
        let open = IntGaugeVec::new(open, &["port"])?;
        let refused = Opts::new(
            "kinetes_connections_refused_total",
            "Connections that were refused, as the port had as many as it may have",
        );
        let refused = IntCounterVec::new(refused, &["port"])?;
        registry.register(Box::new(open.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        Ok(Self { open, refused })
    }

    /// A port under its name in metrics.
    #[must_use]
    pub fn port(&self, name: &'static str, limits: Limits) -> Port {
        Port {
            limits,
            name,
            open: self.open.with_label_values(&[name]),
            refused: self.refused.with_label_values(&[name]),
            warnings: Arc::default(),
        }
    }
}

impl Port {
    pub(super) fn open(&self) -> Open {
        self.open.inc();
        Open(self.open.clone())
    }

    /// Counts and logs a connection that is one too many.
    pub(super) fn refuse(&self) {
        self.refused.inc();
        if let Some(left_out) = self.warnings.due(self.name) {
            tracing::warn!(
                port = self.name,
                connections = self.limits.connections,
                left_out,
                "too many connections: one was refused"
            );
        }
    }
}

#[cfg(test)]
impl Port {
    /// A port whose counts nobody sees.
    pub(crate) fn unseen(limits: Limits) -> Self {
        let ports = Ports::register(&Registry::new()).unwrap();
        ports.port("test", limits)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.get()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
