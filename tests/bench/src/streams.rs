//! Many streams that nobody uses.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tokio::task::JoinSet;

use crate::server::Server;
use crate::service::kinesis::Connection;

/// Clients that make streams at once.
const CLIENTS: u32 = 8;

/// How long a process is left alone before it counts as idle.
const QUIET: Duration = Duration::from_secs(3);

/// Makes so many streams of one shard, by 8 clients, and gives how long it took until the last was answered for.
///
/// # Errors
/// If one is refused.
pub async fn create(address: SocketAddr, streams: u32) -> Result<Duration> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for stream in (client..streams).step_by(CLIENTS as usize) {
                let request = json!({"StreamName": format!("stream-{stream}"), "ShardCount": 1});
                connection.call("CreateStream", &request).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(begun.elapsed())
}

/// The memory of a server that was left alone for a while.
///
/// # Errors
/// If it is no more.
pub async fn idle_memory_bytes(server: &Server) -> Result<u64> {
    tokio::time::sleep(QUIET).await;
    server.memory_bytes()
}

/// What the files below a folder take of the disk.
///
/// # Errors
/// If one cannot be looked at.
pub fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            bytes += disk_bytes(&entry.path())?;
        }
    }
    Ok(bytes)
}
