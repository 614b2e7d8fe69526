//! Requests about a stream's shards.

use super::scalars::{
    HASH_KEY, NEXT_TOKEN, POSITIVE_INTEGER, SHARD_ID, STREAM_ARN, STREAM_ID, STREAM_NAME, TIMESTAMP,
};
use crate::shape::{Shape, optional, required};

pub(super) static LIST_SHARDS: Shape = Shape::structure(
    "ListShardsInput",
    &[
        optional("StreamName", &STREAM_NAME),
        optional("NextToken", &NEXT_TOKEN),
        optional("ExclusiveStartShardId", &SHARD_ID),
        optional("MaxResults", &LIST_SHARDS_INPUT_LIMIT),
        optional("StreamCreationTimestamp", &TIMESTAMP),
        optional("ShardFilter", &SHARD_FILTER),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static SPLIT_SHARD: Shape = Shape::structure(
    "SplitShardInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("ShardToSplit", &SHARD_ID),
        required("NewStartingHashKey", &HASH_KEY),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static MERGE_SHARDS: Shape = Shape::structure(
    "MergeShardsInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("ShardToMerge", &SHARD_ID),
        required("AdjacentShardToMerge", &SHARD_ID),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static UPDATE_SHARD_COUNT: Shape = Shape::structure(
    "UpdateShardCountInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("TargetShardCount", &POSITIVE_INTEGER),
        required("ScalingType", &SCALING_TYPE),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

static SHARD_FILTER: Shape = Shape::structure(
    "ShardFilter",
    &[
        required("Type", &SHARD_FILTER_TYPE),
        optional("ShardId", &SHARD_ID),
        optional("Timestamp", &TIMESTAMP),
    ],
);
static SHARD_FILTER_TYPE: Shape = Shape::text("ShardFilterType").one_of(&[
    "AFTER_SHARD_ID",
    "AT_TRIM_HORIZON",
    "FROM_TRIM_HORIZON",
    "AT_LATEST",
    "AT_TIMESTAMP",
    "FROM_TIMESTAMP",
]);
static SCALING_TYPE: Shape = Shape::text("ScalingType").one_of(&["UNIFORM_SCALING"]);
static LIST_SHARDS_INPUT_LIMIT: Shape = Shape::integer("ListShardsInputLimit").min(1).max(10000);
