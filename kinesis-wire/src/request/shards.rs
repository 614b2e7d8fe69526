//! Requests about a stream's shards.

use std::borrow::Cow;

use super::{StreamRef, invalid, text};
use crate::Error;
use crate::shape::Members;

/// Lists a stream's shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListShards<'a> {
    /// The stream; none with a next token, which knows it.
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

/// Makes two shards of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitShard<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// ShardToSplit, as it is written.
    pub shard_to_split: Cow<'a, str>,
    /// NewStartingHashKey: a decimal integer of at most 39 digits, which may still be 2^128 or more.
    pub new_starting_hash_key: Cow<'a, str>,
}

/// Makes one shard of two whose hash key ranges meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeShards<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// ShardToMerge, as it is written.
    pub shard_to_merge: Cow<'a, str>,
    /// AdjacentShardToMerge, as it is written.
    pub adjacent_shard_to_merge: Cow<'a, str>,
}

/// Splits and merges until a stream has so many open shards, of one width (UNIFORM_SCALING is the only ScalingType).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateShardCount<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// TargetShardCount, at least 1.
    pub target_shard_count: u32,
}

impl<'a> ListShards<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            next_token: members.take_text("NextToken"),
            exclusive_start_shard_id: members.take_text("ExclusiveStartShardId"),
            max_results: members.take_integer("MaxResults"),
            stream_creation_ms: members.take_timestamp_ms("StreamCreationTimestamp"),
            filter: members.take_structure("ShardFilter").map(ShardFilter::build).transpose()?,
        })
    }
}

impl<'a> ShardFilter<'a> {
    fn build(mut members: Members<'a>) -> Result<Self, Error> {
        let kind = text(&mut members, "Type");
        let timestamp = members.take_timestamp_ms("Timestamp");
        let missing = |member| invalid(format!("ShardFilter of type {kind} needs a {member}."));
        Ok(match &*kind {
            "AFTER_SHARD_ID" => {
                Self::AfterShardId(members.take_text("ShardId").ok_or_else(|| missing("ShardId"))?)
            }
            "AT_TRIM_HORIZON" => Self::AtTrimHorizon,
            "FROM_TRIM_HORIZON" => Self::FromTrimHorizon,
            "AT_LATEST" => Self::AtLatest,
            "AT_TIMESTAMP" => Self::AtTimestamp(timestamp.ok_or_else(|| missing("Timestamp"))?),
            "FROM_TIMESTAMP" => Self::FromTimestamp(timestamp.ok_or_else(|| missing("Timestamp"))?),
            _ => return Err(invalid(format!("ShardFilter of type {kind} is unknown."))),
        })
    }
}

impl<'a> SplitShard<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            shard_to_split: text(members, "ShardToSplit"),
            new_starting_hash_key: text(members, "NewStartingHashKey"),
        })
    }
}

impl<'a> MergeShards<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            shard_to_merge: text(members, "ShardToMerge"),
            adjacent_shard_to_merge: text(members, "AdjacentShardToMerge"),
        })
    }
}

impl<'a> UpdateShardCount<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            target_shard_count: members.take_integer("TargetShardCount").unwrap_or_default(),
        })
    }
}
