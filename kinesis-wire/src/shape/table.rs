//! The shapes of the requests that are served, as botocore's model has them (Kinesis 2013-12-02).
//!
//! A test compares them with an extract of the model, so that a newer model shows what changed.

use super::{Kind, Pattern, Shape, optional, required};
use crate::Operation;

/// The shape of an operation's request; none if the operation is not served.
pub(crate) fn input_of(operation: Operation) -> Option<&'static Shape> {
    match operation {
        Operation::CreateStream => Some(&CREATE_STREAM),
        Operation::DeleteStream => Some(&DELETE_STREAM),
        Operation::DescribeStream => Some(&DESCRIBE_STREAM),
        Operation::DescribeStreamSummary => Some(&DESCRIBE_STREAM_SUMMARY),
        Operation::GetRecords => Some(&GET_RECORDS),
        Operation::GetShardIterator => Some(&GET_SHARD_ITERATOR),
        Operation::ListShards => Some(&LIST_SHARDS),
        Operation::ListStreams => Some(&LIST_STREAMS),
        Operation::PutRecord => Some(&PUT_RECORD),
        Operation::PutRecords => Some(&PUT_RECORDS),
        _ => None,
    }
}

static CREATE_STREAM: Shape = Shape::structure(
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

static DELETE_STREAM: Shape = Shape::structure(
    "DeleteStreamInput",
    &[
        optional("StreamName", &STREAM_NAME),
        optional("EnforceConsumerDeletion", &BOOLEAN),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

static DESCRIBE_STREAM: Shape = Shape::structure(
    "DescribeStreamInput",
    &[
        optional("StreamName", &STREAM_NAME),
        optional("Limit", &DESCRIBE_STREAM_INPUT_LIMIT),
        optional("ExclusiveStartShardId", &SHARD_ID),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

static DESCRIBE_STREAM_SUMMARY: Shape = Shape::structure(
    "DescribeStreamSummaryInput",
    &[
        optional("StreamName", &STREAM_NAME),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
    ],
);

static LIST_STREAMS: Shape = Shape::structure(
    "ListStreamsInput",
    &[
        optional("Limit", &LIST_STREAMS_INPUT_LIMIT),
        optional("ExclusiveStartStreamName", &STREAM_NAME),
        optional("NextToken", &NEXT_TOKEN),
    ],
);

static LIST_SHARDS: Shape = Shape::structure(
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

static PUT_RECORD: Shape = Shape::structure(
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

static PUT_RECORDS: Shape = Shape::structure(
    "PutRecordsInput",
    &[
        required("Records", &PUT_RECORDS_REQUEST_ENTRY_LIST),
        optional("StreamName", &STREAM_NAME),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
        optional("DryRun", &BOOLEAN),
    ],
);

static GET_SHARD_ITERATOR: Shape = Shape::structure(
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

static GET_RECORDS: Shape = Shape::structure(
    "GetRecordsInput",
    &[
        required("ShardIterator", &SHARD_ITERATOR),
        optional("Limit", &GET_RECORDS_INPUT_LIMIT),
        optional("StreamARN", &STREAM_ARN),
        optional("StreamId", &STREAM_ID),
        optional("DryRun", &BOOLEAN),
    ],
);

static PUT_RECORDS_REQUEST_ENTRY: Shape = Shape::structure(
    "PutRecordsRequestEntry",
    &[
        required("Data", &DATA),
        optional("ExplicitHashKey", &HASH_KEY),
        optional("PartitionKey", &PARTITION_KEY),
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

static STREAM_MODE_DETAILS: Shape =
    Shape::structure("StreamModeDetails", &[required("StreamMode", &STREAM_MODE)]);

pub(crate) static PUT_RECORDS_REQUEST_ENTRY_LIST: Shape =
    Shape::new("PutRecordsRequestEntryList", Kind::List(&PUT_RECORDS_REQUEST_ENTRY)).min(1).max(500);
static TAG_MAP: Shape = Shape::new("TagMap", Kind::Map(&TAG_KEY, &TAG_VALUE)).min(1).max(200);
static TAG_KEY: Shape = Shape::text("TagKey").min(1).max(128);
static TAG_VALUE: Shape = Shape::text("TagValue").min(0).max(256);

pub(crate) static STREAM_NAME: Shape = Shape::text("StreamName").min(1).max(128).pattern(Pattern::NAME);
pub(crate) static STREAM_ARN: Shape = Shape::text("StreamARN").min(1).max(2048).pattern(Pattern::STREAM_ARN);
pub(crate) static STREAM_ID: Shape = Shape::text("StreamId").min(1).max(24).pattern(Pattern::STREAM_ID);
static SHARD_ID: Shape = Shape::text("ShardId").min(1).max(128).pattern(Pattern::NAME);
pub(crate) static PARTITION_KEY: Shape = Shape::text("PartitionKey").min(1).max(256);
pub(crate) static HASH_KEY: Shape = Shape::text("HashKey").pattern(Pattern::HASH_KEY);
pub(crate) static SEQUENCE_NUMBER: Shape = Shape::text("SequenceNumber").pattern(Pattern::SEQUENCE_NUMBER);
static SHARD_ITERATOR: Shape = Shape::text("ShardIterator").min(1).max(512);
static NEXT_TOKEN: Shape = Shape::text("NextToken").min(1).max(1_048_576);

static STREAM_MODE: Shape = Shape::text("StreamMode").one_of(&["PROVISIONED", "ON_DEMAND"]);
static RECORD_DISTRIBUTION_STRATEGY: Shape =
    Shape::text("RecordDistributionStrategy").one_of(&["AUTO", "USER_PARTITION_KEY"]);
static SHARD_ITERATOR_TYPE: Shape = Shape::text("ShardIteratorType").one_of(&[
    "AFTER_SEQUENCE_NUMBER",
    "LATEST",
    "AT_TIMESTAMP",
    "AT_SEQUENCE_NUMBER",
    "TRIM_HORIZON",
]);
static SHARD_FILTER_TYPE: Shape = Shape::text("ShardFilterType").one_of(&[
    "AFTER_SHARD_ID",
    "AT_TRIM_HORIZON",
    "FROM_TRIM_HORIZON",
    "AT_LATEST",
    "AT_TIMESTAMP",
    "FROM_TIMESTAMP",
]);

pub(crate) static DATA: Shape = Shape::new("Data", Kind::Blob).min(0).max(10_485_760);
static TIMESTAMP: Shape = Shape::new("Timestamp", Kind::Timestamp);
static BOOLEAN: Shape = Shape::new("BooleanObject", Kind::Boolean);
static POSITIVE_INTEGER: Shape = Shape::integer("PositiveIntegerObject").min(1);
static NATURAL_INTEGER: Shape = Shape::integer("NaturalIntegerObject").min(0);
static MAX_RECORD_SIZE_IN_KIB: Shape = Shape::integer("MaxRecordSizeInKiB").min(1024).max(10240);
static DESCRIBE_STREAM_INPUT_LIMIT: Shape = Shape::integer("DescribeStreamInputLimit").min(1).max(10000);
static LIST_STREAMS_INPUT_LIMIT: Shape = Shape::integer("ListStreamsInputLimit").min(1).max(10000);
static LIST_SHARDS_INPUT_LIMIT: Shape = Shape::integer("ListShardsInputLimit").min(1).max(10000);
static GET_RECORDS_INPUT_LIMIT: Shape = Shape::integer("GetRecordsInputLimit").min(1).max(10000);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value, json};

    use super::*;

    fn model() -> Value {
        serde_json::from_str(include_str!("../../tests/model/kinesis.json")).unwrap()
    }

    /// The shape as the model writes it, and below it those of its members.
    fn describe(shape: &Shape, shapes: &mut Map<String, Value>) {
        let name = |shape: &Shape| json!({"shape": shape.name});
        let mut facts = match &shape.kind {
            Kind::Text => json!({"type": "string"}),
            Kind::Integer => json!({"type": "integer"}),
            Kind::Boolean => json!({"type": "boolean"}),
            Kind::Timestamp => json!({"type": "timestamp"}),
            Kind::Blob => json!({"type": "blob"}),
            Kind::List(member) => json!({"type": "list", "member": name(member)}),
            Kind::Map(key, value) => json!({"type": "map", "key": name(key), "value": name(value)}),
            Kind::Structure(members) => {
                let all: Map<_, _> = members.iter().map(|m| (m.name.to_owned(), name(m.shape))).collect();
                let required: Vec<_> = members.iter().filter(|m| m.required).map(|m| m.name).collect();
                json!({"type": "structure", "members": all, "required": required})
            }
        };
        let constraints = [
            ("min", shape.min.map(Value::from)),
            ("max", shape.max.map(Value::from)),
            ("pattern", shape.pattern.map(|pattern| pattern.text.into())),
            ("enum", (!shape.values.is_empty()).then(|| sorted(shape.values.iter().copied()))),
        ];
        for (constraint, value) in constraints {
            if let Some(value) = value {
                facts[constraint] = value;
            }
        }
        shapes.insert(shape.name.into(), facts);
        match &shape.kind {
            Kind::List(member) => describe(member, shapes),
            Kind::Map(key, value) => {
                describe(key, shapes);
                describe(value, shapes);
            }
            Kind::Structure(members) => members.iter().for_each(|member| describe(member.shape, shapes)),
            Kind::Text | Kind::Integer | Kind::Boolean | Kind::Timestamp | Kind::Blob => {}
        }
    }

    fn sorted<'a>(values: impl Iterator<Item = &'a str>) -> Value {
        values.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// AWS prints patterns without the anchors that the model has around some, and enums in an order of its own.
    fn as_aws_prints(shapes: &mut Map<String, Value>) {
        for facts in shapes.values_mut() {
            if let Some(pattern) = facts["pattern"].as_str() {
                let bare =
                    pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(pattern);
                facts["pattern"] = bare.into();
            }
            if let Some(values) = facts["enum"].as_array() {
                facts["enum"] = sorted(values.iter().filter_map(Value::as_str));
            }
            if facts["type"] == "structure" && facts["required"].is_null() {
                facts["required"] = json!([]);
            }
            if let Some(facts) = facts.as_object_mut() {
                facts.retain(|_, fact| !fact.is_null());
            }
        }
    }

    #[test]
    fn table_says_what_the_model_says() {
        let model = model();
        let mut expected = model["shapes"].as_object().unwrap().clone();
        as_aws_prints(&mut expected);
        let mut ours = Map::new();
        for &operation in Operation::ALL {
            if let Some(input) = input_of(operation) {
                assert_eq!(input.name, model["inputs"][operation.name()], "{operation}");
                describe(input, &mut ours);
            }
        }
        assert_eq!(ours.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, facts) in &expected {
            assert_eq!(&ours[name], facts, "{name}");
        }
    }

    #[test]
    fn every_operation_of_the_model_is_known() {
        let names: Vec<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
        assert_eq!(json!(names), model()["operations"]);
    }

    #[test]
    fn every_error_of_the_model_is_known() {
        let names: BTreeSet<_> = crate::ErrorCode::ALL.iter().map(|code| code.name()).collect();
        for name in model()["errors"].as_array().unwrap() {
            assert!(names.contains(name.as_str().unwrap()), "{name}");
        }
    }
}
