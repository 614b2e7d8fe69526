//! The role `gateway` between pods of shard groups and a catalog service.

use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use catalog::feed::CatalogEvent;
use catalog::{Stream, StreamStatus};
use http::StatusCode;

use crate::installation::{Gateway, Known, Operator, free_address, installation, stream, until_readiness};
use crate::program::{client, end, iterator, put, read, read_all};

/// A record for each of four shards.
fn entries() -> Vec<PutRecordsRequestEntry> {
    (0u128..4)
        .map(|shard| {
            let entry =
                PutRecordsRequestEntry::builder().partition_key("a").data(Blob::new(shard.to_string()));
            entry.explicit_hash_key((shard << 126).to_string()).build().unwrap()
        })
        .collect()
}

#[tokio::test]
async fn records_go_to_the_group_that_owns_their_shard_and_come_back() {
    let installation = installation().await;
    let gateway = Gateway::start(installation.operator.address, None, installation.keys.path()).ready().await;
    let client = client(&gateway.url);
    let answer =
        client.put_records().stream_name("orders").set_records(Some(entries())).send().await.unwrap();
    assert_eq!(answer.failed_record_count, Some(0));
    assert_eq!(read_all(&client, "orders").await, ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn gateway_keeps_serving_without_an_operator_and_gives_its_copy_to_another() {
    let installation = installation().await;
    let (operator, keys) = (installation.operator.address, installation.keys.path());
    let first = Gateway::start(operator, None, keys).ready().await;
    installation.operator.stop();
    let (shard, _) = put(&client(&first.url), "orders", "a", "1").await;
    let horizon = iterator(&client(&first.url), "orders", &shard, ShardIteratorType::TrimHorizon).await;

    let second = Gateway::start(operator, Some(first.peer), keys).ready().await;
    assert_eq!(read(&client(&second.url), &horizon).await.0, ["1"]);
    let alone = Gateway::start(operator, None, keys);
    until_readiness(alone.admin, StatusCode::SERVICE_UNAVAILABLE).await;
}

#[tokio::test]
async fn stream_missing_in_the_copy_is_looked_up_before_it_is_denied() {
    let known = Known::default();
    known.fed.apply(CatalogEvent::Snapshot(Vec::new()));
    let operator = Operator::start(free_address(), known.clone()).await;
    let keys = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(operator.address, None, keys.path()).ready().await;
    let client = client(&gateway.url);
    let describe = |name: &str| client.describe_stream_summary().stream_name(name).send();

    known.unfed.lock().unwrap().push(Stream { status: StreamStatus::Creating, ..stream("young") });
    assert!(describe("young").await.is_ok());
    let put = client.put_record().stream_name("young").partition_key("a").data(Blob::new("1"));
    assert_eq!(put.send().await.unwrap_err().code(), Some("ResourceNotFoundException"));
    assert_eq!(describe("absent").await.unwrap_err().code(), Some("ResourceNotFoundException"));
    operator.stop();
    assert_eq!(describe("absent").await.unwrap_err().code(), Some("InternalFailure"));
    assert!(describe("young").await.is_ok());
}

#[tokio::test]
async fn stream_creating_in_the_copy_is_looked_up_before_a_write_is_refused() {
    let installation = installation().await;
    let creating =
        Stream { uid: "young".into(), status: StreamStatus::Creating, ..installation.stream.clone() };
    let known = Known::default();
    known.fed.apply(CatalogEvent::Snapshot(vec![creating]));
    let operator = Operator::start(free_address(), known.clone()).await;
    let gateway = Gateway::start(operator.address, None, installation.keys.path()).ready().await;
    let put = || {
        let put = client(&gateway.url).put_record().stream_name("orders").partition_key("a");
        put.data(Blob::new("1")).send()
    };
    assert_eq!(put().await.unwrap_err().code(), Some("ResourceNotFoundException"));
    operator.stop();
    assert_eq!(put().await.unwrap_err().code(), Some("InternalFailure"));
}

#[tokio::test]
async fn change_in_the_feed_reaches_the_gateway() {
    let installation = installation().await;
    let gateway = Gateway::start(installation.operator.address, None, installation.keys.path()).ready().await;
    let client = client(&gateway.url);
    let changed = Stream { map_version: 2, retention_period_hours: 48, ..installation.stream.clone() };
    installation.known.fed.apply(CatalogEvent::Changed(changed));
    let summary = client.describe_stream_summary().stream_name("orders").send().await.unwrap();
    assert_eq!(summary.stream_description_summary.unwrap().retention_period_hours, 48);
    let removed = CatalogEvent::Removed { uid: installation.stream.uid.clone(), map_version: None };
    installation.known.fed.apply(removed);
    let gone = async {
        while !client.list_streams().send().await.unwrap().stream_names.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::program::LIMIT, gone).await.expect("the stream goes");
}

#[tokio::test]
async fn refusal_of_a_control_call_reaches_the_client() {
    let installation = installation().await;
    let gateway = Gateway::start(installation.operator.address, None, installation.keys.path()).ready().await;
    let error = client(&gateway.url).create_stream().stream_name("more").send().await.unwrap_err();
    assert_eq!(error.code(), Some("LimitExceededException"));
    assert_eq!(error.message(), Some("no room for more"));
}

#[tokio::test]
async fn pod_that_restarts_is_waited_for() {
    let mut installation = installation().await;
    let gateway = Gateway::start(installation.operator.address, None, installation.keys.path()).ready().await;
    let client = client(&gateway.url);
    let put = || client.put_records().stream_name("orders").set_records(Some(entries())).send();
    assert_eq!(put().await.unwrap().failed_record_count, Some(0));
    installation.pods[0].kill().await;
    let (answer, ()) = tokio::join!(put(), installation.pods[0].restart());
    assert_eq!(answer.unwrap().failed_record_count, Some(0));
    assert_eq!(read_all(&client, "orders").await.len(), 8);
}

#[tokio::test]
async fn unavailable_group_fails_only_its_own_records() {
    let mut installation = installation().await;
    let gateway = Gateway::start(installation.operator.address, None, installation.keys.path()).ready().await;
    installation.pods[1].kill().await;
    let client = client(&gateway.url);
    let answer =
        client.put_records().stream_name("orders").set_records(Some(entries())).send().await.unwrap();
    assert_eq!(answer.failed_record_count, Some(2));
    let codes: Vec<_> = answer.records.iter().map(|record| record.error_code.as_deref()).collect();
    assert_eq!(codes, [None, None, Some("InternalFailure"), Some("InternalFailure")]);
    assert_eq!(answer.records[2].error_message.as_deref(), Some("Internal Service Failure"));
}

#[tokio::test]
async fn terminating_gateway_is_unready_first_and_still_answers() {
    let installation = installation().await;
    let gateway = Gateway::start(installation.operator.address, None, installation.keys.path()).ready().await;
    let admin = gateway.admin;
    let ending = tokio::spawn(end(gateway.process));
    until_readiness(admin, StatusCode::SERVICE_UNAVAILABLE).await;
    put(&client(&gateway.url), "orders", "a", "1").await;
    ending.await.unwrap();
}
