//! Streams as the API shows them: the answers of DescribeStream and DescribeStreamSummary.

use super::shard::{Shard, write_shards};
use crate::json::Writer;
use crate::request::{RecordDistributionStrategy, StreamMode};

/// What a stream is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the states are those of the AWS API reference, StreamDescription")]
pub enum StreamStatus {
    Creating,
    Active,
    Updating,
    Deleting,
}

/// How a stream's records are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the types are those of the AWS API reference, StreamDescription")]
pub enum EncryptionType {
    #[default]
    None,
    Kms,
}

/// A metric that can be had shard by shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// The throughput that an on-demand stream is kept ready for, in MiB/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmThroughput {
    /// TargetMiBps.
    pub target_mibps: u32,
    /// CurrentMiBps.
    pub current_mibps: u32,
}

/// The answer to DescribeStream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeStream {
    /// StreamName.
    pub stream_name: String,
    /// StreamARN.
    pub stream_arn: String,
    /// StreamStatus.
    pub stream_status: StreamStatus,
    /// StreamModeDetails.
    pub stream_mode: StreamMode,
    /// Shards, sorted by id; empty while the stream is CREATING.
    pub shards: Vec<Shard>,
    /// HasMoreShards.
    pub has_more_shards: bool,
    /// RetentionPeriodHours.
    pub retention_period_hours: u32,
    /// StreamCreationTimestamp in milliseconds since 1970.
    pub stream_creation_ms: i64,
    /// EnhancedMonitoring: the metrics that are on.
    pub enhanced_monitoring: Vec<ShardLevelMetric>,
    /// EncryptionType.
    pub encryption_type: EncryptionType,
    /// KeyId.
    pub key_id: Option<String>,
}

/// The answer to DescribeStreamSummary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeStreamSummary {
    /// StreamName.
    pub stream_name: String,
    /// StreamARN.
    pub stream_arn: String,
    /// StreamStatus.
    pub stream_status: StreamStatus,
    /// StreamModeDetails.
    pub stream_mode: StreamMode,
    /// RetentionPeriodHours.
    pub retention_period_hours: u32,
    /// StreamCreationTimestamp in milliseconds since 1970.
    pub stream_creation_ms: i64,
    /// EnhancedMonitoring: the metrics that are on.
    pub enhanced_monitoring: Vec<ShardLevelMetric>,
    /// EncryptionType.
    pub encryption_type: EncryptionType,
    /// KeyId.
    pub key_id: Option<String>,
    /// OpenShardCount.
    pub open_shard_count: u32,
    /// ConsumerCount.
    pub consumer_count: u32,
    /// MaxRecordSizeInKiB.
    pub max_record_size_kib: u32,
    /// WarmThroughput: only where the account has committed to it.
    pub warm_throughput: Option<WarmThroughput>,
    /// RecordDistributionStrategy: of on-demand streams only.
    pub record_distribution_strategy: Option<RecordDistributionStrategy>,
    /// ChannelCount.
    pub channel_count: Option<u32>,
    /// QueueCount.
    pub queue_count: Option<u32>,
}

impl DescribeStream {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.begin_map();
        writer.key("StreamDescription");
        writer.begin_map();
        writer.key("StreamName");
        writer.text(&self.stream_name);
        writer.key("StreamARN");
        writer.text(&self.stream_arn);
        writer.key("StreamStatus");
        writer.text(self.stream_status.name());
        write_mode(self.stream_mode, &mut writer);
        write_shards(&self.shards, &mut writer);
        writer.key("HasMoreShards");
        writer.boolean(self.has_more_shards);
        writer.key("RetentionPeriodHours");
        writer.integer(self.retention_period_hours.into());
        writer.key("StreamCreationTimestamp");
        writer.timestamp_ms(self.stream_creation_ms);
        write_monitoring(&self.enhanced_monitoring, &mut writer);
        write_encryption(self.encryption_type, self.key_id.as_deref(), &mut writer);
        writer.end_map();
        writer.end_map();
        writer.finish()
    }
}

impl DescribeStreamSummary {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.begin_map();
        writer.key("StreamDescriptionSummary");
        writer.begin_map();
        writer.key("StreamName");
        writer.text(&self.stream_name);
        writer.key("StreamARN");
        writer.text(&self.stream_arn);
        writer.key("StreamStatus");
        writer.text(self.stream_status.name());
        write_mode(self.stream_mode, &mut writer);
        writer.key("RetentionPeriodHours");
        writer.integer(self.retention_period_hours.into());
        writer.key("StreamCreationTimestamp");
        writer.timestamp_ms(self.stream_creation_ms);
        write_monitoring(&self.enhanced_monitoring, &mut writer);
        write_encryption(self.encryption_type, self.key_id.as_deref(), &mut writer);
        self.write_counts(&mut writer);
        writer.end_map();
        writer.end_map();
        writer.finish()
    }

    fn write_counts(&self, writer: &mut Writer) {
        let counts = [
            ("OpenShardCount", Some(self.open_shard_count)),
            ("ConsumerCount", Some(self.consumer_count)),
            ("MaxRecordSizeInKiB", Some(self.max_record_size_kib)),
            ("ChannelCount", self.channel_count),
            ("QueueCount", self.queue_count),
        ];
        for (name, count) in counts {
            if let Some(count) = count {
                writer.key(name);
                writer.integer(count.into());
            }
        }
        if let Some(throughput) = self.warm_throughput {
            writer.key("WarmThroughput");
            writer.begin_map();
            writer.key("TargetMiBps");
            writer.integer(throughput.target_mibps.into());
            writer.key("CurrentMiBps");
            writer.integer(throughput.current_mibps.into());
            writer.end_map();
        }
        if let Some(strategy) = self.record_distribution_strategy {
            writer.key("RecordDistributionStrategy");
            writer.text(strategy.name());
        }
    }
}

/// The member StreamModeDetails.
pub(super) fn write_mode(mode: StreamMode, writer: &mut Writer) {
    writer.key("StreamModeDetails");
    writer.begin_map();
    writer.key("StreamMode");
    writer.text(mode.name());
    writer.end_map();
}

/// The member EnhancedMonitoring: one element, whose list is empty where nothing is on.
fn write_monitoring(metrics: &[ShardLevelMetric], writer: &mut Writer) {
    writer.key("EnhancedMonitoring");
    writer.begin_list();
    writer.begin_map();
    writer.key("ShardLevelMetrics");
    writer.begin_list();
    for metric in metrics {
        writer.text(metric.name());
    }
    writer.end_list();
    writer.end_map();
    writer.end_list();
}

/// The members EncryptionType and KeyId.
fn write_encryption(encryption_type: EncryptionType, key_id: Option<&str>, writer: &mut Writer) {
    writer.key("EncryptionType");
    writer.text(encryption_type.name());
    if let Some(key_id) = key_id {
        writer.key("KeyId");
        writer.text(key_id);
    }
}

impl StreamStatus {
    /// The word of the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
        }
    }
}

impl EncryptionType {
    /// The word of the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Kms => "KMS",
        }
    }
}

impl ShardLevelMetric {
    /// The word of the API.
    #[must_use]
    pub fn name(self) -> &'static str {
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
