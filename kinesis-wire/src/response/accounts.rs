//! The account as the API shows it: the answers of DescribeLimits, DescribeAccountSettings and UpdateAccountSettings.

use super::Body;
use crate::words::CommitmentStatus;
use crate::writer::Writer;

/// The answer to DescribeAccountSettings and to UpdateAccountSettings: MinimumThroughputBillingCommitment. Times are
/// milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// Status.
    pub status: CommitmentStatus,
    /// StartedAt.
    pub started_ms: Option<i64>,
    /// EndedAt.
    pub ended_ms: Option<i64>,
    /// EarliestAllowedEndAt.
    pub earliest_allowed_end_ms: Option<i64>,
}

/// The answer to DescribeLimits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescribeLimits {
    /// ShardLimit.
    pub shard_limit: u32,
    /// OpenShardCount.
    pub open_shard_count: u32,
    /// OnDemandStreamCount.
    pub on_demand_stream_count: u32,
    /// OnDemandStreamCountLimit.
    pub on_demand_stream_count_limit: u32,
}

impl Body for AccountSettings {
    fn write(&self, writer: &mut impl Writer) {
        let times = [
            ("StartedAt", self.started_ms),
            ("EndedAt", self.ended_ms),
            ("EarliestAllowedEndAt", self.earliest_allowed_end_ms),
        ];
        writer.map(|writer| {
            writer.map_member("MinimumThroughputBillingCommitment", |writer| {
                writer.text_member("Status", self.status.name());
                for (name, ms) in times {
                    if let Some(ms) = ms {
                        writer.timestamp_member(name, ms);
                    }
                }
            });
        });
    }
}

impl Body for DescribeLimits {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            writer.integer_member("ShardLimit", self.shard_limit);
            writer.integer_member("OpenShardCount", self.open_shard_count);
            writer.integer_member("OnDemandStreamCount", self.on_demand_stream_count);
            writer.integer_member("OnDemandStreamCountLimit", self.on_demand_stream_count_limit);
        });
    }
}
