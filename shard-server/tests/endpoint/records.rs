//! Records are put and read back.

use std::time::SystemTime;

use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};

use crate::program::{create, iterator, local, put, read, read_all};

const SHARD: &str = "shardId-000000000000";

#[tokio::test]
async fn each_kind_of_iterator_begins_where_it_says() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let (_, first) = put(&client, "orders", "a", "1").await;
    put(&client, "orders", "a", "2").await;
    let latest = iterator(&client, "orders", SHARD, ShardIteratorType::Latest).await;
    put(&client, "orders", "a", "3").await;

    let horizon = iterator(&client, "orders", SHARD, ShardIteratorType::TrimHorizon).await;
    assert_eq!(read(&client, &horizon).await.0, ["1", "2", "3"]);
    assert_eq!(read(&client, &latest).await.0, ["3"]);
    for (kind, expected) in [
        (ShardIteratorType::AtSequenceNumber, &["1", "2", "3"][..]),
        (ShardIteratorType::AfterSequenceNumber, &["2", "3"][..]),
    ] {
        let get = client.get_shard_iterator().stream_name("orders").shard_id(SHARD).shard_iterator_type(kind);
        let answer = get.starting_sequence_number(&first).send().await.unwrap();
        assert_eq!(read(&client, &answer.shard_iterator.unwrap()).await.0, expected);
    }
}

#[tokio::test]
async fn iterator_at_a_time_begins_with_the_first_record_that_arrived_then() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    put(&client, "orders", "a", "1").await;
    let at = |time: DateTime| {
        let get = client.get_shard_iterator().stream_name("orders").shard_id(SHARD);
        get.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(time).send()
    };
    let horizon = iterator(&client, "orders", SHARD, ShardIteratorType::TrimHorizon).await;
    let records = client.get_records().shard_iterator(horizon).send().await.unwrap().records;
    let arrival = records[0].approximate_arrival_timestamp.unwrap();
    let from_arrival = at(arrival).await.unwrap().shard_iterator.unwrap();
    assert_eq!(read(&client, &from_arrival).await.0, ["1"]);
    let long_ago = at(DateTime::from_secs(1_000)).await.unwrap().shard_iterator.unwrap();
    assert_eq!(read(&client, &long_ago).await.0, ["1"]);
    // Two, because the SDK's time, made of a floating-point number, may lack a moment to the millisecond.
    let behind = DateTime::from_millis(arrival.to_millis().unwrap() + 2);
    while DateTime::from(SystemTime::now()) < behind {
        tokio::task::yield_now().await;
    }
    let from_behind = at(behind).await.unwrap().shard_iterator.unwrap();
    assert_eq!(read(&client, &from_behind).await.0, [""; 0]);
    let far_ahead = DateTime::from(SystemTime::now() + std::time::Duration::from_secs(60));
    let error = at(far_ahead).await.unwrap_err().into_service_error();
    assert!(error.is_invalid_argument_exception(), "{error}");
}

#[tokio::test]
async fn iterator_may_be_used_again_and_the_next_goes_on() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    put(&client, "orders", "a", "1").await;
    let first = iterator(&client, "orders", SHARD, ShardIteratorType::TrimHorizon).await;
    let (data, next) = read(&client, &first).await;
    assert_eq!(data, ["1"]);
    let (again, other_next) = read(&client, &first).await;
    assert_eq!(again, ["1"]);
    assert_ne!(next, other_next);
    put(&client, "orders", "a", "2").await;
    assert_eq!(read(&client, &next).await.0, ["2"]);
}

#[tokio::test]
async fn many_records_come_back_once_and_in_order_of_their_keys() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 4).await;
    let entry = |number: usize| {
        let key = format!("key-{}", number % 7);
        let data = Blob::new(format!("{key} {number:04}"));
        PutRecordsRequestEntry::builder().partition_key(key).data(data).build().unwrap()
    };
    for batch in 0..4 {
        let entries = (batch * 250..(batch + 1) * 250).map(entry).collect();
        let answer =
            client.put_records().stream_name("orders").set_records(Some(entries)).send().await.unwrap();
        assert_eq!(answer.failed_record_count, Some(0));
        assert_eq!(answer.records.len(), 250);
    }
    let mut read = read_all(&client, "orders").await;
    assert_eq!(read.len(), 1_000);
    // Sorting by key alone keeps the order in which the records of a key were read.
    read.sort_by_key(|data| data.split(' ').next().unwrap().to_owned());
    let mut expected = read.clone();
    expected.sort();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn explicit_hash_key_chooses_the_shard_and_empty_data_is_kept() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 2).await;
    let put = client.put_record().stream_name("orders").partition_key("a").data(Blob::new(""));
    let answer = put.explicit_hash_key("340282366920938463463374607431768211455").send().await.unwrap();
    assert_eq!(answer.shard_id, "shardId-000000000001");
    assert_eq!(read_all(&client, "orders").await, [""]);
}

#[tokio::test]
async fn limit_bounds_a_call() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    for data in ["1", "2", "3"] {
        put(&client, "orders", "a", data).await;
    }
    let horizon = iterator(&client, "orders", SHARD, ShardIteratorType::TrimHorizon).await;
    let answer = client.get_records().shard_iterator(horizon).limit(2).send().await.unwrap();
    assert_eq!(answer.records.len(), 2);
    assert_eq!(read(&client, &answer.next_shard_iterator.unwrap()).await.0, ["3"]);
}
