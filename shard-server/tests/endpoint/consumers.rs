//! Registered consumers.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{Consumer, ConsumerStatus};

use crate::errors::code_and_message;
use crate::program::{Local, create, data_dir, local};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";

/// Registers a consumer of the stream.
pub async fn register(client: &Client, name: &str) -> Consumer {
    let register = client.register_stream_consumer().stream_arn(ARN).consumer_name(name);
    register.send().await.unwrap().consumer.unwrap()
}

async fn count(client: &Client) -> i32 {
    let summary = client.describe_stream_summary().stream_name("orders").send().await.unwrap();
    summary.stream_description_summary.unwrap().consumer_count.unwrap()
}

#[tokio::test]
async fn consumer_is_described_by_name_and_by_arn_and_survives_a_restart() {
    let data_dir = data_dir();
    let local = Local::start(data_dir.path(), &[]).await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let fan = register(&client, "fan").await;
    let seconds = fan.consumer_creation_timestamp.secs();
    assert_eq!(fan.consumer_arn, format!("{ARN}/consumer/fan:{seconds}"));
    let error = client.register_stream_consumer().stream_arn(ARN).consumer_name("fan").send().await;
    let error = error.unwrap_err();
    let expected = "Consumer fan under stream orders already exists for account 000000000000.";
    assert_eq!(code_and_message(&error), ("ResourceInUseException", expected));
    local.stop().await;

    let local = Local::start(data_dir.path(), &[]).await;
    let client = local.client();
    let by_name = client.describe_stream_consumer().stream_arn(ARN).consumer_name("fan");
    let by_name = by_name.send().await.unwrap().consumer_description.unwrap();
    let by_arn = client.describe_stream_consumer().consumer_arn(&fan.consumer_arn).send().await.unwrap();
    assert_eq!(by_arn.consumer_description.unwrap(), by_name);
    assert_eq!((by_name.consumer_status, by_name.stream_arn.as_str()), (ConsumerStatus::Active, ARN));
    assert_eq!(by_name.consumer_creation_timestamp, fan.consumer_creation_timestamp);
    assert_eq!(count(&client).await, 1);
}

#[tokio::test]
async fn name_that_is_registered_again_at_once_has_another_arn() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let first = register(&client, "fan").await;
    client.deregister_stream_consumer().consumer_arn(&first.consumer_arn).send().await.unwrap();
    let second = register(&client, "fan").await;
    assert_ne!(second.consumer_arn, first.consumer_arn);
    let old = client.describe_stream_consumer().consumer_arn(&first.consumer_arn).send().await.unwrap_err();
    assert!(old.into_service_error().is_resource_not_found_exception());
    let listed = client.list_stream_consumers().stream_arn(ARN).send().await.unwrap().consumers.unwrap();
    assert_eq!(listed, [second]);
    let deregister = client.deregister_stream_consumer().stream_arn(ARN).consumer_name("fan");
    deregister.send().await.unwrap();
    assert_eq!(count(&client).await, 0);
}

#[tokio::test]
async fn consumers_are_listed_by_name_a_page_at_a_time() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    for name in ["c", "a", "b"] {
        register(&client, name).await;
    }
    let list = client.list_stream_consumers().stream_arn(ARN).max_results(2);
    let (mut pages, mut names) = (list.into_paginator().send(), Vec::<Vec<String>>::new());
    while let Some(page) = pages.next().await {
        names.push(page.unwrap().consumers.unwrap().into_iter().map(|one| one.consumer_name).collect());
    }
    assert_eq!(names, [vec!["a", "b"], vec!["c"]]);
}

#[tokio::test]
async fn twenty_consumers_are_the_most() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    for number in 0..20 {
        register(&client, &number.to_string()).await;
    }
    let one_more = client.register_stream_consumer().stream_arn(ARN).consumer_name("one-more").send().await;
    assert!(one_more.unwrap_err().into_service_error().is_limit_exceeded_exception());
}

#[tokio::test]
async fn stream_with_consumers_is_deleted_only_together_with_them() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let fan = register(&client, "fan").await;
    let error = client.delete_stream().stream_name("orders").send().await.unwrap_err();
    let expected = "DeleteStream can't delete 000000000000:orders because there are consumers associated with this data \
                    stream. To delete orders anyway, set the EnforceConsumerDeletion parameter to true to force the \
                    deletion of all the consumers that are associated with it.";
    assert_eq!(code_and_message(&error), ("ResourceInUseException", expected));
    assert_eq!(count(&client).await, 1);
    let delete = client.delete_stream().stream_name("orders").enforce_consumer_deletion(true);
    delete.send().await.unwrap();
    let gone = client.describe_stream_consumer().consumer_arn(fan.consumer_arn).send().await.unwrap_err();
    assert!(gone.into_service_error().is_resource_not_found_exception());
}
