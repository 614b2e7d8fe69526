//! A catalog service, called over HTTP.

use std::sync::Arc;

use bytes::Bytes;
use catalog::control::Refusal;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::Event;
use operator::admin::Metrics;
use operator::catalog_service::{Publisher, Service, serve};
use operator::drain::{self, DrainOrder};
use operator::world::{Scope, World};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{ApiServer, orders, settings};

/// A catalog service whose copy of the cluster is empty, or has one stream, however full the cluster is.
pub struct Port {
    /// The API server.
    pub server: ApiServer,
    /// Where the service listens.
    pub address: String,
    /// Ends the service.
    pub drain: DrainOrder,
    /// The service, until it is drained.
    pub serving: JoinHandle<()>,
}

impl Port {
    /// A service whose copy of the cluster never comes.
    pub async fn open(streams: Vec<Value>) -> Self {
        Self::open_with(None, streams).await
    }

    /// A service whose copy has this stream.
    pub async fn open_with(copy: Option<Value>, streams: Vec<Value>) -> Self {
        let (server, client) = ApiServer::new(streams.first().cloned().unwrap_or_else(orders));
        server.has("datastreams", streams);
        let settings = Arc::new(settings());
        let (scope, mut writers) = Scope::new(None);
        let publisher = Publisher::new(Arc::clone(&settings), Arc::new(World::new(vec![scope])));
        let (order, drain) = drain::drain();
        let service = Service::new(client, settings, &publisher, Metrics::new(), now, drain);
        if let Some(stream) = copy {
            // Every copy is whole, and empty but for the stream.
            writers.streams.apply_watcher_event(&Event::InitDone);
            writers.consumers.apply_watcher_event(&Event::InitDone);
            writers.shards.apply_watcher_event(&Event::InitDone);
            writers.stateful_sets.apply_watcher_event(&Event::InitDone);
            writers.services.apply_watcher_event(&Event::InitDone);
            writers.pods.apply_watcher_event(&Event::InitDone);
            writers.claims.apply_watcher_event(&Event::InitDone);
            writers.streams.apply_watcher_event(&Event::Apply(serde_json::from_value(stream).unwrap()));
            let published = publisher.published();
            tokio::spawn(async move { publisher.run().await });
            published.changes().wait_for(|position| *position > 0).await.unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(serve(listener, Arc::new(service)));
        Self { server, address, drain: order, serving }
    }

    /// Makes a call.
    pub async fn call(&self, path: &str, call: Value) -> (StatusCode, Value) {
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let request =
            Request::post(format!("http://{}{path}", self.address)).body(Full::new(call.to_string().into()));
        let answer = client.request(request.unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

/// The service's clock.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_795_428_000).unwrap()
}

/// Names a stream of the account.
pub fn named(name: &str) -> Value {
    json!({"accountId": "000000000000", "name": name})
}

/// The refusal that an answer is.
pub fn refusal(answer: (StatusCode, Value)) -> Refusal {
    assert!(!answer.0.is_success(), "{answer:?}");
    serde_json::from_value(answer.1).unwrap()
}

/// A stream as the API server has it, its spec written by these managers.
pub fn managed_by(managers: &[&str]) -> Value {
    let mut stream = orders();
    let entry =
        |manager: &&str| json!({"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {}}});
    stream["metadata"]["managedFields"] = managers.iter().map(entry).collect();
    stream
}
