//! What clients are answered: one value an operation, or a writer where records are many.
//!
//! An operation without a value here answers nothing: its body is empty.
//!
//! A member that is None is absent. A StreamId is never written: SDKs that see one leave a custom endpoint for it.

mod accounts;
mod channels;
mod consumers;
mod get_records;
mod put;
mod shard;
mod stream;
mod stream_settings;
mod tags;

pub use accounts::{AccountSettings, DescribeLimits};
pub use channels::{ListChannels, ListQueues};
pub use consumers::{Consumer, DescribeStreamConsumer, ListStreamConsumers, RegisterStreamConsumer};
pub use get_records::GetRecordsWriter;
pub(crate) use get_records::Record;
pub use put::{PutRecord, PutRecordsWriter};
pub(crate) use shard::write_children;
pub use shard::{
    ChildShard, GetShardIterator, HashKeyRange, ListShards, SequenceNumberRange, Shard, UpdateShardCount,
};
pub use stream::{DescribeStream, DescribeStreamSummary, ListStreams, StreamSummary};
pub use stream_settings::{EnhancedMonitoring, UpdateStreamWarmThroughput, WarmThroughput};
pub use tags::{GetResourcePolicy, ListTagsForResource, ListTagsForStream, Tag};

use crate::Encoding;
pub use crate::words::{CommitmentStatus, ConsumerStatus, EncryptionType, ShardLevelMetric, StreamStatus};
use crate::writer::Writer;

/// An answer that is one value.
pub(crate) trait Body {
    /// Writes it.
    fn write(&self, writer: &mut impl Writer);
}

macro_rules! bodies {
    ($($type:ident)*) => {
        $(
            impl $type {
                /// The answer's body.
                #[must_use]
                pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
                    encoding.encode(self)
                }
            }
        )*
    };
}

bodies! {
    AccountSettings
    DescribeLimits
    DescribeStream
    DescribeStreamConsumer
    DescribeStreamSummary
    EnhancedMonitoring
    GetResourcePolicy
    GetShardIterator
    ListChannels
    ListQueues
    ListShards
    ListStreamConsumers
    ListStreams
    ListTagsForResource
    ListTagsForStream
    RegisterStreamConsumer
    UpdateShardCount
    UpdateStreamWarmThroughput
}
