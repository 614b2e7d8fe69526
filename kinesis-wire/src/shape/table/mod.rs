//! The shapes of the requests that are served, as botocore's model has them (Kinesis 2013-12-02).
//!
//! They are written by hand, as a page of the API reference is read: a request's members with what they may be, and the
//! scalars once. A test compares them, member by member, with an extract of the model, so that a newer model shows what
//! changed.

mod accounts;
mod channels;
mod consumers;
mod records;
mod scalars;
mod shards;
mod streams;
mod tags;
#[cfg(test)]
mod tests;

pub(crate) use records::PUT_RECORDS_REQUEST_ENTRY_LIST;
pub(crate) use scalars::{
    DATA, HASH_KEY, PARTITION_KEY, SEQUENCE_NUMBER, STREAM_ARN, STREAM_ID, STREAM_NAME,
};

use super::Shape;
use crate::Operation;

/// The shape of an operation's request; none if the operation is not served.
pub(crate) fn input_of(operation: Operation) -> Option<&'static Shape> {
    Some(match operation {
        Operation::AddTagsToStream => &tags::ADD_TAGS_TO_STREAM,
        Operation::CreateStream => &streams::CREATE_STREAM,
        Operation::DecreaseStreamRetentionPeriod => &streams::DECREASE_STREAM_RETENTION_PERIOD,
        Operation::DeleteResourcePolicy => &tags::DELETE_RESOURCE_POLICY,
        Operation::DeleteStream => &streams::DELETE_STREAM,
        Operation::DeregisterStreamConsumer => &consumers::DEREGISTER_STREAM_CONSUMER,
        Operation::DescribeAccountSettings => &accounts::DESCRIBE_ACCOUNT_SETTINGS,
        Operation::DescribeLimits => &accounts::DESCRIBE_LIMITS,
        Operation::DescribeStream => &streams::DESCRIBE_STREAM,
        Operation::DescribeStreamConsumer => &consumers::DESCRIBE_STREAM_CONSUMER,
        Operation::DescribeStreamSummary => &streams::DESCRIBE_STREAM_SUMMARY,
        Operation::DisableEnhancedMonitoring => &streams::DISABLE_ENHANCED_MONITORING,
        Operation::EnableEnhancedMonitoring => &streams::ENABLE_ENHANCED_MONITORING,
        Operation::GetRecords => &records::GET_RECORDS,
        Operation::GetResourcePolicy => &tags::GET_RESOURCE_POLICY,
        Operation::GetShardIterator => &records::GET_SHARD_ITERATOR,
        Operation::IncreaseStreamRetentionPeriod => &streams::INCREASE_STREAM_RETENTION_PERIOD,
        Operation::ListChannels => &channels::LIST_CHANNELS,
        Operation::ListQueues => &channels::LIST_QUEUES,
        Operation::ListShards => &shards::LIST_SHARDS,
        Operation::ListStreamConsumers => &consumers::LIST_STREAM_CONSUMERS,
        Operation::ListStreams => &streams::LIST_STREAMS,
        Operation::ListTagsForResource => &tags::LIST_TAGS_FOR_RESOURCE,
        Operation::ListTagsForStream => &tags::LIST_TAGS_FOR_STREAM,
        Operation::MergeShards => &shards::MERGE_SHARDS,
        Operation::PutRecord => &records::PUT_RECORD,
        Operation::PutRecords => &records::PUT_RECORDS,
        Operation::PutResourcePolicy => &tags::PUT_RESOURCE_POLICY,
        Operation::RegisterStreamConsumer => &consumers::REGISTER_STREAM_CONSUMER,
        Operation::RemoveTagsFromStream => &tags::REMOVE_TAGS_FROM_STREAM,
        Operation::SplitShard => &shards::SPLIT_SHARD,
        Operation::StartStreamEncryption => &streams::START_STREAM_ENCRYPTION,
        Operation::StopStreamEncryption => &streams::STOP_STREAM_ENCRYPTION,
        Operation::SubscribeToShard => &consumers::SUBSCRIBE_TO_SHARD,
        Operation::TagResource => &tags::TAG_RESOURCE,
        Operation::UntagResource => &tags::UNTAG_RESOURCE,
        Operation::UpdateAccountSettings => &accounts::UPDATE_ACCOUNT_SETTINGS,
        Operation::UpdateMaxRecordSize => &streams::UPDATE_MAX_RECORD_SIZE,
        Operation::UpdateShardCount => &shards::UPDATE_SHARD_COUNT,
        Operation::UpdateStreamMode => &streams::UPDATE_STREAM_MODE,
        Operation::UpdateStreamRecordDistributionStrategy => {
            &streams::UPDATE_STREAM_RECORD_DISTRIBUTION_STRATEGY
        }
        Operation::UpdateStreamWarmThroughput => &streams::UPDATE_STREAM_WARM_THROUGHPUT,
        Operation::AcknowledgeDeadLetterQueueRecords
        | Operation::AcknowledgeQueueRecords
        | Operation::CreateChannel
        | Operation::CreateQueue
        | Operation::DeleteChannel
        | Operation::DeleteQueue
        | Operation::DescribeChannel
        | Operation::DescribeQueue
        | Operation::ReceiveDeadLetterQueueRecords
        | Operation::ReceiveQueueRecords
        | Operation::RestoreDeadLetterQueueRecords
        | Operation::UpdateChannel
        | Operation::UpdateDeadLetterQueueRecordsVisibility
        | Operation::UpdateQueue
        | Operation::UpdateQueueRecordsVisibility => return None,
    })
}
