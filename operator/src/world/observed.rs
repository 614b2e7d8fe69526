//! What exists of one stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::resource::Shard;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::ResourceExt;
use kube::runtime::reflector::{Lookup, Store};

use super::{Probe, Probes, RunningPod, Scope};
use crate::names::STREAM_UID_LABEL;

/// What exists of one stream, by name. Found by the stream's UID, so that nothing of a stream of the same name
/// that was before is in it.
#[derive(Default)]
pub struct Observed {
    /// Its shards.
    pub shards: Vec<Arc<Shard>>,
    /// Its groups.
    pub stateful_sets: BTreeMap<String, Arc<StatefulSet>>,
    /// Its Service.
    pub services: BTreeMap<String, Arc<Service>>,
    /// Its pods.
    pub pods: BTreeMap<String, Arc<Pod>>,
    /// Its claims.
    pub claims: BTreeMap<String, Arc<PersistentVolumeClaim>>,
    /// Those of its pods that run, by the pod's name, and what is known of each.
    pub running: BTreeMap<String, (RunningPod, Probe)>,
}

impl Observed {
    /// What a scope has of the stream with this UID, and what its pods report.
    #[must_use]
    pub fn of(scope: &Scope, probes: &Probes, uid: &str) -> Self {
        let mut shards: Vec<_> = by_name(&scope.shards, uid).into_values().collect();
        shards.sort_by_key(|shard| shard.spec.shard_id.clone());
        let pods = by_name(&scope.pods, uid);
        let running = |(name, pod): (&String, &Arc<Pod>)| {
            let process = RunningPod::of(pod)?;
            let probe = probes.get(&process).unwrap_or_default();
            Some((name.clone(), (process, probe)))
        };
        Self {
            running: pods.iter().filter_map(running).collect(),
            shards,
            stateful_sets: by_name(&scope.stateful_sets, uid),
            services: by_name(&scope.services, uid),
            pods,
            claims: by_name(&scope.claims, uid),
        }
    }
}

fn by_name<K>(store: &Store<K>, uid: &str) -> BTreeMap<String, Arc<K>>
where
    K: ResourceExt + Lookup<DynamicType = ()> + Clone + 'static,
{
    let of_stream = |object: &K| object.labels().get(STREAM_UID_LABEL).is_some_and(|label| label == uid);
    store.state_filter(of_stream).into_iter().map(|object| (object.name_any(), object)).collect()
}
