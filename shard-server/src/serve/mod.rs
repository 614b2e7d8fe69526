//! The role `serve`: a pod of a shard group. It hosts one [`Group`] on its volume and serves the internal protocol:
//! appends and reads for gateways, `/status` and `/bootstrap` for the operator ([`catalog::member`]).
//!
//! It calls no other part, does not depend on Kubernetes and holds no keys.

mod metrics;
mod service;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use hyper::service::service_fn;
use tokio::net::TcpListener;

use crate::admin::{self, Admin, Limits, Ports, Termination, listener};
use crate::shard::{Group, GroupConfig, Metrics, Resources};
use service::Service;

/// Serves the shards of one group from its volume.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Address of the internal protocol, which gateways and the operator speak
    #[arg(long, env = "KINETES_LISTEN", default_value = "0.0.0.0:7400")]
    pub listen: SocketAddr,
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, env = "KINETES_ADMIN_LISTEN", default_value = "0.0.0.0:7401")]
    pub admin_listen: SocketAddr,
    /// Directory of the group's volume
    #[arg(long, env = "KINETES_DATA_DIR", default_value = "/data")]
    pub data_dir: PathBuf,
    /// UID of the stream whose shards this group holds
    #[arg(long, env = "KINETES_STREAM_UID")]
    pub stream_uid: String,
    /// Name of the group
    #[arg(long, env = "KINETES_GROUP")]
    pub group: String,
}

/// Runs until the process is terminated. Everything that was acknowledged is durable then.
///
/// # Errors
/// If an address cannot be bound, or the volume belongs to another group or cannot be used: the message says what to do.
/// A corrupt volume does not end the process: it is reported in `/status`, and every call is refused with it.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let termination = Termination::on_signal().context("cannot handle signals")?;
    let listener = bind(options.listen).await?;
    let admin_listener = bind(options.admin_listen).await?;
    serve(options, listener, admin_listener, termination).await
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

async fn serve(
    options: Options,
    listener: TcpListener,
    admin_listener: TcpListener,
    termination: Termination,
) -> anyhow::Result<()> {
    tracing::info!(listen = %listener.local_addr()?, data_dir = %options.data_dir.display(), "serving a shard group");
    tracing::warn!("the internal protocol takes any caller: keep other pods away from it by a NetworkPolicy");
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry)?;
    let ports = Ports::register(&registry)?;
    let Options { data_dir, stream_uid, group, .. } = options;
    let resources = Resources::new(metrics.log.clone());
    let group = Group::start(data_dir, GroupConfig { stream_uid, group, resources, metrics });

    let service = Arc::new(Service::new(group.clone(), &registry, termination.clone())?);
    // The admin port closes last: it shows how the rest terminates.
    let (_end, admin_termination) = Termination::by_hand();
    tokio::spawn(admin::serve(
        admin_listener,
        ports.port("admin", Limits::PARTS),
        Admin { not_ready: group.not_ready(), registry },
        admin_termination,
    ));

    let service = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok(service.answer(request).await) }
    });
    tokio::select! {
        () = listener::serve(listener, ports.port("group", Limits::PARTS), service, termination.clone()) => {}
        error = unusable(&group) => return Err(error),
    }
    group.close_in_time().await;
    tracing::info!("ended");
    Ok(())
}

/// Returns if this process cannot use the volume.
async fn unusable(group: &Group) -> anyhow::Error {
    match group.settled().await {
        Err(error) if !error.is_corrupt() => anyhow::Error::msg(error.to_string()),
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
pub(crate) mod tests;
