//! Control calls, which change streams and look them up: the operator's catalog service does them, or in `local`
//! this process.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use catalog::control::{ControlAnswer, ControlCall, Refusal, RefusalCode};
use futures::future::BoxFuture;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const FIND_TIMEOUT: Duration = Duration::from_secs(3);
const CHANGE_TIMEOUT: Duration = Duration::from_secs(20);
/// The largest accepted answer: a stream of some 100,000 shards.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Most concurrent calls. Further calls wait, up to their timeout.
const MAX_CALLS: usize = 32;

/// Does control calls. A call runs to its end even if its client disconnects.
pub trait ControlPlane: fmt::Debug + Send + Sync {
    /// Does a call; its answer comes before the deadline. Refused with [`RefusalCode::Unavailable`] if the service is
    /// unreachable, and with [`RefusalCode::NotServed`] if it does not serve the call.
    fn call(&self, call: ControlCall, deadline: Instant) -> BoxFuture<'_, Result<ControlAnswer, Refusal>>;
}

impl ControlPlane for RemoteControl {
    fn call(&self, call: ControlCall, deadline: Instant) -> BoxFuture<'_, Result<ControlAnswer, Refusal>> {
        Box::pin(async move {
            let answer = self.post(&call, deadline).await?;
            call.read_answer(&answer).map_err(|error| unavailable(&error))
        })
    }
}

/// The operator's catalog service.
#[derive(Debug)]
pub struct RemoteControl {
    service: Uri,
    client: Client<HttpConnector, Full<Bytes>>,
    calls: Semaphore,
}

impl RemoteControl {
    /// The service at `http://host:port`.
    #[must_use]
    pub fn new(service: Uri) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { service, client, calls: Semaphore::new(MAX_CALLS) }
    }

    async fn post(&self, call: &ControlCall, deadline: Instant) -> Result<Bytes, Refusal> {
        let timeout = match call {
            ControlCall::FindStream(_) | ControlCall::FindConsumer(_) => FIND_TIMEOUT,
            _ => CHANGE_TIMEOUT,
        };
        let deadline = deadline.min(Instant::now() + timeout);
        let exchange = async {
            let _permit = self.calls.acquire().await?;
            let authority = self.service.authority().map_or("", http::uri::Authority::as_str);
            let request = Request::post(format!("http://{authority}{}", call.path()))
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(Full::from(call.to_json()?))?;
            let response = self.client.request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(anyhow::Error::from_boxed)?;
            anyhow::Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout_at(deadline.into(), exchange).await {
            Err(_elapsed) => Err(unavailable(&"the catalog service does not answer")),
            Ok(Err(error)) => Err(unavailable(&format!("{error:#}"))),
            Ok(Ok((StatusCode::OK, body))) => Ok(body),
            Ok(Ok((status, body))) => Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
                let message = format!("the catalog service answers {status}");
                // An older service does not know the path of a newer call.
                let is_unknown = status == StatusCode::NOT_FOUND;
                let code = if is_unknown { RefusalCode::NotServed } else { RefusalCode::Unavailable };
                Refusal::new(code, message)
            })),
        }
    }
}

fn unavailable(reason: &impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalCode::Unavailable, reason.to_string())
}
