//! Takes the steps of a deletion, as far as they go now.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use catalog::resource::{DataStream, Shard};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::runtime::controller::Action;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::events::publish;
use super::patch::{delete_all, delete_one, list, remove_finalizer};
use crate::controller::context::Context;
use crate::controller::decide::{Found, Remains, Step, deletes_volumes, next_step};
use crate::controller::error::Error;
use crate::controller::status::News;
use crate::names::Names;
use crate::signals::Reason;

/// How soon to look again at what is about to go. The watches wake the stream when pods and claims are gone; this is
/// for news that was missed.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// Takes the steps of a deletion until one has to be waited for.
///
/// # Errors
/// If the API server does not do a step; the next look takes it again.
pub async fn delete(context: &Context, stream: &Arc<DataStream>, names: &Names) -> Result<Action, Error> {
    let (client, namespace, selector) = (&context.client, names.namespace.as_str(), names.selector());
    let (mut found, mut deleted) = (BTreeMap::new(), Vec::new());
    loop {
        match next_step(&found, &deleted, deletes_volumes(stream)) {
            Step::List(kind) => {
                found.insert(kind, find(kind, client, namespace, &selector).await?);
            }
            Step::DeleteAll(kind) => {
                delete_kind(kind, client, namespace, &selector).await?;
                deleted.push(kind);
            }
            Step::DeleteServices(services) => {
                for service in services {
                    delete_one::<Service>(client, namespace, &service).await?;
                }
                deleted.push(Remains::Services);
            }
            Step::Wait(_) => return Ok(Action::requeue(LOOK_AGAIN)),
            Step::Finish { volumes } => {
                remove_finalizer(client, stream).await?;
                tracing::info!(namespace, name = names.stream, "stream is gone");
                let note = gone(stream, volumes, namespace, &selector);
                publish(client, stream, &[News::normal(Reason::Deleted, note)], (context.now)()).await;
                return Ok(Action::await_change());
            }
        }
    }
}

fn gone(stream: &DataStream, volumes: usize, namespace: &str, selector: &str) -> String {
    if deletes_volumes(stream) {
        return "the stream is gone with its volumes".into();
    }
    format!(
        "the stream is gone; volumes that stay: {volumes}; kubectl delete pvc -n {namespace} -l {selector}"
    )
}

async fn find(kind: Remains, client: &Client, namespace: &str, selector: &str) -> Result<Found, Error> {
    match kind {
        Remains::StatefulSets => found::<StatefulSet>(client, namespace, selector).await,
        Remains::Pods => found::<Pod>(client, namespace, selector).await,
        Remains::Services => found::<Service>(client, namespace, selector).await,
        Remains::Shards => found::<Shard>(client, namespace, selector).await,
        Remains::Claims => found::<PersistentVolumeClaim>(client, namespace, selector).await,
    }
}

async fn found<K>(client: &Client, namespace: &str, selector: &str) -> Result<Found, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let objects = list::<K>(client, namespace, selector).await?;
    Ok(Found {
        some_stay: objects.iter().any(|object| object.meta().deletion_timestamp.is_none()),
        names: objects.iter().map(ResourceExt::name_any).collect(),
    })
}

async fn delete_kind(kind: Remains, client: &Client, namespace: &str, selector: &str) -> Result<(), Error> {
    match kind {
        Remains::StatefulSets => delete_all::<StatefulSet>(client, namespace, selector).await,
        Remains::Pods => delete_all::<Pod>(client, namespace, selector).await,
        Remains::Services => delete_all::<Service>(client, namespace, selector).await,
        Remains::Shards => delete_all::<Shard>(client, namespace, selector).await,
        Remains::Claims => delete_all::<PersistentVolumeClaim>(client, namespace, selector).await,
    }
}
