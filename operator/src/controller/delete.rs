//! The end of a stream.
//!
//! Everything is asked of the API server itself, never of a copy, and every step may be taken twice. Nothing here
//! asks a pod, so that a stream goes also when its pods, its nodes or its namespace are gone.

use std::sync::Arc;
use std::time::Duration;

use catalog::resource::{DataStream, Shard};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::context::Context;
use super::error::Error;
use super::events::{News, tell};
use super::patch::{delete_all, delete_one, list, remove_finalizer};
use super::report::report;
use super::status::Finding;
use crate::names::{FINALIZER, Names};

/// How soon to look again at what is about to go. (Pods that go tell of it themselves.)
const SOON: Duration = Duration::from_millis(500);

/// Takes the next step of a deletion.
pub async fn delete(stream: &Arc<DataStream>, names: &Names, context: &Context) -> Result<Action, Error> {
    if !stream.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(Action::await_change());
    }
    let (client, namespace, selector) = (&context.client, &names.namespace, names.selector());
    let stream = &say(context, stream).await?;

    // The sets first, so that no pod is made again.
    if exists::<StatefulSet>(context, names).await? {
        delete_all::<StatefulSet>(client, namespace, &selector).await?;
    }
    let pods = list::<Pod>(client, namespace, &selector).await?;
    if pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_none()) {
        delete_all::<Pod>(client, namespace, &selector).await?;
    }
    if !pods.is_empty() {
        return Ok(Action::requeue(SOON));
    }
    for service in list::<Service>(client, namespace, &selector).await? {
        delete_one::<Service>(client, namespace, &service.name_any()).await?;
    }
    if exists::<Shard>(context, names).await? {
        delete_all::<Shard>(client, namespace, &selector).await?;
    }
    let volumes = list::<PersistentVolumeClaim>(client, namespace, &selector).await?;
    let gone = if deletes_volumes(stream) {
        if volumes.iter().any(|claim| claim.metadata.deletion_timestamp.is_none()) {
            delete_all::<PersistentVolumeClaim>(client, namespace, &selector).await?;
            return Ok(Action::requeue(SOON));
        }
        if !volumes.is_empty() {
            return Ok(Action::requeue(SOON));
        }
        "the stream is gone with its volumes".into()
    } else {
        let count = volumes.len();
        format!(
            "the stream is gone; volumes that stay: {count}; kubectl delete pvc -n {namespace} -l {selector}"
        )
    };
    remove_finalizer(client, stream).await?;
    tracing::info!(namespace, name = names.stream, "stream is gone");
    tell(client, stream, &[News::normal("Deleted", gone)], (context.now)()).await;
    Ok(Action::await_change())
}

/// One message for all of a deletion: a status is written when the state changes, not for every pod.
fn going(stream: &DataStream) -> String {
    let volumes = if deletes_volumes(stream) { ", then its volumes" } else { "; its volumes stay" };
    format!(
        "its pods end{volumes}. A pod that does not end is on a node that is gone: if the node is truly off, kubectl \
         taint node NODE node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
    )
}

fn deletes_volumes(stream: &DataStream) -> bool {
    stream.spec.deletion_policy.as_deref() == Some("Delete")
}

/// Whether an object of a kind is still there and not yet going.
async fn exists<K>(context: &Context, names: &Names) -> Result<bool, Error>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let objects = list::<K>(&context.client, &names.namespace, &names.selector()).await?;
    Ok(objects.iter().any(|object| object.meta().deletion_timestamp.is_none()))
}

/// Says in the status that the stream goes, once. A stream whose status nobody takes any more goes all the same.
async fn say(context: &Context, stream: &Arc<DataStream>) -> Result<Arc<DataStream>, Error> {
    if stream.status.as_ref().is_some_and(|status| status.stream_status.as_deref() == Some("DELETING")) {
        return Ok(Arc::clone(stream));
    }
    match report(context, stream, &Finding::Deleting { message: going(stream) }).await {
        Err(error) if !error.is_conflict() => {
            tracing::warn!(%error, name = stream.name_any(), "the status of a stream that goes was not written");
            Ok(Arc::clone(stream))
        }
        other => other,
    }
}
