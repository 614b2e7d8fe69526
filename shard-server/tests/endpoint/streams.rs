//! Streams are created, described and deleted.

use aws_sdk_kinesis::types::{StreamMode, StreamModeDetails, StreamStatus};

use crate::program::{create, local, put};

#[tokio::test]
async fn stream_without_a_count_has_four_shards_and_is_active_at_once() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    client.create_stream().stream_name("orders").send().await.unwrap();
    let stream =
        client.describe_stream().stream_name("orders").send().await.unwrap().stream_description.unwrap();
    assert_eq!(stream.stream_status, StreamStatus::Active);
    assert_eq!(stream.shards.len(), 4);
    assert_eq!(stream.stream_arn, "arn:aws:kinesis:us-east-1:000000000000:stream/orders");
    let summary = client.describe_stream_summary().stream_arn(stream.stream_arn).send().await.unwrap();
    let summary = summary.stream_description_summary.unwrap();
    assert_eq!((summary.open_shard_count, summary.consumer_count), (4, Some(0)));
    assert_eq!(summary.max_record_size_in_kib, Some(1024));
}

#[tokio::test]
async fn on_demand_stream_says_so() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    let mode = StreamModeDetails::builder().stream_mode(StreamMode::OnDemand).build().unwrap();
    client.create_stream().stream_name("orders").stream_mode_details(mode).send().await.unwrap();
    let summary = client.describe_stream_summary().stream_name("orders").send().await.unwrap();
    let summary = summary.stream_description_summary.unwrap();
    assert_eq!(summary.stream_mode_details.unwrap().stream_mode, StreamMode::OnDemand);
    assert_eq!(summary.open_shard_count, 4);
}

#[tokio::test]
async fn deleted_stream_is_gone_with_its_files_and_its_name_is_free() {
    let (data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    put(&client, "orders", "a", "old").await;
    client.delete_stream().stream_name("orders").send().await.unwrap();
    let error = client.describe_stream().stream_name("orders").send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error}");
    assert_eq!(std::fs::read_dir(data_dir.path().join("streams")).unwrap().count(), 0);
    create(&client, "orders", 1).await;
    assert_eq!(crate::program::read_all(&client, "orders").await, [""; 0]);
}

#[tokio::test]
async fn streams_are_listed_by_name_a_page_at_a_time() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    for name in ["c", "a", "b"] {
        create(&client, name, 1).await;
    }
    let first = client.list_streams().limit(2).send().await.unwrap();
    assert_eq!((first.stream_names, first.has_more_streams), (vec!["a".into(), "b".into()], true));
    assert_eq!(first.stream_summaries.unwrap()[0].stream_status, StreamStatus::Active);
    let second = client.list_streams().next_token(first.next_token.unwrap()).send().await.unwrap();
    assert_eq!((second.stream_names, second.has_more_streams), (vec!["c".into()], false));
    let second = client.list_streams().exclusive_start_stream_name("b").send().await.unwrap();
    assert_eq!(second.stream_names, ["c"]);
}
