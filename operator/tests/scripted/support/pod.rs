//! A storage pod's side of a test: what it says, and what it is told, on a loopback port.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use catalog::member::{
    ACCEPT_LOSS_PATH, BOOTSTRAP_PATH, Bootstrap, CLOCK_HEADER, LogConditionKind, LogStatus, MemberPhase,
    MemberStatus, ShardStatus,
};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::Value;
use tokio::net::TcpListener;

/// A pod that does what it is told to.
#[derive(Clone)]
pub struct FakePod {
    /// Where it listens.
    pub port: u16,
    status: Arc<Mutex<MemberStatus>>,
    told: Arc<Mutex<Vec<(String, Value)>>>,
}

impl FakePod {
    /// A pod of this group on an empty volume.
    pub async fn on_an_empty_volume(stream_uid: &str, group: &str) -> Self {
        Self::at("127.0.0.1", 0, stream_uid, group).await
    }

    /// [`FakePod::on_an_empty_volume`] at another IP of the loopback and this one's port.
    pub async fn beside(&self, ip: &str, stream_uid: &str, group: &str) -> Self {
        Self::at(ip, self.port, stream_uid, group).await
    }

    async fn at(ip: &str, port: u16, stream_uid: &str, group: &str) -> Self {
        let listener = TcpListener::bind((ip, port)).await.unwrap();
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
            told: Arc::default(),
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
        self.told(BOOTSTRAP_PATH).into_iter().map(|call| serde_json::from_value(call).unwrap()).collect()
    }

    /// The calls that it got at a path.
    pub fn told(&self, path: &str) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        told.iter().filter(|(at, _)| at == path).map(|(_, call)| call.clone()).collect()
    }

    /// It says something else of itself from now on.
    pub fn change(&self, change: impl FnOnce(&mut MemberStatus)) {
        change(&mut self.status.lock().unwrap());
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let clock = request.headers().get(CLOCK_HEADER).and_then(|clock| clock.to_str().ok());
        assert!(clock.is_some_and(|clock| clock.parse::<u64>().is_ok()), "a call without the caller's clock");
        if request.method() == Method::POST {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let call: Value = serde_json::from_slice(&body).unwrap();
            match path.as_str() {
                BOOTSTRAP_PATH => self.begin(serde_json::from_value(call.clone()).unwrap()),
                ACCEPT_LOSS_PATH => self.give_up_what_is_damaged(),
                _ => panic!("{path} is in no script"),
            }
            self.told.lock().unwrap().push((path, call));
        }
        let status = serde_json::to_vec(&*self.status.lock().unwrap()).unwrap();
        Ok(Response::new(Full::new(status.into())))
    }

    fn begin(&self, bootstrap: Bootstrap) {
        let shards = bootstrap.shards.iter().map(|shard| ShardStatus { id: shard.id, next_offset: 1 });
        let log = LogStatus {
            name: bootstrap.log,
            durable_bytes: 0,
            retention_period_hours: Some(bootstrap.retention_period_hours),
            writing_ms: 0,
            conditions: Vec::new(),
            shards: shards.collect(),
        };
        self.change(|status| (status.phase, status.logs) = (MemberPhase::Serving, vec![log]));
    }

    fn give_up_what_is_damaged(&self) {
        self.change(|status| {
            let conditions = &mut status.logs[0].conditions;
            conditions.retain(|condition| condition.kind != LogConditionKind::StorageDamaged);
        });
    }
}
