//! Counts what a record costs in allocations and copies: requests go through decoding, routing, group, log and encoding,
//! in this process, while `tests/bench/copies/run` counts every call of `malloc`, `memcpy` and their like. Nothing is timed.
#![allow(clippy::cast_precision_loss, reason = "what is counted is far below 52 bits")]

mod counts;
mod parts;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use bytes::Bytes;
use clap::Parser;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use shard_server::gateway::http::KinesisService;

use counts::Counter;
use parts::STREAM;

/// Data of a record.
const RECORD_BYTES: usize = 1024;
/// Requests of 500 records that are put before anything is counted: more than one answer to GetRecords has of each shard, and
/// less than a tail cache keeps.
const FIRST_REQUESTS: usize = 40;
/// The same before reads of segments are counted: more than a tail cache keeps.
const SECOND_REQUESTS: usize = 120;
/// What an answer to PutRecords ends with where every record is durable.
const NONE_FAILED: &[u8] = br#""FailedRecordCount":0}"#;

#[derive(Parser)]
struct Options {
    /// The file that is written
    #[arg(long)]
    out: PathBuf,
    /// Requests of each kind that are counted
    #[arg(long)]
    requests: usize,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is counted.
#[derive(Clone, Copy)]
enum Case {
    /// So many records a request, in so many requests at once; with one record it is PutRecord.
    Put { records: usize, at_once: usize },
    /// All that one GetRecords gives of a shard, one after the other.
    Get,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let counter = Counter::open()?;
    let local = table(&parts::in_one_process().await?.service, &counter, options.requests).await?;
    let remote = table(&parts::gateway_and_pod().await?.service, &counter, options.requests).await?;
    fs::write(&options.out, page(&local, &remote)?)?;
    Ok(())
}

/// The names of the cases, and what each takes a record.
type Table = Vec<(&'static str, [f64; 4])>;

async fn table(service: &KinesisService, counter: &Counter, requests: usize) -> Result<Table> {
    let put = |records, at_once| Case::Put { records, at_once };
    drive(service, puts(500, FIRST_REQUESTS)?, 8).await?;
    let mut rows = vec![("GetRecords from memory", counted(service, counter, Case::Get, requests).await?)];
    drive(service, puts(500, SECOND_REQUESTS)?, 8).await?;
    for (name, case) in [
        ("GetRecords from segments", Case::Get),
        ("PutRecords x 500, 8 at once", put(500, 8)),
        ("PutRecords x 100, 8 at once", put(100, 8)),
        ("PutRecord, 8 at once", put(1, 8)),
        ("PutRecord, 64 at once", put(1, 64)),
    ] {
        rows.push((name, counted(service, counter, case, requests).await?));
    }
    Ok(rows)
}

/// What a record of this case takes, once caches and buffers are as they stay.
async fn counted(
    service: &KinesisService,
    counter: &Counter,
    case: Case,
    requests: usize,
) -> Result<[f64; 4]> {
    let (records, at_once) = match case {
        // A request of one record is little of a sample.
        Case::Put { records: 1, at_once } => (32 * requests, at_once),
        Case::Put { records, at_once } => (records * requests, at_once),
        Case::Get => (0, 1),
    };
    let iterator = iterator(service).await?;
    let make = || match case {
        Case::Put { records: per_request, .. } => puts(per_request, records / per_request),
        Case::Get => (0..requests).map(|_| get(&iterator)).collect(),
    };
    let records = match case {
        Case::Put { .. } => records as u64,
        Case::Get => {
            let page: Value = serde_json::from_slice(&whole(service, get(&iterator)?).await?)?;
            let found = page["Records"].as_array().map_or(0, Vec::len);
            ensure!(found > 1_000, "{found} records in a page");
            (found * requests) as u64
        }
    };
    drive(service, make()?, at_once).await?;
    let requests = make()?;
    let before = counter.now()?;
    drive(service, requests, at_once).await?;
    Ok(counter.now()?.since(before, records))
}

type Call = Request<Full<Bytes>>;

/// Has all requests answered, so many at once. Nothing is allocated or copied here a request.
async fn drive(service: &KinesisService, requests: Vec<Call>, at_once: usize) -> Result<()> {
    let mut clients: Vec<Vec<Call>> = (0..at_once).map(|_| Vec::new()).collect();
    for (number, request) in requests.into_iter().enumerate() {
        clients[number % at_once].push(request);
    }
    let clients = clients.into_iter().map(|requests| {
        let service = service.clone();
        tokio::spawn(async move {
            for request in requests {
                answered(&service, request).await?;
            }
            anyhow::Ok(())
        })
    });
    // All of them begin before one is waited for.
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    Ok(())
}

async fn answered(service: &KinesisService, request: Call) -> Result<()> {
    let is_list = request.headers()["x-amz-target"].as_bytes().ends_with(b"PutRecords");
    let answer = service.answer(request).await?;
    ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
    let mut body = answer.into_body();
    let mut last = Bytes::new();
    while let Some(frame) = body.frame().await {
        last = frame?.into_data().unwrap_or_default();
    }
    ensure!(!is_list || last.ends_with(NONE_FAILED), "a record was refused");
    Ok(())
}

async fn whole(service: &KinesisService, request: Call) -> Result<Bytes> {
    Ok(service.answer(request).await?.into_body().collect().await?.to_bytes())
}

async fn iterator(service: &KinesisService) -> Result<String> {
    let ask = json!({
        "StreamName": STREAM, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"
    });
    let answer: Value = serde_json::from_slice(&whole(service, call("GetShardIterator", &ask)?).await?)?;
    Ok(answer["ShardIterator"].as_str().unwrap_or_default().to_owned())
}

fn get(iterator: &str) -> Result<Call> {
    call("GetRecords", &json!({ "ShardIterator": iterator }))
}

/// Requests of so many records each, with keys that spread over all shards.
fn puts(records: usize, requests: usize) -> Result<Vec<Call>> {
    let data = base64_simd::STANDARD.encode_to_string([b'x'; RECORD_BYTES]);
    let record = |number| json!({ "PartitionKey": format!("customer-{number:08x}"), "Data": data });
    let request = |number| match records {
        1 => {
            let mut one = record(number);
            one["StreamName"] = STREAM.into();
            call("PutRecord", &one)
        }
        _ => {
            let list: Vec<_> = (number * records..(number + 1) * records).map(record).collect();
            call("PutRecords", &json!({ "StreamName": STREAM, "Records": list }))
        }
    };
    (0..requests).map(request).collect()
}

fn call(operation: &str, body: &Value) -> Result<Call> {
    let request = Request::post("/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("Kinesis_20131202.{operation}"));
    Ok(request.body(Full::from(body.to_string()))?)
}

fn page(local: &Table, remote: &Table) -> Result<String> {
    let mut page = String::from(
        "# What a record costs: allocations and copies\n\n\
         Made by `tests/bench/copies/run`. Requests go through the endpoint, a shard group and its log in one process, and all\n\
         calls of `malloc` and its like, and of `memcpy` and `memmove`, are counted meanwhile and divided by the records.\n\
         Records are of 1 KiB in 4 shards of one log: a request has 1.4 KB a record, and an answer 1.6 KB.\n\
         *In one process* is the path of `local`; *gateway and pod* has HTTP/2 between the two and counts both.\n\
         Not in it: HTTP between client and endpoint, what the kernel copies (sockets, page cache, disk), and copies of a few\n\
         bytes that need no call. Numbers differ a little from run to run, as records that arrive together share work.\n\n\
         | | | allocations | allocated bytes | copies | copied bytes |\n|---|---|---|---|---|---|\n",
    );
    for (parts, rows) in [("in one process", local), ("gateway and pod", remote)] {
        for (name, [allocations, allocated, copies, copied]) in rows {
            writeln!(
                page,
                "| {name} | {parts} | {allocations:.2} | {allocated:.0} | {copies:.2} | {copied:.0} |"
            )?;
        }
    }
    Ok(page)
}
