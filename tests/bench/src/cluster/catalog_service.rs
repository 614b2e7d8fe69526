//! The catalog service, as far as a gateway needs it to have one stream: the feed, CreateStream and FindStream. It
//! creates the stream as the operator does: plans its shards, and bootstraps the pod of each group.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use bytes::Bytes;
use catalog::control::{
    CREATE_STREAM_PATH, CreateStream, FIND_STREAM_PATH, FindStream, Refusal, RefusalCode,
};
use catalog::feed::{CatalogEvent, HEARTBEAT_SECONDS};
use catalog::map::{DEFAULT_SHARD_COUNT, Genesis};
use catalog::member::{BOOTSTRAP_PATH, Bootstrap, OpenShard};
use catalog::{Group, LogPlacement, Member, Shard, ShardState, Stream, StreamSettings, StreamStatus};
use http::{Method, Request, Response, StatusCode};
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::{STREAM_UID, send, until_ready};

/// How long records are kept, in hours.
const RETENTION_HOURS: u32 = 24;

/// The largest record, in KiB, unless CreateStream says otherwise.
const MAX_RECORD_KIB: u32 = 1024;

/// The pod of a group.
pub struct Pod {
    /// The group, and the log in it.
    pub group: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it tells whether it is ready.
    pub admin: SocketAddr,
}

/// A catalog service that is played here, until this value goes.
pub struct CatalogService {
    /// Where it listens.
    pub address: SocketAddr,
    known: Arc<Known>,
    task: JoinHandle<()>,
}

/// What it knows.
struct Known {
    pods: Vec<Pod>,
    stream: watch::Sender<Option<Stream>>,
    /// Where the stream is noted for a later start.
    file: PathBuf,
}

impl CatalogService {
    /// Serves the stream that is noted in `file`, if it is there, with these pods.
    ///
    /// # Errors
    /// If the file makes no sense.
    pub async fn start(file: PathBuf, pods: Vec<Pod>) -> Result<Self> {
        let noted = match file.exists() {
            true => Some(serde_json::from_slice(&fs::read(&file)?)?),
            false => None,
        };
        let stream = noted.map(|stream: Stream| Stream { groups: groups(&pods, &stream.shards), ..stream });
        let known = Arc::new(Known { pods, stream: watch::Sender::new(stream), file });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, Arc::clone(&known)));
        Ok(Self { address, known, task })
    }

    /// Waits for the pods, if they have a stream.
    ///
    /// # Errors
    /// If one does not get ready.
    pub async fn pods_ready(&self) -> Result<()> {
        let shards = self.known.stream.borrow().as_ref().map(|stream| stream.shards.clone());
        for pod in self.known.pods.iter().filter(|pod| pod.has_any(shards.as_deref().unwrap_or_default())) {
            until_ready(pod.admin).await?;
        }
        Ok(())
    }
}

impl Drop for CatalogService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The groups that have any of these shards: a stream may have fewer shards than there are pods.
fn groups(pods: &[Pod], shards: &[Shard]) -> Vec<Group> {
    let group = |pod: &Pod| Group {
        name: pod.group.clone(),
        members: vec![Member { address: pod.address.to_string() }],
    };
    pods.iter().filter(|pod| pod.has_any(shards)).map(group).collect()
}

impl Pod {
    fn has_any(&self, shards: &[Shard]) -> bool {
        shards.iter().any(|shard| shard.log == self.group)
    }
}

async fn serve(listener: TcpListener, known: Arc<Known>) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        let known = Arc::clone(&known);
        let service = service_fn(move |request| answer(Arc::clone(&known), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

async fn answer(
    known: Arc<Known>,
    request: Request<Incoming>,
) -> Result<Response<Either<Full<Bytes>, Channel<Bytes>>>> {
    if request.method() == Method::GET {
        return Ok(Response::new(Either::Right(feed(known.stream.subscribe()))));
    }
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let mut response = Response::new(Either::Left(Full::default()));
    match path.as_str() {
        CREATE_STREAM_PATH => match known.create(&serde_json::from_slice(&body)?).await {
            Ok(()) => *response.body_mut() = Either::Left(serde_json::to_vec(&())?.into()),
            Err(error) => {
                let refusal = Refusal { code: RefusalCode::Unavailable, message: format!("{error:#}") };
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                *response.body_mut() = Either::Left(serde_json::to_vec(&refusal)?.into());
            }
        },
        FIND_STREAM_PATH => {
            let call: FindStream = serde_json::from_slice(&body)?;
            let found = known.stream.borrow().clone().filter(|stream| stream.name == call.name);
            *response.body_mut() = Either::Left(serde_json::to_vec(&found)?.into());
        }
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(response)
}

fn feed(stream: watch::Receiver<Option<Stream>>) -> Channel<Bytes> {
    let (sender, body) = Channel::new(1);
    tokio::spawn(publish(stream, sender));
    body
}

/// Sends the stream, then what changes, and heartbeats in between, until the gateway or the service is gone.
async fn publish(
    mut stream: watch::Receiver<Option<Stream>>,
    mut sender: Sender<Bytes>,
) -> Result<Infallible> {
    let mut event = CatalogEvent::Snapshot(stream.borrow_and_update().iter().cloned().collect());
    loop {
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        sender.send_data(line.into()).await?;
        let changed = match timeout(Duration::from_secs(HEARTBEAT_SECONDS), stream.changed()).await {
            Ok(changed) => changed.map(|()| stream.borrow_and_update().clone())?,
            Err(_elapsed) => None,
        };
        event = changed.map_or(CatalogEvent::Heartbeat, CatalogEvent::Changed);
    }
}

impl Known {
    /// Creates the stream: it takes records when this returns.
    async fn create(&self, call: &CreateStream) -> Result<()> {
        ensure!(self.stream.borrow().is_none(), "there is a stream already");
        let shard_count = call.shard_count.unwrap_or(DEFAULT_SHARD_COUNT);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let shards_per_group = shard_count.div_ceil(u32::try_from(self.pods.len())?);
        let shards = Genesis::new(shard_count, shards_per_group, now.as_secs()).shards();
        let groups = groups(&self.pods, &shards);
        let stream = Stream {
            uid: STREAM_UID.to_owned(),
            map_version: 1,
            map_digest: None,
            account_id: call.account_id.clone(),
            region: None,
            name: call.name.clone(),
            status: StreamStatus::Active,
            mode: call.mode,
            retention_period_hours: RETENTION_HOURS,
            max_record_size_kib: call.max_record_size_kib.unwrap_or(MAX_RECORD_KIB),
            created_ms: i64::try_from(now.as_millis())?,
            settings: StreamSettings::default(),
            shards: shards.into_iter().map(|shard| Shard { state: ShardState::Open, ..shard }).collect(),
            logs: groups
                .iter()
                .map(|group| LogPlacement { name: group.name.clone(), group: group.name.clone() })
                .collect(),
            groups,
        };
        for pod in self.pods.iter().filter(|pod| pod.has_any(&stream.shards)) {
            bootstrap(pod, &stream).await?;
        }
        fs::write(&self.file, serde_json::to_vec(&stream)?)?;
        self.stream.send_replace(Some(stream));
        Ok(())
    }
}

/// Has a pod begin its log, with the stream's shards in it.
async fn bootstrap(pod: &Pod, stream: &Stream) -> Result<()> {
    let shards = stream.shards.iter().filter(|shard| shard.log == pod.group).map(|shard| OpenShard {
        id: shard.id,
        range: shard.range,
        parents: vec![],
        create_seconds: shard.create_seconds,
    });
    let bootstrap = Bootstrap {
        stream_uid: stream.uid.clone(),
        group: pod.group.clone(),
        log: pod.group.clone(),
        shards: shards.collect(),
        retention_period_hours: stream.retention_period_hours,
    };
    let body = serde_json::to_vec(&bootstrap)?;
    let (status, answer) = send(pod.address, Method::POST, BOOTSTRAP_PATH, body).await?;
    ensure!(status == StatusCode::OK, "{}: {status} {}", pod.group, String::from_utf8_lossy(&answer));
    until_ready(pod.admin).await
}
