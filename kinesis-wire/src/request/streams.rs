//! Requests about streams and their settings.

use std::borrow::Cow;

use super::{StreamRef, Tags, text};
use crate::Error;
use crate::shape::Members;
use crate::words::{ALL_METRICS, EncryptionType, RecordDistributionStrategy, ShardLevelMetric, StreamMode};

/// Makes a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateStream<'a> {
    /// StreamName: 1 to 128 characters of `a-z A-Z 0-9 _ . -`.
    pub stream_name: Cow<'a, str>,
    /// ShardCount, at least 1.
    pub shard_count: Option<u32>,
    /// StreamModeDetails.
    pub stream_mode: Option<StreamMode>,
    /// Tags: at most 200 here; a stream's own limit is lower.
    pub tags: Tags<'a>,
    /// WarmThroughputMiBps.
    pub warm_throughput_mibps: Option<u32>,
    /// MaxRecordSizeInKiB: 1024 to 10240.
    pub max_record_size_kib: Option<u32>,
    /// RecordDistributionStrategy.
    pub record_distribution_strategy: Option<RecordDistributionStrategy>,
}

/// Deletes a stream with its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteStream<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// EnforceConsumerDeletion; absent is false.
    pub enforce_consumer_deletion: bool,
}

/// Describes a stream with a page of its shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeStream<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// Limit: 1 to 10,000 (a page has at most 100 all the same).
    pub limit: Option<u32>,
    /// ExclusiveStartShardId, as it is written.
    pub exclusive_start_shard_id: Option<Cow<'a, str>>,
}

/// Describes a stream without its shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeStreamSummary<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
}

/// Lists the streams of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListStreams<'a> {
    /// Limit: 1 to 10,000 (a page has at most 100 all the same).
    pub limit: Option<u32>,
    /// ExclusiveStartStreamName.
    pub exclusive_start_stream_name: Option<Cow<'a, str>>,
    /// NextToken.
    pub next_token: Option<Cow<'a, str>>,
}

/// Keeps records longer (IncreaseStreamRetentionPeriod) or not as long (DecreaseStreamRetentionPeriod).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionPeriod<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// RetentionPeriodHours: any integer, which may be too small or too large.
    pub retention_period_hours: i32,
}

/// Turns metrics on (EnableEnhancedMonitoring) or off (DisableEnhancedMonitoring).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardLevelMetrics<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// ShardLevelMetrics, sorted, each once; ALL is every one.
    pub metrics: Vec<ShardLevelMetric>,
}

/// Seals a stream's records (StartStreamEncryption), or no longer (StopStreamEncryption).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEncryption<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// EncryptionType.
    pub encryption_type: EncryptionType,
    /// KeyId, 1 to 2,048 characters: a key's id, its ARN, or an alias.
    pub key_id: Cow<'a, str>,
}

/// Changes how large a record may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateMaxRecordSize<'a> {
    /// The stream, by ARN.
    pub stream: StreamRef<'a>,
    /// MaxRecordSizeInKiB: 1024 to 10240.
    pub max_record_size_kib: u32,
}

/// Changes who decides the number of shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateStreamMode<'a> {
    /// The stream, by ARN.
    pub stream: StreamRef<'a>,
    /// StreamModeDetails.
    pub stream_mode: StreamMode,
    /// WarmThroughputMiBps.
    pub warm_throughput_mibps: Option<u32>,
}

/// Changes how records find their shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateStreamRecordDistributionStrategy<'a> {
    /// The stream, by ARN.
    pub stream: StreamRef<'a>,
    /// RecordDistributionStrategy.
    pub record_distribution_strategy: RecordDistributionStrategy,
}

/// Changes the throughput that a stream is kept ready for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateStreamWarmThroughput<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// WarmThroughputMiBps.
    pub warm_throughput_mibps: u32,
}

impl<'a> CreateStream<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream_name: text(members, "StreamName"),
            shard_count: members.take_integer("ShardCount"),
            stream_mode: stream_mode(members),
            tags: members.take_text_map("Tags"),
            warm_throughput_mibps: members.take_integer("WarmThroughputMiBps"),
            max_record_size_kib: members.take_integer("MaxRecordSizeInKiB"),
            record_distribution_strategy: distribution_strategy(members),
        })
    }
}

impl<'a> DeleteStream<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            enforce_consumer_deletion: members.take_boolean("EnforceConsumerDeletion"),
        })
    }
}

impl<'a> DescribeStream<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            limit: members.take_integer("Limit"),
            exclusive_start_shard_id: members.take_text("ExclusiveStartShardId"),
        })
    }
}

impl<'a> DescribeStreamSummary<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self { stream: StreamRef::build(members) })
    }
}

impl<'a> ListStreams<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            limit: members.take_integer("Limit"),
            exclusive_start_stream_name: members.take_text("ExclusiveStartStreamName"),
            next_token: members.take_text("NextToken"),
        })
    }
}

impl<'a> RetentionPeriod<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            retention_period_hours: members.take_signed("RetentionPeriodHours").unwrap_or_default(),
        })
    }
}

impl<'a> ShardLevelMetrics<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        let names = members.take_texts("ShardLevelMetrics");
        let is_meant = |metric: &&ShardLevelMetric| {
            names.iter().any(|name| name == ALL_METRICS || name == metric.name())
        };
        let metrics = ShardLevelMetric::ALL.iter().filter(is_meant).copied().collect();
        Ok(Self { stream: StreamRef::build(members), metrics })
    }
}

impl<'a> StreamEncryption<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        let encryption_type = members.take_word("EncryptionType", EncryptionType::from_name);
        Ok(Self {
            stream: StreamRef::build(members),
            encryption_type: encryption_type.unwrap_or(EncryptionType::None),
            key_id: text(members, "KeyId"),
        })
    }
}

impl<'a> UpdateMaxRecordSize<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            max_record_size_kib: members.take_integer("MaxRecordSizeInKiB").unwrap_or_default(),
        })
    }
}

impl<'a> UpdateStreamMode<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            stream_mode: stream_mode(members).unwrap_or(StreamMode::Provisioned),
            warm_throughput_mibps: members.take_integer("WarmThroughputMiBps"),
        })
    }
}

impl<'a> UpdateStreamRecordDistributionStrategy<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        let strategy = distribution_strategy(members);
        Ok(Self {
            stream: StreamRef::build(members),
            record_distribution_strategy: strategy.unwrap_or(RecordDistributionStrategy::UserPartitionKey),
        })
    }
}

impl<'a> UpdateStreamWarmThroughput<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            warm_throughput_mibps: members.take_integer("WarmThroughputMiBps").unwrap_or_default(),
        })
    }
}

fn stream_mode(members: &mut Members<'_>) -> Option<StreamMode> {
    members.take_structure("StreamModeDetails")?.take_word("StreamMode", StreamMode::from_name)
}

fn distribution_strategy(members: &mut Members<'_>) -> Option<RecordDistributionStrategy> {
    members.take_word("RecordDistributionStrategy", RecordDistributionStrategy::from_name)
}
