//! What clients ask: one value an operation, checked against every rule that needs no stream to be known.
//!
//! Text is borrowed from the request's body wherever it is written there without escapes.

mod build;
mod data;
mod rules;
mod stream_ref;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub use data::Data;
pub use stream_ref::{StreamArn, StreamRef};

use crate::Operation;

/// How many bytes the records of one PutRecords may have, their partition keys included (AWS API reference,
/// PutRecords).
pub const MAX_PUT_RECORDS_BYTES: usize = 10 << 20;

/// A request of one of the operations that are served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "every variant says all by its value's type")]
pub enum Request<'a> {
    CreateStream(CreateStream<'a>),
    DeleteStream(DeleteStream<'a>),
    DescribeStream(DescribeStream<'a>),
    DescribeStreamSummary(DescribeStreamSummary<'a>),
    ListStreams(ListStreams<'a>),
    ListShards(ListShards<'a>),
    PutRecord(PutRecord<'a>),
    PutRecords(PutRecords<'a>),
    GetShardIterator(GetShardIterator<'a>),
    GetRecords(GetRecords<'a>),
}

impl Request<'_> {
    /// The operation that this is a request of.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::CreateStream(_) => Operation::CreateStream,
            Self::DeleteStream(_) => Operation::DeleteStream,
            Self::DescribeStream(_) => Operation::DescribeStream,
            Self::DescribeStreamSummary(_) => Operation::DescribeStreamSummary,
            Self::ListStreams(_) => Operation::ListStreams,
            Self::ListShards(_) => Operation::ListShards,
            Self::PutRecord(_) => Operation::PutRecord,
            Self::PutRecords(_) => Operation::PutRecords,
            Self::GetShardIterator(_) => Operation::GetShardIterator,
            Self::GetRecords(_) => Operation::GetRecords,
        }
    }
}

/// Who decides the number of a stream's shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the modes are those of the AWS API reference, StreamModeDetails")]
pub enum StreamMode {
    Provisioned,
    OnDemand,
}

/// How records find their shards: evenly, whatever their keys say, or by partition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the strategies are those of the AWS API reference, CreateStream")]
pub enum RecordDistributionStrategy {
    Auto,
    UserPartitionKey,
}

impl StreamMode {
    /// The word of the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provisioned => "PROVISIONED",
            Self::OnDemand => "ON_DEMAND",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Provisioned, Self::OnDemand].into_iter().find(|mode| mode.name() == name)
    }
}

impl RecordDistributionStrategy {
    /// The word of the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "AUTO",
            Self::UserPartitionKey => "USER_PARTITION_KEY",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Auto, Self::UserPartitionKey].into_iter().find(|strategy| strategy.name() == name)
    }
}

/// Makes a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateStream<'a> {
    /// StreamName: 1 to 128 characters of `a-z A-Z 0-9 _ . -`.
    pub stream_name: Cow<'a, str>,
    /// ShardCount, at least 1.
    pub shard_count: Option<u32>,
    /// StreamModeDetails.
    pub stream_mode: Option<StreamMode>,
    /// Tags: at most 200 here; a stream's own limit is lower.
    pub tags: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// WarmThroughputMiBps.
    pub warm_throughput_mibps: Option<u32>,
    /// MaxRecordSizeInKiB: 1024 to 10240.
    pub max_record_size_kib: Option<u32>,
    /// RecordDistributionStrategy.
    pub record_distribution_strategy: Option<RecordDistributionStrategy>,
}

/// Deletes a stream with its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteStream<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// EnforceConsumerDeletion; absent is false.
    pub enforce_consumer_deletion: bool,
}

/// Describes a stream with a page of its shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeStream<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// Limit: 1 to 10,000 (a page has at most 100 all the same).
    pub limit: Option<u32>,
    /// ExclusiveStartShardId, as it is written.
    pub exclusive_start_shard_id: Option<Cow<'a, str>>,
}

/// Describes a stream without its shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeStreamSummary<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
}

/// Lists the streams of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListStreams<'a> {
    /// Limit: 1 to 10,000 (a page has at most 100 all the same).
    pub limit: Option<u32>,
    /// ExclusiveStartStreamName.
    pub exclusive_start_stream_name: Option<Cow<'a, str>>,
    /// NextToken.
    pub next_token: Option<Cow<'a, str>>,
}

/// Lists a stream's shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListShards<'a> {
    /// The stream; with a next token there is no name (the token knows it), and there may be no ARN.
    pub stream: StreamRef<'a>,
    /// NextToken; then there is neither an exclusive start nor a creation time.
    pub next_token: Option<Cow<'a, str>>,
    /// ExclusiveStartShardId, as it is written.
    pub exclusive_start_shard_id: Option<Cow<'a, str>>,
    /// MaxResults: 1 to 10,000 (a page has at most 1,000 all the same).
    pub max_results: Option<u32>,
    /// StreamCreationTimestamp in milliseconds since 1970.
    pub stream_creation_ms: Option<i64>,
    /// ShardFilter.
    pub filter: Option<ShardFilter<'a>>,
}

/// Which shards to list; times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardFilter<'a> {
    /// Those whose id follows this one.
    AfterShardId(Cow<'a, str>),
    /// Those that were open at the trim horizon.
    AtTrimHorizon,
    /// Those that still have records: all.
    FromTrimHorizon,
    /// Those that are open.
    AtLatest,
    /// Those that were open at this time.
    AtTimestamp(i64),
    /// Those that were open at this time or later.
    FromTimestamp(i64),
}

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
