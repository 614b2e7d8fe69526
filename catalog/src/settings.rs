//! Settings of a stream that the API shows and data calls do not need.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Settings of a stream that the API shows and data calls do not need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamSettings {
    /// The shard-level metrics that are enabled.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub shard_level_metrics: BTreeSet<ShardLevelMetric>,
    /// The warm throughput of an on-demand stream, in MiB per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_throughput_mibps: Option<u32>,
    /// The number of its registered consumers.
    pub consumer_count: u32,
}

/// A shard-level metric, in the order in which answers have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the metrics are those of the AWS API reference, EnhancedMetrics")]
pub enum ShardLevelMetric {
    IncomingBytes,
    IncomingRecords,
    OutgoingBytes,
    OutgoingRecords,
    WriteProvisionedThroughputExceeded,
    ReadProvisionedThroughputExceeded,
    IteratorAgeMilliseconds,
}

/// The text is not the name of a shard-level metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a shard-level metric")]
pub struct InvalidShardLevelMetric(String);

impl ShardLevelMetric {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::IncomingBytes,
        Self::IncomingRecords,
        Self::OutgoingBytes,
        Self::OutgoingRecords,
        Self::WriteProvisionedThroughputExceeded,
        Self::ReadProvisionedThroughputExceeded,
        Self::IteratorAgeMilliseconds,
    ];

    /// Its name in the Kinesis API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IncomingBytes => "IncomingBytes",
            Self::IncomingRecords => "IncomingRecords",
            Self::OutgoingBytes => "OutgoingBytes",
            Self::OutgoingRecords => "OutgoingRecords",
            Self::WriteProvisionedThroughputExceeded => "WriteProvisionedThroughputExceeded",
            Self::ReadProvisionedThroughputExceeded => "ReadProvisionedThroughputExceeded",
            Self::IteratorAgeMilliseconds => "IteratorAgeMilliseconds",
        }
    }
}

impl FromStr for ShardLevelMetric {
    type Err = InvalidShardLevelMetric;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|metric| metric.as_str() == text);
        named.ok_or_else(|| InvalidShardLevelMetric(text.into()))
    }
}

impl StreamSettings {
    /// Whether all of them are the defaults.
    #[must_use]
    pub fn are_default(&self) -> bool {
        *self == Self::default()
    }
}
