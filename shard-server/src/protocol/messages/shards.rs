//! Shards as messages have them: those that took over from a sealed one.

use catalog::member::OpenShard;
use catalog::{HashKey, HashKeyRange};

use super::shard_head::shard;
use crate::protocol::frame::{Broken, invalid};

/// A shard as it was opened. Hash keys have 16 bytes, the most significant first.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OpenShardHead {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(bytes = "vec", tag = "2")]
    range_start: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    range_end: Vec<u8>,
    #[prost(uint32, repeated, tag = "4")]
    parents: Vec<u32>,
    #[prost(uint64, tag = "5")]
    create_seconds: u64,
}

/// The shards that took over. Where a message has none of these, no shard was sealed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SuccessorsHead {
    #[prost(message, repeated, tag = "1")]
    shards: Vec<OpenShardHead>,
}

impl From<&OpenShard> for OpenShardHead {
    fn from(open: &OpenShard) -> Self {
        Self {
            id: open.id.index(),
            range_start: open.range.start.0.to_be_bytes().to_vec(),
            range_end: open.range.end.0.to_be_bytes().to_vec(),
            parents: open.parents.iter().map(|parent| parent.index()).collect(),
            create_seconds: open.create_seconds,
        }
    }
}

impl TryFrom<OpenShardHead> for OpenShard {
    type Error = Broken;

    fn try_from(head: OpenShardHead) -> Result<Self, Broken> {
        let key = |bytes: Vec<u8>| {
            let bytes = bytes.try_into().map_err(|_| invalid("a hash key has not 16 bytes"))?;
            Ok::<_, Broken>(HashKey(u128::from_be_bytes(bytes)))
        };
        Ok(Self {
            id: shard(head.id)?,
            range: HashKeyRange { start: key(head.range_start)?, end: key(head.range_end)? },
            parents: head.parents.into_iter().map(shard).collect::<Result<_, _>>()?,
            create_seconds: head.create_seconds,
        })
    }
}

impl From<&[OpenShard]> for SuccessorsHead {
    fn from(shards: &[OpenShard]) -> Self {
        Self { shards: shards.iter().map(OpenShardHead::from).collect() }
    }
}

impl TryFrom<SuccessorsHead> for Vec<OpenShard> {
    type Error = Broken;

    fn try_from(head: SuccessorsHead) -> Result<Self, Broken> {
        head.shards.into_iter().map(OpenShard::try_from).collect()
    }
}
