//! Streams and shards in the types of the API.

use catalog::member::OpenShard;
use catalog::{
    HashKeyRange, SequenceNumber, ShardId, ShardLevelMetric, StreamMode, StreamSettings, StreamStatus,
};
use kinesis_wire::{request, response};

use crate::gateway::shard_filter::ShownShard;

pub(super) fn status_of(status: StreamStatus) -> response::StreamStatus {
    match status {
        StreamStatus::Creating => response::StreamStatus::Creating,
        StreamStatus::Active => response::StreamStatus::Active,
        StreamStatus::Updating => response::StreamStatus::Updating,
        StreamStatus::Deleting => response::StreamStatus::Deleting,
    }
}

pub(super) fn mode_of(mode: StreamMode) -> request::StreamMode {
    match mode {
        StreamMode::Provisioned => request::StreamMode::Provisioned,
        StreamMode::OnDemand => request::StreamMode::OnDemand,
    }
}

pub(super) fn domain_mode(mode: request::StreamMode) -> StreamMode {
    match mode {
        request::StreamMode::Provisioned => StreamMode::Provisioned,
        request::StreamMode::OnDemand => StreamMode::OnDemand,
    }
}

/// The metrics that are enabled, in the order of the API.
pub(super) fn metrics_of(settings: &StreamSettings) -> Vec<response::ShardLevelMetric> {
    let all = response::ShardLevelMetric::ALL.iter().copied();
    all.filter(|metric| settings.shard_level_metrics.contains(&domain_metric(*metric))).collect()
}

pub(super) fn domain_metric(metric: response::ShardLevelMetric) -> ShardLevelMetric {
    match metric {
        response::ShardLevelMetric::IncomingBytes => ShardLevelMetric::IncomingBytes,
        response::ShardLevelMetric::IncomingRecords => ShardLevelMetric::IncomingRecords,
        response::ShardLevelMetric::OutgoingBytes => ShardLevelMetric::OutgoingBytes,
        response::ShardLevelMetric::OutgoingRecords => ShardLevelMetric::OutgoingRecords,
        response::ShardLevelMetric::WriteProvisionedThroughputExceeded => {
            ShardLevelMetric::WriteProvisionedThroughputExceeded
        }
        response::ShardLevelMetric::ReadProvisionedThroughputExceeded => {
            ShardLevelMetric::ReadProvisionedThroughputExceeded
        }
        response::ShardLevelMetric::IteratorAgeMilliseconds => ShardLevelMetric::IteratorAgeMilliseconds,
    }
}

fn range_of(range: HashKeyRange) -> response::HashKeyRange {
    response::HashKeyRange { starting: range.start.0, ending: range.end.0 }
}

/// A shard in an answer. A closed one has an EndingSequenceNumber, above every record's.
pub(super) fn shard_of(shown: &ShownShard<'_>) -> response::Shard {
    let shard = shown.shard;
    let starting = shard.starting_sequence_number();
    let ending = SequenceNumber { counter: SequenceNumber::ENDING_COUNTER, ..starting };
    let mut parents = shard.parents.iter().map(ShardId::to_string);
    response::Shard {
        shard_id: shard.id.to_string(),
        parent_shard_id: parents.next(),
        adjacent_parent_shard_id: parents.next(),
        hash_key_range: range_of(shard.range),
        sequence_number_range: response::SequenceNumberRange {
            starting: starting.to_string(),
            ending: shown.closed.then(|| ending.to_string()),
        },
    }
}

/// A shard that took over from a sealed one.
pub(super) fn child_of(child: &OpenShard) -> response::ChildShard {
    response::ChildShard {
        shard_id: child.id.to_string(),
        parent_shards: child.parents.iter().map(ShardId::to_string).collect(),
        hash_key_range: range_of(child.range),
    }
}
