//! Requests to put and get records.

use std::borrow::Cow;

use super::{Data, StreamRef, invalid, text};
use crate::Error;
use crate::shape::Members;

/// How many bytes the records of one PutRecords may have, their partition keys included (AWS API reference,
/// PutRecords).
pub const MAX_PUT_RECORDS_BYTES: usize = 10 << 20;

/// A record as a producer hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Data; may be empty.
    pub data: Data<'a>,
    /// PartitionKey, 1 to 256 characters. Absent is an error unless the stream distributes records by itself.
    pub partition_key: Option<Cow<'a, str>>,
    /// ExplicitHashKey: a decimal integer of at most 39 digits, which may still be 2^128 or more.
    pub explicit_hash_key: Option<Cow<'a, str>>,
}

/// Puts one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutRecord<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// The record.
    pub record: Record<'a>,
    /// SequenceNumberForOrdering: a decimal integer of at most 129 digits.
    pub sequence_number_for_ordering: Option<Cow<'a, str>>,
    /// DryRun; absent is false.
    pub dry_run: bool,
}

/// Puts 1 to 500 records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutRecords<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// The records, in order; together with their keys at most 10 MiB.
    pub records: Vec<Record<'a>>,
    /// DryRun; absent is false.
    pub dry_run: bool,
}

/// Asks for an iterator over a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetShardIterator<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// ShardId, as it is written.
    pub shard_id: Cow<'a, str>,
    /// ShardIteratorType, with StartingSequenceNumber or Timestamp.
    pub position: StartingPosition<'a>,
    /// DryRun; absent is false.
    pub dry_run: bool,
}

/// Where to begin to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartingPosition<'a> {
    /// The record with this sequence number (a decimal integer of at most 129 digits).
    AtSequenceNumber(Cow<'a, str>),
    /// The record behind it.
    AfterSequenceNumber(Cow<'a, str>),
    /// The oldest record.
    TrimHorizon,
    /// Behind the newest record.
    Latest,
    /// The first record that arrived at this time (milliseconds since 1970) or later.
    AtTimestamp(i64),
}

/// Reads a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetRecords<'a> {
    /// The stream, which needs neither name nor ARN here: the iterator knows it.
    pub stream: StreamRef<'a>,
    /// ShardIterator, 1 to 512 characters.
    pub shard_iterator: Cow<'a, str>,
    /// Limit: 1 to 10,000.
    pub limit: Option<u32>,
    /// DryRun; absent is false.
    pub dry_run: bool,
}

impl<'a> Record<'a> {
    fn build(members: &mut Members<'a>) -> Self {
        Self {
            data: Data::from_bytes(members.take_blob("Data")),
            partition_key: members.take_text("PartitionKey"),
            explicit_hash_key: members.take_text("ExplicitHashKey"),
        }
    }
}

impl<'a> PutRecord<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            record: Record::build(members),
            sequence_number_for_ordering: members.take_text("SequenceNumberForOrdering"),
            dry_run: members.take_boolean("DryRun"),
        })
    }
}

impl<'a> PutRecords<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            records: members.take_structures("Records").map(|mut entry| Record::build(&mut entry)).collect(),
            dry_run: members.take_boolean("DryRun"),
        })
    }
}

impl<'a> GetShardIterator<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            shard_id: text(members, "ShardId"),
            position: StartingPosition::build(members, "ShardIteratorType", "StartingSequenceNumber")?,
            dry_run: members.take_boolean("DryRun"),
        })
    }
}

impl<'a> StartingPosition<'a> {
    /// The position of which two members have the type and the sequence number, and Timestamp the time.
    pub(super) fn build(
        members: &mut Members<'a>,
        type_member: &str,
        number_member: &str,
    ) -> Result<Self, Error> {
        let kind = text(members, type_member);
        let number = members.take_text(number_member);
        let timestamp = members.take_timestamp_ms("Timestamp");
        let wrong = |found| {
            invalid(format!(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and {number_member} or (2) \
                 TRIM_HORIZON or LATEST and no {number_member}. Request specified {kind} and {found} \
                 {number_member}."
            ))
        };
        match (&*kind, number, timestamp) {
            ("AT_SEQUENCE_NUMBER", Some(number), _) => Ok(Self::AtSequenceNumber(number)),
            ("AFTER_SEQUENCE_NUMBER", Some(number), _) => Ok(Self::AfterSequenceNumber(number)),
            ("AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER", None, _) => Err(wrong("no")),
            ("TRIM_HORIZON", None, _) => Ok(Self::TrimHorizon),
            ("LATEST", None, _) => Ok(Self::Latest),
            ("AT_TIMESTAMP", None, Some(ms)) => Ok(Self::AtTimestamp(ms)),
            ("AT_TIMESTAMP", None, None) => Err(invalid(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
                 timestamp parameter.",
            )),
            (_, Some(_), _) => Err(wrong("also a")),
            (_, None, _) => Err(wrong("no")),
        }
    }
}

impl<'a> GetRecords<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            shard_iterator: text(members, "ShardIterator"),
            limit: members.take_integer("Limit"),
            dry_run: members.take_boolean("DryRun"),
        })
    }
}
