//! Listings of shards.

use aws_sdk_kinesis::types::{ShardFilter, ShardFilterType};

use crate::program::{create, local};

#[tokio::test]
async fn pages_of_shards_follow_each_other_to_the_end() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 5).await;
    let mut ids = Vec::new();
    let mut answer = client.list_shards().stream_name("orders").max_results(2).send().await.unwrap();
    loop {
        ids.extend(answer.shards.unwrap_or_default().into_iter().map(|shard| shard.shard_id));
        let Some(token) = answer.next_token else { break };
        answer = client.list_shards().next_token(token).max_results(2).send().await.unwrap();
    }
    let expected: Vec<_> = (0..5).map(|index| format!("shardId-{index:012}")).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn every_filter_is_served() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 3).await;
    let now = std::time::SystemTime::now().into();
    for (kind, shards) in [
        (ShardFilterType::AtTrimHorizon, 3),
        (ShardFilterType::FromTrimHorizon, 3),
        (ShardFilterType::AtLatest, 3),
        (ShardFilterType::AtTimestamp, 3),
        (ShardFilterType::FromTimestamp, 3),
        (ShardFilterType::AfterShardId, 2),
    ] {
        let mut filter = ShardFilter::builder().r#type(kind.clone());
        if matches!(kind, ShardFilterType::AtTimestamp | ShardFilterType::FromTimestamp) {
            filter = filter.timestamp(now);
        }
        if kind == ShardFilterType::AfterShardId {
            filter = filter.shard_id("shardId-000000000000");
        }
        let list = client.list_shards().stream_name("orders").shard_filter(filter.build().unwrap());
        assert_eq!(list.send().await.unwrap().shards.unwrap().len(), shards, "{kind}");
    }
}

#[tokio::test]
async fn unknown_token_counts_as_expired() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    let error = client.list_shards().next_token("AAAA").send().await.unwrap_err().into_service_error();
    assert!(error.is_expired_next_token_exception(), "{error}");
}
