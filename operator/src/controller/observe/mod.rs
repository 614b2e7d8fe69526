//! What is known of a stream: copies of its objects, what its pods report, and the few things that no watch brings and
//! the API server is asked for.

mod failed_create;

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::resource::DataStream;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::jiff::Timestamp;
use kube::Api;

use super::context::Context;
use super::decide::storage_class_needs;
use super::error::Error;
use super::memory::{Applied, ObjectKey};
use super::name::is_ours;
use crate::names::Names;
use crate::world::Observed;

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
    /// Every stream that has its name, itself included.
    pub namesakes: Vec<Arc<DataStream>>,
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

/// Gathers what is known; nothing where the stream's namespace is not watched.
///
/// # Errors
/// If the API server does not answer.
pub async fn observe(context: &Context, stream: Arc<DataStream>) -> Result<Option<Known>, Error> {
    let names = Names::of(&stream);
    let Some(scope) = context.world.scope(&names.namespace) else { return Ok(None) };
    let observed = Observed::of(scope, context.world.probes(), &names.uid);
    let mut namesakes = context.world.streams();
    namesakes.retain(|other| other.stream_name() == stream.stream_name());
    let mut known = Known {
        namesakes,
        observed,
        storage_classes: BTreeMap::new(),
        failed_creates: BTreeMap::new(),
        growth_refusals: BTreeMap::new(),
        applied: context.memory.applied(&names.uid),
        now: (context.now)(),
        names,
        stream,
    };
    // One that goes, or is not ours, needs neither.
    let is_ours = is_ours(&known.stream, &context.settings.installation());
    if is_ours && known.stream.metadata.deletion_timestamp.is_none() {
        let resolved = known.stream.resolve(&context.settings.defaults());
        for name in storage_class_needs(&known.stream, &resolved, &known.observed) {
            let facts = storage_class(context, &name).await?;
            known.storage_classes.insert(name, facts);
        }
        known.failed_creates = failed_create::failed_creates(context, &known).await?;
    }
    Ok(Some(known))
}

async fn storage_class(context: &Context, name: &str) -> Result<Option<StorageClassFacts>, Error> {
    let classes: Api<StorageClass> = Api::all(context.client.clone());
    let class = classes.get_opt(name).await.map_err(Error::api("look at a storage class"))?;
    Ok(class.map(|class| StorageClassFacts { allows_growth: class.allow_volume_expansion == Some(true) }))
}
