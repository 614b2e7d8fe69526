//! Accounts and regions of `local`.

use crate::program::{Local, client_in, create, data_dir, put, read_all};

#[tokio::test]
async fn each_region_that_callers_sign_for_has_its_own_streams() {
    let data_dir = data_dir();
    let local = Local::start(data_dir.path(), &["--account-id", "111122223333"]).await;
    let (east, west) = (local.client(), client_in(&local.url, "eu-west-1"));
    create(&east, "orders", 1).await;
    create(&west, "orders", 2).await;
    create(&west, "bills", 1).await;
    put(&east, "orders", "a", "east").await;
    put(&west, "orders", "a", "west").await;
    let names = |stream_names: Vec<String>| stream_names.join(" ");
    assert_eq!(names(east.list_streams().send().await.unwrap().stream_names), "orders");
    assert_eq!(names(west.list_streams().send().await.unwrap().stream_names), "bills orders");
    local.stop().await;

    let local = Local::start(data_dir.path(), &["--account-id", "111122223333"]).await;
    let (east, west) = (local.client(), client_in(&local.url, "eu-west-1"));
    assert_eq!(read_all(&east, "orders").await, ["east"]);
    assert_eq!(read_all(&west, "orders").await, ["west"]);
    let summary = west.describe_stream_summary().stream_name("orders").send().await.unwrap();
    let arn = summary.stream_description_summary.unwrap().stream_arn;
    assert_eq!(arn, "arn:aws:kinesis:eu-west-1:111122223333:stream/orders");
    let error = east.describe_stream_summary().stream_arn(&arn).send().await.unwrap_err();
    assert!(error.into_service_error().is_resource_not_found_exception());
    west.delete_stream().stream_arn(arn).send().await.unwrap();
    assert_eq!(read_all(&east, "orders").await, ["east"]);
}

#[tokio::test]
async fn manifests_are_in_the_region_of_the_endpoint() {
    let (folder, data_dir) = (tempfile::tempdir().unwrap(), data_dir());
    let file = folder.path().join("streams.yaml");
    let manifest = "apiVersion: kinetes.dev/v1alpha1\nkind: DataStream\nmetadata: {name: orders}\nspec: {}\n";
    std::fs::write(&file, manifest).unwrap();
    let arguments = ["--region", "eu-west-1", "-f", file.to_str().unwrap()];
    let local = Local::start(data_dir.path(), &arguments).await;
    let summary = client_in(&local.url, "eu-west-1").describe_stream_summary().stream_name("orders");
    let summary = summary.send().await.unwrap().stream_description_summary.unwrap();
    assert_eq!(summary.stream_arn, "arn:aws:kinesis:eu-west-1:000000000000:stream/orders");
    assert_eq!(local.client().list_streams().send().await.unwrap().stream_names, [""; 0]);
}
