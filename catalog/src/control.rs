//! Control calls: a gateway sends them to a catalog service when a Kinesis operation changes or looks up what data calls
//! do not need.
//!
//! Each is a value of [`ControlCall`]. Over HTTP it is a POST of that value as JSON to the call's path. 200 answers a
//! value of [`ControlAnswer`] as JSON; any other status, a [`Refusal`]. A service refuses calls that it does not serve
//! with [`RefusalCode::NotServed`].
//!
//! The rules of the calls are pure functions beside them, so that every service keeps the same ones.

mod account;
mod calls;
mod change;
mod consumer;
mod refusal;
mod tags;
mod transport;

pub use crate::reshard::ShardChange;
pub use account::{Commitment, CommitmentStatus, Limits};
pub use calls::{
    ChangeShards, ChangeStream, CreateStream, DeleteStream, DeregisterConsumer, DescribeAccount,
    DescribeLimits, FindConsumer, FindStream, ListConsumers, ListTags, MAX_SHARD_COUNT, RegisterConsumer,
    SettingsChange, StreamKey, TagResource, UntagResource, UpdateAccount,
};
pub use change::{MAX_WARM_THROUGHPUT_MIBPS, StreamChange};
pub use consumer::{Consumer, ConsumerKey, max_consumers};
pub use refusal::{Refusal, RefusalCode};
pub use tags::{MAX_TAGS, Tags};
pub use transport::{
    CREATE_STREAM_PATH, Control, ControlAnswer, ControlCall, DELETE_STREAM_PATH, FIND_STREAM_PATH,
};
