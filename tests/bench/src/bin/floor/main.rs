//! What the machine allows: the least that a Kinesis endpoint must do, and nothing else. No validation, no limits, no
//! index, no recovery, no reads. With `--keep` it parses, decodes, hashes keys and writes every batch to disk before it
//! answers; with `--forward` another process of it, run with `--store`, does the writing; with neither, it answers every
//! request with a constant: HTTP alone. Where a request tells the SHA-256 of its body, as signed ones may, it is
//! computed.
//!
//! It is measured, never run for its own sake, so that what it cannot do ends it.

mod hop;
mod keep;

use std::borrow::Cow;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use tokio::sync::{mpsc, oneshot};

use hop::Caller;
use keep::Batched;

/// Records in the constant answer to GetRecords: 10 MB of data, the most that AWS gives at once.
const ANSWER_RECORDS: usize = 10_000;

/// The least that an endpoint must do.
#[derive(Parser)]
struct Options {
    /// Address of the endpoint
    #[arg(long)]
    listen: SocketAddr,
    /// Keep the records in this directory
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Have the process at this address keep the records
    #[arg(long, value_name = "ADDRESS", conflicts_with = "keep")]
    forward: Option<SocketAddr>,
    /// Take the records from a process that forwards, instead of HTTP
    #[arg(long, requires = "keep")]
    store: bool,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(borrow)]
    partition_key: Cow<'a, str>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Records<'a> {
    #[serde(borrow)]
    records: Vec<Record<'a>>,
}

/// Where records go to be kept.
#[derive(Clone)]
enum Keeper {
    Thread(std::sync::mpsc::Sender<Batched<Caller>>),
    Process(mpsc::UnboundedSender<Batched<Caller>>),
}

fn main() -> Result<()> {
    let options = Options::parse();
    match &options.keep {
        Some(folder) if options.store => hop::store(options.listen, folder),
        _ => serve(options),
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn serve(options: Options) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    let keeper = match (options.keep, options.forward) {
        (Some(folder), _) => {
            let (sender, waiting) = channel();
            let tell = |firsts: Vec<(Caller, u64)>| {
                for (caller, first) in firsts {
                    caller.send(first).ok();
                }
                Ok(())
            };
            thread::spawn(move || {
                keep::keep(&folder, &waiting, tell).expect("the disk takes what is written");
            });
            Some(Keeper::Thread(sender))
        }
        (None, Some(store)) => Some(Keeper::Process(hop::forward(store).await?)),
        (None, None) => None,
    };
    let page = page()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (keeper, page) = (keeper.clone(), page.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, keeper.clone(), page.clone()));
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    keeper: Option<Keeper>,
    page: Bytes,
) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if let Some(expected) = head.headers.get("x-amz-content-sha256") {
        let computed = sha2::Sha256::digest(&body);
        ensure!(base16(&computed) == expected.as_bytes(), "the body is not what its hash says");
    }
    let target = head.headers.get("x-amz-target").context("no target")?.to_str()?;
    let answer = match (target.trim_start_matches("Kinesis_20131202."), keeper) {
        ("PutRecord", Some(keeper)) => {
            let (first, shards) = write(&[sonic_rs::from_slice(&body)?], body.len(), &keeper).await?;
            let mut text = String::new();
            acknowledge(&mut text, first, shards[0])?;
            text
        }
        ("PutRecords", Some(keeper)) => {
            let records: Records<'_> = sonic_rs::from_slice(&body)?;
            let (first, shards) = write(&records.records, body.len(), &keeper).await?;
            let mut text = String::with_capacity(shards.len() * 130 + 100);
            text.push_str(r#"{"FailedRecordCount":0,"Records":["#);
            for (number, shard) in (first..).zip(shards) {
                acknowledge(&mut text, number, shard)?;
                text.push(',');
            }
            text.pop();
            text + "]}"
        }
        ("PutRecord", None) => r#"{"SequenceNumber":"1","ShardId":"shardId-000000000000"}"#.to_owned(),
        ("PutRecords", None) => r#"{"FailedRecordCount":0,"Records":[]}"#.to_owned(),
        ("GetRecords", _) => return Ok(Response::new(Full::new(page))),
        ("GetShardIterator", _) => r#"{"ShardIterator":"x"}"#.to_owned(),
        ("ListShards", _) => {
            r#"{"Shards":[{"ShardId":"a"},{"ShardId":"b"},{"ShardId":"c"},{"ShardId":"d"}]}"#.to_owned()
        }
        _ => r#"{"StreamDescriptionSummary":{"StreamStatus":"ACTIVE"}}"#.to_owned(),
    };
    Ok(Response::new(Full::new(answer.into())))
}

/// Frames the records and waits until they are written: the sequence number of the first, and each one's shard.
async fn write(records: &[Record<'_>], body_bytes: usize, keeper: &Keeper) -> Result<(u64, Vec<u8>)> {
    let mut frames = Vec::with_capacity(body_bytes);
    let mut shards = Vec::with_capacity(records.len());
    for record in records {
        shards.push(Md5::digest(record.partition_key.as_bytes())[0] >> 6);
        frames.extend_from_slice(&u32::try_from(record.data.len())?.to_le_bytes());
        frames.extend_from_slice(record.partition_key.as_bytes());
        base64_simd::STANDARD.decode_append(record.data.as_bytes(), &mut frames)?;
    }
    let (caller, first) = oneshot::channel();
    let batched = Batched { frames, records: shards.len() as u64, caller };
    match keeper {
        Keeper::Thread(sender) => sender.send(batched)?,
        Keeper::Process(sender) => sender.send(batched)?,
    }
    Ok((first.await?, shards))
}

fn acknowledge(text: &mut String, number: u64, shard: u8) -> std::fmt::Result {
    write!(text, r#"{{"SequenceNumber":"{number:056}","ShardId":"shardId-{shard:012}"}}"#)
}

/// A constant answer to GetRecords.
fn page() -> Result<Bytes> {
    let data = "A".repeat(1368);
    let mut text = r#"{"Records":["#.to_owned();
    for number in 0..ANSWER_RECORDS {
        write!(
            text,
            r#"{{"SequenceNumber":"{number:056}","Data":"{data}","PartitionKey":"customer-{number:08}","ApproximateArrivalTimestamp":1764000000.000}},"#
        )?;
    }
    text.pop();
    Ok((text + r#"],"NextShardIterator":"x","MillisBehindLatest":0}"#).into())
}

fn base16(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}
