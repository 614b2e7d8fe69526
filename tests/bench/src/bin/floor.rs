//! What the machine allows: the least that a Kinesis endpoint must do, and nothing else. No validation, no limits, no
//! index, no recovery, no reads. With `--keep` it parses, decodes, hashes keys and writes every batch to disk before it
//! answers; without, it answers every request with a constant: HTTP alone. Where a request tells the SHA-256 of its
//! body, as signed ones may, it is computed.
//!
//! It is measured, never run for its own sake, so that what it cannot do ends it.

use std::borrow::Cow;
use std::fmt::Write;
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
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
use rustix::fs::{FallocateFlags, OFlags, fallocate};
use tokio::sync::oneshot;

const SEGMENT_BYTES: u64 = 64 << 20;
const BLOCK_BYTES: usize = 4096;

/// A batch is written when it has this many bytes, or when no more requests wait.
const BATCH_BYTES: usize = 1 << 20;

/// The largest body of a request, and room for one batch before it.
const BUFFER_BYTES: usize = 32 << 20;

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

/// The frames of a request, to be written; `written` gets the sequence number of the first.
struct Batched {
    frames: Vec<u8>,
    records: u64,
    written: oneshot::Sender<u64>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    let writes = options.keep.map(|folder| {
        let (sender, receiver) = channel();
        thread::spawn(move || keep(&folder, &receiver).expect("the disk takes what is written"));
        sender
    });
    let page = page()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (writes, page) = (writes.clone(), page.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, writes.clone(), page.clone()));
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    writes: Option<Sender<Batched>>,
    page: Bytes,
) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if let Some(expected) = head.headers.get("x-amz-content-sha256") {
        let computed = sha2::Sha256::digest(&body);
        ensure!(base16(&computed) == expected.as_bytes(), "the body is not what its hash says");
    }
    let target = head.headers.get("x-amz-target").context("no target")?.to_str()?;
    let answer = match (target.trim_start_matches("Kinesis_20131202."), writes) {
        ("PutRecord", Some(writes)) => {
            let (first, shards) = write(&[sonic_rs::from_slice(&body)?], body.len(), &writes).await?;
            let mut text = String::new();
            acknowledge(&mut text, first, shards[0])?;
            text
        }
        ("PutRecords", Some(writes)) => {
            let records: Records<'_> = sonic_rs::from_slice(&body)?;
            let (first, shards) = write(&records.records, body.len(), &writes).await?;
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
async fn write(
    records: &[Record<'_>],
    body_bytes: usize,
    writes: &Sender<Batched>,
) -> Result<(u64, Vec<u8>)> {
    let mut frames = Vec::with_capacity(body_bytes);
    let mut shards = Vec::with_capacity(records.len());
    for record in records {
        shards.push(Md5::digest(record.partition_key.as_bytes())[0] >> 6);
        frames.extend_from_slice(&u32::try_from(record.data.len())?.to_le_bytes());
        frames.extend_from_slice(record.partition_key.as_bytes());
        base64_simd::STANDARD.decode_append(record.data.as_bytes(), &mut frames)?;
    }
    let (written, first) = oneshot::channel();
    writes.send(Batched { frames, records: shards.len() as u64, written })?;
    Ok((first.await?, shards))
}

/// Writes batches into fresh fallocated segments, in whole blocks by O_DIRECT and O_DSYNC: write and sync are one call.
fn keep(folder: &Path, writes: &Receiver<Batched>) -> Result<()> {
    let (ready, fresh) = sync_channel(2);
    let folder = folder.to_owned();
    thread::spawn(move || (0..).try_for_each(|number| ready.send(segment(&folder, number)).ok()));
    let mut space = vec![0; BUFFER_BYTES + BATCH_BYTES + BLOCK_BYTES];
    let skipped = space.as_ptr().align_offset(BLOCK_BYTES);
    let buffer = &mut space[skipped..];
    let mut active: File = fresh.recv()??;
    let (mut position, mut next) = (0, 1);
    while let Ok(first) = writes.recv() {
        let mut batch = vec![first];
        let mut bytes = 0;
        loop {
            let frames = &batch[batch.len() - 1].frames;
            buffer[bytes..bytes + frames.len()].copy_from_slice(frames);
            bytes += frames.len();
            if bytes >= BATCH_BYTES {
                break;
            }
            match writes.try_recv() {
                Ok(more) => batch.push(more),
                Err(_) => break,
            }
        }
        let checksum = crc32c::crc32c(&buffer[..bytes]);
        buffer[bytes..bytes + 4].copy_from_slice(&checksum.to_le_bytes());
        bytes = (bytes + 4).next_multiple_of(BLOCK_BYTES);
        if position + bytes as u64 > SEGMENT_BYTES {
            active = fresh.recv()??;
            position = 0;
        }
        active.write_all_at(&buffer[..bytes], position)?;
        position += bytes as u64;
        for request in batch {
            request.written.send(next).ok();
            next += request.records;
        }
    }
    Ok(())
}

fn segment(folder: &Path, number: u32) -> Result<File> {
    let flags = i32::try_from((OFlags::DIRECT | OFlags::DSYNC).bits())?;
    let path = folder.join(format!("{number}.segment"));
    let file = OpenOptions::new().create_new(true).write(true).custom_flags(flags).open(path)?;
    fallocate(&file, FallocateFlags::empty(), 0, SEGMENT_BYTES)?;
    Ok(file)
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
