//! Settings of a stream that the API shows and data calls do not need.

use std::collections::BTreeSet;

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

impl StreamSettings {
    /// Whether all of them are the defaults.
    #[must_use]
    pub fn are_default(&self) -> bool {
        *self == Self::default()
    }
}
