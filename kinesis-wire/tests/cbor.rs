//! CBOR as SDKs for Java write it, and as nobody should.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kinesis_wire::Operation::{self, *};
use kinesis_wire::request::{Data, Request, StartingPosition};
use kinesis_wire::{Encoding, Error, ErrorCode};
use minicbor::Encoder;
use proptest::prelude::*;

const TIME_MS: i64 = 1_787_036_486_712;

fn decode(operation: Operation, body: &[u8]) -> Result<Request<'_>, Error> {
    Encoding::Cbor.decode(operation, body)
}

fn position(timestamp: &[u8]) -> Result<StartingPosition<'static>, Error> {
    let mut body =
        b"\xbf\x6aStreamName\x61s\x67ShardId\x610\x71ShardIteratorType\x6cAT_TIMESTAMP\x69Timestamp".to_vec();
    body.extend(timestamp);
    body.push(0xff);
    match decode(GetShardIterator, &body)? {
        Request::GetShardIterator(request) => match request.position {
            StartingPosition::AtTimestamp(ms) => Ok(StartingPosition::AtTimestamp(ms)),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// The bytes behind `Timestamp` were captured from an unmodified KinesisClient of the SDK for Java 2
/// (github.com/floci-io/floci, issue 2368).
#[test]
fn time_of_the_java_sdk_is_in_milliseconds() {
    let captured = b"\xc1\x1b\x00\x00\x01\xa0\x13\xac\xcc\x38";
    assert_eq!(position(captured), Ok(StartingPosition::AtTimestamp(TIME_MS)));
    assert_eq!(position(&captured[1..]), Ok(StartingPosition::AtTimestamp(TIME_MS)), "without its tag");
    assert_eq!(position(b"\x05"), Ok(StartingPosition::AtTimestamp(5)));
}

#[test]
fn time_that_is_a_fraction_is_in_seconds() {
    let mut double = vec![0xc1, 0xfb];
    double.extend(1_459_799_926.48_f64.to_be_bytes());
    assert_eq!(position(&double), Ok(StartingPosition::AtTimestamp(1_459_799_926_480)));
    let half = b"\xf9\x3e\x00";
    assert_eq!(position(half), Ok(StartingPosition::AtTimestamp(1_500)));
    let mut large = vec![0xfb];
    large.extend((TIME_MS as f64).to_be_bytes());
    assert_eq!(position(&large), Ok(StartingPosition::AtTimestamp(TIME_MS)));
}

/// As Jackson writes a PutRecord: a map without a length, texts and bytes with theirs.
fn put_record() -> Vec<u8> {
    b"\xbf\x6aStreamName\x66orders\x64Data\x45hello\x6cPartitionKey\x61k\xff".to_vec()
}

#[test]
fn data_is_bytes() {
    let body = put_record();
    let Ok(Request::PutRecord(request)) = decode(PutRecord, &body) else { panic!() };
    assert_eq!(request.stream.stream_name(), Some("orders"));
    assert_eq!(request.record.data, Data::from_bytes(&b"hello"[..]));
    assert_eq!(request.record.partition_key.as_deref(), Some("k"));
}

#[test]
fn body_that_is_cut_off_or_goes_on_is_refused_without_a_message() {
    let mut body = put_record();
    let refused = Err(Error::bare(ErrorCode::SerializationException));
    for bytes in 0..body.len() {
        assert_eq!(decode(PutRecord, &body[..bytes]), refused, "{bytes}");
    }
    body.push(0xff);
    assert_eq!(decode(PutRecord, &body), refused);
    for no_structure in [&b"\xf6"[..], b"\x01", b"\x61s", b"\xff", b"{}", b"\xbf\x01\x01\xff"] {
        assert_eq!(decode(ListStreams, no_structure), refused, "{no_structure:?}");
    }
}

#[test]
fn list_in_place_of_a_request_is_refused() {
    let error = decode(ListStreams, b"\x80").unwrap_err();
    assert_eq!(error.message.as_deref(), Some("Start of list found where not expected"));
}

#[test]
fn hostile_depth_is_refused() {
    for level in [&b"\x9f"[..], b"\x82", b"\xbf\x61a", b"\x82\x9f"] {
        let mut body = b"\xbf\x67Unknown".to_vec();
        body.extend(level.repeat(100_000));
        let error = Error::bare(ErrorCode::SerializationException);
        assert_eq!(decode(ListStreams, &body), Err(error), "{level:?}");
    }
    let mut tags = b"\xbf\x65Limit".to_vec();
    tags.extend([0xc1; 100_000]);
    tags.extend(b"\x05\xff");
    assert!(decode(ListStreams, &tags).is_ok(), "tags are nothing that is remembered");
}

#[test]
fn length_that_nothing_follows_is_refused_at_once() {
    for head in
        [&b"\xbf\x67Records\x9b\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff"]
    {
        assert_eq!(decode(PutRecords, head), Err(Error::bare(ErrorCode::SerializationException)));
    }
}

#[test]
fn operation_that_is_not_served_is_refused_in_cbor_too() {
    assert_eq!(decode(DescribeChannel, b"\xa0").unwrap_err().code, ErrorCode::ResourceNotFoundException);
    assert_eq!(decode(DescribeChannel, b"{}").unwrap_err().code, ErrorCode::SerializationException);
}

proptest! {
    #[test]
    fn any_bytes_are_answered(head in prop_oneof![Just(b"\xbf".to_vec()), Just(Vec::new())], rest in proptest::collection::vec(any::<u8>(), 0..64)) {
        let body = [head, rest].concat();
        for &operation in Operation::ALL {
            let _ = decode(operation, &body);
        }
    }

    #[test]
    fn integers_of_any_width_are_read(limit in 1..=10_000_u32, wide in 0..3_u8) {
        let mut encoder = Encoder::new(Vec::new());
        encoder.map(1).unwrap().str("Limit").unwrap();
        match wide {
            0 => encoder.u32(limit).unwrap(),
            1 => encoder.f64(limit.into()).unwrap(),
            _ => encoder.f32(limit as f32).unwrap(),
        };
        let mut body = encoder.into_writer();
        if wide == 0 {
            // The eight bytes that nobody needs.
            body.truncate(7);
            body.push(0x1b);
            body.extend(u64::from(limit).to_be_bytes());
        }
        let Ok(Request::ListStreams(request)) = decode(ListStreams, &body) else { panic!() };
        prop_assert_eq!(request.limit, Some(limit));
    }
}
