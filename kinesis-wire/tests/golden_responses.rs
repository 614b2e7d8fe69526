//! Answers are written as the files have them, which `golden/sdk.py responses` reads as boto3 does.
//!
//! `KINETES_WRITE_GOLDEN=1 cargo test -p kinesis-wire --test golden_responses` writes the files anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kinesis_wire::Error;
use kinesis_wire::request::{RecordDistributionStrategy, StreamMode};
use kinesis_wire::response::*;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
const CONSUMER_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/billing:1459799926";
const NUMBER: &str = "49590338271490256608559692538361571095921575989136588898";
const ENDING: &str = "49590338271501406980881692541123071095921575989136588898";
const TIME_MS: i64 = 1_459_799_926_480;

fn check(name: &str, body: &[u8]) {
    let path = format!("{}/tests/golden/responses/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let body = std::str::from_utf8(body).unwrap();
    serde_json::from_str::<serde_json::Value>(body).unwrap();
    if std::env::var_os("KINETES_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, body).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), body, "{name}");
}

fn shards() -> Vec<Shard> {
    let closed = Shard {
        shard_id: "shardId-000000000000".into(),
        parent_shard_id: None,
        adjacent_parent_shard_id: None,
        hash_key_range: HashKeyRange { starting: 0, ending: u128::MAX },
        sequence_number_range: SequenceNumberRange { starting: NUMBER.into(), ending: Some(ENDING.into()) },
    };
    let child = Shard {
        shard_id: "shardId-000000000003".into(),
        parent_shard_id: Some("shardId-000000000001".into()),
        adjacent_parent_shard_id: Some("shardId-000000000002".into()),
        sequence_number_range: SequenceNumberRange { starting: NUMBER.into(), ending: None },
        ..closed.clone()
    };
    vec![closed, child]
}

#[test]
fn stream_is_described_with_its_shards() {
    let creating = DescribeStream {
        stream_name: "orders".into(),
        stream_arn: ARN.into(),
        stream_status: StreamStatus::Creating,
        stream_mode: StreamMode::Provisioned,
        shards: Vec::new(),
        has_more_shards: false,
        retention_period_hours: 24,
        stream_creation_ms: TIME_MS,
        enhanced_monitoring: Vec::new(),
        encryption_type: EncryptionType::None,
        key_id: None,
    };
    check("DescribeStream-creating", &creating.to_json());
    let active = DescribeStream {
        stream_status: StreamStatus::Active,
        stream_mode: StreamMode::OnDemand,
        shards: shards(),
        has_more_shards: true,
        enhanced_monitoring: vec![ShardLevelMetric::IncomingBytes, ShardLevelMetric::IteratorAgeMilliseconds],
        encryption_type: EncryptionType::Kms,
        key_id: Some("alias/aws/kinesis".into()),
        ..creating
    };
    check("DescribeStream", &active.to_json());
}

#[test]
fn stream_is_summed_up() {
    let provisioned = DescribeStreamSummary {
        stream_name: "orders".into(),
        stream_arn: ARN.into(),
        stream_status: StreamStatus::Active,
        stream_mode: StreamMode::Provisioned,
        retention_period_hours: 24,
        stream_creation_ms: TIME_MS,
        enhanced_monitoring: Vec::new(),
        encryption_type: EncryptionType::None,
        key_id: None,
        open_shard_count: 4,
        consumer_count: 0,
        max_record_size_kib: 1024,
        warm_throughput: None,
        record_distribution_strategy: None,
        channel_count: None,
        queue_count: None,
    };
    check("DescribeStreamSummary", &provisioned.to_json());
    let on_demand = DescribeStreamSummary {
        stream_status: StreamStatus::Updating,
        stream_mode: StreamMode::OnDemand,
        encryption_type: EncryptionType::Kms,
        key_id: Some("alias/aws/kinesis".into()),
        warm_throughput: Some(WarmThroughput { target_mibps: 100, current_mibps: 50 }),
        record_distribution_strategy: Some(RecordDistributionStrategy::Auto),
        channel_count: Some(1),
        queue_count: Some(2),
        ..provisioned
    };
    check("DescribeStreamSummary-on-demand", &on_demand.to_json());
}

#[test]
fn streams_are_listed_by_name_and_summary() {
    check("ListStreams-none", &ListStreams::default().to_json());
    let summary = StreamSummary {
        stream_name: "orders".into(),
        stream_arn: ARN.into(),
        stream_status: StreamStatus::Deleting,
        stream_mode: StreamMode::OnDemand,
        stream_creation_ms: TIME_MS,
    };
    let page = ListStreams {
        stream_summaries: vec![summary.clone(), StreamSummary { stream_name: "orders2".into(), ..summary }],
        has_more_streams: true,
        next_token: Some("AAAA/+==".into()),
    };
    check("ListStreams", &page.to_json());
}

#[test]
fn shards_are_listed() {
    check("ListShards-none", &ListShards::default().to_json());
    check("ListShards", &ListShards { shards: shards(), next_token: Some("AAAA/+==".into()) }.to_json());
}

#[test]
fn iterator_is_given() {
    check("GetShardIterator", &GetShardIterator { shard_iterator: "AAAAAAAAAAE=".into() }.to_json());
}

#[test]
fn put_is_answered_with_its_place() {
    let answer = PutRecord { shard_id: "shardId-000000000001", sequence_number: NUMBER };
    check("PutRecord", &answer.to_json());
}

#[test]
fn puts_are_answered_one_by_one() {
    let mut writer = PutRecordsWriter::with_capacity(3);
    writer.stored("shardId-000000000001", NUMBER);
    writer.failed(&Error::rate_exceeded("shardId-000000000000", "orders", "000000000000"));
    writer.failed(&Error::internal_failure());
    check("PutRecords", &writer.finish());
}

#[test]
fn records_are_returned_with_the_next_iterator() {
    let mut writer = GetRecordsWriter::with_capacity(0);
    writer.record(NUMBER, TIME_MS.unsigned_abs(), b"\x00\xffhello", Some("Ærø\"\\/\u{1}😀"));
    writer.record(NUMBER, 5, b"", None);
    check("GetRecords", &writer.finish(Some("AAAAAAAAAAE="), 1234, &[]));
}

#[test]
fn end_of_a_shard_names_children_and_no_iterator() {
    let child = ChildShard {
        shard_id: "shardId-000000000003".into(),
        parent_shards: vec!["shardId-000000000001".into(), "shardId-000000000002".into()],
        hash_key_range: HashKeyRange { starting: 0, ending: u128::MAX },
    };
    check("GetRecords-end", &GetRecordsWriter::with_capacity(0).finish(None, 0, &[child]));
}

#[test]
fn consumers_are_shown() {
    let consumer = Consumer {
        consumer_name: "billing".into(),
        consumer_arn: CONSUMER_ARN.into(),
        consumer_status: ConsumerStatus::Creating,
        consumer_creation_ms: TIME_MS,
    };
    let registered = RegisterStreamConsumer { consumer: consumer.clone() };
    check("RegisterStreamConsumer", &registered.to_json());
    let active = Consumer { consumer_status: ConsumerStatus::Active, ..consumer.clone() };
    let described = DescribeStreamConsumer { consumer: active.clone(), stream_arn: ARN.into() };
    check("DescribeStreamConsumer", &described.to_json());
    check("ListStreamConsumers-none", &ListStreamConsumers::default().to_json());
    let page = ListStreamConsumers { consumers: vec![active, consumer], next_token: Some("AAAA/+==".into()) };
    check("ListStreamConsumers", &page.to_json());
}

#[test]
fn tags_are_listed() {
    let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
    let tags = vec![tag("côté", ""), tag("team", "payments")];
    check("ListTagsForResource", &ListTagsForResource { tags: tags.clone() }.to_json());
    check("ListTagsForStream", &ListTagsForStream { tags, has_more_tags: true }.to_json());
    check("ListTagsForStream-none", &ListTagsForStream::default().to_json());
}

#[test]
fn policy_is_a_text() {
    let policy = r#"{"Version": "2012-10-17"}"#;
    check("GetResourcePolicy", &GetResourcePolicy { policy: policy.into() }.to_json());
}

#[test]
fn changed_settings_are_repeated() {
    let count = UpdateShardCount {
        stream_name: "orders".into(),
        stream_arn: ARN.into(),
        current_shard_count: 4,
        target_shard_count: 8,
    };
    check("UpdateShardCount", &count.to_json());
    let throughput = UpdateStreamWarmThroughput {
        stream_name: "orders".into(),
        stream_arn: ARN.into(),
        warm_throughput: WarmThroughput { target_mibps: 100, current_mibps: 0 },
    };
    check("UpdateStreamWarmThroughput", &throughput.to_json());
    let enabled = EnhancedMonitoring {
        stream_name: "orders".into(),
        stream_arn: ARN.into(),
        current: Vec::new(),
        desired: ShardLevelMetric::ALL.to_vec(),
    };
    check("EnableEnhancedMonitoring", &enabled.to_json());
    let disabled = EnhancedMonitoring { current: enabled.desired.clone(), desired: Vec::new(), ..enabled };
    check("DisableEnhancedMonitoring", &disabled.to_json());
}

#[test]
fn account_is_shown() {
    let limits = DescribeLimits {
        shard_limit: 20_000,
        open_shard_count: 4,
        on_demand_stream_count: 1,
        on_demand_stream_count_limit: 50,
    };
    check("DescribeLimits", &limits.to_json());
    let first = AccountSettings {
        status: CommitmentStatus::Disabled,
        started_ms: None,
        ended_ms: None,
        earliest_allowed_end_ms: None,
    };
    check("DescribeAccountSettings", &first.to_json());
    let day_ms = 24 * 60 * 60 * 1000;
    let ending = AccountSettings {
        status: CommitmentStatus::EnabledUntilEarliestAllowedEnd,
        started_ms: Some(TIME_MS),
        ended_ms: Some(TIME_MS + 1),
        earliest_allowed_end_ms: Some(TIME_MS + day_ms),
    };
    check("UpdateAccountSettings", &ending.to_json());
}

#[test]
fn there_are_no_channels_and_queues() {
    check("ListChannels", &ListChannels.to_json());
    check("ListQueues", &ListQueues.to_json());
}
