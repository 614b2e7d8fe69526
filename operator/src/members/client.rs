//! The HTTP client for storage pods.

use std::time::Duration;

use bytes::Bytes;
use catalog::member::{
    ACCEPT_LOSS_PATH, AcceptLoss, BOOTSTRAP_PATH, Bootstrap, CLOCK_HEADER, MACHINE_HEADER, MemberStatus,
    RETENTION_PATH, STATUS_PATH, SetRetention,
};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

/// How long a connection may take: a pod is near, or it is gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a status may take.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a pod may take to carry out an instruction: it syncs a disk.
const INSTRUCTION_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer: a status lists up to 1,000 shards.
const MOST_ANSWER_BYTES: usize = 1 << 20;

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No connection in time, as where a firewall drops packets.
    ConnectTimeout,
    /// No connection, or it broke.
    ConnectFailed,
    /// No answer in time.
    NoAnswer,
    /// It answered something else than a status.
    BadAnswer,
    /// Another pod answered.
    WrongPod,
}

impl ErrorKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::ConnectTimeout, Self::ConnectFailed, Self::NoAnswer, Self::BadAnswer, Self::WrongPod];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectTimeout => "ConnectTimeout",
            Self::ConnectFailed => "ConnectFailed",
            Self::NoAnswer => "NoAnswer",
            Self::BadAnswer => "BadAnswer",
            Self::WrongPod => "WrongPod",
        }
    }
}

/// Why a pod did not answer. Asking again later may help.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There was no connection in time.
    #[error("no connection to {address} in {} s", CONNECT_TIMEOUT.as_secs())]
    ConnectTimeout {
        /// `IP:port`.
        address: String,
    },
    /// There was no connection, or it broke.
    #[error("no connection to {address}: {reason}")]
    ConnectFailed {
        /// `IP:port`.
        address: String,
        /// What happened.
        reason: String,
    },
    /// It did not answer in time.
    #[error("{address} did not answer in {} s", limit.as_secs())]
    NoAnswer {
        /// `IP:port`.
        address: String,
        /// How long that is.
        limit: Duration,
    },
    /// It answered something else than a status.
    #[error("{address} answered {status}: {text}")]
    BadAnswer {
        /// `IP:port`.
        address: String,
        /// The HTTP status.
        status: StatusCode,
        /// The body.
        text: String,
    },
    /// Another pod answered: the IP is that one's by now.
    #[error("a pod of stream {stream_uid}, group {group}, answered")]
    WrongPod {
        /// The UID of the stream that it says it is of.
        stream_uid: String,
        /// The group that it says it is of.
        group: String,
    },
}

impl Error {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::ConnectTimeout { .. } => ErrorKind::ConnectTimeout,
            Self::ConnectFailed { .. } => ErrorKind::ConnectFailed,
            Self::NoAnswer { .. } => ErrorKind::NoAnswer,
            Self::BadAnswer { .. } => ErrorKind::BadAnswer,
            Self::WrongPod { .. } => ErrorKind::WrongPod,
        }
    }
}

/// Calls storage pods.
#[derive(Clone)]
pub struct Members {
    http: Client<HttpConnector, Full<Bytes>>,
    port: u16,
}

impl Members {
    /// Calls pods at this port.
    #[must_use]
    pub fn new(port: u16) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self { http, port }
    }

    /// What the pod reports of itself.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn status(&self, ip: &str) -> Result<MemberStatus, Error> {
        self.call(ip, Method::GET, STATUS_PATH, Bytes::new(), STATUS_TIMEOUT).await
    }

    /// Creates the log of the pod's group on its empty volume; returns its status after that.
    ///
    /// # Errors
    /// If it refuses, or does not answer: then it may or may not have done it, and may be asked again.
    pub async fn bootstrap(&self, ip: &str, bootstrap: &Bootstrap) -> Result<MemberStatus, Error> {
        self.instruct(ip, BOOTSTRAP_PATH, bootstrap).await
    }

    /// Sets how long the pod keeps records; returns its status after that.
    ///
    /// # Errors
    /// If it refuses, or does not answer: it may be asked again.
    pub async fn set_retention(&self, ip: &str, call: &SetRetention) -> Result<MemberStatus, Error> {
        self.instruct(ip, RETENTION_PATH, call).await
    }

    /// Accepts the loss of what is corrupt in the pod's log; returns its status after that.
    ///
    /// # Errors
    /// If it refuses, or does not answer: it may be asked again.
    pub async fn accept_loss(&self, ip: &str, call: &AcceptLoss) -> Result<MemberStatus, Error> {
        self.instruct(ip, ACCEPT_LOSS_PATH, call).await
    }

    async fn instruct(&self, ip: &str, path: &str, call: &impl Serialize) -> Result<MemberStatus, Error> {
        let body = serde_json::to_vec(call).unwrap_or_default().into();
        self.call(ip, Method::POST, path, body, INSTRUCTION_TIMEOUT).await
    }

    async fn call(
        &self,
        ip: &str,
        method: Method,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Result<MemberStatus, Error> {
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        let address = format!("{host}:{}", self.port);
        let failed = |reason: String| Error::ConnectFailed { address: address.clone(), reason };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"))
            .header(http::header::CONTENT_TYPE, "application/json");
        if let Some(machine) = catalog::machine_id() {
            let clock_ms = Timestamp::now().as_millisecond();
            request = request.header(MACHINE_HEADER, machine).header(CLOCK_HEADER, clock_ms);
        }
        let request = request.body(Full::new(body)).map_err(|error| failed(error.to_string()))?;
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|error| {
                if error.is_connect() && is_timeout(&error) {
                    Error::ConnectTimeout { address: address.clone() }
                } else {
                    failed(chain(&error))
                }
            })?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST_ANSWER_BYTES).collect().await;
            Ok((status, body.map_err(|error| failed(error.to_string()))?.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(limit, exchange)
            .await
            .map_err(|_| Error::NoAnswer { address: address.clone(), limit })??;
        let bad = |text| Error::BadAnswer { address: address.clone(), status, text };
        if status != StatusCode::OK {
            return Err(bad(String::from_utf8_lossy(&body).trim().to_owned()));
        }
        serde_json::from_slice(&body).map_err(|error| bad(format!("no status: {error}")))
    }
}

/// Whether an error, or one of its causes, is that a time ran out.
fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut) || error.source().is_some_and(is_timeout)
}

/// An error with its causes: hyper's own text says "client error (Connect)" alone.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
