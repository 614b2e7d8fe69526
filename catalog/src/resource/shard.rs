//! `Shard`: the resource that mirrors one shard. People look at it, and the operator derives its next steps from it.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{HashKey, ShardId, ShardState};

/// What a shard is; never changes. The operator alone writes it.
///
/// An object is written at most four times: created (Pending), Open, Closed, deleted.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "kinetes.dev",
    version = "v1alpha1",
    kind = "Shard",
    namespaced,
    doc = "A shard of a DataStream, as the operator sees it. Written by the operator alone.",
    status = "ShardStatus",
    derive = "Default",
    derive = "PartialEq",
    category = "kinetes",
    printcolumn(name = "Stream", type_ = "string", json_path = ".spec.streamName"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Start", type_ = "string", json_path = ".spec.hashKeyRange.startingHashKey"),
    printcolumn(name = "End", type_ = "string", json_path = ".spec.hashKeyRange.endingHashKey"),
    printcolumn(name = "Log", type_ = "string", json_path = ".spec.log"),
    printcolumn(name = "Group", type_ = "string", json_path = ".spec.group"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Id", type_ = "string", json_path = ".spec.shardId", priority = 1),
    validation = Rule::new("self.spec == oldSelf.spec")
        .message("a Shard's spec never changes: it mirrors a shard, and only the operator writes it")
)]
#[serde(rename_all = "camelCase")]
pub struct ShardSpec {
    /// The stream's name in the Kinesis API.
    #[schemars(length(max = 253))]
    pub stream_name: String,
    /// The shard's id in the Kinesis API, such as shardId-000000000000.
    #[schemars(length(max = 64))]
    pub shard_id: String,
    /// The hash keys of the records that it takes.
    pub hash_key_range: HashKeyRange,
    /// The ids of the shards that it came from: none at creation, one after a split, two after a merge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), inner(length(max = 64)))]
    pub parents: Vec<String>,
    /// The log that holds its records.
    #[schemars(length(max = 64))]
    pub log: String,
    /// The StatefulSet that hosted the log when the shard was made.
    #[schemars(length(max = 253))]
    pub group: String,
    /// When it was created, in seconds since 1970, as its sequence numbers carry it.
    pub create_seconds: i64,
    /// The sequence number below those of all its records.
    #[schemars(length(max = 64))]
    pub starting_sequence_number: String,
}

/// The hash keys of a shard, both ends included.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HashKeyRange {
    /// The first one, in decimal.
    #[schemars(length(max = 64))]
    pub starting_hash_key: String,
    /// The last one, in decimal.
    #[schemars(length(max = 64))]
    pub ending_hash_key: String,
}

/// Where a shard is in its life.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardStatus {
    /// Pending, Open or Closed; it only moves forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
    /// The sequence number above those of all its records; only once it is Closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub ending_sequence_number: Option<String>,
}

/// A field of a Shard object is not valid: somebody other than the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} of Shard {name} makes no sense: delete the object, the operator makes it again")]
pub struct InvalidShard {
    /// The object's name.
    pub name: String,
    /// The field that cannot be read.
    pub field: &'static str,
}

impl ShardSpec {
    /// The resource that mirrors a shard of the domain.
    #[must_use]
    pub fn mirror(shard: &crate::Shard, stream_name: &str, group: &str) -> Self {
        Self {
            stream_name: stream_name.into(),
            shard_id: shard.id.to_string(),
            hash_key_range: HashKeyRange {
                starting_hash_key: shard.range.start.to_string(),
                ending_hash_key: shard.range.end.to_string(),
            },
            parents: shard.parents.iter().map(ToString::to_string).collect(),
            log: shard.log.clone(),
            group: group.into(),
            create_seconds: shard.create_seconds.cast_signed(),
            starting_sequence_number: shard.starting_sequence_number().to_string(),
        }
    }
}

impl Shard {
    /// The shard's state; that of an object without a status is Pending.
    #[must_use]
    pub fn state(&self) -> ShardState {
        match self.status.as_ref().and_then(|status| status.state.as_deref()) {
            Some("Closed") => ShardState::Closed,
            Some("Open") => ShardState::Open,
            _ => ShardState::Pending,
        }
    }

    /// The shard of the domain that this object mirrors.
    ///
    /// # Errors
    /// If a field is not valid.
    pub fn to_domain(&self) -> Result<crate::Shard, InvalidShard> {
        let name = self.metadata.name.clone().unwrap_or_default();
        let invalid = |field| InvalidShard { name: name.clone(), field };
        let key = |text: &str| text.parse::<HashKey>().map_err(|_| invalid("spec.hashKeyRange"));
        let id = |text: &str, field| text.parse::<ShardId>().map_err(|_| invalid(field));
        let range = &self.spec.hash_key_range;
        Ok(crate::Shard {
            id: id(&self.spec.shard_id, "spec.shardId")?,
            range: crate::HashKeyRange {
                start: key(&range.starting_hash_key)?,
                end: key(&range.ending_hash_key)?,
            },
            parents: self
                .spec
                .parents
                .iter()
                .map(|parent| id(parent, "spec.parents"))
                .collect::<Result<_, _>>()?,
            state: self.state(),
            log: self.spec.log.clone(),
            create_seconds: u64::try_from(self.spec.create_seconds)
                .map_err(|_| invalid("spec.createSeconds"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_shard_converts_back() {
        let planned = crate::map::Genesis::new(2, 1, 1_700_000_000).shards().pop().unwrap();
        let object = Shard::new("orders-s1", ShardSpec::mirror(&planned, "orders", "orders-1a2b3-g1"));
        assert_eq!(object.to_domain(), Ok(planned));
    }

    #[test]
    fn shard_written_by_hand_is_an_error_and_does_not_panic() {
        let object = Shard::new("mine", ShardSpec::default());
        assert_eq!(object.to_domain().unwrap_err().field, "spec.shardId");
    }
}
