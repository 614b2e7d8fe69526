//! Within a memory limit under everything at once: the kernel never has to kill.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::{Client as HttpClient, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::cgroup::Cgroup;
use crate::program::{Local, create, data_dir, iterator};

const STREAM: &str = "orders";
const SHARDS: i32 = 64;
const PRODUCERS: u64 = 64;
/// The first producers share one connection of HTTP/2; the others are SDKs, which speak HTTP/1.1.
const HTTP2_PRODUCERS: u64 = 16;
const SLOW_CLIENTS: u32 = 64;
const LIMIT_BYTES: u64 = 256 << 20;
/// What the disk takes in a second.
const DISK_BYTES_PER_SECOND: u64 = 40 << 20;
/// So little that the disk stands still.
const STALLED_BYTES_PER_SECOND: u64 = 4096;
const RECORD_BYTES: usize = 1024;
const RECORDS_PER_PUT: u64 = 100;
/// Records that are acknowledged or read before the load counts as going on.
const ENOUGH: u64 = 20_000;
/// What may still be acknowledged while the disk stands still: of each producer the request that it waits for, which
/// was written just before, or was being written. What it asks for next has to wait.
const ON_THEIR_WAY: u64 = PRODUCERS * RECORDS_PER_PUT;

/// What was counted while everything goes on.
#[derive(Default)]
struct Counts {
    acknowledged: AtomicU64,
    read: AtomicU64,
    slow_bytes: AtomicU64,
    done: AtomicBool,
}

/// The outcomes of the producers' records, each known by its first bytes.
#[derive(Default)]
struct Outcomes {
    acknowledged: Vec<String>,
    /// Refused or not answered: they may be in the log or not.
    unknown: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_stays_within_256_mib_and_loses_nothing() {
    let data_dir = data_dir();
    let group = Cgroup::new("bounded", data_dir.path());
    group.limit_memory(LIMIT_BYTES);
    group.limit_writes(DISK_BYTES_PER_SECOND);
    let local = Local::start(data_dir.path(), &[]).await;
    group.add(local.id());
    let client = local.client();
    create(&client, STREAM, SHARDS).await;

    let counts = Arc::new(Counts::default());
    let http2 = HttpClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    let mut producers = JoinSet::new();
    for producer in 0..PRODUCERS {
        let endpoint = match producer < HTTP2_PRODUCERS {
            true => Endpoint::Http2(Box::new(http2.clone()), local.url.clone()),
            false => Endpoint::Sdk(client.clone()),
        };
        producers.spawn(produce(endpoint, producer, Arc::clone(&counts)));
    }
    until(&counts, |acknowledged, _, _| acknowledged > ENOUGH).await;
    let mut readers = JoinSet::new();
    for index in 0..SHARDS as u32 {
        readers.spawn(read_from_the_horizon(client.clone(), index, Arc::clone(&counts)));
    }
    for index in 0..SLOW_CLIENTS {
        let (client, url, counts) = (client.clone(), local.url.clone(), Arc::clone(&counts));
        readers.spawn(async move {
            let next = horizon(&client, STREAM, index % SHARDS as u32).await;
            read_slowly(&url, &next, |bytes| _ = counts.slow_bytes.fetch_add(bytes, Relaxed)).await;
        });
    }
    until(&counts, |_, read, slow_bytes| slow_bytes > 0 && read > ENOUGH).await;

    group.limit_writes(STALLED_BYTES_PER_SECOND);
    let (acknowledged, read) = (counts.acknowledged.load(Relaxed), counts.read.load(Relaxed));
    // The stall is the fault, not a wait for something.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let in_stall = counts.acknowledged.load(Relaxed) - acknowledged;
    group.limit_writes(DISK_BYTES_PER_SECOND);
    until(&counts, |now, read_now, _| now > acknowledged + ENOUGH && read_now > read + ENOUGH).await;

    counts.done.store(true, Relaxed);
    let mut outcomes = Outcomes::default();
    while let Some(ended) = producers.join_next().await {
        let ended = ended.unwrap();
        outcomes.acknowledged.extend(ended.acknowledged);
        outcomes.unknown.extend(ended.unknown);
    }
    let written = group.written_bytes();
    readers.abort_all();
    while let Some(Err(ended)) = readers.join_next().await {
        assert!(ended.is_cancelled(), "a reader has failed: {ended}");
    }
    let in_log = read_all(&client).await;
    let (peak, kills) = group.peak_and_kills();
    let memory_kib = local.status("VmHWM:");
    local.stop().await;
    let acknowledged = outcomes.acknowledged.len();
    println!(
        "{acknowledged} acknowledged ({in_stall} in the stall), {} unknown, {} in the log; {written} bytes written; \
         cgroup peak {peak} bytes, process {memory_kib} KiB",
        outcomes.unknown.len(),
        in_log.len()
    );
    assert!(in_stall <= ON_THEIR_WAY, "{in_stall} acknowledged while the disk stood still");
    assert!(
        written >= (acknowledged * RECORD_BYTES) as u64,
        "{written} bytes written, {acknowledged} acknowledged"
    );
    outcomes.check(&in_log);
    assert_eq!(kills, 0);
    assert!(memory_kib * 1024 < LIMIT_BYTES);
}

impl Outcomes {
    /// Checks that every acknowledged record is in the log once, and no record that was never put.
    fn check(&self, in_log: &[String]) {
        let found: HashSet<_> = in_log.iter().collect();
        assert_eq!(found.len(), in_log.len(), "some records are there twice");
        let lost: Vec<_> = self.acknowledged.iter().filter(|record| !found.contains(record)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let put: HashSet<_> = self.acknowledged.iter().chain(&self.unknown).collect();
        let strange: Vec<_> = found.difference(&put).collect();
        assert!(strange.is_empty(), "never put: {strange:?}");
    }
}

/// Waits until what was acknowledged, read, and read slowly is enough.
async fn until(counts: &Counts, is_enough: impl Fn(u64, u64, u64) -> bool) {
    let now = || [&counts.acknowledged, &counts.read, &counts.slow_bytes].map(|count| count.load(Relaxed));
    let holds = || {
        let [acknowledged, read, slow_bytes] = now();
        is_enough(acknowledged, read, slow_bytes)
    };
    let waited = tokio::time::timeout(Duration::from_secs(240), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "the load does not go on: {:?} acknowledged, read, slow bytes", now());
}

/// How a producer reaches the endpoint.
enum Endpoint {
    Sdk(Client),
    Http2(Box<HttpClient<HttpConnector, Full<Bytes>>>, String),
}

impl Endpoint {
    /// Puts records under their own names, and gives how it went: none where the request as a whole was refused, else
    /// whether each record was acknowledged.
    async fn put(&self, names: &[String]) -> Option<Vec<bool>> {
        match self {
            Self::Sdk(client) => {
                let entry = |name: &String| {
                    let entry = PutRecordsRequestEntry::builder().partition_key(name);
                    entry.data(Blob::new(body(name))).build().unwrap()
                };
                let put = client.put_records().stream_name(STREAM);
                let answer = put.set_records(Some(names.iter().map(entry).collect())).send().await.ok()?;
                Some(answer.records.iter().map(|record| record.sequence_number.is_some()).collect())
            }
            Self::Http2(client, url) => {
                let record = |name: &String| {
                    let data = base64_simd::STANDARD.encode_to_string(body(name));
                    serde_json::json!({"Data": data, "PartitionKey": name})
                };
                let records: Vec<_> = names.iter().map(record).collect();
                let body = serde_json::json!({"StreamName": STREAM, "Records": records}).to_string();
                let request = Request::post(url)
                    .header("content-type", "application/x-amz-json-1.1")
                    .header("x-amz-target", "Kinesis_20131202.PutRecords")
                    .body(Full::from(body));
                let answer = client.request(request.unwrap()).await.ok()?;
                let is_taken = answer.status() == StatusCode::OK;
                let body = answer.into_body().collect().await.ok()?.to_bytes();
                if !is_taken {
                    return None;
                }
                let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let records = answer["Records"].as_array().unwrap();
                Some(records.iter().map(|record| record["SequenceNumber"].is_string()).collect())
            }
        }
    }
}

/// The name of a record, and all that follows it.
fn body(name: &str) -> Vec<u8> {
    format!("{name:x<RECORD_BYTES$}").into_bytes()
}

async fn produce(endpoint: Endpoint, producer: u64, counts: Arc<Counts>) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut number = 0;
    while !counts.done.load(Relaxed) {
        let names: Vec<_> =
            (0..RECORDS_PER_PUT).map(|record| format!("{producer}-{number}-{record}-")).collect();
        // A full queue refuses records, or the whole request.
        let taken = endpoint.put(&names).await.unwrap_or_else(|| vec![false; names.len()]);
        counts.acknowledged.fetch_add(taken.iter().filter(|taken| **taken).count() as u64, Relaxed);
        for (name, is_taken) in names.into_iter().zip(taken) {
            let records = if is_taken { &mut outcomes.acknowledged } else { &mut outcomes.unknown };
            records.push(name);
        }
        number += 1;
    }
    outcomes
}

/// An iterator from the oldest record on. Under this load a call may fail; what counts is that readers go on.
pub async fn horizon(client: &Client, stream: &str, shard: u32) -> String {
    loop {
        let shard = format!("shardId-{shard:012}");
        let get = client.get_shard_iterator().stream_name(stream).shard_id(shard);
        let answer = get.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await;
        if let Ok(answer) = answer {
            return answer.shard_iterator.unwrap();
        }
    }
}

async fn read_from_the_horizon(client: Client, index: u32, counts: Arc<Counts>) {
    let mut next = horizon(&client, STREAM, index).await;
    loop {
        if let Ok(answer) = client.get_records().shard_iterator(&next).send().await {
            counts.read.fetch_add(answer.records.len() as u64, Relaxed);
            next = answer.next_shard_iterator.unwrap();
        }
    }
}

/// Asks again and again for all that one call gives, and takes a few kilobytes of it now and then.
pub async fn read_slowly(url: &str, next: &str, takes: impl Fn(u64)) {
    let address: std::net::SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let body = format!("{{\"ShardIterator\":\"{next}\"}}");
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-amz-json-1.1\r\nx-amz-target: \
             Kinesis_20131202.GetRecords\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(head.as_bytes()).await.is_err() {
            continue;
        }
        let mut some = [0; 2048];
        for _ in 0..200 {
            match stream.read(&mut some).await {
                Ok(0) | Err(_) => break,
                Ok(bytes) => takes(bytes as u64),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The names of all records.
async fn read_all(client: &Client) -> Vec<String> {
    let mut names = Vec::new();
    for index in 0..SHARDS {
        let shard = format!("shardId-{index:012}");
        let mut next = iterator(client, STREAM, &shard, ShardIteratorType::TrimHorizon).await;
        loop {
            let answer = client.get_records().shard_iterator(&next).send().await.unwrap();
            for record in &answer.records {
                let data = std::str::from_utf8(record.data.as_ref()).unwrap();
                assert_eq!(data.len(), RECORD_BYTES);
                names.push(data.trim_end_matches('x').to_owned());
            }
            if answer.records.is_empty() && answer.millis_behind_latest == Some(0) {
                break;
            }
            next = answer.next_shard_iterator.unwrap();
        }
    }
    names
}
