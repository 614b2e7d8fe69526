//! The fast and the slow way to read a put are alike, whatever comes.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{put, types};
use crate::request::Request;
use crate::{Encoding, Error, Operation, shape};

/// What a member may be in a hostile body.
fn anything() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        "[A-Za-z0-9+/=]{0,8}".prop_map(Value::from),
        Just(json!("orders")),
        Just(json!("aGVsbG8=")),
        Just(json!("0")),
        Just(json!("arn:aws:kinesis:us-east-1:000000000000:stream/orders")),
    ];
    scalar.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[A-Z][a-z]{0,3}|Data|PartitionKey", inner), 0..4)
                .prop_map(|entries| entries.into_iter().collect())
        ]
    })
}

/// A structure of known and unknown members with anything in them.
fn hostile_structure() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("StreamName"),
        Just("StreamARN"),
        Just("StreamId"),
        Just("Data"),
        Just("PartitionKey"),
        Just("ExplicitHashKey"),
        Just("SequenceNumberForOrdering"),
        Just("DryRun"),
        Just("Records"),
        Just("Other"),
    ];
    vec((names, anything()), 0..6)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn text_of(length: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    vec(any::<char>(), length).prop_map(String::from_iter)
}

/// A record that keeps every constraint.
fn record() -> impl Strategy<Value = Map<String, Value>> {
    (vec(any::<u8>(), 0..40), option::of(text_of(1..=256)), option::of(any::<u128>())).prop_map(
        |(data, partition_key, explicit_hash_key)| {
            let mut record = Map::new();
            record.insert("Data".into(), base64_simd::STANDARD.encode_to_string(data).into());
            record.insert("PartitionKey".into(), partition_key.into());
            record.insert("ExplicitHashKey".into(), explicit_hash_key.map(|key| key.to_string()).into());
            record
        },
    )
}

/// A PutRecord that keeps every rule.
fn put_record() -> impl Strategy<Value = Value> {
    (record(), "[a-zA-Z0-9_.-]{1,128}", option::of(any::<bool>())).prop_map(|(mut body, name, dry_run)| {
        body.insert("StreamName".into(), name.into());
        body.insert("DryRun".into(), dry_run.into());
        body.into()
    })
}

/// A PutRecords that keeps every rule.
fn put_records() -> impl Strategy<Value = Value> {
    (vec(record(), 1..8), "[a-zA-Z0-9_.-]{1,128}")
        .prop_map(|(records, name)| json!({"Records": records, "StreamARN": arn(&name)}))
}

fn arn(name: &str) -> String {
    format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}")
}

/// The slow way alone.
fn slow(operation: Operation, body: &[u8]) -> Result<Request<'_>, Error> {
    let input = shape::input_of(operation).unwrap();
    let members = types::read(input, body)?;
    shape::check(input, &members)?;
    Request::build(operation, members)
}

/// Where the fast way takes a body, the slow way reads the same in it.
fn assert_alike(operation: Operation, body: &[u8]) -> Result<(), TestCaseError> {
    if let Some(request) = put::decode(operation, body) {
        prop_assert_eq!(Ok(request), slow(operation, body), "{:?}", String::from_utf8_lossy(body));
    }
    Ok(())
}

proptest! {
    #[test]
    fn good_put_is_taken_by_both_ways(record in put_record(), records in put_records(), pretty in any::<bool>()) {
        for (operation, body) in [(Operation::PutRecord, record), (Operation::PutRecords, records)] {
            let body = if pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.unwrap();
            let fast = put::decode(operation, &body);
            prop_assert!(fast.is_some());
            prop_assert_eq!(fast.map(Ok), Some(slow(operation, &body)));
        }
    }

    #[test]
    fn hostile_members_are_alike(body in hostile_structure(), entries in vec(hostile_structure(), 0..4)) {
        for operation in [Operation::PutRecord, Operation::PutRecords] {
            assert_alike(operation, &serde_json::to_vec(&body).unwrap())?;
            let mut with_entries = body.clone();
            with_entries["Records"] = json!(entries);
            with_entries["StreamName"] = json!("orders");
            assert_alike(operation, &serde_json::to_vec(&with_entries).unwrap())?;
        }
    }

    #[test]
    fn changed_bodies_are_alike(
        record in put_record(),
        records in put_records(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..4),
    ) {
        for (operation, body) in [(Operation::PutRecord, record), (Operation::PutRecords, records)] {
            let mut body = serde_json::to_vec(&body).unwrap();
            for (index, byte, how) in &changes {
                let at = index.index(body.len());
                match how {
                    0 => body[at] = *byte,
                    1 => body.insert(at, *byte),
                    2 => body.insert(at, b"\"\\{}[]:,0n \n\x00"[usize::from(*byte) % 13]),
                    _ if body.len() > 1 => drop(body.remove(at)),
                    _ => {}
                }
            }
            assert_alike(operation, &body)?;
        }
    }

    #[test]
    fn any_bytes_are_answered(body in vec(any::<u8>(), 0..64)) {
        for &operation in Operation::ALL {
            let _ = Encoding::Json.decode(operation, &body);
            let _ = Encoding::Cbor.decode(operation, &body);
        }
    }
}

#[test]
fn bodies_that_parsers_see_differently_are_alike() {
    let record = r#"{"StreamName":"orders","Data":"aGVsbG8=","PartitionKey":"k"}"#;
    let wrap = |from: &str, to: &str| record.replace(from, to).into_bytes();
    let bodies = [
        wrap("orders", "or\nders"),
        wrap("\"k\"", "\"\u{0}\""),
        wrap("\"k\"", r#""\ud800""#),
        wrap("\"k\"", r#""\udc00\ud800""#),
        wrap("\"k\"", r#""\u00""#),
        wrap("\"k\"", r#""\x""#),
        wrap("{", "{,"),
        wrap("}", ",}"),
        wrap("}", "}}"),
        wrap("}", "} x"),
        wrap("}", "}\0"),
        wrap("{", "\u{feff}{"),
        wrap("\"PartitionKey\"", r#""\u0050artitionKey""#),
        wrap("aGVsbG8=", r"aGVs\/G8="),
        wrap("aGVsbG8=", "aGVsbG9="),
        wrap("\"k\"", "\"k\",\"PartitionKey\":\"l\""),
        wrap("\"k\"", "\"k\",\"DryRun\":1e0"),
        wrap("\"k\"", "\"k\",\"DryRun\":\"true\""),
        br#"["orders",null,null,"aGVsbG8=","k",null,null,null]"#.to_vec(),
        br#"{"StreamName":"orders","Records":[["aGVsbG8=","k",null]]}"#.to_vec(),
        br#"{"StreamName":"orders","Records":[null]}"#.to_vec(),
        br#"{"StreamName":"orders","Records":[{"Data":"","PartitionKey":"k"},]}"#.to_vec(),
    ];
    for body in bodies {
        for operation in [Operation::PutRecord, Operation::PutRecords] {
            assert_alike(operation, &body).unwrap();
        }
    }
}

#[test]
fn data_of_a_put_is_decoded_where_it_belongs() {
    let body = r#"{"StreamName":"s","Records":[{"Data":"aGVs","PartitionKey":"a"},{"Data":"bG8=","PartitionKey":"b"}]}"#;
    let Ok(Request::PutRecords(request)) = Encoding::Json.decode(Operation::PutRecords, body.as_bytes())
    else {
        panic!()
    };
    let mut bytes = Vec::new();
    request.records.iter().for_each(|record| record.data.append_to(&mut bytes));
    assert_eq!(bytes, b"hello");
    assert_eq!(request.records.iter().map(|record| record.data.len()).collect::<Vec<_>>(), [3, 2]);
}
