//! Streams as the API server has them now, for questions that a late copy must not answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use catalog::resource::{DataStream, Shard};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::sync::Mutex;

use crate::names::STREAM_UID_LABEL;
use crate::settings::Settings;

/// Streams, in no order.
pub type Streams = Vec<Arc<DataStream>>;

/// Asks the API server for all streams; those who ask at the same time share the answer.
pub struct Live {
    client: Client,
    settings: Arc<Settings>,
    last: Mutex<Option<(Instant, Arc<Streams>)>>,
}

impl Live {
    /// Asks through this client.
    #[must_use]
    pub fn new(client: Client, settings: Arc<Settings>) -> Self {
        Self { client, settings, last: Mutex::new(None) }
    }

    /// Every stream of every watched namespace, asked for after this call began.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn streams(&self) -> Result<Arc<Streams>, kube::Error> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((began, streams)) = &*last
            && *began >= asked
        {
            return Ok(Arc::clone(streams));
        }
        let began = Instant::now();
        let mut streams = Vec::new();
        for scope in self.settings.scopes() {
            let api: Api<DataStream> = match &scope {
                Some(namespace) => Api::namespaced(self.client.clone(), namespace),
                None => Api::all(self.client.clone()),
            };
            streams.extend(api.list(&ListParams::default()).await?.items.into_iter().map(Arc::new));
        }
        let streams = Arc::new(streams);
        *last = Some((began, Arc::clone(&streams)));
        Ok(streams)
    }

    /// The shards of a stream.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn shards(&self, stream: &DataStream) -> Result<Vec<Arc<Shard>>, kube::Error> {
        let api: Api<Shard> = Api::namespaced(self.client.clone(), &stream.namespace().unwrap_or_default());
        let selector = format!("{STREAM_UID_LABEL}={}", stream.uid().unwrap_or_default());
        Ok(api
            .list(&ListParams::default().labels(&selector))
            .await?
            .items
            .into_iter()
            .map(Arc::new)
            .collect())
    }
}

/// The field managers that own something of a stream's spec.
#[must_use]
pub fn spec_managers(stream: &DataStream) -> BTreeSet<String> {
    let own_object =
        |entry: &&ManagedFieldsEntry| entry.subresource.as_deref().unwrap_or_default().is_empty();
    let owns_spec = |entry: &&ManagedFieldsEntry| {
        entry.fields_v1.as_ref().is_some_and(|fields| fields.0.get("f:spec").is_some())
    };
    let entries = stream.managed_fields().iter().filter(own_object).filter(owns_spec);
    entries.filter_map(|entry| entry.manager.clone()).collect()
}
