//! Rules between members, which no shape can say.

use super::{
    ConsumerRef, ListShards, ListStreamConsumers, MAX_PUT_RECORDS_BYTES, Record, Request, StreamArn,
    StreamRef, invalid,
};
use crate::Error;

impl Request<'_> {
    /// Checks that the members go together.
    ///
    /// # Errors
    /// InvalidArgumentException.
    pub(crate) fn check_members_agree(&self) -> Result<(), Error> {
        match self {
            Self::CreateStream(_)
            | Self::DeleteResourcePolicy(_)
            | Self::DescribeAccountSettings
            | Self::DescribeLimits
            | Self::GetResourcePolicy(_)
            | Self::ListChannels
            | Self::ListQueues
            | Self::ListStreams(_)
            | Self::ListTagsForResource(_)
            | Self::PutResourcePolicy(_)
            | Self::SubscribeToShard(_)
            | Self::TagResource(_)
            | Self::UntagResource(_)
            | Self::UpdateAccountSettings(_) => Ok(()),
            Self::AddTagsToStream(request) => check_stream(&request.stream),
            Self::DecreaseStreamRetentionPeriod(request) => check_stream(&request.stream),
            Self::DeleteStream(request) => check_stream(&request.stream),
            Self::DeregisterStreamConsumer(consumer) => check_consumer(consumer),
            Self::DescribeStream(request) => check_stream(&request.stream),
            Self::DescribeStreamConsumer(consumer) => check_consumer(consumer),
            Self::DescribeStreamSummary(request) => check_stream(&request.stream),
            Self::DisableEnhancedMonitoring(request) => check_stream(&request.stream),
            Self::EnableEnhancedMonitoring(request) => check_stream(&request.stream),
            Self::GetRecords(request) => check_arn(&request.stream),
            Self::GetShardIterator(request) => check_stream(&request.stream),
            Self::IncreaseStreamRetentionPeriod(request) => check_stream(&request.stream),
            Self::ListShards(request) => check_listing(request),
            Self::ListStreamConsumers(request) => check_consumer_listing(request),
            Self::ListTagsForStream(request) => check_stream(&request.stream),
            Self::MergeShards(request) => check_stream(&request.stream),
            Self::PutRecord(request) => check_stream(&request.stream),
            Self::PutRecords(request) => check_stream(&request.stream).and(check_size(&request.records)),
            Self::RegisterStreamConsumer(request) => check_stream(&request.stream),
            Self::RemoveTagsFromStream(request) => check_stream(&request.stream),
            Self::SplitShard(request) => check_stream(&request.stream),
            Self::StartStreamEncryption(request) => check_stream(&request.stream),
            Self::StopStreamEncryption(request) => check_stream(&request.stream),
            Self::UpdateMaxRecordSize(request) => check_stream(&request.stream),
            Self::UpdateShardCount(request) => check_stream(&request.stream),
            Self::UpdateStreamMode(request) => check_stream(&request.stream),
            Self::UpdateStreamRecordDistributionStrategy(request) => check_stream(&request.stream),
            Self::UpdateStreamWarmThroughput(request) => check_stream(&request.stream),
        }
    }
}

fn check_stream(stream: &StreamRef<'_>) -> Result<(), Error> {
    if stream.name.is_none() && stream.arn.is_none() {
        return Err(invalid("Either StreamName or StreamARN must be provided."));
    }
    check_arn(stream)
}

fn check_arn(stream: &StreamRef<'_>) -> Result<(), Error> {
    let Some(arn) = stream.arn.as_deref() else { return Ok(()) };
    let parts = parse_stream_arn(arn)?;
    match stream.name.as_deref() {
        Some(name) if name != parts.stream_name => {
            Err(invalid(format!("StreamName {name} and StreamARN {arn} must refer to the same stream.")))
        }
        _ => Ok(()),
    }
}

fn parse_stream_arn(arn: &str) -> Result<StreamArn<'_>, Error> {
    StreamArn::parse(arn).ok_or_else(|| invalid(format!("StreamARN {arn} is not the ARN of a stream.")))
}

fn check_consumer(consumer: &ConsumerRef<'_>) -> Result<(), Error> {
    let stream = consumer.stream_arn.as_deref().map(parse_stream_arn).transpose()?;
    let name = consumer.name.as_deref();
    let Some(arn) = consumer.arn.as_deref() else {
        return match (stream, name) {
            (Some(_), Some(_)) => Ok(()),
            _ => Err(invalid("Either ConsumerARN, or both StreamARN and ConsumerName, must be provided.")),
        };
    };
    // The shape lets no other ARN through that is nobody's.
    let Some(parts) = consumer.parsed_arn() else {
        return Err(invalid(format!("ConsumerARN {arn} is not the ARN of a consumer.")));
    };
    if stream.is_some_and(|stream| stream != parts.stream)
        || name.is_some_and(|name| name != parts.consumer_name)
    {
        return Err(invalid(format!(
            "ConsumerARN {arn}, StreamARN and ConsumerName must refer to the same consumer."
        )));
    }
    Ok(())
}

fn check_listing(request: &ListShards<'_>) -> Result<(), Error> {
    let stream = &request.stream;
    if request.next_token.is_none() {
        return match (&stream.name, &stream.arn) {
            (None, None) => Err(invalid("Either NextToken or StreamName should be provided.")),
            _ => check_stream(stream),
        };
    }
    let beside = [
        ("StreamName", stream.name.is_some()),
        ("StreamARN", stream.arn.is_some()),
        ("StreamCreationTimestamp", request.stream_creation_ms.is_some()),
        ("ExclusiveStartShardId", request.exclusive_start_shard_id.is_some()),
    ];
    check_token_alone(&beside)
}

fn check_consumer_listing(request: &ListStreamConsumers<'_>) -> Result<(), Error> {
    check_stream(&request.stream)?;
    let creation = ("StreamCreationTimestamp", request.stream_creation_ms.is_some());
    if request.next_token.is_some() { check_token_alone(&[creation]) } else { Ok(()) }
}

/// A next token knows what its listing is about: these members may not stand beside one.
fn check_token_alone(beside: &[(&str, bool)]) -> Result<(), Error> {
    match beside.iter().find(|(_, is_there)| *is_there) {
        Some((member, _)) => Err(invalid(format!("NextToken and {member} cannot be provided together."))),
        None => Ok(()),
    }
}

fn check_size(records: &[Record<'_>]) -> Result<(), Error> {
    let bytes =
        records.iter().map(|record| record.data.len() + record.partition_key.as_deref().map_or(0, str::len));
    if bytes.sum::<usize>() > MAX_PUT_RECORDS_BYTES { Err(Error::records_too_large()) } else { Ok(()) }
}
