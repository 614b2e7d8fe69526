//! Requests about streams and their settings.

use super::scalars::{
    BOOLEAN, ENCRYPTION_TYPE, NATURAL_INTEGER, NEXT_TOKEN, POSITIVE_INTEGER, RECORD_DISTRIBUTION_STRATEGY,
    SHARD_ID, STREAM_ARN, STREAM_ID, STREAM_MODE, STREAM_NAME,
};
use super::tags::TAG_MAP;
use crate::shape::{Kind, Shape, optional, required};

pub(super) static CREATE_STREAM: Shape = Shape::structure(
    "CreateStreamInput",
    &[
        required("StreamName", &STREAM_NAME),
        optional("ShardCount", &POSITIVE_INTEGER),
        optional("StreamModeDetails", &STREAM_MODE_DETAILS),
        optional("Tags", &TAG_MAP),
        optional("WarmThroughputMiBps", &NATURAL_INTEGER),
        optional("MaxRecordSizeInKiB", &MAX_RECORD_SIZE_IN_KIB),
        optional("RecordDistributionStrategy", &RECORD_DISTRIBUTION_STRATEGY),
    ],
);

pub(super) static DELETE_STREAM: Shape = Shape::structure(
    "DeleteStreamInput",
    &[
        optional("StreamName", &STREAM_NAME),
        optional("EnforceConsumerDeletion", &BOOLEAN),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static DESCRIBE_STREAM: Shape = Shape::structure(
    "DescribeStreamInput",
    &[
        optional("StreamName", &STREAM_NAME),
        optional("Limit", &DESCRIBE_STREAM_INPUT_LIMIT),
        optional("ExclusiveStartShardId", &SHARD_ID),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static DESCRIBE_STREAM_SUMMARY: Shape = Shape::structure(
    "DescribeStreamSummaryInput",
    &[
        optional("StreamName", &STREAM_NAME),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static LIST_STREAMS: Shape = Shape::structure(
    "ListStreamsInput",
    &[
        optional("Limit", &LIST_STREAMS_INPUT_LIMIT),
        optional("ExclusiveStartStreamName", &STREAM_NAME),
        optional("NextToken", &NEXT_TOKEN),
    ],
);

pub(super) static INCREASE_STREAM_RETENTION_PERIOD: Shape = Shape::structure(
    "IncreaseStreamRetentionPeriodInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("RetentionPeriodHours", &RETENTION_PERIOD_HOURS),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static DECREASE_STREAM_RETENTION_PERIOD: Shape = Shape::structure(
    "DecreaseStreamRetentionPeriodInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("RetentionPeriodHours", &RETENTION_PERIOD_HOURS),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static ENABLE_ENHANCED_MONITORING: Shape = Shape::structure(
    "EnableEnhancedMonitoringInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("ShardLevelMetrics", &METRICS_NAME_LIST),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static DISABLE_ENHANCED_MONITORING: Shape = Shape::structure(
    "DisableEnhancedMonitoringInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("ShardLevelMetrics", &METRICS_NAME_LIST),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static START_STREAM_ENCRYPTION: Shape = Shape::structure(
    "StartStreamEncryptionInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("EncryptionType", &ENCRYPTION_TYPE),
        required("KeyId", &KEY_ID),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static STOP_STREAM_ENCRYPTION: Shape = Shape::structure(
    "StopStreamEncryptionInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("EncryptionType", &ENCRYPTION_TYPE),
        required("KeyId", &KEY_ID),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static UPDATE_MAX_RECORD_SIZE: Shape = Shape::structure(
    "UpdateMaxRecordSizeInput",
    &[
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
        required("MaxRecordSizeInKiB", &MAX_RECORD_SIZE_IN_KIB),
    ],
);

pub(super) static UPDATE_STREAM_MODE: Shape = Shape::structure(
    "UpdateStreamModeInput",
    &[
        required("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
        required("StreamModeDetails", &STREAM_MODE_DETAILS),
        optional("WarmThroughputMiBps", &NATURAL_INTEGER),
    ],
);

pub(super) static UPDATE_STREAM_RECORD_DISTRIBUTION_STRATEGY: Shape = Shape::structure(
    "UpdateStreamRecordDistributionStrategyInput",
    &[
        required("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
        required("RecordDistributionStrategy", &RECORD_DISTRIBUTION_STRATEGY),
    ],
);

pub(super) static UPDATE_STREAM_WARM_THROUGHPUT: Shape = Shape::structure(
    "UpdateStreamWarmThroughputInput",
    &[
        optional("StreamARN", &STREAM_ARN),
        optional("StreamName", &STREAM_NAME),
        optional("StreamId", &STREAM_ID),
        required("WarmThroughputMiBps", &NATURAL_INTEGER),
    ],
);

static STREAM_MODE_DETAILS: Shape =
    Shape::structure("StreamModeDetails", &[required("StreamMode", &STREAM_MODE)]);
static METRICS_NAME_LIST: Shape = Shape::new("MetricsNameList", Kind::List(&METRICS_NAME)).min(1).max(7);
static METRICS_NAME: Shape = Shape::text("MetricsName").one_of(&[
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
    "ALL",
]);
static KEY_ID: Shape = Shape::text("KeyId").min(1).max(2048);
static RETENTION_PERIOD_HOURS: Shape = Shape::integer("RetentionPeriodHours");
static MAX_RECORD_SIZE_IN_KIB: Shape = Shape::integer("MaxRecordSizeInKiB").min(1024).max(10240);
static DESCRIBE_STREAM_INPUT_LIMIT: Shape = Shape::integer("DescribeStreamInputLimit").min(1).max(10000);
static LIST_STREAMS_INPUT_LIMIT: Shape = Shape::integer("ListStreamsInputLimit").min(1).max(10000);
