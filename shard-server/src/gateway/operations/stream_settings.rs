//! The operations that change a setting of a stream.

use catalog::control::{ChangeStream, SettingsChange, StreamChange};
use catalog::{StreamMode, StreamName};
use kinesis_wire::request::{self, RecordDistributionStrategy};
use kinesis_wire::{Error, ErrorCode, response};

use super::Answer;
use super::shard_view::{domain_metric, domain_mode, metrics_of};
use crate::gateway::{Call, Endpoint};

pub async fn increase_retention(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::RetentionPeriod<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    change(endpoint, call, &name, StreamChange::IncreaseRetention(request.retention_period_hours)).await?;
    Ok(Vec::new().into())
}

pub async fn decrease_retention(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::RetentionPeriod<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    change(endpoint, call, &name, StreamChange::DecreaseRetention(request.retention_period_hours)).await?;
    Ok(Vec::new().into())
}

pub async fn enable_monitoring(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::ShardLevelMetrics<'_>,
) -> Result<Answer, Error> {
    let metrics = request.metrics.into_iter().map(domain_metric).collect();
    monitoring(endpoint, call, &request.stream, StreamChange::EnableMetrics(metrics)).await
}

pub async fn disable_monitoring(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::ShardLevelMetrics<'_>,
) -> Result<Answer, Error> {
    let metrics = request.metrics.into_iter().map(domain_metric).collect();
    monitoring(endpoint, call, &request.stream, StreamChange::DisableMetrics(metrics)).await
}

async fn monitoring(
    endpoint: &Endpoint,
    call: &Call<'_>,
    stream: &request::StreamRef<'_>,
    metrics: StreamChange,
) -> Result<Answer, Error> {
    let name = call.required_name_of(stream)?;
    let SettingsChange { before, after } = change(endpoint, call, &name, metrics).await?;
    let answer = response::EnhancedMonitoring {
        stream_arn: call.arn_of(&name),
        stream_name: name.to_string(),
        current: metrics_of(&before),
        desired: metrics_of(&after),
    };
    Ok(answer.encode(call.encoding).into())
}

pub async fn update_mode(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::UpdateStreamMode<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let mode = StreamChange::Mode {
        mode: domain_mode(request.stream_mode),
        warm_throughput_mibps: request.warm_throughput_mibps,
    };
    change(endpoint, call, &name, mode).await?;
    Ok(Vec::new().into())
}

pub async fn update_max_record_size(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::UpdateMaxRecordSize<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    change(endpoint, call, &name, StreamChange::MaxRecordSize(request.max_record_size_kib)).await?;
    Ok(Vec::new().into())
}

pub async fn update_warm_throughput(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::UpdateStreamWarmThroughput<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let mibps = request.warm_throughput_mibps;
    change(endpoint, call, &name, StreamChange::WarmThroughput(mibps)).await?;
    let answer = response::UpdateStreamWarmThroughput {
        stream_arn: call.arn_of(&name),
        stream_name: name.to_string(),
        warm_throughput: response::WarmThroughput { target_mibps: mibps, current_mibps: mibps },
    };
    Ok(answer.encode(call.encoding).into())
}

/// Records go to shards by their partition keys, so that is all that can be asked for.
pub async fn update_record_distribution(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::UpdateStreamRecordDistributionStrategy<'_>,
) -> Result<Answer, Error> {
    let invalid = |message: String| Err(Error::new(ErrorCode::InvalidArgumentException, message));
    let name = call.required_name_of(&request.stream)?;
    let stream = endpoint.find_newest(call, &name).await?;
    if stream.mode == StreamMode::Provisioned {
        return invalid(format!(
            "RecordDistributionStrategy is for streams in On-Demand mode. Stream {name} under account {} is in \
             Provisioned mode.",
            call.account_id
        ));
    }
    match request.record_distribution_strategy {
        RecordDistributionStrategy::UserPartitionKey => Ok(Vec::new().into()),
        RecordDistributionStrategy::Auto => {
            invalid("RecordDistributionStrategy AUTO is not served yet.".into())
        }
    }
}

async fn change(
    endpoint: &Endpoint,
    call: &Call<'_>,
    name: &StreamName,
    change: StreamChange,
) -> Result<SettingsChange, Error> {
    endpoint.change(call, name, ChangeStream { stream: call.key(name), change }).await
}
