//! Errors have the words that clients know.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kinesis_wire::{Encoding, Error, ErrorCode, Operation};

const ACCOUNT: &str = "000000000000";

/// (the error, its status, its body)
fn cases() -> Vec<(Error, u16, &'static str)> {
    vec![
        (
            Error::stream_not_found("orders", ACCOUNT),
            400,
            r#"{"__type":"ResourceNotFoundException","message":"Stream orders under account 000000000000 not found."}"#,
        ),
        (
            Error::shard_not_found("shardId-000000000005", "orders", ACCOUNT),
            400,
            r#"{"__type":"ResourceNotFoundException","message":"Shard shardId-000000000005 in stream orders under account 000000000000 does not exist"}"#,
        ),
        (
            Error::shard_id_unreadable("x-y", "orders", ACCOUNT),
            400,
            r#"{"__type":"ResourceNotFoundException","message":"Could not find shard x-y in stream orders under account 000000000000."}"#,
        ),
        (
            Error::stream_exists("orders", ACCOUNT),
            400,
            r#"{"__type":"ResourceInUseException","message":"Stream orders under account 000000000000 already exists."}"#,
        ),
        (
            Error::stream_not_active("orders", ACCOUNT, "UPDATING"),
            400,
            r#"{"__type":"ResourceInUseException","message":"Stream orders under account 000000000000 not ACTIVE, instead in state UPDATING"}"#,
        ),
        (
            Error::shard_limit_exceeded(ACCOUNT, "us-east-1", 3, 10, 1000),
            400,
            r#"{"__type":"LimitExceededException","message":"This request would exceed the shard limit for the account 000000000000 in us-east-1. Current shard count for the account: 3. Limit: 10. Number of additional shards that would have resulted from this request: 1000. Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits."}"#,
        ),
        (
            Error::rate_exceeded("shardId-000000000000", "orders", ACCOUNT),
            400,
            r#"{"__type":"ProvisionedThroughputExceededException","message":"Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000000."}"#,
        ),
        (
            Error::explicit_hash_key_out_of_range("340282366920938463463374607431768211456"),
            400,
            r#"{"__type":"InvalidArgumentException","message":"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was 340282366920938463463374607431768211456"}"#,
        ),
        (
            Error::partition_key_missing(None),
            400,
            r#"{"__type":"ValidationException","message":"1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null"}"#,
        ),
        (
            Error::partition_key_missing(Some(0)),
            400,
            r#"{"__type":"ValidationException","message":"1 validation error detected: Value null at 'records.1.member.partitionKey' failed to satisfy constraint: Member must not be null"}"#,
        ),
        (
            Error::record_too_large(Some(0), 1024),
            400,
            r#"{"__type":"ValidationException","message":"1 validation error detected: Value at 'records.1.member.data' failed to satisfy constraint: Member must have length less than or equal to 1048576"}"#,
        ),
        (
            Error::invalid_shard_iterator(),
            400,
            r#"{"__type":"InvalidArgumentException","message":"Invalid ShardIterator."}"#,
        ),
        (
            Error::expired_iterator(1_421_889_722_000, 1_421_890_023_001),
            400,
            r#"{"__type":"ExpiredIteratorException","message":"Iterator expired. The iterator was created at time Thu Jan 22 01:22:02 UTC 2015 while right now it is Thu Jan 22 01:27:03 UTC 2015 which is further in the future than the tolerated delay of 300000 milliseconds."}"#,
        ),
        (
            Error::invalid_sequence_number("5", "shardId-000000000000", "orders", ACCOUNT),
            400,
            r#"{"__type":"InvalidArgumentException","message":"StartingSequenceNumber 5 used in GetShardIterator on shard shardId-000000000000 in stream orders under account 000000000000 is invalid."}"#,
        ),
        (
            Error::sequence_number_of_another_stream("5", "shardId-000000000000", "orders", ACCOUNT),
            400,
            r#"{"__type":"InvalidArgumentException","message":"StartingSequenceNumber 5 used in GetShardIterator on shard shardId-000000000000 in stream orders under account 000000000000 is invalid because it did not come from this stream."}"#,
        ),
        (
            Error::sequence_number_of_another_shard("shardId-000000000005", "shardId-000000000000"),
            400,
            r#"{"__type":"InvalidArgumentException","message":"Invalid StartingSequenceNumber. It encodes shardId-000000000005, while it was used in a call to a shard with shardId-000000000000"}"#,
        ),
        (
            Error::timestamp_in_future(2000, 1000),
            400,
            r#"{"__type":"InvalidArgumentException","message":"The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: 2000, currentTimestampInMillis: 1000"}"#,
        ),
        (
            Error::subscription_exists("shardId-000000000000", "orders", ACCOUNT, "fan"),
            400,
            r#"{"__type":"ResourceInUseException","message":"Another active subscription exists for this consumer: 000000000000:orders:shardId-000000000000:fan"}"#,
        ),
        (
            Error::consumer_not_found("fan", ACCOUNT),
            400,
            r#"{"__type":"ResourceNotFoundException","message":"Consumer fan, account 000000000000 not found."}"#,
        ),
        (
            Error::not_served_yet(Operation::SplitShard),
            400,
            r#"{"__type":"InvalidArgumentException","message":"SplitShard is not served yet"}"#,
        ),
        (Error::bare(ErrorCode::InternalFailure), 500, r#"{"__type":"InternalFailure"}"#),
        (Error::bare(ErrorCode::UnknownOperationException), 400, r#"{"__type":"UnknownOperationException"}"#),
        (
            Error::new(ErrorCode::SerializationException, "Expected null"),
            400,
            r#"{"__type":"SerializationException","Message":"Expected null"}"#,
        ),
    ]
}

#[test]
fn error_has_the_words_that_clients_know() {
    for (error, status, body) in cases() {
        assert_eq!(error.status(), status, "{error}");
        assert_eq!(String::from_utf8(error.encode(Encoding::Json)).unwrap(), body);
    }
}

#[test]
fn only_our_own_failures_are_500() {
    for &code in ErrorCode::ALL {
        assert_eq!(code.status() == 500, code.name().starts_with("InternalFailure"), "{}", code.name());
    }
}
