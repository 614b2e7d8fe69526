//! Requests about consumers, and of them.

use super::scalars::{
    BOOLEAN, NEXT_TOKEN, SEQUENCE_NUMBER, SHARD_ID, SHARD_ITERATOR_TYPE, STREAM_ARN, STREAM_ID, TIMESTAMP,
};
use super::tags::TAG_MAP;
use crate::shape::{Pattern, Shape, optional, required};

pub(super) static REGISTER_STREAM_CONSUMER: Shape = Shape::structure(
    "RegisterStreamConsumerInput",
    &[
        required("StreamARN", &STREAM_ARN),
        required("ConsumerName", &CONSUMER_NAME),
        optional("StreamId", &STREAM_ID),
        optional("Tags", &TAG_MAP),
    ],
);

pub(super) static DEREGISTER_STREAM_CONSUMER: Shape = Shape::structure(
    "DeregisterStreamConsumerInput",
    &[
        optional("StreamARN", &STREAM_ARN),
        optional("ConsumerName", &CONSUMER_NAME),
        optional("ConsumerARN", &CONSUMER_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static DESCRIBE_STREAM_CONSUMER: Shape = Shape::structure(
    "DescribeStreamConsumerInput",
    &[
        optional("StreamARN", &STREAM_ARN),
        optional("ConsumerName", &CONSUMER_NAME),
        optional("ConsumerARN", &CONSUMER_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static LIST_STREAM_CONSUMERS: Shape = Shape::structure(
    "ListStreamConsumersInput",
    &[
        required("StreamARN", &STREAM_ARN),
        optional("NextToken", &NEXT_TOKEN),
        optional("MaxResults", &LIST_STREAM_CONSUMERS_INPUT_LIMIT),
        optional("StreamCreationTimestamp", &TIMESTAMP),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static SUBSCRIBE_TO_SHARD: Shape = Shape::structure(
    "SubscribeToShardInput",
    &[
        required("ConsumerARN", &CONSUMER_ARN),
        optional("StreamId", &STREAM_ID),
        required("ShardId", &SHARD_ID),
        required("StartingPosition", &STARTING_POSITION),
        optional("DryRun", &BOOLEAN),
    ],
);

static STARTING_POSITION: Shape = Shape::structure(
    "StartingPosition",
    &[
        required("Type", &SHARD_ITERATOR_TYPE),
        optional("SequenceNumber", &SEQUENCE_NUMBER),
        optional("Timestamp", &TIMESTAMP),
    ],
);
static CONSUMER_NAME: Shape = Shape::text("ConsumerName").min(1).max(128).pattern(Pattern::NAME);
static CONSUMER_ARN: Shape = Shape::text("ConsumerARN").min(1).max(2048).pattern(Pattern::CONSUMER_ARN);
static LIST_STREAM_CONSUMERS_INPUT_LIMIT: Shape =
    Shape::integer("ListStreamConsumersInputLimit").min(1).max(10000);
