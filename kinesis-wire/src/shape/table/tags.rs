//! Requests about tags (of streams, and of any resource) and resource policies.

use super::scalars::{RESOURCE_ARN, STREAM_ARN, STREAM_ID, STREAM_NAME};
use crate::shape::{Kind, Shape, optional, required};

pub(super) static ADD_TAGS_TO_STREAM: Shape = Shape::structure(
    "AddTagsToStreamInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("Tags", &TAG_MAP),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static REMOVE_TAGS_FROM_STREAM: Shape = Shape::structure(
    "RemoveTagsFromStreamInput",
    &[
        optional("StreamName", &STREAM_NAME),
        required("TagKeys", &TAG_KEY_LIST),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static LIST_TAGS_FOR_STREAM: Shape = Shape::structure(
    "ListTagsForStreamInput",
    &[
        optional("StreamName", &STREAM_NAME),
        optional("ExclusiveStartTagKey", &TAG_KEY),
        optional("Limit", &LIST_TAGS_FOR_STREAM_INPUT_LIMIT),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static TAG_RESOURCE: Shape = Shape::structure(
    "TagResourceInput",
    &[required("Tags", &TAG_MAP), required("ResourceARN", &RESOURCE_ARN), optional("StreamId", &STREAM_ID)],
);

pub(super) static UNTAG_RESOURCE: Shape = Shape::structure(
    "UntagResourceInput",
    &[
        required("TagKeys", &TAG_KEY_LIST),
        required("ResourceARN", &RESOURCE_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

pub(super) static LIST_TAGS_FOR_RESOURCE: Shape = Shape::structure(
    "ListTagsForResourceInput",
    &[required("ResourceARN", &RESOURCE_ARN), optional("StreamId", &STREAM_ID)],
);

pub(super) static PUT_RESOURCE_POLICY: Shape = Shape::structure(
    "PutResourcePolicyInput",
    &[required("ResourceARN", &RESOURCE_ARN), optional("StreamId", &STREAM_ID), required("Policy", &POLICY)],
);

pub(super) static GET_RESOURCE_POLICY: Shape = Shape::structure(
    "GetResourcePolicyInput",
    &[required("ResourceARN", &RESOURCE_ARN), optional("StreamId", &STREAM_ID)],
);

pub(super) static DELETE_RESOURCE_POLICY: Shape = Shape::structure(
    "DeleteResourcePolicyInput",
    &[required("ResourceARN", &RESOURCE_ARN), optional("StreamId", &STREAM_ID)],
);

pub(super) static TAG_MAP: Shape = Shape::new("TagMap", Kind::Map(&TAG_KEY, &TAG_VALUE)).min(1).max(200);
static TAG_KEY_LIST: Shape = Shape::new("TagKeyList", Kind::List(&TAG_KEY)).min(1).max(50);
static TAG_KEY: Shape = Shape::text("TagKey").min(1).max(128);
static TAG_VALUE: Shape = Shape::text("TagValue").min(0).max(256);
static POLICY: Shape = Shape::text("Policy");
static LIST_TAGS_FOR_STREAM_INPUT_LIMIT: Shape = Shape::integer("ListTagsForStreamInputLimit").min(1).max(50);
