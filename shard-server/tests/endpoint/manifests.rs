//! DataStream manifests on the command line.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::errors::code_and_message;
use crate::program::{Local, create, put, read_all, refusal};

const HEAD: &str = "apiVersion: kinetes.dev/v1alpha1\nkind: DataStream\nmetadata: {name: orders}\n";

/// A folder with a file of these manifests, and room for data.
fn folder(manifests: &str) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (file, data_dir) = (folder.path().join("streams.yaml"), folder.path().join("data"));
    std::fs::write(&file, manifests).unwrap();
    (folder, file, data_dir)
}

async fn retention(local: &Local, stream: &str) -> i32 {
    let summary = local.client().describe_stream_summary().stream_name(stream).send().await.unwrap();
    summary.stream_description_summary.unwrap().retention_period_hours
}

#[tokio::test]
async fn manifest_creates_its_stream_and_later_changes_it_and_never_deletes() {
    let (_folder, file, data_dir) = folder(&format!("{HEAD}spec: {{name: Orders_V2, shardCount: 2}}\n"));
    let arguments = ["-f", file.to_str().unwrap()];
    let first = Local::start(&data_dir, &arguments).await;
    create(&first.client(), "by-the-api", 1).await;
    put(&first.client(), "Orders_V2", "a", "1").await;
    assert_eq!(retention(&first, "Orders_V2").await, 24);
    first.stop().await;

    let changed = format!("{HEAD}spec: {{name: Orders_V2, shardCount: 2, retentionPeriodHours: 48}}\n");
    std::fs::write(&file, changed).unwrap();
    let second = Local::start(&data_dir, &arguments).await;
    assert_eq!(retention(&second, "Orders_V2").await, 48);
    assert_eq!(read_all(&second.client(), "Orders_V2").await, ["1"]);
    assert_eq!(
        second.client().list_streams().send().await.unwrap().stream_names,
        ["Orders_V2", "by-the-api"]
    );
    second.stop().await;

    let third = Local::start(&data_dir, &[]).await;
    assert_eq!(retention(&third, "Orders_V2").await, 48);
}

#[tokio::test]
async fn manifest_owns_what_it_sets_and_the_api_changes_the_rest() {
    let spec = "{shardCount: 1, retentionPeriodHours: 48, tags: {team: payments}}";
    let (_folder, file, data_dir) = folder(&format!("{HEAD}spec: {spec}\n"));
    let arguments = ["-f", file.to_str().unwrap()];
    let local = Local::start(&data_dir, &arguments).await;
    let client = local.client();
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
    let increase = client.increase_stream_retention_period().stream_name("orders").retention_period_hours(72);
    let error = increase.clone().send().await.unwrap_err();
    let expected = "Stream orders under account 000000000000 is managed by the manifest orders, which sets \
                    spec.retentionPeriodHours: change it there.";
    assert_eq!(code_and_message(&error), ("ResourceInUseException", expected));
    let tag = |key: &str| client.add_tags_to_stream().stream_name("orders").tags(key, "mine").send();
    assert_eq!(code_and_message(&tag("team").await.unwrap_err()).0, "ResourceInUseException");
    let untag = client.untag_resource().resource_arn(arn).tag_keys("team").send().await.unwrap_err();
    assert_eq!(code_and_message(&untag).0, "ResourceInUseException");
    let delete = client.delete_stream().stream_name("orders").send().await.unwrap_err();
    assert_eq!(code_and_message(&delete).0, "ResourceInUseException");
    tag("cost").await.unwrap();
    client.update_max_record_size().stream_arn(arn).max_record_size_in_kib(2048).send().await.unwrap();
    local.stop().await;

    let local = Local::start(&data_dir, &arguments).await;
    let summary = local.client().describe_stream_summary().stream_name("orders").send().await.unwrap();
    let summary = summary.stream_description_summary.unwrap();
    assert_eq!((summary.retention_period_hours, summary.max_record_size_in_kib), (48, Some(2048)));
    let tags = local.client().list_tags_for_stream().stream_name("orders").send().await.unwrap().tags;
    assert_eq!(tags.iter().map(|tag| tag.key.as_str()).collect::<Vec<_>>(), ["cost", "team"]);
    local.stop().await;

    let local = Local::start(&data_dir, &[]).await;
    let client = local.client();
    client
        .increase_stream_retention_period()
        .stream_name("orders")
        .retention_period_hours(72)
        .send()
        .await
        .unwrap();
    assert_eq!(retention(&local, "orders").await, 72);
    client.delete_stream().stream_name("orders").send().await.unwrap();
}

#[tokio::test]
async fn change_that_cannot_be_made_ends_the_start_and_names_the_field() {
    let (_folder, file, data_dir) = folder(&format!("{HEAD}spec: {{shardCount: 2}}\n"));
    let file = file.to_str().unwrap();
    Local::start(&data_dir, &["-f", file]).await.stop().await;
    std::fs::write(file, format!("{HEAD}spec: {{shardCount: 3}}\n")).unwrap();
    let data_dir = data_dir.to_str().unwrap();
    let output = refusal(&["local", "--listen", "127.0.0.1:0", "--data-dir", data_dir, "-f", file]).await;
    assert!(output.contains("spec.shardCount") && output.contains("document 1"), "{output}");
}

#[tokio::test]
async fn manifest_of_another_kind_ends_the_start() {
    let (_folder, file, data_dir) =
        folder(&format!("{HEAD}spec: {{}}\n---\nkind: ConfigMap\napiVersion: v1\n"));
    let (file, data_dir) = (file.to_str().unwrap(), data_dir.to_str().unwrap());
    let output = refusal(&["local", "--listen", "127.0.0.1:0", "--data-dir", data_dir, "-f", file]).await;
    assert!(output.contains("document 2") && output.contains("ConfigMap"), "{output}");
}
