//! A storage pod's side of a test: `/status` and `/bootstrap` on a loopback port.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use catalog::member::{Bootstrap, LogStatus, MemberPhase, MemberStatus, ShardStatus};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

/// A pod that begins when it is told to.
#[derive(Clone)]
pub struct FakePod {
    /// Where it listens.
    pub port: u16,
    status: Arc<Mutex<MemberStatus>>,
    bootstraps: Arc<Mutex<Vec<Bootstrap>>>,
}

impl FakePod {
    /// A pod of this group on an empty volume.
    pub async fn on_an_empty_volume(stream_uid: &str, group: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let status = MemberStatus {
            version: "0.1.0".into(),
            stream_uid: stream_uid.into(),
            group: group.into(),
            phase: MemberPhase::AwaitingBootstrap,
            reason: None,
            replica_id: None,
            logs: Vec::new(),
        };
        let pod = Self {
            port: listener.local_addr().unwrap().port(),
            status: Arc::new(Mutex::new(status)),
            bootstraps: Arc::default(),
        };
        let answering = pod.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let pod = answering.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let pod = pod.clone();
                        async move { pod.answer(request).await }
                    });
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        pod
    }

    /// How often, and with what, it was told to begin.
    pub fn bootstraps(&self) -> Vec<Bootstrap> {
        self.bootstraps.lock().unwrap().clone()
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        if request.method() == Method::POST {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let bootstrap: Bootstrap = serde_json::from_slice(&body).unwrap();
            let shards =
                bootstrap.shards.iter().map(|shard| ShardStatus { id: shard.id, next_offset: 1 }).collect();
            let mut status = self.status.lock().unwrap();
            status.phase = MemberPhase::Serving;
            status.logs = vec![LogStatus {
                name: bootstrap.log.clone(),
                durable_bytes: 0,
                retention_period_hours: Some(bootstrap.retention_period_hours),
                conditions: Vec::new(),
                shards,
            }];
            self.bootstraps.lock().unwrap().push(bootstrap);
        }
        let status = serde_json::to_vec(&*self.status.lock().unwrap()).unwrap();
        Ok(Response::new(Full::new(status.into())))
    }
}
