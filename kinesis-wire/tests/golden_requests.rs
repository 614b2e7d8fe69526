//! What SDKs send is read as they meant it. The files are made by `golden/sdk.py` and `golden/sdk.mjs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use kinesis_wire::envelope::Envelope;
use kinesis_wire::request::*;
use serde_json::Value;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
const CONSUMER_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/billing:1459799926";
const NUMBER: &str = "49590338271490256608559692538361571095921575989136588898";
const TIME_MS: i64 = 1_459_799_926_480;

fn named() -> StreamRef<'static> {
    StreamRef { name: Some("orders".into()), arn: None }
}

fn by_arn() -> StreamRef<'static> {
    StreamRef { name: None, arn: Some(ARN.into()) }
}

fn both() -> StreamRef<'static> {
    StreamRef { name: Some("orders".into()), arn: Some(ARN.into()) }
}

fn record(
    data: &'static [u8],
    partition_key: &'static str,
    explicit_hash_key: Option<&'static str>,
) -> Record<'static> {
    Record {
        data: Data::from_bytes(data),
        partition_key: Some(partition_key.into()),
        explicit_hash_key: explicit_hash_key.map(Cow::from),
    }
}

/// What each file means.
fn meanings() -> BTreeMap<&'static str, Request<'static>> {
    [streams(), settings(), accounts(), shards(), records(), consumers(), tags()]
        .into_iter()
        .flatten()
        .collect()
}

fn streams() -> Vec<(&'static str, Request<'static>)> {
    let create = CreateStream {
        stream_name: "orders".into(),
        shard_count: None,
        stream_mode: None,
        tags: BTreeMap::new(),
        warm_throughput_mibps: None,
        max_record_size_kib: None,
        record_distribution_strategy: None,
    };
    let create_all = CreateStream {
        shard_count: Some(4),
        stream_mode: Some(StreamMode::Provisioned),
        tags: [("team".into(), "payments".into()), ("côté".into(), "".into())].into(),
        warm_throughput_mibps: Some(0),
        max_record_size_kib: Some(2048),
        record_distribution_strategy: Some(RecordDistributionStrategy::UserPartitionKey),
        ..create.clone()
    };
    let describe = DescribeStream {
        stream: named(),
        limit: Some(7),
        exclusive_start_shard_id: Some("shardId-000000000001".into()),
    };
    let list_all = ListStreams {
        limit: Some(5),
        exclusive_start_stream_name: Some("a".into()),
        next_token: Some("t==".into()),
    };
    let list = ListStreams { limit: None, exclusive_start_stream_name: None, next_token: None };
    vec![
        ("create-stream", Request::CreateStream(create)),
        ("create-stream-all", Request::CreateStream(create_all)),
        (
            "delete-stream",
            Request::DeleteStream(DeleteStream { stream: by_arn(), enforce_consumer_deletion: true }),
        ),
        ("describe-stream", Request::DescribeStream(describe)),
        ("describe-stream-summary", Request::DescribeStreamSummary(DescribeStreamSummary { stream: both() })),
        ("list-streams", Request::ListStreams(list)),
        ("list-streams-all", Request::ListStreams(list_all)),
    ]
}

fn shards() -> Vec<(&'static str, Request<'static>)> {
    let list = ListShards {
        stream: by_arn(),
        next_token: None,
        exclusive_start_shard_id: None,
        max_results: Some(1000),
        stream_creation_ms: Some(TIME_MS),
        filter: Some(ShardFilter::FromTimestamp(TIME_MS)),
    };
    let after = ListShards {
        stream: named(),
        max_results: None,
        stream_creation_ms: None,
        filter: Some(ShardFilter::AfterShardId("shardId-000000000003".into())),
        ..list.clone()
    };
    let next = ListShards {
        stream: StreamRef::default(),
        next_token: Some("AAAA/+==".into()),
        filter: None,
        ..after.clone()
    };
    let split = SplitShard {
        stream: named(),
        shard_to_split: "shardId-000000000000".into(),
        new_starting_hash_key: "10".into(),
    };
    let merge = MergeShards {
        stream: named(),
        shard_to_merge: "shardId-000000000001".into(),
        adjacent_shard_to_merge: "2".into(),
    };
    let iterator = GetShardIterator {
        stream: named(),
        shard_id: "shardId-000000000000".into(),
        position: StartingPosition::TrimHorizon,
        dry_run: false,
    };
    let at_number = GetShardIterator {
        stream: by_arn(),
        position: StartingPosition::AtSequenceNumber(NUMBER.into()),
        dry_run: true,
        ..iterator.clone()
    };
    let at_timestamp = GetShardIterator {
        shard_id: "0".into(),
        position: StartingPosition::AtTimestamp(TIME_MS),
        ..iterator.clone()
    };
    vec![
        ("list-shards", Request::ListShards(list)),
        ("list-shards-after", Request::ListShards(after)),
        ("list-shards-next", Request::ListShards(next)),
        ("split-shard", Request::SplitShard(split)),
        ("merge-shards", Request::MergeShards(merge)),
        (
            "update-shard-count",
            Request::UpdateShardCount(UpdateShardCount { stream: named(), target_shard_count: 8 }),
        ),
        ("get-shard-iterator", Request::GetShardIterator(iterator)),
        ("get-shard-iterator-at-number", Request::GetShardIterator(at_number)),
        ("get-shard-iterator-at-timestamp", Request::GetShardIterator(at_timestamp)),
    ]
}

fn records() -> Vec<(&'static str, Request<'static>)> {
    static EVERY_BYTE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| (0..=255).collect());
    let put = PutRecord {
        stream: named(),
        record: record(b"hello", "k", None),
        sequence_number_for_ordering: None,
        dry_run: false,
    };
    let put_all = PutRecord {
        stream: both(),
        record: record(&EVERY_BYTE, "Ærø\"\\/\u{2028}😀", Some("340282366920938463463374607431768211455")),
        sequence_number_for_ordering: Some(NUMBER.into()),
        dry_run: false,
    };
    let records = vec![
        record(b"", "a", None),
        record(b"\x00\xff\xfe", "b", Some("0")),
        record("grüße".as_bytes(), "ключ", None),
    ];
    let get = GetRecords {
        stream: by_arn(),
        shard_iterator: "AAAAAAAAAAE=".into(),
        limit: Some(10000),
        dry_run: false,
    };
    vec![
        ("put-record", Request::PutRecord(put)),
        ("put-record-all", Request::PutRecord(put_all)),
        ("put-records", Request::PutRecords(PutRecords { stream: by_arn(), records, dry_run: false })),
        ("get-records", Request::GetRecords(get)),
    ]
}

fn settings() -> Vec<(&'static str, Request<'static>)> {
    let two = vec![ShardLevelMetric::IncomingBytes, ShardLevelMetric::OutgoingBytes];
    let encryption = |stream| StreamEncryption {
        stream,
        encryption_type: EncryptionType::Kms,
        key_id: "alias/aws/kinesis".into(),
    };
    let mode = UpdateStreamMode {
        stream: by_arn(),
        stream_mode: StreamMode::OnDemand,
        warm_throughput_mibps: Some(100),
    };
    let strategy = UpdateStreamRecordDistributionStrategy {
        stream: by_arn(),
        record_distribution_strategy: RecordDistributionStrategy::Auto,
    };
    vec![
        (
            "increase-stream-retention-period",
            Request::IncreaseStreamRetentionPeriod(RetentionPeriod {
                stream: named(),
                retention_period_hours: 48,
            }),
        ),
        (
            "decrease-stream-retention-period",
            Request::DecreaseStreamRetentionPeriod(RetentionPeriod {
                stream: by_arn(),
                retention_period_hours: -1,
            }),
        ),
        (
            "enable-enhanced-monitoring",
            Request::EnableEnhancedMonitoring(ShardLevelMetrics { stream: named(), metrics: two }),
        ),
        (
            "disable-enhanced-monitoring",
            Request::DisableEnhancedMonitoring(ShardLevelMetrics {
                stream: named(),
                metrics: ShardLevelMetric::ALL.to_vec(),
            }),
        ),
        ("start-stream-encryption", Request::StartStreamEncryption(encryption(named()))),
        ("stop-stream-encryption", Request::StopStreamEncryption(encryption(by_arn()))),
        (
            "update-max-record-size",
            Request::UpdateMaxRecordSize(UpdateMaxRecordSize {
                stream: by_arn(),
                max_record_size_kib: 10_240,
            }),
        ),
        ("update-stream-mode", Request::UpdateStreamMode(mode)),
        (
            "update-stream-record-distribution-strategy",
            Request::UpdateStreamRecordDistributionStrategy(strategy),
        ),
        (
            "update-stream-warm-throughput",
            Request::UpdateStreamWarmThroughput(UpdateStreamWarmThroughput {
                stream: named(),
                warm_throughput_mibps: 7,
            }),
        ),
    ]
}

fn accounts() -> Vec<(&'static str, Request<'static>)> {
    let update = UpdateAccountSettings { commitment: CommitmentRequest::Enabled };
    vec![
        ("describe-limits", Request::DescribeLimits),
        ("describe-account-settings", Request::DescribeAccountSettings),
        ("update-account-settings", Request::UpdateAccountSettings(update)),
        ("list-channels", Request::ListChannels),
    ]
}

fn consumers() -> Vec<(&'static str, Request<'static>)> {
    let register = RegisterStreamConsumer {
        stream: by_arn(),
        consumer_name: "billing".into(),
        tags: [("team".into(), "payments".into())].into(),
    };
    let by_name = ConsumerRef { stream_arn: Some(ARN.into()), name: Some("billing".into()), arn: None };
    let by_consumer_arn = ConsumerRef { arn: Some(CONSUMER_ARN.into()), ..ConsumerRef::default() };
    let next_page = ListStreamConsumers {
        stream: by_arn(),
        next_token: Some("t==".into()),
        max_results: Some(3),
        stream_creation_ms: None,
    };
    let of_time = ListStreamConsumers {
        next_token: None,
        max_results: None,
        stream_creation_ms: Some(TIME_MS),
        ..next_page.clone()
    };
    let latest = SubscribeToShard {
        consumer_arn: CONSUMER_ARN.into(),
        shard_id: "shardId-000000000000".into(),
        position: StartingPosition::Latest,
        dry_run: false,
    };
    let after = SubscribeToShard {
        shard_id: "0".into(),
        position: StartingPosition::AfterSequenceNumber(NUMBER.into()),
        dry_run: true,
        ..latest.clone()
    };
    let at_time = SubscribeToShard {
        position: StartingPosition::AtTimestamp(TIME_MS),
        dry_run: false,
        ..after.clone()
    };
    vec![
        ("register-stream-consumer", Request::RegisterStreamConsumer(register)),
        ("deregister-stream-consumer", Request::DeregisterStreamConsumer(by_name)),
        ("describe-stream-consumer", Request::DescribeStreamConsumer(by_consumer_arn)),
        ("list-stream-consumers", Request::ListStreamConsumers(next_page)),
        ("list-stream-consumers-of", Request::ListStreamConsumers(of_time)),
        ("subscribe-to-shard", Request::SubscribeToShard(latest)),
        ("subscribe-to-shard-after", Request::SubscribeToShard(after)),
        ("subscribe-to-shard-at-timestamp", Request::SubscribeToShard(at_time)),
    ]
}

fn tags() -> Vec<(&'static str, Request<'static>)> {
    let resource = |arn: &'static str| ResourceRef { resource_arn: arn.into() };
    let add = AddTagsToStream {
        stream: named(),
        tags: [("team".into(), "payments".into()), ("côté".into(), "".into())].into(),
    };
    let remove = RemoveTagsFromStream { stream: named(), tag_keys: vec!["team".into(), "côté".into()] };
    let list =
        ListTagsForStream { stream: named(), exclusive_start_tag_key: Some("a".into()), limit: Some(50) };
    let tag =
        TagResource { resource: resource(CONSUMER_ARN), tags: [("team".into(), "payments".into())].into() };
    let untag = UntagResource { resource: resource(ARN), tag_keys: vec!["team".into()] };
    let policy = PutResourcePolicy { resource: resource(ARN), policy: r#"{"Version": "2012-10-17"}"#.into() };
    vec![
        ("add-tags-to-stream", Request::AddTagsToStream(add)),
        ("remove-tags-from-stream", Request::RemoveTagsFromStream(remove)),
        ("list-tags-for-stream", Request::ListTagsForStream(list)),
        ("tag-resource", Request::TagResource(tag)),
        ("untag-resource", Request::UntagResource(untag)),
        ("list-tags-for-resource", Request::ListTagsForResource(resource(ARN))),
        ("put-resource-policy", Request::PutResourcePolicy(policy)),
        ("get-resource-policy", Request::GetResourcePolicy(resource(ARN))),
        ("delete-resource-policy", Request::DeleteResourcePolicy(resource(CONSUMER_ARN))),
    ]
}

#[test]
fn what_sdks_send_is_read_as_they_meant_it() {
    let mut read = 0;
    let meanings = meanings();
    for sdk in ["boto3", "js"] {
        let folder = format!("{}/tests/golden/requests/{sdk}", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let recorded: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let body = recorded["body"].as_str().unwrap().as_bytes();
            let envelope = Envelope {
                method: "POST",
                content_type: recorded["content_type"].as_str(),
                target: recorded["target"].as_str(),
                ..Envelope::default()
            };
            let operation = envelope.open(body).unwrap();
            let decoded = envelope.encoding().decode(operation, body);
            let meaning = &meanings[path.file_stem().unwrap().to_str().unwrap()];
            assert_eq!(operation, meaning.operation(), "{}", path.display());
            assert_eq!(decoded.as_ref(), Ok(meaning), "{}", path.display());
            read += 1;
        }
    }
    assert_eq!(read, 2 * meanings.len());
}
