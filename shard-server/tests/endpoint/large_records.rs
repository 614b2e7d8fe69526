//! Records of 10 MiB and slow readers of them, within the memory limits of a pod and a gateway: the kernel never has to
//! kill, and nobody else is delayed.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use bytes::Bytes;
use catalog::feed::CatalogEvent;
use catalog::map::Genesis;
use catalog::{Group, LogPlacement, Member, Shard, ShardState, Stream};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::{Client as HttpClient, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::process::Child;
use tokio::task::JoinSet;

use crate::bounded::{horizon, read_slowly};
use crate::cgroup::Cgroup;
use crate::installation::{Gateway, Known, Operator, Pod, free_address, stream};
use crate::program::{client, data_dir, put, read};

const LIMIT_BYTES: u64 = 256 << 20;
const SHARDS: u32 = 4;
const PRODUCERS: u32 = 64;
/// Slow readers with a connection each.
const SLOW_CLIENTS: u32 = 48;
/// Slow readers that share one connection of HTTP/2.
const SLOW_STREAMS: u32 = 16;
/// The data of a large record, which its key and it may have 10 MiB of.
const RECORD_BYTES: usize = (10 << 20) - 16;
/// Clients of the other stream.
const SMALL_CLIENTS: u32 = 4;
/// Large records, and small ones, that are acknowledged before the load counts as going on.
const ENOUGH_LARGE: u64 = 4;
const ENOUGH_SMALL: u64 = 40;
const ENOUGH_SLOW_BYTES: u64 = 128 << 10;

/// What was counted while everything goes on.
#[derive(Default)]
struct Counts {
    large: AtomicU64,
    slow_bytes: AtomicU64,
    small_put: AtomicU64,
    small_read: AtomicU64,
    done: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_10_mib_and_slow_readers_of_them_stay_within_256_mib_and_delay_nobody_else() {
    let mut streams = [of_one_group("large", 10_240), of_one_group("small", 1_024)];
    let pods = [Pod::begin(&streams[0], "g0").await, Pod::begin(&streams[1], "g0").await];
    for (stream, pod) in streams.iter_mut().zip(&pods) {
        stream.groups[0].members = vec![Member { address: pod.address.to_string() }];
    }
    let known = Known::default();
    known.fed.apply(CatalogEvent::Snapshot(streams.to_vec()));
    let operator = Operator::start(free_address(), known).await;
    let keys = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(operator.address, None, keys.path()).ready().await;
    let limited = [limit("large-pod", &pods[0].process), limit("large-gateway", &gateway.process)];

    let (counts, client) = (Arc::new(Counts::default()), client(&gateway.url));
    let mut small = JoinSet::new();
    for shard in 0..SMALL_CLIENTS {
        small.spawn(put_and_read(client.clone(), shard % SHARDS, Arc::clone(&counts)));
    }
    until(&counts, &mut small, |now| now.small_put > ENOUGH_SMALL && now.small_read > ENOUGH_SMALL).await;

    let mut large = JoinSet::new();
    let bodies: Vec<_> = (0..SHARDS).map(large_put).collect();
    let http1 = HttpClient::builder(TokioExecutor::new()).build_http();
    for producer in 0..PRODUCERS {
        let body = bodies[(producer % SHARDS) as usize].clone();
        large.spawn(produce(http1.clone(), gateway.url.clone(), body, Arc::clone(&counts)));
    }
    until(&counts, &mut small, |now| now.large > u64::from(SHARDS)).await;
    for reader in 0..SLOW_CLIENTS {
        let (client, url, counts) = (client.clone(), gateway.url.clone(), Arc::clone(&counts));
        large.spawn(async move {
            let next = horizon(&client, "large", reader % SHARDS).await;
            read_slowly(&url, &next, |bytes| _ = counts.slow_bytes.fetch_add(bytes, Relaxed)).await;
            unreachable!("it reads again and again")
        });
    }
    let http2 = HttpClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    for reader in 0..SLOW_STREAMS {
        let next = horizon(&client, "large", reader % SHARDS).await;
        large.spawn(read_stream_slowly(http2.clone(), gateway.url.clone(), next, Arc::clone(&counts)));
    }
    until(&counts, &mut small, |now| now.slow_bytes > ENOUGH_SLOW_BYTES).await;

    let before = counts.now();
    until(&counts, &mut small, |now| {
        now.large > before.large + ENOUGH_LARGE
            && now.slow_bytes > before.slow_bytes + ENOUGH_SLOW_BYTES
            && now.small_put > before.small_put + ENOUGH_SMALL
            && now.small_read > before.small_read + ENOUGH_SMALL
    })
    .await;
    counts.done.store(true, Relaxed);
    while let Some(ended) = small.join_next().await {
        ended.expect("no call of the other stream fails");
    }
    large.abort_all();
    while let Some(Err(ended)) = large.join_next().await {
        assert!(ended.is_cancelled(), "a client has failed: {ended}");
    }
    println!(
        "{:?}; peak and kills of pod and gateway: {:?}",
        counts.now(),
        limited.each_ref().map(Cgroup::peak_and_kills)
    );
    for group in limited {
        assert_eq!(group.peak_and_kills().1, 0);
    }
}

/// A stream of four shards in one log, whose group has no members yet.
fn of_one_group(name: &str, max_record_size_kib: u32) -> Stream {
    let shards = Genesis::new(SHARDS, 16, 1_700_000_000).shards().into_iter();
    Stream {
        max_record_size_kib,
        shards: shards.map(|shard| Shard { state: ShardState::Open, ..shard }).collect(),
        logs: vec![LogPlacement { name: "g0".into(), group: "g0".into() }],
        groups: vec![Group { name: "g0".into(), members: Vec::new() }],
        ..stream(name)
    }
}

fn limit(name: &str, process: &Child) -> Cgroup {
    let group = Cgroup::new(name, data_dir().path());
    group.limit_memory(LIMIT_BYTES);
    group.add(process.id().unwrap().into());
    group
}

#[derive(Debug)]
struct Now {
    large: u64,
    slow_bytes: u64,
    small_put: u64,
    small_read: u64,
}

impl Counts {
    fn now(&self) -> Now {
        let [large, slow_bytes, small_put, small_read] =
            [&self.large, &self.slow_bytes, &self.small_put, &self.small_read]
                .map(|count| count.load(Relaxed));
        Now { large, slow_bytes, small_put, small_read }
    }
}

/// Waits until enough was done, while no call of the other stream fails.
async fn until(counts: &Counts, small: &mut JoinSet<()>, is_enough: impl Fn(Now) -> bool) {
    let enough = async {
        while !is_enough(counts.now()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        waited = tokio::time::timeout(Duration::from_secs(240), enough) => {
            assert!(waited.is_ok(), "the load does not go on: {:?}", counts.now());
        }
        Some(ended) = small.join_next() => panic!("a call of the other stream failed: {ended:?}"),
    }
}

/// Puts small records and reads them, one call after the other; each has to succeed.
async fn put_and_read(client: Client, shard: u32, counts: Arc<Counts>) {
    let mut next = horizon(&client, "small", shard).await;
    while !counts.done.load(Relaxed) {
        for key in 0..8 {
            put(&client, "small", &key.to_string(), "small").await;
            counts.small_put.fetch_add(1, Relaxed);
        }
        let (records, after) = read(&client, &next).await;
        counts.small_read.fetch_add(records.len() as u64, Relaxed);
        next = after;
    }
}

/// The body of a PutRecord of a large record to a shard.
fn large_put(shard: u32) -> Bytes {
    let data = base64_simd::STANDARD.encode_to_string(vec![b'x'; RECORD_BYTES]);
    let key = (u128::from(shard) << 126).to_string();
    serde_json::json!({"StreamName": "large", "PartitionKey": "k", "ExplicitHashKey": key, "Data": data})
        .to_string()
        .into()
}

fn request(url: &str, operation: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
        .body(Full::from(body))
        .unwrap()
}

type Http = HttpClient<HttpConnector, Full<Bytes>>;

/// Puts one large record after the other. Where memory is short they are refused.
async fn produce(http: Http, url: String, body: Bytes, counts: Arc<Counts>) -> Infallible {
    loop {
        match http.request(request(&url, "PutRecord", body.clone())).await {
            Ok(answer) if answer.status() == StatusCode::OK => {
                counts.large.fetch_add(1, Relaxed);
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Asks again and again for all that one call gives, over the connection of others, and takes a frame now and then.
async fn read_stream_slowly(http: Http, url: String, next: String, counts: Arc<Counts>) -> Infallible {
    loop {
        let body = serde_json::json!({ "ShardIterator": next }).to_string();
        let Ok(answer) = http.request(request(&url, "GetRecords", body.into())).await else { continue };
        let mut body = answer.into_body();
        for _ in 0..200 {
            let Some(Ok(frame)) = body.frame().await else { break };
            counts.slow_bytes.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
