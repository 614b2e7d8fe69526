//! The role `gateway`: starts its parts, and stops them in order.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::catalog::{Catalog, CatalogCopy, Follower, RemoteControl, Sources, serve_feed};
use super::http::KinesisService;
use super::{
    AccessKeySource, Endpoint, Identity, Metrics, Options, Parts, Regions, Routes, StateCollector, keys,
    token::KeyFiles,
};
use crate::admin::{self, Admin, Limits, Port, Ports, Termination, listener};
use crate::clock::system_clock;

/// How long connections are accepted after termination began, until Endpoints and proxies no longer list this gateway.
/// Together with the 20 s in which requests finish it stays below the 25 s that a drain may take.
const DEREGISTRATION_DELAY: Duration = Duration::from_secs(4);
/// How often clients of removed addresses are dropped.
const SWEEP_PERIOD: Duration = Duration::from_secs(10);

/// Runs until the process is terminated.
///
/// # Errors
/// If an address cannot be bound, or the iterator keys or access keys cannot be read.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let termination = Termination::on_signal()?;
    let access_keys = super::follow_access_keys(options.access_keys.map(AccessKeySource::Folder))?;
    let key_files = KeyFiles::new(&options.iterator_keys);
    let keys = keys::follow(
        "iterator keys",
        move || key_files.read(),
        |known, read| {
            *known = read;
            true
        },
    )?;
    let registry = Registry::new();
    let ports = Ports::register(&registry)?;
    let copy = CatalogCopy::default();
    let routes = Arc::new(Routes::default());
    StateCollector::register(&registry, copy.clone(), routes.clone())?;
    let endpoint = Endpoint::new(Parts {
        identity: Identity {
            account_id: options.account_id.clone(),
            region: options.region.clone(),
            regions: Regions::Own,
        },
        catalog: Catalog::new(copy.clone(), RemoteControl::new(options.catalog.clone())),
        routes: routes.clone(),
        keys,
        access_keys,
        clock: system_clock(),
        metrics: Metrics::register(&registry)?,
    });
    let kinesis = bind(options.listen).await?;
    let admin = bind(options.admin_listen).await?;
    let peers = bind(options.peer_listen).await?;
    tracing::info!(listen = %kinesis.local_addr()?, catalog = %options.catalog, "serving the Kinesis API");

    let sources = Sources { service: options.catalog, peers: options.peers };
    tokio::spawn(Follower::new(sources, copy.clone()).run());
    tokio::spawn(sweep(routes, copy.clone()));
    let (drain, drained) = Termination::by_hand();
    let (end, ended) = Termination::by_hand();
    let not_ready = readiness(&copy, termination.clone());
    let port = ports.port("admin", Limits::PARTS);
    let admin = tokio::spawn(admin::serve(admin, port, Admin { not_ready, registry }, ended.clone()));
    let port = ports.port("peers", Limits::PARTS);
    let peers = tokio::spawn(serve_peers(peers, port, copy, drained.clone()));
    let kinesis = tokio::spawn(serve_kinesis(kinesis, &ports, endpoint, drained));

    termination.ordered().await;
    tokio::time::sleep(DEREGISTRATION_DELAY).await;
    drain.send_replace(true);
    kinesis.await?;
    peers.abort();
    end.send_replace(true);
    admin.await?;
    Ok(())
}

/// Serves the Kinesis API until termination is ordered and the requests under way have finished.
pub fn serve_kinesis(
    listener: TcpListener,
    ports: &Ports,
    endpoint: Endpoint,
    termination: Termination,
) -> impl Future<Output = ()> + Send + use<> {
    let endpoint = Arc::new(endpoint);
    let service = KinesisService::new(Arc::clone(&endpoint));
    let service = service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move { service.answer(request).await }
    });
    let port = ports.port("kinesis", Limits::APPLICATIONS);
    async move {
        let drain_subscriptions = async {
            termination.ordered().await;
            endpoint.subscriptions().drain();
        };
        let serving = listener::serve(listener, port, service, termination.clone());
        tokio::join!(serving, drain_subscriptions);
    }
}

async fn serve_peers(listener: TcpListener, port: Port, copy: CatalogCopy, termination: Termination) {
    let service = service_fn(move |request| {
        let copy = copy.clone();
        async move { Ok::<_, Infallible>(serve_feed(&copy, &request).await) }
    });
    listener::serve(listener, port, service, termination).await;
}

/// Why the gateway is not ready; `None` while it is.
fn readiness(copy: &CatalogCopy, termination: Termination) -> watch::Receiver<Option<String>> {
    let (sender, receiver) = watch::channel(Some("no snapshot of the catalog has arrived yet".to_owned()));
    let mut complete = copy.completeness();
    tokio::spawn(async move {
        let is_complete = async {
            let _ = complete.wait_for(|complete| *complete).await;
        };
        tokio::select! {
            () = is_complete => {
                sender.send_replace(None);
                termination.ordered().await;
            }
            () = termination.ordered() => {}
        }
        sender.send_replace(Some("it is terminating".to_owned()));
        sender.closed().await;
    });
    receiver
}

async fn sweep(routes: Arc<Routes>, copy: CatalogCopy) {
    loop {
        tokio::time::sleep(SWEEP_PERIOD).await;
        routes.keep_clients(&copy.addresses());
    }
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}
