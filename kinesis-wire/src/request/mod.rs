//! What clients ask: one value an operation, checked against every rule that needs no stream to be known.
//!
//! Text is borrowed from the request's body wherever it is written there without escapes.

mod accounts;
mod arn;
mod consumers;
mod data;
mod records;
mod rules;
mod shards;
mod stream_ref;
mod streams;
mod tags;

use std::borrow::Cow;

pub use accounts::UpdateAccountSettings;
pub use arn::{ConsumerArn, ResourceArn, StreamArn};
pub use consumers::{ConsumerRef, ListStreamConsumers, RegisterStreamConsumer, SubscribeToShard};
pub use data::Data;
pub use records::{
    GetRecords, GetShardIterator, MAX_PUT_RECORDS_BYTES, PutRecord, PutRecords, Record, StartingPosition,
};
pub use shards::{ListShards, MergeShards, ShardFilter, SplitShard, UpdateShardCount};
pub use stream_ref::StreamRef;
pub use streams::{
    CreateStream, DeleteStream, DescribeStream, DescribeStreamSummary, ListStreams, RetentionPeriod,
    ShardLevelMetrics, StreamEncryption, UpdateMaxRecordSize, UpdateStreamMode,
    UpdateStreamRecordDistributionStrategy, UpdateStreamWarmThroughput,
};
pub use tags::{
    AddTagsToStream, ListTagsForStream, PutResourcePolicy, RemoveTagsFromStream, ResourceRef, TagResource,
    Tags, UntagResource,
};

use crate::shape::Members;
pub use crate::words::{
    CommitmentRequest, EncryptionType, RecordDistributionStrategy, ShardLevelMetric, StreamMode,
};
use crate::{Error, ErrorCode, Operation};

macro_rules! requests {
    ($lifetime:lifetime: $($operation:ident $(($type:ty))?)*) => {
        /// A request of one of the operations that are served.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "every variant says all by its value's type")]
        pub enum Request<$lifetime> {
            $($operation $(($type))?,)*
        }

        impl<$lifetime> Request<$lifetime> {
            /// The operation that this is a request of.
            #[must_use]
            pub fn operation(&self) -> Operation {
                match self {
                    $(Self::$operation { .. } => Operation::$operation,)*
                }
            }

            /// The request that members make whose types and constraints were checked.
            ///
            /// # Errors
            /// If they do not go together, or the operation is not served.
            pub(crate) fn build(operation: Operation, mut members: Members<$lifetime>) -> Result<Self, Error> {
                Ok(match operation {
                    $(Operation::$operation => Self::$operation $((<$type>::build(&mut members)?))?,)*
                    _ => return Err(Error::not_served(operation)),
                })
            }
        }
    };
}

requests! { 'a:
    AddTagsToStream(AddTagsToStream<'a>)
    CreateStream(CreateStream<'a>)
    DecreaseStreamRetentionPeriod(RetentionPeriod<'a>)
    DeleteResourcePolicy(ResourceRef<'a>)
    DeleteStream(DeleteStream<'a>)
    DeregisterStreamConsumer(ConsumerRef<'a>)
    DescribeAccountSettings
    DescribeLimits
    DescribeStream(DescribeStream<'a>)
    DescribeStreamConsumer(ConsumerRef<'a>)
    DescribeStreamSummary(DescribeStreamSummary<'a>)
    DisableEnhancedMonitoring(ShardLevelMetrics<'a>)
    EnableEnhancedMonitoring(ShardLevelMetrics<'a>)
    GetRecords(GetRecords<'a>)
    GetResourcePolicy(ResourceRef<'a>)
    GetShardIterator(GetShardIterator<'a>)
    IncreaseStreamRetentionPeriod(RetentionPeriod<'a>)
    ListChannels
    ListQueues
    ListShards(ListShards<'a>)
    ListStreamConsumers(ListStreamConsumers<'a>)
    ListStreams(ListStreams<'a>)
    ListTagsForResource(ResourceRef<'a>)
    ListTagsForStream(ListTagsForStream<'a>)
    MergeShards(MergeShards<'a>)
    PutRecord(PutRecord<'a>)
    PutRecords(PutRecords<'a>)
    PutResourcePolicy(PutResourcePolicy<'a>)
    RegisterStreamConsumer(RegisterStreamConsumer<'a>)
    RemoveTagsFromStream(RemoveTagsFromStream<'a>)
    SplitShard(SplitShard<'a>)
    StartStreamEncryption(StreamEncryption<'a>)
    StopStreamEncryption(StreamEncryption<'a>)
    SubscribeToShard(SubscribeToShard<'a>)
    TagResource(TagResource<'a>)
    UntagResource(UntagResource<'a>)
    UpdateAccountSettings(UpdateAccountSettings)
    UpdateMaxRecordSize(UpdateMaxRecordSize<'a>)
    UpdateShardCount(UpdateShardCount<'a>)
    UpdateStreamMode(UpdateStreamMode<'a>)
    UpdateStreamRecordDistributionStrategy(UpdateStreamRecordDistributionStrategy<'a>)
    UpdateStreamWarmThroughput(UpdateStreamWarmThroughput<'a>)
}

/// A text that the shape requires.
fn text<'a>(members: &mut Members<'a>, name: &str) -> Cow<'a, str> {
    members.take_text(name).unwrap_or_default()
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidArgumentException, message)
}
