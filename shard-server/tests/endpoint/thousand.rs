//! A thousand streams in one process cost little while they are idle.

use std::path::Path;
use std::time::Instant;

use futures::stream::{self, StreamExt as _};

use crate::program::{create, local, put, read_all};

const STREAMS: usize = 1_000;
const MAX_DISK_BYTES: u64 = 2 << 30;
const MAX_MEMORY_KIB: u64 = 60 << 10;
/// Of the runtime and the process itself: none is a log's.
const MAX_THREADS: u64 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_idle_streams_take_little_memory_and_disk_and_no_thread() {
    let (data_dir, local) = local().await;
    let client = local.client();
    let begin = Instant::now();
    stream::iter(0..STREAMS)
        .for_each_concurrent(16, |number| {
            let client = client.clone();
            async move { create(&client, &format!("stream-{number}"), 4).await }
        })
        .await;
    println!("{STREAMS} streams created in {:.1} s", begin.elapsed().as_secs_f64());
    let disk_bytes = blocks_below(data_dir.path());
    let (memory_kib, threads) = (local.status("VmRSS:"), local.status("Threads:"));
    println!("idle: {disk_bytes} bytes of disk, {memory_kib} KiB of memory, {threads} threads");
    assert!(disk_bytes < MAX_DISK_BYTES, "{disk_bytes} bytes of disk");
    assert!(memory_kib < MAX_MEMORY_KIB, "{memory_kib} KiB of memory");
    assert!(threads < MAX_THREADS, "{threads} threads");
    put(&client, "stream-999", "key", "data").await;
    assert_eq!(read_all(&client, "stream-999").await, ["data"]);
}

/// The space that files below a directory take.
fn blocks_below(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let below = |entry: std::fs::DirEntry| {
        let metadata = entry.metadata().unwrap();
        metadata.blocks() * 512 + if metadata.is_dir() { blocks_below(&entry.path()) } else { 0 }
    };
    entries.map(below).sum()
}
