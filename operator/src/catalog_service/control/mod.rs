//! Control calls: what Kinesis operations become in the cluster.
//!
//! A call that changes something is judged by the object as the API server has it, never by a copy, and written under the
//! version that it was judged by. The rules are those of [`catalog::control`]; what a manifest sets is left to it
//! ([`ownership`]).

mod account;
mod consumers;
mod ownership;
mod settings;
mod streams;
mod tags;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use catalog::StreamName;
use catalog::control::{ControlAnswer, ControlCall, Refusal, RefusalCode, StreamKey};
use catalog::resource::DataStream;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::ownership::FieldChange;
use super::live::Live;
use super::published::Published;
use crate::controller::{is_ours, name_owner};
use crate::names::API_FIELD_MANAGER;
use crate::settings::Settings;
use crate::world::World;

pub use streams::metadata_name;

/// How long a call waits until followers were told of what it did.
const TELL_WITHIN: Duration = Duration::from_secs(2);
/// How often a call is judged, if somebody else writes its object each time before it does.
const MOST_ATTEMPTS: usize = 5;

/// Takes control calls.
pub struct Control {
    client: Client,
    settings: Arc<Settings>,
    world: Arc<World>,
    live: Live,
    published: Arc<Published>,
    now: fn() -> Timestamp,
}

impl Control {
    /// Takes calls; `world` is the copy of the cluster, and `published` what followers were told of it.
    #[must_use]
    pub fn new(
        client: Client,
        settings: Arc<Settings>,
        world: Arc<World>,
        published: Arc<Published>,
        now: fn() -> Timestamp,
    ) -> Self {
        let live = Live::new(client.clone(), Arc::clone(&settings));
        Self { client, settings, world, live, published, now }
    }

    /// Does a call.
    ///
    /// # Errors
    /// If it is refused, is not served, or the API server does not do it.
    pub async fn call(&self, call: ControlCall) -> Result<ControlAnswer, Refusal> {
        Ok(match call {
            ControlCall::CreateStream(call) => ControlAnswer::CreateStream(self.create(&call).await?),
            ControlCall::DeleteStream(call) => ControlAnswer::DeleteStream(self.delete(&call).await?),
            ControlCall::FindStream(call) => ControlAnswer::FindStream(self.find(&call).await?),
            ControlCall::ChangeStream(call) => ControlAnswer::ChangeStream(self.change_stream(&call).await?),
            ControlCall::TagResource(call) => ControlAnswer::TagResource(self.tag(&call).await?),
            ControlCall::UntagResource(call) => ControlAnswer::UntagResource(self.untag(&call).await?),
            ControlCall::ListTags(call) => ControlAnswer::ListTags(self.tags(&call).await?),
            ControlCall::DescribeLimits(call) => ControlAnswer::DescribeLimits(self.describe_limits(&call)?),
            ControlCall::DescribeAccount(call) => {
                ControlAnswer::DescribeAccount(self.describe_account(&call).await?)
            }
            ControlCall::UpdateAccount(call) => {
                ControlAnswer::UpdateAccount(self.update_account(&call).await?)
            }
            ControlCall::RegisterConsumer(call) => {
                ControlAnswer::RegisterConsumer(self.register_consumer(&call).await?)
            }
            ControlCall::DeregisterConsumer(call) => {
                ControlAnswer::DeregisterConsumer(self.deregister_consumer(&call).await?)
            }
            ControlCall::FindConsumer(call) => ControlAnswer::FindConsumer(self.find_consumer(&call).await?),
            ControlCall::ListConsumers(call) => {
                ControlAnswer::ListConsumers(self.list_consumers(&call).await?)
            }
            ControlCall::ChangeShards(_) => return Err(not_served()),
        })
    }

    /// A stream as the API server has it now. The copy says where to look; a name that it does not have, or not any more,
    /// is looked for among all streams.
    async fn stream(&self, key: &StreamKey) -> Result<Arc<DataStream>, Refusal> {
        if key.account_id != self.settings.account_id {
            return Err(key.not_found());
        }
        let (name, installation) = (key.name.as_str(), self.settings.installation());
        if let Some(copy) = name_owner(&self.world.streams(), name, &installation) {
            let streams = self.streams_of(&copy.namespace().unwrap_or_default());
            let found = streams.get_opt(&copy.name_any()).await.map_err(|error| unavailable(&error))?;
            let has_name =
                |stream: &DataStream| stream.name_in_force() == name && is_ours(stream, &installation);
            if let Some(stream) = found.filter(has_name) {
                return Ok(Arc::new(stream));
            }
        }
        self.owner(&key.name).await?.ok_or_else(|| key.not_found())
    }

    /// The stream that has a name, among all that the API server has.
    async fn owner(&self, name: &StreamName) -> Result<Option<Arc<DataStream>>, Refusal> {
        let streams = self.live.streams().await.map_err(|error| unavailable(&error))?;
        Ok(name_owner(&streams, name.as_str(), &self.settings.installation()).cloned())
    }

    /// Changes the spec of a stream as `judge` says, who sees it as the API server has it, and sees it again if somebody
    /// else was quicker; gives what was judged last, and whether anything was written. A field that another manager set is
    /// left as it is, and the call refused.
    async fn change_spec<T>(
        &self,
        key: &StreamKey,
        judge: impl Fn(&DataStream) -> Result<(Vec<FieldChange>, T), Refusal>,
    ) -> Result<(T, bool), Refusal> {
        for _ in 0..MOST_ATTEMPTS {
            let stream = self.stream(key).await?;
            let (changes, verdict) = judge(&stream)?;
            if changes.is_empty() {
                return Ok((verdict, false));
            }
            let subject = format!("Stream {} under account {}", key.name, key.account_id);
            ownership::check(&*stream, &changes, &subject)?;
            let patch = ownership::merge_patch(&*stream, &changes);
            let (namespace, name) = (stream.namespace().unwrap_or_default(), stream.name_any());
            if write(&self.streams_of(&namespace), &name, &patch).await? {
                tracing::info!(namespace, name, stream = %key.name, "changed by the API");
                return Ok((verdict, true));
            }
        }
        Err(contended())
    }

    /// Waits until followers are told, so that who has our answer sees what it says; not for long, because it is
    /// done all the same.
    async fn told(&self, says: impl Fn(&Published) -> bool) {
        let mut changes = self.published.changes();
        let told = changes.wait_for(|_| self.published.is_whole() && says(&self.published));
        if tokio::time::timeout(TELL_WITHIN, told).await.is_err() {
            tracing::warn!(seconds = TELL_WITHIN.as_secs(), "followers were not told of a change in time");
        }
    }

    fn streams_of(&self, namespace: &str) -> Api<DataStream> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn own_account(&self, account_id: &str) -> Result<(), Refusal> {
        if account_id == self.settings.account_id {
            return Ok(());
        }
        let message = format!("There is no account {account_id} here.");
        Err(Refusal::new(RefusalCode::InvalidArgument, message))
    }
}

/// Patches an object; false if somebody else wrote or deleted it since it was read.
async fn write<K>(objects: &Api<K>, name: &str, patch: &Value) -> Result<bool, Refusal>
where
    K: Clone + Debug + DeserializeOwned,
{
    match objects.patch(name, &writing(), &Patch::Merge(patch)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => Ok(false),
        Err(error) => Err(refused(&error)),
    }
}

/// Writes as the API: the manager of what its calls set.
fn writing() -> PatchParams {
    PatchParams { field_manager: Some(API_FIELD_MANAGER.into()), ..Default::default() }
}

/// The refusal of a call that this version does not serve.
pub(super) fn not_served() -> Refusal {
    Refusal::new(RefusalCode::NotServed, "this operator does not serve the call yet")
}

/// The refusal of a write: in the API server's words where a rule of the CRD forbids it.
fn refused(error: &kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) if status.code == 422 => {
            Refusal::new(RefusalCode::InvalidArgument, status.message.clone())
        }
        error => unavailable(error),
    }
}

fn contended() -> Refusal {
    let message = "Others write the same object all the time: ask again.";
    Refusal::new(RefusalCode::Unavailable, message)
}

fn unavailable(error: &kube::Error) -> Refusal {
    tracing::warn!(%error, "a control call failed");
    Refusal::new(RefusalCode::Unavailable, format!("the API server did not do it: {error}"))
}
