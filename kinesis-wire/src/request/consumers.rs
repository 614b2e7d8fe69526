//! Requests about consumers, and of them.

use std::borrow::Cow;

use super::{ConsumerArn, StartingPosition, StreamArn, StreamRef, Tags, text};
use crate::Error;
use crate::shape::Members;

/// Makes a consumer of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterStreamConsumer<'a> {
    /// The stream, by ARN.
    pub stream: StreamRef<'a>,
    /// ConsumerName: 1 to 128 characters of `a-z A-Z 0-9 _ . -`.
    pub consumer_name: Cow<'a, str>,
    /// Tags: at most 200 here; a consumer's own limit is lower.
    pub tags: Tags<'a>,
}

/// The consumer that a request means (DeregisterStreamConsumer, DescribeStreamConsumer).
///
/// In a decoded request it has an ARN, or else a stream and a name; if it has both, they name the same consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerRef<'a> {
    /// StreamARN.
    pub stream_arn: Option<Cow<'a, str>>,
    /// ConsumerName.
    pub name: Option<Cow<'a, str>>,
    /// ConsumerARN.
    pub arn: Option<Cow<'a, str>>,
}

/// Lists the consumers of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListStreamConsumers<'a> {
    /// The stream, by ARN.
    pub stream: StreamRef<'a>,
    /// NextToken; then there is no creation time.
    pub next_token: Option<Cow<'a, str>>,
    /// MaxResults: 1 to 10,000 (a page has at most 100 all the same).
    pub max_results: Option<u32>,
    /// StreamCreationTimestamp in milliseconds since 1970.
    pub stream_creation_ms: Option<i64>,
}

/// Has the records of a shard pushed to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeToShard<'a> {
    /// ConsumerARN; [`ConsumerArn::parse`] takes it apart.
    pub consumer_arn: Cow<'a, str>,
    /// ShardId, as it is written.
    pub shard_id: Cow<'a, str>,
    /// StartingPosition.
    pub position: StartingPosition<'a>,
    /// DryRun; absent is false.
    pub dry_run: bool,
}

impl<'a> RegisterStreamConsumer<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            consumer_name: text(members, "ConsumerName"),
            tags: members.take_text_map("Tags"),
        })
    }
}

impl<'a> ConsumerRef<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream_arn: members.take_text("StreamARN"),
            name: members.take_text("ConsumerName"),
            arn: members.take_text("ConsumerARN"),
        })
    }

    /// The parts of ConsumerARN, if the request has one.
    #[must_use]
    pub fn parsed_arn(&self) -> Option<ConsumerArn<'_>> {
        ConsumerArn::parse(self.arn.as_deref()?)
    }

    /// The parts of StreamARN, if the request has one.
    #[must_use]
    pub fn parsed_stream_arn(&self) -> Option<StreamArn<'_>> {
        StreamArn::parse(self.stream_arn.as_deref()?)
    }
}

impl<'a> ListStreamConsumers<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            next_token: members.take_text("NextToken"),
            max_results: members.take_integer("MaxResults"),
            stream_creation_ms: members.take_timestamp_ms("StreamCreationTimestamp"),
        })
    }
}

impl<'a> SubscribeToShard<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        let mut position = members.take_structure("StartingPosition").unwrap_or_default();
        Ok(Self {
            consumer_arn: text(members, "ConsumerARN"),
            shard_id: text(members, "ShardId"),
            position: StartingPosition::build(&mut position, "Type", "SequenceNumber")?,
            dry_run: members.take_boolean("DryRun"),
        })
    }
}
