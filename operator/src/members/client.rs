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
/// How long it may take to do what it is told: it syncs a disk.
const TELL_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer: a status lists up to 1,000 shards.
const MOST_ANSWER_BYTES: usize = 1 << 20;

/// Why a pod did not answer. Asking again later may help.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be reached in time, or the connection broke.
    #[error("{address} did not answer: {reason}")]
    Unreachable {
        /// `IP:port`.
        address: String,
        /// What happened.
        reason: String,
    },
    /// It answered something else than a status.
    #[error("{address} answered {status}: {text}")]
    Refused {
        /// `IP:port`.
        address: String,
        /// The HTTP status.
        status: StatusCode,
        /// What it said.
        text: String,
    },
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

    /// What the pod says of itself.
    ///
    /// # Errors
    /// If it does not say it.
    pub async fn status(&self, ip: &str) -> Result<MemberStatus, Error> {
        self.call(ip, Method::GET, STATUS_PATH, Bytes::new(), STATUS_TIMEOUT).await
    }

    /// Tells the pod to begin on its empty volume; gives its status after that.
    ///
    /// # Errors
    /// If it refuses, or does not answer: then it may or may not have begun, and may be told again.
    pub async fn bootstrap(&self, ip: &str, bootstrap: &Bootstrap) -> Result<MemberStatus, Error> {
        self.tell(ip, BOOTSTRAP_PATH, bootstrap).await
    }

    /// Tells the pod how long to keep records; gives its status after that.
    ///
    /// # Errors
    /// If it refuses, or does not answer: it may be told again.
    pub async fn set_retention(&self, ip: &str, call: &SetRetention) -> Result<MemberStatus, Error> {
        self.tell(ip, RETENTION_PATH, call).await
    }

    /// Tells the pod that what is damaged is given up; gives its status after that.
    ///
    /// # Errors
    /// If it refuses, or does not answer: it may be told again.
    pub async fn accept_loss(&self, ip: &str, call: &AcceptLoss) -> Result<MemberStatus, Error> {
        self.tell(ip, ACCEPT_LOSS_PATH, call).await
    }

    async fn tell(&self, ip: &str, path: &str, call: &impl Serialize) -> Result<MemberStatus, Error> {
        let body = serde_json::to_vec(call).unwrap_or_default().into();
        self.call(ip, Method::POST, path, body, TELL_TIMEOUT).await
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
        let unreachable = |reason: String| Error::Unreachable { address: address.clone(), reason };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"))
            .header(http::header::CONTENT_TYPE, "application/json");
        if let Some(machine) = catalog::machine_id() {
            let clock_ms = Timestamp::now().as_millisecond();
            request = request.header(MACHINE_HEADER, machine).header(CLOCK_HEADER, clock_ms);
        }
        let request = request.body(Full::new(body)).map_err(|error| unreachable(error.to_string()))?;
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|error| unreachable(chain(&error)))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST_ANSWER_BYTES).collect().await;
            Ok((status, body.map_err(|error| unreachable(error.to_string()))?.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(limit, exchange)
            .await
            .map_err(|_| unreachable(format!("no answer in {} s", limit.as_secs())))??;
        let refused = |text| Error::Refused { address: address.clone(), status, text };
        if status != StatusCode::OK {
            return Err(refused(String::from_utf8_lossy(&body).trim().to_owned()));
        }
        serde_json::from_slice(&body).map_err(|error| refused(format!("no status: {error}")))
    }
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
