//! What clients are answered: one value an operation, or a writer where records are many.
//!
//! CreateStream and DeleteStream answer nothing: their body is empty.
//!
//! A member that is None is absent. A StreamId is never written: SDKs that see one leave a custom endpoint for it.

mod get_records;
mod list;
mod put;
mod shard;
mod stream;

pub use get_records::GetRecordsWriter;
pub use list::{ListStreams, StreamSummary};
pub use put::{PutRecord, PutRecordsWriter};
pub use shard::{ChildShard, GetShardIterator, HashKeyRange, ListShards, SequenceNumberRange, Shard};
pub use stream::{
    DescribeStream, DescribeStreamSummary, EncryptionType, ShardLevelMetric, StreamStatus, WarmThroughput,
};
