//! The parts that a record goes through, all in this process: an endpoint and a group, in one as in `local`, or an
//! endpoint that reaches a pod over the network.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use catalog::feed::CatalogEvent;
use catalog::map::Genesis;
use catalog::member::{BOOTSTRAP_PATH, Bootstrap, OpenShard};
use catalog::{
    Group, LogPlacement, Member, Shard, ShardState, Stream, StreamMode, StreamSettings, StreamStatus,
};
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use prometheus::Registry;
use shard_server::gateway::catalog::{Catalog, CatalogCopy, RemoteControl};
use shard_server::gateway::http::KinesisService;
use shard_server::gateway::token::TokenKeys;
use shard_server::gateway::{self, Endpoint, Identity, Regions, Routes};
use shard_server::serve;
use shard_server::shard::{self, GroupConfig, Resources};
use tempfile::TempDir;
use tokio::sync::watch;

/// The only stream.
pub const STREAM: &str = "orders";
const SHARDS: u32 = 4;
const GROUP: &str = "g0";
const START_LIMIT: Duration = Duration::from_secs(30);

/// An endpoint whose stream is served.
pub struct Parts {
    /// The endpoint.
    pub service: KinesisService,
    /// Where the records are.
    _volume: TempDir,
}

/// Endpoint and group as in `local`.
pub async fn in_one_process() -> Result<Parts> {
    let (volume, stream) = (tempfile::tempdir()?, stream(None));
    let metrics = shard::Metrics::register(&Registry::new())?;
    let resources = Resources::new(metrics.log.clone());
    let config = GroupConfig { stream_uid: stream.uid.clone(), group: GROUP.into(), resources, metrics };
    let group = shard::Group::create(volume.path().join(GROUP), config, bootstrap(&stream)).await?;
    let routes = Routes::default();
    routes.add_group(&stream.uid, group);
    Ok(Parts { service: service(stream, routes)?, _volume: volume })
}

/// Endpoint and pod, with their protocol between them.
pub async fn gateway_and_pod() -> Result<Parts> {
    let (volume, address) = (tempfile::tempdir()?, free_address()?);
    let stream = stream(Some(address));
    tokio::spawn(serve::run(serve::Options {
        listen: address,
        admin_listen: free_address()?,
        data_dir: volume.path().to_owned(),
        stream_uid: stream.uid.clone(),
        group: GROUP.into(),
    }));
    let body = serde_json::to_vec(&bootstrap(&stream))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let begun = async {
        loop {
            let request = Request::post(format!("http://{address}{BOOTSTRAP_PATH}"));
            let answer = client.request(request.body(Full::<Bytes>::from(body.clone()))?).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(START_LIMIT, begun).await.context("the pod takes no bootstrap")??;
    Ok(Parts { service: service(stream, Routes::default())?, _volume: volume })
}

fn service(stream: Stream, routes: Routes) -> Result<KinesisService> {
    let copy = CatalogCopy::default();
    let identity =
        Identity { account_id: stream.account_id.clone(), region: "us-east-1".into(), regions: Regions::Own };
    copy.apply(CatalogEvent::Snapshot(vec![stream]));
    Ok(KinesisService::new(Arc::new(Endpoint::new(gateway::Parts {
        identity,
        access_keys: None,
        // Nobody is asked: the copy has the stream.
        catalog: Catalog::new(copy, RemoteControl::new("http://127.0.0.1:1".parse()?)),
        routes: Arc::new(routes),
        keys: watch::channel(TokenKeys::new(&[7; 32], None)?).1,
        clock: Arc::new(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            now.as_millis() as u64
        }),
        metrics: gateway::Metrics::register(&Registry::new())?,
    }))))
}

/// A stream of one group, in this process unless its member has an address.
fn stream(member: Option<SocketAddr>) -> Stream {
    let member = member.map(|address| Member { address: address.to_string() });
    let open = |shard| Shard { state: ShardState::Open, ..shard };
    Stream {
        uid: "bench".into(),
        map_version: 1,
        map_digest: None,
        account_id: "000000000000".into(),
        region: None,
        name: STREAM.parse().expect("a name"),
        status: StreamStatus::Active,
        mode: StreamMode::Provisioned,
        retention_period_hours: 24,
        max_record_size_kib: 1024,
        created_ms: 1_700_000_000_000,
        settings: StreamSettings::default(),
        shards: Genesis::new(SHARDS, SHARDS, 1_700_000_000).shards().into_iter().map(open).collect(),
        logs: vec![LogPlacement { name: GROUP.into(), group: GROUP.into() }],
        groups: vec![Group { name: GROUP.into(), members: member.into_iter().collect() }],
    }
}

fn bootstrap(stream: &Stream) -> Bootstrap {
    let open = |shard: &Shard| OpenShard {
        id: shard.id,
        range: shard.range,
        parents: Vec::new(),
        create_seconds: shard.create_seconds,
    };
    Bootstrap {
        stream_uid: stream.uid.clone(),
        group: GROUP.into(),
        log: GROUP.into(),
        shards: stream.shards.iter().map(open).collect(),
        retention_period_hours: stream.retention_period_hours,
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
