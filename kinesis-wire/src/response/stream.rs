//! Streams as the API shows them: the answers of DescribeStream, DescribeStreamSummary and ListStreams.

use super::Body;
use super::shard::{Shard, write_shards};
use super::stream_settings::{WarmThroughput, write_encryption, write_mode, write_monitoring};
use crate::words::{EncryptionType, RecordDistributionStrategy, ShardLevelMetric, StreamMode, StreamStatus};
use crate::writer::Writer;

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

/// The answer to ListStreams. StreamNames, which the API also has, are those of the summaries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStreams {
    /// StreamSummaries, sorted by name.
    pub stream_summaries: Vec<StreamSummary>,
    /// HasMoreStreams.
    pub has_more_streams: bool,
    /// NextToken.
    pub next_token: Option<String>,
}

/// A stream in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// StreamName.
    pub stream_name: String,
    /// StreamARN.
    pub stream_arn: String,
    /// StreamStatus.
    pub stream_status: StreamStatus,
    /// StreamModeDetails.
    pub stream_mode: StreamMode,
    /// StreamCreationTimestamp in milliseconds since 1970.
    pub stream_creation_ms: i64,
}

impl Body for DescribeStream {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            writer.map_member("StreamDescription", |writer| {
                writer.text_member("StreamName", &self.stream_name);
                writer.text_member("StreamARN", &self.stream_arn);
                writer.text_member("StreamStatus", self.stream_status.name());
                write_mode(self.stream_mode, writer);
                write_shards(&self.shards, writer);
                writer.boolean_member("HasMoreShards", self.has_more_shards);
                writer.integer_member("RetentionPeriodHours", self.retention_period_hours);
                writer.timestamp_member("StreamCreationTimestamp", self.stream_creation_ms);
                write_monitoring(&self.enhanced_monitoring, writer);
                write_encryption(self.encryption_type, self.key_id.as_deref(), writer);
            });
        });
    }
}

impl Body for DescribeStreamSummary {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            writer.map_member("StreamDescriptionSummary", |writer| {
                writer.text_member("StreamName", &self.stream_name);
                writer.text_member("StreamARN", &self.stream_arn);
                writer.text_member("StreamStatus", self.stream_status.name());
                write_mode(self.stream_mode, writer);
                writer.integer_member("RetentionPeriodHours", self.retention_period_hours);
                writer.timestamp_member("StreamCreationTimestamp", self.stream_creation_ms);
                write_monitoring(&self.enhanced_monitoring, writer);
                write_encryption(self.encryption_type, self.key_id.as_deref(), writer);
                self.write_counts(writer);
            });
        });
    }
}

impl DescribeStreamSummary {
    fn write_counts(&self, writer: &mut impl Writer) {
        let counts = [
            ("OpenShardCount", Some(self.open_shard_count)),
            ("ConsumerCount", Some(self.consumer_count)),
            ("MaxRecordSizeInKiB", Some(self.max_record_size_kib)),
            ("ChannelCount", self.channel_count),
            ("QueueCount", self.queue_count),
        ];
        for (name, count) in counts {
            if let Some(count) = count {
                writer.integer_member(name, count);
            }
        }
        if let Some(throughput) = self.warm_throughput {
            throughput.write(writer);
        }
        let strategy = self.record_distribution_strategy.map(RecordDistributionStrategy::name);
        writer.optional_text_member("RecordDistributionStrategy", strategy);
    }
}

impl Body for ListStreams {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            writer.list_member("StreamNames", &self.stream_summaries, |writer, summary| {
                writer.text(&summary.stream_name);
            });
            writer.boolean_member("HasMoreStreams", self.has_more_streams);
            writer.optional_text_member("NextToken", self.next_token.as_deref());
            writer.list_member("StreamSummaries", &self.stream_summaries, |writer, summary| {
                writer.map(|writer| summary.write_members(writer));
            });
        });
    }
}

impl StreamSummary {
    fn write_members(&self, writer: &mut impl Writer) {
        writer.text_member("StreamName", &self.stream_name);
        writer.text_member("StreamARN", &self.stream_arn);
        writer.text_member("StreamStatus", self.stream_status.name());
        write_mode(self.stream_mode, writer);
        writer.timestamp_member("StreamCreationTimestamp", self.stream_creation_ms);
    }
}
