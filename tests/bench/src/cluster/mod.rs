//! Kinetes as it runs in a cluster, without one: a gateway and a pod a shard group as processes of this machine, and a
//! catalog service that is played here, in place of the operator.

mod catalog_service;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use catalog::map::log_name;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::server::{End, PATIENCE, Process, Server, free_address};
use crate::service::kinesis;
pub use catalog_service::CatalogService;
use catalog_service::Pod;

/// The UID of the only stream.
const STREAM_UID: &str = "bench";

/// Starts an installation for one stream in so many groups. Each has a volume of its own in `folder`, where the
/// catalog and the keys of iterators are too, so that a later start goes on with them.
///
/// # Errors
/// If a process does not come up.
pub async fn start(shard_server: &Path, folder: &Path, groups: u32) -> Result<Server> {
    let (mut processes, mut pods) = (vec![], vec![]);
    for group in (0..groups).map(log_name) {
        let (address, admin) = (free_address()?, free_address()?);
        let mut command = Command::new(shard_server);
        command.arg("serve").args(["--listen", &address.to_string(), "--admin-listen", &admin.to_string()]);
        command.args(["--stream-uid", STREAM_UID, "--group", &group]);
        command.arg("--data-dir").arg(folder.join(&group));
        let log = folder.with_extension(format!("{group}.log"));
        processes.push(Process::start(&mut command, address, &log, End::Asked).await?);
        pods.push(Pod { group, address, admin });
    }
    let catalog_service = CatalogService::start(folder.join("catalog.json"), pods).await?;
    catalog_service.pods_ready().await?;
    let gateway = gateway(shard_server, folder, catalog_service.address).await?;
    Ok(Server::of_several(gateway, processes, Some(catalog_service)))
}

/// It is killed in the end: it keeps nothing, and takes seconds to end in which load balancers may forget it.
async fn gateway(shard_server: &Path, folder: &Path, catalog_service: SocketAddr) -> Result<Process> {
    let (address, admin) = (free_address()?, free_address()?);
    let keys = folder.join("keys");
    fs::create_dir_all(&keys)?;
    fs::write(keys.join("current"), [7; 32])?;
    let mut command = Command::new(shard_server);
    command.arg("gateway").args(["--listen", &address.to_string(), "--admin-listen", &admin.to_string()]);
    command.args(["--peer-listen", &free_address()?.to_string()]);
    command.args(["--catalog", &format!("http://{catalog_service}")]).arg("--iterator-keys").arg(keys);
    let log = folder.with_extension("gateway.log");
    let process = Process::start(&mut command, address, &log, End::Killed).await?;
    until_ready(admin).await?;
    Ok(process)
}

async fn until_ready(admin: SocketAddr) -> Result<()> {
    let begun = Instant::now();
    while !matches!(send(admin, Method::GET, "/readyz", vec![]).await, Ok((StatusCode::OK, _))) {
        ensure!(begun.elapsed() < PATIENCE, "http://{admin}/readyz is never 200");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Sends a request to a part; gives status and body of its answer.
async fn send(address: SocketAddr, method: Method, path: &str, body: Vec<u8>) -> Result<(StatusCode, Bytes)> {
    let mut connection = kinesis::sender(address).await?;
    let request = Request::builder().method(method).uri(path).header("host", address.to_string());
    let answer = connection.send_request(request.body(Full::from(body))?).await.context("no answer")?;
    let status = answer.status();
    Ok((status, answer.into_body().collect().await.context("an answer broke off")?.to_bytes()))
}
