//! An installation without Kubernetes: pods of shard groups and gateways as processes, and a catalog service that
//! the test plays itself.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use catalog::control::{
    Consumer, CreateStream, FIND_STREAM_PATH, FindConsumer, FindStream, Refusal, RefusalCode,
};
use catalog::feed::CatalogEvent;
use catalog::map::Genesis;
use catalog::member::{BOOTSTRAP_PATH, Bootstrap, OpenShard};
use catalog::{
    Group, LogPlacement, Member, Shard, ShardState, Stream, StreamMode, StreamSettings, StreamStatus,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use prometheus::Registry;
use shard_server::admin::{Limits, Ports, Termination, listener};
use shard_server::gateway::catalog::{CatalogCopy, Scope, serve_feed};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::program::{LIMIT, command};

/// An address of this machine that nobody listens on, and that nobody else is given: not one of those from which the
/// system takes ports for connections, as one might begin at it before it is listened on.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 32_768, "no port is free");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Sends a request; gives status and body, or nothing if nobody answers.
async fn send(method: Method, url: String, body: Vec<u8>) -> Option<(StatusCode, Bytes)> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(url).body(Full::<Bytes>::from(body)).unwrap();
    let response = client.request(request).await.ok()?;
    let status = response.status();
    Some((status, response.into_body().collect().await.ok()?.to_bytes()))
}

/// The status of `/readyz`; nothing if nobody answers.
pub async fn readiness(admin: SocketAddr) -> Option<StatusCode> {
    send(Method::GET, format!("http://{admin}/readyz"), Vec::new()).await.map(|(status, _)| status)
}

/// All metrics.
pub async fn metrics(admin: SocketAddr) -> String {
    let (_, body) = send(Method::GET, format!("http://{admin}/metrics"), Vec::new()).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Waits for a status of `/readyz`.
pub async fn until_readiness(admin: SocketAddr, wanted: StatusCode) {
    let wait = async {
        while readiness(admin).await != Some(wanted) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{admin}/readyz is never {wanted}"));
}

/// A catalog service, played by the test.
pub struct Operator {
    pub address: SocketAddr,
    order: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What an operator knows. It outlives the operator, as the API server does.
#[derive(Clone, Default)]
pub struct Known {
    /// What the feed has.
    pub fed: CatalogCopy,
    /// What FindStream finds beside it.
    pub unfed: Arc<Mutex<Vec<Stream>>>,
}

impl Operator {
    /// Serves what is known at an address.
    pub async fn start(address: SocketAddr, known: Known) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = Ports::register(&Registry::new()).unwrap().port("operator", Limits::PARTS);
        let (order, termination) = Termination::by_hand();
        let service = service_fn(move |request| {
            let known = known.clone();
            async move { Ok::<_, Infallible>(answer(known, request).await) }
        });
        let task = tokio::spawn(listener::serve(listener, port, service, termination));
        Self { address, order, task }
    }

    /// Goes away.
    pub fn stop(self) {
        self.order.send_replace(true);
        self.task.abort();
    }
}

async fn answer(known: Known, request: Request<Incoming>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    if request.method() == Method::GET {
        return serve_feed(&known.fed, &request).await;
    }
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, answer) = if path == FIND_STREAM_PATH {
        let call: FindStream = serde_json::from_slice(&body).unwrap();
        let scope = Scope { account_id: &call.account_id, region: call.region.as_deref() };
        let fed = known.fed.find(scope, &call.name).map(|stream| Stream::clone(&stream));
        let unfed = known.unfed.lock().unwrap().iter().find(|stream| stream.name == call.name).cloned();
        (StatusCode::OK, serde_json::to_vec(&fed.or(unfed)).unwrap())
    } else if path == "/v1/find-consumer" {
        // Every consumer that is asked for.
        let FindConsumer { consumer, .. } = serde_json::from_slice(&body).unwrap();
        let created_ms = consumer.created_seconds.unwrap() * 1_000;
        (StatusCode::OK, serde_json::to_vec(&Consumer { name: consumer.name, created_ms }).unwrap())
    } else {
        let call: CreateStream = serde_json::from_slice(&body).unwrap();
        let refusal =
            Refusal { code: RefusalCode::LimitExceeded, message: format!("no room for {}", call.name) };
        (StatusCode::CONFLICT, serde_json::to_vec(&refusal).unwrap())
    };
    let mut response = Response::new(Full::from(answer).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// A pod of a shard group.
pub struct Pod {
    pub process: Child,
    pub address: SocketAddr,
    admin: SocketAddr,
    _volume: Arc<TempDir>,
    arguments: Vec<String>,
}

impl Pod {
    /// Starts on an empty volume and is bootstrapped with the shards of its log.
    pub async fn begin(stream: &Stream, log: &str) -> Self {
        let volume = Arc::new(tempfile::tempdir().unwrap());
        let (address, admin) = (free_address(), free_address());
        let arguments = arguments_of(stream, log, volume.path(), address, admin);
        let pod = Self { process: spawn(&arguments), address, admin, _volume: volume, arguments };
        let shards = stream.shards.iter().filter(|shard| shard.log == log).map(|shard| OpenShard {
            id: shard.id,
            range: shard.range,
            parents: Vec::new(),
            create_seconds: shard.create_seconds,
        });
        let bootstrap = Bootstrap {
            stream_uid: stream.uid.clone(),
            group: log.into(),
            log: log.into(),
            shards: shards.collect(),
            retention_period_hours: stream.retention_period_hours,
        };
        let body = serde_json::to_vec(&bootstrap).unwrap();
        let begun = async {
            let url = format!("http://{address}{BOOTSTRAP_PATH}");
            while send(Method::POST, url.clone(), body.clone())
                .await
                .is_none_or(|(status, _)| !status.is_success())
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LIMIT, begun).await.expect("the pod takes its bootstrap");
        until_readiness(admin, StatusCode::OK).await;
        pod
    }

    /// Kills its process.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts its process again, at the same address and on the same volume.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.arguments);
        until_readiness(self.admin, StatusCode::OK).await;
    }
}

fn spawn(arguments: &[String]) -> Child {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    command(&arguments).spawn().unwrap()
}

fn arguments_of(
    stream: &Stream,
    log: &str,
    volume: &Path,
    address: SocketAddr,
    admin: SocketAddr,
) -> Vec<String> {
    let (address, admin) = (address.to_string(), admin.to_string());
    let volume = volume.to_str().unwrap();
    let flags = [
        ("--listen", address.as_str()),
        ("--admin-listen", admin.as_str()),
        ("--data-dir", volume),
        ("--stream-uid", stream.uid.as_str()),
        ("--group", log),
    ];
    let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()]);
    ["serve".to_owned()].into_iter().chain(flags).collect()
}

/// A gateway.
pub struct Gateway {
    pub process: Child,
    pub url: String,
    pub admin: SocketAddr,
    pub peer: SocketAddr,
}

impl Gateway {
    /// Starts; whether it gets ready is for the caller to see.
    pub fn start(operator: SocketAddr, peers: Option<SocketAddr>, keys: &Path) -> Self {
        Self::start_with(operator, peers, keys, &[])
    }

    /// As [`Gateway::start`], with more arguments.
    pub fn start_with(operator: SocketAddr, peers: Option<SocketAddr>, keys: &Path, more: &[&str]) -> Self {
        std::fs::write(keys.join("current"), [7; 32]).unwrap();
        let (listen, admin, peer) = (free_address(), free_address(), free_address());
        let mut arguments = vec!["gateway".to_owned(), "--listen".into(), listen.to_string()];
        arguments.extend([
            "--admin-listen".into(),
            admin.to_string(),
            "--peer-listen".into(),
            peer.to_string(),
        ]);
        arguments.extend(["--catalog".into(), format!("http://{operator}")]);
        arguments.extend(["--iterator-keys".into(), keys.to_str().unwrap().into()]);
        arguments.extend(peers.into_iter().flat_map(|peers| ["--peers".into(), peers.to_string()]));
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        Self { process: spawn(&arguments), url: format!("http://{listen}"), admin, peer }
    }

    /// Waits until it is ready.
    pub async fn ready(self) -> Self {
        until_readiness(self.admin, StatusCode::OK).await;
        self
    }
}

/// A stream of four shards in two logs, whose groups have no members yet.
pub fn stream(name: &str) -> Stream {
    let shards = Genesis::new(4, 2, 1_700_000_000).shards();
    let group = |name: &str| Group { name: name.into(), members: Vec::new() };
    Stream {
        uid: format!("uid-of-{name}"),
        map_version: 1,
        map_digest: None,
        account_id: "000000000000".into(),
        region: None,
        name: name.parse().unwrap(),
        status: StreamStatus::Active,
        mode: StreamMode::Provisioned,
        retention_period_hours: 24,
        max_record_size_kib: 1024,
        created_ms: 1_700_000_000_000,
        settings: StreamSettings::default(),
        shards: shards.into_iter().map(|shard| Shard { state: ShardState::Open, ..shard }).collect(),
        logs: ["g0", "g1"].map(|log| LogPlacement { name: log.into(), group: log.into() }).to_vec(),
        groups: vec![group("g0"), group("g1")],
    }
}

/// A stream with both its pods, an operator that knows it, and a folder for keys.
pub struct Installation {
    pub stream: Stream,
    pub pods: [Pod; 2],
    pub known: Known,
    pub operator: Operator,
    pub keys: TempDir,
}

/// Starts all of it but gateways.
pub async fn installation() -> Installation {
    let mut stream = stream("orders");
    let pods = [Pod::begin(&stream, "g0").await, Pod::begin(&stream, "g1").await];
    for (group, pod) in stream.groups.iter_mut().zip(&pods) {
        group.members = vec![Member { address: pod.address.to_string() }];
    }
    let known = Known::default();
    known.fed.apply(CatalogEvent::Snapshot(vec![stream.clone()]));
    let operator = Operator::start(free_address(), known.clone()).await;
    Installation { stream, pods, known, operator, keys: tempfile::tempdir().unwrap() }
}
