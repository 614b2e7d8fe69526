//! Answers are written as the files have them, which `golden/sdk.py responses` reads as boto3 does.
//!
//! `KINETES_WRITE_GOLDEN=1 cargo test -p kinesis-wire --test golden_responses` writes the files anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kinesis_wire::request::{RecordDistributionStrategy, StreamMode};
use kinesis_wire::response::*;
use kinesis_wire::{Encoding, Error};
use minicbor::Decoder;
use minicbor::data::{IanaTag, Type};
use serde_json::Value;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
const CONSUMER_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/billing:1459799926";
const NUMBER: &str = "49590338271490256608559692538361571095921575989136588898";
const ENDING: &str = "49590338271501406980881692541123071095921575989136588898";
const TIME_MS: i64 = 1_459_799_926_480;

/// The answer in JSON is what the file has, and in CBOR it says the same.
fn check(name: &str, body: impl Fn(Encoding) -> Vec<u8>) {
    let path = format!("{}/tests/golden/responses/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let json = String::from_utf8(body(Encoding::Json)).unwrap();
    if std::env::var_os("KINETES_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &json).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), json, "{name}");
    let cbor = body(Encoding::Cbor);
    let mut decoder = Decoder::new(&cbor);
    assert_eq!(value(&mut decoder), serde_json::from_str::<Value>(&json).unwrap(), "{name}");
    assert_eq!(decoder.position(), cbor.len(), "{name}");
}

/// CBOR as JSON would say it: milliseconds are seconds, and bytes are base64.
fn value(decoder: &mut Decoder<'_>) -> Value {
    match decoder.datatype().unwrap() {
        Type::Bool => decoder.bool().unwrap().into(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => decoder.u64().unwrap().into(),
        Type::String => decoder.str().unwrap().into(),
        Type::Bytes => base64_simd::STANDARD.encode_to_string(decoder.bytes().unwrap()).into(),
        Type::Tag => {
            assert_eq!(decoder.tag().unwrap(), IanaTag::Timestamp.tag());
            (decoder.i64().unwrap() as f64 / 1000.0).into()
        }
        Type::ArrayIndef => {
            decoder.array().unwrap();
            let mut elements = Vec::new();
            while decoder.datatype().unwrap() != Type::Break {
                elements.push(value(decoder));
            }
            decoder.skip().unwrap();
            elements.into()
        }
        Type::MapIndef => {
            decoder.map().unwrap();
            let mut members = serde_json::Map::new();
            while decoder.datatype().unwrap() != Type::Break {
                let name = decoder.str().unwrap().to_owned();
                members.insert(name, value(decoder));
            }
            decoder.skip().unwrap();
            members.into()
        }
        other => panic!("no answer has a {other}"),
    }
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
    check("DescribeStream-creating", |encoding| creating.encode(encoding));
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
    check("DescribeStream", |encoding| active.encode(encoding));
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
    check("DescribeStreamSummary", |encoding| provisioned.encode(encoding));
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
    check("DescribeStreamSummary-on-demand", |encoding| on_demand.encode(encoding));
}

#[test]
fn streams_are_listed_by_name_and_summary() {
    check("ListStreams-none", |encoding| ListStreams::default().encode(encoding));
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
    check("ListStreams", |encoding| page.encode(encoding));
}

#[test]
fn shards_are_listed() {
    check("ListShards-none", |encoding| ListShards::default().encode(encoding));
    check("ListShards", |encoding| {
        ListShards { shards: shards(), next_token: Some("AAAA/+==".into()) }.encode(encoding)
    });
}

#[test]
fn iterator_is_given() {
    check("GetShardIterator", |encoding| {
        GetShardIterator { shard_iterator: "AAAAAAAAAAE=".into() }.encode(encoding)
    });
}

#[test]
fn put_is_answered_with_its_place() {
    let answer = PutRecord { shard_id: "shardId-000000000001", sequence_number: NUMBER };
    check("PutRecord", |encoding| answer.encode(encoding));
}

#[test]
fn puts_are_answered_one_by_one() {
    check("PutRecords", |encoding| {
        let mut writer = PutRecordsWriter::with_capacity(encoding, 3);
        writer.stored("shardId-000000000001", NUMBER);
        writer.failed(&Error::rate_exceeded("shardId-000000000000", "orders", "000000000000"));
        writer.failed(&Error::internal_failure());
        writer.finish()
    });
}

#[test]
fn records_are_returned_with_the_next_iterator() {
    check("GetRecords", |encoding| {
        let mut writer = GetRecordsWriter::with_capacity(encoding, 0);
        writer.record(NUMBER, TIME_MS.unsigned_abs(), b"\x00\xffhello", Some("Ærø\"\\/\u{1}😀"));
        let mut body = writer.take_piece(10);
        writer.record(NUMBER, 5, b"", None);
        body.extend(writer.finish(Some("AAAAAAAAAAE="), 1234, &[]));
        body
    });
}

#[test]
fn end_of_a_shard_names_children_and_no_iterator() {
    let child = ChildShard {
        shard_id: "shardId-000000000003".into(),
        parent_shards: vec!["shardId-000000000001".into(), "shardId-000000000002".into()],
        hash_key_range: HashKeyRange { starting: 0, ending: u128::MAX },
    };
    check("GetRecords-end", |encoding| {
        GetRecordsWriter::with_capacity(encoding, 0).finish(None, 0, std::slice::from_ref(&child))
    });
}

#[test]
fn error_is_a_structure_in_cbor_too() {
    let error = Error::stream_not_found("orders", "000000000000");
    let cbor = error.encode(Encoding::Cbor);
    let json: Value = serde_json::from_slice(&error.encode(Encoding::Json)).unwrap();
    assert_eq!(value(&mut Decoder::new(&cbor)), json);
}

#[test]
fn time_in_cbor_is_an_integer_of_milliseconds() {
    let mut writer = GetRecordsWriter::with_capacity(Encoding::Cbor, 0);
    writer.record("1", TIME_MS.unsigned_abs(), b"ab", None);
    let body = writer.take_piece(0);
    let mut expected =
        b"\xbf\x67Records\x9f\xbf\x6eSequenceNumber\x611\x78\x1bApproximateArrivalTimestamp\xc1\x1b".to_vec();
    expected.extend(TIME_MS.to_be_bytes());
    expected.extend(b"\x64Data\x42ab\xff");
    assert_eq!(body, expected);
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
    check("RegisterStreamConsumer", |encoding| registered.encode(encoding));
    let active = Consumer { consumer_status: ConsumerStatus::Active, ..consumer.clone() };
    let described = DescribeStreamConsumer { consumer: active.clone(), stream_arn: ARN.into() };
    check("DescribeStreamConsumer", |encoding| described.encode(encoding));
    check("ListStreamConsumers-none", |encoding| ListStreamConsumers::default().encode(encoding));
    let page = ListStreamConsumers { consumers: vec![active, consumer], next_token: Some("AAAA/+==".into()) };
    check("ListStreamConsumers", |encoding| page.encode(encoding));
}

#[test]
fn tags_are_listed() {
    let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
    let tags = vec![tag("côté", ""), tag("team", "payments")];
    check("ListTagsForResource", |encoding| ListTagsForResource { tags: tags.clone() }.encode(encoding));
    check("ListTagsForStream", |encoding| {
        ListTagsForStream { tags: tags.clone(), has_more_tags: true }.encode(encoding)
    });
    check("ListTagsForStream-none", |encoding| ListTagsForStream::default().encode(encoding));
}

#[test]
fn policy_is_a_text() {
    let policy = r#"{"Version": "2012-10-17"}"#;
    check("GetResourcePolicy", |encoding| GetResourcePolicy { policy: policy.into() }.encode(encoding));
}

#[test]
fn changed_settings_are_repeated() {
    let count = UpdateShardCount {
        stream_name: "orders".into(),
        stream_arn: ARN.into(),
        current_shard_count: 4,
        target_shard_count: 8,
    };
    check("UpdateShardCount", |encoding| count.encode(encoding));
    let throughput = UpdateStreamWarmThroughput {
        stream_name: "orders".into(),
        stream_arn: ARN.into(),
        warm_throughput: WarmThroughput { target_mibps: 100, current_mibps: 0 },
    };
    check("UpdateStreamWarmThroughput", |encoding| throughput.encode(encoding));
    let enabled = EnhancedMonitoring {
        stream_name: "orders".into(),
        stream_arn: ARN.into(),
        current: Vec::new(),
        desired: ShardLevelMetric::ALL.to_vec(),
    };
    check("EnableEnhancedMonitoring", |encoding| enabled.encode(encoding));
    let disabled = EnhancedMonitoring { current: enabled.desired.clone(), desired: Vec::new(), ..enabled };
    check("DisableEnhancedMonitoring", |encoding| disabled.encode(encoding));
}

#[test]
fn account_is_shown() {
    let limits = DescribeLimits {
        shard_limit: 20_000,
        open_shard_count: 4,
        on_demand_stream_count: 1,
        on_demand_stream_count_limit: 50,
    };
    check("DescribeLimits", |encoding| limits.encode(encoding));
    let first = AccountSettings {
        status: CommitmentStatus::Disabled,
        started_ms: None,
        ended_ms: None,
        earliest_allowed_end_ms: None,
    };
    check("DescribeAccountSettings", |encoding| first.encode(encoding));
    let day_ms = 24 * 60 * 60 * 1000;
    let ending = AccountSettings {
        status: CommitmentStatus::EnabledUntilEarliestAllowedEnd,
        started_ms: Some(TIME_MS),
        ended_ms: Some(TIME_MS + 1),
        earliest_allowed_end_ms: Some(TIME_MS + day_ms),
    };
    check("UpdateAccountSettings", |encoding| ending.encode(encoding));
}

#[test]
fn there_are_no_channels_and_queues() {
    check("ListChannels", |encoding| ListChannels.encode(encoding));
    check("ListQueues", |encoding| ListQueues.encode(encoding));
}
