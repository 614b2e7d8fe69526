//! Acknowledged records survive restarts.

use aws_sdk_kinesis::types::ShardIteratorType;

use crate::program::{Local, create, iterator, local, put, read, read_all, refusal};

const SHARD: &str = "shardId-000000000000";

#[tokio::test]
async fn restart_keeps_streams_records_and_iterators() {
    let (data_dir, first) = local().await;
    let client = first.client();
    create(&client, "orders", 1).await;
    let (_, number) = put(&client, "orders", "a", "1").await;
    let latest = iterator(&client, "orders", SHARD, ShardIteratorType::Latest).await;
    drop(client);
    first.stop().await;

    let second = Local::start(data_dir.path(), &[]).await;
    let client = second.client();
    assert_eq!(read_all(&client, "orders").await, ["1"]);
    let (_, next_number) = put(&client, "orders", "a", "2").await;
    assert!(number < next_number);
    assert_eq!(read(&client, &latest).await.0, ["2"]);
}

#[tokio::test]
async fn kill_loses_no_acknowledged_record() {
    let (data_dir, first) = local().await;
    let client = first.client();
    create(&client, "orders", 2).await;
    let acknowledged = tokio::sync::watch::Sender::new(0u32);
    let mut seen = acknowledged.subscribe();
    let writer = tokio::spawn(async move {
        let mut count = 0;
        loop {
            let data = count.to_string();
            let put = client.put_record().stream_name("orders").partition_key(&data);
            if put.data(data.into_bytes().into()).send().await.is_err() {
                return count;
            }
            count += 1;
            acknowledged.send_replace(count);
        }
    });
    seen.wait_for(|count| *count >= 200).await.unwrap();
    first.kill().await;
    let count = writer.await.unwrap();

    let second = Local::start(data_dir.path(), &[]).await;
    let mut numbers: Vec<u32> =
        read_all(&second.client(), "orders").await.iter().map(|data| data.parse().unwrap()).collect();
    numbers.sort_unstable();
    // One more may be there: written, but not acknowledged before the kill.
    assert!(numbers == (0..count).collect::<Vec<_>>() || numbers == (0..=count).collect::<Vec<_>>());
}

#[tokio::test]
async fn deleted_stream_stays_deleted_and_its_files_are_swept() {
    let (data_dir, first) = local().await;
    let client = first.client();
    create(&client, "orders", 1).await;
    client.delete_stream().stream_name("orders").send().await.unwrap();
    first.kill().await;
    let left = data_dir.path().join("drafts/left-by-a-crash/g0");
    std::fs::create_dir_all(&left).unwrap();
    let second = Local::start(data_dir.path(), &[]).await;
    assert!(!left.exists());
    assert_eq!(second.client().list_streams().send().await.unwrap().stream_names, [""; 0]);
}

#[tokio::test]
async fn corrupt_stream_is_refused_and_the_others_are_served() {
    let (data_dir, first) = local().await;
    let client = first.client();
    for name in ["good", "corrupt"] {
        create(&client, name, 1).await;
        put(&client, name, "a", "1").await;
    }
    first.stop().await;
    let streams =
        std::fs::read_dir(data_dir.path().join("streams")).unwrap().map(|entry| entry.unwrap().path());
    let is_corrupt = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path.join("stream.json")).unwrap().contains("\"corrupt\"")
    };
    let corrupt = streams.into_iter().find(is_corrupt).unwrap();
    std::fs::write(corrupt.join("g0/group/logs/g0/slots"), "").unwrap();

    let second = Local::start(data_dir.path(), &[]).await;
    let client = second.client();
    assert_eq!(read_all(&client, "good").await, ["1"]);
    let refused =
        client.put_record().stream_name("corrupt").partition_key("a").data(b"2".to_vec().into()).send().await;
    let error = refused.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InternalFailure"));
}

#[tokio::test]
async fn directory_in_use_is_refused_by_name() {
    let (data_dir, _local) = local().await;
    let path = data_dir.path().to_str().unwrap();
    let output = refusal(&["local", "--listen", "127.0.0.1:0", "--data-dir", path]).await;
    assert!(output.contains("in use by another process") && output.contains(path), "{output}");
}

#[tokio::test]
async fn directory_of_another_account_is_refused() {
    let (data_dir, first) = local().await;
    create(&first.client(), "orders", 1).await;
    first.stop().await;
    let path = data_dir.path().to_str().unwrap();
    let arguments = ["local", "--listen", "127.0.0.1:0", "--data-dir", path, "--account-id", "111111111111"];
    assert!(refusal(&arguments).await.contains("is of account 000000000000"));
}
