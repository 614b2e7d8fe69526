//! The role `local`: starts its parts, and stops them in order.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::catalog::check_distinct;
use super::data_dir::DataDir;
use super::{LocalCatalog, Options, manifest};
use crate::admin::{self, Admin, Limits, Ports, Termination};
use crate::clock::system_clock;
use crate::gateway::catalog::{Catalog, CatalogCopy};
use crate::gateway::token::TokenKeys;
use crate::gateway::{self, AccessKeySource, Endpoint, Identity, Parts, Regions, Routes};
use crate::shard;

/// Runs until the process is terminated.
///
/// # Errors
/// If the directory is in use or cannot be read, the access keys cannot be read, a manifest cannot be applied, or an address cannot be bound.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let termination = Termination::on_signal()?;
    let credentials = options.credentials.clone().map(AccessKeySource::File);
    let access_keys = gateway::follow_access_keys(credentials)?;
    let manifests: Vec<_> =
        options.manifests.iter().map(|path| manifest::read(path)).collect::<Result<_, _>>()?;
    let manifests: Vec<_> = manifests.into_iter().flatten().collect();
    check_distinct(&manifests)?;
    let data_dir = DataDir::open(&options.data_dir)?;
    let data_path = data_dir.path().to_owned();
    let (_never_changes, keys) = watch::channel(TokenKeys::new(&data_dir.iterator_key()?, None)?);
    let registry = Registry::new();
    let ports = Ports::register(&registry)?;
    let copy = CatalogCopy::default();
    let routes = Arc::new(Routes::default());
    let account_id = &options.account_id;
    let group_metrics = shard::Metrics::register(&registry)?;
    let catalog = LocalCatalog::open(
        data_dir,
        account_id,
        &options.region,
        copy.clone(),
        routes.clone(),
        system_clock(),
        group_metrics,
    )
    .await?;
    let catalog = Arc::new(catalog);
    catalog.follow_logs().await;
    for manifest in &manifests {
        catalog.apply(manifest, account_id).await?;
    }
    let endpoint = Endpoint::new(Parts {
        identity: Identity {
            account_id: account_id.clone(),
            region: options.region.clone(),
            regions: Regions::OfSignature,
        },
        catalog: Catalog::new(copy, catalog.clone()),
        routes,
        keys,
        access_keys,
        clock: system_clock(),
        metrics: gateway::Metrics::register(&registry)?,
    });
    let kinesis = bind(options.listen).await?;
    let (_ready, not_ready) = watch::channel(None);
    if let Some(address) = options.admin_listen {
        let admin = Admin { not_ready, registry };
        let port = ports.port("admin", Limits::PARTS);
        tokio::spawn(admin::serve(bind(address).await?, port, admin, termination.clone()));
    }
    let (address, region) = (kinesis.local_addr()?, &options.region);
    // Scripts wait for this line. If standard output is closed, the service goes on without it.
    let _ = writeln!(
        std::io::stdout(),
        "Kinetes listens on http://{address} and keeps its data in {}; try: aws --endpoint-url http://{address} \
         --region {region} kinesis list-streams",
        data_path.display()
    );
    gateway::serve_kinesis(kinesis, &ports, endpoint, termination).await;
    catalog.close().await;
    Ok(())
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}
