//! The calls, as values.

use serde::{Deserialize, Serialize};

use super::{ConsumerKey, Refusal, RefusalCode, StreamChange, Tags};
use crate::reshard::ShardChange;
use crate::{StreamMode, StreamName, StreamSettings};

/// Names a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamKey {
    /// The account that owns it.
    pub account_id: String,
    /// See [`crate::Stream::region`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its name.
    pub name: StreamName,
}

impl StreamKey {
    /// The refusal of a call that names a stream that does not exist.
    #[must_use]
    pub fn not_found(&self) -> Refusal {
        let message = format!("Stream {} under account {} not found.", self.name, self.account_id);
        Refusal::new(RefusalCode::ResourceNotFound, message)
    }

    /// The refusal of a call that creates a stream whose name is taken.
    #[must_use]
    pub fn already_exists(&self) -> Refusal {
        let message = format!("Stream {} under account {} already exists.", self.name, self.account_id);
        Refusal::new(RefusalCode::ResourceInUse, message)
    }
}

/// The most shards that a stream may be created with.
pub const MAX_SHARD_COUNT: u32 = 10_000;

/// Creates a stream. The answer comes when its creation is durable, not when it is ACTIVE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateStream {
    /// The account that will own it.
    pub account_id: String,
    /// See [`crate::Stream::region`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its name, free in the account.
    pub name: StreamName,
    /// Who decides the number of shards.
    pub mode: StreamMode,
    /// 1 to 10,000; absent: 4 (what AWS does).
    pub shard_count: Option<u32>,
    /// 1024 to 10240, absent: 1024.
    pub max_record_size_kib: Option<u32>,
    /// The warm throughput of an on-demand stream, in MiB per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_throughput_mibps: Option<u32>,
    /// Tags, sorted by key.
    pub tags: Tags,
}

impl CreateStream {
    /// Names the new stream.
    #[must_use]
    pub fn key(&self) -> StreamKey {
        let (account_id, region) = (self.account_id.clone(), self.region.clone());
        StreamKey { account_id, region, name: self.name.clone() }
    }
}

/// Deletes a stream with its records. The answer comes when the deletion is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteStream {
    /// The account that owns it.
    pub account_id: String,
    /// See [`crate::Stream::region`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its name.
    pub name: StreamName,
    /// Delete its registered consumers, too: without this a stream with consumers is not deleted.
    #[serde(default)]
    pub enforce_consumer_deletion: bool,
}

impl DeleteStream {
    /// Names the stream.
    #[must_use]
    pub fn key(&self) -> StreamKey {
        let (account_id, region) = (self.account_id.clone(), self.region.clone());
        StreamKey { account_id, region, name: self.name.clone() }
    }

    /// Checks that the consumers of the stream, so many, may go with it.
    ///
    /// # Errors
    /// If there are some, and the call does not say that they may.
    pub fn check_consumers(&self, registered: usize) -> Result<(), Refusal> {
        if registered == 0 || self.enforce_consumer_deletion {
            return Ok(());
        }
        let Self { account_id, name, .. } = self;
        let message = format!(
            "DeleteStream can't delete {account_id}:{name} because there are consumers associated with this data stream. \
             To delete {name} anyway, set the EnforceConsumerDeletion parameter to true to force the deletion of all the \
             consumers that are associated with it."
        );
        Err(Refusal::new(RefusalCode::ResourceInUse, message))
    }
}

/// Looks up a stream that the caller's copy of the catalog does not have. Only this answer may say that it does not
/// exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FindStream {
    /// The account that owns it.
    pub account_id: String,
    /// See [`crate::Stream::region`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its name.
    pub name: StreamName,
}

/// Changes a setting of a stream. The answer comes when the change is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeStream {
    /// The stream.
    pub stream: StreamKey,
    /// The change.
    pub change: StreamChange,
}

/// Begins to change the shards of a stream. The answer comes when that is durable, and the stream UPDATING; it says how many
/// shards were open before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeShards {
    /// The stream.
    pub stream: StreamKey,
    /// The change.
    pub change: ShardChange,
}

/// The answer to [`ChangeStream`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingsChange {
    /// The settings before the change.
    pub before: StreamSettings,
    /// The settings after it.
    pub after: StreamSettings,
}

/// Adds tags to a stream or to one of its consumers, or changes their values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagResource {
    /// The stream.
    pub stream: StreamKey,
    /// The consumer; absent: the stream itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerKey>,
    /// The tags.
    pub tags: Tags,
}

/// Removes tags from a stream or from one of its consumers. Keys that it does not have are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UntagResource {
    /// The stream.
    pub stream: StreamKey,
    /// The consumer; absent: the stream itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerKey>,
    /// The keys of the tags.
    pub keys: Vec<String>,
}

/// Lists all tags of a stream or of one of its consumers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListTags {
    /// The stream.
    pub stream: StreamKey,
    /// The consumer; absent: the stream itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerKey>,
}

/// Registers a consumer with a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterConsumer {
    /// The stream.
    pub stream: StreamKey,
    /// The consumer's name, free in the stream.
    pub name: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
}

/// Deregisters a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeregisterConsumer {
    /// The stream.
    pub stream: StreamKey,
    /// The consumer.
    pub consumer: ConsumerKey,
}

/// Looks up a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FindConsumer {
    /// The stream.
    pub stream: StreamKey,
    /// The consumer.
    pub consumer: ConsumerKey,
}

/// Lists consumers of a stream, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListConsumers {
    /// The stream.
    pub stream: StreamKey,
    /// The name after which the list begins; absent: the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The most consumers to list.
    pub limit: usize,
}

/// Counts what an account has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeLimits {
    /// The account.
    pub account_id: String,
    /// See [`crate::Stream::region`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// Looks up the settings of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeAccount {
    /// The account.
    pub account_id: String,
    /// See [`crate::Stream::region`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// Changes the settings of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateAccount {
    /// The account.
    pub account_id: String,
    /// See [`crate::Stream::region`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether the minimum throughput billing commitment is on.
    pub commitment: bool,
}
