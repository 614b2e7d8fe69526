//! A stream and where its shards live.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{HashKey, Shard, ShardId, StreamSettings};

/// A stream's name: 1 to 128 characters of `a-z A-Z 0-9 _ . -` (AWS API reference, CreateStream).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(String);

/// The text is not a stream name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a stream name: 1 to 128 letters, digits, '_', '.' and '-'")]
pub struct InvalidStreamName(String);

impl StreamName {
    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamName {
    type Err = InvalidStreamName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidStreamName(text.into()))
        }
    }
}

impl TryFrom<String> for StreamName {
    type Error = InvalidStreamName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> Self {
        name.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What the API shows as StreamStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the states are those of the AWS API reference, StreamDescription")]
pub enum StreamStatus {
    Creating,
    Active,
    Updating,
    Deleting,
}

/// Who decides the number of shards: the user (provisioned) or the measured load (on-demand).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the modes are those of the AWS API reference, StreamModeDetails")]
pub enum StreamMode {
    #[default]
    Provisioned,
    OnDemand,
}

/// Everything a gateway knows about a stream: one entry of the catalog.
///
/// Two entries of one stream are ordered by `map_version`: the higher one is newer, whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// Never reused: a stream that is created again under the same name has another UID.
    pub uid: String,
    /// Grows with every change of this entry.
    pub map_version: u64,
    /// Names the map of its shards ([`crate::map::Digest`]); absent where none is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_digest: Option<String>,
    /// The 12 digits of the account that owns the name.
    pub account_id: String,
    /// The region that it is in, where the service has streams of several (`local`); absent: the service's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The name, unique in its account and region.
    pub name: StreamName,
    /// Its status as the API shows it.
    pub status: StreamStatus,
    /// Who decides the number of its shards.
    pub mode: StreamMode,
    /// How long a record is kept, in hours: 24 to 8760.
    pub retention_period_hours: u32,
    /// The largest record, data and partition key together, in KiB: 1024 to 10240.
    pub max_record_size_kib: u32,
    /// When the stream was created, in milliseconds since 1970.
    pub created_ms: i64,
    /// What data calls do not need.
    #[serde(default, skip_serializing_if = "StreamSettings::are_default")]
    pub settings: StreamSettings,
    /// Its shards, sorted by id.
    pub shards: Vec<Shard>,
    /// Its logs, each with the group that hosts it.
    pub logs: Vec<LogPlacement>,
    /// Its shard groups, each with its pods.
    pub groups: Vec<Group>,
}

/// A log and the group that hosts it. A shard names its log, so that a log can move without a change to its shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlacement {
    /// Unique in the stream: `g0`.
    pub name: String,
    /// The name of the hosting group ([`Group::name`]).
    pub group: String,
}

/// The pods of one StatefulSet. In `local` the one group of a stream has no members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The StatefulSet's name.
    pub name: String,
    /// Its pods, by ordinal.
    pub members: Vec<Member>,
}

/// One pod of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// `host:port` of the internal protocol; the host is the pod's DNS name, which outlives its IP.
    pub address: String,
}

impl Stream {
    /// The shard with this id.
    #[must_use]
    pub fn shard(&self, id: ShardId) -> Option<&Shard> {
        self.shards.binary_search_by_key(&id, |shard| shard.id).ok().map(|index| &self.shards[index])
    }

    /// The open shard that takes records with this hash key; none while the stream has no open shard there.
    #[must_use]
    pub fn open_shard_at(&self, key: HashKey) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.state == crate::ShardState::Open && shard.range.contains(key))
    }

    /// The group that hosts a log.
    #[must_use]
    pub fn group_of_log(&self, log: &str) -> Option<&Group> {
        let log = self.logs.iter().find(|candidate| candidate.name == log)?;
        self.groups.iter().find(|group| group.name == log.group)
    }

    /// `arn:aws:kinesis:<region>:<account>:stream/<name>`.
    #[must_use]
    pub fn arn(&self, region: &str) -> String {
        format!("arn:aws:kinesis:{region}:{}:stream/{}", self.account_id, self.name)
    }
}
