//! The operations of the Kinesis API.

use std::fmt;

/// What every `X-Amz-Target` begins with: the service and its API version.
const TARGET_PREFIX: &str = "Kinesis_20131202.";

macro_rules! operations {
    ($($name:ident)*) => {
        /// Every operation of the Kinesis API (botocore's model 2013-12-02 as of autumn 2026), served or not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the operations are those of the AWS API reference")]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            /// Every operation, by name.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name as the API writes it, for example `PutRecord`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

operations! {
    AcknowledgeDeadLetterQueueRecords
    AcknowledgeQueueRecords
    AddTagsToStream
    CreateChannel
    CreateQueue
    CreateStream
    DecreaseStreamRetentionPeriod
    DeleteChannel
    DeleteQueue
    DeleteResourcePolicy
    DeleteStream
    DeregisterStreamConsumer
    DescribeAccountSettings
    DescribeChannel
    DescribeLimits
    DescribeQueue
    DescribeStream
    DescribeStreamConsumer
    DescribeStreamSummary
    DisableEnhancedMonitoring
    EnableEnhancedMonitoring
    GetRecords
    GetResourcePolicy
    GetShardIterator
    IncreaseStreamRetentionPeriod
    ListChannels
    ListQueues
    ListShards
    ListStreamConsumers
    ListStreams
    ListTagsForResource
    ListTagsForStream
    MergeShards
    PutRecord
    PutRecords
    PutResourcePolicy
    ReceiveDeadLetterQueueRecords
    ReceiveQueueRecords
    RegisterStreamConsumer
    RemoveTagsFromStream
    RestoreDeadLetterQueueRecords
    SplitShard
    StartStreamEncryption
    StopStreamEncryption
    SubscribeToShard
    TagResource
    UntagResource
    UpdateAccountSettings
    UpdateChannel
    UpdateDeadLetterQueueRecordsVisibility
    UpdateMaxRecordSize
    UpdateQueue
    UpdateQueueRecordsVisibility
    UpdateShardCount
    UpdateStreamMode
    UpdateStreamRecordDistributionStrategy
    UpdateStreamWarmThroughput
}

impl Operation {
    /// The operation that an `X-Amz-Target` header names, for example `Kinesis_20131202.PutRecord`; none if the
    /// service, its version or the operation is another. Case counts.
    #[must_use]
    pub fn from_target(target: &str) -> Option<Self> {
        let name = target.strip_prefix(TARGET_PREFIX)?;
        Self::ALL.binary_search_by(|operation| operation.name().cmp(name)).ok().map(|index| Self::ALL[index])
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_target() {
        assert_eq!(Operation::ALL.len(), 57);
        for &operation in Operation::ALL {
            assert_eq!(Operation::from_target(&format!("Kinesis_20131202.{operation}")), Some(operation));
        }
    }

    #[test]
    fn target_of_another_service_version_or_case_is_unknown() {
        for target in [
            "",
            "PutRecord",
            "Kinesis_20131202",
            "Kinesis_20131202.",
            "Kinesis_20131202.putRecord",
            "Kinesis_20111202.PutRecord",
        ] {
            assert_eq!(Operation::from_target(target), None, "{target}");
        }
    }
}
