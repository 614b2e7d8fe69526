//! What the operator knows of the cluster: copies of its objects, kept by watches, and what its storage pods report,
//! kept by the prober.
//!
//! A scope is one watched namespace, or all of them. The copies may be late, never wrong in kind: whoever decides
//! something that cannot be undone (a bootstrap, the end of a deletion) asks the API server itself.

mod changes;
mod observed;
mod probes;
mod watch;

use std::sync::Arc;

use catalog::resource::{DataStream, Shard, StreamConsumer};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::runtime::reflector::{ObjectRef, Store, store};
use tokio::sync::broadcast;

use changes::{Gathered, ShardIndex};

pub use changes::CatalogChanges;
pub use observed::Observed;
pub use probes::{Failure, Probe, Probes, RunningPod, container};
pub use watch::follow;

/// How many wakes may wait for a slow controller; one that missed some looks at every stream.
const WAKES: usize = 4096;

/// Why controllers should look again.
#[derive(Clone, Debug)]
pub enum Wake {
    /// Something of this stream changed.
    Stream(ObjectRef<DataStream>),
    /// Anything may have changed.
    All,
}

/// Which storage pods changed.
#[derive(Clone, Debug)]
pub enum PodChange {
    /// This one came, changed or went.
    Pod(ObjectRef<Pod>),
    /// Any may have.
    All,
}

/// The objects of one watched namespace, or of all.
pub struct Scope {
    /// The namespace; nothing: all.
    pub namespace: Option<String>,
    /// Streams.
    pub streams: Store<DataStream>,
    /// Their registered consumers.
    pub consumers: Store<StreamConsumer>,
    /// Their shards.
    pub shards: Store<Shard>,
    /// Their groups.
    pub stateful_sets: Store<StatefulSet>,
    /// Their headless Services.
    pub services: Store<Service>,
    /// Their storage pods.
    pub pods: Store<Pod>,
    /// The claims of those.
    pub claims: Store<PersistentVolumeClaim>,
}

/// The writing ends of a [`Scope`].
pub struct Writers {
    /// Of [`Scope::streams`].
    pub streams: kube::runtime::reflector::store::Writer<DataStream>,
    /// Of [`Scope::consumers`].
    pub consumers: kube::runtime::reflector::store::Writer<StreamConsumer>,
    /// Of [`Scope::shards`].
    pub shards: kube::runtime::reflector::store::Writer<Shard>,
    /// Of [`Scope::stateful_sets`].
    pub stateful_sets: kube::runtime::reflector::store::Writer<StatefulSet>,
    /// Of [`Scope::services`].
    pub services: kube::runtime::reflector::store::Writer<Service>,
    /// Of [`Scope::pods`].
    pub pods: kube::runtime::reflector::store::Writer<Pod>,
    /// Of [`Scope::claims`].
    pub claims: kube::runtime::reflector::store::Writer<PersistentVolumeClaim>,
}

impl Scope {
    /// An empty scope, and what fills it.
    #[must_use]
    pub fn new(namespace: Option<String>) -> (Self, Writers) {
        let (streams, streams_writer) = store();
        let (consumers, consumers_writer) = store();
        let (shards, shards_writer) = store();
        let (stateful_sets, stateful_sets_writer) = store();
        let (services, services_writer) = store();
        let (pods, pods_writer) = store();
        let (claims, claims_writer) = store();
        let scope = Self { namespace, streams, consumers, shards, stateful_sets, services, pods, claims };
        let writers = Writers {
            streams: streams_writer,
            consumers: consumers_writer,
            shards: shards_writer,
            stateful_sets: stateful_sets_writer,
            services: services_writer,
            pods: pods_writer,
            claims: claims_writer,
        };
        (scope, writers)
    }

    /// Returns once every copy was whole once; false if a watch ended instead.
    async fn synced(&self) -> bool {
        let all = tokio::join!(
            self.streams.wait_until_ready(),
            self.consumers.wait_until_ready(),
            self.shards.wait_until_ready(),
            self.stateful_sets.wait_until_ready(),
            self.services.wait_until_ready(),
            self.pods.wait_until_ready(),
            self.claims.wait_until_ready(),
        );
        all.0.and(all.1).and(all.2).and(all.3).and(all.4).and(all.5).and(all.6).is_ok()
    }
}

/// All scopes, and the news of them.
pub struct World {
    scopes: Vec<Arc<Scope>>,
    probes: Probes,
    wakes: broadcast::Sender<Wake>,
    pod_changes: broadcast::Sender<PodChange>,
    gathered: Gathered,
    shard_index: ShardIndex,
}

impl World {
    /// A world of these scopes.
    #[must_use]
    pub fn new(scopes: Vec<Scope>) -> Self {
        Self {
            scopes: scopes.into_iter().map(Arc::new).collect(),
            probes: Probes::default(),
            wakes: broadcast::Sender::new(WAKES),
            pod_changes: broadcast::Sender::new(WAKES),
            gathered: Gathered::default(),
            shard_index: ShardIndex::default(),
        }
    }

    /// The scopes.
    #[must_use]
    pub fn scopes(&self) -> &[Arc<Scope>] {
        &self.scopes
    }

    /// What the storage pods report.
    #[must_use]
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// Returns once every copy was whole once; false if a watch ended instead.
    pub async fn synced(&self) -> bool {
        for scope in &self.scopes {
            if !scope.synced().await {
                return false;
            }
        }
        true
    }

    /// The scope that has a namespace.
    #[must_use]
    pub fn scope(&self, namespace: &str) -> Option<&Arc<Scope>> {
        let has = |scope: &&Arc<Scope>| scope.namespace.as_deref().is_none_or(|name| name == namespace);
        self.scopes.iter().find(has)
    }

    /// A stream, if it is there.
    #[must_use]
    pub fn stream(&self, object: &ObjectRef<DataStream>) -> Option<Arc<DataStream>> {
        self.scope(object.namespace.as_deref().unwrap_or_default())?.streams.get(object)
    }

    /// Every stream of every scope, in no order.
    #[must_use]
    pub fn streams(&self) -> Vec<Arc<DataStream>> {
        self.scopes.iter().flat_map(|scope| scope.streams.state()).collect()
    }

    /// Every shard of every scope, in no order.
    #[must_use]
    pub fn shards(&self) -> Vec<Arc<Shard>> {
        self.scopes.iter().flat_map(|scope| scope.shards.state()).collect()
    }

    /// News for controllers.
    #[must_use]
    pub fn wakes(&self) -> broadcast::Receiver<Wake> {
        self.wakes.subscribe()
    }

    /// News for the prober.
    #[must_use]
    pub fn pod_changes(&self) -> broadcast::Receiver<PodChange> {
        self.pod_changes.subscribe()
    }

    /// Waits for a change of what the catalog is made of, and takes all that nobody took yet.
    pub async fn catalog_changes(&self) -> CatalogChanges {
        self.gathered.take().await
    }

    /// Wakes the controllers. Nobody may be listening: a standby has none.
    pub(crate) fn wake(&self, wake: Wake) {
        let _ = self.wakes.send(wake);
    }

    pub(crate) fn pods_changed(&self, change: PodChange) {
        let _ = self.pod_changes.send(change);
    }
}
