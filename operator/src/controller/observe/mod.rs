//! What is known of a stream: copies of its objects, what its pods report, and the few things that no watch brings and
//! the API server is asked for.

mod failed_create;

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::resource::{DataStream, Shard, StreamConsumer};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::jiff::Timestamp;
use kube::Api;

use super::act::list;
use super::context::Context;
use super::decide::storage_class_needs;
use super::error::Error;
use super::memory::{Applied, ObjectKey};
use super::name::{foreign_manager, is_handed_to, is_ours, name_held_since, owns_name};
use crate::names::Names;
use crate::world::{Observed, Scope};

/// What of a storage class matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageClassFacts {
    /// Whether its volumes may grow.
    pub allows_growth: bool,
}

/// What is known of a stream.
pub struct Known {
    /// The stream.
    pub stream: Arc<DataStream>,
    /// How its objects are named.
    pub names: Names,
    /// The stream that has its name instead, if there is one.
    pub name_holder: Option<Arc<DataStream>>,
    /// Whether its status is to name the other installation that it belongs to.
    pub reports_foreign: bool,
    /// The Shards that an earlier version made, which recorded no map.
    pub unrecorded_shards: Vec<Shard>,
    /// How many consumers are registered with it.
    pub consumer_count: usize,
    /// Its objects, and what its pods report.
    pub observed: Observed,
    /// The storage classes that matter now; nothing for one that does not exist.
    pub storage_classes: BTreeMap<String, Option<StorageClassFacts>>,
    /// Why StatefulSets cannot create their pods, by the StatefulSet's name.
    pub failed_creates: BTreeMap<String, String>,
    /// Why the API server refused that volumes grow in this look, by the claim's name.
    pub growth_refusals: BTreeMap<String, String>,
    /// What the API server answered to the last apply of its objects.
    pub applied: BTreeMap<ObjectKey, Applied>,
    /// When.
    pub now: Timestamp,
}

/// Gathers what is known without asking anybody; nothing where the stream's namespace is not watched.
#[must_use]
pub fn observe(context: &Context, stream: Arc<DataStream>) -> Option<Known> {
    let names = Names::of(&stream);
    let scope = context.world.scope(&names.namespace)?;
    let observed = Observed::of(scope, context.world.probes(), &names.uid);
    let mut known = Known {
        name_holder: None,
        reports_foreign: false,
        unrecorded_shards: Vec::new(),
        consumer_count: consumer_count(scope, &stream),
        observed,
        storage_classes: BTreeMap::new(),
        failed_creates: BTreeMap::new(),
        growth_refusals: BTreeMap::new(),
        applied: context.memory.applied(&names.uid),
        now: (context.now)(),
        names,
        stream,
    };
    let installation = context.settings.installation();
    let stream = &known.stream;
    if !is_ours(stream, &installation) && !is_handed_to(stream, &installation) {
        // Once in the life of this process: that installation may be alive and write back.
        known.reports_foreign =
            foreign_manager(stream, &installation).is_some() && context.names.reports_foreign(stream);
    } else if is_managed(&known, &installation) {
        known.name_holder = name_holder(context, stream, &installation);
    }
    Some(known)
}

fn consumer_count(scope: &Scope, stream: &DataStream) -> usize {
    let consumers = scope.consumers.state_filter(|consumer| consumer.is_of(stream));
    StreamConsumer::registered(consumers.iter().map(|consumer| (**consumer).clone()).collect()).len()
}

/// Whether a stream's objects are looked after: it is ours, does not go, and what it asks for makes sense.
fn is_managed(known: &Known, installation: &str) -> bool {
    let stream = &known.stream;
    (is_ours(stream, installation) || is_handed_to(stream, installation))
        && stream.metadata.deletion_timestamp.is_none()
        && stream.judge().invalid.is_empty()
}

/// Sees to it that the stream has its name; gives the one that has it instead.
fn name_holder(context: &Context, stream: &DataStream, installation: &str) -> Option<Arc<DataStream>> {
    let streams = context.world.streams();
    if let Err(holder) = owns_name(stream, &streams, installation) {
        return Some(holder);
    }
    match name_held_since(stream, installation) {
        Some(_) => None,
        None => context.names.grant(stream, &streams).err(),
    }
}

/// Adds what only the API server can answer.
///
/// # Errors
/// If it does not.
pub async fn ask(context: &Context, known: &mut Known) -> Result<(), Error> {
    if known.name_holder.is_some() || !is_managed(known, &context.settings.installation()) {
        return Ok(());
    }
    if known.stream.recorded_map().is_none() && known.stream.resolved().is_some() {
        let (namespace, selector) = (&known.names.namespace, known.names.selector());
        known.unrecorded_shards = list::<Shard>(&context.client, namespace, &selector).await?;
    }
    let resolved = known.stream.resolve(&context.settings.defaults());
    for name in storage_class_needs(&known.stream, &resolved, &known.observed) {
        let facts = storage_class(context, &name).await?;
        known.storage_classes.insert(name, facts);
    }
    known.failed_creates = failed_create::failed_creates(context, known).await;
    Ok(())
}

async fn storage_class(context: &Context, name: &str) -> Result<Option<StorageClassFacts>, Error> {
    let classes: Api<StorageClass> = Api::all(context.client.clone());
    let class = classes.get_opt(name).await.map_err(Error::api("look at a storage class"))?;
    Ok(class.map(|class| StorageClassFacts { allows_growth: class.allow_volume_expansion == Some(true) }))
}
