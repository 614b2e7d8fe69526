//! SubscribeToShard.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::error::SubscribeToShardEventStreamError;
use aws_sdk_kinesis::types::{
    ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream,
};
use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::consumers::register;
use crate::errors::code_and_message;
use crate::installation::{Gateway, free_address, installation, metrics};
use crate::program::{LIMIT, Local, client, create, data_dir, local, put, read};
use crate::reshard::{MIDDLE, merge, split};

const SHARD: &str = "shardId-000000000000";

/// A subscription as the SDK has it.
struct Events(SubscribeToShardOutput);

async fn subscribe(client: &Client, arn: &str, shard: &str, position: StartingPosition) -> Events {
    let subscribe = client.subscribe_to_shard().consumer_arn(arn).shard_id(shard);
    Events(subscribe.starting_position(position).send().await.unwrap())
}

fn position(kind: ShardIteratorType) -> StartingPosition {
    StartingPosition::builder().r#type(kind).build().unwrap()
}

fn after(number: &str) -> StartingPosition {
    let position = StartingPosition::builder().r#type(ShardIteratorType::AfterSequenceNumber);
    position.sequence_number(number).build().unwrap()
}

impl Events {
    /// The next event; nothing where the subscription ends well.
    async fn next(&mut self) -> Option<SubscribeToShardEvent> {
        let event = timeout(LIMIT, self.0.event_stream.recv()).await.expect("it comes in time");
        match event.expect("no exception")? {
            SubscribeToShardEventStream::SubscribeToShardEvent(event) => Some(event),
            other => panic!("{other:?}"),
        }
    }

    /// The data of the next records, and the last event.
    async fn records(&mut self, count: usize) -> (Vec<String>, SubscribeToShardEvent) {
        let mut records = Vec::new();
        loop {
            let event = self.next().await.expect("it goes on");
            let data = |record: &aws_sdk_kinesis::types::Record| {
                String::from_utf8(record.data.as_ref().to_vec()).unwrap()
            };
            records.extend(event.records.iter().map(data));
            if records.len() >= count {
                return (records, event);
            }
        }
    }

    /// The exception with which it ends; events before it are passed over.
    async fn exception(mut self) -> SubscribeToShardEventStreamError {
        let ended = async {
            loop {
                match self.0.event_stream.recv().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("it ends without an exception"),
                    Err(error) => return error.into_service_error(),
                }
            }
        };
        timeout(LIMIT, ended).await.expect("it ends in time")
    }

    /// Waits until it ends well.
    async fn end(mut self) {
        while self.next().await.is_some() {}
    }
}

#[tokio::test]
async fn what_was_put_since_an_event_comes_after_its_continuation_whatever_has_happened_between() {
    let (data_dir, first) = local().await;
    let client = first.client();
    create(&client, "orders", 1).await;
    let fan = register(&client, "fan").await.consumer_arn;
    put(&client, "orders", "a", "1").await;
    let mut events = subscribe(&client, &fan, SHARD, position(ShardIteratorType::TrimHorizon)).await;
    let (records, _) = events.records(1).await;
    assert_eq!(records, ["1"]);
    let (_, number) = put(&client, "orders", "a", "2").await;
    let (records, event) = events.records(1).await;
    assert_eq!(records, ["2"]);
    assert_eq!((event.continuation_sequence_number.as_str(), event.millis_behind_latest), (&*number, 0));
    // One without records repeats it.
    let empty = events.next().await.unwrap();
    assert!(empty.records.is_empty() && empty.child_shards.is_none());
    assert_eq!(empty.continuation_sequence_number, number);
    first.stop().await;
    events.end().await;

    let second = Local::start(data_dir.path(), &[]).await;
    let client = second.client();
    put(&client, "orders", "a", "3").await;
    let mut events = subscribe(&client, &fan, SHARD, after(&number)).await;
    assert_eq!(events.records(1).await.0, ["3"]);
    let get = client.get_shard_iterator().stream_name("orders").shard_id(SHARD);
    let get =
        get.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(number);
    let iterator = get.send().await.unwrap().shard_iterator.unwrap();
    assert_eq!(read(&client, &iterator).await.0, ["3"]);
}

#[tokio::test]
async fn every_starting_position_is_served() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    put(&client, "orders", "a", "1").await;
    let (_, second) = put(&client, "orders", "a", "2").await;
    put(&client, "orders", "a", "3").await;
    let at = StartingPosition::builder().r#type(ShardIteratorType::AtSequenceNumber);
    let of_time = |seconds| {
        let position = StartingPosition::builder().r#type(ShardIteratorType::AtTimestamp);
        position.timestamp(DateTime::from_secs(seconds)).build().unwrap()
    };
    for (consumer, position, expected) in [
        ("a", position(ShardIteratorType::TrimHorizon), ["1", "2", "3"].as_slice()),
        ("b", at.sequence_number(&second).build().unwrap(), &["2", "3"]),
        ("c", after(&second), &["3"]),
        ("d", of_time(1_000), &["1", "2", "3"]),
    ] {
        let arn = register(&client, consumer).await.consumer_arn;
        let mut events = subscribe(&client, &arn, SHARD, position).await;
        assert_eq!(events.records(expected.len()).await.0, expected);
    }
    let arn = register(&client, "e").await.consumer_arn;
    let mut events = subscribe(&client, &arn, SHARD, position(ShardIteratorType::Latest)).await;
    put(&client, "orders", "a", "4").await;
    assert_eq!(events.records(1).await.0, ["4"]);
    let late = register(&client, "late").await.consumer_arn;
    let far_ahead = client.subscribe_to_shard().consumer_arn(late).shard_id("shardId-0");
    let error = far_ahead.starting_position(of_time(100_000_000_000 - 1)).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidArgumentException"));
}

#[tokio::test]
async fn subscription_is_refused_before_it_begins_with_the_reason() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let fan = register(&client, "fan").await.consumer_arn;
    let refusal = async |arn: &str, shard: &str, position: StartingPosition| {
        let subscribe = client.subscribe_to_shard().consumer_arn(arn).shard_id(shard);
        let error = subscribe.starting_position(position).send().await.unwrap_err();
        let (code, message) = code_and_message(&error);
        (code.to_owned(), message.to_owned())
    };
    let latest = || position(ShardIteratorType::Latest);
    let of = |code: &str, message: &str| (code.to_owned(), message.to_owned());
    let not_found = |message: &str| of("ResourceNotFoundException", message);
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream";
    let consumer = refusal(&format!("{stream}/orders/consumer/fan:7"), SHARD, latest()).await;
    assert_eq!(consumer, not_found("Consumer fan, account 000000000000 not found."));
    let other_stream = refusal(&format!("{stream}/bills/consumer/fan:7"), SHARD, latest()).await;
    assert_eq!(other_stream, not_found("Stream bills under account 000000000000 not found."));
    let other_region = "arn:aws:kinesis:eu-west-1:000000000000:stream/orders/consumer/fan:7";
    assert_eq!(refusal(other_region, SHARD, latest()).await.0, "ResourceNotFoundException");
    let message = "Shard shardId-000000000007 in stream orders under account 000000000000 does not exist";
    assert_eq!(refusal(&fan, "7", latest()).await, not_found(message));
    let message = "Could not find shard x in stream orders under account 000000000000.";
    assert_eq!(refusal(&fan, "x", latest()).await, not_found(message));
    assert_eq!(refusal(&fan, SHARD, after("5")).await.0, "InvalidArgumentException");
    // None of these has begun one.
    subscribe(&client, &fan, SHARD, latest()).await;
    let message = "Another active subscription exists for this consumer: \
                   000000000000:orders:shardId-000000000000:fan";
    assert_eq!(refusal(&fan, "shardId-0", latest()).await, of("ResourceInUseException", message));
}

/// The last event of a closed shard: the ids of its children, and the parents that each one names.
async fn children(mut events: Events) -> Vec<(String, Vec<String>)> {
    let last = loop {
        let event = events.next().await.expect("it ends with an event");
        if event.child_shards.is_some() {
            break event;
        }
        assert!(!event.continuation_sequence_number.is_empty());
    };
    assert!(last.records.is_empty() && last.millis_behind_latest == 0);
    // The SDK has an empty text where there is none.
    assert_eq!(last.continuation_sequence_number, "");
    events.end().await;
    let children = last.child_shards.unwrap().into_iter();
    children.map(|child| (child.shard_id, child.parent_shards)).collect()
}

#[tokio::test]
async fn closed_shard_ends_with_its_children_and_no_continuation() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let arn = async |name: &str| register(&client, name).await.consumer_arn;
    let (_, number) = put(&client, "orders", "a", "1").await;
    let events = subscribe(&client, &arn("live").await, SHARD, position(ShardIteratorType::Latest)).await;
    split(&client, 0, MIDDLE).await;
    let id = |index: u32| format!("shardId-{index:012}");
    let expected = [(id(1), vec![id(0)]), (id(2), vec![id(0)])];
    assert_eq!(children(events).await, expected);
    let late = arn("late").await;
    for (arn, position) in
        [(&late, position(ShardIteratorType::Latest)), (&arn("after").await, after(&number))]
    {
        assert_eq!(children(subscribe(&client, arn, SHARD, position).await).await, expected);
    }
    let horizon = arn("horizon").await;
    let mut events = subscribe(&client, &horizon, SHARD, position(ShardIteratorType::TrimHorizon)).await;
    let (records, event) = events.records(1).await;
    assert_eq!((records.as_slice(), event.child_shards.is_none()), (["1".to_owned()].as_slice(), true));
    assert_eq!(children(events).await, expected);

    let first = subscribe(&client, &late, &id(1), position(ShardIteratorType::Latest)).await;
    let second = subscribe(&client, &late, &id(2), position(ShardIteratorType::Latest)).await;
    merge(&client, 1, 2).await;
    for events in [first, second] {
        assert_eq!(children(events).await, [(id(3), vec![id(1), id(2)])]);
    }
}

#[tokio::test]
async fn deleted_stream_and_deregistered_consumer_end_it_with_an_exception() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 2).await;
    let [stays, goes] = [register(&client, "stays").await, register(&client, "goes").await];
    let latest = || position(ShardIteratorType::Latest);
    let staying = subscribe(&client, &stays.consumer_arn, SHARD, latest()).await;
    let going = subscribe(&client, &goes.consumer_arn, SHARD, latest()).await;
    client.deregister_stream_consumer().consumer_arn(goes.consumer_arn).send().await.unwrap();
    assert!(going.exception().await.is_resource_not_found_exception());
    client.delete_stream().stream_name("orders").enforce_consumer_deletion(true).send().await.unwrap();
    assert!(staying.exception().await.is_resource_not_found_exception());
}

async fn call(url: &str, http2: bool, content_type: &str, body: Vec<u8>) -> http::Response<Incoming> {
    let client = HttpClient::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let request = Request::post(url)
        .header("content-type", content_type)
        .header("x-amz-target", "Kinesis_20131202.SubscribeToShard")
        .body(Full::<Bytes>::from(body));
    client.request(request.unwrap()).await.unwrap()
}

fn body_of(arn: &str) -> Vec<u8> {
    let position = serde_json::json!({"Type": "TRIM_HORIZON"});
    let body = serde_json::json!({"ConsumerARN": arn, "ShardId": "0", "StartingPosition": position});
    body.to_string().into_bytes()
}

async fn until_running(admin: std::net::SocketAddr, count: u32) {
    let wanted = format!("kinetes_gateway_subscriptions {count}");
    let is_so = async {
        while !metrics(admin).await.lines().any(|line| line == wanted) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, is_so).await.unwrap_or_else(|_| panic!("{count} subscriptions never run"));
}

#[tokio::test]
async fn stream_of_events_goes_over_http_1_and_http_2_and_ends_with_its_client() {
    let (data_dir, admin) = (data_dir(), free_address());
    let local = Local::start(data_dir.path(), &["--admin-listen", &admin.to_string()]).await;
    let client = local.client();
    create(&client, "orders", 1).await;
    for (consumer, http2, version) in [("a", false, Version::HTTP_11), ("b", true, Version::HTTP_2)] {
        let arn = register(&client, consumer).await.consumer_arn;
        let mut answer = call(&local.url, http2, "application/x-amz-json-1.1", body_of(&arn)).await;
        assert_eq!((answer.status(), answer.version()), (StatusCode::OK, version));
        assert_eq!(answer.headers()["content-type"], "application/vnd.amazon.eventstream");
        assert_eq!(answer.headers()["x-amzn-requestid"].len(), 36);
        assert!(answer.headers().get("content-length").is_none());
        let first = timeout(LIMIT, answer.body_mut().frame()).await.expect("it comes in time");
        let first = first.unwrap().unwrap().into_data().unwrap();
        assert!(first.windows(16).any(|bytes| bytes == b"initial-response"), "{first:?}");
        until_running(admin, 1).await;
        drop(answer);
        until_running(admin, 0).await;
    }
}

#[tokio::test]
async fn subscription_in_cbor_has_events_in_cbor() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, "orders", 1).await;
    let arn = register(&client, "fan").await.consumer_arn;
    put(&client, "orders", "a", "hello").await;
    let mut body = minicbor::Encoder::new(Vec::new());
    body.map(3).unwrap().str("ConsumerARN").unwrap().str(&arn).unwrap();
    body.str("ShardId").unwrap().str("0").unwrap();
    body.str("StartingPosition").unwrap().map(1).unwrap().str("Type").unwrap().str("TRIM_HORIZON").unwrap();
    let mut answer = call(&local.url, true, "application/x-amz-cbor-1.1", body.into_writer()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let mut received = Vec::new();
    let holds = |received: &[u8], wanted: &[u8]| received.windows(wanted.len()).any(|bytes| bytes == wanted);
    while !holds(&received, b"MillisBehindLatest") {
        let frame = timeout(LIMIT, answer.body_mut().frame()).await.expect("it comes in time");
        received.extend(frame.unwrap().unwrap().into_data().unwrap());
    }
    assert!(holds(&received, b"application/x-amz-cbor-1.1"));
    // A text of four bytes, then five bytes of data.
    assert!(holds(&received, b"\x64Data\x45hello"));
}

#[tokio::test]
async fn gateway_pushes_what_a_pod_commits_and_ends_well_when_the_pod_does() {
    let mut installation = installation().await;
    let gateway = Gateway::start(installation.operator.address, None, installation.keys.path()).ready().await;
    let client = client(&gateway.url);
    let fan = "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/fan:1700000000";
    let mut events = subscribe(&client, fan, SHARD, position(ShardIteratorType::Latest)).await;
    let put = async |data: &'static str| {
        let put = client.put_record().stream_name("orders").partition_key("a").explicit_hash_key("0");
        put.data(Blob::new(data)).send().await.unwrap().sequence_number
    };
    for data in ["1", "2"] {
        put(data).await;
        assert_eq!(events.records(1).await.0, [data]);
    }
    let number = put("3").await;
    assert_eq!(events.records(1).await.1.continuation_sequence_number, number);
    installation.pods[0].kill().await;
    events.end().await;
    installation.pods[0].restart().await;
    // The gateway ended it: the client may come back at once.
    let mut events = subscribe(&client, fan, SHARD, after(&number)).await;
    put("4").await;
    assert_eq!(events.records(1).await.0, ["4"]);
}
