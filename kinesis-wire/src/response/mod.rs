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
pub use put::{PutRecord, PutRecordsWriter};
pub use shard::{
    ChildShard, GetShardIterator, HashKeyRange, ListShards, SequenceNumberRange, Shard, UpdateShardCount,
};
pub use stream::{DescribeStream, DescribeStreamSummary, ListStreams, StreamSummary};
pub use stream_settings::{EnhancedMonitoring, UpdateStreamWarmThroughput, WarmThroughput};
pub use tags::{GetResourcePolicy, ListTagsForResource, ListTagsForStream, Tag};

use crate::json::JsonWriter;
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
                pub fn to_json(&self) -> Vec<u8> {
                    to_json(self)
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

/// The body of an answer.
pub(crate) fn to_json(body: &impl Body) -> Vec<u8> {
    let mut writer = JsonWriter::default();
    body.write(&mut writer);
    writer.finish()
}
