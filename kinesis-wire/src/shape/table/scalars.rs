//! Shapes without members.

use crate::shape::{Kind, Pattern, Shape};
use crate::words::{EncryptionType, RecordDistributionStrategy, StreamMode};

pub(crate) static STREAM_NAME: Shape = Shape::text("StreamName").min(1).max(128).pattern(Pattern::NAME);
pub(crate) static STREAM_ARN: Shape = Shape::text("StreamARN").min(1).max(2048).pattern(Pattern::STREAM_ARN);
pub(crate) static STREAM_ID: Shape = Shape::text("StreamId").min(1).max(24).pattern(Pattern::STREAM_ID);
pub(super) static RESOURCE_ARN: Shape =
    Shape::text("ResourceARN").min(1).max(2048).pattern(Pattern::RESOURCE_ARN);
pub(super) static SHARD_ID: Shape = Shape::text("ShardId").min(1).max(128).pattern(Pattern::NAME);
pub(crate) static PARTITION_KEY: Shape = Shape::text("PartitionKey").min(1).max(256);
pub(crate) static HASH_KEY: Shape = Shape::text("HashKey").pattern(Pattern::HASH_KEY);
pub(crate) static SEQUENCE_NUMBER: Shape = Shape::text("SequenceNumber").pattern(Pattern::SEQUENCE_NUMBER);
pub(super) static NEXT_TOKEN: Shape = Shape::text("NextToken").min(1).max(1_048_576);

pub(super) static STREAM_MODE: Shape = Shape::text("StreamMode").one_of(StreamMode::NAMES);
pub(super) static RECORD_DISTRIBUTION_STRATEGY: Shape =
    Shape::text("RecordDistributionStrategy").one_of(RecordDistributionStrategy::NAMES);
pub(super) static ENCRYPTION_TYPE: Shape = Shape::text("EncryptionType").one_of(EncryptionType::NAMES);
/// In the order in which AWS prints them.
pub(super) static SHARD_ITERATOR_TYPE: Shape = Shape::text("ShardIteratorType").one_of(&[
    "AFTER_SEQUENCE_NUMBER",
    "LATEST",
    "AT_TIMESTAMP",
    "AT_SEQUENCE_NUMBER",
    "TRIM_HORIZON",
]);

pub(crate) static DATA: Shape = Shape::new("Data", Kind::Blob).min(0).max(10_485_760);
pub(super) static TIMESTAMP: Shape = Shape::new("Timestamp", Kind::Timestamp);
pub(super) static BOOLEAN: Shape = Shape::new("BooleanObject", Kind::Boolean);
pub(super) static POSITIVE_INTEGER: Shape = Shape::integer("PositiveIntegerObject").min(1);
pub(super) static NATURAL_INTEGER: Shape = Shape::integer("NaturalIntegerObject").min(0);
