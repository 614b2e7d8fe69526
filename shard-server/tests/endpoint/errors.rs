//! The errors that clients get.

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{EncryptionType, ShardIteratorType};

use crate::program::{create, iterator, local, put};

const SHARD: &str = "shardId-000000000000";

pub fn code_and_message(error: &impl ProvideErrorMetadata) -> (&str, &str) {
    (error.code().unwrap_or_default(), error.message().unwrap_or_default())
}

#[tokio::test]
async fn stream_that_is_not_there_is_named_with_its_account() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    let expected = ("ResourceNotFoundException", "Stream orders under account 000000000000 not found.");
    let put = client.put_record().stream_name("orders").partition_key("a").data(Blob::new("1"));
    assert_eq!(code_and_message(&put.send().await.unwrap_err()), expected);
    assert_eq!(
        code_and_message(&client.list_shards().stream_name("orders").send().await.unwrap_err()),
        expected
    );
    assert_eq!(
        code_and_message(&client.delete_stream().stream_name("orders").send().await.unwrap_err()),
        expected
    );
}

#[tokio::test]
async fn name_is_taken_once() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let error = client.create_stream().stream_name("orders").shard_count(1).send().await.unwrap_err();
    let expected = ("ResourceInUseException", "Stream orders under account 000000000000 already exists.");
    assert_eq!(code_and_message(&error), expected);
}

#[tokio::test]
async fn missing_shards_and_unreadable_ids_have_different_errors() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let get = |shard: &str| {
        let get = client.get_shard_iterator().stream_name("orders").shard_id(shard);
        get.shard_iterator_type(ShardIteratorType::Latest).send()
    };
    let absent = get("shardId-5").await.unwrap_err();
    let expected = "Shard shardId-000000000005 in stream orders under account 000000000000 does not exist";
    assert_eq!(code_and_message(&absent), ("ResourceNotFoundException", expected));
    let unreadable = get("shardId-x").await.unwrap_err();
    let expected = "Could not find shard shardId-x in stream orders under account 000000000000.";
    assert_eq!(code_and_message(&unreadable), ("ResourceNotFoundException", expected));
}

#[tokio::test]
async fn sequence_number_of_another_shard_is_refused() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 2).await;
    let record = client.put_record().stream_name("orders").partition_key("a").data(Blob::new("1"));
    let number = record.explicit_hash_key("0").send().await.unwrap().sequence_number;
    let get = client.get_shard_iterator().stream_name("orders").shard_id("shardId-000000000001");
    let get = get.shard_iterator_type(ShardIteratorType::AtSequenceNumber).starting_sequence_number(number);
    let expected = "Invalid StartingSequenceNumber. It encodes shardId-000000000000, while it was used in a call \
                    to a shard with shardId-000000000001";
    assert_eq!(code_and_message(&get.send().await.unwrap_err()), ("InvalidArgumentException", expected));
}

#[tokio::test]
async fn iterator_of_a_stream_that_was_created_again_is_refused() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let old = iterator(&client, "orders", SHARD, ShardIteratorType::TrimHorizon).await;
    client.delete_stream().stream_name("orders").send().await.unwrap();
    create(&client, "orders", 1).await;
    put(&client, "orders", "a", "new").await;
    let error = client.get_records().shard_iterator(old).send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error}");
}

#[tokio::test]
async fn foreign_iterator_is_invalid() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    let error = client.get_records().shard_iterator("AAAAAAAAAAE").send().await.unwrap_err();
    assert_eq!(code_and_message(&error), ("InvalidArgumentException", "Invalid ShardIterator."));
}

#[tokio::test]
async fn record_over_the_limit_is_refused_and_one_at_the_limit_is_kept() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let put = |bytes: usize| {
        let put = client.put_record().stream_name("orders").partition_key("a");
        put.data(Blob::new(vec![7; bytes])).send()
    };
    assert!(put(1_048_575).await.is_ok());
    let error = put(1_048_576).await.unwrap_err();
    assert_eq!(code_and_message(&error).0, "ValidationException");
}

#[tokio::test]
async fn arn_of_another_region_or_account_names_no_stream() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    for arn in [
        "arn:aws:kinesis:eu-west-1:000000000000:stream/orders",
        "arn:aws:kinesis:us-east-1:111111111111:stream/orders",
    ] {
        let error = client.describe_stream_summary().stream_arn(arn).send().await.unwrap_err();
        let account = arn.split(':').nth(4).unwrap();
        let expected = format!("Stream orders under account {account} not found.");
        assert_eq!(code_and_message(&error), ("ResourceNotFoundException", expected.as_str()), "{arn}");
    }
}

#[tokio::test]
async fn operation_that_is_not_served_yet_says_so() {
    let (_data_dir, local) = local().await;
    let start = local.client().start_stream_encryption().stream_name("orders");
    let start = start.encryption_type(EncryptionType::Kms).key_id("alias/aws/kinesis");
    let expected = ("InvalidArgumentException", "StartStreamEncryption is not served yet");
    assert_eq!(code_and_message(&start.send().await.unwrap_err()), expected);
}
