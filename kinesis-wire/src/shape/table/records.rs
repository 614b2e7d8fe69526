//! Requests to put and get records.

use super::scalars::{
    BOOLEAN, DATA, HASH_KEY, PARTITION_KEY, SEQUENCE_NUMBER, SHARD_ID, SHARD_ITERATOR_TYPE, STREAM_ARN,
    STREAM_ID, STREAM_NAME, TIMESTAMP,
};
use crate::shape::{Kind, Shape, optional, required};

pub(super) static PUT_RECORD: Shape = Shape::structure(
    "PutRecordInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("Data", &DATA),
        optional("PartitionKey", &PARTITION_KEY),
        optional("ExplicitHashKey", &HASH_KEY),
        optional("SequenceNumberForOrdering", &SEQUENCE_NUMBER),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
        optional("DryRun", &BOOLEAN),
    ],
);

pub(super) static PUT_RECORDS: Shape = Shape::structure(
    "PutRecordsInput",
    &[
        required("Records", &PUT_RECORDS_REQUEST_ENTRY_LIST),
        optional("StreamName", &STREAM_NAME),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
        optional("DryRun", &BOOLEAN),
    ],
);

pub(super) static GET_SHARD_ITERATOR: Shape = Shape::structure(
    "GetShardIteratorInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("ShardId", &SHARD_ID),
        required("ShardIteratorType", &SHARD_ITERATOR_TYPE),
        optional("StartingSequenceNumber", &SEQUENCE_NUMBER),
        optional("Timestamp", &TIMESTAMP),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
        optional("DryRun", &BOOLEAN),
    ],
);

pub(super) static GET_RECORDS: Shape = Shape::structure(
    "GetRecordsInput",
    &[
        required("ShardIterator", &SHARD_ITERATOR),
        optional("Limit", &GET_RECORDS_INPUT_LIMIT),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
        optional("DryRun", &BOOLEAN),
    ],
);

pub(crate) static PUT_RECORDS_REQUEST_ENTRY_LIST: Shape =
    Shape::new("PutRecordsRequestEntryList", Kind::List(&PUT_RECORDS_REQUEST_ENTRY)).min(1).max(500);
static PUT_RECORDS_REQUEST_ENTRY: Shape = Shape::structure(
    "PutRecordsRequestEntry",
    &[
        required("Data", &DATA),
        optional("ExplicitHashKey", &HASH_KEY),
        optional("PartitionKey", &PARTITION_KEY),
    ],
);
static SHARD_ITERATOR: Shape = Shape::text("ShardIterator").min(1).max(512);
static GET_RECORDS_INPUT_LIMIT: Shape = Shape::integer("GetRecordsInputLimit").min(1).max(10000);
