//! `operator run`: everything together.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use catalog::member::GROUP_PORT;
use k8s_openapi::jiff::Timestamp;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{self, Admin, Metrics};
use crate::catalog_service::{self, Publisher, Service};
use crate::controller::{self, Context, Memory, NameRegister};
use crate::drain::{self, Drain};
use crate::install;
use crate::lease::Election;
use crate::listener;
use crate::members::Members;
use crate::prober::{self, Prober};
use crate::settings::Settings;
use crate::world::{self, Scope, World};

/// How long gateways may still come after the order to end: until they hear that this replica is not ready.
const LINGER: Duration = Duration::from_secs(3);
/// How long the calls that came may then take, which is longer than any does.
const DRAIN_WITHIN: Duration = Duration::from_secs(15);

/// Runs until SIGTERM or SIGINT, and then ends well: the lease is given back, and calls that came are answered.
///
/// # Errors
/// If it cannot begin (no API server, CRDs that are missing or older, a port that is taken), or the lease is lost.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let mut end = End::new()?;
    let settings = Arc::new(settings);
    let config =
        Config::infer().await.context("no way to the API server: run in a cluster, or set KUBECONFIG")?;
    let client = Client::try_from(config).context("no client for the API server")?;
    let catalog_listener = listener::bind(settings.catalog_listen).await?;
    let admin_listener = listener::bind(settings.admin_listen).await?;

    tokio::select! {
        installed = check_installation(&client, &settings) => installed?,
        () = end.ordered() => return Ok(()),
    }
    let (world, watches) = watch(&client, &settings);
    let metrics = Metrics::new();
    let admin = Arc::new(Admin {
        metrics: metrics.clone(),
        world: Arc::clone(&world),
        ready: AtomicBool::new(false),
    });
    let (drain_order, drain) = drain::drain();
    let publisher = Publisher::new(Arc::clone(&settings), Arc::clone(&world));
    let service = Service::new(
        client.clone(),
        Arc::clone(&settings),
        &publisher,
        metrics.clone(),
        Timestamp::now,
        drain,
    );

    let mut election = election(&client, &settings);
    let members = Members::new(GROUP_PORT);
    let prober = Prober::new(Arc::clone(&world), members, client.clone(), metrics.clone(), Timestamp::now);
    let context = Arc::new(Context {
        client: client.clone(),
        settings: Arc::clone(&settings),
        world: Arc::clone(&world),
        names: NameRegister::default(),
        prober: Arc::new(prober),
        memory: Memory::default(),
        metrics,
        now: Timestamp::now,
    });
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        installation = settings.installation(),
        catalog = %settings.catalog_listen,
        admin = %settings.admin_listen,
        "operator starts"
    );
    let mut catalog = pin!(catalog_service::serve(catalog_listener, Arc::new(service)));
    let mut below = pin!(async {
        tokio::select! {
            () = watches => anyhow::anyhow!("the watches ended"),
            () = publisher.run() => anyhow::anyhow!("the catalog ended"),
            () = serve_admin(admin_listener, Arc::clone(&admin)) => anyhow::anyhow!("the admin port ended"),
        }
    });
    let outcome = tokio::select! {
        error = &mut below => Err(error),
        () = &mut catalog => Err(anyhow::anyhow!("the catalog port ended")),
        outcome = lead(&mut election, context, &admin) => outcome,
        () = end.ordered() => Ok(()),
    };
    admin.ready.store(false, Ordering::Relaxed);
    election.release().await;
    if outcome.is_ok() {
        let drained = async {
            // Nothing of the catalog is late meanwhile: what calls wait for still comes.
            let lingering = async {
                tokio::time::sleep(LINGER).await;
                drain_order.give();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = catalog => {}
                _ = below => {}
                () = lingering => {}
            }
        };
        if tokio::time::timeout(LINGER + DRAIN_WITHIN, drained).await.is_err() {
            tracing::warn!(
                seconds = DRAIN_WITHIN.as_secs(),
                "connections of the catalog port did not end in time"
            );
        }
    }
    tracing::info!("operator ends");
    outcome
}

async fn check_installation(client: &Client, settings: &Settings) -> anyhow::Result<()> {
    install::check_schema(client).await?;
    install::make_iterator_key(client, settings).await.context("cannot make the Secret of the iterator key")
}

/// The world, and what fills it for as long as it is polled.
fn watch(client: &Client, settings: &Settings) -> (Arc<World>, impl Future<Output = ()> + use<>) {
    let (scopes, writers): (Vec<_>, Vec<_>) = settings.scopes().into_iter().map(Scope::new).unzip();
    let world = Arc::new(World::new(scopes));
    let follows: Vec<_> = settings
        .scopes()
        .into_iter()
        .zip(writers)
        .map(|(namespace, writers)| world::follow(client.clone(), Arc::clone(&world), namespace, writers))
        .collect();
    (world, async move { futures::future::join_all(follows).await.into_iter().collect() })
}

/// Reports that it is ready, waits for the lease, and runs the prober and the controllers while it has it.
async fn lead(election: &mut Election, context: Arc<Context>, admin: &Admin) -> anyhow::Result<()> {
    if !context.world.synced().await {
        anyhow::bail!("the watches ended");
    }
    admin.ready.store(true, Ordering::Relaxed);
    election.acquire().await;
    admin.metrics.leads();
    tokio::select! {
        () = prober::run(Arc::clone(&context.prober)) => anyhow::bail!("the prober ended"),
        () = controller::run(Arc::clone(&context)) => anyhow::bail!("the controllers ended"),
        () = keep_iterator_key(&context) => anyhow::bail!("the watch over the iterator key ended"),
        lost = election.keep() => Err(lost.into()),
    }
}

/// Makes the iterator key again if somebody deleted it: without it no gateway starts.
async fn keep_iterator_key(context: &Context) {
    let mut looks = tokio::time::interval(context.settings.requeue());
    loop {
        looks.tick().await;
        if let Err(error) = install::make_iterator_key(&context.client, &context.settings).await {
            tracing::warn!(%error, "cannot look after the Secret of the iterator key; tries again");
        }
    }
}

async fn serve_admin(listener: tokio::net::TcpListener, admin: Arc<Admin>) {
    let answer = move |request: http::Request<hyper::body::Incoming>| {
        let response = admin::respond(&admin, request.method(), request.uri().path());
        std::future::ready(response)
    };
    listener::serve(listener, answer, Drain::never()).await;
}

/// The part in the election of this process: a pod that restarts is another one, and waits for its former self to
/// be forgotten, unless that gave the lease back.
fn election(client: &Client, settings: &Settings) -> Election {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "operator".into());
    let identity = format!("{host}_{:08x}", rand::random::<u32>());
    Election::new(client.clone(), &settings.namespace, &format!("{}-operator", settings.release), &identity)
}

/// The order to end. As PID 1 a process gets no default handling of signals: these are ours.
struct End {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl End {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn ordered(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
