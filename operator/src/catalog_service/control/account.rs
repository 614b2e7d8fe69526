//! The calls on the account. Its settings are a ConfigMap of the release's namespace.

use std::collections::BTreeMap;

use catalog::control::{
    Commitment, DescribeAccount, DescribeLimits, Limits, Refusal, RefusalCode, UpdateAccount,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, Patch, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{Control, MOST_ATTEMPTS, contended, unavailable, writing};
use crate::names::{API_FIELD_MANAGER, account_config_map};

/// The key of the commitment in the ConfigMap; its value is JSON.
const COMMITMENT: &str = "minimumThroughputBillingCommitment";

impl Control {
    /// Counts what the account has, of which followers were told.
    ///
    /// # Errors
    /// If there is no such account, or the catalog is not whole yet.
    pub(super) fn describe_limits(&self, call: &DescribeLimits) -> Result<Limits, Refusal> {
        self.own_account(&call.account_id)?;
        if !self.published.is_whole() {
            let message = "the catalog is not whole yet: ask again";
            return Err(Refusal::new(RefusalCode::Unavailable, message));
        }
        let streams = self.published.streams();
        Ok(Limits::of(streams.iter().map(|stream| &**stream)))
    }

    /// The settings of the account.
    ///
    /// # Errors
    /// If there is no such account, its settings cannot be read, or the API server does not answer.
    pub(super) async fn describe_account(&self, call: &DescribeAccount) -> Result<Commitment, Refusal> {
        self.own_account(&call.account_id)?;
        self.commitment().await
    }

    /// Changes the settings of the account.
    ///
    /// # Errors
    /// If there is no such account, its settings cannot be read, or the API server does not do it.
    pub(super) async fn update_account(&self, call: &UpdateAccount) -> Result<Commitment, Refusal> {
        self.own_account(&call.account_id)?;
        let name = account_config_map(&call.account_id);
        for _ in 0..MOST_ATTEMPTS {
            let account = self.account().await?;
            let before = account.as_ref().map_or(Ok(Commitment::default()), commitment_of)?;
            let after = before.updated(call.commitment, self.now_ms());
            if after == before {
                return Ok(after);
            }
            let data = BTreeMap::from([(COMMITMENT.to_owned(), json!(after).to_string())]);
            let written = match account {
                None => {
                    let params =
                        PostParams { field_manager: Some(API_FIELD_MANAGER.into()), ..Default::default() };
                    self.config_maps().create(&params, &self.new_account(&name, data)).await
                }
                Some(account) => {
                    let version = account.resource_version();
                    let patch = json!({"metadata": {"resourceVersion": version}, "data": data});
                    self.config_maps().patch(&name, &writing(), &Patch::Merge(&patch)).await
                }
            };
            match written {
                Ok(_) => {
                    tracing::info!(
                        account = call.account_id,
                        commitment = call.commitment,
                        "changed by the API"
                    );
                    return Ok(after);
                }
                // Another call was quicker.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Err(contended())
    }

    /// Whether the account has the minimum throughput billing commitment.
    pub(super) async fn has_commitment(&self) -> Result<bool, Refusal> {
        Ok(self.commitment().await?.is_on(self.now_ms()))
    }

    async fn commitment(&self) -> Result<Commitment, Refusal> {
        self.account().await?.as_ref().map_or(Ok(Commitment::default()), commitment_of)
    }

    async fn account(&self) -> Result<Option<ConfigMap>, Refusal> {
        let name = account_config_map(&self.settings.account_id);
        self.config_maps().get_opt(&name).await.map_err(|error| unavailable(&error))
    }

    fn new_account(&self, name: &str, data: BTreeMap<String, String>) -> ConfigMap {
        let labels =
            [("app.kubernetes.io/name", "kinetes"), ("app.kubernetes.io/managed-by", API_FIELD_MANAGER)];
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.into()),
                namespace: Some(self.settings.namespace.clone()),
                labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
                ..Default::default()
            },
            data: Some(data),
            ..Default::default()
        }
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.settings.namespace)
    }

    pub(super) fn now_ms(&self) -> i64 {
        (self.now)().as_millisecond()
    }
}

/// The commitment that a ConfigMap holds; none where it says nothing.
fn commitment_of(account: &ConfigMap) -> Result<Commitment, Refusal> {
    let Some(text) = account.data.as_ref().and_then(|data| data.get(COMMITMENT)) else {
        return Ok(Commitment::default());
    };
    serde_json::from_str(text).map_err(|error| {
        let message = format!(
            "{COMMITMENT} of ConfigMap {}/{} makes no sense: correct it, or remove it: {error}",
            account.namespace().unwrap_or_default(),
            account.name_any()
        );
        Refusal::new(RefusalCode::Unavailable, message)
    })
}
