//! Writes to the API server, each in one place.

use std::fmt::Debug;

use catalog::resource::{DataStream, DataStreamStatus, Shard};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::controller::error::{Error, is_not_found};
use crate::names::{FIELD_MANAGER, FINALIZER};

/// Adds our finalizer, so that the stream does not go before its pods.
pub async fn add_finalizer(client: &Client, stream: &DataStream) -> Result<DataStream, Error> {
    let mut finalizers = stream.finalizers().to_vec();
    finalizers.push(FINALIZER.into());
    set_finalizers(client, stream, finalizers).await.map_err(Error::api("add the finalizer"))
}

/// Removes our finalizer: the stream goes now.
pub async fn remove_finalizer(client: &Client, stream: &DataStream) -> Result<(), Error> {
    let finalizers = stream.finalizers().iter().filter(|name| *name != FINALIZER).cloned().collect();
    match set_finalizers(client, stream, finalizers).await {
        Err(error) if !is_not_found(&error) => Err(Error::api("remove the finalizer")(error)),
        _ => Ok(()),
    }
}

/// The resource version goes with it: a list is replaced whole, and somebody else may have added to it.
async fn set_finalizers(
    client: &Client,
    stream: &DataStream,
    finalizers: Vec<String>,
) -> Result<DataStream, kube::Error> {
    let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": stream.resource_version()}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..Default::default() };
    api(client, stream).patch(&stream.name_any(), &params, &Patch::Merge(&patch)).await
}

/// Writes a stream's status, whole, unless somebody was quicker.
pub async fn status(
    client: &Client,
    stream: &DataStream,
    status: &DataStreamStatus,
) -> Result<DataStream, Error> {
    let patch = json!({
        "apiVersion": DataStream::api_version(&()),
        "kind": DataStream::kind(&()),
        "metadata": {"name": stream.name_any(), "resourceVersion": stream.resource_version()},
        "status": status,
    });
    api(client, stream)
        .patch_status(&stream.name_any(), &owning(), &Patch::Apply(&patch))
        .await
        .map_err(Error::api("write the status"))
}

/// Writes down that a shard takes records.
pub async fn shard_is_open(client: &Client, namespace: &str, name: &str) -> Result<(), Error> {
    let patch = json!({
        "apiVersion": Shard::api_version(&()),
        "kind": Shard::kind(&()),
        "metadata": {"name": name},
        "status": {"state": "Open"},
    });
    let shards: Api<Shard> = Api::namespaced(client.clone(), namespace);
    shards
        .patch_status(name, &owning(), &Patch::Apply(&patch))
        .await
        .map(drop)
        .map_err(Error::api("open a shard"))
}

/// Creates an object, or makes it what it should be; returns what the API server made of it.
pub async fn apply<K>(client: &Client, namespace: &str, name: &str, object: &Value) -> Result<K, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let objects: Api<K> = Api::namespaced(client.clone(), namespace);
    objects.patch(name, &owning(), &Patch::Apply(object)).await.map_err(Error::api("apply an object"))
}

/// Asks for a larger volume.
pub async fn grow_claim(client: &Client, namespace: &str, name: &str, size: &str) -> Result<(), kube::Error> {
    let patch = json!({"spec": {"resources": {"requests": {"storage": size}}}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..Default::default() };
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    claims.patch(name, &params, &Patch::Merge(&patch)).await.map(drop)
}

/// Deletes every object of a kind that a selector finds; those that are there now are gone or going then.
pub async fn delete_all<K>(client: &Client, namespace: &str, selector: &str) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let objects: Api<K> = Api::namespaced(client.clone(), namespace);
    let selected = ListParams::default().labels(selector);
    match objects.delete_collection(&DeleteParams::background(), &selected).await {
        Err(error) if !is_not_found(&error) => Err(Error::api("delete what the stream had")(error)),
        _ => Ok(()),
    }
}

/// Deletes one object, if it is there.
pub async fn delete_one<K>(client: &Client, namespace: &str, name: &str) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let objects: Api<K> = Api::namespaced(client.clone(), namespace);
    match objects.delete(name, &DeleteParams::background()).await {
        Err(error) if !is_not_found(&error) => Err(Error::api("delete what the stream had")(error)),
        _ => Ok(()),
    }
}

/// Every object of a kind that a selector finds, as the API server has them now.
pub async fn list<K>(client: &Client, namespace: &str, selector: &str) -> Result<Vec<K>, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let objects: Api<K> = Api::namespaced(client.clone(), namespace);
    match objects.list(&ListParams::default().labels(selector)).await {
        Ok(list) => Ok(list.items),
        Err(error) if is_not_found(&error) => Ok(Vec::new()),
        Err(error) => Err(Error::api("list what the stream has")(error)),
    }
}

/// We own what we apply, whoever wrote it before.
fn owning() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}

fn api(client: &Client, stream: &DataStream) -> Api<DataStream> {
    Api::namespaced(client.clone(), &stream.namespace().unwrap_or_default())
}
