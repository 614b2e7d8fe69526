//! Requests about channels and queues, of which there are none: they can be listed.

use super::scalars::{NEXT_TOKEN, STREAM_ARN, TIMESTAMP};
use crate::shape::{Kind, Shape, optional, required};

pub(super) static LIST_CHANNELS: Shape = Shape::structure(
    "ListChannelsInput",
    &[
        optional("StreamFilter", &STREAM_FILTER_LIST),
        optional("MaxResults", &LIST_CHANNELS_INPUT_LIMIT),
        optional("NextToken", &NEXT_TOKEN),
    ],
);

pub(super) static LIST_QUEUES: Shape = Shape::structure(
    "ListQueuesInput",
    &[
        optional("MaxResults", &LIST_QUEUES_INPUT_LIMIT),
        optional("NextToken", &NEXT_TOKEN),
        optional("StreamFilter", &QUEUE_STREAM_FILTER_LIST),
    ],
);

static STREAM_FILTER_LIST: Shape =
    Shape::new("StreamFilterList", Kind::List(&STREAM_FILTER)).min(1).max(10000);
static STREAM_FILTER: Shape = Shape::structure(
    "StreamFilter",
    &[required("StreamARN", &STREAM_ARN), optional("StreamCreationTimestamp", &TIMESTAMP)],
);
static QUEUE_STREAM_FILTER_LIST: Shape =
    Shape::new("QueueStreamFilterList", Kind::List(&QUEUE_STREAM_FILTER)).min(1).max(10000);
static QUEUE_STREAM_FILTER: Shape = Shape::structure(
    "QueueStreamFilter",
    &[required("StreamARN", &STREAM_ARN), optional("StreamCreationTimestamp", &TIMESTAMP)],
);
static LIST_CHANNELS_INPUT_LIMIT: Shape = Shape::integer("ListChannelsInputLimit").min(1).max(10000);
static LIST_QUEUES_INPUT_LIMIT: Shape = Shape::integer("ListQueuesInputLimit").min(1).max(10000);
