//! The binary under test, as a process of its own, and clients of it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Far more than anything here takes.
pub const LIMIT: Duration = Duration::from_secs(30);

/// What [`Local::start_traced`] traces. A question mark: not every processor has it.
const TRACED_CALLS: &str =
    "trace=openat,pwrite64,fsync,fdatasync,?rename,?renameat,renameat2,write,writev,sendto";

/// Variables that name a binary of another version for pods, or for gateways (`tests/run skew`).
pub const POD_BINARY: &str = "KINETES_TEST_POD_BINARY";
const GATEWAY_BINARY: &str = "KINETES_TEST_GATEWAY_BINARY";

const TMPFS_MAGIC: i64 = 0x0102_1994;

/// A fresh directory, on a disk.
pub fn data_dir() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let kind = rustix::fs::statfs(directory.path()).unwrap().f_type;
    assert_ne!(kind, TMPFS_MAGIC, "the data directory is in memory: set TMPDIR to a disk");
    directory
}

/// A command of the binary, killed when its process is dropped.
pub fn command(arguments: &[&str]) -> Command {
    let other = match arguments.first() {
        Some(&"serve") => std::env::var_os(POD_BINARY),
        Some(&"gateway") => std::env::var_os(GATEWAY_BINARY),
        _ => None,
    };
    let mut command = Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_shard-server").into()));
    command.args(arguments).env("RUST_LOG", "error").kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Asks a process to end, and waits until it has, well.
pub async fn end(mut process: Child) {
    let id = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let status = timeout(LIMIT, process.wait()).await.expect("it ends in time").unwrap();
    assert!(status.success(), "{status}");
}

/// A running `shard-server local` on a free port.
pub struct Local {
    process: Child,
    /// `http://host:port`.
    pub url: String,
}

impl Local {
    /// Starts on a directory, with more arguments, and waits until it listens.
    pub async fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        let data_dir = data_dir.to_str().unwrap();
        let mut command = command(&["local", "--listen", "127.0.0.1:0", "--data-dir", data_dir]);
        command.args(arguments);
        Self::wait(command).await
    }

    /// Starts on a directory; what it does with files and answers goes to the file `trace`, as strace prints it.
    pub async fn start_traced(data_dir: &Path, trace: &Path) -> Self {
        let mut command = Command::new("strace");
        // The tracer is the child, so that the process is the one that is started and ended here.
        command
            .args(["-D", "-f", "--seccomp-bpf", "-y", "-qq", "-s", "65536", "-e", TRACED_CALLS, "-o"])
            .arg(trace);
        command.arg(env!("CARGO_BIN_EXE_shard-server")).args([
            "local",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
        ]);
        command.arg(data_dir).env("RUST_LOG", "error").kill_on_drop(true).stdin(Stdio::null());
        Self::wait(command).await
    }

    async fn wait(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(LIMIT, lines.next_line()).await.expect("it listens in time").unwrap();
        let line = line.expect("it says where it listens");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Self { process, url }
    }

    /// Kills it. What it handed to the kernel stays: a power cut would take that too, as far as it was not synced.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(self) {
        end(self.process).await;
    }

    /// The id of its process.
    pub fn id(&self) -> u64 {
        self.process.id().unwrap().into()
    }

    /// A number that the kernel keeps of the process, by its name in `/proc/PID/status`.
    pub fn status(&self, name: &str) -> u64 {
        let id = self.process.id().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        client(&self.url)
    }
}

/// A `local` on a fresh directory.
pub async fn local() -> (TempDir, Local) {
    let data_dir = tempfile::tempdir().unwrap();
    let local = Local::start(data_dir.path(), &[]).await;
    (data_dir, local)
}

/// Runs the binary with arguments that it refuses; gives what it says.
pub async fn refusal(arguments: &[&str]) -> String {
    let mut process = command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    let mut stderr = process.stderr.take().unwrap();
    let ended = async {
        stderr.read_to_string(&mut text).await.unwrap();
        process.wait().await.unwrap()
    };
    let status = timeout(LIMIT, ended).await.expect("it ends in time");
    assert!(!status.success(), "{text}");
    text
}

/// A client that says every failure at once.
pub fn client(url: &str) -> Client {
    client_in(url, "us-east-1")
}

/// As [`client`], with signatures for a region.
pub fn client_in(url: &str, region: &'static str) -> Client {
    client_with(url, region, Credentials::new("any", "any", None, None, "test"))
}

/// As [`client_in`], with an access key.
pub fn client_with(url: &str, region: &'static str, credentials: Credentials) -> Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(credentials)
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        // A slow machine is no failure.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Makes a stream.
pub async fn create(client: &Client, name: &str, shards: i32) {
    client.create_stream().stream_name(name).shard_count(shards).send().await.unwrap();
}

/// Puts a record; gives its shard and sequence number.
pub async fn put(client: &Client, stream: &str, key: &str, data: &str) -> (String, String) {
    let put = client.put_record().stream_name(stream).partition_key(key).data(Blob::new(data));
    let answer = put.send().await.unwrap();
    (answer.shard_id, answer.sequence_number)
}

/// An iterator that needs no number or time.
pub async fn iterator(client: &Client, stream: &str, shard: &str, kind: ShardIteratorType) -> String {
    let get = client.get_shard_iterator().stream_name(stream).shard_id(shard).shard_iterator_type(kind);
    get.send().await.unwrap().shard_iterator.unwrap()
}

/// The data of the records that one call gives, and the next iterator.
pub async fn read(client: &Client, iterator: &str) -> (Vec<String>, String) {
    let answer = client.get_records().shard_iterator(iterator).send().await.unwrap();
    let data = answer.records.iter().map(|record| text(&record.data)).collect();
    (data, answer.next_shard_iterator.unwrap())
}

/// The data of all records of all shards, by shard, in order.
pub async fn read_all(client: &Client, stream: &str) -> Vec<String> {
    let mut all = Vec::new();
    for shard in client.list_shards().stream_name(stream).send().await.unwrap().shards.unwrap() {
        let mut next = iterator(client, stream, &shard.shard_id, ShardIteratorType::TrimHorizon).await;
        loop {
            let answer = client.get_records().shard_iterator(&next).send().await.unwrap();
            all.extend(answer.records.iter().map(|record| text(&record.data)));
            if answer.millis_behind_latest == Some(0) {
                break;
            }
            next = answer.next_shard_iterator.unwrap();
        }
    }
    all
}

fn text(data: &Blob) -> String {
    String::from_utf8(data.as_ref().to_vec()).unwrap()
}
