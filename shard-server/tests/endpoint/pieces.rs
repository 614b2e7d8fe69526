//! Answers that are sent in pieces.

use std::path::{Path, PathBuf};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};

use crate::program::{Local, create, iterator, local, put};

const SHARD: &str = "shardId-000000000000";
const RECORDS: usize = 60;
const RECORD_BYTES: usize = 50_000;

/// Three megabytes in one request, and so in one batch.
async fn put_three_megabytes(client: &Client) {
    let entry = |number: usize| {
        let data = format!("{number:0RECORD_BYTES$}");
        PutRecordsRequestEntry::builder().partition_key("key").data(Blob::new(data)).build().unwrap()
    };
    let records = (0..RECORDS).map(entry).collect();
    let answer = client.put_records().stream_name("orders").set_records(Some(records)).send().await.unwrap();
    assert_eq!(answer.failed_record_count, Some(0));
}

#[tokio::test]
async fn answer_of_many_pieces_is_one_answer() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    put_three_megabytes(&client).await;
    let horizon = iterator(&client, "orders", SHARD, ShardIteratorType::TrimHorizon).await;
    let answer = client.get_records().shard_iterator(&horizon).send().await.unwrap();
    assert_eq!((answer.records.len(), answer.millis_behind_latest), (RECORDS, Some(0)));
    for (number, record) in answer.records.iter().enumerate() {
        assert_eq!(record.data.as_ref(), format!("{number:0RECORD_BYTES$}").as_bytes());
    }
    let few = client.get_records().shard_iterator(horizon).limit(7).send().await.unwrap();
    assert_eq!(few.records.len(), 7);
    assert!(few.millis_behind_latest > Some(0), "more is there");
}

#[tokio::test]
async fn corruption_in_the_middle_of_an_answer_ends_it_early_and_well_formed() {
    let (data_dir, first) = local().await;
    let client = first.client();
    create(&client, "orders", 1).await;
    put_three_megabytes(&client).await;
    put(&client, "orders", "key", "marked").await;
    put(&client, "orders", "key", "behind").await;
    first.stop().await;
    flip_a_bit_of(b"marked", data_dir.path());

    let second = Local::start(data_dir.path(), &[]).await;
    let client = second.client();
    let horizon = iterator(&client, "orders", SHARD, ShardIteratorType::TrimHorizon).await;
    let answer = client.get_records().shard_iterator(horizon).send().await.unwrap();
    assert_eq!(answer.records.len(), RECORDS);
    assert!(answer.millis_behind_latest > Some(0));
    let next = answer.next_shard_iterator.unwrap();
    let error = client.get_records().shard_iterator(next).send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InternalFailure"));
    assert!(error.meta().message().unwrap().contains("corrupt"), "{error}");
}

/// Corrupts the only segment that holds a text.
fn flip_a_bit_of(text: &[u8], data_dir: &Path) {
    let (path, mut bytes, at) = files_below(data_dir)
        .into_iter()
        .find_map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            let at = bytes.windows(text.len()).position(|window| window == text)?;
            Some((path, bytes, at))
        })
        .expect("a segment holds it");
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
