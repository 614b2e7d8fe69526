//! Answers are written as the files have them, which `golden/sdk.py responses` reads as boto3 does.
//!
//! `KINETES_WRITE_GOLDEN=1 cargo test -p kinesis-wire --test golden_responses` writes the files anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kinesis_wire::Error;
use kinesis_wire::request::{RecordDistributionStrategy, StreamMode};
use kinesis_wire::response::{
    ChildShard, DescribeStream, DescribeStreamSummary, EncryptionType, GetRecordsWriter, GetShardIterator,
    HashKeyRange, ListShards, ListStreams, PutRecord, PutRecordsWriter, SequenceNumberRange, Shard,
    ShardLevelMetric, StreamStatus, StreamSummary, WarmThroughput,
};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
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
