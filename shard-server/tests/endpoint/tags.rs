//! Tags of streams and consumers.

use aws_sdk_kinesis::Client;

use crate::errors::code_and_message;
use crate::program::{Local, create, data_dir, local};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";

/// The tags of a stream, as `key=value`.
async fn tags(client: &Client, arn: &str) -> String {
    let tags = client.list_tags_for_resource().resource_arn(arn).send().await.unwrap().tags.unwrap();
    let texts: Vec<_> =
        tags.iter().map(|tag| format!("{}={}", tag.key, tag.value.as_deref().unwrap_or_default())).collect();
    texts.join(" ")
}

#[tokio::test]
async fn both_families_of_operations_see_the_same_tags_and_a_restart_keeps_them() {
    let data_dir = data_dir();
    let local = Local::start(data_dir.path(), &[]).await;
    let client = local.client();
    client.create_stream().stream_name("orders").shard_count(1).tags("c", "3").send().await.unwrap();
    client.add_tags_to_stream().stream_name("orders").tags("a", "1").tags("c", "4").send().await.unwrap();
    client.tag_resource().resource_arn(ARN).tags("b", "").send().await.unwrap();
    assert_eq!(tags(&client, ARN).await, "a=1 b= c=4");
    client.untag_resource().resource_arn(ARN).tag_keys("a").tag_keys("x").send().await.unwrap();
    client.remove_tags_from_stream().stream_arn(ARN).tag_keys("b").send().await.unwrap();
    local.stop().await;
    let local = Local::start(data_dir.path(), &[]).await;
    let list = local.client().list_tags_for_stream().stream_name("orders").send().await.unwrap();
    assert_eq!((list.tags[0].key.as_str(), list.tags.len(), list.has_more_tags), ("c", 1, false));
}

#[tokio::test]
async fn tags_of_a_stream_are_listed_a_page_at_a_time() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let add = ["a", "b", "c"].iter().fold(client.add_tags_to_stream(), |add, key| add.tags(*key, "1"));
    add.stream_name("orders").send().await.unwrap();
    let list = || client.list_tags_for_stream().stream_name("orders").limit(2);
    let first = list().send().await.unwrap();
    assert_eq!((first.tags.len(), first.has_more_tags), (2, true));
    let second = list().exclusive_start_tag_key(&first.tags[1].key).send().await.unwrap();
    assert_eq!((second.tags[0].key.as_str(), second.has_more_tags), ("c", false));
}

#[tokio::test]
async fn tags_that_break_a_rule_are_refused_as_a_whole() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let add = |key: &str| client.add_tags_to_stream().stream_name("orders").tags("good", "1").tags(key, "1");
    let error = add("a%").send().await.unwrap_err();
    let (code, message) = code_and_message(&error);
    assert_eq!(code, "InvalidArgumentException");
    let expected = "Failed to add tags to stream orders under account 000000000000 because";
    assert!(message.starts_with(expected), "{message}");
    let error = add("a;").send().await.unwrap_err();
    assert!(code_and_message(&error).1.starts_with("Some tags contain invalid characters."));
    assert!(add("aws:a").send().await.is_err());
    let many = (0..50).fold(add("b"), |add, number| add.tags(number.to_string(), ""));
    assert_eq!(code_and_message(&many.send().await.unwrap_err()).0, "InvalidArgumentException");
    assert_eq!(tags(&client, ARN).await, "");
    let error = client.create_stream().stream_name("bills").tags("a%", "1").send().await.unwrap_err();
    assert_eq!(code_and_message(&error).0, "InvalidArgumentException");
}

#[tokio::test]
async fn resources_that_are_not_there_are_not_found() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    for arn in [
        "arn:aws:kinesis:us-east-1:000000000000:stream/bills".to_owned(),
        "arn:aws:kinesis:us-east-1:111111111111:stream/orders".to_owned(),
        format!("{ARN}/consumer/fan:1700000000"),
    ] {
        let error = client.list_tags_for_resource().resource_arn(&arn).send().await.unwrap_err();
        assert!(error.into_service_error().is_resource_not_found_exception(), "{arn}");
        let error = client.tag_resource().resource_arn(&arn).tags("a", "1").send().await.unwrap_err();
        assert!(error.into_service_error().is_resource_not_found_exception(), "{arn}");
    }
}

#[tokio::test]
async fn consumer_has_tags_of_its_own() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let register = client.register_stream_consumer().stream_arn(ARN).consumer_name("fan").tags("a", "1");
    let arn = register.send().await.unwrap().consumer.unwrap().consumer_arn;
    client.tag_resource().resource_arn(&arn).tags("b", "2").send().await.unwrap();
    client.untag_resource().resource_arn(&arn).tag_keys("a").send().await.unwrap();
    assert_eq!((tags(&client, &arn).await, tags(&client, ARN).await), ("b=2".into(), String::new()));
}
