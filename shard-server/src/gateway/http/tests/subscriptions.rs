//! Subscriptions from the request to the last event, by a clock that is moved.

use std::ops::Deref;
use std::sync::Mutex;
use std::time::Instant as Deadline;

use aws_smithy_eventstream::frame::read_message_from;
use catalog::control::{Consumer, ControlAnswer, ControlCall, Refusal, RefusalCode};
use futures::future::{Abortable, BoxFuture};
use tokio::time::{Instant, advance};

use super::*;
use crate::admin::Exchange;
use crate::gateway::http::body::AnswerBody;
use crate::gateway::operations::Subscription;
use crate::serve::tests::Pod;
use crate::shard::tests::UID;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/fan:1700000000";
const SHARD: &str = "shardId-000000000000";

/// A catalog service, played by the test.
#[derive(Clone, Debug)]
struct Service(Arc<Mutex<Known>>);

/// What it knows.
#[derive(Debug)]
struct Known {
    is_reachable: bool,
    stream: Option<Stream>,
    consumer: Option<Consumer>,
}

impl Service {
    fn new() -> Self {
        let consumer = Consumer { name: "fan".into(), created_ms: 1_700_000_000_500 };
        let (stream, consumer) = (Some(stream("orders")), Some(consumer));
        Self(Arc::new(Mutex::new(Known { is_reachable: true, stream, consumer })))
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.lock().unwrap());
    }
}

impl ControlPlane for Service {
    fn call(&self, call: ControlCall, _: Deadline) -> BoxFuture<'_, Result<ControlAnswer, Refusal>> {
        let mut known = self.0.lock().unwrap();
        let consumer = |known: &Known| {
            known
                .consumer
                .clone()
                .ok_or_else(|| Refusal::new(RefusalCode::ResourceNotFound, "no such consumer"))
        };
        let answer = match call {
            _ if !known.is_reachable => Err(Refusal::new(RefusalCode::Unavailable, "nobody answers")),
            ControlCall::FindStream(_) => Ok(ControlAnswer::FindStream(known.stream.clone())),
            ControlCall::FindConsumer(find) => consumer(&known).and_then(|consumer| {
                let not_it = || Refusal::new(RefusalCode::ResourceNotFound, "no such consumer");
                consumer
                    .is(&find.consumer)
                    .then_some(ControlAnswer::FindConsumer(consumer))
                    .ok_or_else(not_it)
            }),
            ControlCall::DeregisterConsumer(_) => consumer(&known).map(|_| {
                known.consumer = None;
                ControlAnswer::DeregisterConsumer(())
            }),
            other => panic!("{other:?} is not expected"),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// An endpoint, called without a connection.
struct Gateway {
    service: KinesisService,
    endpoint: Arc<Endpoint>,
    control: Service,
}

/// A gateway whose group is in this process.
struct Local {
    gateway: Gateway,
    group: Group,
    _data_dir: tempfile::TempDir,
}

async fn local() -> Local {
    local_with(Sizes::DEFAULT).await
}

async fn local_with(sizes: Sizes) -> Local {
    let (data_dir, stream, routes) = (tempfile::tempdir().unwrap(), stream("orders"), Routes::default());
    let group = group(&stream, data_dir.path()).await;
    routes.add_group(&stream.uid, group.clone());
    Local { gateway: Gateway::new(stream, routes, sizes), group, _data_dir: data_dir }
}

impl Deref for Local {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

/// The events of an answer that has begun.
struct Events {
    body: AnswerBody,
    bytes: Vec<u8>,
}

#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    payload: serde_json::Value,
}

impl Gateway {
    fn new(stream: Stream, routes: Routes, sizes: Sizes) -> Self {
        let control = Service::new();
        let endpoint = endpoint_under(control.clone(), stream, Arc::new(routes), sizes, system_clock());
        let service = KinesisService::new(Arc::clone(&endpoint));
        Self { service, endpoint, control }
    }

    async fn subscribe(&self, kind: &str) -> Result<Events, (StatusCode, String)> {
        self.subscribe_with(&serde_json::json!({
            "ConsumerARN": ARN, "ShardId": SHARD, "StartingPosition": {"Type": kind}
        }))
        .await
    }

    /// Subscribes; gives the events behind the initial response.
    async fn subscribe_with(&self, body: &serde_json::Value) -> Result<Events, (StatusCode, String)> {
        let request = request("http://endpoint/", "SubscribeToShard", body);
        let answer = self.service.answer(request).await.unwrap();
        let status = answer.status();
        if status != StatusCode::OK {
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            return Err((status, String::from_utf8(bytes.to_vec()).unwrap()));
        }
        assert_eq!(answer.headers()["content-type"], "application/vnd.amazon.eventstream");
        let mut events = Events { body: answer.into_body(), bytes: Vec::new() };
        let first = events.next().now_or_never().expect("it comes with the head").unwrap();
        assert_eq!(first, Event { kind: "initial-response".into(), payload: serde_json::json!({}) });
        Ok(events)
    }

    async fn put(&self, data: &str) {
        let data = base64_simd::STANDARD.encode_to_string(data);
        let put = serde_json::json!({
            "StreamName": "orders", "PartitionKey": "key", "ExplicitHashKey": "0", "Data": data
        });
        assert_eq!(answer_of(&self.service, "PutRecord", &put).await.0, StatusCode::OK);
    }

    fn running(&self) -> i64 {
        self.endpoint.metrics().subscriptions.get()
    }
}

impl Events {
    /// The next one; nothing where the answer ends well.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(length) = self.bytes.first_chunk().map(|length| u32::from_be_bytes(*length) as usize)
                && self.bytes.len() >= length
            {
                let message = read_message_from(&self.bytes[..length]).unwrap();
                self.bytes.drain(..length);
                let header = |name: &str| {
                    let header = message.headers().iter().find(|header| header.name().as_str() == name);
                    Some(header?.value().as_string().unwrap().as_str().to_owned())
                };
                let kind = header(":event-type").or_else(|| header(":exception-type")).unwrap();
                return Some(Event { kind, payload: serde_json::from_slice(message.payload()).unwrap() });
            }
            match self.body.frame().await {
                Some(frame) => self.bytes.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                None => {
                    assert!(self.bytes.is_empty(), "a frame breaks off");
                    return None;
                }
            }
        }
    }

    /// The data of the records of the next event, and where it says to go on.
    async fn records(&mut self) -> (Vec<String>, String) {
        let Event { kind, payload } = self.next().await.expect("it goes on");
        assert_eq!(kind, "SubscribeToShardEvent", "{payload}");
        let data = |record: &serde_json::Value| {
            let data = base64_simd::STANDARD.decode_to_vec(record["Data"].as_str().unwrap()).unwrap();
            String::from_utf8(data).unwrap()
        };
        let records = payload["Records"].as_array().unwrap().iter().map(data).collect();
        (records, payload["ContinuationSequenceNumber"].as_str().unwrap().to_owned())
    }
}

fn in_use() -> String {
    let message =
        "Another active subscription exists for this consumer: 000000000000:orders:shardId-000000000000:fan";
    format!(r#"{{"__type":"ResourceInUseException","message":"{message}"}}"#)
}

#[tokio::test(start_paused = true)]
async fn idle_subscription_hears_something_every_five_seconds_and_ends_well_after_five_minutes() {
    let gateway = local().await;
    let begun = Instant::now();
    let mut events = gateway.subscribe("LATEST").await.unwrap();
    assert_eq!(gateway.running(), 1);
    let (mut heard, mut last) = (0, begun);
    while let Some(Event { kind, payload }) = events.next().await {
        assert_eq!(kind, "SubscribeToShardEvent");
        let starting = stream("orders").shards[0].starting_sequence_number().to_string();
        let nothing = serde_json::json!({
            "Records": [], "ContinuationSequenceNumber": starting, "MillisBehindLatest": 0
        });
        assert_eq!(payload, nothing);
        assert!(last.elapsed() <= Duration::from_secs(6), "by the moved clock: {:?}", last.elapsed());
        (heard, last) = (heard + 1, Instant::now());
    }
    assert!(heard >= 59, "{heard}");
    assert_eq!(begun.elapsed().as_secs(), 300, "by the moved clock");
    assert_eq!(gateway.running(), 0);
    // It ended by itself.
    assert!(gateway.subscribe("LATEST").await.is_ok());
}

#[tokio::test]
async fn records_are_pushed_as_they_are_put_and_the_continuation_begins_behind_them() {
    let gateway = local().await;
    gateway.put("before").await;
    let mut events = gateway.subscribe("LATEST").await.unwrap();
    gateway.put("1").await;
    // The position was fixed before the subscription was answered.
    let mut records = Vec::new();
    let mut continuation = String::new();
    while records.len() < 3 {
        let (more, next) = events.records().await;
        let has_more = !more.is_empty();
        records.extend(more);
        continuation = next;
        if has_more && records.len() < 3 {
            gateway.put(&(records.len() + 1).to_string()).await;
        }
    }
    assert_eq!(records, ["1", "2", "3"]);
    drop(events);
    gateway.put("4").await;
    tokio::time::pause();
    advance(Duration::from_secs(5)).await;
    let after = serde_json::json!({
        "ConsumerARN": ARN, "ShardId": SHARD,
        "StartingPosition": {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": continuation}
    });
    assert_eq!(gateway.subscribe_with(&after).await.unwrap().records().await.0, ["4"]);
    let get = serde_json::json!({
        "StreamName": "orders", "ShardId": SHARD, "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
        "StartingSequenceNumber": continuation
    });
    assert_eq!(answer_of(&gateway.service, "GetShardIterator", &get).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn second_subscription_is_refused_for_five_seconds_and_then_takes_over() {
    let gateway = local().await;
    let mut first = gateway.subscribe("LATEST").await.unwrap();
    assert!(first.records().await.0.is_empty());
    advance(Duration::from_millis(4_900)).await;
    let dry_run = serde_json::json!({
        "ConsumerARN": ARN, "ShardId": SHARD, "StartingPosition": {"Type": "LATEST"}, "DryRun": true
    });
    for refused in [gateway.subscribe("LATEST").await, gateway.subscribe_with(&dry_run).await] {
        assert_eq!(refused.err(), Some((StatusCode::BAD_REQUEST, in_use())));
    }
    advance(Duration::from_millis(100)).await;
    // A dry run takes nothing over.
    let (_, text) = gateway.subscribe_with(&dry_run).await.err().unwrap();
    assert!(text.contains("DryRunOperationException"), "{text}");
    assert!(first.records().await.0.is_empty());
    let mut second = gateway.subscribe("LATEST").await.unwrap();
    let Event { kind, payload } = first.next().await.unwrap();
    assert_eq!(kind, "ResourceInUseException");
    assert!(payload["message"].as_str().unwrap().ends_with("orders:shardId-000000000000:fan"));
    assert_eq!(first.next().await, None);
    assert_eq!(gateway.running(), 1);
    assert!(second.records().await.0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn client_that_hangs_up_frees_its_follower_and_still_waits_for_the_five_seconds() {
    let gateway = local().await;
    let mut events = gateway.subscribe("LATEST").await.unwrap();
    assert!(events.records().await.0.is_empty());
    drop(events);
    assert_eq!(gateway.running(), 0);
    assert_eq!(gateway.subscribe("LATEST").await.err(), Some((StatusCode::BAD_REQUEST, in_use())));
    // Other shards are nothing to it.
    let other = serde_json::json!({
        "ConsumerARN": ARN, "ShardId": "shardId-000000000001", "StartingPosition": {"Type": "TRIM_HORIZON"}
    });
    assert!(gateway.subscribe_with(&other).await.is_ok());
    advance(Duration::from_secs(5)).await;
    assert!(gateway.subscribe("LATEST").await.is_ok());
}

#[tokio::test]
async fn stream_that_is_gone_is_said_to_be_on_the_authority_of_the_catalog_service_alone() {
    let said = async |change: fn(&mut Known)| {
        let gateway = local().await;
        let mut events = gateway.subscribe("LATEST").await.unwrap();
        assert!(events.records().await.0.is_empty());
        gateway.control.change(change);
        gateway.group.close().await;
        let last = events.next().await;
        assert!(last.is_none() || events.next().await.is_none());
        last.map(|last| last.kind)
    };
    let gone = Some("ResourceNotFoundException".to_owned());
    assert_eq!(said(|known| known.stream = None).await, gone);
    assert_eq!(said(|known| known.stream.as_mut().unwrap().uid = "another".into()).await, gone);
    assert_eq!(
        said(|known| known.stream.as_mut().unwrap().status = catalog::StreamStatus::Deleting).await,
        gone
    );
    // The group moves or restarts: the client comes back.
    assert_eq!(said(|_| ()).await, None);
    assert_eq!(said(|known| known.is_reachable = false).await, None);
}

#[tokio::test]
async fn deregistered_consumer_hears_it_and_is_not_found() {
    let gateway = local().await;
    let mut events = gateway.subscribe("LATEST").await.unwrap();
    assert!(events.records().await.0.is_empty());
    let deregister = serde_json::json!({ "ConsumerARN": ARN });
    assert_eq!(answer_of(&gateway.service, "DeregisterStreamConsumer", &deregister).await.0, StatusCode::OK);
    let Event { kind, payload } = events.next().await.unwrap();
    let message = "Consumer fan, account 000000000000 not found.";
    assert_eq!((kind.as_str(), payload["message"].as_str()), ("ResourceNotFoundException", Some(message)));
    assert_eq!(events.next().await, None);
    let (status, text) = gateway.subscribe("LATEST").await.err().unwrap();
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("ResourceNotFoundException"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn consumer_that_was_found_before_subscribes_while_the_catalog_service_is_away() {
    let gateway = local().await;
    gateway.control.change(|known| known.is_reachable = false);
    let unknown = gateway.subscribe("LATEST").await.err().unwrap();
    assert_eq!(unknown, (StatusCode::INTERNAL_SERVER_ERROR, r#"{"__type":"InternalFailure"}"#.into()));
    gateway.control.change(|known| known.is_reachable = true);
    drop(gateway.subscribe("LATEST").await.unwrap());
    gateway.control.change(|known| known.is_reachable = false);
    advance(Duration::from_secs(5)).await;
    assert!(gateway.subscribe("LATEST").await.is_ok());
}

#[tokio::test]
async fn subscription_ends_well_when_the_process_does() {
    let gateway = local().await;
    let mut events = gateway.subscribe("LATEST").await.unwrap();
    assert!(events.records().await.0.is_empty());
    gateway.endpoint.subscriptions().drain();
    assert_eq!(events.next().await, None);
    assert_eq!(gateway.subscribe("LATEST").await.unwrap().next().await, None);
    assert_eq!(gateway.running(), 0);
}

#[tokio::test]
async fn idle_subscription_takes_less_memory_than_it_is_counted_for() {
    let gateway = local().await;
    let events = gateway.subscribe("LATEST").await.unwrap();
    let AnswerBody::Pieces(pieces, _) = &events.body else { panic!("it is produced while it is sent") };
    let bytes = std::mem::size_of_val(&**pieces) + size_of::<Subscription>();
    // Half of its 8 KiB is left for its follower and for the task that ends it.
    assert!(bytes <= 4 << 10, "{bytes}");
}

#[tokio::test(start_paused = true)]
async fn exchange_of_a_client_that_takes_nothing_is_ended_when_the_subscription_is_over() {
    let gateway = local().await;
    let (connection, registration) = Exchange::of_connection();
    let begun = Instant::now();
    let untaken = connection.run(gateway.subscribe("LATEST")).await.unwrap();
    let ended = Abortable::new(std::future::pending::<()>(), registration).await;
    assert!(ended.is_err());
    assert!(begun.elapsed() >= Duration::from_secs(300), "by the moved clock");
    drop(untaken);
    assert_eq!(gateway.running(), 0);
}

/// Puts records that are numbered, from one on.
async fn fill(service: &KinesisService, records: usize) {
    let record = |number: usize| {
        let data = base64_simd::STANDARD.encode_to_string(format!("{number:0RECORD_BYTES$}"));
        serde_json::json!({"Data": data, "PartitionKey": "key", "ExplicitHashKey": "0"})
    };
    let records: Vec<_> = (1..=records).map(record).collect();
    let put = serde_json::json!({"StreamName": "orders", "Records": records});
    let (status, text) = answer_of(service, "PutRecords", &put).await;
    assert!(status == StatusCode::OK && text.contains(r#""FailedRecordCount":0"#), "{text}");
}

#[tokio::test]
async fn records_are_pushed_at_two_megabytes_a_second() {
    let gateway = local().await;
    fill(&gateway.service, RECORDS).await;
    tokio::time::pause();
    let begun = Instant::now();
    let mut events = gateway.subscribe("TRIM_HORIZON").await.unwrap();
    let mut records = 0;
    while records < RECORDS {
        records += events.records().await.0.len();
    }
    // Four megabytes, of which a second's worth came at once, and the last event when there was room for its first byte.
    let took = begun.elapsed().as_millis();
    assert!((400..1_000).contains(&took), "{took} ms by the moved clock");
}

#[tokio::test]
async fn subscriber_that_takes_nothing_keeps_one_event_and_is_reset_alone_when_others_need_the_memory() {
    // One event takes the whole budget.
    let sizes = Sizes { unsent: 16 << 10, ..Sizes::DEFAULT };
    let gateway = local_with(sizes).await;
    fill(&gateway.service, RECORDS).await;
    let (url, _end) = serve_endpoint(&gateway.endpoint).await;
    let (mut sender, _connection) = http2(&url, 4_096).await;
    let body = serde_json::json!({
        "ConsumerARN": ARN, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}
    });
    let slow = sender.send_request(request(&url, "SubscribeToShard", &body)).await.unwrap();
    assert_eq!(slow.status(), StatusCode::OK);
    let memory = gateway.endpoint.memory();
    let is_held = async {
        while memory.unsent.free_bytes() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, is_held).await.expect("an event waits for its client");
    // No second event is read before the first was taken.
    let read_bytes = sizes.reads - memory.reads.free_bytes();
    assert!(read_bytes <= 3 << 20, "{read_bytes}");
    assert_eq!(gateway.running(), 1);
    let get = serde_json::json!({
        "StreamName": "orders", "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON"
    });
    let iterator = answer_of(&gateway.service, "GetShardIterator", &get).await.1;
    let get: serde_json::Value = serde_json::from_str(&iterator).unwrap();
    let quick = async {
        let response = sender.send_request(request(&url, "GetRecords", &get)).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    };
    let quick = tokio::time::timeout(LIMIT, quick).await.expect("an answer in time");
    let quick: serde_json::Value = serde_json::from_slice(&quick).unwrap();
    assert_eq!(quick["Records"].as_array().unwrap().len(), RECORDS);
    assert!(slow.into_body().collect().await.is_err(), "it was reset");
    assert_eq!(gateway.endpoint.metrics().slow_readers_ended.get(), 1);
    assert_eq!(gateway.running(), 0);
    let list = request(&url, "ListStreams", &serde_json::json!({}));
    assert_eq!(sender.send_request(list).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn records_of_a_pod_come_once_and_in_order_whether_there_is_memory_for_its_window_or_not() {
    for has_memory in [true, false] {
        let data_dir = tempfile::tempdir().unwrap();
        let pod = Pod::serving(data_dir.path(), 4).await;
        let mut stream = stream("orders");
        stream.uid = UID.into();
        stream.groups[0].members = vec![Member { address: pod.address.to_string() }];
        let gateway = Gateway::new(stream, Routes::default(), Sizes::DEFAULT);
        fill(&gateway.service, RECORDS).await;
        let windows = &gateway.endpoint.memory().windows;
        let taken = (!has_memory).then(|| windows.take_free(Sizes::DEFAULT.windows).unwrap());
        let mut events = gateway.subscribe("TRIM_HORIZON").await.unwrap();
        let mut records = Vec::new();
        while records.len() < RECORDS {
            records.extend(events.records().await.0);
        }
        for put in ["live", "and again"] {
            gateway.put(put).await;
            while records.last().is_none_or(|last| last != put) {
                records.extend(events.records().await.0);
            }
        }
        let expected = (1..=RECORDS).map(|number| format!("{number:0RECORD_BYTES$}"));
        let expected: Vec<_> = expected.chain(["live".to_owned(), "and again".to_owned()]).collect();
        assert!(records == expected, "{} records", records.len());
        drop((events, taken));
        assert_eq!(windows.free_bytes(), Sizes::DEFAULT.windows);
        pod.end().await;
    }
}
