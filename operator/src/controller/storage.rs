//! Volumes: let them grow, and say why one is missing.

use catalog::resource::{DataStream, Resolved, quantity_nanos};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::context::Context;
use super::error::Error;
use super::health::Trouble;
use crate::names::{FIELD_MANAGER, Names, claim, pod as pod_name};
use crate::objects::Group;
use crate::world::Observed;

/// Asks for larger volumes where the spec says a larger size than they have; tells what stands in the way.
///
/// Only a size that the stream itself names lets volumes grow: a new default is for new streams.
pub async fn grow(
    context: &Context,
    stream: &DataStream,
    names: &Names,
    resolved: &Resolved,
    observed: &Observed,
) -> Result<Option<Trouble>, Error> {
    if stream.spec.storage.as_ref().and_then(|storage| storage.size.as_ref()).is_none() {
        return Ok(None);
    }
    let mut trouble = None;
    for claim in observed.claims.values() {
        if !is_less(requested(claim), &resolved.storage_size) {
            if is_less(capacity(claim), &resolved.storage_size) {
                let message =
                    format!("volume {} is about to grow to {}", claim.name_any(), resolved.storage_size);
                trouble.get_or_insert(Trouble { reason: "Growing".into(), message });
            }
            continue;
        }
        if let Some(refusal) = refused(context, claim).await? {
            let message = format!("volume {} cannot grow: {refusal}", claim.name_any());
            return Ok(Some(Trouble { reason: "Refused".into(), message }));
        }
        let size = json!({"spec": {"resources": {"requests": {"storage": resolved.storage_size}}}});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..Default::default() };
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &names.namespace);
        match claims.patch(&claim.name_any(), &params, &Patch::Merge(&size)).await {
            Ok(_) => tracing::info!(claim = claim.name_any(), size = resolved.storage_size, "volume grows"),
            Err(kube::Error::Api(status)) => {
                let message = format!("volume {} cannot grow: {}", claim.name_any(), status.message);
                return Ok(Some(Trouble { reason: "Refused".into(), message }));
            }
            Err(error) => return Err(Error::api("grow a volume")(error)),
        }
    }
    Ok(trouble)
}

/// Why the claim's storage class does not let it grow: asked before, because a write that is refused is a write.
async fn refused(context: &Context, claim: &PersistentVolumeClaim) -> Result<Option<String>, Error> {
    let Some(name) = class_of(claim) else { return Ok(Some("it has no StorageClass".into())) };
    let Some(class) = class(context, name).await? else {
        return Ok(Some(format!("there is no StorageClass {name}")));
    };
    let allows = class.allow_volume_expansion == Some(true);
    Ok((!allows).then(|| format!("StorageClass {name} does not set allowVolumeExpansion")))
}

/// What is wrong with the storage class of a claim that a pod waits for, if anything is.
pub async fn missing_class(
    context: &Context,
    groups: &[Group],
    observed: &Observed,
) -> Result<Option<String>, Error> {
    let waiting = groups.iter().find_map(|group| {
        let pod = observed.pods.get(&pod_name(&group.name))?;
        let unscheduled = pod.spec.as_ref().is_none_or(|spec| spec.node_name.is_none());
        let claim = observed.claims.get(&claim(&group.name))?;
        let pending = claim.status.as_ref()?.phase.as_deref() == Some("Pending");
        (unscheduled && pending).then_some(claim)
    });
    let Some(claim) = waiting else { return Ok(None) };
    let Some(name) = class_of(claim) else {
        let help = "there is no default StorageClass: make one, or name one in spec.storage.storageClassName";
        return Ok(Some(help.into()));
    };
    let missing = class(context, name).await?.is_none();
    Ok(missing.then(|| format!("there is no StorageClass {name}: make it, or make the stream with another")))
}

async fn class(context: &Context, name: &str) -> Result<Option<StorageClass>, Error> {
    let classes: Api<StorageClass> = Api::all(context.client.clone());
    classes.get_opt(name).await.map_err(Error::api("look at a storage class"))
}

fn class_of(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.storage_class_name.as_deref().filter(|name| !name.is_empty())
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&str> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").map(|quantity| quantity.0.as_str())
}

fn capacity(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.status.as_ref()?.capacity.as_ref()?.get("storage").map(|quantity| quantity.0.as_str())
}

fn is_less(size: Option<&str>, than: &str) -> bool {
    matches!((size.and_then(quantity_nanos), quantity_nanos(than)), (Some(size), Some(than)) if size < than)
}
