//! Settings of streams and of the account are changed, shown and kept.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{
    MetricsName, MinimumThroughputBillingCommitmentInput,
    MinimumThroughputBillingCommitmentInputStatus as CommitmentInput,
    MinimumThroughputBillingCommitmentOutputStatus as CommitmentOutput, StreamDescriptionSummary, StreamMode,
    StreamModeDetails,
};

use crate::errors::code_and_message;
use crate::program::{Local, create, data_dir, local, put, read_all};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";

async fn summary(client: &Client) -> StreamDescriptionSummary {
    let summary = client.describe_stream_summary().stream_name("orders").send().await.unwrap();
    summary.stream_description_summary.unwrap()
}

fn mode(mode: StreamMode) -> StreamModeDetails {
    StreamModeDetails::builder().stream_mode(mode).build().unwrap()
}

async fn commit(client: &Client, status: CommitmentInput) -> CommitmentOutput {
    let commitment = MinimumThroughputBillingCommitmentInput::builder().status(status).build().unwrap();
    let update = client.update_account_settings().minimum_throughput_billing_commitment(commitment);
    update.send().await.unwrap().minimum_throughput_billing_commitment.unwrap().status
}

#[tokio::test]
async fn retention_goes_up_and_down_and_survives_a_restart() {
    let data_dir = data_dir();
    let local = Local::start(data_dir.path(), &[]).await;
    let client = local.client();
    create(&client, "orders", 1).await;
    put(&client, "orders", "a", "1").await;
    let increase = |hours| {
        client.increase_stream_retention_period().stream_name("orders").retention_period_hours(hours).send()
    };
    increase(48).await.unwrap();
    increase(48).await.unwrap();
    let expected = "Requested retention period (47 hours) for stream orders can not be shorter than existing retention \
                    period (48 hours). Use DecreaseRetentionPeriod API.";
    assert_eq!(code_and_message(&increase(47).await.unwrap_err()), ("InvalidArgumentException", expected));
    let decrease = client.decrease_stream_retention_period().stream_arn(ARN).retention_period_hours(36);
    decrease.send().await.unwrap();
    local.stop().await;
    let local = Local::start(data_dir.path(), &[]).await;
    assert_eq!(summary(&local.client()).await.retention_period_hours, 36);
    assert_eq!(read_all(&local.client(), "orders").await, ["1"]);
}

#[tokio::test]
async fn metrics_are_enabled_and_disabled_by_name_and_all_is_every_one() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let enable = client.enable_enhanced_monitoring().stream_name("orders");
    let enabled = enable.shard_level_metrics(MetricsName::All).send().await.unwrap();
    assert!(enabled.current_shard_level_metrics().is_empty());
    assert_eq!(enabled.desired_shard_level_metrics().len(), 7);
    assert!(!enabled.desired_shard_level_metrics().contains(&MetricsName::All));
    assert_eq!(enabled.stream_arn(), Some(ARN));
    let disable = client.disable_enhanced_monitoring().stream_arn(ARN);
    let disable = disable.shard_level_metrics(MetricsName::IncomingBytes);
    let disabled = disable.send().await.unwrap();
    assert_eq!(disabled.current_shard_level_metrics().len(), 7);
    assert_eq!(disabled.desired_shard_level_metrics().len(), 6);
    let shown = &summary(&client).await.enhanced_monitoring;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].shard_level_metrics(), disabled.desired_shard_level_metrics());
}

#[tokio::test]
async fn mode_changes_both_ways_while_shards_and_records_stay() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 3).await;
    put(&client, "orders", "a", "1").await;
    assert_eq!(summary(&client).await.record_distribution_strategy, None);
    for (to, data) in [(StreamMode::OnDemand, "2"), (StreamMode::Provisioned, "3")] {
        let update = client.update_stream_mode().stream_arn(ARN).stream_mode_details(mode(to.clone()));
        update.send().await.unwrap();
        put(&client, "orders", "a", data).await;
        let shown = summary(&client).await;
        assert_eq!((shown.stream_mode_details.unwrap().stream_mode, shown.open_shard_count), (to, 3));
    }
    assert_eq!(read_all(&client, "orders").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn larger_records_are_taken_once_the_limit_is_raised() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let record = "x".repeat(1_100_000);
    let large = client.put_record().stream_name("orders").partition_key("a");
    let large = large.data(aws_sdk_kinesis::primitives::Blob::new(record.clone()));
    assert_eq!(code_and_message(&large.clone().send().await.unwrap_err()).0, "ValidationException");
    client.update_max_record_size().stream_arn(ARN).max_record_size_in_kib(2048).send().await.unwrap();
    large.send().await.unwrap();
    assert_eq!(summary(&client).await.max_record_size_in_kib, Some(2048));
    assert_eq!(read_all(&client, "orders").await, [record]);
}

#[tokio::test]
async fn warm_throughput_needs_the_commitment_of_the_account() {
    let data_dir = data_dir();
    let local = Local::start(data_dir.path(), &[]).await;
    let client = local.client();
    let on_demand = mode(StreamMode::OnDemand);
    let create = client.create_stream().stream_name("orders").stream_mode_details(on_demand);
    create.send().await.unwrap();
    let warm = || client.update_stream_warm_throughput().stream_name("orders").warm_throughput_mibps(50);
    assert_eq!(code_and_message(&warm().send().await.unwrap_err()).0, "InvalidArgumentException");
    let settings = client.describe_account_settings().send().await.unwrap();
    let settings = settings.minimum_throughput_billing_commitment.unwrap();
    assert_eq!((settings.status, settings.started_at), (CommitmentOutput::Disabled, None));
    assert_eq!(commit(&client, CommitmentInput::Enabled).await, CommitmentOutput::Enabled);
    let warmed = warm().send().await.unwrap();
    assert_eq!(warmed.warm_throughput.unwrap().target_mibps, Some(50));
    let until = CommitmentOutput::EnabledUntilEarliestAllowedEnd;
    assert_eq!(commit(&client, CommitmentInput::Disabled).await, until);
    local.stop().await;

    let local = Local::start(data_dir.path(), &[]).await;
    let client = local.client();
    assert_eq!(summary(&client).await.warm_throughput.unwrap().target_mibps, Some(50));
    let settings = client.describe_account_settings().send().await.unwrap();
    let settings = settings.minimum_throughput_billing_commitment.unwrap();
    assert_eq!(settings.status, until);
    let day = settings.earliest_allowed_end_at.unwrap().secs() - settings.started_at.unwrap().secs();
    assert_eq!((day, settings.ended_at), (24 * 3_600, None));
}

#[tokio::test]
async fn limits_count_open_shards_and_on_demand_streams() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 3).await;
    let on_demand = mode(StreamMode::OnDemand);
    client.create_stream().stream_name("bills").stream_mode_details(on_demand).send().await.unwrap();
    let limits = client.describe_limits().send().await.unwrap();
    assert_eq!((limits.open_shard_count, limits.on_demand_stream_count), (7, 1));
    assert!(limits.shard_limit > 7 && limits.on_demand_stream_count_limit > 2);
}

#[tokio::test]
async fn stream_of_more_shards_than_any_may_have_is_refused_in_the_words_of_the_api() {
    let (_data_dir, local) = local().await;
    let error = local.client().create_stream().stream_name("orders").shard_count(100_000).send().await;
    let error = error.unwrap_err();
    let (code, message) = code_and_message(&error);
    assert_eq!(code, "LimitExceededException");
    let expected = "This request would exceed the shard limit for the account 000000000000 in us-east-1. Current shard \
                    count for the account: 0. Limit: 10000. Number of additional shards that would have resulted from \
                    this request: 100000.";
    assert!(message.starts_with(expected), "{message}");
}
