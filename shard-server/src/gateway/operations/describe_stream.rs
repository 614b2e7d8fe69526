//! DescribeStream and DescribeStreamSummary.

use catalog::{ShardId, ShardState, Stream, StreamMode, StreamStatus};
use kinesis_wire::request::RecordDistributionStrategy;
use kinesis_wire::{Error, request, response};

use super::Answer;
use super::account::describe_account;
use super::shard_view::{metrics_of, mode_of, shard_of, status_of};
use crate::gateway::shard_filter;
use crate::gateway::{Call, Endpoint};

/// The most shards of a page (AWS API reference, DescribeStream).
const MAX_PAGE: usize = 100;

pub async fn answer(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::DescribeStream<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let stream = endpoint.find_newest(call, &name).await?;
    let after = request
        .exclusive_start_shard_id
        .as_deref()
        .map(|id| id.parse().map_err(|_| Error::shard_id_unreadable(id, name.as_str(), call.account_id)));
    let (shards, has_more_shards) = page(&stream, after.transpose()?, request.limit);
    let description = response::DescribeStream {
        stream_name: stream.name.to_string(),
        stream_arn: stream.arn(call.region),
        stream_status: status_of(stream.status),
        stream_mode: mode_of(stream.mode),
        shards,
        has_more_shards,
        retention_period_hours: stream.retention_period_hours,
        stream_creation_ms: stream.created_ms,
        enhanced_monitoring: metrics_of(&stream.settings),
        encryption_type: response::EncryptionType::None,
        key_id: None,
    };
    Ok(description.encode(call.encoding).into())
}

pub async fn answer_summary(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::DescribeStreamSummary<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let stream = endpoint.find_newest(call, &name).await?;
    let open_shards = stream.shards.iter().filter(|shard| shard.state == ShardState::Open).count();
    let record_distribution_strategy = match stream.mode {
        StreamMode::OnDemand => Some(RecordDistributionStrategy::UserPartitionKey),
        StreamMode::Provisioned => None,
    };
    let summary = response::DescribeStreamSummary {
        stream_name: stream.name.to_string(),
        stream_arn: stream.arn(call.region),
        stream_status: status_of(stream.status),
        stream_mode: mode_of(stream.mode),
        retention_period_hours: stream.retention_period_hours,
        stream_creation_ms: stream.created_ms,
        enhanced_monitoring: metrics_of(&stream.settings),
        encryption_type: response::EncryptionType::None,
        key_id: None,
        open_shard_count: u32::try_from(open_shards).unwrap_or(u32::MAX),
        consumer_count: stream.settings.consumer_count,
        max_record_size_kib: stream.max_record_size_kib,
        warm_throughput: warm_throughput(endpoint, call, &stream).await?,
        record_distribution_strategy,
        channel_count: None,
        queue_count: None,
    };
    Ok(summary.encode(call.encoding).into())
}

/// The warm throughput of a stream, which counts only while its account has the commitment.
async fn warm_throughput(
    endpoint: &Endpoint,
    call: &Call<'_>,
    stream: &Stream,
) -> Result<Option<response::WarmThroughput>, Error> {
    let Some(mibps) = stream.settings.warm_throughput_mibps else { return Ok(None) };
    let commitment = endpoint.control(call, describe_account(call)).await?;
    let now_ms = i64::try_from(endpoint.now_ms()).unwrap_or(i64::MAX);
    // What takes as much as its machines can is as warm as it gets.
    let warm = response::WarmThroughput { target_mibps: mibps, current_mibps: mibps };
    Ok(commitment.is_on(now_ms).then_some(warm))
}

/// One page of shards, and whether there are more. A stream that is CREATING shows none.
fn page(stream: &Stream, after: Option<ShardId>, limit: Option<u32>) -> (Vec<response::Shard>, bool) {
    if stream.status == StreamStatus::Creating {
        return (Vec::new(), false);
    }
    let limit = limit.map_or(MAX_PAGE, |limit| MAX_PAGE.min(limit as usize));
    let shown = shard_filter::shown(&stream.shards);
    let mut following = shown.iter().filter(|shown| after.is_none_or(|after| shown.shard.id > after));
    let shards = following.by_ref().take(limit).map(shard_of).collect();
    (shards, following.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::testing::stream;

    #[test]
    fn second_page_continues_after_the_first() {
        let stream = stream("orders");
        let ids = |(shards, more): (Vec<response::Shard>, bool)| {
            (shards.into_iter().map(|shard| shard.shard_id).collect::<Vec<_>>(), more)
        };
        let (first, more) = ids(page(&stream, None, Some(3)));
        assert_eq!((first.len(), more), (3, true));
        let second = ids(page(&stream, Some(first[2].parse().unwrap()), Some(3)));
        assert_eq!(second, (vec!["shardId-000000000003".into()], false));
    }

    #[test]
    fn page_with_the_last_shard_reports_no_more_shards() {
        assert!(!page(&stream("orders"), None, Some(4)).1);
    }

    #[test]
    fn stream_that_is_creating_shows_no_shard() {
        let creating = Stream { status: StreamStatus::Creating, ..stream("orders") };
        assert_eq!(page(&creating, None, None), (Vec::new(), false));
    }
}
