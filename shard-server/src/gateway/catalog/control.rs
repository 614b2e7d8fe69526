//! Control calls, which create, delete and look up streams: the operator's catalog service does them, or in `local`
//! this process.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use catalog::Stream;
use catalog::control::{
    CREATE_STREAM_PATH, CreateStream, DELETE_STREAM_PATH, DeleteStream, FIND_STREAM_PATH, FindStream,
    Refusal, RefusalCode,
};
use futures::future::BoxFuture;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
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
    /// Creates a stream; see [`CreateStream`]. Refused with [`RefusalCode::Unavailable`] if the service is unreachable.
    fn create_stream(&self, call: CreateStream) -> BoxFuture<'_, Result<(), Refusal>>;

    /// Deletes a stream; see [`DeleteStream`]. Refused with [`RefusalCode::Unavailable`] if the service is unreachable.
    fn delete_stream(&self, call: DeleteStream) -> BoxFuture<'_, Result<(), Refusal>>;

    /// Looks up a stream; see [`FindStream`]. Refused with [`RefusalCode::Unavailable`] if the service is unreachable.
    fn find_stream(&self, call: FindStream) -> BoxFuture<'_, Result<Option<Stream>, Refusal>>;
}

impl ControlPlane for RemoteControl {
    fn create_stream(&self, call: CreateStream) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move { self.post(CREATE_STREAM_PATH, &call, CHANGE_TIMEOUT).await.map(drop) })
    }

    fn delete_stream(&self, call: DeleteStream) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move { self.post(DELETE_STREAM_PATH, &call, CHANGE_TIMEOUT).await.map(drop) })
    }

    fn find_stream(&self, call: FindStream) -> BoxFuture<'_, Result<Option<Stream>, Refusal>> {
        Box::pin(async move {
            let answer = self.post(FIND_STREAM_PATH, &call, FIND_TIMEOUT).await?;
            serde_json::from_slice(&answer).map_err(|error| unavailable(&error))
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

    async fn post(&self, path: &str, call: &impl Serialize, timeout: Duration) -> Result<Bytes, Refusal> {
        let exchange = async {
            let _permit = self.calls.acquire().await?;
            let authority = self.service.authority().map_or("", http::uri::Authority::as_str);
            let request = Request::post(format!("http://{authority}{path}"))
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(Full::from(serde_json::to_vec(call)?))?;
            let response = self.client.request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(anyhow::Error::from_boxed)?;
            anyhow::Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(timeout, exchange).await {
            Err(_elapsed) => Err(unavailable(&"the catalog service does not answer")),
            Ok(Err(error)) => Err(unavailable(&format!("{error:#}"))),
            Ok(Ok((StatusCode::OK, body))) => Ok(body),
            Ok(Ok((status, body))) => Err(serde_json::from_slice(&body)
                .unwrap_or_else(|_| unavailable(&format!("the catalog service answers {status}")))),
        }
    }
}

fn unavailable(reason: &impl std::fmt::Display) -> Refusal {
    Refusal { code: RefusalCode::Unavailable, message: reason.to_string() }
}
