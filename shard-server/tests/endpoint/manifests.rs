//! DataStream manifests on the command line.

use std::path::PathBuf;

use tempfile::TempDir;

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
