//! Frames of a subscription are what AWS's own reader of them understands.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use kinesis_wire::event_stream::{SubscribeToShardEvent, exception, initial_response};
use kinesis_wire::response::{ChildShard, HashKeyRange};
use kinesis_wire::{Encoding, Error, ErrorCode};
use proptest::prelude::*;
use serde_json::{Value, json};

const NUMBER: &str = "49590338271490256608559692538361571095921575989136588898";

/// Reads one frame, which must be all of the bytes.
fn read(frame: &[u8]) -> Message {
    let mut rest = frame;
    let message = read_message_from(&mut rest).unwrap();
    assert!(rest.is_empty());
    message
}

fn headers(message: &Message) -> Vec<(&str, &str)> {
    let headers = message.headers().iter();
    let mut headers: Vec<_> = headers
        .map(|header| (header.name().as_str(), header.value().as_string().unwrap().as_str()))
        .collect();
    headers.sort_unstable();
    headers
}

fn payload(message: &Message) -> Value {
    serde_json::from_slice(message.payload()).unwrap()
}

#[test]
fn stream_begins_with_the_initial_response() {
    let message = read(&initial_response(Encoding::Json));
    assert_eq!(
        headers(&message),
        [
            (":content-type", "application/x-amz-json-1.1"),
            (":event-type", "initial-response"),
            (":message-type", "event"),
        ]
    );
    assert_eq!(payload(&message), json!({}));
}

#[test]
fn event_has_records_and_where_to_go_on() {
    let mut event = SubscribeToShardEvent::with_capacity(Encoding::Json, 0);
    event.record(NUMBER, 1_459_799_926_480, b"hello", Some("k"));
    let message = read(&event.finish(Some(NUMBER), 7, &[]));
    assert_eq!(headers(&message)[1], (":event-type", "SubscribeToShardEvent"));
    let record = json!({
        "SequenceNumber": NUMBER, "ApproximateArrivalTimestamp": 1_459_799_926.48, "Data": "aGVsbG8=", "PartitionKey": "k",
    });
    let expected =
        json!({"Records": [record], "ContinuationSequenceNumber": NUMBER, "MillisBehindLatest": 7});
    assert_eq!(payload(&message), expected);
}

#[test]
fn event_at_the_end_of_a_shard_has_children_and_nowhere_to_go_on() {
    let child = ChildShard {
        shard_id: "shardId-000000000003".into(),
        parent_shards: vec!["shardId-000000000001".into()],
        hash_key_range: HashKeyRange { starting: 0, ending: 9 },
    };
    let event = SubscribeToShardEvent::with_capacity(Encoding::Json, 0);
    let message = read(&event.finish(None::<&str>, 0, &[child]));
    let child = json!({
        "ShardId": "shardId-000000000003",
        "ParentShards": ["shardId-000000000001"],
        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "9"},
    });
    let expected = json!({"Records": [], "MillisBehindLatest": 0, "ChildShards": [child]});
    assert_eq!(payload(&message), expected);
}

#[test]
fn error_in_the_stream_is_an_exception_that_the_model_knows() {
    let taken_over = Error::new(ErrorCode::ResourceInUseException, "Another active subscription exists.");
    for (error, name, body) in [
        (&taken_over, "ResourceInUseException", json!({"message": "Another active subscription exists."})),
        (&Error::bare(ErrorCode::InternalFailure), "InternalFailureException", json!({})),
    ] {
        let message = read(&exception(error, Encoding::Json));
        assert_eq!(
            headers(&message),
            [
                (":content-type", "application/x-amz-json-1.1"),
                (":exception-type", name),
                (":message-type", "exception"),
            ]
        );
        assert_eq!(payload(&message), body);
    }
}

/// What the model has inside the stream, but for the event.
#[test]
fn every_exception_of_the_model_has_its_own_name() {
    let model: Value = serde_json::from_str(include_str!("model/kinesis.json")).unwrap();
    let members = model["output_shapes"]["SubscribeToShardEventStream"]["members"].as_object().unwrap();
    for &code in ErrorCode::ALL {
        let message = read(&exception(&Error::bare(code), Encoding::Json));
        let headers = headers(&message);
        let (_, name) = headers.iter().find(|(name, _)| *name == ":exception-type").unwrap();
        let expected =
            if members.contains_key(code.name()) { code.name() } else { "InternalFailureException" };
        assert_eq!(*name, expected);
    }
}

proptest! {
    #[test]
    fn every_event_is_read(
        records in proptest::collection::vec((any::<u64>(), proptest::collection::vec(any::<u8>(), 0..300), ".{1,20}"), 0..5),
        behind_ms in any::<u64>(),
        cbor in any::<bool>(),
    ) {
        let encoding = if cbor { Encoding::Cbor } else { Encoding::Json };
        let mut event = SubscribeToShardEvent::with_capacity(encoding, 100);
        for (number, data, key) in &records {
            event.record(number, 5, data, Some(key));
        }
        let message = read(&event.finish(Some(NUMBER), behind_ms, &[]));
        prop_assert_eq!(headers(&message)[0], (":content-type", encoding.content_type()));
        if !cbor {
            prop_assert_eq!(payload(&message)["Records"].as_array().unwrap().len(), records.len());
        }
    }
}
