//! Within a memory limit under everything at once: the kernel never has to kill.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::program::{Local, create, iterator};

const STREAM: &str = "orders";
const SHARDS: i32 = 64;
const PRODUCERS: u64 = 64;
const SLOW_CLIENTS: u32 = 64;
const LIMIT_BYTES: u64 = 256 << 20;
/// What the disk takes in a second.
const DISK_BYTES_PER_SECOND: u64 = 40 << 20;
/// So little that the disk stands still.
const STALLED_BYTES_PER_SECOND: u64 = 4096;
const RECORD_BYTES: usize = 1024;
const RECORDS_PER_PUT: u64 = 100;

/// A cgroup of version 1, or the unified one, made for this test.
struct Cgroup {
    memory: PathBuf,
    disk: PathBuf,
    unified: bool,
    device: String,
}

impl Cgroup {
    fn new(data_dir: &Path) -> Self {
        let name = format!("kinetes-test-{}", std::process::id());
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let group = |controller: &str| match unified {
            true => Path::new("/sys/fs/cgroup").join(&name),
            false => Path::new("/sys/fs/cgroup").join(controller).join(&name),
        };
        let (memory, disk) = (group("memory"), group("blkio"));
        for directory in [&memory, &disk] {
            std::fs::create_dir_all(directory).expect("a cgroup: the test needs root");
        }
        let group = Self { memory, disk, unified, device: device_of(data_dir) };
        let limit = if unified { "memory.max" } else { "memory.limit_in_bytes" };
        std::fs::write(group.memory.join(limit), LIMIT_BYTES.to_string()).unwrap();
        group.limit_disk(DISK_BYTES_PER_SECOND);
        group
    }

    fn add(&self, process: u64) {
        for directory in [&self.memory, &self.disk] {
            std::fs::write(directory.join("cgroup.procs"), process.to_string()).unwrap();
        }
    }

    fn limit_disk(&self, bytes_per_second: u64) {
        let (file, line) = match self.unified {
            true => ("io.max", format!("{} wbps={bytes_per_second}", self.device)),
            false => ("blkio.throttle.write_bps_device", format!("{} {bytes_per_second}", self.device)),
        };
        std::fs::write(self.disk.join(file), line).unwrap();
    }

    /// The most memory that was used at once, and how many processes the kernel killed.
    fn peak_and_kills(&self) -> (u64, u64) {
        let (peak, events) = match self.unified {
            true => ("memory.peak", "memory.events"),
            false => ("memory.max_usage_in_bytes", "memory.oom_control"),
        };
        let peak = std::fs::read_to_string(self.memory.join(peak)).unwrap().trim().parse().unwrap();
        let events = std::fs::read_to_string(self.memory.join(events)).unwrap();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill ")).unwrap();
        (peak, kills.trim().parse().unwrap())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in [&self.memory, &self.disk] {
            let _ = std::fs::remove_dir(directory);
        }
    }
}

/// `major:minor` of the disk that a directory is on.
fn device_of(directory: &Path) -> String {
    let arguments = ["--noheadings", "--output", "MAJ:MIN", "--target"];
    let output = Command::new("findmnt").args(arguments).arg(directory).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[derive(Default)]
struct Counts {
    acknowledged: AtomicU64,
    read: AtomicU64,
    slow_bytes: AtomicU64,
    done: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_stays_within_256_mib_and_loses_nothing() {
    let data_dir = tempfile::tempdir().unwrap();
    let group = Cgroup::new(data_dir.path());
    let local = Local::start(data_dir.path(), &[]).await;
    group.add(local.id());
    let client = local.client();
    create(&client, STREAM, SHARDS).await;

    let counts = Arc::new(Counts::default());
    let mut producers = JoinSet::new();
    for producer in 0..PRODUCERS {
        producers.spawn(produce(client.clone(), producer, Arc::clone(&counts)));
    }
    until(|| counts.acknowledged.load(Relaxed) > 20_000).await;
    let mut readers = JoinSet::new();
    for index in 0..SHARDS {
        readers.spawn(read_from_the_horizon(client.clone(), index, Arc::clone(&counts)));
    }
    for index in 0..SLOW_CLIENTS {
        readers.spawn(read_slowly(
            client.clone(),
            local.url.clone(),
            index % SHARDS as u32,
            Arc::clone(&counts),
        ));
    }
    until(|| counts.slow_bytes.load(Relaxed) > 0 && counts.read.load(Relaxed) > 20_000).await;

    let (acknowledged, read) = (counts.acknowledged.load(Relaxed), counts.read.load(Relaxed));
    group.limit_disk(STALLED_BYTES_PER_SECOND);
    // The stall is the fault, not a wait for something.
    tokio::time::sleep(Duration::from_secs(5)).await;
    group.limit_disk(DISK_BYTES_PER_SECOND);
    until(|| {
        counts.acknowledged.load(Relaxed) > acknowledged + 20_000 && counts.read.load(Relaxed) > read + 20_000
    })
    .await;

    counts.done.store(true, Relaxed);
    while let Some(ended) = producers.join_next().await {
        ended.unwrap();
    }
    readers.shutdown().await;
    let in_log = count_all(&client).await;
    let (peak, kills) = group.peak_and_kills();
    let memory_kib = local.status("VmHWM:");
    local.stop().await;
    let acknowledged = counts.acknowledged.load(Relaxed);
    println!(
        "{acknowledged} acknowledged, {in_log} in the log; cgroup peak {peak} bytes, process {memory_kib} KiB"
    );
    assert!(in_log >= acknowledged, "{acknowledged} acknowledged, {in_log} in the log");
    assert_eq!(kills, 0);
    assert!(memory_kib * 1024 < LIMIT_BYTES);
}

async fn until(holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(240), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("the load goes on");
}

async fn produce(client: Client, producer: u64, counts: Arc<Counts>) {
    let data = vec![b'x'; RECORD_BYTES];
    let mut number = 0;
    while !counts.done.load(Relaxed) {
        let entry = |record: u64| {
            let key = format!("{producer}-{number}-{record}");
            PutRecordsRequestEntry::builder()
                .partition_key(key)
                .data(Blob::new(data.clone()))
                .build()
                .unwrap()
        };
        let records = (0..RECORDS_PER_PUT).map(entry).collect();
        // A full queue refuses records, or the whole request: what was acknowledged counts.
        if let Ok(answer) = client.put_records().stream_name(STREAM).set_records(Some(records)).send().await {
            let failed = u64::try_from(answer.failed_record_count.unwrap_or(0)).unwrap();
            counts.acknowledged.fetch_add(RECORDS_PER_PUT - failed, Relaxed);
        }
        number += 1;
    }
}

async fn read_from_the_horizon(client: Client, index: i32, counts: Arc<Counts>) {
    let shard = format!("shardId-{index:012}");
    let mut next = iterator(&client, STREAM, &shard, ShardIteratorType::TrimHorizon).await;
    loop {
        if let Ok(answer) = client.get_records().shard_iterator(&next).send().await {
            counts.read.fetch_add(answer.records.len() as u64, Relaxed);
            next = answer.next_shard_iterator.unwrap();
        }
    }
}

/// Asks for all that one call gives and takes a few kilobytes of it now and then.
async fn read_slowly(client: Client, url: String, index: u32, counts: Arc<Counts>) {
    let shard = format!("shardId-{index:012}");
    let next = iterator(&client, STREAM, &shard, ShardIteratorType::TrimHorizon).await;
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
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut some = [0; 2048];
        for _ in 0..200 {
            match stream.read(&mut some).await {
                Ok(0) | Err(_) => break,
                Ok(bytes) => {
                    counts.slow_bytes.fetch_add(bytes as u64, Relaxed);
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn count_all(client: &Client) -> u64 {
    let mut total = 0;
    for index in 0..SHARDS {
        let shard = format!("shardId-{index:012}");
        let mut next = iterator(client, STREAM, &shard, ShardIteratorType::TrimHorizon).await;
        loop {
            let answer = client.get_records().shard_iterator(&next).send().await.unwrap();
            total += answer.records.len() as u64;
            if answer.records.is_empty() && answer.millis_behind_latest == Some(0) {
                break;
            }
            next = answer.next_shard_iterator.unwrap();
        }
    }
    total
}
