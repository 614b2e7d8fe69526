//! Requests made of members whose types and constraints were checked.

use std::borrow::Cow;

use super::{
    CreateStream, Data, DeleteStream, DescribeStream, DescribeStreamSummary, GetRecords, GetShardIterator,
    ListShards, ListStreams, PutRecord, PutRecords, Record, RecordDistributionStrategy, Request, ShardFilter,
    StartingPosition, StreamMode, StreamRef,
};
use crate::shape::Members;
use crate::{Error, ErrorCode, Operation};

impl<'a> Request<'a> {
    /// The request that the members make.
    ///
    /// # Errors
    /// InvalidArgumentException if they do not go together, or the operation is not served.
    pub(crate) fn build(operation: Operation, mut members: Members<'a>) -> Result<Self, Error> {
        let members = &mut members;
        Ok(match operation {
            Operation::CreateStream => Self::CreateStream(create_stream(members)),
            Operation::DeleteStream => Self::DeleteStream(DeleteStream {
                stream: stream(members),
                enforce_consumer_deletion: members.take_boolean("EnforceConsumerDeletion"),
            }),
            Operation::DescribeStream => Self::DescribeStream(DescribeStream {
                stream: stream(members),
                limit: members.take_integer("Limit"),
                exclusive_start_shard_id: members.take_text("ExclusiveStartShardId"),
            }),
            Operation::DescribeStreamSummary => {
                Self::DescribeStreamSummary(DescribeStreamSummary { stream: stream(members) })
            }
            Operation::ListStreams => Self::ListStreams(ListStreams {
                limit: members.take_integer("Limit"),
                exclusive_start_stream_name: members.take_text("ExclusiveStartStreamName"),
                next_token: members.take_text("NextToken"),
            }),
            Operation::ListShards => Self::ListShards(ListShards {
                stream: stream(members),
                next_token: members.take_text("NextToken"),
                exclusive_start_shard_id: members.take_text("ExclusiveStartShardId"),
                max_results: members.take_integer("MaxResults"),
                stream_creation_ms: members.take_timestamp_ms("StreamCreationTimestamp"),
                filter: members.take_structure("ShardFilter").map(shard_filter).transpose()?,
            }),
            Operation::PutRecord => Self::PutRecord(PutRecord {
                stream: stream(members),
                record: record(members),
                sequence_number_for_ordering: members.take_text("SequenceNumberForOrdering"),
                dry_run: members.take_boolean("DryRun"),
            }),
            Operation::PutRecords => Self::PutRecords(PutRecords {
                stream: stream(members),
                records: members.take_structures("Records").map(|mut entry| record(&mut entry)).collect(),
                dry_run: members.take_boolean("DryRun"),
            }),
            Operation::GetShardIterator => Self::GetShardIterator(GetShardIterator {
                stream: stream(members),
                shard_id: text(members, "ShardId"),
                position: starting_position(members)?,
                dry_run: members.take_boolean("DryRun"),
            }),
            Operation::GetRecords => Self::GetRecords(GetRecords {
                stream: stream(members),
                shard_iterator: text(members, "ShardIterator"),
                limit: members.take_integer("Limit"),
                dry_run: members.take_boolean("DryRun"),
            }),
            _ => return Err(Error::not_served_yet(operation)),
        })
    }
}

fn create_stream<'a>(members: &mut Members<'a>) -> CreateStream<'a> {
    let mode =
        members.take_structure("StreamModeDetails").and_then(|mut details| details.take_text("StreamMode"));
    CreateStream {
        stream_name: text(members, "StreamName"),
        shard_count: members.take_integer("ShardCount"),
        stream_mode: mode.and_then(|mode| StreamMode::from_name(&mode)),
        tags: members.take_text_map("Tags"),
        warm_throughput_mibps: members.take_integer("WarmThroughputMiBps"),
        max_record_size_kib: members.take_integer("MaxRecordSizeInKiB"),
        record_distribution_strategy: members
            .take_text("RecordDistributionStrategy")
            .and_then(|strategy| RecordDistributionStrategy::from_name(&strategy)),
    }
}

/// StreamId is checked by its shape and then dropped: AWS reserves it for the future.
fn stream<'a>(members: &mut Members<'a>) -> StreamRef<'a> {
    StreamRef { name: members.take_text("StreamName"), arn: members.take_text("StreamARN") }
}

fn record<'a>(members: &mut Members<'a>) -> Record<'a> {
    Record {
        data: Data::from_bytes(members.take_blob("Data")),
        partition_key: members.take_text("PartitionKey"),
        explicit_hash_key: members.take_text("ExplicitHashKey"),
    }
}

/// A text that the shape requires.
fn text<'a>(members: &mut Members<'a>, name: &str) -> Cow<'a, str> {
    members.take_text(name).unwrap_or_default()
}

fn shard_filter(mut members: Members<'_>) -> Result<ShardFilter<'_>, Error> {
    let kind = text(&mut members, "Type");
    let timestamp = members.take_timestamp_ms("Timestamp");
    let missing = |member| invalid(format!("ShardFilter of type {kind} needs a {member}."));
    Ok(match &*kind {
        "AFTER_SHARD_ID" => {
            ShardFilter::AfterShardId(members.take_text("ShardId").ok_or_else(|| missing("ShardId"))?)
        }
        "AT_TRIM_HORIZON" => ShardFilter::AtTrimHorizon,
        "FROM_TRIM_HORIZON" => ShardFilter::FromTrimHorizon,
        "AT_LATEST" => ShardFilter::AtLatest,
        "AT_TIMESTAMP" => ShardFilter::AtTimestamp(timestamp.ok_or_else(|| missing("Timestamp"))?),
        "FROM_TIMESTAMP" => ShardFilter::FromTimestamp(timestamp.ok_or_else(|| missing("Timestamp"))?),
        _ => return Err(invalid(format!("ShardFilter of type {kind} is unknown."))),
    })
}

fn starting_position<'a>(members: &mut Members<'a>) -> Result<StartingPosition<'a>, Error> {
    let kind = text(members, "ShardIteratorType");
    let number = members.take_text("StartingSequenceNumber");
    let timestamp = members.take_timestamp_ms("Timestamp");
    let wrong = |found| {
        invalid(format!(
            "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
             TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {kind} and {found} \
             StartingSequenceNumber."
        ))
    };
    match (&*kind, number, timestamp) {
        ("AT_SEQUENCE_NUMBER", Some(number), _) => Ok(StartingPosition::AtSequenceNumber(number)),
        ("AFTER_SEQUENCE_NUMBER", Some(number), _) => Ok(StartingPosition::AfterSequenceNumber(number)),
        ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", None, _) => Err(wrong("no")),
        ("TRIM_HORIZON", None, _) => Ok(StartingPosition::TrimHorizon),
        ("LATEST", None, _) => Ok(StartingPosition::Latest),
        ("AT_TIMESTAMP", None, Some(ms)) => Ok(StartingPosition::AtTimestamp(ms)),
        ("AT_TIMESTAMP", None, None) => Err(invalid(
            "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
             timestamp parameter.",
        )),
        (_, Some(_), _) => Err(wrong("also a")),
        (_, None, _) => Err(wrong("no")),
    }
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidArgumentException, message)
}
