//! Bodies that are refused, and the exact words: those of AWS where it is known to have some.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kinesis_wire::Operation::{self, *};
use kinesis_wire::request::{Data, Request};
use kinesis_wire::{Encoding, Error};

const NAME_PATTERN: &str = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
const AT_LEAST_1: &str = "Member must have length greater than or equal to 1";
const NUMBER_CLASS: &str = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber";

fn decode(operation: Operation, body: &[u8]) -> Result<Request<'_>, Error> {
    Encoding::Json.decode(operation, body)
}

/// The error's body as JSON.
fn refusal(operation: Operation, body: &str) -> serde_json::Value {
    let error = decode(operation, body.as_bytes()).expect_err(body);
    assert_eq!(error.status(), 400, "{body}");
    serde_json::from_slice(&error.encode(Encoding::Json)).unwrap()
}

fn check_types(operation: Operation, body: &str, message: &str) {
    let expected = serde_json::json!({"__type": "SerializationException", "Message": message});
    assert_eq!(refusal(operation, body), expected, "{body}");
}

/// Findings are given as (value, path, constraint); a value of None is not repeated.
fn check_constraints(operation: Operation, body: &str, findings: &[(Option<&str>, &str, &str)]) {
    let texts: Vec<_> = findings
        .iter()
        .map(|(value, path, constraint)| {
            let value = match value {
                Some("null") => " null".into(),
                Some(value) => format!(" '{value}'"),
                None => String::new(),
            };
            format!("Value{value} at '{path}' failed to satisfy constraint: {constraint}")
        })
        .collect();
    let errors = if findings.len() == 1 { "error" } else { "errors" };
    let message = format!("{} validation {errors} detected: {}", findings.len(), texts.join("; "));
    let expected = serde_json::json!({"__type": "ValidationException", "message": message});
    assert_eq!(refusal(operation, body), expected, "{body}");
}

fn check_rules(operation: Operation, body: &str, message: &str) {
    let expected = serde_json::json!({"__type": "InvalidArgumentException", "message": message});
    assert_eq!(refusal(operation, body), expected, "{body}");
}

#[test]
fn body_that_is_no_json_structure_is_refused_without_a_message() {
    let expected = serde_json::json!({"__type": "SerializationException"});
    for body in ["", "hello", "{", "{}}", "null", "true", "1", "\"x\"", "{\"A\":\"\\ud800\"}x"] {
        for operation in [ListStreams, PutRecord, PutRecords] {
            assert_eq!(refusal(operation, body), expected, "{body}");
        }
    }
    assert!(decode(ListStreams, b"{\"NextToken\":\"\xff\"}").is_err());
}

#[test]
fn list_in_place_of_a_request_is_refused() {
    check_types(ListStreams, "[]", "Start of list found where not expected");
}

#[test]
fn wrong_types_are_refused_in_the_words_of_aws() {
    let list = "Start of list found where not expected";
    let map = "Start of structure or map found where not expected.";
    let number_to = |what: &str| format!("{NUMBER_CLASS} can not be converted to {what}");
    let cases = [
        (PutRecord, "StreamName", "true", "class java.lang.Boolean can not be converted to an String".into()),
        (PutRecord, "StreamName", "23", number_to("an String")),
        (PutRecord, "StreamName", "34.56", number_to("an String")),
        (PutRecord, "StreamName", "[]", list.into()),
        (PutRecord, "StreamName", "{\"a\":[{}]}", map.into()),
        (ListStreams, "Limit", "\"23\"", "class java.lang.String can not be converted to an Integer".into()),
        (ListStreams, "Limit", "true", "class java.lang.Boolean can not be converted to an Integer".into()),
        (ListStreams, "Limit", "[1]", list.into()),
        (ListStreams, "Limit", "{}", map.into()),
        (PutRecord, "DryRun", "23", number_to("an Boolean")),
        (PutRecord, "DryRun", "\"what\"", "'WHAT' can not be converted to an Boolean".into()),
        (PutRecord, "DryRun", "[]", list.into()),
        (PutRecord, "Data", "true", "class java.lang.Boolean can not be converted to a Blob".into()),
        (PutRecord, "Data", "2147483648", number_to("a Blob")),
        (PutRecord, "Data", "{}", map.into()),
        (
            PutRecord,
            "Data",
            "\"23456\"",
            "'23456' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 5"
                .into(),
        ),
        (
            PutRecord,
            "Data",
            "\"+/+=\"",
            "'+/+=' can not be converted to a Blob: Invalid last non-pad Base64 character dectected".into(),
        ),
        (
            ListShards,
            "StreamCreationTimestamp",
            "\"2016-04-04\"",
            "class java.lang.String can not be converted to milliseconds since epoch".into(),
        ),
        (
            ListShards,
            "StreamCreationTimestamp",
            "true",
            "class java.lang.Boolean can not be converted to milliseconds since epoch".into(),
        ),
        (PutRecords, "Records", "\"x\"", "Expected list or null".into()),
        (PutRecords, "Records", "23", "Expected list or null".into()),
        (PutRecords, "Records", "{}", map.into()),
        (PutRecords, "Records", "[true]", "Expected null".into()),
        (PutRecords, "Records", "[[]]", list.into()),
        (PutRecords, "Records", "[{\"PartitionKey\":1}]", number_to("an String")),
        (CreateStream, "Tags", "\"x\"", "Expected map or null".into()),
        (CreateStream, "Tags", "[]", list.into()),
        (CreateStream, "Tags", "{\"a\":1}", number_to("an String")),
        (CreateStream, "StreamModeDetails", "\"ON_DEMAND\"", "Expected null".into()),
    ];
    for (operation, member, value, message) in cases {
        check_types(operation, &format!("{{\"{member}\":{value}}}"), &message);
    }
}

#[test]
fn types_of_all_members_come_before_any_constraint() {
    let body = r#"{"StreamName":"","Records":[{"Data":""}],"DryRun":[]}"#;
    check_types(PutRecords, body, "Start of list found where not expected");
}

#[test]
fn syntax_comes_before_types() {
    let expected = serde_json::json!({"__type": "SerializationException"});
    assert_eq!(refusal(ListStreams, r#"{"Limit":"1","#), expected);
}

#[test]
fn missing_members_are_null() {
    let null = (Some("null"), "Member must not be null");
    check_constraints(CreateStream, "{}", &[(null.0, "streamName", null.1)]);
    check_constraints(
        GetShardIterator,
        r#"{"ShardId":null}"#,
        &[(null.0, "shardId", null.1), (null.0, "shardIteratorType", null.1)],
    );
    check_constraints(PutRecord, r#"{"StreamName":"s","PartitionKey":"k"}"#, &[(null.0, "data", null.1)]);
    check_constraints(
        PutRecords,
        r#"{"StreamName":"s","Records":[{"Data":""},{},null]}"#,
        &[(null.0, "records.2.member.data", null.1), (null.0, "records.3.member", null.1)],
    );
    check_constraints(
        CreateStream,
        r#"{"StreamName":"s","StreamModeDetails":{}}"#,
        &[(null.0, "streamModeDetails.streamMode", null.1)],
    );
}

#[test]
fn broken_constraints_are_listed_in_the_words_of_aws() {
    let name = "a".repeat(129);
    let at_most_128 = "Member must have length less than or equal to 128";
    check_constraints(
        GetShardIterator,
        r#"{"StreamName":"","ShardId":"","ShardIteratorType":"","StartingSequenceNumber":""}"#,
        &[
            (Some(""), "streamName", NAME_PATTERN),
            (Some(""), "streamName", AT_LEAST_1),
            (Some(""), "shardId", NAME_PATTERN),
            (Some(""), "shardId", AT_LEAST_1),
            (
                Some(""),
                "shardIteratorType",
                "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, \
                 AT_SEQUENCE_NUMBER, TRIM_HORIZON]",
            ),
            (
                Some(""),
                "startingSequenceNumber",
                r"Member must satisfy regular expression pattern: 0|([1-9]\d{0,128})",
            ),
        ],
    );
    check_constraints(
        DescribeStream,
        &format!(r#"{{"StreamName":"{name}","Limit":10001}}"#),
        &[
            (Some(&name), "streamName", at_most_128),
            (Some("10001"), "limit", "Member must have value less than or equal to 10000"),
        ],
    );
    check_constraints(
        CreateStream,
        r#"{"StreamName":"s","ShardCount":0,"MaxRecordSizeInKiB":1023,"StreamModeDetails":{"StreamMode":"X"}}"#,
        &[
            (Some("0"), "shardCount", "Member must have value greater than or equal to 1"),
            (
                Some("X"),
                "streamModeDetails.streamMode",
                "Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]",
            ),
            (Some("1023"), "maxRecordSizeInKiB", "Member must have value greater than or equal to 1024"),
        ],
    );
    check_constraints(
        PutRecord,
        r#"{"StreamARN":"arn:aws:sqs:x","Data":"","PartitionKey":"","ExplicitHashKey":"01"}"#,
        &[
            (Some(""), "partitionKey", AT_LEAST_1),
            (
                Some("01"),
                "explicitHashKey",
                r"Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})",
            ),
            (
                Some("arn:aws:sqs:x"),
                "streamARN",
                r"Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\d{12}:stream/\S+",
            ),
        ],
    );
}

#[test]
fn long_values_are_not_repeated() {
    check_constraints(PutRecords, r#"{"StreamName":"s","Records":[]}"#, &[(None, "records", AT_LEAST_1)]);
    let tags = format!(r#"{{"StreamName":"s","Tags":{{"{}":"{}"}}}}"#, "k".repeat(129), "v".repeat(257));
    check_constraints(
        CreateStream,
        &tags,
        &[
            (
                None,
                "tags",
                "Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must \
                 have length greater than or equal to 1]",
            ),
            (
                None,
                "tags",
                "Map value must satisfy constraint: [Member must have length less than or equal to 256, Member must \
                 have length greater than or equal to 0]",
            ),
        ],
    );
    let data = "A".repeat((10_485_760_usize + 1).div_ceil(3) * 4);
    check_constraints(
        PutRecord,
        &format!(r#"{{"StreamName":"s","Data":"{data}"}}"#),
        &[(None, "data", "Member must have length less than or equal to 10485760")],
    );
    check_constraints(
        ListStreams,
        &format!(r#"{{"NextToken":"{}"}}"#, "t".repeat(1_048_577)),
        &[(None, "nextToken", "Member must have length less than or equal to 1048576")],
    );
}

#[test]
fn ten_findings_are_listed_at_most() {
    let records = vec![r#"{"Data":"","PartitionKey":""}"#; 501].join(",");
    let paths: Vec<_> = (1..10).map(|index| format!("records.{index}.member.partitionKey")).collect();
    let mut findings = vec![(None, "records", "Member must have length less than or equal to 500")];
    findings.extend(paths.iter().map(|path| (Some(""), path.as_str(), AT_LEAST_1)));
    check_constraints(PutRecords, &format!(r#"{{"StreamName":"s","Records":[{records}]}}"#), &findings);
}

#[test]
fn length_counts_characters() {
    let body = |key: String| format!(r#"{{"StreamName":"s","Data":"","PartitionKey":"{key}"}}"#);
    assert!(decode(PutRecord, body("é".repeat(256)).as_bytes()).is_ok());
    let long = "é".repeat(257);
    let at_most = "Member must have length less than or equal to 256";
    check_constraints(PutRecord, &body(long.clone()), &[(Some(&long), "partitionKey", at_most)]);
}

#[test]
fn stream_must_be_named_and_by_one_name() {
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
    let consumer = format!("{arn}/consumer/c:1");
    let neither = "Either StreamName or StreamARN must be provided.";
    for (operation, rest) in [
        (DeleteStream, ""),
        (DescribeStream, ""),
        (DescribeStreamSummary, ""),
        (PutRecord, r#","Data":"""#),
        (PutRecords, r#","Records":[{"Data":""}]"#),
        (GetShardIterator, r#","ShardId":"0","ShardIteratorType":"LATEST""#),
    ] {
        check_rules(operation, &format!(r#"{{"StreamName":null{rest}}}"#), neither);
        check_rules(
            operation,
            &format!(r#"{{"StreamName":"other","StreamARN":"{arn}"{rest}}}"#),
            &format!("StreamName other and StreamARN {arn} must refer to the same stream."),
        );
        check_rules(
            operation,
            &format!(r#"{{"StreamARN":"{consumer}"{rest}}}"#),
            &format!("StreamARN {consumer} is not the ARN of a stream."),
        );
        assert!(
            decode(operation, format!(r#"{{"StreamName":"orders","StreamARN":"{arn}"{rest}}}"#).as_bytes())
                .is_ok()
        );
    }
}

#[test]
fn listing_goes_on_by_token_alone() {
    check_rules(ListShards, "{}", "Either NextToken or StreamName should be provided.");
    for (member, value) in [
        ("StreamName", "\"s\""),
        ("StreamARN", "\"arn:aws:kinesis:us-east-1:000000000000:stream/s\""),
        ("StreamCreationTimestamp", "1"),
        ("ExclusiveStartShardId", "\"0\""),
    ] {
        check_rules(
            ListShards,
            &format!(r#"{{"NextToken":"t","{member}":{value}}}"#),
            &format!("NextToken and {member} cannot be provided together."),
        );
    }
}

#[test]
fn consumer_is_named_by_arn_or_by_stream_and_name() {
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
    let consumer = format!("{stream}/consumer/c:1");
    let neither = "Either ConsumerARN, or both StreamARN and ConsumerName, must be provided.";
    let other =
        format!("ConsumerARN {consumer}, StreamARN and ConsumerName must refer to the same consumer.");
    for operation in [DescribeStreamConsumer, DeregisterStreamConsumer] {
        check_rules(operation, "{}", neither);
        check_rules(operation, &format!(r#"{{"StreamARN":"{stream}"}}"#), neither);
        check_rules(operation, r#"{"ConsumerName":"c"}"#, neither);
        check_rules(operation, &format!(r#"{{"ConsumerARN":"{consumer}","ConsumerName":"d"}}"#), &other);
        check_rules(operation, &format!(r#"{{"ConsumerARN":"{consumer}","StreamARN":"{stream}2"}}"#), &other);
        let all = format!(r#"{{"ConsumerARN":"{consumer}","StreamARN":"{stream}","ConsumerName":"c"}}"#);
        assert!(decode(operation, all.as_bytes()).is_ok());
    }
    check_rules(
        ListStreamConsumers,
        &format!(r#"{{"StreamARN":"{stream}","NextToken":"t","StreamCreationTimestamp":1}}"#),
        "NextToken and StreamCreationTimestamp cannot be provided together.",
    );
}

#[test]
fn texts_of_a_list_are_judged_together() {
    let keys = "Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have \
                length greater than or equal to 1]";
    check_constraints(
        RemoveTagsFromStream,
        r#"{"StreamName":"s","TagKeys":["a","",null]}"#,
        &[(None, "tagKeys", keys)],
    );
    check_constraints(
        EnableEnhancedMonitoring,
        r#"{"StreamName":"s","ShardLevelMetrics":["x"]}"#,
        &[(
            None,
            "shardLevelMetrics",
            "Member must satisfy constraint: [Member must satisfy enum value set: [IncomingBytes, IncomingRecords, \
             OutgoingBytes, OutgoingRecords, WriteProvisionedThroughputExceeded, ReadProvisionedThroughputExceeded, \
             IteratorAgeMilliseconds, ALL]]",
        )],
    );
}

#[test]
fn filter_has_what_its_type_needs() {
    for (kind, member) in
        [("AFTER_SHARD_ID", "ShardId"), ("AT_TIMESTAMP", "Timestamp"), ("FROM_TIMESTAMP", "Timestamp")]
    {
        check_rules(
            ListShards,
            &format!(r#"{{"StreamName":"s","ShardFilter":{{"Type":"{kind}"}}}}"#),
            &format!("ShardFilter of type {kind} needs a {member}."),
        );
    }
}

#[test]
fn iterator_type_and_position_go_together() {
    let cases = [
        ("AT_SEQUENCE_NUMBER", "", "no"),
        ("AFTER_SEQUENCE_NUMBER", r#","Timestamp":1"#, "no"),
        ("TRIM_HORIZON", r#","StartingSequenceNumber":"5""#, "also a"),
        ("LATEST", r#","StartingSequenceNumber":"5""#, "also a"),
    ];
    for (kind, rest, found) in cases {
        check_rules(
            GetShardIterator,
            &format!(r#"{{"StreamName":"s","ShardId":"0","ShardIteratorType":"{kind}"{rest}}}"#),
            &format!(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
                 TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {kind} and {found} \
                 StartingSequenceNumber."
            ),
        );
    }
    check_rules(
        GetShardIterator,
        r#"{"StreamName":"s","ShardId":"0","ShardIteratorType":"AT_TIMESTAMP"}"#,
        "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp \
         parameter.",
    );
}

#[test]
fn put_of_more_than_ten_mebibytes_is_refused() {
    let data = "A".repeat(5_242_880_usize.div_ceil(3) * 4);
    let body = format!(r#"{{"StreamName":"s","Records":[{{"Data":"{data}"}},{{"Data":"{data}"}}]}}"#);
    check_rules(PutRecords, &body, "Records size exceeds 10 MB limit");
}

#[test]
fn channels_and_queues_are_not_found_and_not_made() {
    let not_served = [
        AcknowledgeDeadLetterQueueRecords,
        AcknowledgeQueueRecords,
        CreateChannel,
        CreateQueue,
        DeleteChannel,
        DeleteQueue,
        DescribeChannel,
        DescribeQueue,
        ReceiveDeadLetterQueueRecords,
        ReceiveQueueRecords,
        RestoreDeadLetterQueueRecords,
        UpdateChannel,
        UpdateDeadLetterQueueRecordsVisibility,
        UpdateQueue,
        UpdateQueueRecordsVisibility,
    ];
    for operation in not_served {
        let (code, message) = match operation {
            CreateChannel | CreateQueue => {
                ("InvalidArgumentException", format!("{operation} is not served."))
            }
            _ => (
                "ResourceNotFoundException",
                format!("{operation} found nothing: channels and queues are not served."),
            ),
        };
        let expected = serde_json::json!({"__type": code, "message": message});
        assert_eq!(refusal(operation, "{}"), expected);
        let syntax = serde_json::json!({"__type": "SerializationException"});
        assert_eq!(refusal(operation, "{"), syntax);
    }
    for &operation in Operation::ALL.iter().filter(|operation| !not_served.contains(operation)) {
        if let Err(error) = decode(operation, b"{}") {
            assert!(!error.message.unwrap().contains("not served"), "{operation}");
        }
    }
}

#[test]
fn unknown_members_and_nulls_are_ignored() {
    let body = r#"{"Unknown":{"deep":[[{}]]},"StreamName":"s","PartitionKey":null,"Data":"","DryRun":null}"#;
    assert!(decode(PutRecord, body.as_bytes()).is_ok());
    let nested = format!(r#"{{"Unknown":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(decode(ListStreams, nested.as_bytes()).is_ok());
}

#[test]
fn last_of_a_repeated_member_counts() {
    let body = r#"{"StreamName":"a","StreamName":"b","Data":"","Data":"eA=="}"#;
    let Ok(Request::PutRecord(put)) = decode(PutRecord, body.as_bytes()) else { panic!() };
    assert_eq!((put.stream.stream_name(), &put.record.data), (Some("b"), &Data::from_bytes(&b"x"[..])));
}

#[test]
fn times_above_a_hundred_billion_are_milliseconds() {
    use kinesis_wire::request::StartingPosition;
    for (time, ms) in [
        ("1459799926.480", 1_459_799_926_480),
        ("1459799926", 1_459_799_926_000),
        ("1459799926480", 1_459_799_926_480),
        ("100000000000", 100_000_000_000_000),
        ("0.0004", 0),
        ("-1.5", -1_500),
    ] {
        let body = format!(
            r#"{{"StreamName":"s","ShardId":"0","ShardIteratorType":"AT_TIMESTAMP","Timestamp":{time}}}"#
        );
        let decoded = decode(GetShardIterator, body.as_bytes());
        let Ok(Request::GetShardIterator(request)) = decoded else { panic!("{time}") };
        assert_eq!(request.position, StartingPosition::AtTimestamp(ms), "{time}");
    }
}
